"""A group of contingent orders by tables: what is known of it, and what ``plan`` does about it, action by action."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from btccxt.model import Market, OrderKind, OrderRequest, Side
from btccxt.orders.actions import Action, Cancel, End, Note, Place, Renew, Tell
from btccxt.orders.contingency import FIRED, ContingencyGroup
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.leg import MADE_WAY, Leg
from btccxt.orders.live_order import LifecycleState as S
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.policy import TrackerPolicy, Unprotected
from tests.orders.contingent_world import PERP, SPOT

D = Decimal
K = OrderKind
POLICY = TrackerPolicy()
_AGAIN = "taken away: it is placed again"


class Group:
    """A bracket (``entry``) or a pair to sell 1, at second 1000; answers of the exchange are given as order states."""

    def __init__(
        self, market: Market = PERP, *, entry: str | None = "entry", target: bool = True, stop: K = K.STOP,
        amount: str = "1", unprotected: Unprotected | None = None, **options: Any,
    ) -> None:  # fmt: skip
        self.market = market
        self.core = ContingencyGroup(
            "entry" if entry else "stop", market, POLICY, entry_name=entry,
            unprotected=unprotected or ("exit" if entry else "retry"), **options,
        )  # fmt: skip
        self.now_s = 1_000.0
        self._ids = (f"s{number}" for number in itertools.count(1))
        reduce = {"reduce_only": True} if market.is_contract else {}
        self.add("stop", stop, amount, trigger_price=D(90), price=D(89) if stop is K.STOP_LIMIT else None, **reduce)
        if target:
            self.add("target", K.LIMIT, amount, price=D(110), **reduce)

    def add(
        self, name: str, kind: K, amount: str = "1", *, side: Side = Side.SELL, native: bool = True, **terms: Any
    ) -> Leg:
        request = OrderRequest(name, self.market.symbol, side, kind, D(amount), **terms)
        leg = Leg(request, native)
        self.core.add(leg)
        self.hear(LiveOrder(request, pending_release=True), name)
        return leg

    def hear(self, order: LiveOrder, leg: str | None = None) -> None:
        self.core.hear(order, leg)

    def enter(self, filled: str = "1", state: S = S.FILLED, kind: K = K.LIMIT, **known: Any) -> None:
        request = OrderRequest("entry", self.market.symbol, Side.BUY, kind, D(1), D(100))
        self.hear(LiveOrder(request, state=state, acknowledged=True, filled=D(filled), fees={"USDT": D(1)}, **known))

    def answer(self, leg: str, name: str | None = None, state: S = S.OPEN, filled: str = "0", **known: Any) -> None:
        placement = self.leg(leg).placement(name or leg)
        assert placement is not None
        order = LiveOrder(placement.request, state=state, acknowledged=True, filled=D(filled), **known)
        self.hear(order, leg)

    def leg(self, name: str) -> Leg:
        return self.core.legs[name]

    def plan(self, after_s: float = 0.0) -> list[Action]:
        self.now_s += after_s
        return self.core.plan(self.now_s, lambda: next(self._ids))

    def price(self, price: float) -> tuple[bool, list[tuple[str, Decimal]]]:
        return self.core.on_price(D(str(price)), self.now_s)

    @property
    def next_s(self) -> float | None:
        deadline_s = self.core.next_deadline_s()
        return None if deadline_s is None else round(deadline_s - self.now_s, 6)


def short(actions: list[Action]) -> list[str]:
    """As a reader would note them down."""
    texts = []
    for each in actions:
        match each:
            case Place(leg, request):
                texts.append(
                    f"place {request.client_order_id} for {leg}: {request.kind.value} {request.amount.normalize():f}"
                )
            case Cancel(name, note):
                texts.append(f"cancel {name}" + ("" if note is None else f" ({note.removeprefix(MADE_WAY)})"))
            case End(leg):
                texts.append(f"end {leg}")
            case Note(name, text):
                texts.append(f"note {name}: {text}")
            case Renew(leg, request):
                texts.append(f"renew {leg} as {request.client_order_id}")
            case Alarm(kind, text, name, once=once):
                texts.append(f"alarm {kind.value} {name} once={once}: {text}")
            case _:
                texts.append(str(each))
    return texts


# ------------------------------------------------------------------ what is known


@pytest.mark.parametrize(
    ("market", "entry", "entered", "exposure"),
    [
        (PERP, None, "1", "1"),  # a pair: what it was asked to close
        (PERP, "entry", "0", "0"),
    ],
)
def test_before_anything_is_heard(market: Market, entry: str | None, entered: str, exposure: str) -> None:
    group = Group(market, entry=entry).core
    assert (group.entered, group.exposure, group.exited, group.protected) == (D(entered), D(exposure), 0, 0)
    assert group.entry_is_over is (entry is None)
    assert (group.symbol, group.step, group.is_over) == (market.symbol, D("0.001"), False)
    assert group.next_deadline_s() is None and not group.cancelled and group.unprotected_total_s == 0
    assert group.watched == [] and group.unprotected_since_s is None


def test_a_market_without_a_step_counts_in_trillionths() -> None:
    assert Group(replace(PERP, amount_step=None)).core.step == D("1e-12")


def test_coins_can_be_bound_once_on_spot_by_orders_of_one_side() -> None:
    assert Group(SPOT).core.is_exclusive and not Group(PERP).core.is_exclusive
    mixed = Group(SPOT, entry=None)
    mixed.add("buy", K.LIMIT, side=Side.BUY, price=D(80))
    assert not mixed.core.is_exclusive


def test_the_entry_is_over_when_it_ended_or_never_came() -> None:
    group = Group()
    group.enter("0.5", S.PARTIALLY_FILLED)
    assert not group.core.entry_is_over and group.core.entry_is_under_way
    group.enter("0.5", S.CANCELED)
    assert group.core.entry_is_over
    never = Group()
    never.core.entry_never_came()
    assert never.core.entry_is_over and not never.core.entry_is_under_way


def test_exposure_is_what_was_entered_less_what_has_left_in_whole_steps() -> None:
    group = Group()
    group.enter("0.9995", S.PARTIALLY_FILLED)
    assert group.core.exposure == D("0.999")
    group.plan()
    group.answer("stop", state=S.OPEN, filled="0.25")
    group.answer("target", state=S.OPEN, filled="0.125")
    assert (group.core.exited, group.core.exposure) == (D("0.375"), D("0.624"))
    group.answer("stop", state=S.CANCELED, filled="2")
    assert group.core.exposure == 0


def test_protected_is_what_the_exchange_has_confirmed_at_most_what_is_open() -> None:
    group = Group()
    group.enter()
    assert short(group.plan()) == ["place stop for stop: stop 1", "place target for target: limit 1"]
    assert group.core.protected == 0
    group.answer("stop")
    assert group.core.protected == 1
    group.answer("target", state=S.OPEN, filled="0.75")
    assert group.core.protected == D("0.25")
    group.leg("stop").over = S.CANCELED
    assert group.core.protected == 0


@pytest.mark.parametrize(
    ("prepare", "wants"),
    [
        (lambda group: None, True),
        (lambda group: setattr(group.core, "cancelled", True), False),
        (lambda group: setattr(group.core, "are_exits", False), False),
        (lambda group: group.core.legs.pop("stop"), False),
        (lambda group: group.enter("0"), False),
        (lambda group: (group.enter("0"), setattr(group.core, "unprotected_total_s", 2.0)), True),
    ],
)
def test_protection_is_wanted_for_a_position_whose_strategy_asked_for_a_stop(
    prepare: Callable[[Group], object], wants: bool
) -> None:
    group = Group()
    group.enter()
    prepare(group)
    assert group.core.wants_protection is wants


@pytest.mark.parametrize(
    ("filled", "state", "amount"),
    [
        ("0", S.OPEN, "1"),
        ("0.5", S.PARTIALLY_FILLED, "1"),
        ("0.5", S.CANCELED, "0.5"),
        ("0.50049", S.CANCELED, "0.5"),
        ("0", S.CANCELED, "1"),
    ],
)
def test_an_exit_is_shown_as_large_as_its_entry_became(filled: str, state: S, amount: str) -> None:
    group = Group()
    group.enter(filled, state)
    assert group.core.amount_of(group.leg("stop")) == D(amount)
    pair = Group(entry=None)
    assert pair.core.amount_of(pair.leg("stop")) == 1


def test_an_exit_that_filled_more_is_shown_with_that() -> None:
    group = Group()
    group.enter("0.5", S.CANCELED)
    group.plan()
    group.answer("stop", state=S.OPEN, filled="0.75")
    assert group.core.amount_of(group.leg("stop")) == D("0.75")


def test_an_exit_that_waits_for_the_coins_says_so_to_the_strategy() -> None:
    group = Group(SPOT)
    group.enter()
    assert short(group.plan()) == ["place stop for stop: stop 1"]
    bound = group.core.view("target")
    assert bound is not None and "coins are bound" in bound.context["watch"]
    group.answer("stop")
    stop = group.core.view("stop")
    assert stop is not None and not stop.context
    alone = Group(SPOT, target=False).core.view("stop")
    assert alone is not None and not alone.context
    perp = Group().core.view("target")
    assert perp is not None and not perp.context
    assert group.core.context_of("target") == {}


# ------------------------------------------------------------------ prices


def test_what_waits_here_fires_once_and_is_noted() -> None:
    group = Group(entry=None, target=False)
    group.leg("stop").is_native = False
    assert group.plan() == [] and group.core.watched == [group.leg("stop")]
    assert group.price(90.1) == (False, [])
    assert group.price(90) == (True, [])
    assert group.price(89) == (False, [])
    assert short(group.plan()) == [f"note stop: {FIRED}", "place stop for stop: market 1"]
    assert group.core.watched == []


def test_a_trailing_leg_tells_how_far_it_has_come() -> None:
    group = Group(entry=None, target=False)
    group.core.legs.clear()
    group.add("trail", K.TRAILING_AMOUNT, native=False, trailing_amount=D(5))
    group.plan()
    assert [group.price(price) for price in (100, 99, 101)] == [
        (False, [("trail", D(100))]), (False, []), (False, [("trail", D(101))]),
    ]  # fmt: skip
    assert group.price(96) == (True, [])


def test_what_rests_at_the_exchange_fires_there_and_on_spot_its_price_is_noticed_here() -> None:
    spot = Group(SPOT)
    spot.enter()
    spot.plan()
    spot.answer("stop")
    spot.plan()
    assert {leg.name for leg in spot.core.watched} == {"stop", "target"}
    assert (spot.price(90), spot.leg("stop").reached, spot.leg("stop").fired) == ((True, []), True, False)
    assert spot.price(89) == (False, [])
    perp = Group()
    perp.enter()
    perp.plan()
    perp.answer("stop")
    perp.answer("target")
    perp.plan()
    assert perp.core.watched == []


def test_a_time_that_has_come_fires_a_leg_once_and_never_one_that_is_over() -> None:
    group = Group(entry=None, target=False)
    group.leg("stop").is_native = False
    group.core.fire("stop", 1_000.0)
    group.core.fire("stop", 1_000.0)
    assert short(group.plan()) == [f"note stop: {FIRED}", "place stop for stop: market 1"]
    over = Group(entry=None)
    over.leg("target").over = S.CANCELED
    over.core.fire("target", 1_000.0)
    assert not over.leg("target").fired
    before = Group(entry=None, target=False)
    before.leg("stop").is_native = False
    before.core.fired_before(before.leg("stop"), 1_000.0)
    assert short(before.plan()) == ["place stop for stop: market 1"]


# ------------------------------------------------------------------ spot: who has the coins


def swapped() -> Group:
    """The price came to the target, its stop has made way, the target rests."""
    group = Group(SPOT)
    group.enter()
    group.plan()
    group.answer("stop")
    group.plan()
    group.price(110)
    assert short(group.plan()) == [
        f"note target: {FIRED}", "cancel stop (the coins are needed by another order of its group)",
    ]  # fmt: skip
    assert group.plan() == []  # until the coins are free
    group.answer("stop", state=S.CANCELED)
    assert short(group.plan()) == ["place target for target: limit 1"]
    group.answer("target")
    assert group.plan() == []
    return group


def test_a_target_that_does_not_fill_gives_the_coins_back_in_time() -> None:
    group = swapped()
    assert group.next_s == POLICY.swap_back_s
    assert group.plan(POLICY.swap_back_s - 0.001) == []
    assert short(group.plan(0.001)) == ["cancel target (the coins are needed by another order of its group)"]
    group.answer("target", state=S.CANCELED)
    assert short(group.plan()) == ["place s1 for stop: stop 1"]


@pytest.mark.parametrize(("price", "turned"), [("105.01", False), ("105", True), ("91", True)])
def test_or_when_the_price_has_gone_a_quarter_of_the_way_to_the_stop(price: str, turned: bool) -> None:
    group = swapped()
    assert group.price(float(price))[0] is turned
    assert bool(group.plan()) is turned


def test_a_target_partly_filled_leaves_the_rest_to_the_stop() -> None:
    group = swapped()
    group.answer("target", state=S.OPEN, filled="0.25")
    group.plan(POLICY.swap_back_s)
    group.answer("target", state=S.CANCELED, filled="0.25")
    assert short(group.plan()) == ["place s1 for stop: stop 0.75"]


# ------------------------------------------------------------------ growing and shrinking


def protected(filled: str = "0.25") -> Group:
    group = Group(target=False)
    group.enter(filled, S.PARTIALLY_FILLED)
    assert short(group.plan()) == [f"place stop for stop: stop {filled}"]
    return group


def test_a_stop_grows_by_slices_with_a_pause_that_doubles_and_then_becomes_one_again() -> None:
    group = protected("0.1")
    grown, pauses = [], []
    for number, filled in enumerate(("0.2", "0.3", "0.4")):
        group.enter(filled, S.PARTIALLY_FILLED)
        assert group.plan() == []  # not before the last is confirmed …
        group.answer("stop", "stop" if number == 0 else f"s{number}")
        assert group.plan() == []  # … nor before the pause is over
        pauses.append(group.next_s)
        grown += short(group.plan(group.next_s or 0.0))
    assert grown == ["place s1 for stop: stop 0.1", "place s2 for stop: stop 0.1", "place s3 for stop: stop 0.4"]
    assert pauses == [POLICY.resize_wait_s, 2 * POLICY.resize_wait_s, 4 * POLICY.resize_wait_s]
    assert group.plan() == []
    group.answer("stop", "s3")
    assert short(group.plan()) == [f"cancel {name} (a new one has its place)" for name in ("stop", "s1", "s2")]
    assert group.leg("stop").replacement is None


def test_a_stop_shrinks_when_it_has_stood_too_large_for_a_moment_the_new_one_first() -> None:
    group = Group()
    group.enter()
    group.plan()
    group.answer("stop")
    group.answer("target", filled="0.25")
    assert group.plan() == []
    assert group.next_s == POLICY.resize_wait_s
    assert short(group.plan(POLICY.resize_wait_s)) == ["place s1 for stop: stop 0.75"]
    group.answer("stop", "s1")
    assert short(group.plan()) == ["cancel stop (a new one has its place)"]


@pytest.mark.parametrize(
    ("amount", "market", "alarms"),
    [("0.0009", SPOT, True), ("0.04", SPOT, True), ("0.06", SPOT, False), ("0.04", PERP, False)],
)
def test_what_is_less_than_the_exchange_takes_gets_no_stop_and_that_is_said(
    amount: str, market: Market, alarms: bool
) -> None:
    group = Group(market, target=False, entry=None, amount=amount)
    said = [each for each in group.plan() if isinstance(each, Alarm)]
    assert bool(said) is (alarms and D(amount) >= market.amount_step)  # type: ignore[operator]
    for alarm in said:
        assert (alarm.kind, alarm.client_order_id, alarm.once) == (AlarmKind.UNPROTECTED, "stop", "too little stop")
        assert alarm.text == f"{amount} BTC/USDT is less than the exchange takes: it has no stop"


# ------------------------------------------------------------------ a stop that is refused, taken away, or hit


@pytest.mark.parametrize(
    ("unprotected", "then", "text"),
    [
        ("exit", ["place s1 for stop: market 1"], "its position is closed at market"),
        ("retry", [], "it is guarded here, and tried again"),
        ("alarm", ["end stop"], "its position has no stop"),
    ],
)
def test_a_refused_stop_is_told_with_what_is_done_about_it(unprotected: Any, then: list[str], text: str) -> None:
    group = Group(target=False, unprotected=unprotected)
    group.enter()
    group.plan()
    group.answer("stop", state=S.REJECTED, reasons=("too close", "odd"))
    first = (
        f"alarm protective_rejected stop once=refused entry: protective order stop was refused (too close; odd): {text}"
    )
    assert short(group.plan()) == [first, *then]
    assert group.leg("stop").is_lost is (unprotected == "alarm")


def test_a_stop_that_is_refused_again_and_again_is_tried_at_growing_intervals() -> None:
    group = Group(target=False, unprotected="retry")
    group.enter()
    group.plan()
    waits, name = [], "stop"
    for number in range(1, 9):
        group.answer("stop", name, state=S.REJECTED)
        group.plan()
        waits.append(group.next_s)
        name = f"s{number}"
        assert short(group.plan(group.next_s or 0.0))[0].startswith(f"place {name} for stop: stop 1")
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_stop_that_is_hit_ends_the_entry_and_what_is_left_goes_at_market_in_time() -> None:
    group = Group(stop=K.STOP_LIMIT)
    group.enter("0.5", S.PARTIALLY_FILLED)
    group.plan()
    group.answer("stop", triggered=True)
    group.answer("target")
    assert short(group.plan()) == [
        "cancel entry (the stop of its bracket was hit)", "cancel target (stop is being executed)",
    ]  # fmt: skip
    assert group.next_s == POLICY.escalate_stop_s
    assert short(group.plan(POLICY.escalate_stop_s)) == ["cancel stop (it rests unfilled: what is left goes at market)"]
    group.answer("stop", state=S.CANCELED, filled="0.125", triggered=True)
    assert short(group.plan()) == ["place s1 for stop: market 0.375"]


def test_the_strategys_cancel_takes_the_entry_first_then_the_group() -> None:
    group = Group()
    group.enter("0.5", S.PARTIALLY_FILLED)
    assert group.core.cancel("stop", 0) == ["entry"] and not group.core.cancelled
    group.enter("0.5", S.CANCELED)
    group.plan()
    assert group.core.cancel("stop", 0) == [] and group.core.cancelled
    assert short(group.plan()) == ["cancel stop", "cancel target"]
    for name in ("stop", "target"):
        group.answer(name, state=S.CANCELED)
    assert short(group.plan()) == ["end stop", "end target"]
    assert group.core.is_over and group.plan() == []
    timed = Group(entry=None)
    timed.leg("target").ends_at_ms = 5
    assert timed.core.cancel("target", 4) == [] and timed.core.cancelled
    timed = Group(entry=None)
    timed.leg("target").ends_at_ms = 5
    assert timed.core.cancel("target", 5) == [] and not timed.core.cancelled
    assert timed.leg("target").over is S.CANCELED


@pytest.mark.parametrize(
    ("market", "side", "held", "left"),
    [
        (PERP, Side.SELL, "0.4", "0.4"),
        (PERP, Side.SELL, "0.4009", "0.4"),
        (PERP, Side.SELL, "0.999", "0.999"),  # a step less is less
        (PERP, Side.SELL, "-1", "0"),
        (PERP, Side.BUY, "-0.4", "0.4"),
        (SPOT, Side.SELL, "0.4", "0.4"),
        (SPOT, Side.SELL, "-1", "0"),
        (PERP, Side.SELL, "1", None),
        (PERP, Side.SELL, "7", None),
    ],
)
def test_a_stop_that_fails_twice_follows_what_the_account_still_holds(
    market: Market, side: Side, held: str, left: str | None
) -> None:
    group = Group(market, entry=None, target=False, held=lambda: D(held))
    group.core.legs.clear()
    group.add("stop", K.STOP, side=side, trigger_price=D(90))
    group.plan()
    group.answer("stop", state=S.REJECTED)
    group.plan()
    group.plan(1.0)
    group.answer("stop", "s1", state=S.REJECTED)
    told = [each for each in short(group.plan()) if "closed elsewhere" in each]
    if left is None:
        assert not told and group.core.exposure == 1
        return
    missing = (D(1) - D(left)).normalize()
    assert told == [
        f"alarm unprotected stop once=closed elsewhere stop: {missing:f} {market.symbol} of group stop was closed by "
        "other orders: its exits do not follow it any more"
    ]
    assert group.core.exposure == D(left)


@pytest.mark.parametrize(
    ("market", "unprotected", "told"),
    [
        (PERP, "alarm", ["taken away: its position has no stop"]),
        (SPOT, "retry", [_AGAIN, None, None, None, None]),
        (PERP, "retry", [None, _AGAIN, None, None, None]),
        (PERP, "exit", [None, _AGAIN, None, "taken away again: its position is closed at market"]),
    ],
)
def test_a_stop_that_somebody_takes_off_comes_back_as_often_as_the_policy_says(
    market: Market, unprotected: Any, told: list[str | None]
) -> None:
    group = Group(market, target=False, entry=None, unprotected=unprotected)
    group.plan()
    name = "stop"
    for number, expected in enumerate(told, 1):
        group.answer("stop", name, state=S.CANCELED)
        actions = group.plan()
        said = [each for each in actions if isinstance(each, Alarm) and each.kind is AlarmKind.UNPROTECTED]
        said = [each for each in said if each.once is not None]
        assert len(said) == (expected is not None)
        for alarm in said:
            what, text = (expected or "").split(": ")
            assert (alarm.once, alarm.client_order_id) == (f"{what} stop", "stop")
            assert alarm.text == (
                f"protective order stop has ended at the exchange (canceled), nobody here asked for it: {text}"
            )
        if unprotected == "alarm":
            assert group.leg("stop").over is S.CANCELED and group.leg("stop").is_lost
            return
        placed = [each for each in (*actions, *group.plan(31.0)) if isinstance(each, Place)]
        name = f"s{number}"
        assert [(each.request.client_order_id, each.request.kind) for each in placed] == [
            (name, K.MARKET if expected and "again: its" in expected else K.STOP)
        ]


def test_a_stop_refused_because_its_price_has_come_is_hit() -> None:
    for price, why, passed in ((90, "no", True), (91, "no", False), (91, "would IMMEDIATELY Trigger", True)):
        group = Group(target=False, unprotected="retry")
        group.core._policy = replace(POLICY, price_passed_texts=("immediately trigger",))
        group.enter()
        group.plan()
        group.core.last_price = D(price)
        group.answer("stop", state=S.REJECTED, reasons=(why,))
        actions = group.plan()
        assert any(isinstance(each, Alarm) for each in actions) is not passed
        assert [each.request.kind for each in actions if isinstance(each, Place)] == ([K.MARKET] if passed else [])
        if passed:
            text = f"the price had passed stop stop when it was to be placed ({why}): its position is closed at market"
            assert actions[0] == Tell("stop", text)


@pytest.mark.parametrize(("closed", "end"), [("before", S.CANCELED), ("after", S.CANCELED), (None, S.REJECTED)])
def test_a_target_refused_because_its_position_is_closed_is_cancelled_by_its_pair(closed: str | None, end: S) -> None:
    """It was on its way when the stop was hit: an exchange then has no position that it could reduce."""
    group = Group()
    group.core._policy = replace(POLICY, price_passed_texts=("immediately trigger",))
    group.enter()
    group.plan()
    if closed:
        group.answer("stop", state=S.REJECTED, reasons=("would immediately trigger",))
    if closed == "after":
        (close,) = [each.request.client_order_id for each in group.plan() if isinstance(each, Place)]
        group.answer("stop", close, state=S.FILLED, filled="1")
    group.answer("target", state=S.REJECTED, reasons=("reduce-only",))
    group.plan()
    shown = group.leg("target").view(D(1), {})
    assert shown is not None
    assert (shown.state, shown.reasons) == (end, ("reduce-only",))


# ------------------------------------------------------------------ after the end


def test_what_the_strategy_left_alone_and_fills_after_all_is_said_once() -> None:
    group = Group()
    group.enter("0.5", S.PARTIALLY_FILLED)
    group.plan()
    group.core.cancelled = True
    group.plan()
    for name in ("stop", "target"):
        group.answer(name, state=S.CANCELED)
    assert short(group.plan()) == ["end stop", "end target"]
    group.enter("0.5009", S.PARTIALLY_FILLED)
    assert group.plan() == []
    group.enter("0.75", S.CANCELED)
    assert short(group.plan()) == [
        "alarm unprotected entry once=filled after all entry: 0.25 BTC/USDT:USDT was filled after the strategy had "
        "cancelled its exits: it has no stop"
    ]
    group.enter("1")
    assert group.plan() == []


@pytest.mark.parametrize(("late", "renewed"), [("0.25", True), ("0.0009", False), ("0", False)])
def test_what_is_learned_of_the_entry_only_after_a_restart_gets_exits(late: str, renewed: bool) -> None:
    group = Group(target=False)
    group.leg("stop").over, group.leg("stop").told = S.CANCELED, True
    group.enter("0.75", S.CANCELED)
    group.core.entered_late(D(late))
    assert any(isinstance(each, Renew) for each in group.plan()) is renewed
    living = Group(target=False)
    living.enter("0.75", S.CANCELED)
    living.core.entered_late(D("0.25"))
    assert short(living.plan()) == ["place stop for stop: stop 0.75"]


def test_the_wait_of_a_market_entry_counts_from_its_first_fill() -> None:
    group = Group(target=False)
    group.enter("0.25", S.PARTIALLY_FILLED, K.MARKET)
    assert group.plan() == [] and group.next_s == POLICY.market_entry_wait_s
    group.enter("0.5", S.PARTIALLY_FILLED, K.MARKET)
    assert group.plan(POLICY.market_entry_wait_s / 2) == []
    assert short(group.plan(POLICY.market_entry_wait_s / 2)) == ["place stop for stop: stop 0.5"]
    whole = Group(target=False)
    whole.enter(kind=K.MARKET)
    assert short(whole.plan()) == ["place stop for stop: stop 1"]


def test_all_that_was_entered_and_given_back_while_the_entry_goes_on_takes_the_exits_off() -> None:
    group = Group()
    group.enter("0.5", S.PARTIALLY_FILLED)
    group.plan()
    group.answer("stop")
    group.answer("target", state=S.OPEN, filled="0.5")
    assert short(group.plan()) == ["cancel stop (nothing is open just now)", "cancel target (nothing is open just now)"]
    assert not group.core.is_over
    group.answer("target", state=S.FILLED, filled="0.5")
    group.answer("stop", state=S.CANCELED)
    group.enter("0.5", S.CANCELED)
    assert short(group.plan()) == ["end stop", "end target"]
    assert (group.leg("stop").over, group.leg("target").over) == (S.CANCELED, S.FILLED)


def test_what_fills_after_the_exits_ended_gets_new_ones() -> None:
    group = Group(target=False)
    group.enter("0.5", S.PARTIALLY_FILLED)
    group.plan()
    group.answer("stop", state=S.FILLED, filled="0.5")
    group.enter("0.5", S.CANCELED)
    assert short(group.plan()) == ["end stop"]
    group.enter("0.75", S.CANCELED)
    assert group.core.exposure == D("0.25")
    assert short(group.plan()) == [
        "alarm unprotected entry once=filled after all entry: 0.25 BTC/USDT:USDT was filled after its exits had "
        "ended: they are placed anew",
        "renew stop as s1",
    ]
    assert group.plan() == []


def test_seconds_without_a_stop_are_counted_and_told_after_the_stated_time() -> None:
    group = Group(target=False)
    group.enter()
    group.plan()
    assert group.core.unprotected_since_s == 1_000.0
    assert group.next_s == POLICY.unprotected_alarm_s
    (alarm,) = group.plan(POLICY.unprotected_alarm_s)
    assert isinstance(alarm, Alarm) and (alarm.kind, alarm.once) == (AlarmKind.UNPROTECTED, None)
    assert alarm.text == "1 BTC/USDT:USDT of group entry has been without its stop for 5 s; btccxt goes on trying"
    assert group.plan(1.0) == []
    group.answer("stop")
    group.plan(1.0)
    assert (group.core.unprotected_since_s, group.core.unprotected_total_s) == (None, 7.0)


@pytest.mark.parametrize(("first", "alarms"), [("0.5", False), ("0.501", True)])
def test_a_pair_of_which_both_have_filled_is_told_where_it_is_more_than_was_wanted(first: str, alarms: bool) -> None:
    group = Group(entry=None)
    group.plan()
    group.answer("stop", state=S.OPEN, filled=first)
    group.answer("target", state=S.OPEN, filled="0.5")
    told = [each for each in group.plan() if isinstance(each, Alarm)]
    assert bool(told) is alarms
    for alarm in told:
        assert (alarm.kind, alarm.client_order_id, alarm.once) == (AlarmKind.OVERFILL, "target", "pair stop")
        assert f"(stop {first}, target 0.5: together 1.001, at most 1 was wanted)" in alarm.text


# ------------------------------------------------------------------ taken literally


def test_alternatives_end_with_the_first_that_fills() -> None:
    group = Group(entry=None, are_exits=False)
    assert short(group.plan()) == ["place stop for stop: stop 1", "place target for target: limit 1"]
    group.answer("stop")
    group.answer("target", state=S.OPEN, filled="0.25")
    assert short(group.plan()) == ["cancel stop (nothing is left for it to close)"]
    group.answer("stop", state=S.CANCELED)
    assert short(group.plan()) == ["end stop"]
    group.answer("target", state=S.FILLED, filled="1")
    assert short(group.plan()) == ["end target"]
    assert (group.leg("target").over, group.leg("stop").over, group.core.is_over) == (S.FILLED, S.CANCELED, True)


@pytest.mark.parametrize("state", [S.CANCELED, S.EXPIRED, S.REJECTED])
def test_an_alternative_that_ends_takes_the_other_along(state: S) -> None:
    group = Group(entry=None, are_exits=False)
    group.plan()
    group.answer("stop", state=state)
    group.answer("target")
    assert short(group.plan()) == ["cancel target (nothing is left for it to close)", "end stop"]
    assert group.leg("stop").over is state


def test_what_follows_an_entry_literally_waits_for_its_end_and_ends_with_one_that_filled_nothing() -> None:
    group = Group(are_exits=False)
    group.enter("0.5", S.PARTIALLY_FILLED)
    assert group.plan() == []
    group.enter("0.5", S.CANCELED)
    assert len(group.plan()) == 2
    never = Group(are_exits=False)
    never.enter("0", S.CANCELED)
    assert short(never.plan()) == ["end stop", "end target"]
    gone = Group(are_exits=False)
    gone.core.entry_never_came()
    assert short(gone.plan()) == ["end stop", "end target"]


def test_of_alternatives_on_spot_one_rests_and_they_change_places() -> None:
    spot = Group(SPOT, entry=None, are_exits=False)
    assert short(spot.plan()) == ["place stop for stop: stop 1"]
    spot.answer("stop")
    spot.plan()
    spot.price(110)
    assert short(spot.plan())[1:] == ["cancel stop (the coins are needed by another order of its group)"]
    spot.answer("stop", state=S.CANCELED)
    assert short(spot.plan()) == ["place target for target: limit 1"]
    spot.answer("target", state=S.FILLED, filled="1")
    assert short(spot.plan()) == ["end stop", "end target"]
