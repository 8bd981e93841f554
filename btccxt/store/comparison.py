"""What this program knows of the account is compared with the exchange: when, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace

from btccxt.account.explain import FUNDING_SLACK_MS
from btccxt.account.ledger import AccountSnapshot
from btccxt.account.startup_check import CLOCK_SLACK_MS
from btccxt.errors import Retryable
from btccxt.model import FundingPayment, StreamKind
from btccxt.observe.log import EventName, get_logger
from btccxt.observe.metrics import metrics
from btccxt.orders.journal.journal import Journal
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.tracker import OrderTracker
from btccxt.resilience.supervised import TaskPolicy, Tasks
from btccxt.session.loop_thread import Session
from btccxt.session.money_watch import MoneyWatch
from btccxt.session.private_monitor import PrivateStreamMonitor
from btccxt.store.account_figures import figures_of
from btccxt.store.listeners import Listeners

log = get_logger(__name__)

_ORDER_NEWS = frozenset({StreamKind.ORDERS, StreamKind.FILLS})
_LOOK_AGAIN_S = 1.0


class Comparison:
    """Lives in the session's loop. ``fetch`` asks for the account's figures, ``funding`` for payments since then."""

    def __init__(
        self,
        exchange_id: str,
        session: Session,
        fetch: Callable[[], Awaitable[AccountSnapshot]],
        funding: Callable[[Mapping[str, int]], Awaitable[tuple[FundingPayment, ...]]],
        money: MoneyWatch,
        monitor: PrivateStreamMonitor,
        tasks: Tasks,
        task_policy: TaskPolicy,
        listeners: Listeners,
    ) -> None:
        self.tracker: OrderTracker | None = None
        """Set when the account is open; until then there is nothing to compare."""
        self.fills_heard = 0
        self.fills_repaired: set[str] | None = None
        """Trade ids found while catching up after a cut."""
        self.holdings_due = False
        """The next figures that are certain are the journal's."""
        self._exchange_id = exchange_id
        self._session = session
        self._fetch = fetch
        self._funding = funding
        self._money = money
        self._monitor = monitor
        self._tasks = tasks
        self._task_policy = task_policy
        self._listeners = listeners
        self._journal: Journal | None = None
        self._policy = TrackerPolicy()
        self._reconciling: asyncio.Task[None] | None = None
        self._reconcile_again = False
        self._to_explain: dict[str, int] = {}  # symbol -> since when trades made outside are of interest
        self._look_again = False  # a difference was seen
        self._compared_at = 0.0  # when orders and account were compared last, by the loop's time
        self._looking_took_s = 0.0

    def prepare(self, journal: Journal, policy: TrackerPolicy) -> None:
        """The account is being opened, which compares it."""
        self._journal = journal
        self._policy = policy
        self._compared_at = asyncio.get_running_loop().time()

    def soon(self) -> None:
        """After every (re)connect of a private stream: REST is the truth.

        A request that comes while one is running is served after it: the running one may have asked too early.
        """
        if self.tracker is None:
            return
        self._reconcile_again = True
        if self._reconciling is None or self._reconciling.done():
            self._reconciling = self._tasks.keep(self._catch_up, "reconciliation", self._task_policy)

    async def now(self) -> AccountSnapshot | None:
        """Compare now; None if the exchange does not tell, or there is nothing to compare."""
        if self.tracker is None:
            return None
        try:
            return await self._compare()
        except Retryable as error:
            self._listeners.trouble("reconciliation", error)
            return None

    def look_again(self, symbols: Collection[str], since_ms: int) -> None:
        """A difference was seen: compare again before it is believed, and ask for trades made outside."""

        def look() -> None:
            self._look_again = True
            self._to_explain = {**dict.fromkeys(symbols, since_ms), **self._to_explain}
            asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self.soon)

        self._session.post(look)

    def pause_s(self) -> float:
        """Where the rate limit makes asking slow, half of it is left to others."""
        policy = self._policy
        return max(min(policy.open_orders_fast_s, policy.open_orders_slow_s), self._looking_took_s)

    async def look_at_account(self) -> None:
        """What no stream tells is asked for every few seconds; everything is compared now and then all the same."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        missing = self._monitor.missing()
        try:
            if missing & _ORDER_NEWS or asked_at - self._compared_at >= self._policy.open_orders_slow_s:
                self._compared_at = asked_at
                await self._compare()
            elif missing:
                await self._fetch()
        finally:
            self._looking_took_s = loop.time() - asked_at

    def private_age_s(self) -> float | None:
        """For the tracker's own rhythm: while ``look_at_account`` polls, it need not."""
        return 0.0 if self._monitor.missing() & _ORDER_NEWS else self._monitor.age_s()

    async def _catch_up(self) -> None:
        """Reconcile until it has succeeded since the last request."""
        while self._reconcile_again:
            self._reconcile_again = False
            found: set[str] = set()
            self.fills_repaired = found
            try:
                await self._compare()
            except Exception:
                self._reconcile_again = True
                raise
            finally:
                self.fills_repaired = None
            if found:
                metrics().gap_repaired(self._exchange_id, "fills", len(found))
                log.info(EventName.GAP_REPAIRED, exchange=self._exchange_id, kind="fills", items=len(found))

    async def _compare(self) -> AccountSnapshot:
        """Orders and fills, then the account's figures for the broker to compare. Raises the exchange's errors."""
        tracker = self.tracker
        assert tracker is not None
        await tracker.reconcile()
        asked, looked, money = dict(self._to_explain), self._look_again, self._money.is_due
        outside = [
            fill
            for symbol, since_ms in asked.items()
            for fill in await tracker.foreign_fills(symbol, since_ms - CLOCK_SLACK_MS)
        ]
        at_rest = tracker.is_at_rest
        snapshot = await self._fetch()
        certain = at_rest and tracker.is_at_rest
        since_ms = {symbol: agreed_ms - FUNDING_SLACK_MS for symbol, agreed_ms in asked.items()}
        funding = await self._funding(since_ms) if asked else ()
        snapshot = replace(snapshot, certain=certain, looked=looked, outside=tuple(outside), funding=funding)
        if looked or money:
            snapshot = replace(snapshot, transfers=await self._money.listed())
        if self.holdings_due and certain:
            await self._keep_holdings(tracker, snapshot)
        self._to_explain = {name: at_ms for name, at_ms in self._to_explain.items() if name not in asked}
        self._look_again = self._look_again and not looked
        self._money.is_due = self._money.is_due and not money
        self._listeners.account(snapshot)
        return snapshot

    async def _keep_holdings(self, tracker: OrderTracker, snapshot: AccountSnapshot) -> None:
        """Only where figures and fills are of one moment; else with the next reconciliation."""
        assert self._journal is not None
        heard = self.fills_heard
        again = await self._fetch()
        await tracker.reconcile()
        if heard == self.fills_heard and tracker.is_at_rest and figures_of(again) == figures_of(snapshot):
            self.holdings_due = False
            self._journal.keep_holdings(again.asked_ms, again.balances, again.positions)
