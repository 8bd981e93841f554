"""Rate limits: which call may go when. Orders first, with room kept free for them.

``Limiter`` is the pure core: pools, queue, decisions; time in ms is passed in. ``AsyncLimiter`` is the thin shell that
sleeps. Budgets shared with other processes are in ``shared_budget.py``.

What holds:

* In no window of a pool more than its capacity is granted; in one that leaks, that and what has leaked meanwhile.
* Within a priority calls of the same pools go in the order in which they came. A waiting call is not overtaken by one
  of lower priority, nor by a later one of its own priority, that needs any pool it waits for.
* Orders may use a pool to its last unit; reconciliation leaves half of the reserve free, all others the whole reserve.
  So an order goes at once unless orders themselves (or somebody else with the same key) have used the pool up.
* Starvation: a lower priority waits as long as higher ones keep the pool above its own ceiling; there is no ageing,
  because an order must never wait for the hundredth page of history.
* A pool that the exchange has stopped (Retry-After, 418, 429) is stopped for everybody, orders included: insisting
  turns a warning into a ban.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from math import inf

from btccxt.errors import ConfigError
from btccxt.resilience.shared_budget import BudgetTrouble, Charge, SharedBudget

_TOLERANCE = 1e-9  # weights are often fractions (ccxt: 0.4, 1.2); their sums carry float residue
_GRAINS = 1000  # spendings closer together than this part of a window are remembered as one
_BLIND_STOP_MS = 10_000.0


class Priority(IntEnum):
    ORDER = 0  # creating, editing and cancelling, in the order in which they were asked for
    RECONCILE = 1  # finding out what became of an order
    ACCOUNT = 2  # balances, positions, tickers
    HISTORY = 3


@dataclass(frozen=True, slots=True)
class PoolRule:
    """One limit of the exchange: at most ``capacity`` units in any ``window_ms``.

    ``reserve_pct``: part of the capacity that only orders may use up.
    ``slack_ms``: the window counts as this much longer, because two calls may travel differently fast and arrive closer
    together than they were sent.
    ``leaks``: the exchange's count falls evenly, by the capacity in one window, instead of forgetting each call a
    window after it: one that is full has room for the next call soon, not for all of them at its end.
    """

    name: str
    capacity: float
    window_ms: float
    reserve_pct: float = 20.0
    slack_ms: float = 50.0
    leaks: bool = False

    def __post_init__(self) -> None:
        for what, number in (("capacity", self.capacity), ("window_ms", self.window_ms)):
            if not 0 < number < inf:
                raise ConfigError(f"rate limit {self.name!r}: {what} must be positive, not {number}")
        if not 0 <= self.reserve_pct < 100:
            raise ConfigError(f"rate limit {self.name!r}: reserve_pct must be 0 to 99, not {self.reserve_pct}")
        if self.slack_ms < 0:
            raise ConfigError(f"rate limit {self.name!r}: slack_ms must not be negative, not {self.slack_ms}")

    def ceiling(self, priority: Priority) -> float:
        """Up to where a call of this priority may fill the pool."""
        if priority is Priority.ORDER:
            return self.capacity
        share = 0.5 if priority is Priority.RECONCILE else 1.0
        return self.capacity * (1.0 - share * self.reserve_pct / 100.0)


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How full a pool is: ``used`` counts ours and what the exchange says that others used."""

    used: float
    capacity: float
    stopped_for_ms: float


class WaiterState(Enum):
    QUEUED = "queued"
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


@dataclass(eq=False, slots=True)
class Waiter:
    """One call in the queue. ``cost`` has only the pools it really charges."""

    cost: Mapping[str, float]
    priority: Priority
    sequence: int
    state: WaiterState = WaiterState.QUEUED
    granted_ms: float = 0.0


@dataclass(slots=True)
class _Spent:
    first_ms: float
    last_ms: float
    weight: float


@dataclass(slots=True)
class _Pool:
    rule: PoolRule
    spent: deque[_Spent] = field(default_factory=deque)
    own: float = 0.0
    foreign: float = 0.0  # used by others, as far as the exchange's headers tell
    foreign_ms: float = -inf
    last_observed: float = 0.0
    stopped_until_ms: float = -inf

    @property
    def remembered_ms(self) -> float:
        return self.rule.window_ms + self.rule.slack_ms

    def expire(self, now_ms: float) -> None:
        horizon_ms = now_ms - self.remembered_ms
        while self.spent and self.spent[0].last_ms <= horizon_ms:
            self.own -= self.spent.popleft().weight
        if not self.spent:
            self.own = 0.0
        if self.foreign_ms <= horizon_ms:
            self.foreign = 0.0

    def free_at_ms(self, weight: float, ceiling: float, now_ms: float) -> float:
        """When ``weight`` fits below ``ceiling`` if nothing else is spent meanwhile; ``now_ms`` if at once.

        A call heavier than its ceiling goes when the pool is empty: small pools have no room for a reserve.
        """
        self.expire(now_ms)
        start_ms = max(now_ms, self.stopped_until_ms)
        used = self.own + self.foreign
        limit = max(ceiling - weight, 0.0) + _TOLERANCE
        if used <= limit:
            return start_ms
        leaving = [(entry.last_ms, entry.weight) for entry in self.spent]
        if self.foreign:
            leaving.append((self.foreign_ms, self.foreign))
            leaving.sort()
        for at_ms, freed in leaving:
            used -= freed
            if used <= limit:
                return max(start_ms, at_ms + self.remembered_ms)
        return max(start_ms, leaving[-1][0] + self.remembered_ms)

    def spend(self, weight: float, now_ms: float) -> None:
        self.own += weight
        if self.spent and now_ms - self.spent[-1].first_ms < self.rule.window_ms / _GRAINS:
            self.spent[-1].last_ms = now_ms
            self.spent[-1].weight += weight
        else:
            self.spent.append(_Spent(now_ms, now_ms, weight))

    def refund(self, weight: float, granted_ms: float) -> None:
        for entry in reversed(self.spent):
            if entry.first_ms <= granted_ms <= entry.last_ms:
                entry.weight -= weight
                self.own -= weight
                return

    def observe(self, used: float, now_ms: float) -> None:
        self.expire(now_ms)
        others = max(0.0, used - self.own)
        # Less than last time means that the exchange began a new window: only then may others count for less.
        if others > self.foreign or used < self.last_observed:
            self.foreign, self.foreign_ms = others, now_ms
        self.last_observed = used


@dataclass(slots=True)
class _LeakyPool(_Pool):
    as_of_ms: float = -inf

    def expire(self, now_ms: float) -> None:
        if self.own:
            self.own = max(0.0, self.own - (now_ms - self.as_of_ms) / self._ms_per_unit)
        self.as_of_ms = now_ms
        if self.foreign_ms <= now_ms - self.remembered_ms:
            self.foreign = 0.0

    def free_at_ms(self, weight: float, ceiling: float, now_ms: float) -> float:
        self.expire(now_ms)
        excess = self.own + self.foreign - max(ceiling - weight, 0.0) - _TOLERANCE
        return max(now_ms + max(0.0, excess) * self._ms_per_unit, self.stopped_until_ms)

    def spend(self, weight: float, now_ms: float) -> None:
        self.expire(now_ms)
        self.own += weight

    def refund(self, weight: float, granted_ms: float) -> None:
        self.own = max(0.0, self.own - weight)

    @property
    def _ms_per_unit(self) -> float:
        return self.remembered_ms / self.rule.capacity


class Limiter:
    """Pure core. Not thread-safe: it belongs to the loop of its ``AsyncLimiter``. Time must not go back."""

    def __init__(self, rules: Iterable[PoolRule]) -> None:
        self._pools: dict[str, _Pool] = {}
        for rule in rules:
            if rule.name in self._pools:
                raise ConfigError(f"rate limit {rule.name!r} is defined twice")
            self._pools[rule.name] = _LeakyPool(rule) if rule.leaks else _Pool(rule)
        self._lanes: dict[tuple[Priority, tuple[str, ...]], deque[Waiter]] = {}
        self._sequence = 0
        self._next_ms: float | None = None

    @property
    def rules(self) -> Mapping[str, PoolRule]:
        return {name: pool.rule for name, pool in self._pools.items()}

    @property
    def next_ms(self) -> float | None:
        """When ``grant`` can have news again, as of its last call; None: only after something else changed."""
        return self._next_ms

    def ask(self, cost: Mapping[str, float], priority: Priority) -> Waiter:
        """Queue a call. Raises ConfigError for an unknown pool and for a call that could never go."""
        charged = {name: weight for name, weight in cost.items() if weight > 0}
        for name, weight in charged.items():
            pool = self._pools.get(name)
            if pool is None:
                raise ConfigError(f"no rate limit named {name!r}; there are {', '.join(sorted(self._pools)) or 'none'}")
            if weight > pool.rule.capacity + _TOLERANCE:
                raise ConfigError(f"a call of weight {weight:g} can never pass {name!r}, limit {pool.rule.capacity:g}")
        self._sequence += 1
        waiter = Waiter(charged, priority, self._sequence)
        self._lanes.setdefault((priority, tuple(sorted(charged))), deque()).append(waiter)
        return waiter

    def grant(self, now_ms: float) -> list[Waiter]:
        """Take out of the queue, in order, whatever may go now; its weight is spent from this instant."""
        granted: list[Waiter] = []
        blocked: set[str] = set()
        self._next_ms = None
        heads = [(lane[0].priority, lane[0].sequence, key) for key, lane in self._live_lanes()]
        heapq.heapify(heads)
        while heads:
            _, _, key = heapq.heappop(heads)
            lane = self._lanes[key]
            waiter = lane[0]
            if not blocked.isdisjoint(waiter.cost):
                blocked.update(waiter.cost)
                continue
            free_ms = max((self._free_at_ms(name, waiter, now_ms) for name in waiter.cost), default=now_ms)
            if free_ms > now_ms:
                blocked.update(waiter.cost)
                self._next_ms = free_ms if self._next_ms is None else min(self._next_ms, free_ms)
                continue
            for name, weight in waiter.cost.items():
                self._pools[name].spend(weight, now_ms)
            waiter.state, waiter.granted_ms = WaiterState.GRANTED, now_ms
            granted.append(lane.popleft())
            if self._drop_withdrawn(lane):
                heapq.heappush(heads, (lane[0].priority, lane[0].sequence, key))
            else:
                del self._lanes[key]
        return granted

    def withdraw(self, waiter: Waiter) -> None:
        """The call will not be made: it leaves the queue, or its weight is given back if it was granted."""
        if waiter.state is WaiterState.GRANTED:
            for name, weight in waiter.cost.items():
                self._pools[name].refund(weight, waiter.granted_ms)
        waiter.state = WaiterState.WITHDRAWN

    def observe_used(self, pool: str, used: float, now_ms: float) -> None:
        """The exchange said (by header) how much of the pool is used, other processes and machines included."""
        self._pools[pool].observe(used, now_ms)

    def stop(self, pool: str, until_ms: float) -> None:
        """Nothing passes this pool before ``until_ms``. An earlier time never shortens a stop."""
        stopped = self._pools[pool]
        stopped.stopped_until_ms = max(stopped.stopped_until_ms, until_ms)

    def usage(self, now_ms: float) -> Mapping[str, PoolUse]:
        use = {}
        for name, pool in self._pools.items():
            pool.expire(now_ms)
            stopped_for_ms = max(0.0, pool.stopped_until_ms - now_ms)
            use[name] = PoolUse(pool.own + pool.foreign, pool.rule.capacity, stopped_for_ms)
        return use

    def queued(self) -> Mapping[Priority, int]:
        counts = dict.fromkeys(Priority, 0)
        for (priority, _), lane in self._lanes.items():
            counts[priority] += sum(waiter.state is WaiterState.QUEUED for waiter in lane)
        return counts

    def _free_at_ms(self, name: str, waiter: Waiter, now_ms: float) -> float:
        pool = self._pools[name]
        return pool.free_at_ms(waiter.cost[name], pool.rule.ceiling(waiter.priority), now_ms)

    def _live_lanes(self) -> Iterator[tuple[tuple[Priority, tuple[str, ...]], deque[Waiter]]]:
        for key, lane in list(self._lanes.items()):
            if self._drop_withdrawn(lane):
                yield key, lane
            else:
                del self._lanes[key]

    @staticmethod
    def _drop_withdrawn(lane: deque[Waiter]) -> bool:
        while lane and lane[0].state is WaiterState.WITHDRAWN:
            lane.popleft()
        return bool(lane)


class AsyncLimiter:
    """The limiter of one exchange and key, in one event loop: waits exactly as long as needed, never polls.

    ``on_wait(priority, waited_s)`` is called once per granted call. ``shared`` is a budget that other processes charge
    too; if it fails, ``on_trouble`` is told and the call goes by the local limits alone: an order must not be lost
    because a counter is down.
    """

    def __init__(
        self,
        limiter: Limiter,
        *,
        shared: SharedBudget | None = None,
        on_wait: Callable[[Priority, float], None] | None = None,
        on_trouble: Callable[[BudgetTrouble], None] | None = None,
    ) -> None:
        self._limiter = limiter
        self._shared = shared
        self._on_wait = on_wait
        self._on_trouble = on_trouble
        self._futures: dict[Waiter, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._shared_turn = {priority: asyncio.Lock() for priority in Priority}

    async def acquire(self, cost: Mapping[str, float], priority: Priority) -> float:
        """Wait until a call of this cost (pool -> weight) may be sent; seconds waited.

        Cancelling the wait leaves nothing behind. A cost of zero goes at once. Raises ConfigError as ``Limiter.ask``.
        """
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        waiter = self._limiter.ask(cost, priority)
        try:
            self._pump(loop)
            if waiter.state is WaiterState.QUEUED:
                future = self._futures[waiter] = loop.create_future()
                await future
            if self._shared is not None and waiter.cost:
                await self._acquire_shared(self._shared, waiter)
        except BaseException:
            self._futures.pop(waiter, None)
            self._limiter.withdraw(waiter)
            self._pump(loop)
            raise
        waited_s = loop.time() - asked_s
        if self._on_wait is not None:
            self._on_wait(priority, waited_s)
        return waited_s

    def observe_used(self, pool: str, used: float) -> None:
        """A used-weight header, straight from the answer. Must be called in the loop, as all methods here."""
        loop = asyncio.get_running_loop()
        self._limiter.observe_used(pool, used, loop.time() * 1000.0)
        self._pump(loop)

    async def rate_limited(self, pools: Iterable[str], retry_after_s: float | None) -> None:
        """The exchange answered 418/429: stop these pools, for all processes that share the budget.

        Without a Retry-After they stop for one window, at most ten seconds.
        """
        loop = asyncio.get_running_loop()
        names = list(pools)
        for name in names:
            for_ms = self._stop_ms(name, retry_after_s)
            self._limiter.stop(name, loop.time() * 1000.0 + for_ms)
        self._pump(loop)
        if self._shared is not None:
            try:
                for name in names:
                    await self._shared.stop(name, self._stop_ms(name, retry_after_s))
            except BudgetTrouble as trouble:
                self._report(trouble)

    def usage(self) -> Mapping[str, PoolUse]:
        return self._limiter.usage(asyncio.get_running_loop().time() * 1000.0)

    def queued(self) -> Mapping[Priority, int]:
        return self._limiter.queued()

    async def close(self) -> None:
        """Stop the timer and leave the shared budget. Calls that still wait must be cancelled by their owners."""
        if self._timer is not None:
            self._timer.cancel()
        if self._shared is not None:
            await self._shared.close()

    def _stop_ms(self, pool: str, retry_after_s: float | None) -> float:
        if retry_after_s is not None:
            return retry_after_s * 1000.0
        return min(self._limiter.rules[pool].window_ms, _BLIND_STOP_MS)

    def _pump(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiter in self._limiter.grant(loop.time() * 1000.0):
            future = self._futures.pop(waiter, None)
            if future is not None and not future.done():
                future.set_result(None)
        if self._limiter.next_ms is not None:
            self._timer = loop.call_at(self._limiter.next_ms / 1000.0, self._pump, loop)

    async def _acquire_shared(self, shared: SharedBudget, waiter: Waiter) -> None:
        rules = self._limiter.rules
        charges = [
            Charge(name, weight, rules[name].ceiling(waiter.priority), rules[name].window_ms + rules[name].slack_ms)
            for name, weight in waiter.cost.items()
        ]
        # One of each priority asks at a time, so that those of this process keep their order.
        async with self._shared_turn[waiter.priority]:
            try:
                wait_ms = await shared.take(charges)
                while wait_ms > 0:
                    await asyncio.sleep(wait_ms / 1000.0)
                    wait_ms = await shared.take(charges)
            except BudgetTrouble as trouble:
                self._report(trouble)

    def _report(self, trouble: BudgetTrouble) -> None:
        if self._on_trouble is not None:
            self._on_trouble(trouble)
