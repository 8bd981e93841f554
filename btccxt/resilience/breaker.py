"""Circuit breaker: after repeated failures calls fail at once for a while, then a few probes decide.

    CLOSED ──failures in a row──▶ OPEN ──pause over──▶ HALF_OPEN ──every probe succeeded──▶ CLOSED
                                   ▲                       │
                                   └──────a probe failed───┘   (each time the pause doubles, up to a bound)

One breaker per exchange and group of calls. Cancels, and the reads by which reconciliation finds out what became of an
order, are never stopped: they are what makes a bad moment safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from btccxt.errors import BtccxtError, ConfigError, ConnectionLost, ExchangeUnavailable, OrderOutcomeUnknown
from btccxt.resilience.checks import check_numbers, names_its_fields


class CallGroup(str, Enum):
    MARKET_DATA = "market_data"
    HISTORY = "history"
    ACCOUNT = "account"
    ORDERS = "orders"
    RECONCILE = "reconcile"
    CANCEL = "cancel"


EXEMPT_GROUPS = frozenset({CallGroup.RECONCILE, CallGroup.CANCEL})


class BreakerState(str, Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@names_its_fields
@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    failures_to_open: int = 5  # in a row
    open_s: float = 10.0
    max_open_s: float = 300.0
    probes: int = 2  # calls let through while half open; all of them must succeed

    def __post_init__(self) -> None:
        check_numbers(self, at_least_one=("failures_to_open", "probes"), above_zero=("open_s", "max_open_s"))
        if self.open_s > self.max_open_s:
            raise ConfigError(f"BreakerPolicy.open_s must not be above max_open_s: {self}")


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call. ``era`` tells a probe from a call that began before the breaker last changed."""

    era: int


@dataclass(frozen=True, slots=True)
class BreakerChange:
    group: CallGroup
    before: BreakerState
    after: BreakerState
    reason: str


def is_failure(error: BaseException | None) -> bool:
    """Whether an outcome speaks against the exchange's health.

    A refusal, a missing order, a rate limit (the limiter's business) or a bug of ours does not.
    """
    return isinstance(error, (ConnectionLost, ExchangeUnavailable, OrderOutcomeUnknown))


class Breaker:
    """The state machine; pure, time in seconds is passed in and must not go back."""

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self.policy = policy or BreakerPolicy()
        self.state = BreakerState.CLOSED
        self._era = 0
        self._failures = 0
        self._opened_times = 0
        self._closed_until_s = 0.0
        self._probes_out = 0
        self._probes_passed = 0

    def enter(self, now_s: float) -> Permit | None:
        """Leave to call, or None: fail at once. Every permit must be handed back by ``leave`` or ``abandon``."""
        if self.state is BreakerState.OPEN and now_s >= self._closed_until_s:
            self._become(BreakerState.HALF_OPEN)
        if self.state is BreakerState.OPEN:
            return None
        if self.state is BreakerState.HALF_OPEN:
            if self._probes_out + self._probes_passed >= self.policy.probes:
                return None
            self._probes_out += 1
        return Permit(self._era)

    def leave(self, permit: Permit, *, failed: bool, now_s: float, retry_after_s: float | None = None) -> None:
        """The outcome of a permitted call. Calls begun before the last change say nothing about the present."""
        if permit.era != self._era:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._probes_out -= 1
            if failed:
                self._open(now_s, retry_after_s)
                return
            self._probes_passed += 1
            if self._probes_passed >= self.policy.probes:
                self._opened_times = 0
                self._become(BreakerState.CLOSED)
            return
        self._failures = self._failures + 1 if failed else 0
        if self._failures >= self.policy.failures_to_open:
            self._open(now_s, retry_after_s)

    def abandon(self, permit: Permit) -> None:
        """The call was cancelled before it had an outcome."""
        if permit.era == self._era and self.state is BreakerState.HALF_OPEN:
            self._probes_out -= 1

    def retry_after_s(self, now_s: float) -> float:
        """Seconds until a call may be let through; 0.0 if one may try now."""
        return max(0.0, self._closed_until_s - now_s) if self.state is BreakerState.OPEN else 0.0

    def _open(self, now_s: float, retry_after_s: float | None) -> None:
        pause_s = min(self.policy.max_open_s, self.policy.open_s * 2.0**self._opened_times)
        self._opened_times = min(self._opened_times + 1, 30)
        self._closed_until_s = now_s + max(pause_s, retry_after_s or 0.0)
        self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self.state = state
        self._era += 1
        self._failures = self._probes_out = self._probes_passed = 0


@dataclass(slots=True)
class Passage:
    """One call on its way. ``proves_nothing``: it ended before anything was asked of the exchange."""

    proves_nothing: bool = False


class Breakers:
    """The breakers of one exchange, one per call group. Belongs to one thread."""

    def __init__(
        self,
        exchange_id: str,
        policy: BreakerPolicy | None = None,
        *,
        now_s: Callable[[], float] = time.monotonic,
        on_change: Callable[[BreakerChange], None] | None = None,
    ) -> None:
        self._exchange_id = exchange_id
        self._now_s = now_s
        self._on_change = on_change
        self._by_group = {group: Breaker(policy) for group in CallGroup if group not in EXEMPT_GROUPS}

    @property
    def states(self) -> Mapping[CallGroup, BreakerState]:
        return {group: breaker.state for group, breaker in self._by_group.items()}

    @contextmanager
    def passing(self, group: CallGroup) -> Iterator[Passage]:
        """Around one call. Raises ExchangeUnavailable at once while the group's breaker is open."""
        breaker, passage = self._by_group.get(group), Passage()
        if breaker is None:
            yield passage
            return
        before = breaker.state
        permit = breaker.enter(self._now_s())
        self._announce(group, before, breaker.state, "the pause is over, probing")
        if permit is None:
            wait_s = breaker.retry_after_s(self._now_s())
            raise ExchangeUnavailable(
                f"{self._exchange_id}: {group.value} calls are suspended after repeated failures "
                f"({'probing now' if wait_s == 0 else f'next try in {wait_s:.1f} s'})",
                retry_after_s=wait_s,
            )
        try:
            yield passage
        except BtccxtError as error:
            if passage.proves_nothing:
                breaker.abandon(permit)
                raise
            failed = is_failure(error)
            retry_after_s = error.retry_after_s if isinstance(error, ExchangeUnavailable) else None
            before = breaker.state
            breaker.leave(permit, failed=failed, now_s=self._now_s(), retry_after_s=retry_after_s)
            self._announce(group, before, breaker.state, str(error))
            raise
        except BaseException:
            breaker.abandon(permit)
            raise
        before = breaker.state
        breaker.leave(permit, failed=False, now_s=self._now_s())
        self._announce(group, before, breaker.state, "probes succeeded")

    def _announce(self, group: CallGroup, before: BreakerState, after: BreakerState, reason: str) -> None:
        if before is not after and self._on_change is not None:
            self._on_change(BreakerChange(group, before, after, reason))
