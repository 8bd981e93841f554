from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btccxt.errors import ConfigError
from btccxt.resilience.limiter import AsyncLimiter, Limiter, PoolRule, Priority, Waiter, WaiterState

ORDER, RECONCILE, ACCOUNT, HISTORY = Priority


def one_pool(capacity: float = 10, window_ms: float = 1_000, reserve_pct: float = 20, slack_ms: float = 0) -> Limiter:
    return Limiter([PoolRule("weight", capacity, window_ms, reserve_pct, slack_ms)])


def ask(limiter: Limiter, weight: float = 1, priority: Priority = HISTORY) -> Waiter:
    return limiter.ask({"weight": weight}, priority)


def take_all(limiter: Limiter, count: int, now_ms: float, priority: Priority = ORDER) -> None:
    waiters = [ask(limiter, 1, priority) for _ in range(count)]
    assert limiter.grant(now_ms) == waiters


# ------------------------------------------------------------------ capacity


def test_what_fits_goes_at_once_and_the_rest_exactly_when_the_window_has_passed() -> None:
    limiter = one_pool(capacity=2, reserve_pct=0)
    first, second, third = ask(limiter), ask(limiter), ask(limiter)
    assert limiter.grant(5_000) == [first, second]
    assert limiter.next_ms == 6_000
    assert limiter.grant(5_999.9) == []
    assert limiter.grant(6_000) == [third]
    assert limiter.next_ms is None


def test_a_count_that_leaks_has_room_for_the_next_call_soon() -> None:
    limiter = Limiter([PoolRule("weight", 15, 45_000, 0, 0, leaks=True)])
    take_all(limiter, 15, 0)
    one, another = ask(limiter), ask(limiter, 2)
    assert limiter.grant(2_999) == []
    assert limiter.next_ms == pytest.approx(3_000)
    assert limiter.grant(3_000) == [one]
    assert limiter.next_ms == pytest.approx(9_000)
    limiter.withdraw(another)
    limiter.withdraw(one)
    assert limiter.usage(3_000)["weight"].used == pytest.approx(14), "what was not called is given back"
    assert limiter.usage(33_000)["weight"].used == pytest.approx(4)
    take_all(limiter, 15, 48_000)


@given(st.lists(st.tuples(st.integers(0, 9_000), st.sampled_from([0.5, 1.0, 2.0])), max_size=60))
def test_a_count_that_leaks_never_exceeds_its_capacity(calls: list[tuple[int, float]]) -> None:
    limiter = Limiter([PoolRule("weight", 15, 45_000, 0, 0, leaks=True)])
    count = now_ms = 0.0
    for pause_ms, weight in calls:
        waiter = ask(limiter, weight)
        count, now_ms = max(0.0, count - pause_ms / 3_000), now_ms + pause_ms
        while waiter not in limiter.grant(now_ms):
            assert limiter.next_ms is not None
            count, now_ms = max(0.0, count - (limiter.next_ms - now_ms) / 3_000), limiter.next_ms
        count += weight
        assert count <= 15 + 1e-6


pool_sets = st.sampled_from([("a",), ("b",), ("a", "b"), ("c",), ("a", "c")])


@settings(max_examples=150, deadline=None)
@given(
    calls=st.lists(
        st.tuples(
            st.integers(0, 400),  # pause before it
            pool_sets,
            st.sampled_from([0.4, 1.0, 1.2, 3.0]),
            st.sampled_from(list(Priority)),
            st.integers(0, 9),  # 0: withdrawn later
        ),
        max_size=60,
    )
)
def test_no_window_ever_grants_more_than_its_capacity_and_each_priority_keeps_its_order(
    calls: list[tuple[int, tuple[str, ...], float, Priority, int]],
) -> None:
    rules = [PoolRule("a", 5, 1_000), PoolRule("b", 3, 300, 50), PoolRule("c", 3, 5_000, 0, 10)]
    limiter = Limiter(rules)
    now_ms = 0.0
    granted: list[Waiter] = []

    def run_until(until_ms: float) -> None:
        nonlocal now_ms
        granted.extend(limiter.grant(now_ms))
        while limiter.next_ms is not None and limiter.next_ms <= until_ms:
            assert limiter.next_ms > now_ms, "never asks to be called again at the same instant"
            now_ms = limiter.next_ms
            granted.extend(limiter.grant(now_ms))
        now_ms = until_ms

    asked = []
    for pause_ms, pools, weight, priority, fate in calls:
        run_until(now_ms + pause_ms)
        waiter = limiter.ask(dict.fromkeys(pools, weight), priority)
        asked.append(waiter)
        if fate == 0 and asked[len(asked) // 2].state is WaiterState.QUEUED:
            limiter.withdraw(asked[len(asked) // 2])
    run_until(now_ms + 1_000_000)

    assert {waiter.sequence for waiter in granted} == {
        waiter.sequence for waiter in asked if waiter.state is not WaiterState.WITHDRAWN
    }, "everything that was asked and not withdrawn goes in the end"
    for rule in rules:
        spent = [(waiter.granted_ms, waiter.cost[rule.name]) for waiter in granted if rule.name in waiter.cost]
        for end_ms, _ in spent:
            in_window = [weight for at_ms, weight in spent if end_ms - rule.window_ms < at_ms <= end_ms]
            assert sum(in_window) <= rule.capacity + 1e-6
    for priority in Priority:
        for pools in {tuple(sorted(waiter.cost)) for waiter in granted}:
            lane = [
                each.sequence for each in granted if each.priority is priority and tuple(sorted(each.cost)) == pools
            ]
            assert lane == sorted(lane)


def test_slack_makes_the_window_longer() -> None:
    limiter = one_pool(capacity=1, reserve_pct=0, slack_ms=50)
    take_all(limiter, 1, 0)
    ask(limiter)
    assert limiter.grant(1_000) == []
    assert limiter.next_ms == 1_050


def test_fractions_that_add_up_to_the_capacity_all_fit() -> None:
    limiter = one_pool(capacity=0.3, reserve_pct=0)
    waiters = [ask(limiter, 0.1) for _ in range(3)]
    assert limiter.grant(0) == waiters, "0.1 + 0.1 is more than 0.3 - 0.1 for a computer"


def test_calls_remembered_together_leave_the_window_with_the_last_of_them() -> None:
    limiter = one_pool(capacity=2, reserve_pct=0)
    for now_ms in (0.0, 0.9):
        take_all(limiter, 1, now_ms)
    both = [ask(limiter), ask(limiter)]
    assert limiter.grant(1_000) == []
    assert limiter.next_ms == 1_000.9
    assert limiter.grant(1_000.9) == both


def test_a_day_of_calls_is_remembered_in_a_bounded_number_of_entries() -> None:
    limiter = Limiter([PoolRule("day", 200_000, 86_400_000)])
    for second in range(20_000):
        limiter.ask({"day": 1}, ORDER)
        limiter.grant(second * 4_000.0)
    assert limiter.usage(80_000_000)["day"].used == 20_000
    assert len(limiter._pools["day"].spent) <= 1_001


# ------------------------------------------------------------------ priorities


def test_an_order_issued_behind_twenty_queued_history_pages_leaves_at_once() -> None:
    limiter = one_pool(capacity=10)
    pages = [ask(limiter) for _ in range(20)]
    assert limiter.grant(0) == pages[:8], "history leaves the reserve free"
    order = ask(limiter, 1, ORDER)
    assert limiter.grant(0) == [order]


def test_reconciliation_may_use_half_of_the_reserve() -> None:
    limiter = one_pool(capacity=10)
    reads = [ask(limiter, 1, RECONCILE) for _ in range(10)]
    assert limiter.grant(0) == reads[:9]


def test_when_room_comes_back_the_higher_priority_takes_it_first() -> None:
    limiter = one_pool(capacity=1, reserve_pct=0)
    take_all(limiter, 1, 0)
    history, account, reconcile, order = (ask(limiter, 1, each) for each in reversed(Priority))
    assert [limiter.grant(now_ms) for now_ms in (1_000, 2_000, 3_000, 4_000)] == [
        [order],
        [reconcile],
        [account],
        [history],
    ]


def test_light_calls_do_not_overtake_a_heavy_one_that_waits_for_the_same_pool() -> None:
    limiter = one_pool(capacity=10, reserve_pct=0)
    take_all(limiter, 5, 0)
    heavy, _light, _lighter = ask(limiter, 8, ACCOUNT), ask(limiter, 1, ACCOUNT), ask(limiter, 1, HISTORY)
    assert limiter.grant(0) == []
    assert limiter.grant(1_000)[0] is heavy


def test_a_full_pool_does_not_hold_up_calls_of_other_pools() -> None:
    limiter = Limiter([PoolRule("a", 1, 1_000), PoolRule("b", 1, 1_000)])
    first = limiter.ask({"a": 1}, HISTORY)
    limiter.ask({"a": 1}, HISTORY)
    other = limiter.ask({"b": 1}, HISTORY)
    assert limiter.grant(0) == [first, other]


def test_a_call_that_needs_two_pools_is_not_starved_by_calls_of_one() -> None:
    limiter = Limiter([PoolRule("a", 1, 1_000, 0, 0), PoolRule("b", 1, 100, 0, 0)])
    limiter.ask({"a": 1}, HISTORY)
    limiter.grant(0)
    both = limiter.ask({"a": 1, "b": 1}, HISTORY)
    for now_ms in range(0, 1_000, 100):
        limiter.ask({"b": 1}, HISTORY)
        assert limiter.grant(float(now_ms)) == []
    assert limiter.grant(1_000) == [both]


def test_a_waiting_call_also_holds_the_pools_that_are_free() -> None:
    limiter = Limiter([PoolRule("a", 1, 1_000), PoolRule("b", 1, 1_000)])
    first = limiter.ask({"a": 1}, HISTORY)
    for pools in (["a"], ["a", "b"], ["b"]):
        limiter.ask(dict.fromkeys(pools, 1), HISTORY)
    assert limiter.grant(0) == [first], "the call for b alone came after the one that waits for a and b"


@pytest.mark.parametrize("priority", list(Priority))
def test_a_pool_of_one_unit_serves_every_priority_though_it_has_no_room_for_a_reserve(priority: Priority) -> None:
    limiter = one_pool(capacity=1, reserve_pct=20)
    waiter = ask(limiter, 1, priority)
    assert limiter.grant(0) == [waiter]
    again = ask(limiter, 1, priority)
    assert limiter.grant(999) == []
    assert limiter.grant(1_000) == [again]


def test_history_gets_its_share_again_as_soon_as_orders_leave_it() -> None:
    """The documented starvation: orders that fill the pool keep history waiting, and nothing else does."""
    limiter = one_pool(capacity=10)
    for now_ms in range(0, 1_000, 100):
        take_all(limiter, 1, now_ms)
    page = ask(limiter)
    for now_ms in range(1_000, 5_000, 100):
        order = ask(limiter, 1, ORDER)
        assert limiter.grant(now_ms) == [order]
    assert limiter.next_ms == 5_200, "three of the ten orders have left the window, the reserve of two is free"
    assert limiter.grant(5_200) == [page]


# ------------------------------------------------------------------ free calls, withdrawal, mistakes


@pytest.mark.parametrize("cost", [{}, {"weight": 0}])
def test_a_call_that_costs_nothing_goes_at_once_even_past_a_full_and_stopped_pool(cost: Mapping[str, float]) -> None:
    limiter = one_pool(capacity=1)
    take_all(limiter, 1, 0)
    limiter.stop("weight", 99_000)
    waiting = ask(limiter)
    free = limiter.ask(cost, HISTORY)
    assert limiter.grant(0) == [free]
    assert waiting.state is WaiterState.QUEUED


def test_a_withdrawn_call_frees_the_way_for_those_behind_it() -> None:
    limiter = one_pool(capacity=10, reserve_pct=0)
    take_all(limiter, 5, 0)
    heavy, light = ask(limiter, 8), ask(limiter, 1)
    limiter.withdraw(heavy)
    assert limiter.grant(0) == [light]


def test_a_granted_call_that_was_never_made_gives_its_weight_back() -> None:
    limiter = one_pool(capacity=1, reserve_pct=0)
    waiter = ask(limiter)
    limiter.grant(0)
    limiter.withdraw(waiter)
    following = ask(limiter)
    assert limiter.grant(1) == [following]
    assert limiter.usage(1)["weight"].used == 1


def test_a_call_heavier_than_the_limit_is_refused_instead_of_waiting_for_ever() -> None:
    with pytest.raises(ConfigError, match="weight 11 can never pass 'weight', limit 10"):
        ask(one_pool(capacity=10), 11)


def test_an_unknown_pool_is_named_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="no rate limit named 'wait'; there are weight"):
        one_pool().ask({"wait": 1}, ORDER)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"capacity": 0}, "capacity must be positive"),
        ({"capacity": -5}, "capacity must be positive"),
        ({"window_ms": 0}, "window_ms must be positive"),
        ({"capacity": float("nan")}, "capacity must be positive"),
        ({"reserve_pct": 100}, "reserve_pct must be"),
        ({"slack_ms": -1}, "slack_ms must not be negative"),
    ],
)
def test_an_impossible_limit_is_refused_with_the_reason(wrong: dict[str, float], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        PoolRule(**{"name": "x", "capacity": 1, "window_ms": 1, **wrong})  # type: ignore[arg-type]


def test_two_limits_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        Limiter([PoolRule("x", 1, 1), PoolRule("x", 2, 1)])


# ------------------------------------------------------------------ what the exchange says


def test_what_others_used_by_the_exchanges_own_count_is_not_ours_to_spend() -> None:
    limiter = one_pool(capacity=10, reserve_pct=0)
    take_all(limiter, 2, 0)
    limiter.observe_used("weight", 9, 10)
    assert limiter.usage(10)["weight"].used == 9
    last, late = ask(limiter), ask(limiter)
    assert limiter.grant(10) == [last]
    assert limiter.grant(limiter.next_ms or 0) == [late]


def test_a_count_below_ours_changes_nothing_because_calls_are_still_under_way() -> None:
    limiter = one_pool(capacity=10)
    take_all(limiter, 6, 0)
    limiter.observe_used("weight", 2, 1)
    assert limiter.usage(1)["weight"].used == 6


def test_when_the_exchange_begins_a_new_window_others_count_for_what_it_says_now() -> None:
    limiter = one_pool(capacity=100, window_ms=60_000)
    limiter.observe_used("weight", 90, 0)
    limiter.observe_used("weight", 3, 1_000)
    assert limiter.usage(1_000)["weight"].used == 3


def test_what_others_used_does_not_shrink_because_our_own_calls_are_not_yet_counted_there() -> None:
    limiter = one_pool(capacity=100)
    limiter.observe_used("weight", 60, 0)
    take_all(limiter, 5, 1)
    limiter.observe_used("weight", 62, 2)  # two of the five have arrived
    assert limiter.usage(2)["weight"].used == 65


def test_what_others_used_is_forgotten_after_the_window() -> None:
    limiter = one_pool(capacity=10)
    limiter.observe_used("weight", 9, 0)
    assert limiter.usage(999)["weight"].used == 9
    assert limiter.usage(1_000)["weight"].used == 0


def test_a_stopped_pool_lets_nothing_pass_not_even_orders_until_the_time_given() -> None:
    limiter = one_pool()
    limiter.stop("weight", 30_000)
    limiter.stop("weight", 20_000)  # a shorter stop does not undo a longer one
    order = ask(limiter, 1, ORDER)
    assert limiter.grant(29_999) == []
    assert limiter.next_ms == 30_000
    assert limiter.usage(10_000)["weight"].stopped_for_ms == 20_000
    assert limiter.grant(30_000) == [order]


# ------------------------------------------------------------------ the shell


@pytest.fixture
def quick() -> AsyncLimiter:
    return AsyncLimiter(one_pool(capacity=2, window_ms=20, reserve_pct=0))


async def test_a_free_slot_is_taken_without_giving_up_the_loop(quick: AsyncLimiter) -> None:
    coroutine = quick.acquire({"weight": 1}, ORDER)
    with pytest.raises(StopIteration):
        coroutine.send(None)


async def test_calls_beyond_the_capacity_are_let_through_in_order_by_the_timer(quick: AsyncLimiter) -> None:
    order: list[int] = []

    async def one(number: int) -> None:
        await quick.acquire({"weight": 1}, HISTORY)
        order.append(number)

    await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(7))), 60)
    assert order == list(range(7))


async def test_an_order_passes_a_queue_of_history_without_waiting_for_the_timer() -> None:
    limiter = AsyncLimiter(one_pool(capacity=10, window_ms=1e9))
    pages = [asyncio.create_task(limiter.acquire({"weight": 1}, HISTORY)) for _ in range(20)]
    await asyncio.sleep(0)
    assert limiter.queued()[HISTORY] == 12
    with pytest.raises(StopIteration):
        limiter.acquire({"weight": 1}, ORDER).send(None)
    for page in pages:
        page.cancel()
    await asyncio.gather(*pages, return_exceptions=True)
    assert limiter.queued()[HISTORY] == 0
    await limiter.close()


async def test_a_cancelled_wait_leaves_nothing_behind_and_frees_its_place() -> None:
    limiter = AsyncLimiter(one_pool(capacity=10, window_ms=1e9, reserve_pct=0))
    await limiter.acquire({"weight": 5}, HISTORY)
    heavy = asyncio.create_task(limiter.acquire({"weight": 8}, HISTORY))
    light = asyncio.create_task(limiter.acquire({"weight": 1}, HISTORY))
    await asyncio.sleep(0)
    assert not light.done()
    heavy.cancel()
    await asyncio.wait_for(light, 60)
    assert limiter.usage()["weight"].used == 6
    assert limiter._futures == {}
    await limiter.close()


async def test_a_call_cancelled_in_the_instant_it_was_granted_gives_its_weight_back() -> None:
    limiter = AsyncLimiter(one_pool(capacity=10, window_ms=1e9, reserve_pct=0))
    limiter.observe_used("weight", 10)
    task = asyncio.create_task(limiter.acquire({"weight": 1}, HISTORY))
    await asyncio.sleep(0)
    limiter.observe_used("weight", 0)  # a new window: granted, though the task has not run yet
    assert limiter.usage()["weight"].used == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert limiter.usage()["weight"].used == 0
    await limiter.close()


async def test_a_429_stops_the_pool_for_everybody_until_its_retry_after(quick: AsyncLimiter) -> None:
    await quick.rate_limited(["weight"], 3_600.0)
    order = asyncio.create_task(quick.acquire({"weight": 1}, ORDER))
    await asyncio.sleep(0)
    assert not order.done()
    assert 3_599_000 < quick.usage()["weight"].stopped_for_ms <= 3_600_000
    order.cancel()
    await asyncio.gather(order, return_exceptions=True)
    await quick.close()


async def test_a_429_without_retry_after_stops_for_one_window_at_most_ten_seconds() -> None:
    for window_ms, stop_ms in ((1_000, 1_000), (60_000, 10_000)):
        limiter = AsyncLimiter(one_pool(window_ms=window_ms))
        await limiter.rate_limited(["weight"], None)
        assert stop_ms - 500 < limiter.usage()["weight"].stopped_for_ms <= stop_ms


async def test_a_used_weight_header_that_begins_a_new_window_wakes_those_who_wait() -> None:
    limiter = AsyncLimiter(one_pool(capacity=10, window_ms=1e9, reserve_pct=0))
    limiter.observe_used("weight", 10)
    waiting = asyncio.create_task(limiter.acquire({"weight": 1}, HISTORY))
    await asyncio.sleep(0)
    assert not waiting.done()
    limiter.observe_used("weight", 1)
    await asyncio.wait_for(waiting, 60)
    await limiter.close()


async def test_every_wait_is_reported_with_its_priority() -> None:
    waits: list[tuple[Priority, float]] = []
    limiter = AsyncLimiter(one_pool(capacity=1, window_ms=20, reserve_pct=0), on_wait=lambda *args: waits.append(args))
    await limiter.acquire({"weight": 1}, ORDER)
    waited_s = await limiter.acquire({"weight": 1}, ACCOUNT)
    assert waits == [(ORDER, waits[0][1]), (ACCOUNT, waited_s)]
    assert waited_s > waits[0][1]


async def test_many_tasks_cancelled_at_random_never_break_the_limit() -> None:
    """Seeded: forty tasks, a third of them cancelled at odd moments; the books balance afterwards."""
    rng = random.Random(3)
    limiter = AsyncLimiter(one_pool(capacity=5, window_ms=15, reserve_pct=20))
    done: list[int] = []

    async def one(number: int) -> None:
        await limiter.acquire({"weight": 1}, rng.choice(list(Priority)))
        done.append(number)

    tasks = [asyncio.create_task(one(number)) for number in range(40)]
    for task in rng.sample(tasks, 13):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
    assert len(done) == sum(not task.cancelled() for task in tasks)
    assert sum(limiter.queued().values()) == 0
    assert limiter._futures == {}
    await limiter.close()
