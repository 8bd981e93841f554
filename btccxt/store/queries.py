"""What a user may ask a running store: its account, its orders at the exchange, its connections, its books."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from btccxt.account.ledger import agree
from btccxt.account.position_view import in_coins
from btccxt.bt.broker import CCXTBroker
from btccxt.bt.cerebro import CerebroLoop
from btccxt.config import Mode, StoreConfig
from btccxt.errors import BtccxtError, ConfigError
from btccxt.exchange.api import DrivenExchange
from btccxt.exchange.position_side import symbol_of
from btccxt.exchange.profile.paging_rule import PagingRule
from btccxt.exchange.profile.profile import Profile
from btccxt.exchange.profile.support import Support, support_of
from btccxt.exchange.proof.verdict import Verdict
from btccxt.model import (
    Balance,
    ConnectionState,
    Fill,
    Market,
    MarketType,
    OrderFeature,
    OrderKind,
    OrderUpdate,
    Position,
)
from btccxt.observe.redact import redact_text
from btccxt.orders.journal.journal import Journal
from btccxt.orders.journal.rows import JournaledOrder
from btccxt.orders.live_order import LifecycleState
from btccxt.orders.trading_state import TradingControl
from btccxt.session.loop_thread import Session
from btccxt.store.account_history import (
    AccountHistory,
    HistoryProgress,
    KeptLists,
    Moment,
    SymbolsToList,
    ended_orders,
    fills_of,
    kept_lists,
    one_at_a_time,
    span_of,
)
from btccxt.store.account_session import AccountSession
from btccxt.store.money_history import MoneyEntry, money_moved
from btccxt.store.notifier import Notifier
from btccxt.store.self_check import facts as self_check_facts
from btccxt.store.startup import did_you_mean

if TYPE_CHECKING:  # heavy, and needed for types only
    from btccxt.sim.server import SimExchange
    from btccxt.store.venues import ExchangeConnection


async def snapshot(account_session: AccountSession) -> dict[str, Any]:
    """Streams, clock, limits, breakers and orders at this instant. Runs in the session's loop."""
    clock, streams = account_session.clock, account_session.streams()
    facts: dict[str, Any] = {
        "state": streams.state.value,
        "clock": {
            "offset_ms": round(clock.offset_ms, 3),
            "uncertainty_ms": None if clock.uncertainty_ms is None else round(clock.uncertainty_ms, 3),
            "steps": clock.steps,
            "exchange_time_ms": clock.now_ms(),
        },
        "streams": [
            {
                "stream": str(health.key),
                "state": health.state.value,
                "data_age_s": None if health.data_age_s is None else round(health.data_age_s, 3),
                "attempts": health.attempts,
                "reconnects": health.reconnects,
                "last_error": redact_text(health.last_error),
            }
            for health in streams.snapshot()
        ],
        "orders": _orders(account_session),
        "tasks": {
            name: {
                "restarts": health.restarts,
                "failures_in_a_row": health.failures,
                "last_error": redact_text(health.last_error),
            }
            for name, health in sorted(account_session.tasks().items())
        },
    }
    if account_session.paper is not None:
        facts["paper"] = account_session.paper.facts()
    exchange = account_session.public_exchange
    if isinstance(exchange, DrivenExchange):
        facts["limits"] = {
            name: {"used": round(use.used, 2), "capacity": use.capacity}
            for name, use in exchange.limiter.usage().items()
        }
        facts["breakers"] = {group.value: state.value for group, state in exchange.breakers.states.items()}
    return facts


def _orders(account_session: AccountSession) -> dict[str, Any]:
    tracker = account_session.tracker
    if tracker is None:
        return {"tracked": False}
    live = tracker.open_orders()
    return {
        "tracked": True,
        "halted": tracker.halted,
        "in_flight": [order.client_order_id for order in live if order.state.is_in_flight],
        "unknown": [order.client_order_id for order in live if order.state is LifecycleState.UNKNOWN],
        "open": len(live),
        "protection": [
            {
                "group": each.group,
                "symbol": each.symbol,
                "open": str(each.open),
                "protected": str(each.protected),
                "unprotected_s": round(each.unprotected_s, 3),
                "unprotected_total_s": round(each.unprotected_total_s, 3),
            }
            for each in account_session.protection()
        ],
    }


T = TypeVar("T")
_JOURNAL_TIMEOUT_S = 30.0


class StoreQueries(ABC):
    """The asking half of ``CCXTStore``; sends nothing that changes anything."""

    name: str
    mode: Mode
    settings: StoreConfig
    profile: Profile
    cerebro_loop: CerebroLoop | None
    _account_session: AccountSession | None
    _session: Session | None
    _venue: ExchangeConnection | None
    _notifier: Notifier
    _broker: CCXTBroker | None
    _journal: Journal | None
    trading: TradingControl
    verdict: Verdict | None = None
    """Whether the installed ccxt does what was proven; known after ``start()``."""

    @property
    def markets(self) -> Mapping[str, Market]:
        """Markets by unified symbol; known after ``start()``."""
        return self._open_session.markets

    @abstractmethod
    def getbroker(self) -> CCXTBroker: ...

    @property
    def is_started(self) -> bool:
        """Whether it is connected."""
        return self._account_session is not None

    @property
    def state(self) -> ConnectionState:
        """Worst state of all streams; STOPPED when not started."""
        account_session = self._account_session
        return ConnectionState.STOPPED if account_session is None else account_session.streams().state

    def health(self) -> dict[str, Any]:
        """Everything about the connection in one JSON-able dict. Waits for the session's loop, not for the network."""
        account_session = self._account_session  # the store may be stopped meanwhile
        facts: dict[str, Any] = {
            "exchange": self.name, "mode": self.mode.value, "market_type": self.profile.market_type.value,
            "started": account_session is not None, "state": self.state.value,
        }  # fmt: skip
        state, why = self.trading.read()
        facts["trading"] = {
            "state": state.value,
            "why": why,
            "file": None if self.trading.path is None else str(self.trading.path),
        }
        if self.verdict is not None:
            facts["ccxt"] = self_check_facts(self.verdict)
        if self._broker is not None:
            facts["warmup"] = self._broker.warm_up_facts()
        if account_session is not None:
            facts |= self._ask(snapshot(account_session))
        return {**facts, "last_errors": self._notifier.last_errors()}

    def balance(self) -> dict[str, Balance]:
        """Last known balance of every coin, from memory."""
        return self._open_session.balances()

    def positions(self) -> tuple[Position, ...]:
        """Last known open contract positions, in contracts and in coins, from memory."""
        markets = self._open_session.markets
        found = (in_coins(each, markets.get(each.symbol)) for each in self._open_session.positions())
        return tuple(replace(each, symbol=symbol_of(each.symbol)) for each in found)

    def open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        """What the exchange has open now. Blocks for one request."""
        return self._ask(self._open_session.exchange.fetch_open_orders(symbol))

    def order_history(
        self,
        symbol: str | None = None,
        since: Moment | None = None,
        limit: int | None = None,
        *,
        until: Moment | None = None,
        progress: Callable[[HistoryProgress], object] | None = None,
    ) -> AccountHistory[OrderUpdate]:
        """Ended orders from ``since`` to ``until`` (both included), oldest first, as the exchange has them.

        A sequence that is fetched when it is first looked at, page by page within the exchange's limits; that blocks.
        ``since``, ``until``: a datetime (UTC without a zone) or milliseconds; without ``since`` the last 90 days.
        Pages are kept beside the journal: a later process goes on where one was interrupted.
        ``limit``: the first so many from ``since`` on, without ``since`` the newest. ``symbol``: None means all; an
        exchange that lists one symbol at a time is asked for those of the journal and those held. ``progress`` is told
        of each page. Raises ConfigError, and when it is looked at the exchange's errors: look again to go on.
        """
        session = self._open_session
        span = span_of(since, until, limit, session.clock.now_ms())
        wish = self._symbols_to_list(symbol, self.profile.closed_orders)
        return ended_orders(session.exchange, wish, span, self._ask, progress, self._kept_lists())

    def trade_history(
        self,
        symbol: str | None = None,
        since: Moment | None = None,
        limit: int | None = None,
        *,
        until: Moment | None = None,
        progress: Callable[[HistoryProgress], object] | None = None,
    ) -> AccountHistory[Fill]:
        """The account's fills, fetched as ``order_history`` fetches orders.

        Each names the strategy's order (``client_order_id``) where the journal knows the exchange's id of it.
        """
        session = self._open_session
        span = span_of(since, until, limit, session.clock.now_ms())
        wish = self._symbols_to_list(symbol, self.profile.my_trades)
        names = self._journaled_orders
        return fills_of(session.exchange, wish, span, self._ask, names, progress, self._kept_lists())

    def ledger(
        self,
        since: Moment | None = None,
        limit: int | None = None,
        *,
        until: Moment | None = None,
        progress: Callable[[HistoryProgress], object] | None = None,
    ) -> AccountHistory[MoneyEntry]:
        """What came and went beside the trades' own amounts: fees, funding, deposits, withdrawals, transfers.

        Fetched as ``order_history`` fetches orders. Of funding and transfers the exchange's readers give what they
        list; ``doubts`` says where that may not be all.
        """
        session = self._open_session
        span = span_of(since, until, limit, session.clock.now_ms())
        wish = self._symbols_to_list(None, self.profile.my_trades)
        contracts = self._symbols_known(session)
        contracts = {name for name in contracts if name in session.markets and session.markets[name].is_contract}
        return money_moved(session.exchange, wish, contracts, span, self._ask, progress, self._kept_lists())

    def _symbols_to_list(self, symbol: str | None, rule: PagingRule) -> SymbolsToList:
        if symbol is not None:
            return SymbolsToList([self._symbol(symbol).symbol])
        if not rule.symbol_needed:
            return SymbolsToList([None])
        session = self._open_session
        known = self._symbols_known(session)
        return one_at_a_time(self.name, session.markets, known, session.balances())

    def _symbols_known(self, session: AccountSession) -> set[str]:
        """Of orders that the journal has, and of what is held."""
        names = [each.symbol for each in self._journaled_orders()] + [each.symbol for each in session.positions()]
        return set(map(symbol_of, names))

    def _kept_lists(self) -> KeptLists | None:
        journal, now_ms = self._journal, self._open_session.clock.now_ms()
        path = None if journal is None else journal.path
        account = "" if journal is None else journal.account
        return kept_lists(self.settings, self.profile.market_type, account, path, now_ms)

    def _journaled_orders(self) -> list[JournaledOrder]:
        return [] if self._journal is None else self._journal.order_names().result(_JOURNAL_TIMEOUT_S)

    def supports(self, kind: OrderKind | OrderFeature | str, symbol: str | None = None) -> Support:
        """How this exchange does an order kind or feature: native, emulated or refused, why, and who else can.

        ``symbol`` must be one of this store's market type; on a started store it must exist. No network.
        """
        if symbol is not None and self._account_session is not None:
            self._symbol(symbol)
        elif symbol is not None and (":" in symbol) is not (self.profile.market_type is not MarketType.SPOT):
            raise ConfigError(f"{symbol!r} is not a {self.profile.market_type.value} symbol, as this store trades")
        return support_of(kind, self.profile)

    @property
    def sim(self) -> SimExchange | None:
        """The embedded exchange that this store runs (mode 'sim' without an address), to give it faults."""
        return self._venue.sim if self._venue is not None else None

    def books_check(self) -> list[tuple[str, Decimal, Decimal]]:
        """Reconcile now, then every coin and position: (name, our figure, the exchange's figure). Blocks."""
        broker = self.getbroker()
        snapshot = self._ask(self._open_session.reconcile())
        if snapshot is None:
            raise BtccxtError("the exchange did not answer; its figures cannot be compared now")
        if self.cerebro_loop is not None:
            self.cerebro_loop.inbox.deliver()
        broker.next()
        ledger, rows = broker.ledger, []
        for coin, ours in sorted(ledger.totals.items()):
            balance = snapshot.balances.by_currency.get(coin)
            theirs = balance.total if balance is not None else Decimal(0)
            if ours or balance is not None:
                rows.append((coin, ours, ours if agree(ours, theirs) else theirs))
        contracts = {position.symbol: position.amount for position in snapshot.positions}
        held = {name for name in broker.books.names if self.markets[name].is_contract}
        rows += [
            (symbol, ledger.holding(symbol).amount, contracts.get(symbol, Decimal(0)))
            for symbol in sorted(held | set(contracts))
        ]
        return rows

    # -------------------------------------------------------------- inside

    def _symbol(self, symbol: str) -> Market:
        markets = self._open_session.markets
        if symbol not in markets:
            hint = did_you_mean(symbol.upper(), markets)
            if ":" in symbol and self.profile.market_type is MarketType.SPOT:
                hint = f": contracts need CCXTStore({self.name!r}, market_type='linear')"
            raise ConfigError(f"{self.name} has no {self.profile.market_type.value} market {symbol!r}{hint}")
        return markets[symbol]

    @property
    def _open_session(self) -> AccountSession:
        if self._account_session is None:
            raise ConfigError(f"the {self.name} store is not started: run it in a Cerebro, or call store.start()")
        return self._account_session

    def _ask(self, coroutine: Coroutine[Any, Any, T], timeout_s: float | None = 30.0) -> T:
        if self._session is None:
            coroutine.close()
            raise ConfigError(f"the {self.name} store is not started")
        return self._session.call(coroutine, timeout=timeout_s)
