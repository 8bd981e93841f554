"""The parts that contingent orders are decided from, each by a table: exposure, triggers, placements, legs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from btccxt.model import ZERO, OrderKind, OrderReference, OrderRequest, OrderStatus, Side, TimeInForce
from btccxt.orders.exposure import gained, given_back, traded
from btccxt.orders.leg import MADE_WAY, Leg, Placement, made_way
from btccxt.orders.live_order import LifecycleState as S
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.protection import Protection, protection_of, unprotected_by_symbol
from btccxt.orders.trigger import Trigger
from tests.orders.contingent_world import PERP, SPOT
from tests.orders.test_lifecycle import a_fill, an_order, run, said

D = Decimal
K = OrderKind
STOP = an_order("1", K.STOP).request


def order(name: str = "b1", kind: OrderKind = K.LIMIT, amount: str = "1", **changes: Any) -> LiveOrder:
    side = changes.pop("side", Side.BUY)
    cost_quote = changes.pop("cost_quote", None)
    price = changes.pop("price", D(100))
    request = OrderRequest(name, "BTC/USDT", side, kind, D(amount), price, cost_quote=cost_quote)
    return LiveOrder(request, **changes)


# ------------------------------------------------------------------ exposure

CLOSED = frozenset({S.FILLED})


@pytest.mark.parametrize(
    ("known", "amount"),
    [
        ({}, "0"),
        ({"filled": D("0.5")}, "0.5"),
        ({"filled": D("0.25"), "reported_filled": D("0.5")}, "0.5"),
        ({"filled": D("0.5"), "reported_filled": D("0.25")}, "0.5"),
        ({"reported_filled": D(2)}, "1"),  # never more than was asked for …
        ({"filled": D("1.5"), "reported_filled": D(2)}, "1.5"),  # … but for trades that are there
        ({"cost_quote": D(200), "reported_filled": D(2)}, "2"),  # by cost: its amount was an estimate
        ({"reported_terminal": CLOSED}, "1"),
        ({"reported_terminal": CLOSED, "reported_filled_at_close": D("0.75")}, "0.75"),
        ({"reported_terminal": frozenset({S.CANCELED})}, "0"),
        ({"kind": K.STOP, "reported_terminal": CLOSED}, "0"),  # its child may still fill
        ({"kind": K.STOP, "reported_terminal": CLOSED, "fills_overdue": True}, "1"),
        ({"kind": K.STOP, "reported_terminal": CLOSED, "reported_filled_at_close": D("0.5")}, "0.5"),
    ],
)
def test_what_counts_as_traded_is_the_most_that_the_exchange_has_said(known: dict[str, Any], amount: str) -> None:
    assert traded(order(**known)) == D(amount)


@pytest.mark.parametrize(
    ("known", "market", "entered", "left"),
    [
        ({"filled": D(1), "fees": {"USDT": D(1)}}, SPOT, "1", "1"),
        ({"filled": D(1), "fees": {"BTC": D("0.01")}}, SPOT, "0.99", "0.99"),
        ({"filled": D(1), "fees": {"BTC": D("0.01")}}, PERP, "1", "1"),
        ({"reported_filled": D(1)}, SPOT, "0.999", "1"),  # no fee is known yet: the usual one is taken off
        ({"filled": D("0.5"), "reported_filled": D(1), "fees": {"BTC": D("0.01")}}, SPOT, "0.9895", "0.99"),
        ({"filled": D("0.5"), "reported_filled": D(1)}, SPOT, "0.999", "1"),
        ({"side": Side.SELL, "filled": D(1), "fees": {"BTC": D("0.01")}}, SPOT, "1", "1.01"),
        ({}, SPOT, "0", "0"),
    ],
)
def test_a_fee_in_the_coin_makes_a_spot_position_smaller(
    known: dict[str, Any], market: Any, entered: str, left: str
) -> None:
    assert gained(order(**known), market) == D(entered)
    assert given_back(order(**known), market) == D(left)


# ------------------------------------------------------------------ one order that waits


@pytest.mark.parametrize(
    ("kind", "side", "fields", "best", "level"),
    [
        (K.STOP, Side.SELL, {"trigger_price": D(90), "price": D(89)}, None, D(90)),
        (K.LIMIT, Side.SELL, {"price": D(110)}, None, D(110)),
        (K.TRAILING_AMOUNT, Side.SELL, {"trailing_amount": D(5)}, None, None),
        (K.TRAILING_AMOUNT, Side.SELL, {"trailing_amount": D(5)}, D(100), D(95)),
        (K.TRAILING_AMOUNT, Side.BUY, {"trailing_amount": D(5)}, D(100), D(105)),
        (K.TRAILING_PERCENT, Side.SELL, {"trailing_percent": D(5)}, D(200), D(190)),
        (K.TRAILING_PERCENT, Side.BUY, {"trailing_percent": D(5)}, D(200), D(210)),
    ],
)
def test_the_price_that_fires_it(
    kind: OrderKind, side: Side, fields: dict[str, Any], best: Decimal | None, level: Decimal | None
) -> None:
    trigger = Trigger(OrderRequest("b1", "BTC/USDT", side, kind, D(1), **fields), best)
    assert trigger.level == level
    assert trigger.is_reached(D(1)) is (level is not None and side is Side.SELL and kind is not K.LIMIT)


def test_a_trailing_order_to_buy_follows_the_price_down_and_is_another_trigger_only_when_it_moves() -> None:
    first = Trigger(OrderRequest("b1", "BTC/USDT", Side.BUY, K.TRAILING_AMOUNT, D(1), trailing_amount=D(5)), D(100))
    lower, fires = first.on_price(D(97))
    assert (lower.best, lower.level, fires) == (97, 102, False)
    same, fires = lower.on_price(D(101))
    assert same is lower and not fires
    assert lower.on_price(D(102)) == (lower, True)


@pytest.mark.parametrize(
    ("kind", "price", "becomes"),
    [
        (K.STOP, None, K.MARKET),
        (K.STOP, D(89), K.LIMIT),
        (K.TAKE_PROFIT, None, K.MARKET),
        (K.TRAILING_AMOUNT, None, K.MARKET),
        (K.TRAILING_PERCENT, None, K.MARKET),
        (K.STOP_LIMIT, D(89), K.LIMIT),
        (K.STOP_LIMIT, None, K.LIMIT),
        (K.TAKE_PROFIT_LIMIT, None, K.LIMIT),
        (K.LIMIT, None, K.LIMIT),
        (K.MARKET, None, K.MARKET),
    ],
)
def test_what_an_order_turns_into_when_it_fires(kind: OrderKind, price: Decimal | None, becomes: OrderKind) -> None:
    conditions = {"trigger_price": D(90), "trailing_amount": D(1), "trailing_percent": D(1)}
    request = OrderRequest("b1", "BTC/USDT", Side.SELL, kind, D(1), price, reduce_only=True, **conditions)
    assert Trigger(request).fired() == OrderRequest("b1", "BTC/USDT", Side.SELL, becomes, D(1), price, reduce_only=True)


def test_an_offset_without_a_level_is_dropped_with_the_condition() -> None:
    request = OrderRequest(
        "b1", "BTC/USDT", Side.SELL, K.TRAILING_AMOUNT, D(1), trailing_amount=D(5), limit_offset=D(2)
    )
    assert (Trigger(request).fired().limit_offset, Trigger(request).fired().price) == (None, None)
    assert Trigger(request, D(100)).fired().price == 93


# ------------------------------------------------------------------ placements and legs


@pytest.mark.parametrize(
    ("known", "cancelling", "is_open", "is_live", "filled", "remaining", "is_executing"),
    [
        (None, False, True, False, "0", "1", False),
        ({"state": S.SENT}, False, True, False, "0", "1", False),
        ({"state": S.OPEN, "acknowledged": True}, False, True, True, "0", "1", False),
        ({"state": S.OPEN, "acknowledged": True}, True, True, False, "0", "1", False),
        ({"state": S.OPEN, "acknowledged": True, "filled": D("0.25")}, False, True, True, "0.25", "0.75", True),
        ({"state": S.OPEN, "acknowledged": True, "triggered": True}, False, True, True, "0", "1", True),
        ({"state": S.CANCELED, "acknowledged": True, "filled": D("0.25")}, False, False, False, "0.25", "0", True),
    ],
)
def test_what_an_order_that_carries_a_leg_is_worth(
    known: dict[str, Any] | None, cancelling: bool, is_open: bool, is_live: bool, filled: str, remaining: str,
    is_executing: bool,
) -> None:  # fmt: skip
    each = Placement(order().request, None if known is None else order(**known), cancelling)
    assert (each.is_open, each.is_live, each.is_executing) == (is_open, is_live, is_executing)
    assert (each.filled, each.remaining, each.name) == (D(filled), D(remaining), "b1")


def leg(*placements: Placement, request: OrderRequest = STOP, native: bool = True, **fields: Any) -> Leg:
    made = Leg(request, native, **fields)
    made.placements += placements
    return made


@pytest.mark.parametrize("sign", ["fired", "at_market", "reached"])
def test_a_leg_is_being_executed_once_anything_says_so(sign: str) -> None:
    assert leg(**{sign: True}).is_executing
    assert leg(Placement(STOP), Placement(STOP, order(triggered=True))).is_executing
    assert not leg(Placement(STOP)).is_executing


@pytest.mark.parametrize(
    ("primary", "placed", "free"),
    [
        (None, [], True),
        (None, ["b1"], False),
        ({"pending_release": True}, [], True),
        ({"pending_release": True}, ["s1"], True),
        ({"pending_release": False}, [], False),
        ({"pending_release": True, "state": S.CANCELED}, [], False),
    ],
)
def test_the_next_placement_may_have_the_legs_own_name_while_that_has_not_been_sent(
    primary: dict[str, Any] | None, placed: list[str], free: bool
) -> None:
    placements = [Placement(replace(STOP, client_order_id=name)) for name in placed]
    assert leg(*placements, primary=None if primary is None else order(**primary)).primary_is_free is free


def test_what_is_sent_for_a_leg_depends_on_what_has_come() -> None:
    request = OrderRequest(
        "b1", "BTC/USDT", Side.SELL, K.STOP_LIMIT, D(1), D(89), D(90), post_only=True, iceberg_amount=D("0.5"),
        expires_ms=9, time_in_force=TimeInForce.IOC,
    )  # fmt: skip
    as_limit = replace(request, kind=K.LIMIT, trigger_price=None)
    at_market = OrderRequest("b1", "BTC/USDT", Side.SELL, K.MARKET, D(1))
    assert leg(request=request).to_send() is request
    assert leg(request=request, fired=True).to_send() == as_limit
    assert leg(request=request, native=False).to_send() == as_limit
    assert leg(request=request, at_market=True).to_send() == at_market
    stop = replace(request, kind=K.STOP, price=None)
    assert leg(request=stop, at_market=True).to_send() == replace(stop, kind=K.MARKET, trigger_price=None)


def test_what_is_journaled_with_an_order_makes_its_leg() -> None:
    trailing = replace(STOP, kind=K.TRAILING_AMOUNT, trailing_amount=D(5))
    plain = Leg.of(trailing, {})
    assert plain == Leg(trailing, True)
    assert (plain.trigger, plain.slice_amount, plain.ends_at_ms, plain.entry_pct, plain.backstop) == (
        Trigger(trailing), None, None, None, None,
    )  # fmt: skip
    known = {"watch": "why", "trails_from": "100.5", "expires_ms": "9", "entry_pct": "-2.5", "backstop": "plain"}
    known["follows"] = "b0"
    told = Leg.of(trailing, known)
    assert (told.is_native, told.trigger, told.ends_at_ms) == (False, Trigger(trailing, D("100.5")), 9)
    assert (told.entry_pct, told.backstop, told.slice_amount, told.follows) == (D("-2.5"), "plain", None, "b0")
    sliced = Leg.of(STOP, {"slices": "0.25", "watch": "why"})  # its slices rest at the exchange, whatever it lacks
    assert (sliced.slice_amount, sliced.is_native) == (D("0.25"), True)


def test_a_slice_of_an_iceberg_order_is_sent_as_a_plain_one() -> None:
    request = replace(STOP, kind=K.LIMIT, iceberg_amount=D("0.25"))
    assert leg(request=request).to_send() is request
    assert leg(request=request, slice_amount=D("0.25")).to_send() == replace(request, iceberg_amount=None)


def test_a_leg_hears_of_its_own_order_and_of_those_that_carry_it() -> None:
    heard = leg()
    heard.hear(order(pending_release=True))
    assert heard.primary == order(pending_release=True) and not heard.placements  # held: nothing is at the exchange
    heard.hear(order("s1", state=S.OPEN))
    heard.hear(order("s1", state=S.CANCELED))
    assert [(each.name, each.order and each.order.state, each.cancelling) for each in heard.placements] == [
        ("s1", S.CANCELED, False)
    ]
    heard.hear(order("s2", notes=(MADE_WAY + "for another",)))
    assert heard.placements[1].cancelling
    heard.hear(order(state=S.OPEN))
    assert heard.placement("b1") is heard.placements[2] and heard.placement("x") is None
    assert heard.filled == 0 and [each.name for each in heard.open] == ["s2", "b1"]
    assert [each.name for each in heard.standing] == ["b1"]
    ended = leg()
    ended.hear(order(pending_release=True, state=S.CANCELED))
    assert [each.name for each in ended.placements] == ["b1"]


def test_only_a_note_that_begins_so_says_that_an_order_made_way() -> None:
    assert made_way(order(notes=("a", MADE_WAY + "b"))) and not made_way(order(notes=("not " + MADE_WAY,)))


def test_a_price_that_is_edited_where_it_rests_counts_for_whatever_carries_the_leg_on() -> None:
    resting = replace(STOP, trigger_price=D(90), price=None)
    edited = leg(Placement(resting, LiveOrder(resting)), request=resting)
    edited.trigger = Trigger(resting, D(120))
    edited.hear(LiveOrder(replace(resting, trigger_price=D(95), amount=D(7))))
    assert (edited.request.trigger_price, edited.request.amount) == (95, 1)
    assert edited.trigger == Trigger(edited.request, D(120))
    edited.hear(LiveOrder(replace(resting, price=D(94), trigger_price=D(95))))
    assert edited.request.price == 94
    before = edited.request
    edited.hear(LiveOrder(replace(resting, kind=K.MARKET, price=None, trigger_price=None)))
    assert edited.request is before


# ------------------------------------------------------------------ a leg as the strategy sees it


def test_a_leg_that_no_other_order_carries_is_its_own_order_in_the_size_that_counts() -> None:
    assert leg().view(D(1), {}) is None
    own = order(state=S.OPEN)
    seen = leg(Placement(own.request, own), primary=own, request=own.request)
    assert seen.view(D(1), {}) is own
    smaller = seen.view(D("0.5"), {"watch": "bound"})
    assert smaller == replace(own, request=replace(own.request, amount=D("0.5")), context={"watch": "bound"})


@pytest.mark.parametrize("state", [S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED])
def test_a_leg_whose_own_order_has_ended_is_that_order(state: S) -> None:
    own = order(state=state, raw_status="DONE")
    assert leg(Placement(own.request, own), primary=own, over=state).view(D("0.5"), {}) is own


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ({"state": S.EXPIRED, "listed": "b2"}, S.CANCELED),
        ({"state": S.EXPIRED}, S.EXPIRED),  # its own time was over
        ({"state": S.CANCELED, "listed": "b2"}, S.CANCELED),
        ({"state": S.REJECTED}, S.CANCELED),
    ],
)
def test_what_its_pair_has_ended_is_cancelled_for_the_strategy(known: dict[str, Any], shown: S) -> None:
    own = order(**known)
    seen = leg(Placement(own.request, own), primary=own, over=S.CANCELED).view(D(1), {})
    assert seen is not None and seen.state is shown


def test_what_a_spawned_order_was_told_stands_on_the_leg() -> None:
    both = carried(second={"reasons": ("s",), "triggered": True})
    first = both.placements[0].order
    assert first is not None
    both.placements[0].order = both.primary = replace(first, triggered=False)
    seen = both.view(D(1), {})
    assert seen is not None and (seen.reasons, seen.triggered) == (("r", "s"), True)


def test_why_the_exchange_cancelled_what_made_way_is_no_reason_of_the_leg() -> None:
    """It names our own wish ("cancelled by user"), and the leg is alive, or has filled."""
    both = carried(second={"reasons": ("s",)})
    first = both.placements[0].order
    assert first is not None
    both.placements[0].order = both.primary = replace(first, notes=(MADE_WAY + "for a close",))
    seen = both.view(D(1), {})
    assert seen is not None and seen.reasons == ("s",)


def carried(**fields: Any) -> Leg:
    """Its own order has given a part and made way, another one goes on."""
    first = order(
        state=S.CANCELED, filled=D("0.25"), cost=D(25), fees={"BNB": D(1), "USDT": D(2)}, notes=("a",), order_id="x1",
        reasons=("r",), context={"ref": "7"}, triggered=True,
    )  # fmt: skip
    second = order(
        "s1", state=S.OPEN, filled=D("0.5"), cost=D(60), fees={"BNB": D(2)}, notes=("a", "b"), order_id="x2",
        raw_status="NEW", cancel_requested=True,
    )  # fmt: skip
    second = replace(second, **fields.pop("second", {}))
    return leg(Placement(first.request, first), Placement(second.request, second), primary=first, **fields)


@pytest.mark.parametrize(
    ("fields", "state", "amount", "raw_status", "cancel_requested", "pending_release"),
    [
        ({}, S.PARTIALLY_FILLED, "1", "NEW", True, False),
        ({"over": S.CANCELED}, S.PARTIALLY_FILLED, "1", "NEW", True, False),
        ({"second": {"state": S.CANCELED}}, S.PARTIALLY_FILLED, "1", None, False, True),
        ({"second": {"state": S.CANCELED}, "over": S.CANCELED}, S.CANCELED, "1", None, False, False),
        ({"second": {"state": S.FILLED}, "over": S.FILLED}, S.FILLED, "0.75", None, False, False),
    ],
)
def test_a_leg_that_others_carry_on_is_one_order_with_the_fills_of_all(
    fields: dict[str, Any], state: S, amount: str, raw_status: str | None, cancel_requested: bool, pending_release: bool
) -> None:
    seen = carried(**fields).view(D(1), {})
    assert seen is not None
    assert (seen.state, seen.amount, seen.order_id, seen.raw_status) == (state, D(amount), "x2", raw_status)
    assert (seen.cancel_requested, seen.pending_release) == (cancel_requested, pending_release)
    assert (seen.client_order_id, seen.filled, seen.cost) == ("b1", D("0.75"), D(85))
    assert (seen.fees, seen.notes, seen.reasons) == ({"BNB": D(3), "USDT": D(2)}, ("a", "b"), ("r",))
    assert (seen.triggered, dict(seen.context), seen.request.kind) == (True, {"ref": "7"}, K.STOP)


@pytest.mark.parametrize(
    ("second", "state"), [({"filled": ZERO}, S.OPEN), ({"filled": ZERO, "state": S.CANCELED}, S.JOURNALED)]
)
def test_a_leg_without_fills_is_where_the_order_is_that_carries_it(second: dict[str, Any], state: S) -> None:
    both = carried(second=second)
    first = both.placements[0].order
    assert first is not None
    both.placements[0].order = replace(first, filled=ZERO)
    seen = both.view(D(1), {})
    assert seen is not None and seen.state is state


# ------------------------------------------------------------------ protection


def test_how_long_a_position_was_without_its_stop() -> None:
    group: Any = SimpleNamespace(
        name="b1", symbol="BTC/USDT", exposure=D(3), protected=D(1), unprotected_since_s=7.0, unprotected_total_s=2.0
    )
    lacking = Protection("b1", "BTC/USDT", D(3), D(1), 3.0, 5.0)
    assert protection_of(group, 10.0) == lacking
    group.unprotected_since_s = None
    whole = Protection("b1", "BTC/USDT", D(3), D(1), 0.0, 2.0)
    assert protection_of(group, 10.0) == whole
    other = replace(lacking, symbol="ETH/USDT")
    assert unprotected_by_symbol([lacking, whole, lacking, other]) == {
        "BTC/USDT": (D(4), 12.0), "ETH/USDT": (D(2), 5.0),
    }  # fmt: skip
    assert unprotected_by_symbol([whole]) == {"BTC/USDT": (ZERO, 2.0)}


# ------------------------------------------------------------------ an order's own figures


def test_an_order_tells_its_figures() -> None:
    known = order(amount="2", filled=D("0.5"), cost=D(55), traded=D("0.25"), reported_filled=D("0.75"), order_id="x1")
    assert (known.remaining, known.average, known.fills_missing, known.trades_missing) == (
        D("1.5"),
        110,
        D("0.25"),
        D("0.25"),
    )
    assert order().average is None
    assert order(filled=D(3)).remaining == 0
    assert replace(known, reported_filled=ZERO).trades_missing == D("0.25")  # inferred: the trade itself is missing
    closed = replace(known, reported_terminal=CLOSED)
    assert (closed.amount_to_close, closed.fills_missing, closed.awaits_fills) == (2, D("1.5"), True)
    assert replace(closed, reported_filled_at_close=D(1)).amount_to_close == 1
    assert order(cost_quote=D(9)).amount_to_close == 0
    assert not replace(closed, fills_overdue=True).awaits_fills
    assert not replace(known, reported_terminal=frozenset()).awaits_fills
    assert known.reference == OrderReference("BTC/USDT", "b1", "x1", conditional=False)
    stop = order(kind=K.STOP, order_id="x1", original=known.request)
    assert stop.reference == OrderReference("BTC/USDT", "b1", "x1", conditional=True)
    assert replace(stop, child_order_id="x2").reference == OrderReference("BTC/USDT", "b1", "x2", conditional=False)
    assert (stop.intent, known.intent) == (known.request, known.request)


def test_fills_are_told_as_one_log_across_the_orders_that_carry_a_leg() -> None:
    first, _ = run(an_order(), a_fill("1", "0.25"), said(OrderStatus.CANCELED))
    second, _ = run(LiveOrder(replace(an_order().request, client_order_id="s1")), a_fill("2", "0.5"))
    seen = leg(Placement(first.request, first), Placement(second.request, second), primary=first).view(D(1), {})
    assert seen is not None and list(seen.fills) == ["1", "2"]
