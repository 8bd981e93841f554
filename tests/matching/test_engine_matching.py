"""Limit and market orders against each other and against the ambient market."""

from __future__ import annotations

import pytest

from btccxt.matching.engine import (
    BalanceChanged,
    Engine,
    EngineReject,
    NewOrder,
    OrderChanged,
    PublicTrade,
    RejectCode,
    SimOrder,
    SimStatus,
)
from btccxt.model import OrderKind, Side
from tests.sim.exchange_kit import BTC, BUY, SELL, D, Kit, new, refused


def test_a_taker_walks_the_levels_and_gets_one_fill_per_maker() -> None:
    kit = Kit()
    kit.depth([], [(101, "0.5"), (102, 5)])
    resting = kit.limit("bob", SELL, "0.2", 100)
    taker = kit.market("ann", BUY, 1)
    assert [(fill.price, fill.amount) for fill in kit.fills_of(taker)] == [
        (D(100), D("0.2")),
        (D(101), D("0.5")),
        (D(102), D("0.3")),
    ]
    assert taker.status is SimStatus.FILLED
    assert taker.filled == 1
    assert taker.cost_quote == D("101.1")
    assert kit.now(resting).status is SimStatus.FILLED
    assert kit.fills_of(resting)[0].maker
    assert not kit.fills_of(taker)[0].maker
    assert kit.fills_of(resting)[0].trade_id == kit.fills_of(taker)[0].trade_id


def test_a_taker_gets_the_resting_price_and_its_rest_stays_in_the_book() -> None:
    kit = Kit()
    kit.limit("bob", SELL, "0.4", 100)
    taker = kit.limit("ann", BUY, 1, 105)
    assert taker.status is SimStatus.PARTIALLY_FILLED
    assert taker.cost_quote == 40
    assert kit.engine.best(BTC) == (D(105), None)
    assert kit.engine.depth(BTC, 5) == ([(D(105), D("0.6"))], [])


def test_at_one_price_the_older_order_is_served_first_ambient_liquidity_included() -> None:
    kit = Kit()
    first = kit.limit("ann", SELL, 1, 100)
    kit.depth([], [(100, 1)])
    second = kit.limit("ann", SELL, 1, 100)
    kit.depth([], [(100, 1)])  # the same level again keeps its place
    kit.market("bob", BUY, "1.5")
    assert kit.now(first).filled == 1
    assert kit.now(second).filled == 0
    kit.market("bob", BUY, "1")
    assert kit.now(second).filled == D("0.5")


def test_a_better_price_is_served_before_an_older_order() -> None:
    kit = Kit()
    older = kit.limit("ann", BUY, 1, 99)
    better = kit.limit("ann", BUY, 1, 100)
    kit.market("bob", SELL, 1)
    assert (kit.now(older).filled, kit.now(better).filled) == (0, 1)


def test_a_market_order_without_liquidity_expires() -> None:
    kit = Kit()
    order = kit.market("ann", BUY, 1)
    assert order.status is SimStatus.EXPIRED
    assert order.filled == 0
    assert kit.reasons(order) == ["new", "expired"]
    assert kit.used("ann", "USDT") == 0


def test_a_market_order_keeps_what_it_got_and_the_rest_expires() -> None:
    kit = Kit()
    kit.depth([], [(100, "0.4")])
    order = kit.market("ann", BUY, 1)
    assert order.status is SimStatus.EXPIRED
    assert order.filled == D("0.4")
    assert kit.reasons(order) == ["new", "trade", "expired"]
    assert kit.used("ann", "USDT") == 0


def test_a_market_order_by_cost_spends_no_more_than_its_cost() -> None:
    kit = Kit()
    kit.depth([], [(100, 1), (110, 5)])
    order = kit.market("ann", BUY, cost_quote=150)
    assert order.status is SimStatus.FILLED
    assert order.filled == D("1.454")  # 100 for the first, 49.94 of the remaining 50 buy whole steps
    assert order.cost_quote == D("149.94")
    assert kit.reasons(order) == ["new", "trade", "trade"]
    assert kit.used("ann", "USDT") == 0


def test_a_market_sale_by_cost_stops_when_it_has_earned_its_cost() -> None:
    kit = Kit()
    kit.depth([(100, 1), (90, 5)], [])
    order = kit.market("ann", SELL, cost_quote=145)
    assert order.status is SimStatus.FILLED
    assert (order.filled, order.cost_quote) == (D("1.5"), D(145))


def test_a_sale_by_cost_leaves_no_dust_in_the_reservation() -> None:
    kit = Kit()
    kit.depth([("99.97", 5)], [])
    kit.market("ann", SELL, cost_quote=94)
    assert kit.used("ann", "BTC") == 0


def test_an_order_by_cost_ends_with_its_last_fill_when_the_next_price_is_too_high_for_a_step() -> None:
    kit = Kit()
    kit.depth([], [(100, 1), (1000, 5)])
    order = kit.market("ann", BUY, cost_quote="100.5")
    assert order.status is SimStatus.FILLED
    assert kit.reasons(order) == ["new", "trade"]


def test_an_order_by_cost_expires_where_liquidity_ends() -> None:
    kit = Kit()
    kit.depth([], [(100, 1)])
    order = kit.market("ann", BUY, cost_quote=150)
    assert (order.status, order.filled) == (SimStatus.EXPIRED, 1)


def test_immediate_or_cancel_expires_with_what_it_got() -> None:
    kit = Kit()
    kit.depth([], [(100, "0.4"), (102, 5)])
    order = kit.limit("ann", BUY, 1, 101, time_in_force="IOC")
    assert (order.status, order.filled) == (SimStatus.EXPIRED, D("0.4"))
    assert kit.engine.orders("ann", open_only=True) == []


def test_fill_or_kill_fills_all_or_nothing() -> None:
    kit = Kit()
    kit.depth([], [(100, "0.4"), (101, "0.6"), (102, 5)])
    nothing = kit.limit("ann", BUY, "1.001", 101, time_in_force="FOK")
    assert (nothing.status, nothing.filled) == (SimStatus.EXPIRED, 0)
    everything = kit.limit("ann", BUY, 1, 101, time_in_force="FOK")
    assert (everything.status, everything.filled) == (SimStatus.FILLED, 1)


def test_fill_or_kill_counts_the_hidden_part_of_icebergs() -> None:
    kit = Kit()
    kit.limit("bob", SELL, 1, 100, iceberg_amount="0.1")
    assert kit.limit("ann", BUY, 1, 100, time_in_force="FOK").status is SimStatus.FILLED


def test_post_only_rests_or_is_refused() -> None:
    kit = Kit()
    kit.depth([(99, 1)], [(100, 1)])
    with refused(RejectCode.WOULD_TAKE, says="post-only"):
        kit.limit("ann", BUY, 1, 100, post_only=True)
    assert kit.heard == []
    assert kit.limit("ann", BUY, 1, "99.99", post_only=True).status is SimStatus.NEW


def test_an_iceberg_shows_a_slice_and_each_new_slice_queues_up_again() -> None:
    kit = Kit()
    iceberg = kit.limit("ann", SELL, 1, 100, iceberg_amount="0.3")
    plain = kit.limit("ann", SELL, 1, 100)
    assert kit.engine.depth(BTC, 1) == ([], [(D(100), D("1.3"))])
    kit.market("bob", BUY, "0.3")
    assert (kit.now(iceberg).filled, kit.now(plain).filled) == (D("0.3"), 0)
    kit.market("bob", BUY, "0.5")
    assert (kit.now(iceberg).filled, kit.now(plain).filled) == (D("0.3"), D("0.5"))
    kit.market("bob", BUY, "1.2")
    assert kit.now(iceberg).status is SimStatus.FILLED
    assert kit.now(plain).status is SimStatus.FILLED


@pytest.mark.parametrize(
    ("price", "taker", "filled"),
    [
        (100, SELL, "0.3"),  # met exactly by a seller: as much as was printed
        (100, BUY, 0),  # at the same price, but the printed trade lifted an offer
        (100, None, "0.3"),
        ("99.99", BUY, "0.3"),  # went through the price: filled whoever took
        ("100.01", SELL, 0),
    ],
)
def test_a_printed_trade_fills_resting_orders_it_reached(price: object, taker: object, filled: object) -> None:
    kit = Kit()
    order = kit.limit("ann", BUY, 1, 100)
    kit.trade(price, "0.3", taker)  # type: ignore[arg-type]
    assert kit.now(order).filled == D(str(filled))
    if filled:
        assert kit.fills_of(order)[0].price == 100
        assert kit.fills_of(order)[0].maker


def test_a_printed_trade_is_shared_out_by_price_and_time_and_never_exceeded() -> None:
    kit = Kit()
    low = kit.limit("ann", SELL, 1, 100)
    old = kit.limit("ann", SELL, 1, 101)
    young = kit.limit("ann", SELL, 1, 101)
    kit.trade(101, "2.5", BUY)
    assert [kit.now(order).filled for order in (low, old, young)] == [1, 1, D("0.5")]


def test_new_depth_that_crosses_a_resting_order_fills_it_at_its_price_as_far_as_it_goes() -> None:
    kit = Kit()
    order = kit.limit("ann", BUY, 1, 100)
    kit.depth([(98, 1)], [(99, "0.3"), ("99.5", "0.2"), (101, 5)])
    assert kit.now(order).filled == D("0.5")
    assert {fill.price for fill in kit.fills_of(order)} == {D(100)}
    assert kit.engine.depth(BTC, 1) == ([(D(100), D("0.5"))], [(D(101), D(5))])


def test_depth_that_crosses_itself_is_refused() -> None:
    with refused(RejectCode.BAD_REQUEST, says="crossed"):
        Kit().depth([(100, 1)], [(100, 1)])


def test_cancelling_a_partly_filled_order_keeps_the_fill_and_frees_the_rest() -> None:
    kit = Kit()
    order = kit.limit("ann", BUY, 1, 100)
    kit.market("bob", SELL, "0.25")
    canceled = kit.cancel(order)
    assert (canceled.status, canceled.filled) == (SimStatus.CANCELED, D("0.25"))
    assert kit.used("ann", "USDT") == 0
    assert kit.free("ann", "USDT") == D(1_000_000) - 25
    assert kit.engine.depth(BTC, 1) == ([], [])
    with refused(RejectCode.ALREADY_FINAL):
        kit.cancel(order)


def amend(kit: Kit, order: SimOrder, **changes: object) -> SimOrder:
    numbers = {name: D(str(value)) for name, value in changes.items()}
    return kit.engine.amend(order.account, symbol=BTC, order_id=order.order_id, now_ms=kit.tick(), **numbers)


def test_an_amended_order_keeps_its_id_and_moves_in_the_book() -> None:
    kit = Kit()
    kit.depth([], [(101, "0.5")])
    order = kit.limit("ann", BUY, 2, 99)
    moved = amend(kit, order, price=100, amount=3)
    assert (moved.order_id, moved.status) == (order.order_id, SimStatus.NEW)
    assert kit.engine.depth(BTC, 5)[0] == [(D(100), D(3))]
    assert kit.used("ann", "USDT") == 300
    taker = amend(kit, order, price=101)
    assert (taker.status, taker.filled) == (SimStatus.PARTIALLY_FILLED, D("0.5"))
    assert kit.reasons(order) == ["new", "amended", "amended", "trade"]
    with refused(RejectCode.BAD_REQUEST, says="0.5 is filled already"):
        amend(kit, order, amount="0.5")
    with refused(RejectCode.PRICE_STEP):
        amend(kit, order, price="101.001")


def test_only_a_smaller_amount_keeps_the_place_in_the_queue() -> None:
    kit = Kit()
    first, second = kit.limit("ann", BUY, 2, 100), kit.limit("ann", BUY, 2, 100)
    amend(kit, first, amount=1)
    kit.market("bob", SELL, "0.5")
    assert (kit.now(first).filled, kit.now(second).filled) == (D("0.5"), 0)
    amend(kit, first, amount=3)
    kit.market("bob", SELL, "0.5")
    assert (kit.now(first).filled, kit.now(second).filled) == (D("0.5"), D("0.5"))


def test_an_amendment_that_cannot_be_paid_for_changes_nothing() -> None:
    kit = Kit(USDT=1000)
    order = kit.limit("ann", BUY, 9, 100)
    with refused(RejectCode.INSUFFICIENT_FUNDS):
        amend(kit, order, price=112)
    assert kit.now(order) == order
    assert kit.used("ann", "USDT") == 900
    assert kit.engine.best(BTC) == (D(100), None)


def test_unknown_things_are_refused_by_name() -> None:
    kit = Kit()
    with refused(RejectCode.UNKNOWN_ORDER, says="77"):
        kit.engine.cancel("ann", symbol=BTC, order_id="77", now_ms=1)
    with refused(RejectCode.UNKNOWN_ORDER, says="mine"):
        kit.engine.order("ann", symbol=BTC, client_order_id="mine")
    with refused(RejectCode.UNKNOWN_SYMBOL, says="XXX/YYY"):
        kit.market("ann", BUY, 1, symbol="XXX/YYY")
    with refused(RejectCode.BAD_REQUEST, says="zoe"):
        kit.engine.balances("zoe")


def test_one_account_cannot_see_or_cancel_anothers_order() -> None:
    kit = Kit()
    order = kit.limit("ann", BUY, 1, 100)
    with refused(RejectCode.UNKNOWN_ORDER):
        kit.engine.cancel("bob", symbol=BTC, order_id=order.order_id, now_ms=1)


def test_a_client_id_may_be_used_again_once_its_order_is_closed() -> None:
    kit = Kit()
    first = kit.limit("ann", BUY, 1, 100, client_order_id="x")
    with refused(RejectCode.DUPLICATE_CLIENT_ID, says="x"):
        kit.limit("ann", BUY, 1, 100, client_order_id="x")
    kit.limit("bob", BUY, 1, 100, client_order_id="x")  # another account's ids are its own
    kit.cancel(first)
    second = kit.limit("ann", BUY, 1, 100, client_order_id="x")
    assert kit.engine.order("ann", symbol=BTC, client_order_id="x").order_id == second.order_id


def test_cancel_all_takes_the_symbols_open_orders_only() -> None:
    kit = Kit()
    kept = kit.limit("ann", BUY, 1, 100, symbol="BNB/USDT")
    gone = [kit.limit("ann", BUY, 1, price) for price in (98, 99)]
    canceled = kit.engine.cancel_all("ann", BTC, kit.tick())
    assert [order.order_id for order in canceled] == [order.order_id for order in gone]
    assert [order.order_id for order in kit.engine.orders("ann", open_only=True)] == [kept.order_id]


def test_a_good_till_date_order_expires_when_its_time_comes() -> None:
    kit = Kit()
    order = kit.limit("ann", BUY, 1, 100, time_in_force="GTD", expires_ms=5_000)
    kit.engine.expire_due(4_999)
    assert kit.now(order).status is SimStatus.NEW
    kit.engine.expire_due(5_000)
    assert kit.now(order).status is SimStatus.EXPIRED
    assert kit.used("ann", "USDT") == 0
    with refused(RejectCode.BAD_REQUEST, says="passed"):
        kit.limit("ann", BUY, 1, 100, time_in_force="GTD", expires_ms=1)


def test_a_closed_market_takes_cancels_but_no_orders() -> None:
    kit = Kit()
    order = kit.limit("ann", BUY, 1, 100)
    kit.engine.set_active(BTC, False)
    with refused(RejectCode.MARKET_CLOSED):
        kit.limit("ann", BUY, 1, 100)
    assert kit.cancel(order).status is SimStatus.CANCELED
    kit.engine.set_active(BTC, True)
    kit.limit("ann", BUY, 1, 100)


def test_events_arrive_in_order_before_the_call_returns() -> None:
    kit = Kit()
    kit.limit("bob", SELL, 1, 100)
    kit.heard.clear()
    taker = kit.limit("ann", BUY, "0.5", 100)
    kinds = [
        (type(event), event.order.account if isinstance(event, OrderChanged) else None, getattr(event, "reason", None))
        for event in kit.heard
    ]
    assert kinds == [
        (OrderChanged, "ann", "new"),
        (OrderChanged, "bob", "trade"),
        (OrderChanged, "ann", "trade"),
        (PublicTrade, None, None),
        (BalanceChanged, None, None),
        (BalanceChanged, None, None),
    ]
    printed = next(event for event in kit.heard if isinstance(event, PublicTrade))
    assert not printed.printed
    assert (printed.trade.price, printed.trade.amount, printed.trade.side) == (100.0, 0.5, BUY)
    assert kit.heard[2].order == taker  # type: ignore[union-attr]


def test_what_a_listener_raises_reaches_the_caller_and_the_engine_stays_whole() -> None:
    kit, broken = Kit(), [True]

    def sometimes_broken(event: object) -> None:
        if broken[0]:
            raise RuntimeError("listener")

    kit.engine.listen(sometimes_broken)
    with pytest.raises(RuntimeError, match="listener"):
        kit.limit("ann", BUY, 1, 100)
    assert kit.used("ann", "USDT") == 100
    broken[0] = False
    kit.engine.expire_due(kit.tick())
    assert [type(event) for event in kit.heard] == [OrderChanged, BalanceChanged]  # each once


def test_a_listener_may_act_on_the_engine() -> None:
    kit = Kit()

    def hedge(event: object) -> None:
        if isinstance(event, OrderChanged) and event.reason == "trade" and event.order.account == "ann":
            kit.engine.submit("ann", new(SELL, OrderKind.LIMIT, "0.5", price=110), kit.now_ms)

    kit.engine.listen(hedge)
    kit.depth([], [(100, 1)])
    kit.market("ann", BUY, "0.5")
    assert [order.request.price for order in kit.engine.orders("ann", open_only=True)] == [110]


def test_an_engine_that_keeps_so_many_forgets_the_oldest_ended_orders_and_fills_and_no_open_one() -> None:
    kit = Kit()
    engine = Engine(kit.engine.markets.values(), ended_kept=2)
    engine.open_account("ann", {"USDT": D(100_000), "BTC": D(10)})

    def place(name: str, side: Side, price: int) -> SimOrder:
        order = NewOrder(BTC, side, OrderKind.LIMIT, D("0.1"), D(price), client_order_id=name)
        return engine.submit("ann", order, kit.tick())

    resting = place("rests", Side.BUY, 90)
    for number in range(4):
        place(f"sold-{number}", Side.SELL, 100)
        place(f"bought-{number}", Side.BUY, 100)
    assert [order.client_order_id for order in engine.orders("ann")] == ["rests", "sold-3", "bought-3"]
    assert [fill.client_order_id for fill in engine.fills("ann")] == ["sold-3", "bought-3"]
    for known in ({"client_order_id": "sold-2"}, {"order_id": "2"}):
        with pytest.raises(EngineReject):
            engine.order("ann", symbol=BTC, **known)  # type: ignore[arg-type]
    assert engine.order("ann", symbol=BTC, client_order_id="rests") == resting
    place("sold-2", Side.SELL, 200)  # its id is free again
