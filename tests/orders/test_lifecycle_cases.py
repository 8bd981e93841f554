"""What each piece of evidence puts down, field by field, and what people are told of it."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest

from btccxt.model import ZERO, Fee, Fill, OrderKind, OrderStatus, OrderUpdate, Origin, Side
from btccxt.orders.events import (
    Alarm,
    AlarmKind,
    Amended,
    AskAgain,
    CancelRequested,
    FetchFills,
    FillsOverdue,
    Gone,
    Journaled,
    LifecycleEvent,
    NeverArrived,
    NeverSent,
    NewFill,
    Noted,
    NotPlaced,
    OutcomeUnknown,
    Rejection,
    Released,
    Sent,
    Withdrawn,
)
from btccxt.orders.lifecycle import LiveOrder, apply
from btccxt.orders.live_order import FillLog
from tests.orders.test_lifecycle import D, S, a_fill, an_order, kinds, run, said

STOP = an_order(kind=OrderKind.STOP).request
OTHER = replace(an_order().request, price=D(99))
RELEASED = {"request": OTHER, "original": an_order().request, "pending_release": False}
REFUSED = {"state": S.REJECTED, "reported_terminal": {S.REJECTED}}
HUNDRED = D(100)
ENDED = {"state": S.CANCELED, "reported_terminal": {S.CANCELED}}


def differences(before: LiveOrder, after: LiveOrder) -> dict[str, object]:
    changes = {each.name: getattr(after, each.name) for each in fields(LiveOrder)}
    return {name: value for name, value in changes.items() if value != getattr(before, name)}


# ------------------------------------------------------------------ what we did or concluded ourselves


@pytest.mark.parametrize(
    ("before", "event", "changes"),
    [
        ({}, Journaled(), {"state": S.JOURNALED}),
        ({"state": S.OPEN}, Journaled(), {}),
        ({"pending_release": True}, Released(OTHER), RELEASED),
        ({"pending_release": True}, Released(OTHER, "l1"), {**RELEASED, "listed": "l1"}),
        ({"pending_release": True}, Sent(1), {"state": S.SENT, "attempts": 1, "sent_ms": 7, "pending_release": False}),
        ({"attempts": 2, "sent_ms": 3, "state": S.SENT}, Sent(2), {}),
        ({"attempts": 1, "sent_ms": 3, "state": S.SENT}, Sent(2), {"attempts": 2, "sent_ms": 7}),
        ({"reasons": ("a",)}, OutcomeUnknown("b"), {"state": S.UNKNOWN, "reasons": ("a", "b")}),
        ({"notes": ("a",)}, NotPlaced("b"), {"notes": ("a", "b")}),
        ({"notes": ("a",)}, NotPlaced("a"), {}),
        ({"notes": ("a",)}, Noted("b"), {"notes": ("a", "b")}),
        ({"reasons": ("a",)}, Rejection(("b", "c")), {**REFUSED, "reasons": ("a", "b", "c")}),
        ({"reasons": ("a",)}, NeverArrived("b"), {**REFUSED, "never_arrived": True, "reasons": ("a", "b")}),
        ({"notes": ("a",)}, Gone("b"), {**ENDED, "notes": ("a", "b")}),
        ({"notes": ("a",)}, Withdrawn("b"), {**ENDED, "notes": ("a", "b")}),
        ({"reasons": ("a",)}, NeverSent("b"), {**ENDED, "reasons": ("a", "b")}),
        ({}, CancelRequested(), {"cancel_requested": True}),
        ({"cancel_requested": True}, CancelRequested(), {}),
    ],
)  # fmt: skip
def test_what_we_did_changes_this_and_no_more(
    before: dict[str, object], event: LifecycleEvent, changes: dict[str, object]
) -> None:
    order = an_order(**before)
    after, effects = apply(order, event, 7)
    expected = {**changes, "updated_ms": 7} if changes else {}
    assert differences(order, after) == expected
    assert not effects
    assert (after is order) is not bool(changes)


def test_evidence_of_different_ends_adds_up() -> None:
    order, _ = run(an_order(), NeverArrived("w"), NeverSent("v"))
    assert order.reported_terminal == {S.CANCELED, S.REJECTED}
    order, _ = run(an_order(), Gone("x"), Withdrawn("y"), Rejection(("z",)), NeverArrived("w"))
    assert order.reported_terminal == {S.CANCELED, S.REJECTED}
    order, _ = run(an_order(), said(OrderStatus.EXPIRED), Gone("x"))
    assert (order.state, order.reported_terminal) == (S.EXPIRED, {S.EXPIRED, S.CANCELED})


def test_news_is_never_older_than_what_was_known() -> None:
    order, _ = apply(an_order(updated_ms=9), Journaled(), 7)
    assert order.updated_ms == 9


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(TypeError, match="not a lifecycle event: 'open'"):
        apply(an_order(), "open", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "told", "order_id", "left"),
    [
        (None, None, None, ()),
        (None, "x2", "x2", ()),
        ("x1", None, "x1", ()),
        ("x1", "x1", "x1", ()),
        ("x1", "x2", "x2", ("x0", "x1")),
    ],
)
def test_an_edit_may_give_the_order_a_new_id_and_leaves_the_old_one(
    known: str | None, told: str | None, order_id: str | None, left: tuple[str, ...]
) -> None:
    order = an_order(order_id=known, replaced_ids=("x0",) if left else (), notes=("a",))
    order, effects = apply(order, Amended(OTHER, told, "edited"), 1)
    assert (order.request, order.order_id, order.replaced_ids, order.notes) == (OTHER, order_id, left, ("a", "edited"))
    assert not effects


def test_an_edit_changes_what_was_asked_for_where_it_is_of_the_same_kind() -> None:
    moved = replace(STOP, trigger_price=D(90), price=D(89), amount=D(2))
    order, _ = apply(LiveOrder(STOP, original=STOP), Amended(moved, None, "edited"), 1)
    assert order.original == replace(STOP, trigger_price=D(90), price=D(89))
    order, _ = apply(LiveOrder(OTHER, original=STOP), Amended(OTHER, None, "edited"), 1)
    assert order.original == STOP
    assert apply(LiveOrder(OTHER), Amended(OTHER, None, "edited"), 1)[0].original is None


# ------------------------------------------------------------------ what people are told


def alarms(effects: object) -> list[Alarm]:
    return [each for each in effects if isinstance(each, Alarm)]  # type: ignore[attr-defined]


def test_trades_that_do_not_come_are_told_once_with_their_amount_and_noted_on_the_order() -> None:
    order, effects = run(an_order(notes=("a",)), said(OrderStatus.FILLED, "1"), a_fill("1", "0.25"), FillsOverdue())
    (alarm,) = alarms(effects)
    assert (alarm.kind, alarm.client_order_id, alarm.once) == (AlarmKind.FILLS_OVERDUE, "b1", "fills_overdue b1")
    assert "order b1 (BTC/USDT) is closed" in alarm.text and "trades for 0.75 have not arrived" in alarm.text
    assert order.notes == ("a", alarm.text)


def test_an_order_that_lives_though_it_was_given_up_is_told_once() -> None:
    _, effects = run(an_order(), NeverArrived("no"), said(OrderStatus.OPEN))
    (alarm,) = alarms(effects)
    assert (alarm.kind, alarm.client_order_id, alarm.once) == (AlarmKind.GHOST, "b1", "ghost b1")
    assert alarm.text.startswith("order b1 (BTC/USDT) counted as never placed")


def test_an_overfill_is_told_with_both_amounts_after_the_fill_itself() -> None:
    _, effects = run(an_order(), a_fill("1", "1"), a_fill("2", "0.5"))
    assert kinds(effects) == ["NewFill", "NewFill", "overfill"]
    (alarm,) = alarms(effects)
    assert alarm == Alarm(AlarmKind.OVERFILL, "order b1 (BTC/USDT) filled 1.5, asked for 1", "b1", once="overfill b1")


def test_what_is_not_understood_is_asked_again_with_the_reason() -> None:
    assert run(an_order(), said(OrderStatus.UNKNOWN, raw_status="odd"))[1] == [
        AskAgain("the exchange gave no status that is known ('odd')")
    ]
    order = LiveOrder(replace(an_order().request, price=None), infer_fills=True)
    assert AskAgain("filled, but the exchange gave no price") in run(order, said(OrderStatus.OPEN, "0.5"))[1]


# ------------------------------------------------------------------ what the exchange says


def test_an_answer_with_its_trades_counts_both() -> None:
    order, effects = run(an_order(), said(OrderStatus.OPEN, "0.9", fills=(a_fill("1", "0.25"), a_fill("2", "0.5"))))
    assert order.filled == D("0.75")
    assert [type(each) for each in effects] == [NewFill, NewFill, FetchFills]
    assert effects[-1] == FetchFills(D("0.15"))


def test_what_an_answer_leaves_out_stays_known() -> None:
    told = said(OrderStatus.OPEN, "0.5", raw_status="NEW", average=D(101), child_order_id="c1", reject_reason="slow")
    order, _ = run(an_order(kind=OrderKind.STOP), told, said(OrderStatus.OPEN, "0.75", order_id=None))
    assert (order.order_id, order.raw_status, order.child_order_id) == ("x1", "NEW", "c1")
    assert (order.reported_filled, order.hinted_average, order.reasons) == (D("0.75"), D(101), ("slow",))
    order, _ = run(order, said(OrderStatus.OPEN, "0.75", average=D(60)))
    order, _ = run(order, said(OrderStatus.OPEN, "0.25", raw_status="PART", average=D(50), reject_reason="odd"))
    assert (order.reported_filled, order.hinted_average, order.raw_status) == (D("0.75"), D(101), "PART")
    assert order.reasons == ("slow", "odd")


def test_a_stop_heard_of_under_another_id_has_fired_and_that_is_its_child() -> None:
    order, _ = run(an_order(kind=OrderKind.STOP), said(OrderStatus.OPEN), said(OrderStatus.OPEN, order_id="x2"))
    assert (order.order_id, order.child_order_id, order.triggered) == ("x1", "x2", True)
    order, _ = run(order, said(OrderStatus.OPEN, order_id="x3"))
    assert order.child_order_id == "x2"
    order, _ = run(order, said(OrderStatus.OPEN, order_id="x3", child_order_id="x4"))
    assert order.child_order_id == "x4"
    assert run(an_order(kind=OrderKind.STOP), said(OrderStatus.OPEN))[0].triggered is False
    order, _ = run(an_order(kind=OrderKind.STOP), said(OrderStatus.TRIGGERED), said(OrderStatus.OPEN))
    assert (order.triggered, order.child_order_id) == (True, None)


ASKED = {"origin": Origin.QUERY, "order_id": "x2"}


@pytest.mark.parametrize(
    ("known", "told", "order_id", "left"),
    [
        ({"order_id": "x1"}, ASKED, "x2", ("x0", "x1")),
        ({"order_id": None}, ASKED, "x2", ("x0",)),
        ({"order_id": "x1"}, {**ASKED, "order_id": "x1"}, "x1", ("x0",)),
        ({"order_id": "x1"}, {**ASKED, "order_id": None}, "x1", ("x0",)),
        ({"order_id": "x1"}, {**ASKED, "origin": Origin.PUSH}, "x1", ("x0",)),
        ({"order_id": "x1"}, {**ASKED, "status": OrderStatus.CANCELED}, "x1", ("x0",)),
        ({"order_id": "x1"}, {**ASKED, "client_order_id": None}, "x1", ("x0",)),
        ({"order_id": "x1", "kind": OrderKind.STOP}, ASKED, "x1", ("x0",)),
    ],
)
def test_an_open_order_that_is_found_by_our_own_id_is_the_right_one(
    known: dict[str, Any], told: dict[str, Any], order_id: str, left: tuple[str, ...]
) -> None:
    order = an_order("1", replaced_ids=("x0",), **known)
    order, _ = apply(order, replace(said(OrderStatus.OPEN), **told), 1)
    assert (order.order_id, order.replaced_ids) == (order_id, left)


def test_what_one_answer_says_is_all_acted_upon() -> None:
    trade = a_fill("1", "0.25")
    order, effects = run(an_order(infer_fills=True), said(OrderStatus.UNKNOWN, "0.5", fills=(trade,)))
    assert kinds(effects) == ["NewFill", "NewFill", "FetchFills", "AskAgain"]
    assert order.filled == D("0.5")
    _, effects = run(an_order(), NeverArrived("no"), said(OrderStatus.OPEN, "0.5"))
    assert kinds(effects) == ["FetchFills", "ghost", "CancelGhost"]


def test_an_order_of_which_no_amount_is_known_is_not_filled_by_nothing() -> None:
    assert run(an_order("0"), said(OrderStatus.OPEN, "0"))[0].state is S.OPEN


@pytest.mark.parametrize(
    ("amount", "told", "full"),
    [
        ("1", {"filled": D(1)}, True),
        ("1", {"filled": D("0.5")}, False),
        ("1", {"filled": D("0.5"), "amount": D("0.5")}, True),
        ("1", {"filled": D(1), "amount": D(2)}, True),
        ("1", {"filled": None}, False),
        ("1", {"filled": D(1), "status": OrderStatus.CANCELED}, False),
        ("1", {"filled": D(1), "origin": Origin.CANCEL}, False),
    ],
)
def test_closed_means_filled_when_it_names_the_whole_amount(amount: str, told: dict[str, object], full: bool) -> None:
    order, _ = apply(an_order(amount), replace(said(OrderStatus.FILLED), **told), 1)  # type: ignore[arg-type]
    assert order.closed_full is full
    again, _ = apply(order, said(OrderStatus.FILLED, "0.1"), 1)
    assert again.closed_full is full
    at_close = order.reported_filled_at_close
    assert again.reported_filled_at_close == max(at_close or ZERO, D("0.1"))


# ------------------------------------------------------------------ trades


def test_a_log_of_trades_stays_what_it_was_when_another_grows_from_it_and_nothing_is_copied() -> None:
    first = FillLog([a_fill("1")])
    second = first.with_fill(a_fill("2"))
    assert (list(first), list(second)) == (["1"], ["1", "2"])
    assert second._trades is first._trades
    aside = first.with_fill(a_fill("3"))
    assert (list(aside), list(second)) == (["1", "3"], ["1", "2"])
    assert (len(first), len(second), len(aside)) == (1, 2, 2)
    assert (first.get("2"), "2" in first, second["2"]) == (None, False, a_fill("2"))
    with pytest.raises(KeyError, match="'2'"):
        first["2"]
    assert repr(first) == f"FillLog([{a_fill('1')!r}])"


@pytest.mark.parametrize("fee", [None, "0.01"])
@pytest.mark.parametrize("trade_id", ["1", ""])
def test_a_trade_told_twice_changes_nothing(trade_id: str, fee: str | None) -> None:
    order, _ = apply(an_order(), a_fill(trade_id, fee=fee), 1)
    assert apply(order, a_fill(trade_id, fee=fee), 2) == (order, ())
    assert apply(order, a_fill(trade_id, fee=fee), 2)[0] is order


@pytest.mark.parametrize("trade_id", ["1", ""])
def test_a_trade_without_a_charge_has_a_fee_of_nothing_and_not_an_unknown_one(trade_id: str) -> None:
    _, effects = run(an_order(), a_fill(trade_id, fee="0"))
    assert [each.fill.fee for each in effects] == [Fee("BNB", ZERO)]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fees", "told"), [(("0.02", "0.03"), "0.02"), ((None, "0.03"), "0"), (("0.02", None), "0.02")]
)
def test_of_nameless_trades_the_fees_that_are_told_are_of_those_that_count(
    fees: tuple[str | None, str | None], told: str
) -> None:
    order, _ = run(an_order("9"), a_fill("1"), a_fill("", fee=fees[0], time_ms=2))  # that is the named one
    order, effects = apply(order, a_fill("", fee=fees[1], time_ms=1), 3)  # now this is, and the other one counts
    assert [each.fill.fee for each in effects] == [Fee("BNB", D(told))]  # type: ignore[union-attr]
    assert order.filled == 1


def test_of_a_trade_that_was_inferred_in_part_the_rest_is_new() -> None:
    _, effects = run(an_order(infer_fills=True), said(OrderStatus.OPEN, "0.5"), a_fill("1", "0.75", fee="0.01"))
    assert [(each.fill.amount, each.fill.fee) for each in effects if isinstance(each, NewFill)] == [
        (D("0.5"), None), (D("0.25"), Fee("BNB", D("0.01"))),
    ]  # fmt: skip


def told_by_rise(*news: OrderUpdate, price: Decimal | None = HUNDRED) -> tuple[LiveOrder, list[Fill]]:
    order = LiveOrder(replace(an_order("4").request, price=price), infer_fills=True, updated_ms=5)
    order, effects = run(order, *news)
    return order, [each.fill for each in effects if isinstance(each, NewFill)]


def test_a_rise_of_the_cumulative_amount_is_a_trade_with_all_that_a_trade_has() -> None:
    _, fills = told_by_rise(said(OrderStatus.OPEN, "0.50", average=D(101), time_ms=3))
    assert fills == [Fill("cumulative-0.5", "BTC/USDT", Side.BUY, D(101), D("0.5"), 3, "x1", "b1")]
    _, fills = told_by_rise(said(OrderStatus.OPEN, "0.5"))
    assert (fills[0].price, fills[0].time_ms) == (D(100), 5)


@pytest.mark.parametrize(
    ("price", "averages", "prices", "cost"),
    [
        (D(100), [D(100), D(110)], [D(100), D(120)], 220),
        (D(100), [D(100), None], [D(100), D(100)], 200),
        (D(100), [None, D(110)], [D(100), D(120)], 220),
        (None, [D(100), D(50)], [D(100), D(50)], 150),  # a price of zero is none: the average counts
        (None, [D(100), D(10)], [D(100), D(10)], 110),  # nor is one below
    ],
)
def test_the_price_of_a_rise_makes_the_average_right_where_that_is_a_price(
    price: Decimal | None, averages: list[Decimal | None], prices: list[Decimal], cost: int
) -> None:
    news = [
        said(OrderStatus.OPEN, str(amount), average=average) for amount, average in zip((1, 2), averages, strict=True)
    ]
    order, fills = told_by_rise(*news, price=price)
    assert [fill.price for fill in fills] == prices
    assert order.cost == cost
    assert told_by_rise(replace(news[0], average=None, price=D(77)), price=None)[1][0].price == 77


def test_a_rise_to_what_has_been_counted_already_is_no_trade() -> None:
    order, effects = run(an_order(infer_fills=True), a_fill("1", "0.5"), said(OrderStatus.OPEN, "0.5"))
    assert (kinds(effects), order.filled, order.reported_filled) == (["NewFill"], D("0.5"), D("0.5"))


def test_the_price_of_half_a_coin_more() -> None:
    order, fills = told_by_rise(
        said(OrderStatus.OPEN, "1", average=D(100)), said(OrderStatus.OPEN, "1.5", average=D(110))
    )
    assert (fills[1].amount, fills[1].price, order.cost) == (D("0.5"), D(130), D(165))


@pytest.mark.parametrize(
    ("trades", "filled", "cost"),
    [
        (["a", "b", "~1"], 2, 200),  # one of the two is the nameless one
        (["a", "b", "~1", "~2", "~3"], 3, 300),
        (["a", "~1", "b", "~2"], 2, 200),
        (["~1", "~2"], 2, 200),
        (["a", "~1", "cheap"], 2, 190),
    ],
)
def test_a_nameless_trade_is_one_of_the_named_ones_of_its_price_and_amount(
    trades: list[str], filled: int, cost: int
) -> None:
    order = an_order("9")
    for trade in trades:
        told = a_fill("", "1", time_ms=int(trade[1:])) if trade[0] == "~" else a_fill(trade, "1")
        order, _ = apply(order, replace(told, price=D(90) if trade == "cheap" else D(100)), 1)
    assert order.filled == order.traded == filled
    assert order.cost == order.traded_cost == cost


@pytest.mark.parametrize("trade_id", ["", "t1"])
def test_a_trade_proves_that_the_exchange_knows_the_order_and_tells_its_id(trade_id: str) -> None:
    order, _ = run(an_order(), a_fill(trade_id, "0.25"))
    assert (order.acknowledged, order.order_id) == (True, "x1")
    assert apply(an_order(order_id="x9"), a_fill(trade_id, "0.25"), 1)[0].order_id == "x9"


@pytest.mark.parametrize("ids", [("", ""), ("1", "2")])
def test_trades_that_come_after_what_was_inferred_from_them_count_once(ids: tuple[str, str]) -> None:
    order, effects = run(
        an_order("1", infer_fills=True), said(OrderStatus.OPEN, "0.5", average=D(100)),
        a_fill(ids[0], "0.25", time_ms=1), a_fill(ids[1], "0.25", "104", time_ms=2),
    )  # fmt: skip
    assert (order.filled, order.cost) == (D("0.5"), D(51))
    assert (order.traded, order.traded_cost) == (D("0.5"), D(51))
    assert kinds(effects)[0] == "NewFill" and kinds(effects).count("NewFill") == 1


def test_fees_add_up_whether_they_come_with_their_trade_or_later() -> None:
    order, effects = run(
        an_order("9"), a_fill("1", fee="0.01"), a_fill("2", fee="0.02"), a_fill("3"), a_fill("3", fee="0.04")
    )
    assert (dict(order.fees), order.filled, order.traded) == ({"BNB": D("0.07")}, D("1.5"), D("1.5"))
    assert kinds(effects) == ["NewFill", "NewFill", "NewFill", "FillCorrected"]
    corrected = effects[-1].fill  # type: ignore[union-attr]
    assert (corrected.amount, corrected.fee, corrected.trade_id) == (ZERO, Fee("BNB", D("0.04")), "3")
    order, told = apply(order_with_nameless_fee(), a_fill("t", "0.5", time_ms=1), 2)
    assert (dict(order.fees), order.filled, order.anonymous) == ({}, D("0.5"), 1)
    assert [each.fill.fee for each in told] == [Fee("BNB", D("-0.01"))]  # type: ignore[union-attr]


def order_with_nameless_fee() -> LiveOrder:
    order, effects = apply(an_order("9"), a_fill("", "0.5", fee="0.01"), 1)
    assert effects[0].fill.fee == Fee("BNB", D("0.01"))  # type: ignore[union-attr]
    assert order.anonymous == 1
    return order
