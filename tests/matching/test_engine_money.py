"""Balances, reservations, fees, and the trading rules of a market."""

from __future__ import annotations

import pytest

from btccxt.matching.engine import Engine, RejectCode, SimStatus
from btccxt.model import Fee, OrderKind, TimeInForce
from btccxt.sim.markets import spot_market
from tests.sim.exchange_kit import BTC, BUY, SELL, D, Kit, new, refused


def test_an_order_reserves_what_it_may_cost_and_a_better_price_gives_the_rest_back() -> None:
    kit = Kit(USDT=1000)
    order = kit.limit("ann", BUY, 2, 100)
    assert (kit.free("ann", "USDT"), kit.used("ann", "USDT")) == (800, 200)
    assert order.reserved == 200
    kit.cancel(order)
    kit.depth([], [(90, "0.5")])
    order = kit.limit("ann", BUY, 2, 100)
    assert order.filled == D("0.5")
    assert (kit.free("ann", "USDT"), kit.used("ann", "USDT")) == (1000 - 45 - 150, 150)


def test_more_than_is_free_is_refused_with_what_is_missing() -> None:
    kit = Kit(USDT=1000, BTC=1)
    kit.limit("ann", BUY, 9, 100)
    with refused(RejectCode.INSUFFICIENT_FUNDS, says="needs 200 USDT, only 100 is free"):
        kit.limit("ann", BUY, 2, 100)
    with refused(RejectCode.INSUFFICIENT_FUNDS, says="only 1 is free"):
        kit.limit("ann", SELL, "1.001", 100)
    kit.depth([], [(100, 50)])
    with refused(RejectCode.INSUFFICIENT_FUNDS):
        kit.market("ann", BUY, "1.001")
    assert len(kit.engine.orders("ann")) == 1


def test_fees_are_taken_from_the_coin_received_maker_and_taker_at_their_rates() -> None:
    kit = Kit(USDT=1000, BTC=10)
    kit.limit("bob", SELL, 2, 100)
    kit.market("ann", BUY, 2)
    assert [fill.fee for fill in kit.engine.fills("ann")] == [Fee("BTC", D("0.002"))]
    assert [fill.fee for fill in kit.engine.fills("bob")] == [Fee("USDT", D("0.1"))]
    assert kit.engine.balances("ann")["BTC"].total == D("11.998")
    assert kit.engine.balances("bob")["USDT"].total == D("1199.9")
    assert dict(kit.engine.collected_fees) == {"BTC": D("0.002"), "USDT": D("0.1")}


def test_fees_in_a_third_coin_are_cheaper_and_converted_at_its_last_price() -> None:
    kit = Kit("BNB", USDT=1000, BNB=1)
    kit.trade(500, symbol="BNB/USDT")
    kit.depth([], [(100, 50)])
    kit.market("ann", BUY, 5)
    assert kit.engine.fills("ann")[0].fee == Fee("BNB", D("0.00075"))  # 0.1 % of 500 USDT, less a quarter
    assert kit.engine.balances("ann")["BTC"].total == 5


def test_without_enough_of_the_third_coin_the_received_coin_pays() -> None:
    kit = Kit("BNB", USDT=1000, BNB="0.0007")
    kit.depth([], [(100, 50)])
    kit.market("ann", BUY, 1)  # BNB has no price yet
    kit.trade(500, symbol="BNB/USDT")
    kit.market("ann", BUY, 5)  # 0.00075 BNB: more than there is
    kit.market("ann", BUY, 1)
    assert [fill.fee.currency for fill in kit.engine.fills("ann")] == ["BTC", "BTC", "BNB"]


def test_fees_in_quote_are_reserved_with_the_order() -> None:
    kit = Kit("quote", USDT=100, BTC=1)
    with refused(RejectCode.INSUFFICIENT_FUNDS, says="needs 100.1 USDT"):
        kit.limit("ann", BUY, 1, 100)
    order = kit.limit("ann", BUY, "0.5", 100)
    assert kit.used("ann", "USDT") == D("50.05")
    kit.limit("bob", SELL, "0.5", 100)
    assert kit.fills_of(order)[0].fee == Fee("USDT", D("0.025"))
    assert kit.engine.balances("ann")["USDT"].total == D("49.975")
    assert kit.used("ann", "USDT") == 0
    assert kit.engine.balances("ann")["BTC"].total == D("1.5")


def test_what_is_reserved_has_no_more_digits_than_the_coin_so_that_free_and_used_add_up_as_they_are_told() -> None:
    engine = Engine([spot_market(BTC, price_step="0.01", amount_step="0.00001")])
    for name in ("ann", "bob"):
        engine.open_account(name, {"USDT": D(1000), "BTC": D(5)}, "quote")
    order = engine.submit("ann", new(BUY, OrderKind.LIMIT, "1.23715", price="60.10"), 1)  # its fee has nine digits
    for now_ms in (2, 3):
        balance = engine.balances("ann")["USDT"]
        assert D(f"{balance.free:.8f}") + D(f"{balance.used:.8f}") == balance.total
        engine.submit("bob", new(SELL, OrderKind.LIMIT, "0.41110", price="60.10"), now_ms)
    engine.cancel("ann", symbol=BTC, order_id=order.order_id, now_ms=4)
    assert engine.balances("ann")["USDT"].used == 0


def test_money_can_be_added_and_only_free_money_taken_away() -> None:
    kit = Kit(USDT=100)
    kit.engine.deposit("ann", "USDT", D(50), kit.tick())
    kit.limit("ann", BUY, 1, 100)
    with refused(RejectCode.INSUFFICIENT_FUNDS, says="only 50 USDT"):
        kit.engine.deposit("ann", "USDT", D(-51), kit.tick())
    kit.engine.deposit("ann", "USDT", D(-50), kit.tick())
    assert kit.free("ann", "USDT") == 0


@pytest.mark.parametrize(
    ("code", "says", "order"),
    [
        (RejectCode.PRICE_STEP, "price 100.005 is not a multiple of 0.01; nearest below: 100", {"price": "100.005"}),
        (RejectCode.PRICE_RANGE, "above zero", {"price": "-1"}),
        (RejectCode.PRICE_RANGE, "above 1000000000", {"price": "1000000001"}),
        (RejectCode.AMOUNT_STEP, "amount 0.0015 .* nearest below: 0.001", {"amount": "0.0015"}),
        (RejectCode.MAX_AMOUNT, "above 1000000000", {"amount": "1000000001"}),
        (RejectCode.MIN_COST, "cost 4.99 USDT is below the minimum of 5", {"price": "4.99"}),
        (RejectCode.BAD_REQUEST, "needs a price", {"price": None}),
        (RejectCode.BAD_REQUEST, "amount must be above zero", {"amount": "0"}),
        (RejectCode.BAD_REQUEST, "has no limit price", {"kind": OrderKind.MARKET}),
        (RejectCode.BAD_REQUEST, "needs a trigger price", {"kind": OrderKind.STOP_LIMIT}),
        (RejectCode.BAD_REQUEST, "has no trigger price", {"trigger_price": "90"}),
        (RejectCode.BAD_REQUEST, "only market orders go by cost", {"amount": None, "cost_quote": "50"}),
        (RejectCode.BAD_REQUEST, "exactly one", {"cost_quote": "50"}),
        (RejectCode.BAD_REQUEST, "may rest", {"post_only": True, "time_in_force": TimeInForce.IOC}),
        (RejectCode.BAD_REQUEST, "expiry time", {"time_in_force": TimeInForce.GTD}),
        (RejectCode.BAD_REQUEST, "visible part", {"iceberg_amount": "2"}),
        (RejectCode.BAD_REQUEST, "trailing percent", {"kind": OrderKind.TRAILING_PERCENT, "trailing_percent": "100"}),
        (RejectCode.BAD_REQUEST, "for contracts", {"reduce_only": True}),
    ],
)
def test_each_trading_rule_refuses_in_its_own_words(code: RejectCode, says: str, order: dict[str, object]) -> None:
    kit = Kit()
    asked = {"kind": OrderKind.LIMIT, "amount": "1", "price": "100", **order}
    with refused(code, says=says):
        kit.order("ann", BUY, **asked)  # type: ignore[arg-type]
    assert kit.engine.orders("ann") == []
    assert kit.heard == []


def test_the_smallest_amount_is_a_rule_of_its_own() -> None:
    engine = Engine([spot_market(BTC, amount_step="0.001", min_amount="1")])
    engine.open_account("ann", {"USDT": D(1000)})
    with refused(RejectCode.MIN_AMOUNT, says="amount 0.5 is below 1"):
        engine.submit("ann", new(BUY, OrderKind.LIMIT, "0.5", price=100), 1)


def test_a_market_order_is_measured_at_the_last_price() -> None:
    kit = Kit()
    kit.depth([(99, 5)], [(100, 5)])
    kit.trade(100)
    with refused(RejectCode.MIN_COST):
        kit.market("ann", BUY, "0.049")
    assert kit.market("ann", BUY, "0.05").status is SimStatus.FILLED
