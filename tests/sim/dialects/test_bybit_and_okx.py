"""What the embedded Bybit and OKX do alike, each in its own words; unmodified ccxt.pro clients are told."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from decimal import Decimal

import ccxt
import pytest

from btccxt.matching.records import NewOrder
from btccxt.model import OrderKind, Side
from btccxt.sim.faults import Fault, FaultKind
from tests.sim.dialects.binance_kit import soon, watching
from tests.sim.dialects.unified_kit import PERP, SPOT, START_MS, book, client_of, exchange, trade

ASCENDING = {"triggerPrice": 90, "triggerDirection": "ascending"}


@dataclass(frozen=True)
class Words:
    """Names and codes of one dialect."""

    id: str
    order_limit: str
    too_many: str
    time_path: str
    spot_candles: str
    swap_trades: str


BYBIT = Words("bybit", "ORDERS_1S", "10006", "/v5/market/time", "spot/kline.1.BTCUSDT", "linear/publicTrade.BTCUSDT")
OKX = Words("okx", "ORDERS_2S", "50011", "/api/v5/public/time", "candle1m:BTC-USDT", "trades:BTC-USDT-SWAP")
BOTH = pytest.mark.parametrize("words", [BYBIT, OKX], ids=lambda words: words.id)


@pytest.fixture
async def sim(words):
    async with exchange(words.id) as running:
        yield running


@pytest.fixture
async def client(sim, words):
    async with client_of(sim, words.id) as connected:
        await connected.load_markets()
        yield connected


@pytest.mark.parametrize(
    ("words", "order", "error", "code"),
    [
        (BYBIT, (SPOT, "limit", "buy", 2000, 100), ccxt.InsufficientFunds, "170131"),
        (BYBIT, (PERP, "limit", "buy", 200_000, 100), ccxt.InsufficientFunds, "110007"),
        (BYBIT, (SPOT, "limit", "buy", 0.01, 100), ccxt.InvalidOrder, "170140"),
        (BYBIT, (PERP, "limit", "buy", 0.01, 100), ccxt.InvalidOrder, "110094"),
        (BYBIT, (PERP, "market", "buy", 1, None, {"reduceOnly": True}), ccxt.InvalidOrder, "110017"),
        (BYBIT, (PERP, "market", "buy", 1, None, ASCENDING), ccxt.InvalidOrder, "110092"),
        (OKX, (SPOT, "limit", "buy", 2000, 100), ccxt.InsufficientFunds, "51008"),
        (OKX, (PERP, "limit", "buy", 200_000, 100), ccxt.InsufficientFunds, "51008"),
        (OKX, (SPOT, "limit", "buy", 0.01, 100), ccxt.InvalidOrder, "51020"),
        (OKX, (PERP, "market", "buy", 1, None, {"reduceOnly": True}), ccxt.ExchangeError, "51169"),
        (OKX, (SPOT, "limit", "buy", 1, 100, {"clientOrderId": "no_underscore"}), ccxt.BadRequest, "51000"),
        (OKX, (SPOT, "limit", "buy", 1, 100, {"tdMode": "cross"}), ccxt.BadRequest, "tdMode"),
    ],
)
async def test_the_exchange_refuses_in_its_own_words(client, order, error, code):
    with pytest.raises(error, match=code):
        await client.create_order(*order)


@pytest.mark.parametrize(
    ("words", "symbol", "code"), [(BYBIT, SPOT, "170141"), (BYBIT, PERP, "110072"), (OKX, SPOT, "51016")]
)
async def test_a_client_order_id_is_good_for_one_order_for_ever(client, symbol, code):
    first = await client.create_order(symbol, "limit", "buy", 1, 90, {"clientOrderId": "once"})
    await client.cancel_order(first["id"], symbol)
    with pytest.raises(ccxt.InvalidOrder, match=code):
        await client.create_order(symbol, "limit", "buy", 1, 90, {"clientOrderId": "once"})


@BOTH
async def test_too_many_orders_and_scripted_troubles(words):
    async with exchange(words.id, limits={words.id: {words.order_limit: 1}}) as sim, client_of(sim, words.id) as client:
        await client.load_markets()
        await client.create_order(SPOT, "limit", "buy", 1, 90)
        with pytest.raises(ccxt.RateLimitExceeded, match=words.too_many):
            await client.create_order(SPOT, "limit", "buy", 1, 90)
        sim.faults.add(Fault(FaultKind.RATE_LIMIT, path=words.time_path))
        with pytest.raises(ccxt.RateLimitExceeded):
            await client.fetch_time()


@BOTH
async def test_public_streams(words, sim, client):
    bars = await watching(sim, client.watch_ohlcv(SPOT, "1m"), words.spot_candles)
    trades = await watching(sim, client.watch_trades(PERP), words.swap_trades)
    trade(sim, SPOT, "103")
    trade(sim, PERP, "104")
    sim.advance(1_000)
    assert (await soon(bars))[-1][4] == 103
    assert (await soon(trades))[-1]["price"] == 104
    ticker = await soon(client.watch_ticker(PERP))
    assert (ticker["last"], ticker["bid"]) == (104, 100)
    seen = await soon(client.watch_order_book(SPOT))
    assert seen["asks"][0] == [101, 1]
    book(sim, SPOT, "100", "102", "3")
    while seen["asks"][0] != [102, 3]:
        seen = await soon(client.watch_order_book(SPOT))
    assert len(seen["asks"]) == 1


@pytest.mark.parametrize(("words", "made_by"), [(BYBIT, "execution"), (OKX, "my_fill")])
async def test_of_many_trades_a_page_makes_only_its_own_rows(monkeypatch, sim, client, words, made_by):
    """A history of 10,000 trades is a hundred pages, none of which may cost 10,000 rows."""
    book(sim, SPOT, amount="1000")
    for number in range(400):
        sim.engine.submit("main", NewOrder(SPOT, Side.BUY, OrderKind.MARKET, Decimal("0.1")), START_MS + number)
    told, module = [], importlib.import_module(f"btccxt.sim.dialects.{words.id}.order_format")
    make = getattr(module, made_by)
    monkeypatch.setattr(module, made_by, lambda *arguments: told.append(0) or make(*arguments))
    page = await client.fetch_my_trades(SPOT, START_MS, 100)
    assert len(page) == len(told) == 100
