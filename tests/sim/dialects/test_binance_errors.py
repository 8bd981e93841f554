"""Binance's refusals: HTTP status, code and text as on the exchange, so that ccxt raises the class it raises there."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from btccxt.errors import ConfigError
from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import SYMBOL, client_of, exchange, set_book


async def test_wrong_keys_and_signatures_are_refused(sim: SimExchange) -> None:
    for config, expected, code in (
        ({"secret": "wrong"}, ccxt.AuthenticationError, "-1022"),
        ({"apiKey": "nobody"}, ccxt.AuthenticationError, "-2015"),
        ({"apiKey": "not a key!"}, ccxt.AuthenticationError, "-2014"),
    ):
        async with client_of(sim, **config) as client:
            with pytest.raises(expected, match=code):
                await client.fetch_balance()


async def test_a_changed_parameter_breaks_the_signature(sim: SimExchange, client: Any) -> None:
    signed = client.sign("order", ["private"], "GET", {"symbol": "BTCUSDT", "orderId": "1"})
    tampered = signed["url"].replace("orderId=1", "orderId=2")
    async with client.session.get(tampered, headers=signed["headers"]) as response:
        assert (response.status, (await response.json())["code"]) == (400, -1022)


async def test_a_missing_signature_or_timestamp_is_named(sim: SimExchange, client: Any) -> None:
    url = "https://api.binance.com/api/v3/account"
    async with client.session.get(url, headers={"X-MBX-APIKEY": "sim-key"}) as response:
        body = await response.json()
        assert (response.status, body["code"]) == (400, -1102)
        assert "'timestamp' was not sent" in body["msg"]
    async with client.session.get(url) as response:
        assert (response.status, (await response.json())["code"]) == (401, -2014)


async def test_a_request_outside_the_time_window_is_refused() -> None:
    async with exchange(clock=None, start_ms=1_700_000_000_000) as sim, client_of(sim) as client:
        with pytest.raises(ccxt.InvalidNonce, match=r"-1021.*ahead"):
            await client.fetch_balance()
        await client.load_time_difference()
        await client.fetch_balance()
        client.options["timeDifference"] += 60_000
        with pytest.raises(ccxt.InvalidNonce, match=r"-1021.*outside of the recvWindow"):
            await client.fetch_balance()
        with pytest.raises(ccxt.BadRequest, match="-1131"):
            await client.privateGetAccount({"recvWindow": 60_001})


async def test_a_fast_clock_stretches_the_time_window() -> None:
    async with exchange(clock=None, start_ms=1_700_000_000_000, speed=100) as sim, client_of(sim) as client:
        await client.load_time_difference()
        client.options["timeDifference"] += 60_000  # six hundred wall milliseconds
        await client.fetch_balance()
        client.options["timeDifference"] -= 120_000  # now as much ahead
        await client.fetch_balance()
        for wrong in (2_000_000, -4_000_000):
            client.options["timeDifference"] += wrong
            with pytest.raises(ccxt.InvalidNonce):
                await client.fetch_balance()


async def test_a_clock_that_jumps_is_noticed_until_it_is_measured_again() -> None:
    async with exchange(clock=None, start_ms=1_700_000_000_000) as sim, client_of(sim) as client:
        await client.load_time_difference()
        skew = sim.faults.add(Fault(FaultKind.CLOCK_SKEW, skew_ms=30_000))
        with pytest.raises(ccxt.InvalidNonce):
            await client.fetch_balance()
        await client.load_time_difference()
        await client.fetch_balance()
        sim.faults.remove(skew)
        with pytest.raises(ccxt.InvalidNonce):
            await client.fetch_balance()


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "90"}


@pytest.mark.parametrize(
    ("change", "expected", "text"),
    [
        ({"quantity": "0.000001"}, ccxt.InvalidOrder, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.100001"}, ccxt.InvalidOrder, "Filter failure: LOT_SIZE"),
        ({"price": "90.001"}, ccxt.InvalidOrder, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.05"}, ccxt.BadRequest, "Filter failure: NOTIONAL"),
        ({"quantity": "0"}, ccxt.BadRequest, "Invalid quantity."),
        ({"price": "0"}, ccxt.BadRequest, "Invalid price."),
        ({"quantity": "-1"}, ccxt.BadRequest, "-1100"),
        ({"quantity": "0.1000000001"}, ccxt.BadRequest, "-1111"),
        ({"quantity": None}, ccxt.BadRequest, "'quantity' was not sent"),
        ({"price": None}, ccxt.BadRequest, "'price' was not sent"),
        ({"timeInForce": None}, ccxt.BadRequest, "'timeInForce' was not sent"),
        ({"timeInForce": "GTD"}, ccxt.BadRequest, "-1115"),
        ({"type": "LIMITLESS"}, ccxt.BadRequest, "-1116"),
        ({"side": "HOLD"}, ccxt.BadRequest, "-1117"),
        ({"symbol": "NOPE"}, ccxt.BadSymbol, "-1121"),
        ({"stopPrice": "80"}, ccxt.BadRequest, "-1106"),
        ({"newClientOrderId": "white space"}, ccxt.BadRequest, "-1100"),
        ({"newOrderRespType": "LOUD"}, ccxt.ExchangeError, "-1136"),
        ({"reduceOnly": "true"}, ccxt.BadRequest, "-1104.*read '10' parameter.s. but was sent '11'"),
        ({"type": "MARKET", "price": None, "timeInForce": None, "quantity": None}, ccxt.BadRequest, "quoteOrderQty"),
        ({"type": "STOP_LOSS", "price": None, "timeInForce": None}, ccxt.BadRequest, "trailingDelta"),
        ({"type": "STOP_LOSS", "price": None, "timeInForce": None, "stopPrice": "99"}, ccxt.InvalidOrder, "trigger"),
        ({"type": "LIMIT_MAKER", "timeInForce": None, "price": "101"}, ccxt.InvalidOrder, "immediately match and take"),
        ({"quantity": "5000"}, ccxt.InsufficientFunds, "insufficient balance"),
    ],
)
async def test_a_wrong_order_is_refused_in_the_exchanges_words(
    client: Any, change: dict[str, Any], expected: type[Exception], text: str
) -> None:
    request = {key: value for key, value in {**ORDER, **change}.items() if value is not None}
    with pytest.raises(expected, match=text):
        await client.privatePostOrder(request)
    assert await client.fetch_orders(SYMBOL) == []


async def test_a_client_id_may_not_be_used_twice_while_its_order_is_open(client: Any) -> None:
    first = await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": "once"})
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
        await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": "once"})
    await client.cancel_order(first["id"], SYMBOL)
    await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": "once"})


async def test_unknown_and_finished_orders_are_told_apart_from_open_ones(client: Any) -> None:
    with pytest.raises(ccxt.OrderNotFound, match="-2013"):
        await client.fetch_order("999", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        await client.cancel_order("999", SYMBOL)
    done = await client.create_order(SYMBOL, "market", "buy", 0.1)
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        await client.cancel_order(done["id"], SYMBOL)
    with pytest.raises(ccxt.BadRequest, match="-1102"):
        await client.privateGetOrder({"symbol": "BTCUSDT"})
    with pytest.raises(ccxt.BadRequest, match="-1127"):
        await client.privateGetMyTrades({"symbol": "BTCUSDT", "startTime": 0, "endTime": 86_400_001})


async def test_a_closed_market_takes_no_orders(sim: SimExchange, client: Any) -> None:
    sim.engine.set_active(SYMBOL, False)
    with pytest.raises(ccxt.ExchangeError, match="Market is closed"):
        await client.create_order(SYMBOL, "limit", "buy", 1, 90)


async def test_used_weight_and_order_count_are_told_in_headers(client: Any) -> None:
    await client.fetch_time()
    before = int(client.last_response_headers["X-MBX-USED-WEIGHT-1M"])
    await client.fetch_ohlcv(SYMBOL, "1m")
    assert int(client.last_response_headers["X-MBX-USED-WEIGHT-1M"]) == before + 2
    await client.create_order(SYMBOL, "limit", "buy", 1, 90)
    assert client.last_response_headers["X-MBX-ORDER-COUNT-10S"] == "1"


async def test_too_many_requests_give_429_and_insisting_gives_418() -> None:
    async with exchange(limits={"binance": {"REQUEST_WEIGHT": 20}}) as sim, client_of(sim) as client:
        for _ in range(20):
            await client.publicGetPing()
        with pytest.raises(ccxt.DDoSProtection, match=r"429.*-1003"):
            await client.publicGetPing()
        assert 1 <= int(client.last_response_headers["Retry-After"]) <= 61
        for _ in range(9):
            with pytest.raises(ccxt.DDoSProtection, match="429"):
                await client.publicGetPing()
        for _ in range(2):
            with pytest.raises(ccxt.DDoSProtection, match=r"418.*banned until"):
                await client.publicGetPing()
        assert int(client.last_response_headers["Retry-After"]) > 100


async def test_too_many_orders_give_429() -> None:
    async with exchange(limits={"binance": {"ORDERS_10S": 2}}) as sim, client_of(sim) as client:
        set_book(sim)
        for _ in range(2):
            await client.create_order(SYMBOL, "limit", "buy", 1, 90)
        with pytest.raises(ccxt.DDoSProtection, match=r"429.*-1015"):
            await client.create_order(SYMBOL, "limit", "buy", 1, 90)
        assert len(await client.fetch_open_orders(SYMBOL)) == 2


async def test_a_limit_that_does_not_exist_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"no limit.*REQUEST_WIGHT"):
        exchange(limits={"binance": {"REQUEST_WIGHT": 60}})
