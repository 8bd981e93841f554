from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from btccxt.errors import ConnectionLost, ExchangeUnavailable, OrderOutcomeUnknown, RateLimited, Refused
from btccxt.resilience.breaker import (
    EXEMPT_GROUPS,
    Breaker,
    BreakerChange,
    BreakerPolicy,
    Breakers,
    BreakerState,
    CallGroup,
    Permit,
)

POLICY = BreakerPolicy(failures_to_open=3, open_s=10.0, max_open_s=40.0, probes=2)


def open_breaker(now_s: float = 0.0) -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(POLICY.failures_to_open):
        fail(breaker, now_s)
    assert breaker.state is BreakerState.OPEN
    return breaker


def enter(breaker: Breaker, now_s: float) -> Permit:
    permit = breaker.enter(now_s)
    assert permit is not None
    return permit


def fail(breaker: Breaker, now_s: float) -> None:
    breaker.leave(enter(breaker, now_s), failed=True, now_s=now_s)


def succeed(breaker: Breaker, now_s: float) -> None:
    breaker.leave(enter(breaker, now_s), failed=False, now_s=now_s)


def test_it_opens_after_failures_in_a_row_and_a_success_starts_the_count_again() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 0)
    fail(breaker, 0)
    succeed(breaker, 0)
    fail(breaker, 0)
    fail(breaker, 0)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 0)
    assert breaker.state is BreakerState.OPEN


def test_open_means_no_until_the_pause_is_over() -> None:
    breaker = open_breaker()
    assert breaker.enter(9.9) is None
    assert breaker.retry_after_s(4.0) == 6.0
    assert breaker.enter(10.0) is not None
    assert breaker.state is BreakerState.HALF_OPEN


def test_half_open_lets_exactly_the_probes_through_and_closes_when_all_succeed() -> None:
    breaker = open_breaker()
    first, second = enter(breaker, 10), enter(breaker, 10)
    assert breaker.enter(10) is None
    breaker.leave(first, failed=False, now_s=10)
    assert breaker.enter(10) is None, "a passed probe does not make room for a third"
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.leave(second, failed=False, now_s=10)
    assert breaker.state is BreakerState.CLOSED


def test_a_failed_probe_opens_again_for_twice_as_long_up_to_the_bound() -> None:
    breaker = open_breaker()
    now_s, pauses = 0.0, []
    for _ in range(4):
        now_s += breaker.retry_after_s(now_s)
        fail(breaker, now_s)
        pauses.append(breaker.retry_after_s(now_s))
    assert pauses == [20, 40, 40, 40]


def test_after_closing_the_pause_is_short_again() -> None:
    breaker = open_breaker()
    fail(breaker, 10)
    succeed(breaker, 30)
    succeed(breaker, 30)
    for _ in range(3):
        fail(breaker, 31)
    assert breaker.retry_after_s(31) == 10


def test_the_exchanges_own_retry_after_makes_the_pause_longer_never_shorter() -> None:
    for asked_s, pause_s in ((120.0, 120.0), (1.0, 10.0)):
        breaker = Breaker(BreakerPolicy(failures_to_open=1, open_s=10))
        breaker.leave(enter(breaker, 0), failed=True, now_s=0, retry_after_s=asked_s)
        assert breaker.retry_after_s(0) == pause_s


def test_calls_begun_before_it_opened_neither_close_it_nor_count_as_probes() -> None:
    breaker = Breaker(POLICY)
    old = [enter(breaker, 0) for _ in range(6)]
    for permit in old[:3]:
        breaker.leave(permit, failed=True, now_s=0)
    breaker.leave(old[3], failed=False, now_s=1)
    assert breaker.state is BreakerState.OPEN
    enter(breaker, 10)
    breaker.leave(old[4], failed=False, now_s=10)
    breaker.leave(old[5], failed=True, now_s=10)
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_cancelled_probe_gives_its_place_back() -> None:
    breaker = open_breaker()
    first, _second = enter(breaker, 10), enter(breaker, 10)
    breaker.abandon(first)
    assert breaker.enter(10) is not None


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, outcomes and pauses: states change only along the drawn arrows."""

    arrows = {
        (BreakerState.CLOSED, BreakerState.OPEN),
        (BreakerState.OPEN, BreakerState.HALF_OPEN),
        (BreakerState.HALF_OPEN, BreakerState.CLOSED),
        (BreakerState.HALF_OPEN, BreakerState.OPEN),
    }

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(POLICY)
        self.now_s = 0.0
        self.permits: list[Permit] = []
        self.before = self.breaker.state
        self.probes: set[int] = set()

    def see(self) -> None:
        after = self.breaker.state
        assert after is self.before or (self.before, after) in self.arrows
        self.before = after

    @rule()
    def call(self) -> None:
        was_blocked = self.breaker.state is BreakerState.OPEN and self.breaker.retry_after_s(self.now_s) > 0
        permit = self.breaker.enter(self.now_s)
        assert not (was_blocked and permit), "nothing passes before the pause is over"
        if self.breaker.state is BreakerState.CLOSED:
            assert permit is not None
        if permit is not None:
            self.permits.append(permit)
        self.see()

    @precondition(lambda self: self.permits)
    @rule(which=st.integers(0, 100), failed=st.booleans())
    def outcome(self, which: int, failed: bool) -> None:
        permit = self.permits.pop(which % len(self.permits))
        self.breaker.leave(permit, failed=failed, now_s=self.now_s)
        self.see()

    @precondition(lambda self: self.permits)
    @rule(which=st.integers(0, 100))
    def cancelled(self, which: int) -> None:
        self.breaker.abandon(self.permits.pop(which % len(self.permits)))
        self.see()

    @rule(pause_s=st.floats(0, 50))
    def time_passes(self, pause_s: float) -> None:
        self.now_s += pause_s

    @invariant()
    def half_open_never_has_more_than_the_probes_in_flight(self) -> None:
        if self.breaker.state is BreakerState.HALF_OPEN:
            latest = max((permit.era for permit in self.permits), default=0)
            assert sum(permit.era == self.breaker._era for permit in self.permits) <= POLICY.probes
            assert latest <= self.breaker._era

    def teardown(self) -> None:
        """However it was treated: when calls succeed again, it closes."""
        for permit in self.permits:
            self.breaker.abandon(permit)
        for _ in range(POLICY.probes + 1):
            self.now_s += POLICY.max_open_s
            succeed(self.breaker, self.now_s)
        assert self.breaker.state is BreakerState.CLOSED


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# ------------------------------------------------------------------ the board of one exchange


class Board:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.changes: list[BreakerChange] = []
        self.breakers = Breakers("binance", POLICY, now_s=lambda: self.now_s, on_change=self.changes.append)

    def run(self, group: CallGroup, error: BaseException | None = None) -> None:
        with self.breakers.passing(group):
            if error is not None:
                raise error

    def break_open(self, group: CallGroup) -> None:
        for _ in range(3):
            with pytest.raises(ConnectionLost):
                self.run(group, ConnectionLost("cut"))


def test_an_open_group_fails_at_once_with_the_waiting_time_and_others_go_on() -> None:
    board = Board()
    board.break_open(CallGroup.HISTORY)
    with pytest.raises(ExchangeUnavailable, match=r"history calls are suspended.*next try in 10\.0 s") as caught:
        board.run(CallGroup.HISTORY)
    assert caught.value.retry_after_s == 10.0
    board.run(CallGroup.ORDERS)
    assert board.breakers.states[CallGroup.HISTORY] is BreakerState.OPEN


@pytest.mark.parametrize("group", sorted(EXEMPT_GROUPS, key=str))
def test_cancels_and_reconciliation_are_never_blocked(group: CallGroup) -> None:
    board = Board()
    for _ in range(50):
        with pytest.raises(ConnectionLost):
            board.run(group, ConnectionLost("cut"))
    board.run(group)


def test_exactly_cancels_and_reconciliation_are_exempt() -> None:
    assert {CallGroup.CANCEL, CallGroup.RECONCILE} == EXEMPT_GROUPS


@pytest.mark.parametrize("error", [Refused("too small"), RateLimited("slow"), ValueError("bug")])
def test_refusals_rate_limits_and_bugs_do_not_open_it(error: Exception) -> None:
    board = Board()
    for _ in range(10):
        with pytest.raises(type(error)):
            board.run(CallGroup.ORDERS, error)
    assert board.breakers.states[CallGroup.ORDERS] is BreakerState.CLOSED


def test_orders_with_unknown_outcome_open_it() -> None:
    board = Board()
    for _ in range(3):
        with pytest.raises(OrderOutcomeUnknown):
            board.run(CallGroup.ORDERS, OrderOutcomeUnknown("timeout"))
    assert board.breakers.states[CallGroup.ORDERS] is BreakerState.OPEN


def test_every_change_is_announced_once_with_its_reason() -> None:
    board = Board()
    board.break_open(CallGroup.ACCOUNT)
    board.now_s = 10.0
    board.run(CallGroup.ACCOUNT)
    board.run(CallGroup.ACCOUNT)
    assert [(change.before.value, change.after.value) for change in board.changes] == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]
    assert board.changes[0].reason == "cut"


def test_calls_in_flight_when_it_opens_do_not_announce_it_again() -> None:
    board = Board()
    in_flight = board.breakers.passing(CallGroup.ACCOUNT)
    in_flight.__enter__()
    board.break_open(CallGroup.ACCOUNT)
    lost = ConnectionLost("cut")
    assert not in_flight.__exit__(type(lost), lost, None)
    assert len(board.changes) == 1
