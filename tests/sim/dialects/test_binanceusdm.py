"""Binance USD-M of the embedded exchange, as the unmodified ccxt client sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal as D
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from btccxt.model import Side
from btccxt.sim.clock import SteppedClock
from btccxt.sim.market import ParticipantsSource, linear_market
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import _PUBLIC_TRUST, START_MS, soon, until, watching

PERP = "BTC/USDT:USDT"
KEYS = {"apiKey": "sim-key", "secret": "simsecretkey"}


def exchange(**options: Any) -> SimExchange:
    markets = [linear_market(PERP, maker="0.0002", taker="0.0005"), linear_market("ETH/USDT:USDT", price_step="0.01")]
    options.setdefault("balances", {"USDT": 100_000})
    return SimExchange(ParticipantsSource(markets, START_MS), ("binanceusdm",), clock=SteppedClock(START_MS), **options)


def set_book(sim: SimExchange, bid: str = "1000", ask: str = "1001", amount: str = "50") -> None:
    sim.engine.set_depth(PERP, [(D(bid), D(amount))], [(D(ask), D(amount))], sim.venue.now_ms())


def trade(sim: SimExchange, price: str, amount: str = "0.001") -> None:
    sim.engine.print_trade(PERP, D(price), D(amount), Side.BUY, sim.venue.now_ms())


@asynccontextmanager
async def client_of(sim: SimExchange, **config: Any) -> AsyncIterator[Any]:
    session = aiohttp.ClientSession(connector=sim.connector())
    quick = {"enableRateLimit": False, "timeout": 30_000, "timeout_on_exit": 1}
    client = ccxt.pro.binanceusdm({**KEYS, **quick, "session": session, "options": {"fetchMargins": False}, **config})
    client.ssl_context = _PUBLIC_TRUST
    try:
        yield client
    finally:
        await client.close()
        await session.close()


@asynccontextmanager
async def open_market(**options: Any) -> AsyncIterator[tuple[SimExchange, Any]]:
    async with exchange(**options) as sim, client_of(sim) as client:
        set_book(sim)
        trade(sim, "1000")
        await client.load_markets()
        yield sim, client


# ------------------------------------------------------------------ market data


async def test_ccxt_parses_the_contract_list_with_all_its_limits():
    async with open_market() as (_, client):
        market = (await client.load_markets())[PERP]
    assert (market["swap"], market["linear"], market["settle"]) == (True, True, "USDT")
    assert market["precision"]["price"] == 0.1 and market["precision"]["amount"] == 0.001
    assert market["limits"]["cost"]["min"] == 5
    assert market["contractSize"] == 1


async def test_candles_end_with_the_forming_one_and_the_stream_says_when_one_is_closed():
    async with open_market() as (sim, client):
        frames: list[Any] = []
        watch = await watching(sim, client.watch_ohlcv(PERP, "1m"), "btcusdt@kline_1m")
        socket = next(socket for url, socket in client.clients.items() if "/market/ws" in url)
        handle = socket.on_message_callback

        def heard(own: Any, message: Any) -> None:
            frames.append(message)
            handle(own, message)

        socket.on_message_callback = heard
        trade(sim, "1003")
        sim.advance(60_000)
        await soon(watch)
        await until(lambda: any(frame.get("k", {}).get("x") for frame in frames))
        closed = next(frame["k"] for frame in frames if frame.get("k", {}).get("x"))
        rows = await client.fetch_ohlcv(PERP, "1m")
    assert closed["t"] == START_MS and float(closed["c"]) == 1003
    assert [START_MS, 1000, 1003, 1000, 1003, 0.002] in rows


async def test_trades_tickers_and_books_stream():
    async with open_market() as (sim, client):
        trades = await watching(sim, client.watch_trades(PERP), "btcusdt@trade")
        trade(sim, "1002", "0.5")
        print_ = (await soon(trades))[0]
        book = await watching(sim, client.watch_order_book(PERP), "btcusdt@depth@100ms")
        set_book(sim, "1000", "1002")
        sim.advance(200)
        book = await soon(book)
        ticker = await client.fetch_ticker(PERP)
        quotes = (await client.fetch_bids_asks([PERP]))[PERP]
    assert (print_["price"], print_["amount"], print_["side"], print_["symbol"]) == (1002, 0.5, "buy", PERP)
    assert book["bids"][0] == [1000, 50]
    assert ticker["last"] == 1002
    assert (quotes["bid"], quotes["ask"]) == (1000, 1002)


# ------------------------------------------------------------------ orders


async def test_a_market_order_opens_a_position_with_the_leverage_that_was_set():
    async with open_market() as (_, client):
        await client.set_leverage(10, PERP)
        order = await client.create_order(PERP, "market", "buy", 2, None, {"clientOrderId": "one"})
        (position,) = await client.fetch_positions([PERP])
        balance = await client.fetch_balance()
        (fill,) = await client.fetch_my_trades(PERP)
    assert (order["status"], order["filled"], order["average"], order["clientOrderId"]) == ("closed", 2, 1001, "one")
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 2, 1001)
    assert position["leverage"] == 10
    assert balance["USDT"]["used"] == pytest.approx(200.2)
    assert (fill["fee"]["currency"], fill["fee"]["cost"]) == ("USDT", pytest.approx(2 * 1001 * 0.0005))


async def test_an_order_is_found_by_either_id_edited_in_place_and_cancelled():
    async with open_market() as (_, client):
        placed = await client.create_order(PERP, "limit", "buy", 1, 900, {"clientOrderId": "mine", "postOnly": True})
        edited = await client.edit_order(placed["id"], PERP, "limit", "buy", 2, 910)
        by_name = await client.fetch_order(None, PERP, {"origClientOrderId": "mine"})
        listed = await client.fetch_open_orders(PERP)
        canceled = await client.cancel_order(None, PERP, {"origClientOrderId": "mine"})
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(placed["id"], PERP)
    assert edited["id"] == by_name["id"] == listed[0]["id"] == placed["id"]
    assert (by_name["price"], by_name["amount"], by_name["timeInForce"]) == (910, 2, "PO")
    assert canceled["status"] == "canceled"


@pytest.mark.parametrize(
    ("order", "error", "says"),
    [
        (("limit", "buy", 10_000_000, 900, {}), ccxt.InsufficientFunds, "-2019"),
        (("limit", "buy", 1, 1002, {"postOnly": True}), ccxt.OrderNotFillable, "-5022"),
        (("limit", "sell", 1, 1000, {"reduceOnly": True}), ccxt.InvalidOrder, "-2022"),
        (("limit", "buy", 0.001, 900, {}), ccxt.InvalidOrder, "-4164"),
        (("market", "sell", 1, None, {"stopLossPrice": 1001}), ccxt.InvalidOrder, "-2021"),
        (("market", "sell", 1, None, {"trailingPercent": 20}), ccxt.BaseError, "-2007"),
        (("limit", "buy", 1, 900, {"timeInForce": "GTD", "goodTillDate": START_MS + 1000}), ccxt.BaseError, "-5040"),
        (("limit", "buy", 1, 900, {"positionSide": "LONG"}), ccxt.BaseError, "-4061"),
    ],
)
async def test_refusals_are_the_exchanges_own(order, error, says):
    kind, side, amount, price, params = order
    async with open_market() as (_, client):
        with pytest.raises(error, match=says):
            await client.create_order(PERP, kind, side, amount, price, params)


async def test_ids_are_unique_among_open_orders_of_each_book():
    async with open_market() as (_, client):
        await client.create_order(PERP, "limit", "buy", 1, 900, {"clientOrderId": "twice"})
        with pytest.raises(ccxt.InvalidOrder, match="-4116"):
            await client.create_order(PERP, "limit", "buy", 1, 900, {"clientOrderId": "twice"})
        stop = {"stopLossPrice": 900, "clientOrderId": "stop"}
        await client.create_order(PERP, "market", "sell", 1, None, stop)
        with pytest.raises(ccxt.BadRequest, match="-20132"):
            await client.create_order(PERP, "market", "sell", 1, None, stop)


async def test_orders_that_may_not_rest_expire():
    async with open_market() as (_, client):
        for validity in ("IOC", "FOK"):
            order = await client.create_order(PERP, "limit", "buy", 1, 900, {"timeInForce": validity})
            assert order["status"] == "expired"


async def test_a_dated_order_expires_when_its_time_comes():
    async with open_market() as (sim, client):
        until_ms = START_MS + 700_000
        order = await client.create_order(
            PERP, "limit", "buy", 1, 900, {"timeInForce": "GTD", "goodTillDate": until_ms}
        )
        sim.advance(699_000)
        assert (await client.fetch_order(order["id"], PERP))["status"] == "open"
        sim.advance(2_000)
        sim.engine.expire_due(sim.venue.now_ms())
        assert (await client.fetch_order(order["id"], PERP))["status"] == "expired"


async def test_a_fired_trigger_becomes_an_order_with_an_id_of_its_own():
    trigger = {"trigger": True}
    async with open_market() as (sim, client):
        await client.create_order(PERP, "market", "buy", 1)
        stop = await client.create_order(
            PERP, "market", "sell", 1, None, {"stopLossPrice": 990, "reduceOnly": True, "clientOrderId": "guard"}
        )
        assert [order["id"] for order in await client.fetch_open_orders(PERP, params=trigger)] == [stop["id"]]
        assert await client.fetch_open_orders(PERP) == []
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order(None, PERP, {"origClientOrderId": "guard"})
        trade(sim, "989")
        fired = await client.fetch_order(None, PERP, {"clientAlgoId": "guard", **trigger})
        child = await client.fetch_order(fired["info"]["actualOrderId"], PERP)
        assert await client.fetch_open_orders(PERP, params=trigger) == []
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(stop["id"], PERP, trigger)
        assert await client.fetch_positions([PERP]) == []
    assert fired["id"] == stop["id"] != child["id"]
    assert fired["info"]["algoStatus"] == "FINISHED"
    assert (child["status"], child["filled"], child["side"], child["reduceOnly"]) == ("closed", 1, "sell", True)


async def test_a_trailing_order_follows_the_price_by_its_callback_rate():
    async with open_market() as (sim, client):
        await client.create_order(PERP, "market", "buy", 1)
        order = await client.create_order(PERP, "market", "sell", 1, None, {"trailingPercent": 1})
        trade(sim, "1100")
        trade(sim, "1090")
        assert (await client.fetch_order(order["id"], PERP, {"trigger": True}))["info"]["algoStatus"] == "NEW"
        trade(sim, "1088")
        assert (await client.fetch_order(order["id"], PERP, {"trigger": True}))["info"]["algoStatus"] == "FINISHED"


async def test_cancelling_all_spares_the_other_book():
    async with open_market() as (_, client):
        await client.create_order(PERP, "limit", "buy", 1, 900)
        await client.create_order(PERP, "market", "sell", 1, None, {"stopLossPrice": 900})
        await client.cancel_all_orders(PERP)
        assert await client.fetch_open_orders(PERP) == []
        assert len(await client.fetch_open_orders(PERP, params={"trigger": True})) == 1
        await client.cancel_all_orders(PERP, {"trigger": True})
        assert await client.fetch_open_orders(PERP, params={"trigger": True}) == []


# ------------------------------------------------------------------ account


async def test_hedge_mode_holds_both_sides_and_is_refused_while_there_is_a_position():
    async with open_market() as (_, client):
        await client.set_position_mode(True, PERP)
        assert (await client.fetch_position_mode(PERP))["hedged"] is True
        await client.create_order(PERP, "market", "buy", 1, None, {"positionSide": "LONG"})
        await client.create_order(PERP, "market", "sell", 2, None, {"positionSide": "SHORT"})
        held = {position["side"]: position["contracts"] for position in await client.fetch_positions([PERP])}
        with pytest.raises(ccxt.BaseError, match="-4068"):
            await client.set_position_mode(False, PERP)
    assert held == {"long": 1, "short": 2}


async def test_settings_that_change_nothing_or_cannot_be_are_refused():
    async with open_market() as (_, client):
        with pytest.raises(ccxt.BaseError, match="-4059"):
            await client.set_position_mode(False, PERP)
        with pytest.raises(ccxt.MarginModeAlreadySet):
            await client.set_margin_mode("cross", PERP)
        await client.create_order(PERP, "limit", "buy", 1, 90)
        with pytest.raises(ccxt.BaseError, match="-4047"):
            await client.set_margin_mode("isolated", PERP)
        with pytest.raises(ccxt.BaseError, match="-4028"):
            await client.fapiPrivatePostLeverage({"symbol": "BTCUSDT", "leverage": 126})


async def test_funding_is_paid_by_longs_listed_and_told():
    async with open_market() as (sim, client):
        await client.create_order(PERP, "market", "buy", 1)
        before = sim.engine.balances("main")["USDT"].total
        watch = await watching(sim, client.watch_balance(), "user:main")
        sim.dialects["binanceusdm"].fund(PERP, D("0.0001"))
        told = await soon(watch)
        rate = await client.fetch_funding_rate(PERP)
        (history,) = await client.fetch_funding_rate_history(PERP)
        (paid,) = await client.fetch_funding_history(PERP)
    wallet = sim.engine.balances("main")["USDT"].total
    assert wallet == before - D("0.1001")
    assert told["USDT"]["total"] == float(wallet)
    assert rate["fundingRate"] == history["fundingRate"] == 0.0001
    assert paid["amount"] == -0.1001


# ------------------------------------------------------------------ user stream


async def test_the_user_stream_tells_of_orders_fills_positions_and_balances():
    async with open_market() as (sim, client):
        orders = await watching(sim, client.watch_orders(PERP), "user:main")
        fills = asyncio.ensure_future(client.watch_my_trades(PERP))
        await until(lambda: (client.positions or {}).get("linear") is not None)  # ccxt has its snapshot
        positions = asyncio.ensure_future(client.watch_positions([PERP]))
        balance = asyncio.ensure_future(client.watch_balance())
        await asyncio.sleep(0)
        sim.engine.set_depth(PERP, [(D(999), D(1))], [(D(1001), D(1)), (D(1002), D(5))], sim.venue.now_ms())
        await client.create_order(PERP, "market", "buy", 3, None, {"clientOrderId": "walk"})
        order, filled = (await soon(orders))[-1], await soon(fills)
        (position,), balance = await soon(positions), await soon(balance)
    assert (order["clientOrderId"], order["status"], order["filled"]) == ("walk", "closed", 3)
    assert [(fill["price"], fill["amount"]) for fill in filled] == [(1001, 1), (1002, 2)]
    assert all(fill["fee"]["currency"] == "USDT" and fill["takerOrMaker"] == "taker" for fill in filled)
    assert (position["side"], position["contracts"]) == ("long", 3)
    assert balance["USDT"]["total"] == float(sim.engine.balances("main")["USDT"].total)


async def test_the_user_stream_tells_a_trigger_from_the_order_it_made():
    async with open_market() as (sim, client):
        await client.create_order(PERP, "market", "buy", 1)
        heard: list[Any] = []
        await watching(sim, client.watch_orders(PERP), "user:main")
        socket = next(socket for url, socket in client.clients.items() if "/private/ws" in url)
        socket.on_message_callback = lambda own, message: heard.append(message)
        stop = await client.create_order(PERP, "market", "sell", 1, None, {"stopLossPrice": 990})
        trade(sim, "989")
        await until(lambda: any(event["e"] == "ALGO_UPDATE" and event["o"]["X"] == "FINISHED" for event in heard))
    story = [(event["e"], event["o"]["X"]) for event in heard if event["e"] != "ACCOUNT_UPDATE"]
    assert story == [
        ("ALGO_UPDATE", "NEW"),
        ("ALGO_UPDATE", "TRIGGERED"),
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("ORDER_TRADE_UPDATE", "FILLED"),
        ("ALGO_UPDATE", "FINISHED"),
    ]
    algo = [event["o"] for event in heard if event["e"] == "ALGO_UPDATE"]
    plain = [event["o"] for event in heard if event["e"] == "ORDER_TRADE_UPDATE"]
    assert {str(update["aid"]) for update in algo} == {stop["id"]}
    assert algo[0]["ai"] == "" and {str(update["i"]) for update in plain} == {algo[1]["ai"]} != {stop["id"]}


async def test_a_resting_order_is_no_news_of_the_wallet():
    async with open_market() as (sim, client):
        heard: list[str] = []
        await watching(sim, client.watch_orders(PERP), "user:main")
        socket = next(socket for url, socket in client.clients.items() if "/private/ws" in url)
        socket.on_message_callback = lambda own, message: heard.append(message["e"])
        order = await client.create_order(PERP, "limit", "buy", 1, 900)
        await client.cancel_order(order["id"], PERP)
        await until(lambda: len(heard) >= 2)
    assert heard == ["ORDER_TRADE_UPDATE", "ORDER_TRADE_UPDATE"]


async def test_an_expired_listen_key_is_said_and_the_stream_is_silent_afterwards():
    async with open_market() as (sim, client):
        heard: list[Any] = []
        await watching(sim, client.watch_orders(PERP), "user:main")
        socket = next(socket for url, socket in client.clients.items() if "/private/ws" in url)
        socket.on_message_callback = lambda own, message: heard.append(message)
        before = (await client.fapiPrivatePostListenKey())["listenKey"]
        assert (await client.fapiPrivatePutListenKey())["listenKey"] == before
        sim.dialects["binanceusdm"].user_streams.expire("main")
        await until(lambda: heard)
        await client.create_order(PERP, "market", "buy", 1)
        with pytest.raises(ccxt.BaseError, match="-1125"):
            await client.fapiPrivatePutListenKey()
        after = (await client.fapiPrivatePostListenKey())["listenKey"]
        assert not any("user:main" in connection.topics for connection in sim.connections)
    assert [event["e"] for event in heard] == ["listenKeyExpired"]
    assert heard[0]["listenKey"] == before != after


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"secret": "somebodyelse"}, ccxt.AuthenticationError),
        ({"apiKey": "unknown"}, ccxt.AuthenticationError),
    ],
)
async def test_wrong_keys_are_refused(keys, error):
    async with exchange() as sim, client_of(sim, **keys) as client:
        with pytest.raises(error):
            await client.fapiPrivateV3GetAccount()
