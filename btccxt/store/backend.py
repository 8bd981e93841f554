"""What a broker asks of its store (``bt.ports.BrokerBackend``): answered from memory, handed on to the session."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from btccxt.account.contract_terms import TradedTerms
from btccxt.account.explain import log_funding
from btccxt.account.ledger import RUN_BEGINS, AccountSnapshot
from btccxt.bt.ports import OrderDesk
from btccxt.config import Mode
from btccxt.errors import ConfigError
from btccxt.exchange.api import DrivenExchange, ExchangeAPI
from btccxt.exchange.position_side import as_sent, symbol_of
from btccxt.exchange.request import refusals
from btccxt.model import FundingPayment, OrderRequest
from btccxt.notices import MoneyMoved, StoreNotice
from btccxt.observe.log import EventName, get_logger
from btccxt.observe.metrics import metrics
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.risk import RiskLimits
from btccxt.orders.tracker import OrderTracker, RestoredState
from btccxt.store.account_session import AccountSession
from btccxt.store.history import StoreHistory

log = get_logger(__name__)

_REFUSALS_REMEMBERED = 100


class StoreBackend(StoreHistory):
    """The part of ``CCXTStore`` that its broker asks."""

    def _prepare_backend(self) -> None:
        self._refusals_said: set[str] = set()
        self._was_asked_of: AccountSession | None = None  # whose first figures a broker has started from

    def next_client_order_id(self) -> str:
        return self._tracker.next_client_order_id()

    def order_desk(self) -> OrderDesk:
        """For the orders of one run. Raises ConfigError if the store is not started."""
        session, tracker, profile = self._open_session, self._tracker, self.profile
        markets, exchange = session.markets, session.exchange
        checked = exchange.checked if isinstance(exchange, DrivenExchange) else None

        def order_refusals(request: OrderRequest) -> tuple[str, ...]:
            sent = as_sent(request)
            reasons = refusals(sent, markets[sent.symbol], profile)
            if not reasons and checked is not None:
                checked.keep(request)
            return reasons

        return OrderDesk(
            markets,
            session.clock.now_ms,
            tracker.next_client_order_id,
            order_refusals,
            profile.rule,
            session.emulator.submit,
            session.emulator.funds_came,
            tracker.withdraw,
        )

    def order_refusals(self, request: OrderRequest) -> tuple[str, ...]:
        sent = as_sent(request)
        return refusals(sent, self.markets[sent.symbol], self.profile)

    def order_refused(self, reason: str, order: str, reasons: Sequence[str]) -> None:
        """For the log, and the metrics (``reason``: ``rules``, ``funds``, ``bracket`` …).

        Each reason is a warning once, which Python shows also where no log is set up; then it is told quietly.
        """
        metrics().order_refused(self.name, reason)
        why = "; ".join(reasons)
        tell = log.info if why in self._refusals_said else log.warning
        self._refusals_said.add(why)
        if len(self._refusals_said) > _REFUSALS_REMEMBERED:
            self._refusals_said.clear()
        tell(EventName.ORDER_REFUSED, exchange=self.name, order=order, reasons=why)

    def fire_order(self, client_order_id: str) -> None:
        self._open_session.emulator.fire(client_order_id)

    def cancel_order(self, client_order_id: str) -> None:
        self._open_session.emulator.cancel(client_order_id)

    def edit_order(self, client_order_id: str, request: OrderRequest, *, follows: bool = False) -> None:
        self._open_session.emulator.edit(client_order_id, request, follows=follows)

    @property
    def edits_natively(self) -> bool:
        """Whether this account's exchange can change an order in place."""
        given = self._exchange_given
        if self.mode is Mode.PAPER:
            return False
        if isinstance(given, (str, DrivenExchange)):
            return self.profile.edit == "native"
        return type(given).edit_order is not ExchangeAPI.edit_order

    def order_told(self, client_order_id: str) -> None:
        if self._account_session is not None:
            self._account_session.emulator.told(client_order_id)

    def look_again(self, symbols: Collection[str], since_ms: int) -> None:
        self._open_session.look_again(symbols, since_ms)

    def tell_drift(self, text: str, *, explained: bool, stop_trading: bool) -> None:
        """The exchange has what our orders do not explain: for a person, and perhaps the end of trading."""
        if stop_trading:
            self._tracker.halt(text)
            return
        if explained:
            self._notifier.say(text)
        else:
            self._open_session.raise_alarm(Alarm(AlarmKind.DRIFT, text))
        self._open_session.keep_holdings()

    def money_moved(self, moved: MoneyMoved) -> None:
        """Told through ``notify_store``; the journal's figures from now on."""
        log.info(EventName.NOTIFICATION, text=str(moved))
        self._notify(StoreNotice.of_money(moved))
        self._open_session.keep_holdings()

    def funding_booked(self, payments: Sequence[FundingPayment]) -> None:
        """Funding explains what the exchange has: a line in the log, and the journal's figures from now on."""
        log_funding(self.name, payments)
        self._open_session.keep_holdings()

    def account_snapshot(self, unacknowledged: Collection[str] = ()) -> AccountSnapshot:
        """What the broker starts from. A further run of a store that was kept open gets fresh figures and orders.

        ``unacknowledged``: orders of whose end the former run may not have heard. Blocks only in a further run.
        """
        account_session = self._open_session
        if self._was_asked_of is not account_session:
            self._was_asked_of = account_session
        else:
            self._ask(account_session.begin_run(unacknowledged), timeout_s=self.settings.start_timeout_s)
            self._forget_news_of_the_former_run()
        return account_session.start_snapshot()

    def _forget_news_of_the_former_run(self) -> None:
        """The figures contain it; what came after them is kept."""
        if self.cerebro_loop is not None and self._broker is not None:
            self.cerebro_loop.inbox.deliver()
            arrivals = self._broker.arrivals
            while arrivals and arrivals.popleft() is not RUN_BEGINS:
                pass

    def latest_prices(self, symbols: Collection[str]) -> Mapping[str, Decimal]:
        """Of what the account holds when a run starts. Blocks for one request each, at once; none for none."""
        return self._ask(self._open_session.latest_prices(symbols)) if symbols else {}

    @property
    def coin_prices(self) -> dict[str, Decimal]:
        return self._open_session.coin_prices.latest

    def follow_prices(self, streamed: Collection[str], asked: Collection[str]) -> None:
        self._open_session.follow_prices(streamed, asked)

    def restored_orders(self) -> RestoredState:
        """Orders of the moment of ``account_snapshot``."""
        return self._open_session.restored

    def contract_terms(self, symbol: str) -> TradedTerms | None:
        """Leverage, margin mode and brackets of a contract, as they are at the exchange; None for spot."""
        return None if self._account_session is None else self._account_session.contracts.get(symbol_of(symbol))

    @property
    def risk_limits(self) -> RiskLimits:
        limits: RiskLimits = self.settings.risk
        return limits

    @property
    def _tracker(self) -> OrderTracker:
        tracker = self._open_session.tracker
        if tracker is None:
            raise ConfigError("this store was started without a broker: call getbroker() before cerebro.run()")
        return tracker
