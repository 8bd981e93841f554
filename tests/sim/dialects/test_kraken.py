"""Kraken of the embedded exchange, as the unmodified ccxt client sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal as D
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from btccxt.errors import ConfigError
from btccxt.model import Market, Side
from btccxt.sim.clock import SteppedClock
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.dialects.kraken import frames as frames
from btccxt.sim.market import ParticipantsSource, spot_market
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import _PUBLIC_TRUST, START_MS, set_book, soon, subscribed, trade, until, watching

SYMBOL = "BTC/USDT"
KEYS = {"apiKey": "sim-key", "secret": "simsecretkey"}
MARKETS = (
    spot_market(SYMBOL, price_step="0.1", maker="0.0016", taker="0.0026"),
    spot_market("ETH/BTC", price_step="0.00001", amount_step="0.0001", min_cost="0.0001"),
    spot_market("BTC/USD", price_step="0.1"),
    spot_market("DOGE/USD", price_step="0.00001", amount_step="1"),
)


def exchange(**options: Any) -> SimExchange:
    if "accounts" not in options:
        options.setdefault("balances", {"USDT": 100_000, "BTC": 10})
    return SimExchange(ParticipantsSource(MARKETS, START_MS), ("kraken",), clock=SteppedClock(START_MS), **options)


@asynccontextmanager
async def client_of(sim: SimExchange, **config: Any) -> AsyncIterator[Any]:
    session = aiohttp.ClientSession(connector=sim.connector())
    quick = {"enableRateLimit": False, "timeout": 30_000, "timeout_on_exit": 1}
    client = ccxt.pro.kraken({**KEYS, **quick, "session": session, **config})
    client.ssl_context = _PUBLIC_TRUST
    try:
        yield client
    finally:
        await client.close()
        await session.close()


@asynccontextmanager
async def open_market(**options: Any) -> AsyncIterator[tuple[SimExchange, Any]]:
    async with exchange(**options) as sim, client_of(sim) as client:
        set_book(sim, amount="3")
        trade(sim, "100")
        await client.load_markets()
        yield sim, client


def frames_of(client: Any, host: str) -> list[Any]:
    """What comes over this client's connection from now on; ccxt hears it as well."""
    heard: list[Any] = []
    socket = next(socket for url, socket in client.clients.items() if host in url and url.endswith("v2"))
    handle = socket.on_message_callback

    def hear(own: Any, message: Any) -> None:
        heard.append(message)
        handle(own, message)

    socket.on_message_callback = hear
    return heard


# ------------------------------------------------------------------ market data


async def test_ccxt_parses_the_pairs_with_krakens_own_names():
    async with open_market() as (_, client):
        ids = {symbol: market["id"] for symbol, market in client.markets.items()}
        market = client.markets[SYMBOL]
    assert ids == {SYMBOL: "XBTUSDT", "ETH/BTC": "XETHXXBT", "BTC/USD": "XXBTZUSD", "DOGE/USD": "XXDGZUSD"}
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.1, 0.00001)
    assert (market["maker"], market["taker"], market["active"]) == (0.0016, 0.0026, True)
    assert market["limits"]["cost"]["min"] == 5


async def test_candles_reach_720_back_and_no_further_whatever_is_asked():
    async with open_market() as (sim, client):
        for _ in range(800):
            sim.advance(60_000)
            trade(sim, "100")
        now_ms = sim.venue.now_ms()
        rows = await client.fetch_ohlcv(SYMBOL, "1m", START_MS)
        since = await client.fetch_ohlcv(SYMBOL, "1m", now_ms - 120_000)
    assert len(rows) == 720 and rows[-1][0] == now_ms
    assert [row[0] for row in since] == [now_ms - 120_000, now_ms - 60_000, now_ms]


async def test_the_candle_stream_begins_with_ten_rows_and_never_says_closed():
    async with open_market() as (sim, client):
        for price in range(100, 112):
            sim.advance(60_000)
            trade(sim, str(price))
        rows = [list(row) for row in await soon(client.watch_ohlcv(SYMBOL, "1m"))]  # ccxt goes on changing them
        heard = frames_of(client, "ws.kraken.com")
        trade(sim, "115")
        sim.advance(60_000)
        await until(lambda: any(frame.get("type") == "update" and frame["channel"] == "ohlc" for frame in heard))
    assert len(rows) == 10 and rows[-1][4] == 111
    update = next(frame["data"][0] for frame in heard if frame.get("type") == "update")
    assert (update["close"], update["interval"]) == (115, 1)
    assert not {"closed", "confirm", "x"} & update.keys()


async def test_a_minute_without_trades_is_not_told_of():
    async with open_market() as (sim, client):
        await soon(client.watch_ohlcv(SYMBOL, "1m"))
        heard = frames_of(client, "ws.kraken.com")
        sim.advance(180_000)
        trade(sim, "101")
        sim.advance(1_000)
        await until(lambda: [frame for frame in heard if frame["channel"] == "ohlc"])
        sim.advance(60_000)
    candles = [frame["data"][0] for frame in heard if frame["channel"] == "ohlc"]
    assert all(candle["volume"] > 0 for candle in candles)


async def test_trades_tickers_and_books_stream_and_rest_agrees():
    async with open_market() as (sim, client):
        trades = await watching(sim, client.watch_trades(SYMBOL), f"trade:{SYMBOL}")
        trade(sim, "102", "0.5", Side.SELL)
        print_ = (await soon(trades))[0]
        book = await soon(client.watch_order_book(SYMBOL))
        heard = frames_of(client, "ws.kraken.com")
        set_book(sim, "99", "103")
        sim.advance(100)
        await until(lambda: any(frame["channel"] == "book" and frame["type"] == "update" for frame in heard))
        streamed = (list(book["bids"][0]), list(book["asks"][0]))
        rest = await client.fetch_order_book(SYMBOL, 5)
        ticker = await client.fetch_ticker(SYMBOL)
        pushed = await soon(client.watch_ticker(SYMBOL))
    assert (print_["price"], print_["amount"], print_["side"]) == (102, 0.5, "sell")
    assert streamed == ([99, 1], [103, 1]) == (rest["bids"][0][:2], rest["asks"][0][:2])
    assert (ticker["last"], ticker["bid"], ticker["ask"]) == (102, 99, 103) == (
        pushed["last"], pushed["bid"], pushed["ask"],
    )  # fmt: skip


def test_the_books_checksum_is_the_one_of_krakens_guide():
    """docs.kraken.com, "Spot Websockets (v2) Book Checksum": the example of BTC/USD."""
    asks = [("45285.2", "0.00100000"), ("45286.4", "1.54571953"), ("45286.6", "1.54571109"), ("45289.6", "1.54560911"),
            ("45290.2", "0.15890660"), ("45291.8", "1.54553491"), ("45294.7", "0.04454749"), ("45296.1", "0.35380000"),
            ("45297.5", "0.09945542"), ("45299.5", "0.18772827")]  # fmt: skip
    bids = [("45283.5", "0.10000000"), ("45283.4", "1.54582015"), ("45282.1", "0.10000000"), ("45281.0", "0.10000000"),
            ("45280.3", "1.54592586"), ("45279.0", "0.07990000"), ("45277.6", "0.03310103"), ("45277.5", "0.30000000"),
            ("45277.3", "1.54602737"), ("45276.6", "0.15445238")]  # fmt: skip
    market: Market = spot_market("BTC/USD", price_step="0.1", amount_step="0.00000001")
    levels = [[(D(price), D(amount)) for price, amount in side] for side in (bids, asks)]
    assert frames.checksum(market, *levels) == 3310070434


# ------------------------------------------------------------------ orders


async def test_a_limit_order_is_found_by_its_own_id_and_the_exchanges_and_amended_in_place():
    async with open_market() as (_, client):
        placed = await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": "mine"})
        assert placed["status"] is None  # an id and a sentence, no more
        (opened,) = await client.fetch_open_orders(SYMBOL, params={"clientOrderId": "mine"})
        await client.edit_order(placed["id"], SYMBOL, "limit", "buy", 2, 91)
        edited = await client.fetch_order(placed["id"], SYMBOL)
        await client.cancel_order(None, SYMBOL, {"clientOrderId": "mine"})
        (closed,) = await client.fetch_closed_orders(SYMBOL, params={"clientOrderId": "mine"})
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(placed["id"], SYMBOL)
    assert opened["id"] == edited["id"] == closed["id"] == placed["id"]
    assert (opened["price"], opened["amount"]) == (90, 1)
    assert (edited["price"], edited["amount"]) == (91, 2)
    assert (closed["status"], closed["filled"]) == ("canceled", 0)


async def test_fees_are_taken_in_the_quote_currency():
    async with open_market() as (sim, client):
        await client.create_order(SYMBOL, "market", "buy", 1)
        (fill,) = await client.fetch_my_trades(SYMBOL)
        balance = await client.fetch_balance()
    assert fill["fee"] == {"currency": "USDT", "cost": pytest.approx(101 * 0.0026)}
    assert balance["BTC"]["total"] == 11
    assert D(str(balance["USDT"]["total"])) == sim.engine.balances("main")["USDT"].total == D("99898.7374")


@pytest.mark.parametrize(
    ("price", "kind", "params", "fires_at", "rests_at"),
    [
        (None, "market", {"stopLossPrice": 95}, "94.9", "95.1"),
        (94, "limit", {"stopLossPrice": 95}, "94.9", "95.1"),
        (None, "market", {"takeProfitPrice": 110}, "110.1", "109.9"),
        (109, "limit", {"takeProfitPrice": 110}, "110.1", "109.9"),
        (None, "market", {"trailingPercent": 5}, "94.9", "95.1"),
        (None, "market", {"trailingAmount": 5}, "94.9", "95.1"),
    ],
)
async def test_triggers_wait_under_one_id_and_fire(price, kind, params, fires_at, rests_at):
    async with open_market() as (sim, client):
        sim.engine.set_depth(SYMBOL, [(D(90), D(5))], [(D(120), D(5))], sim.venue.now_ms())
        order = await client.create_order(SYMBOL, kind, "sell", 1, price, params)
        trade(sim, rests_at, "0.001")
        waiting = await client.fetch_order(order["id"], SYMBOL)
        trade(sim, fires_at, "0.001")
        fired = await client.fetch_order(order["id"], SYMBOL)
    assert (waiting["status"], waiting["filled"]) == ("open", 0)
    assert fired["info"]["status"] == ("closed" if price is None else "open")
    assert fired["filled"] == (1 if price is None else 0)


@pytest.mark.parametrize(
    ("order", "error", "says"),
    [
        (("limit", "buy", 100_000, 90, {}), ccxt.InsufficientFunds, "Insufficient funds"),
        (("limit", "buy", 1, 102, {"postOnly": True}), ccxt.ExchangeError, "Post only order"),
        (("limit", "buy", 0.01, 90, {}), ccxt.ExchangeError, "Cost minimum not met"),
        (("limit", "buy", 1, 90, {"timeInForce": "DAY"}), ccxt.BaseError, "timeinforce"),
        (("limit", "buy", 1, 90, {"reduceOnly": True}), ccxt.BadRequest, "Invalid arguments"),
        (("limit", "buy", 1, 90, {"clientOrderId": "much-too-long-for-kraken"}), ccxt.BaseError, "cl_ord_id"),
        (("market", "sell", 1, None, {"stopLossPrice": 101}), ccxt.BaseError, "Invalid price"),
    ],
)
async def test_refusals_are_the_exchanges_own(order, error, says):
    kind, side, amount, price, params = order
    async with open_market() as (_, client):
        with pytest.raises(error, match=says):
            await client.create_order(SYMBOL, kind, side, amount, price, params)


async def test_what_may_not_rest_is_canceled_and_a_date_expires():
    async with open_market() as (sim, client):
        ioc = await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"timeInForce": "IOC"})
        dated = {"timeInForce": "GTD", "expiretm": str(START_MS // 1000 + 60)}
        gtd = await client.create_order(SYMBOL, "limit", "buy", 1, 90, dated)
        assert (await client.fetch_order(ioc["id"], SYMBOL))["status"] == "canceled"
        assert (await client.fetch_order(gtd["id"], SYMBOL))["status"] == "open"
        sim.advance(61_000)
        sim.engine.expire_due(sim.venue.now_ms())
        assert (await client.fetch_order(gtd["id"], SYMBOL))["status"] == "expired"


async def test_a_market_order_by_cost_and_cancel_all():
    async with open_market() as (sim, client):
        await client.create_order(SYMBOL, "market", "buy", None, None, {"cost": 202})
        for _ in range(2):
            await client.create_order(SYMBOL, "limit", "buy", 1, 90)
        (answer,) = await client.cancel_all_orders()
        assert await client.fetch_open_orders(SYMBOL) == []
    assert answer["info"]["result"]["count"] == 2
    assert sim.engine.balances("main")["BTC"].total == 12


async def test_the_dead_mans_switch_cancels_when_nobody_renews_it():
    async with open_market() as (sim, client):
        await client.create_order(SYMBOL, "limit", "buy", 1, 90)
        await client.cancel_all_orders_after(60_000)
        sim.advance(59_000)
        assert len(await client.fetch_open_orders(SYMBOL)) == 1
        sim.advance(2_000)
        assert await client.fetch_open_orders(SYMBOL) == []


async def test_trades_come_fifty_at_a_time_the_latest_first():
    async with open_market() as (sim, client):
        for number in range(60):
            set_book(sim, "100", "101")
            sim.advance(1_000)
            await client.create_order(SYMBOL, "market", "buy", 0.1 + number / 1000)
        answer = (await client.privatePostTradesHistory())["result"]
        rest = (await client.privatePostTradesHistory({"ofs": 50}))["result"]
    assert (int(answer["count"]), len(answer["trades"]), len(rest["trades"])) == (60, 50, 10)
    volumes = [float(row["vol"]) for row in (*answer["trades"].values(), *rest["trades"].values())]
    assert volumes == sorted(volumes, reverse=True) and len(set(volumes)) == 60


# ------------------------------------------------------------------ account streams


async def test_partial_fills_come_as_trades_only_and_the_end_without_a_symbol():
    async with open_market() as (sim, client):
        await watching(sim, client.watch_orders(SYMBOL), "executions:main")
        fills = asyncio.ensure_future(client.watch_my_trades(SYMBOL))
        heard = frames_of(client, "ws-auth")
        sim.engine.set_depth(SYMBOL, [(D(99), D(1))], [(D(101), D(1)), (D(102), D(5))], sim.venue.now_ms())
        await client.create_order(SYMBOL, "limit", "buy", 2, 102, {"clientOrderId": "walk"})
        await until(lambda: any(row["exec_type"] == "filled" for row in rows_of(heard)))
        first = (await soon(fills))[0]
    assert [row["exec_type"] for row in rows_of(heard)] == ["pending_new", "new", "trade", "trade", "filled"]
    assert [row["order_status"] for row in rows_of(heard)] == [
        "pending_new", "new", "partially_filled", "filled", "filled",
    ]  # fmt: skip
    assert ["symbol" in row for row in rows_of(heard)] == [True, False, True, True, False]
    assert all(row["cl_ord_id"] == "walk" for row in rows_of(heard))
    assert (first["price"], first["amount"], first["fee"]["currency"], first["takerOrMaker"]) == (
        101, 1, "USDT", "taker",
    )  # fmt: skip


def rows_of(frames: list[Any]) -> list[Any]:
    return [row for frame in frames if frame.get("channel") == "executions" for row in frame["data"]]


async def test_the_executions_snapshot_lists_open_orders():
    async with open_market() as (_, client):
        placed = await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": "resting"})
        (order,) = await soon(client.watch_orders(SYMBOL))
    assert (order["id"], order["price"], order["amount"], order["status"]) == (placed["id"], 90, 1, "open")
    assert order["info"]["cl_ord_id"] == "resting"


async def test_balances_come_as_a_snapshot_and_then_by_change():
    async with open_market() as (sim, client):
        first = await soon(client.watch_balance())
        heard = frames_of(client, "ws-auth")
        await client.create_order(SYMBOL, "limit", "buy", 1, 90)  # what an order holds is still owned
        await client.create_order(SYMBOL, "market", "buy", 1)
        await until(lambda: [frame for frame in heard if frame["channel"] == "balances"])
        totals = {coin: balance.total for coin, balance in sim.engine.balances("main").items()}
        changes = [frame["data"] for frame in heard if frame["channel"] == "balances"]
    assert (first["USDT"]["total"], first["BTC"]["total"]) == (100_000, 10)
    assert [{row["asset"]: D(str(row["balance"])) for row in rows} for rows in changes] == [totals]


async def test_a_token_that_has_expired_subscribes_to_nothing():
    """ccxt keeps its token for 900 s and does not hear the refusal: who watches has to notice the silence."""
    async with open_market() as (sim, client):
        await soon(client.watch_balance())
        heard = frames_of(client, "ws-auth")
        sim.dialects["kraken"].expire_tokens()
        watch = asyncio.ensure_future(client.watch_orders(SYMBOL))
        await until(lambda: any(frame.get("success") is False for frame in heard))
        topics = {topic for connection in sim.connections for topic in connection.topics}
        watch.cancel()
    assert [frame["error"] for frame in heard if "error" in frame] == ["ESession:Invalid session"]
    assert topics == {"balances:main"}


async def test_pings_are_answered_and_the_line_is_kept_warm():
    async with open_market() as (sim, client):
        task = await watching(sim, client.watch_ticker(SYMBOL), f"ticker:{SYMBOL}")
        await soon(task)
        heard = frames_of(client, "ws.kraken.com")
        socket = next(socket for url, socket in client.clients.items() if "//ws.kraken.com" in url)
        await socket.send({"method": "ping", "req_id": 7})
        await until(lambda: any(frame.get("method") == "pong" and frame["req_id"] == 7 for frame in heard))
        sim.advance(1_000)
        await until(lambda: any(frame.get("channel") == "heartbeat" for frame in heard))
        await subscribed(sim, f"ticker:{SYMBOL}")


# ------------------------------------------------------------------ who asks


@pytest.mark.parametrize(
    ("keys", "says"), [({"secret": "somebodyelse"}, "Invalid signature"), ({"apiKey": "unknown"}, "Invalid key")]
)
async def test_wrong_keys_are_refused(keys, says):
    async with exchange() as sim, client_of(sim, **keys) as client:
        with pytest.raises(ccxt.BaseError, match=says):
            await client.privatePostBalanceEx()


async def test_a_nonce_may_not_come_again():
    async with open_market() as (_, client):
        await client.privatePostBalanceEx()
        client.incrementing_nonce = lambda: 1_000
        with pytest.raises(ccxt.InvalidNonce):
            await client.privatePostBalanceEx()


async def test_too_many_calls_are_refused_orders_are_counted_elsewhere():
    async with open_market(limits={"kraken": {"PRIVATE_CALLS": 3}}) as (_, client):
        with pytest.raises(ccxt.DDoSProtection):
            for _ in range(6):
                await client.privatePostOpenOrders()
        await client.create_order(SYMBOL, "limit", "buy", 1, 90)


def test_a_secret_that_is_not_base64_is_refused_at_once():
    accounts = [SimAccount(secret="not base64!")]
    with pytest.raises(ConfigError, match="base64"):
        SimExchange(ParticipantsSource(MARKETS, START_MS), ("kraken",), accounts=accounts)
