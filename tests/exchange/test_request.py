"""Intent to ccxt call: what is sent, what is refused with every reason, what the guard stops at the last moment."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from btccxt.errors import Refused, Unsupported
from btccxt.exchange.profile.profile import Profile, load_profile
from btccxt.exchange.request import (
    build_call,
    build_edit,
    decode_request,
    features_of,
    guard,
    is_conditional,
    needs_reference_price,
    reference_params,
    refusals,
    same_client_id,
)
from btccxt.model import (
    Market,
    MarketType,
    OrderFeature,
    OrderKind,
    OrderReference,
    OrderRequest,
    Side,
    TimeInForce,
)

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
D = Decimal
BTC = Market(
    "BTC/USDT", "BTC", "USDT", None, SPOT, True, D("0.01"), D("0.00001"),
    min_amount=D("0.0001"), max_amount=D(100), min_price=D(1), max_price=D(1000000), min_cost=D(5), max_cost=D(9000000),
)  # fmt: skip
LIMIT = OrderRequest("b1", "BTC/USDT", Side.BUY, OrderKind.LIMIT, D("0.5"), price=D("100.5"))
STOP = OrderRequest("b1", "BTC/USDT", Side.SELL, OrderKind.STOP, D("0.5"), trigger_price=D(90))


@pytest.fixture
def binance() -> Profile:
    return load_profile("binance", SPOT)


# ------------------------------------------------------------------ build_call


def test_a_stop_limit_becomes_ccxts_arguments_with_the_client_order_id(binance: Profile) -> None:
    request = replace(LIMIT, kind=OrderKind.STOP_LIMIT, trigger_price=D(99), time_in_force=TimeInForce.IOC)
    call = build_call(request, BTC, binance)
    assert (call.symbol, call.type, call.side, call.amount, call.price) == ("BTC/USDT", "limit", "buy", 0.5, 100.5)
    assert call.params == {"stopLossPrice": "99", "timeInForce": "IOC", "clientOrderId": "b1"}


def test_params_of_the_user_go_to_ccxt_as_they_are_and_win(binance: Profile) -> None:
    call = build_call(replace(LIMIT, params={"selfTradePrevention": "NONE", "clientOrderId": "mine"}), BTC, binance)
    assert call.params == {"selfTradePrevention": "NONE", "clientOrderId": "mine"}


def test_building_a_call_leaves_the_profile_as_it_was(binance: Profile) -> None:
    bybit = load_profile("bybit", LINEAR)
    before = bybit.model_dump_json()
    market = replace(BTC, symbol="BTC/USDT:USDT", type=LINEAR)
    request = replace(LIMIT, symbol=market.symbol, stop_loss_price=D(90), params={"stopLoss": {"price": "1"}})
    assert build_call(request, market, bybit).params["stopLoss"] == {"triggerPrice": "90", "price": "1"}
    assert bybit.model_dump_json() == before


def test_an_exit_that_was_not_asked_for_is_not_sent() -> None:
    market = replace(BTC, symbol="BTC/USDT:USDT", type=LINEAR)
    request = replace(LIMIT, symbol=market.symbol, take_profit_price=D(120))
    params = build_call(request, market, load_profile("bybit", LINEAR)).params
    assert params["takeProfit"] == {"triggerPrice": "120"}
    assert "stopLoss" not in params


def test_direction_and_sign_follow_the_side() -> None:
    market = replace(BTC, symbol="BTC/USDT:USDT", type=LINEAR)
    bybit = load_profile("bybit", LINEAR)
    for side, direction in ((Side.BUY, "ascending"), (Side.SELL, "descending")):
        request = replace(STOP, symbol=market.symbol, side=side)
        assert build_call(request, market, bybit).params["triggerDirection"] == direction


def test_integer_client_ids_are_sent_as_integers() -> None:
    market = replace(BTC, symbol="BTC/USD", quote="USD")
    call = build_call(
        replace(LIMIT, symbol="BTC/USD", client_order_id="77", price=D("100.5")), market, load_profile("bitfinex", SPOT)
    )
    assert call.params["clientOrderId"] == 77


def test_a_market_buy_that_the_exchange_knows_by_cost_only_becomes_an_ioc_limit_and_says_so() -> None:
    market = replace(BTC, symbol="BTC/USD", quote="USD")
    request = OrderRequest("b1", "BTC/USD", Side.BUY, OrderKind.MARKET, D("0.5"))
    coinbase = load_profile("coinbase", SPOT)
    assert needs_reference_price(request, coinbase)
    with pytest.raises(Refused, match="needs the current price"):
        build_call(request, market, coinbase)
    call = build_call(request, market, coinbase, reference_price=D("100.01"))
    assert (call.type, call.price, call.params["timeInForce"]) == ("limit", 105.01, "IOC")
    assert call.note is not None and "IOC limit" in call.note
    assert not needs_reference_price(replace(request, side=Side.SELL), coinbase)
    assert not needs_reference_price(replace(request, cost_quote=D(50)), coinbase)


def test_small_numbers_are_sent_without_an_exponent(binance: Profile) -> None:
    market = replace(BTC, price_step=D("0.00000001"), min_price=None, min_cost=None)
    request = replace(LIMIT, kind=OrderKind.STOP_LIMIT, price=D("0.00000123"), trigger_price=D("0.00000120"))
    assert build_call(request, market, binance).params["stopLossPrice"] == "0.0000012"


# ------------------------------------------------------------------ refusals


def test_a_good_order_has_no_reasons_against_it(binance: Profile) -> None:
    assert refusals(LIMIT, BTC, binance) == ()


def test_every_reason_is_given_at_once(binance: Profile) -> None:
    request = replace(
        LIMIT, client_order_id="b 1", amount=D("0.000005"), price=D("0.005"), post_only=True, reduce_only=True,
        time_in_force=TimeInForce.FOK,
    )  # fmt: skip
    reasons = " / ".join(refusals(request, BTC, binance))
    for part in ("client order id", "multiple of 0.00001 BTC", "minimum of 0.0001 BTC", "multiple of 0.01 USDT"):
        assert part in reasons
    for part in ("reduce_only orders are refused", "post_only contradicts FOK", "below the minimum of 1 USDT"):
        assert part in reasons
    with pytest.raises(Refused) as error:
        build_call(request, BTC, binance)
    assert error.value.reasons == refusals(request, BTC, binance)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": OrderKind.TRAILING_AMOUNT, "trailing_amount": D(5)}, "trailing_amount is not native on binance spot"),
        ({"price": None}, "limit order needs a limit price"),
        ({"kind": OrderKind.STOP_LIMIT}, "stop_limit order needs a trigger price"),
        ({"kind": OrderKind.TRAILING_PERCENT}, "trailing_percent order needs trailing_percent"),
        ({"kind": OrderKind.STOP, "trigger_price": D(99), "post_only": True}, "cannot be combined with a stop order"),
        ({"time_in_force": TimeInForce.GTD}, "needs expires_ms"),
        ({"amount": D(0)}, "amount 0 must be positive"),
        ({"amount": D(200)}, "above the maximum of 100 BTC"),
        ({"price": D(2000000)}, "above the maximum of 1000000 USDT"),
        ({"iceberg_amount": D(1)}, "iceberg amount 1 is more than the amount 0.5"),
        ({"kind": OrderKind.MARKET, "cost_quote": D(-1)}, "cost -1 must be positive"),
        ({"kind": OrderKind.MARKET, "cost_quote": D(1)}, "cost 1 is below the minimum of 5 USDT"),
        ({"symbol": "ETH/USDT"}, "the market record is of BTC/USDT, the order of ETH/USDT"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    binance: Profile, change: dict[str, Any], reason: str
) -> None:
    assert any(reason in found for found in refusals(replace(LIMIT, **change), BTC, binance))


def test_a_closed_market_is_refused(binance: Profile) -> None:
    assert any("not open for trading" in reason for reason in refusals(LIMIT, replace(BTC, active=False), binance))


def test_the_minimum_cost_of_a_market_order_is_checked_where_the_price_is_known(binance: Profile) -> None:
    request = OrderRequest("b1", "BTC/USDT", Side.BUY, OrderKind.MARKET, D("0.001"))
    assert refusals(request, BTC, binance) == ()
    assert any("cost 0.1 is below" in reason for reason in refusals(request, BTC, binance, reference_price=D(100)))


def test_a_kind_that_goes_one_way_only_is_refused_the_other_way() -> None:
    bitget = load_profile("bitget", SPOT)
    assert refusals(STOP, BTC, bitget) == ()
    assert any("not possible for a buy" in reason for reason in refusals(replace(STOP, side=Side.BUY), BTC, bitget))


def test_prices_with_too_many_digits_are_refused_where_ccxt_would_round_them() -> None:
    bitfinex = load_profile("bitfinex", SPOT)
    request = replace(LIMIT, client_order_id="77")
    assert not any("significant" in reason for reason in refusals(replace(request, price=D("104.57")), BTC, bitfinex))
    assert any(
        "5 significant digits" in reason for reason in refusals(replace(request, price=D("104.575")), BTC, bitfinex)
    )


@pytest.mark.parametrize(
    ("exchange_id", "market_type", "good", "bad"),
    [
        ("binance", SPOT, "b7k2m9x0q4", "b" * 37),
        ("okx", SPOT, "b7k2m9x0q4", "b-7"),
        ("kraken", SPOT, "b7k2m9x0q4", "b" * 19),
        ("gate", SPOT, "b7k2m9x0q4", "b" * 27),
        ("hyperliquid", LINEAR, "0x" + "ab" * 16, "b7k2m9x0q4"),
        ("htx", LINEAR, "81985529", "b7k2m9x0q4"),
        ("bitfinex", SPOT, "35184372088831", "35184372088832"),
    ],
)
def test_client_order_ids_must_have_the_exchanges_own_form(
    exchange_id: str, market_type: MarketType, good: str, bad: str
) -> None:
    rule = load_profile(exchange_id, market_type).client_id
    assert rule.problem(good) is None
    assert rule.problem(bad) is not None


def test_market_orders_are_immediate_by_nature() -> None:
    request = OrderRequest("b1", "BTC/USDT", Side.BUY, OrderKind.MARKET, D(1), time_in_force=TimeInForce.IOC)
    assert features_of(request) == ()
    assert features_of(replace(request, time_in_force=TimeInForce.FOK)) == (OrderFeature.FOK,)


# ------------------------------------------------------------------ the guard

_SENT = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_LOSS", "quantity": "0.50000", "stopPrice": "90.0"}
_SENT |= {"newClientOrderId": "b1"}


def test_the_guard_lets_a_request_pass_that_carries_the_intent(binance: Profile) -> None:
    guard(STOP, binance, "POST", "/api/v3/order", _SENT)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "MARKET"}, "type=MARKET (should be STOP_LOSS)"),
        ({"stopPrice": None}, "stopPrice is missing (should be 90)"),
        ({"stopPrice": "91"}, "stopPrice=91 (should be 90)"),
        ({"quantity": "0.4"}, "quantity=0.4 (should be 0.5)"),
        ({"side": "BUY"}, "side=BUY (should be SELL)"),
        ({"newClientOrderId": "x-TKT5PX2F"}, "newClientOrderId=x-TKT5PX2F (should be b1)"),
    ],
)
def test_the_guard_stops_a_request_without_the_intent(binance: Profile, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as error:
        guard(STOP, binance, "POST", "/api/v3/order", {**_SENT, **change})
    assert reason in str(error.value)


def test_a_field_that_must_not_be_there_is_noticed(binance: Profile) -> None:
    request = OrderRequest("b1", "BTC/USDT", Side.BUY, OrderKind.MARKET, D(1), cost_quote=D(50))
    good = {"side": "BUY", "type": "MARKET", "quoteOrderQty": "50", "newClientOrderId": "b1"}
    guard(request, binance, "POST", "/api/v3/order", good)
    with pytest.raises(Refused, match="quantity=1 must not be there"):
        guard(request, binance, "POST", "/api/v3/order", {**good, "quantity": "1"})


def test_the_guard_lets_reads_pass_and_stops_what_nobody_has_proven(binance: Profile) -> None:
    guard(STOP, binance, "GET", "/api/v3/exchangeInfo", {})
    with pytest.raises(Refused, match="POST /sapi/v1/margin/order"):
        guard(STOP, binance, "POST", "/sapi/v1/margin/order", _SENT)
    guard(STOP, load_profile("hyperliquid", LINEAR), "POST", "/info", {"type": "meta"})


def test_an_order_that_would_go_to_another_book_is_stopped() -> None:
    request = replace(STOP, symbol="BTC/USDT:USDT")
    sent = {"side": "sell", "ordType": "trigger", "sz": "0.5", "triggerPx": "90", "orderPx": "-1", "algoClOrdId": "b1"}
    okx = load_profile("okx", LINEAR)
    guard(request, okx, "POST", "/api/v5/trade/order-algo", sent)
    with pytest.raises(Refused, match="path has no order-algo"):
        guard(request, okx, "POST", "/api/v5/trade/batch-orders", {"": [sent]})


def test_orders_by_get_are_guarded_too() -> None:
    deribit = load_profile("deribit", LINEAR)
    sent = {"amount": "0.5", "type": "stop_market", "trigger_price": "90", "trigger": "last_price", "label": "b1"}
    guard(STOP, deribit, "GET", "/api/v2/private/sell", sent)
    with pytest.raises(Refused, match="path has no private/sell"):
        guard(STOP, deribit, "GET", "/api/v2/private/buy", sent)


def test_an_unlisted_exchange_must_carry_amount_and_price() -> None:
    other = load_profile("poloniex", SPOT)
    guard(LIMIT, other, "POST", "/api/v2/buy/btcusd/", {"amount": "0.5", "price": "100.50"})
    with pytest.raises(Refused, match=r"no field carries 100\.5"):
        guard(LIMIT, other, "POST", "/api/v2/buy/market/btcusd/", {"amount": "0.5"})


@pytest.mark.parametrize(
    ("url", "body", "fields"),
    [
        ("https://x.com/a/b?side=BUY&q=1.5", None, {"side": "BUY", "q": "1.5"}),
        ("https://x.com/a/b", "side=BUY&price=%2B1.5%25&empty=", {"side": "BUY", "price": "+1.5%", "empty": ""}),
        ("https://x.com/a/b?t=1", b'{"side": "BUY", "flag": true}', {"t": "1", "side": "BUY", "flag": True}),
        ("https://x.com/a/b", json.dumps([{"side": "buy"}]), {"": [{"side": "buy"}]}),
        ("https://x.com/a/b", {"side": "BUY"}, {"side": "BUY"}),
    ],
)
def test_query_strings_forms_and_json_are_decoded(url: str, body: Any, fields: dict[str, Any]) -> None:
    assert decode_request(url, body) == ("/a/b", fields)


# ------------------------------------------------------------------ pointing at an order


def _reference(order_id: str | None = None, conditional: bool = False) -> OrderReference:
    return OrderReference("BTC/USDT", "b1", order_id, conditional)


def test_the_exchanges_own_id_is_used_where_it_is_known() -> None:
    assert reference_params(_reference("7"), load_profile("binance", SPOT), "query") == ("7", {})
    assert reference_params(_reference("7"), load_profile("bybit", SPOT), "query") == ("7", {"acknowledged": True})
    assert reference_params(_reference("7", True), load_profile("okx", SPOT), "cancel") == ("7", {"trigger": True})


def test_else_the_client_order_id_goes_where_the_exchange_wants_it() -> None:
    assert reference_params(_reference(), load_profile("binance", SPOT), "query") == (None, {"origClientOrderId": "b1"})
    assert reference_params(_reference(), load_profile("gate", SPOT), "cancel") == ("t-b1", {})
    assert reference_params(_reference(conditional=True), load_profile("binanceusdm", LINEAR), "cancel") == (
        None,
        {"trigger": True, "clientAlgoId": "b1"},
    )


def test_where_there_is_no_such_way_it_is_said() -> None:
    with pytest.raises(Unsupported, match="coinbase cannot cancel an order of BTC/USDT without the exchange's own"):
        reference_params(_reference(), load_profile("coinbase", SPOT), "cancel")
    with pytest.raises(Unsupported, match="gate cannot cancel"):
        reference_params(_reference(conditional=True), load_profile("gate", LINEAR), "cancel")


def test_an_id_with_the_exchanges_prefix_is_still_ours() -> None:
    gate = load_profile("gate", SPOT)
    assert same_client_id("b1", "t-b1", gate)
    assert same_client_id("b1", "b1", gate)
    assert not same_client_id("b1", "t-b2", gate)
    assert not same_client_id("b1", None, gate)


def test_trigger_orders_are_known_as_such() -> None:
    assert is_conditional(OrderKind.STOP, load_profile("okx", SPOT))
    assert not is_conditional(OrderKind.LIMIT, load_profile("okx", SPOT))
    assert not is_conditional(OrderKind.STOP, load_profile("mexc", SPOT))


def test_a_figure_outside_what_the_exchange_accepts_is_not_sent() -> None:
    profile, market = load_profile("binance", LINEAR), BTC
    trail = replace(LIMIT, kind=OrderKind.TRAILING_PERCENT, price=None, trailing_percent=D("20.1"))
    problem = "to be emulated on binance linear: this exchange accepts trailing_percent from 0.1 to 20, not 20.1"
    assert problem in str(refusals(trail, market, profile))
    assert not refusals(replace(trail, trailing_percent=D(20)), market, profile)


@pytest.mark.parametrize(
    ("params", "refused"),
    [({"positionSide": "LONG"}, True), ({"posSide": "short"}, True), ({"positionIdx": 1}, True),
     ({"hedged": True}, True), ({"positionSide": "BOTH"}, False),
     ({"posSide": "net"}, False), ({"positionIdx": 0}, False)],
)  # fmt: skip
def test_words_of_hedge_mode_are_refused(params: dict[str, Any], refused: bool) -> None:
    market = replace(BTC, symbol="BTC/USDT:USDT", type=LINEAR)
    found = refusals(replace(LIMIT, symbol=market.symbol, params=params), market, load_profile("bybit", LINEAR))
    assert ["one-way mode" in reason for reason in found] == [True] * refused


_IN_HEDGE_MODE = [("binanceusdm", "positionSide", ("LONG", "SHORT")), ("bybit", "positionIdx", ("1", "2")),
                  ("okx", "posSide", ("long", "short"))]  # fmt: skip


@pytest.mark.parametrize(("exchange", "field", "words"), _IN_HEDGE_MODE)
def test_an_order_of_one_of_two_positions_names_it_and_the_guard_looks_for_the_name(
    exchange: str, field: str, words: tuple[str, str]
) -> None:
    profile, market = load_profile(exchange, LINEAR), replace(BTC, symbol="BTC/USDT:USDT", type=LINEAR)
    for side, word in zip(("long", "short"), words, strict=True):
        request = replace(LIMIT, symbol=market.symbol, position_side=side)
        call = build_call(request, market, profile)
        assert call.params[field] == word
        body = {"side": "buy", field: word}
        assert field not in _faults_of_guard(request, profile, body)
        other = words[1] if word == words[0] else words[0]
        assert f"{field}={other} (should be {word})" in _faults_of_guard(request, profile, {**body, field: other})
        assert f"{field} is missing" in _faults_of_guard(request, profile, {"side": "buy"})


def _faults_of_guard(request: OrderRequest, profile: Any, body: dict[str, Any]) -> str:
    method, _, path = profile.order_requests[0].partition(" ")
    with pytest.raises(Refused) as caught:
        guard(request, profile, method, path, body)
    return str(caught.value)


def test_an_edit_does_not_name_the_position_again() -> None:
    profile, market = load_profile("bybit", LINEAR), replace(BTC, symbol="BTC/USDT:USDT", type=LINEAR)
    request = replace(LIMIT, symbol=market.symbol, position_side="short")
    assert "positionIdx" not in build_edit(request, market, profile).params


def test_a_position_side_is_refused_where_nobody_has_proven_how_it_is_said_and_beside_words_of_ccxt() -> None:
    market = replace(BTC, symbol="BTC/USDT:USDT", type=LINEAR)
    request = replace(LIMIT, symbol=market.symbol, position_side="long")
    assert "nobody has proven how gate" in str(refusals(request, market, load_profile("gate", LINEAR)))
    assert not refusals(request, market, load_profile("bybit", LINEAR))
    both = replace(request, params={"positionIdx": 0})
    assert "named by position_side=" in str(refusals(both, market, load_profile("bybit", LINEAR)))
