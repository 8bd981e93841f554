"""Everything of one store that lives in its session thread: streams, feeds, order tracker, account, clock.

The store (strategy's thread) calls only what says "any thread"; the rest runs in the session's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from decimal import Decimal

from btccxt.account.contract_terms import TradedTerms, with_told_leverage
from btccxt.account.explain import spot_positions
from btccxt.account.ledger import RUN_BEGINS, AccountSnapshot
from btccxt.account.startup_check import agree_with_journal
from btccxt.bars.lake import LakeView
from btccxt.errors import BtccxtError, ConfigError
from btccxt.exchange.api import DrivenExchange, ExchangeAPI, lists_orders
from btccxt.exchange.order_list import may_be_listed
from btccxt.exchange.profile.profile import Profile
from btccxt.exchange.server_time import measure_clock
from btccxt.model import Balance, Fill, Market, OrderRequest, Position, StreamKey, StreamKind
from btccxt.observe.metrics import metrics
from btccxt.orders.alarm_log import AlarmLog
from btccxt.orders.emulator import OrderEmulator
from btccxt.orders.events import Alarm
from btccxt.orders.journal.journal import MEMORY, Journal
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.protection import Protection, unprotected_by_symbol
from btccxt.orders.tracker import OrderEvent, OrderTracker, RestoredState
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.supervised import TaskHealth, TaskPolicy, Tasks
from btccxt.session.coin_prices import CoinPrices
from btccxt.session.dead_man import DeadMansSwitch
from btccxt.session.events import FeedEvent
from btccxt.session.feeds import FeedDesk
from btccxt.session.loop_thread import Session
from btccxt.session.metrics import OrderMeter, gauge_streams
from btccxt.session.money_watch import MoneyWatch
from btccxt.session.prices import PriceWatch, latest_prices
from btccxt.session.private_monitor import PRIVATE_KINDS, PrivateStreamMonitor, state_to_hear
from btccxt.session.private_streams import AccountStream
from btccxt.session.streams import Decide, StreamPolicy, StreamSupervisor
from btccxt.store.account_figures import AccountFigures, figures_of
from btccxt.store.comparison import Comparison
from btccxt.store.listeners import Listeners
from btccxt.store.paper import PaperExchange

Sink = Callable[[FeedEvent], None]
_CLOCK_PERIOD_S = 600.0
_GAUGE_PERIOD_S = 5.0
_STARTING_TRIES = 3
_LAST_LOOK_S = 2.0
_MOST_TRADES_OF_HISTORY = 1_000


class AccountSession:
    """Made by the store; ``open`` connects, ``close`` ends everything. Both run in the session's loop."""

    def __init__(
        self,
        session: Session,
        exchange: ExchangeAPI,
        clock: ExchangeClock,
        profile: Profile,
        listeners: Listeners,
        stream_policy: StreamPolicy | None = None,
        decide: Decide | None = None,
        dead_mans_switch_s: float | None = None,
        lake: LakeView | None = None,
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self.markets: Mapping[str, Market] = {}
        self.contracts: dict[str, TradedTerms] = {}
        """How the contracts that are traded are leveraged; set before the account is opened."""
        self.tracker: OrderTracker | None = None
        self.restored = RestoredState((), ())
        self.opening = "the call"
        """What is being waited for at the start, for the message if it takes too long."""
        self._session = session
        self._profile = profile
        self._listeners = listeners
        self._tasks = Tasks(listeners.task)
        policy = stream_policy or StreamPolicy(keys_per_connection=profile.websocket.keys_per_connection)
        self._supervisor = StreamSupervisor(
            exchange,
            clock,
            policy=policy,
            listener=listeners.stream,
            decide=decide,
            report=listeners.trouble,
            on_task=listeners.task,
        )
        self.coin_prices = CoinPrices(exchange, self._supervisor, self._tasks, listeners.trouble)
        self.feeds = FeedDesk(session, exchange, clock, profile, self._supervisor, self._tasks, listeners.trouble, lake)
        to_hear = state_to_hear(profile.market_type, fills=profile.streams.fills)
        self.monitor = PrivateStreamMonitor(self._supervisor.suspect, policy.told_within_s, to_hear)
        self._money = MoneyWatch(exchange, clock, self.reconcile_soon, listeners.trouble)
        self._account = AccountStream(self.monitor, clock.now_ms, self.reconcile_soon, self._money.balance_moved)
        self._figures = AccountFigures(
            exchange, self._account, lambda: self.markets, clock.now_ms, self.raise_alarm, listeners.trouble
        )
        self._comparison = Comparison(
            exchange.id,
            session,
            self._fetch_account,
            self._figures.funding,
            self._money,
            self.monitor,
            self._tasks,
            self._task_policy,
            listeners,
        )
        self._order_meter = OrderMeter(exchange.id, clock)
        self._switch = (
            DeadMansSwitch(exchange, dead_mans_switch_s, listeners.trouble, clock.wall_s)
            if dead_mans_switch_s is not None
            else None
        )
        self._start_snapshot: AccountSnapshot | None = None
        self._journal: Journal | None = None
        self._missed: list[OrderEvent] | None = None  # news while the account is being opened
        self._emulator: OrderEmulator | None = None
        self._alarms: AlarmLog | None = None
        self._price_watches: dict[str, PriceWatch] = {}

    # -------------------------------------------------------------- life

    async def open(self) -> None:
        """Connect, load the markets, measure the clock. Raises btccxt errors."""
        await self.exchange.open()
        self.opening = "the question for its markets"
        self.markets = await self.exchange.load_markets()
        self.opening = "the question for its time"
        await self.measure_clock()
        self.opening = "the questions for account and orders"
        self._tasks.every(_CLOCK_PERIOD_S, self.measure_clock, "clock")
        self._tasks.every(_GAUGE_PERIOD_S, self._set_gauges, "gauges", at_once=True)

    def keep_paper_in(self, journal: Journal) -> None:
        """Before ``open``: where a paper account lives, if that is on disk."""
        if self.paper is not None and journal.path != MEMORY:
            self.paper.journal = journal

    async def open_account(self, journal: Journal, policy: TrackerPolicy, *, lasting: bool = True) -> None:
        """Restore the orders, take the account's figures, open the private streams. After ``open``.

        ``lasting``: the account is the one that the journal's last program left, so its figures must follow from there.
        Raises StateMismatch where a position does not, and no trade explains it.
        """
        self._alarms = alarms = AlarmLog(journal, self.clock.now_ms, self._listeners.alarm)
        await alarms.restore()
        tracker = OrderTracker(
            self.exchange,
            journal,
            self.clock,
            self._publish,
            policy,
            alarm=alarms.raise_alarm,
            private_stream_age_s=self._comparison.private_age_s,
            measure_clock=self.measure_clock,
            on_task=self._listeners.task,
        )
        self._journal = journal
        self._comparison.prepare(journal, policy)
        self._missed = []
        before = await self._fetch_account()
        restored = await tracker.start()
        try:
            new_paper = self.paper is not None and not self.paper.came_back
            await self._take_stock(tracker, before, restored, compare=lasting and not new_paper)
        except BaseException:
            await tracker.stop()
            raise
        self.tracker = self._account.tracker = self._comparison.tracker = tracker
        # From the end of ``_take_stock`` to that of ``restore`` nothing is awaited, so no news slips through between.
        self._emulator = OrderEmulator(
            tracker,
            self.markets,
            self._watch_prices,
            alarms.raise_alarm,
            self._tell,
            now_ms=self.clock.now_ms,
            held=self._figures.held,
            may_list=self._may_list,
            tell=self._listeners.order_note,
            policy=policy,
        )
        self.restored = self._emulator.restore(self.restored)
        self._tasks.every(self._comparison.pause_s, self._comparison.look_at_account, "account", self._task_policy)
        for kind in PRIVATE_KINDS:
            if self._profile.streams.has(kind):
                self._supervisor.add(StreamKey(kind), self._account)
        if self._switch is not None:
            await self._switch.arm()
            self._switch.keep(self._tasks)

    async def begin_run(self, unacknowledged: Collection[str]) -> None:
        """A further run of cerebro begins as the first did, with figures and orders of one moment.

        ``unacknowledged``: orders of whose end the former run may not have heard. Raises the exchange's errors.
        """
        tracker, journal = self.tracker, self._journal
        if tracker is None or journal is None:
            raise BtccxtError("the account has not been opened")
        self._missed = []
        try:
            before = await self._fetch_account()
            await tracker.reconcile()
            await self._take_stock(tracker, before, await tracker.state_now(unacknowledged))
            self.restored = self.emulator.translated(self.restored)
        finally:
            missed, self._missed = self._missed, None
            for event in missed or ():  # it failed: what was heard meanwhile has happened all the same
                self._listeners.order(event)
        self._listeners.account(RUN_BEGINS)

    async def _take_stock(
        self, tracker: OrderTracker, before: AccountSnapshot, restored: RestoredState, *, compare: bool = False
    ) -> None:
        """Figures that contain exactly the fills that the tracker knows of; what it heard meanwhile is told."""
        journal = self._journal
        assert journal is not None and self._missed is not None
        after = await self._fetch_account()
        for _ in range(_STARTING_TRIES):
            if figures_of(before) == figures_of(after):
                break
            # Something filled while we looked: what the tracker found must be in the figures, and nothing else.
            before = after
            await tracker.reconcile()
            after = await self._fetch_account()
        past: list[Fill] = await asyncio.wrap_future(journal.past_fills())
        openings = await asyncio.wrap_future(journal.openings())
        if compare:
            traded = {fill.symbol for fill in past} | set(openings)
            after = await agree_with_journal(
                tracker,
                journal,
                self.markets,
                traded,
                after,
                self._fetch_account,
                self._figures.funding,
                self._money.listed,
                self.raise_alarm,
                self._listeners.money,
            )
            past = await asyncio.wrap_future(journal.past_fills())
        positions = spot_positions(openings, past, self.markets)
        missed, self._missed = tuple(self._missed), None
        if not tracker.halted:  # what stopped trading is not settled by another run
            journal.keep_holdings(after.asked_ms, after.balances, after.positions)
        self._start_snapshot = after
        self.restored = replace(
            restored,
            open_orders=tracker.open_orders(),
            changes=(*restored.changes, *missed),
            entry_prices={symbol: price for symbol, (_, price) in positions.items() if price is not None},
        )

    def _may_list(self, stop: OrderRequest, target: OrderRequest) -> bool:
        return lists_orders(self.exchange) and may_be_listed(stop, target, self._profile)

    def raise_alarm(self, alarm: Alarm) -> None:
        """For a person, and in the journal until it is told. Any thread."""
        if self._alarms is not None:
            self._alarms.raise_alarm(alarm)

    def alarm_told(self, alarm: Alarm) -> None:
        """``notify_store`` has heard of it. Any thread."""
        if self._alarms is not None:
            self._alarms.told(alarm)

    def keep_holdings(self) -> None:
        """The figures that the broker has taken over are the journal's from now on. Any thread."""
        self._comparison.holdings_due = True
        self._session.post(self.reconcile_soon)

    async def close(self) -> None:
        """Bounded; what fails is told to ``trouble``, and nothing is left open for it."""
        closers: dict[str, Callable[[], Awaitable[object]]] = {
            "tasks": self._tasks.close,
            "streams": self._supervisor.stop,
            "last look": self._last_look,
            "orders": self._close_orders,
            "exchange": self.exchange.close,
            "lake": self.feeds.close,
        }
        self.monitor.close()
        for name, closer in closers.items():
            try:
                await closer()
            except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from closing
                self._listeners.trouble(f"closing {name}", error)

    async def _last_look(self) -> None:
        if self._comparison.holdings_due:  # told, so the next start must not tell it again
            with contextlib.suppress(BtccxtError, asyncio.TimeoutError):
                await asyncio.wait_for(self.reconcile(), _LAST_LOOK_S)

    async def _close_orders(self) -> None:
        if self._emulator is not None:
            self._emulator.close()
        if self.tracker is not None:
            await self.tracker.stop()
        if self._switch is not None:
            await self._switch.disarm()

    @property
    def _task_policy(self) -> TaskPolicy:
        return TaskPolicy(self._supervisor.policy.backoff)

    def tasks(self) -> dict[str, TaskHealth]:
        """Every loop that must not end, by name. Session loop."""
        kept = [self._tasks, self._supervisor.tasks, *([self.tracker.tasks] if self.tracker is not None else [])]
        return {name: health for each in kept for name, health in each.health().items()}

    # -------------------------------------------------------------- clock

    async def measure_clock(self) -> None:
        """Raises the exchange's errors; one that does not tell its time is taken at the local clock's word."""
        await measure_clock(self.exchange, self.clock)

    async def _set_gauges(self) -> None:
        gauge_streams(self.exchange.id, self._supervisor.snapshot())
        metrics().clock(self.exchange.id, self.clock.offset_ms, self.clock.uncertainty_ms or 0.0)
        for symbol, (lacking, lacked_s) in unprotected_by_symbol(self.protection()).items():
            metrics().unprotected(self.exchange.id, symbol, float(lacking), lacked_s)
        public = self.public_exchange
        if isinstance(public, DrivenExchange):
            for name, use in public.limiter.usage().items():
                metrics().limiter_use(self.exchange.id, name, use.used / use.capacity)

    # -------------------------------------------------------------- account

    async def _fetch_account(self) -> AccountSnapshot:
        snapshot = await self._figures.fetch()
        for told in with_told_leverage(self.contracts, snapshot.positions):
            self._listeners.say(told)
        return snapshot

    def balances(self) -> dict[str, Balance]:
        """Last known balances. Any thread."""
        return self._figures.balances()

    def positions(self) -> tuple[Position, ...]:
        """Last known open positions. Any thread."""
        return self._figures.positions()

    def reconcile_soon(self) -> None:
        """After every (re)connect of a private stream: REST is the truth."""
        self._comparison.soon()

    async def reconcile(self) -> AccountSnapshot | None:
        """Compare now; None if the exchange does not tell, or there is nothing to compare."""
        return await self._comparison.now()

    def look_again(self, symbols: Collection[str], since_ms: int) -> None:
        """A difference was seen: compare again before it is believed, and ask for trades made outside. Any thread."""
        self._comparison.look_again(symbols, since_ms)

    def follow_prices(self, streamed: Collection[str], asked: Collection[str]) -> None:
        """For the account's value: of coins that no data follows. Any thread."""
        self._session.post(lambda: self.coin_prices.follow(streamed, asked))

    async def latest_prices(self, symbols: Collection[str]) -> dict[str, Decimal]:
        """By the exchange's tickers; a symbol whose ticker cannot be had is left out."""
        return await latest_prices(self.exchange, symbols, self._listeners.trouble)

    def start_snapshot(self) -> AccountSnapshot:
        """The account as it was when the tracker started. Any thread."""
        if self._start_snapshot is None:
            raise BtccxtError("the account has not been opened")
        return self._start_snapshot

    def _publish(self, event: OrderEvent) -> None:
        for news in (event,) if self._emulator is None else self._emulator.hear(event):
            self._tell(news)
        if self._missed is None and event.fills and not self._account.speaking:
            self._fills_by_rest(event)
        self._figures.moved.update(fill.symbol for fill in (*event.fills, *event.corrections))
        self._comparison.fills_heard += len(event.fills) + len(event.corrections)
        if event.fills:
            self._money.filled(len(event.fills))
        self._order_meter(event)

    def _tell(self, news: OrderEvent) -> None:
        if self._missed is None:
            self._listeners.order(news)
        else:
            self._missed.append(news)  # the figures at the start contain it: told as a change, not booked

    def _fills_by_rest(self, event: OrderEvent) -> None:
        if self._comparison.fills_repaired is not None:
            # While catching up after a cut this is what the stream cannot tell any more.
            self._comparison.fills_repaired.update(fill.trade_id for fill in event.fills)
            return
        if all(fill.time_ms <= self._account.up_ms for fill in event.fills):
            return
        kind = StreamKind.FILLS if self._profile.streams.has(StreamKind.FILLS) else StreamKind.ORDERS
        self.monitor.confirmed_by_rest((kind,), f"fills of {event.order.client_order_id}")

    def protection(self) -> tuple[Protection, ...]:
        """How the positions stand whose strategy asked for a stop. Session loop."""
        return () if self._emulator is None else self._emulator.protection()

    @property
    def emulator(self) -> OrderEmulator:
        """Where orders are given in. Any thread."""
        if self._emulator is None:
            raise ConfigError("this store was started without a broker: call getbroker() before cerebro.run()")
        return self._emulator

    def _watch_prices(self, symbol: str, wanted: bool) -> None:
        """Trades of a symbol for orders that wait here; its ticker by REST while there is no stream."""
        key = StreamKey(StreamKind.TRADES, symbol)
        if wanted:
            watch = self._price_watches[symbol] = PriceWatch(self.exchange, symbol, self.emulator.on_price, self._tasks)
            self._supervisor.add(key, watch)
        elif (known := self._price_watches.pop(symbol, None)) is not None:
            known.stop()
            self._supervisor.remove(key, known)

    # -------------------------------------------------------------- health

    def streams(self) -> StreamSupervisor:
        return self._supervisor

    @property
    def public_exchange(self) -> ExchangeAPI:
        """The real exchange, also behind a paper account."""
        return self.exchange if self.paper is None else self.paper.public

    @property
    def paper(self) -> PaperExchange | None:
        """The account of mode 'paper'."""
        return self.exchange if isinstance(self.exchange, PaperExchange) else None
