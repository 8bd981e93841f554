"""Public market data of the Binance dialect, over REST, as the unmodified ccxt client reads it."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from btccxt.model import Side
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import START_MS, SYMBOL, trade

MINUTE_MS = 60_000


async def test_markets_are_parsed_with_their_steps_and_limits(client: Any) -> None:
    market = client.market(SYMBOL)
    assert set(client.markets) == {SYMBOL, "ETH/BTC"}
    assert market["active"] and market["spot"]
    assert market["precision"]["price"] == 0.01
    assert market["precision"]["amount"] == 0.00001
    assert market["limits"]["cost"]["min"] == 5.0
    assert market["limits"]["amount"]["min"] == 0.00001
    assert market["info"]["orderTypes"] == [
        "LIMIT",
        "LIMIT_MAKER",
        "MARKET",
        "STOP_LOSS",
        "STOP_LOSS_LIMIT",
        "TAKE_PROFIT",
        "TAKE_PROFIT_LIMIT",
    ]


async def test_currencies_and_margin_pairs_load_with_keys(client: Any) -> None:
    assert {"BTC", "USDT", "ETH"} <= set(client.currencies)
    client.options["fetchMargins"] = True
    assert SYMBOL in await client.load_markets(reload=True)


async def test_server_time_is_the_clock_of_the_exchange(sim: SimExchange, client: Any) -> None:
    assert await client.fetch_time() == START_MS
    sim.advance(1_234)
    assert await client.fetch_time() == START_MS + 1_234
    assert (await client.fetch_status())["status"] == "ok"


async def test_candles_come_in_pages_without_hole_or_overlap(sim: SimExchange, client: Any) -> None:
    for n in range(1, 10):
        sim.advance(MINUTE_MS)
        trade(sim, str(100 + n))
    paged: list[Any] = []
    since = START_MS
    while page := await client.fetch_ohlcv(SYMBOL, "1m", since, 4):
        paged += page
        since = page[-1][0] + MINUTE_MS
    assert [row[0] for row in paged] == [START_MS + n * MINUTE_MS for n in range(10)]
    assert [row[4] for row in paged] == [100.5, 101, 102, 103, 104, 105, 106, 107, 108, 109]


async def test_without_since_the_latest_candles_come_the_forming_one_last(sim: SimExchange, client: Any) -> None:
    for n in range(1, 5):
        sim.advance(MINUTE_MS)
        trade(sim, str(100 + n), "2")
    trade(sim, "99", "1.5")
    rows = await client.fetch_ohlcv(SYMBOL, "1m", limit=2)
    assert rows == [
        [START_MS + 3 * MINUTE_MS, 103.0, 103.0, 103.0, 103.0, 2.0],
        [START_MS + 4 * MINUTE_MS, 104.0, 104.0, 99.0, 99.0, 3.5],
    ]


async def test_candles_end_where_until_says_and_the_last_one_is_whole(sim: SimExchange, client: Any) -> None:
    for n in range(1, 6):
        trade(sim, str(200 + n))
        sim.advance(30_000)
    rows = await client.fetch_ohlcv(SYMBOL, "1m", params={"until": START_MS + MINUTE_MS})
    assert [row[0] for row in rows] == [START_MS, START_MS + MINUTE_MS]
    assert rows[1][1:5] == [203.0, 204.0, 203.0, 204.0]


async def test_every_interval_of_the_exchange_is_served(client: Any) -> None:
    assert len(client.timeframes) == 16
    for timeframe in client.timeframes:
        assert [row[4] for row in await client.fetch_ohlcv(SYMBOL, timeframe, limit=1)] == [100.5], timeframe


async def test_public_trades_carry_the_takers_side(sim: SimExchange, client: Any) -> None:
    sim.advance(10)
    trade(sim, "100.2", "0.3", Side.SELL)
    for method in ("publicGetAggTrades", "publicGetTrades", "publicGetHistoricalTrades"):
        trades = await client.fetch_trades(SYMBOL, params={"fetchTradesMethod": method})
        assert [(t["price"], t["amount"], t["side"]) for t in trades] == [(100.5, 1.0, "buy"), (100.2, 0.3, "sell")]
    since = await client.fetch_trades(SYMBOL, since=START_MS + 5)
    assert [t["price"] for t in since] == [100.2]


async def test_the_order_book_shows_the_market_and_the_accounts_together(sim: SimExchange, client: Any) -> None:
    await client.create_order(SYMBOL, "limit", "buy", 0.5, 99)
    book = await client.fetch_order_book(SYMBOL)
    assert book["bids"] == [[100.0, 1.0], [99.0, 0.5]]
    assert book["asks"] == [[101.0, 1.0]]


async def test_tickers_tell_bid_ask_last_and_the_day(sim: SimExchange, client: Any) -> None:
    sim.advance(MINUTE_MS)
    trade(sim, "110", "3")
    ticker = await client.fetch_ticker(SYMBOL)
    assert (ticker["bid"], ticker["ask"], ticker["last"]) == (100.0, 101.0, 110.0)
    assert (ticker["open"], ticker["high"], ticker["low"], ticker["baseVolume"]) == (100.5, 110.0, 100.5, 4.0)
    assert set(await client.fetch_tickers()) == {SYMBOL, "ETH/BTC"}
    assert (await client.fetch_bids_asks([SYMBOL]))[SYMBOL]["askVolume"] == 1.0
    assert (await client.fetch_last_prices([SYMBOL]))[SYMBOL]["price"] == 110.0


async def test_trading_fees_are_the_markets_own(client: Any) -> None:
    fee = await client.fetch_trading_fee(SYMBOL)
    assert (fee["maker"], fee["taker"]) == (0.001, 0.002)
    assert set(await client.fetch_trading_fees()) == {SYMBOL, "ETH/BTC"}


async def test_a_contract_host_has_no_markets_and_no_endpoints_here(client: Any) -> None:
    assert (await client.fapiPublicGetExchangeInfo())["symbols"] == []
    with pytest.raises(ccxt.ExchangeNotAvailable):
        await client.fapiPublicGetTime()


async def test_wrong_symbols_intervals_and_surplus_parameters_are_refused(client: Any) -> None:
    with pytest.raises(ccxt.BadSymbol, match="-1121"):
        await client.publicGetKlines({"symbol": "NOPEUSDT", "interval": "1m"})
    with pytest.raises(ccxt.BadRequest, match="-1120"):
        await client.publicGetKlines({"symbol": "BTCUSDT", "interval": "7m"})
    with pytest.raises(ccxt.BadRequest, match="-1102"):
        await client.publicGetKlines({"interval": "1m"})
    with pytest.raises(ccxt.BadRequest, match="-1101"):
        await client.publicGetTickerPrice({"symbol": "BTCUSDT", "colour": "red"})
    with pytest.raises(ccxt.BadRequest, match="-1100"):
        await client.publicGetDepth({"symbol": "BTCUSDT", "limit": "many"})
