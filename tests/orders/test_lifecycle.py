"""Promise 3: a fill is applied once, however often and in whatever order it arrives; states never go back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btccxt.model import ZERO, Fee, Fill, OrderKind, OrderRequest, OrderStatus, OrderUpdate, Origin, Side
from btccxt.orders.events import (
    Alarm,
    AlarmKind,
    Amended,
    AskAgain,
    CancelGhost,
    CancelRequested,
    Effect,
    FetchFills,
    FillCorrected,
    FillsOverdue,
    Gone,
    Journaled,
    LifecycleEvent,
    NeverArrived,
    NewFill,
    NotPlaced,
    OutcomeUnknown,
    Rejection,
    Sent,
    Withdrawn,
)
from btccxt.orders.lifecycle import LifecycleState, LiveOrder, apply

D = Decimal
S = LifecycleState


def an_order(amount: str = "1", kind: OrderKind = OrderKind.LIMIT, **changes: object) -> LiveOrder:
    order = LiveOrder(OrderRequest("b1", "BTC/USDT", Side.BUY, kind, D(amount), D("100")))
    return replace(order, **changes)


def a_fill(trade_id: str, amount: str = "0.5", price: str = "100", fee: str | None = None, time_ms: int = 1) -> Fill:
    paid = None if fee is None else Fee("BNB", D(fee))
    return Fill(trade_id, "BTC/USDT", Side.BUY, D(price), D(amount), time_ms, "x1", "b1", paid)


def said(status: OrderStatus, filled: str | None = None, **changes: object) -> OrderUpdate:
    hint = None if filled is None else D(filled)
    update = OrderUpdate("BTC/USDT", status, Origin.PUSH, "x1", "b1", filled=hint)
    return replace(update, **changes)


def run(order: LiveOrder, *events: LifecycleEvent) -> tuple[LiveOrder, list[Effect]]:
    """Apply in turn; fails if a state goes back or the announced fills do not add up to the order's."""
    effects: list[Effect] = []
    for now_ms, event in enumerate(events):
        before = order
        order, more = apply(order, event, now_ms)
        effects += more
        assert order.state.rank >= before.state.rank, f"{before.state} -> {order.state} by {event}"
    assert sum((e.fill.amount for e in effects if isinstance(e, NewFill)), ZERO) == order.filled
    paid: dict[str, Decimal] = {}
    for effect in effects:
        if isinstance(effect, NewFill | FillCorrected) and effect.fill.fee is not None:
            fee = effect.fill.fee
            paid[fee.currency] = paid.get(fee.currency, ZERO) + fee.cost
    assert _paid(paid) == _paid(order.fees)
    return order, effects


def _paid(fees: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {currency: cost for currency, cost in fees.items() if cost}


def kinds(effects: Sequence[Effect]) -> list[str]:
    return [effect.kind.value if isinstance(effect, Alarm) else type(effect).__name__ for effect in effects]


# ------------------------------------------------------------------ any order of arrival


@dataclass(frozen=True)
class History:
    """A life as an exchange could have told it, and the events in some order, some of them twice."""

    order: LiveOrder
    events: tuple[LifecycleEvent, ...]
    shuffled: tuple[LifecycleEvent, ...]
    fills: tuple[Fill, ...]


amounts = st.integers(1, 400).map(lambda n: D(n) / 100)
prices = st.integers(1, 5_000).map(lambda n: D(n) / 10)
fees = st.none() | st.builds(
    Fee, st.sampled_from(["BTC", "USDT", "BNB"]), st.integers(-5, 90).map(lambda n: D(n) / 1000)
)


@st.composite
def histories(draw: st.DrawFn, *, with_hints: bool = True, nameless: bool = False) -> History:
    parts = draw(st.lists(st.tuples(amounts, prices, fees), max_size=6))
    fills = tuple(
        Fill(f"t{i}", "BTC/USDT", Side.BUY, price, amount, 10 + i, "x1", None, fee)
        for i, (amount, price, fee) in enumerate(parts)
    )
    total = sum((fill.amount for fill in fills), ZERO)
    rest = draw(st.just(ZERO) | amounts) if fills else D(1)
    amount = total + rest
    order = an_order(str(amount))
    events: list[LifecycleEvent] = [Journaled(), Sent(1)]
    events += draw(
        st.lists(st.sampled_from([OutcomeUnknown("time-out"), CancelRequested(), NotPlaced("429")]), max_size=2)
    )
    events.append(said(OrderStatus.OPEN, None, origin=Origin.CREATE))
    done, cost = ZERO, ZERO
    for fill in fills:
        done += fill.amount
        cost += fill.amount * fill.price
        events.append(fill)
        if fill.fee is not None and draw(st.booleans()):
            events.append(replace(fill, fee=None))  # the push had no fee yet
        if nameless and draw(st.booleans()):
            events.append(replace(fill, trade_id="", time_ms=fill.time_ms + draw(st.integers(0, 1))))
        if with_hints and draw(st.booleans()):
            events.append(said(OrderStatus.OPEN, str(done), average=cost / done))
    if rest == ZERO:
        events += draw(st.sampled_from([[], [said(OrderStatus.FILLED, str(total))], [said(OrderStatus.FILLED)]]))
    else:
        final = draw(st.sampled_from([None, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.FILLED]))
        if final is OrderStatus.FILLED and total > ZERO:
            events.append(said(final, str(total), amount=amount))  # "closed" with a cancelled rest
        elif final is not None and final is not OrderStatus.FILLED:
            events.append(said(final, draw(st.sampled_from([None, str(total)])) if total else None))
    again = draw(st.lists(st.sampled_from(events), max_size=6))
    return History(order, tuple(events), tuple(draw(st.permutations([*events, *again]))), fills)


def essence(order: LiveOrder) -> tuple[object, ...]:
    return (
        order.state,
        order.filled,
        order.cost,
        dict(order.fees),
        order.cancel_requested,
        order.attempts,
        order.overfilled,
    )


@settings(max_examples=100, deadline=None)
@given(histories())
def test_any_interleaving_duplication_and_reordering_ends_in_the_same_order(history: History) -> None:
    expected, _ = run(history.order, *history.events)
    order, _ = run(history.order, *history.shuffled)
    assert essence(order) == essence(expected)
    assert order.filled == sum((fill.amount for fill in history.fills), ZERO)
    assert order.fills_missing == ZERO


@settings(max_examples=60, deadline=None)
@given(histories(nameless=True))
def test_a_trade_told_without_an_id_and_with_one_counts_once(history: History) -> None:
    order, _ = run(history.order, *history.shuffled)
    expected, _ = run(history.order, *history.events)
    assert essence(order) == essence(expected)
    assert order.filled == sum((fill.amount for fill in history.fills), ZERO)


@settings(max_examples=100, deadline=None)
@given(histories())
def test_fills_inferred_from_cumulative_amounts_and_the_trades_themselves_count_once(history: History) -> None:
    inferring = replace(history.order, infer_fills=True)
    order, _ = run(inferring, *history.shuffled)
    expected, _ = run(history.order, *history.events)
    assert essence(order)[:4] == essence(expected)[:4]


@settings(max_examples=40, deadline=None)
@given(histories())
def test_every_event_applied_a_second_time_changes_nothing_at_all(history: History) -> None:
    order = history.order
    for now_ms, event in enumerate(history.shuffled):
        order, _ = apply(order, event, now_ms)
        same, effects = apply(order, event, now_ms + 1_000)
        assert same is order
        assert not [effect for effect in effects if not isinstance(effect, FetchFills | AskAgain)]


# ------------------------------------------------------------------ one rule each


def test_a_life_without_incidents_goes_through_every_state() -> None:
    events: list[LifecycleEvent] = [
        Journaled(), Sent(1), said(OrderStatus.OPEN), a_fill("1"), a_fill("2"), said(OrderStatus.FILLED, "1")
    ]  # fmt: skip
    order = an_order()
    states = []
    for event in events:
        order, _ = apply(order, event, 1)
        states.append(order.state)
    assert states == [S.JOURNALED, S.SENT, S.OPEN, S.PARTIALLY_FILLED, S.FILLED, S.FILLED]


@pytest.mark.parametrize(
    ("status", "state"),
    [(OrderStatus.CANCELED, S.CANCELED), (OrderStatus.EXPIRED, S.EXPIRED), (OrderStatus.REJECTED, S.REJECTED)],
)
def test_a_final_word_without_missing_trades_is_the_state(status: OrderStatus, state: S) -> None:
    assert run(an_order(), said(status, "0"))[0].state is state


def test_filled_waits_for_its_trades_and_asks_for_them() -> None:
    order, effects = run(an_order(), said(OrderStatus.FILLED, "1"))
    assert order.state is S.OPEN
    assert order.awaits_fills
    assert effects == [FetchFills(D(1))]
    order, _ = apply(order, a_fill("1", "1"), 5)
    assert order.state is S.FILLED


def test_a_cumulative_amount_alone_creates_no_fill() -> None:
    order, effects = run(an_order(), said(OrderStatus.OPEN, "0.3"))
    assert order.filled == ZERO
    assert kinds(effects) == ["FetchFills"]


def test_canceled_waits_for_the_trades_it_names() -> None:
    order, _ = run(an_order(), said(OrderStatus.CANCELED, "0.5"))
    assert order.state is S.OPEN
    order, _ = apply(order, a_fill("1"), 5)
    assert order.state is S.CANCELED


def test_when_the_wait_is_over_the_final_word_stands_with_an_alarm() -> None:
    order, effects = run(an_order(), said(OrderStatus.FILLED, "1"), FillsOverdue(), FillsOverdue())
    assert order.state is S.FILLED
    assert kinds(effects).count("fills_overdue") == 1
    order, effects = apply(order, a_fill("1", "1"), 9)
    assert order.filled == D(1)
    assert kinds(effects) == ["NewFill"]


def test_overdue_means_nothing_while_the_order_lives() -> None:
    order, effects = run(an_order(), said(OrderStatus.OPEN, "0.5"), FillsOverdue())
    assert order.state is S.OPEN
    assert not order.fills_overdue
    assert kinds(effects) == ["FetchFills"]


def test_closed_with_less_than_the_amount_is_a_canceled_rest() -> None:
    order, _ = run(an_order(), a_fill("1", "0.4"), said(OrderStatus.FILLED, "0.4"))
    assert order.state is S.CANCELED
    assert order.filled == D("0.4")


def test_closed_with_the_amount_that_the_exchange_rounded_is_filled() -> None:
    order, _ = run(an_order("1.005"), a_fill("1", "1"), said(OrderStatus.FILLED, "1", amount=D("1")))
    assert order.state is S.FILLED


def test_filled_with_amount_zero_names_no_amount() -> None:
    order, _ = run(an_order(), said(OrderStatus.FILLED, "0"))
    assert order.state is S.OPEN
    assert order.fills_missing == D(1)


def test_a_late_fill_after_a_cancel_is_counted() -> None:
    order, effects = run(an_order(), said(OrderStatus.CANCELED), a_fill("1", "0.2"))
    assert (order.state, order.filled) == (S.CANCELED, D("0.2"))
    assert kinds(effects) == ["NewFill"]


def test_fills_that_complete_a_canceled_order_fill_it() -> None:
    order, _ = run(an_order(), said(OrderStatus.CANCELED), a_fill("1"), a_fill("2"))
    assert order.state is S.FILLED


def test_the_answer_to_a_cancel_is_not_proof() -> None:
    order, _ = run(an_order(), said(OrderStatus.OPEN), said(OrderStatus.CANCELED, origin=Origin.CANCEL))
    assert order.state is S.OPEN


def test_an_overfill_is_counted_and_alarmed_once() -> None:
    order, effects = run(an_order(), a_fill("1"), a_fill("2"), a_fill("3"), a_fill("4"))
    assert order.filled == D(2)
    assert kinds(effects).count("overfill") == 1


def test_a_trigger_that_fired_is_not_a_fill_and_its_child_belongs_to_the_order() -> None:
    order, effects = run(
        an_order(kind=OrderKind.STOP),
        said(OrderStatus.OPEN),
        said(OrderStatus.TRIGGERED, child_order_id="x2"),
        said(OrderStatus.OPEN, order_id="x2"),
    )
    assert (order.state, order.triggered, order.filled, order.child_order_id) == (S.OPEN, True, ZERO, "x2")
    assert not effects
    assert (order.reference.order_id, order.reference.conditional) == ("x2", False)


def test_a_trigger_whose_child_is_not_known_yet_is_still_asked_for_as_a_trigger() -> None:
    order, _ = run(an_order(kind=OrderKind.STOP), said(OrderStatus.OPEN), said(OrderStatus.TRIGGERED))
    assert (order.reference.order_id, order.reference.conditional) == ("x1", True)


def test_a_plain_order_heard_of_under_another_id_has_not_been_triggered() -> None:
    order, _ = run(an_order(), said(OrderStatus.OPEN), said(OrderStatus.OPEN, order_id="x9"))
    assert (order.order_id, order.child_order_id, order.triggered) == ("x1", None, False)


def test_a_fee_learned_later_is_a_correction_not_a_fill() -> None:
    order, effects = run(an_order(), a_fill("1"), a_fill("1", fee="0.01"), a_fill("1", fee="0.01"))
    assert kinds(effects) == ["NewFill", "FillCorrected"]
    assert order.fees == {"BNB": D("0.01")}
    assert order.filled == D("0.5")


def test_equal_trades_without_ids_at_different_times_are_different_trades() -> None:
    order, _ = run(an_order(), a_fill("", "0.2", time_ms=1), a_fill("", "0.2", time_ms=2), a_fill("", "0.2", time_ms=2))
    assert order.filled == D("0.4")


def test_inferred_fills_carry_the_price_that_makes_the_average_right() -> None:
    order, effects = run(
        an_order("4", infer_fills=True),
        said(OrderStatus.OPEN, "1", average=D(100)),
        said(OrderStatus.OPEN, "2", average=D(110)),
    )
    assert [(e.fill.amount, e.fill.price) for e in effects if isinstance(e, NewFill)] == [
        (D(1), D(100)),
        (D(1), D(120)),
    ]
    assert order.average == D(110)


def test_a_status_nobody_knows_changes_nothing_and_asks_again() -> None:
    order, effects = run(an_order(), said(OrderStatus.UNKNOWN, raw_status="mmp_paused"))
    assert order.state is S.OPEN
    assert kinds(effects) == ["AskAgain"]


def test_a_definite_refusal_keeps_every_reason() -> None:
    order, _ = run(an_order(), Journaled(), Sent(1), Rejection(("price step", "too small")))
    assert (order.state, order.reasons) == (S.REJECTED, ("price step", "too small"))


def test_an_order_that_never_arrived_and_then_lives_is_taken_off() -> None:
    order, effects = run(an_order(), Sent(1), NeverArrived("no"), said(OrderStatus.OPEN), said(OrderStatus.OPEN))
    assert order.state is S.REJECTED
    assert [effect for effect in effects if isinstance(effect, CancelGhost)] == [CancelGhost()]
    assert kinds(effects).count("ghost") == 1


def test_an_order_that_is_heard_of_before_its_search_ends_in_vain_is_taken_off() -> None:
    """A push and the last of three answers "no such order" may cross."""
    order, effects = run(an_order(), Sent(1), said(OrderStatus.OPEN), NeverArrived("no"))
    assert order.never_arrived
    assert [effect for effect in effects if isinstance(effect, CancelGhost)] == [CancelGhost()]
    assert kinds(effects).count("ghost") == 1


def test_a_fill_of_an_order_that_never_arrived_counts_and_is_alarmed() -> None:
    order, effects = run(an_order(), Sent(1), NeverArrived("no"), a_fill("1", "0.1"))
    assert order.filled == D("0.1")
    assert AlarmKind.GHOST.value in kinds(effects)


def test_gone_and_withdrawn_orders_are_canceled() -> None:
    assert run(an_order(), said(OrderStatus.OPEN), Gone("forgotten"))[0].state is S.CANCELED
    assert run(an_order(), Journaled(), Withdrawn("before"))[0].state is S.CANCELED


def test_the_end_of_an_order_that_an_edit_replaced_is_not_the_end() -> None:
    request = replace(an_order().request, price=D(99))
    order, _ = run(
        an_order(),
        said(OrderStatus.OPEN),
        Amended(request, "x2", "edited natively"),
        said(OrderStatus.CANCELED, order_id="x1"),
    )
    assert (order.state, order.order_id, order.request.price) == (S.OPEN, "x2", D(99))


def test_the_amount_of_an_order_by_cost_is_an_estimate() -> None:
    order = an_order("1")
    order = replace(order, request=replace(order.request, cost_quote=D(100)))
    order, effects = run(order, a_fill("1", "1.1"), said(OrderStatus.FILLED, "1.2"), a_fill("2", "0.1"))
    assert order.state is S.FILLED
    assert "overfill" not in kinds(effects)
    order = replace(an_order("1").request, cost_quote=D(100))
    cheaper, _ = run(LiveOrder(order), a_fill("1", "0.9"), said(OrderStatus.FILLED, "0.9", amount=D(1)))
    assert cheaper.state is S.FILLED


def test_sums_are_exact_to_the_last_digit() -> None:
    order, _ = run(an_order("0.3"), a_fill("1", "0.1", "0.1"), a_fill("2", "0.2", "0.3"))
    assert order.state is S.FILLED
    assert order.cost == D("0.07")
