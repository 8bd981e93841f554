# ruff: noqa: E501 - one row per line reads as a table
"""The account's trades by REST, through unmodified ccxt, from venues that answer as each exchange documents it.

Each venue has more fills than two pages. Asked for, continued and read as the mapping table says, every fill is found
once, with its side, amount, fee and coin. Facts of the documentation, own figures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from btccxt.exchange.ccxt import translate
from btccxt.exchange.ccxt.my_trades import trades_since
from btccxt.exchange.guard import decode_request
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import Fill, MarketType, Side
from tests.exchange.capture import make_exchange, symbol_of

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
START_MS = 1_700_000_000_000
PAGE = 10
Fields = Mapping[str, Any]


def iso(time_ms: int) -> str:
    return f"2023-11-14T22:{13 + (time_ms - START_MS + 20_000) // 60_000:02d}:{(time_ms - START_MS + 20_000) // 1_000 % 60:02d}.{time_ms % 1_000:03d}Z"


@dataclass(frozen=True)
class Venue:
    """``row`` makes the raw fill of a number and a time; ``answer`` makes one page of rows, oldest first, into an answer.

    ``choose`` picks the page; ``max_size`` is the largest page that the exchange documents.
    """

    exchange_id: str
    market_type: MarketType
    row: Callable[[int, int], Any]
    choose: Callable[[list[Any], Fields], list[Any]]
    wrap: Callable[[list[Any], Fields], Any]
    max_size: int
    fee: tuple[str, str] | None
    amount: str = "0.5"
    page: int = PAGE
    """Rows in a full page; less than the table says where the request can ask for less."""


def number_of(row: Any, key: str) -> int:
    return int(row[key])


def newest(count: int) -> Callable[[list[Any]], list[Any]]:
    return lambda rows: rows[::-1][:count]


def by_id(param: str, key: str, size: str, *, inclusive: bool = False) -> Callable[[list[Any], Fields], list[Any]]:
    """Newest first, from before an id."""

    def choose(rows: list[Any], fields: Fields) -> list[Any]:
        limit = int(fields[size])
        if param in fields:
            edge = int(fields[param]) + inclusive
            rows = [each for each in rows if int(each[key]) < edge]
        return rows[::-1][:limit]

    return choose


def by_number(param: str, size: str) -> Callable[[list[Any], Fields], list[Any]]:
    """Newest first, in numbered pages."""

    def choose(rows: list[Any], fields: Fields) -> list[Any]:
        limit, page = int(fields[size]), int(fields.get(param, 1))
        return rows[::-1][(page - 1) * limit : page * limit]

    return choose


def by_offset(rows: list[Any], fields: Fields) -> list[Any]:
    start = int(fields.get("offset", 0))
    return rows[::-1][start : start + int(fields["limit"])]


def from_start(param: str, size: str | None, time_of: Callable[[Any], int], most: int) -> Any:
    """Oldest first, from a time on."""

    def choose(rows: list[Any], fields: Fields) -> list[Any]:
        limit = most if size is None else int(fields[size])
        return [each for each in rows if time_of(each) >= int(fields[param])][:limit]

    return choose


def kraken_futures_page(rows: list[Any], fields: Fields) -> list[Any]:
    edge = fields.get("lastFillTime", "9999")
    return [each for each in rows if each["fillTime"] < edge][::-1][:100]


def coinbase_page(rows: list[Any], fields: Fields) -> list[Any]:
    start = int(fields.get("cursor", 0))
    return rows[::-1][start : start + int(fields["limit"])]


def coinbase_answer(page: list[Any], fields: Fields) -> Any:
    start, limit = int(fields.get("cursor", 0)), int(fields["limit"])
    return {"fills": page, "cursor": str(start + limit) if len(page) == limit else ""}


def deribit_page(rows: list[Any], fields: Fields) -> list[Any]:
    assert fields["sorting"] == "asc"
    now_ms = rows[-1]["timestamp"]
    archived = str(fields.get("historical")).lower() == "true"
    there = [each for each in rows if archived or each["timestamp"] >= now_ms - 86_400_000]
    return [each for each in there if each["timestamp"] >= int(fields["start_timestamp"])][: int(fields["count"])]


VENUES = [
    Venue(
        "krakenfutures", LINEAR,
        lambda n, t: {"fill_id": f"f{n}", "symbol": "PF_XBTUSD", "side": "buy", "order_id": "7", "cliOrdId": "b1", "size": 0.5, "price": 100, "fillTime": iso(t), "fillType": "taker"},
        kraken_futures_page, lambda page, _: {"result": "success", "fills": page}, 100, None, page=100,
    ),
    Venue(
        "coinbase", SPOT,
        lambda n, t: {"entry_id": f"e{n}", "trade_id": f"t{n}", "order_id": "7", "trade_time": iso(t), "trade_type": "FILL", "price": "100", "size": "0.5", "commission": "0.05", "product_id": "BTC-USD", "sequence_timestamp": iso(t), "liquidity_indicator": "TAKER", "size_in_quote": False, "user_id": "u", "side": "BUY"},
        coinbase_page, coinbase_answer, 250, ("USD", "0.05"),
    ),
    Venue(
        "kucoin", SPOT,
        lambda n, t: {"id": 1_000 + n, "orderId": "7", "counterOrderId": "8", "tradeId": 5_000 + n, "symbol": "BTC-USDT", "side": "buy", "liquidity": "taker", "type": "limit", "forceTaker": False, "price": "100", "size": "0.5", "funds": "50", "fee": "0.05", "feeRate": "0.001", "feeCurrency": "USDT", "stop": "", "tradeType": "TRADE", "createdAt": t},
        by_id("lastId", "id", "limit"), lambda page, _: {"code": "200000", "data": {"items": page, "lastId": page[-1]["id"] if page else 0}}, 100, ("USDT", "0.05"),
    ),
    Venue(
        "kucoin", LINEAR,
        lambda n, t: {"symbol": "XBTUSDTM", "tradeId": str(5_000 + n), "orderId": "7", "side": "buy", "liquidity": "taker", "forceTaker": False, "price": "100", "size": 1, "value": "0.1", "feeRate": "0.0006", "fixFee": "0", "feeCurrency": "USDT", "stop": "", "fee": "0.05", "orderType": "limit", "tradeType": "trade", "createdAt": t, "settleCurrency": "USDT", "tradeTime": t * 1_000_000},
        by_number("currentPage", "pageSize"), lambda page, _: {"code": "200000", "data": {"currentPage": 1, "pageSize": 10, "totalNum": 23, "totalPage": 3, "items": page}}, 1000, ("USDT", "0.05"), "1",
    ),
    Venue(
        "gate", SPOT,
        lambda n, t: {"id": str(5_000 + n), "create_time": str(t // 1000), "create_time_ms": f"{t}.123", "currency_pair": "BTC_USDT", "side": "buy", "role": "taker", "amount": "0.5", "price": "100", "order_id": "7", "fee": "0.0005", "fee_currency": "BTC", "point_fee": "0", "gt_fee": "0", "amend_text": "-", "sequence_id": str(n), "text": "t-b1"},
        by_number("page", "limit"), lambda page, _: page, 1000, ("BTC", "0.0005"),
    ),
    Venue(
        "gate", LINEAR,
        lambda n, t: {"trade_id": str(5_000 + n), "create_time": t / 1000, "contract": "BTC_USDT", "order_id": "7", "size": 1, "close_size": 0, "price": "100", "role": "taker", "text": "t-b1", "fee": "0.05", "point_fee": "0"},
        by_offset, lambda page, _: page, 1000, ("USDT", "0.05"), "1",
    ),
    Venue(
        "bitget", SPOT,
        lambda n, t: {"userId": "1", "symbol": "BTCUSDT", "orderId": "7", "tradeId": str(5_000 + n), "orderType": "limit", "side": "buy", "priceAvg": "100", "size": "0.5", "amount": "50", "feeDetail": {"deduction": "no", "feeCoin": "BTC", "totalDeductionFee": "", "totalFee": "-0.0005"}, "tradeScope": "taker", "cTime": str(t), "uTime": str(t)},
        by_id("idLessThan", "tradeId", "limit"), lambda page, _: {"code": "00000", "msg": "success", "data": page}, 100, ("BTC", "0.0005"),
    ),
    Venue(
        "bitget", LINEAR,
        lambda n, t: {"tradeId": str(5_000 + n), "symbol": "BTCUSDT", "orderId": "7", "price": "100", "baseVolume": "0.5", "feeDetail": [{"deduction": "no", "feeCoin": "USDT", "totalDeductionFee": "0", "totalFee": "-0.05"}], "side": "buy", "quoteVolume": "50", "profit": "0", "enterPointSource": "api", "tradeSide": "buy_single", "posMode": "one_way_mode", "tradeScope": "taker", "cTime": str(t)},
        by_id("idLessThan", "tradeId", "limit"), lambda page, _: {"code": "00000", "msg": "success", "data": {"fillList": page, "endId": page[-1]["tradeId"] if page else ""}}, 100, ("USDT", "0.05"),
    ),
    Venue(
        "mexc", LINEAR,
        lambda n, t: {"id": str(5_000 + n), "symbol": "BTC_USDT", "side": 1, "vol": 1, "price": 100, "feeCurrency": "USDT", "fee": 0.05, "timestamp": t, "profit": 0, "category": 1, "orderId": "7", "positionMode": 2, "taker": True},
        by_number("page_num", "page_size"), lambda page, _: {"success": True, "code": 0, "data": page}, 100, ("USDT", "0.05"), "1",
    ),
    Venue(
        "htx", SPOT,
        lambda n, t: {"symbol": "btcusdt", "fee-currency": "btc", "source": "spot-api", "order-id": 7, "created-at": t, "role": "taker", "price": "100", "match-id": n, "filled-amount": "0.5", "filled-fees": "0.001", "filled-points": "0.0", "fee-deduct-currency": "", "fee-deduct-state": "done", "id": 5_000 + n, "trade-id": 9_000 + n, "type": "buy-limit"},
        by_id("from", "id", "size", inclusive=True), lambda page, _: {"status": "ok", "data": page}, 500, ("BTC", "0.001"),
    ),
    Venue(
        "bitfinex", SPOT,
        lambda n, t: [5_000 + n, "tBTCUSD", t, 7, 0.5, 100, "EXCHANGE LIMIT", 100, -1, -0.05, "USD", 17],
        from_start("start", "limit", lambda row: int(row[2]), 2500), lambda page, fields: page if str(fields["sort"]) == "1" else page[::-1], 2500, ("USD", "0.05"),
    ),
    Venue(
        "hyperliquid", LINEAR,
        lambda n, t: {"closedPnl": "0.0", "coin": "BTC", "crossed": True, "dir": "Open Long", "hash": "0x0", "oid": 7, "px": "100", "side": "B", "startPosition": "0.0", "sz": "0.5", "time": t, "fee": "0.05", "feeToken": "USDC", "tid": 5_000 + n},
        from_start("startTime", None, lambda row: int(row["time"]), 20), lambda page, _: page, 2000, ("USDC", "0.05"), page=20,
    ),
    Venue(
        "deribit", LINEAR,
        lambda n, t: {"trade_seq": n, "trade_id": f"USDC-{n}", "timestamp": t, "tick_direction": 0, "state": "open", "self_trade": False, "reduce_only": False, "profit_loss": 0.0, "price": 100.0, "post_only": False, "order_type": "limit", "order_id": "USDC-7", "matching_id": None, "mark_price": 100.0, "liquidity": "T", "label": "b1", "instrument_name": "BTC_USDC-PERPETUAL", "index_price": 100.0, "fee_currency": "USDC", "fee": 0.05, "direction": "buy", "contracts": 5.0, "amount": 0.5},
        deribit_page, lambda page, _: {"jsonrpc": "2.0", "result": {"trades": page, "has_more": False}}, 1000, ("USDC", "0.05"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: f"{venue.exchange_id}-{venue.market_type.value}")
async def test_every_fill_of_more_than_two_pages_is_found_once_with_its_fee(venue: Venue) -> None:
    count = 2 * venue.page + 3
    rows = [venue.row(number, START_MS + number * 1_000) for number in range(count)]
    asked: list[Fields] = []
    fills = await _since(venue, rows, asked, START_MS + count * 1_000)
    assert [fill.time_ms for fill in fills] == [START_MS + number * 1_000 for number in range(count)]
    assert len({fill.trade_id for fill in fills}) == count
    for fill in fills:
        assert (fill.side, fill.amount, fill.price) == (Side.BUY, Decimal(venue.amount), Decimal(100))
        assert fill.order_id in ("7", "USDC-7")
        told = None if fill.fee is None else (fill.fee.currency, str(fill.fee.cost))
        assert told == venue.fee
        assert fill.maker is False
    assert 3 <= len(asked) <= 5, "pages"
    assert len({json.dumps(dict(fields), sort_keys=True, default=str) for fields in asked}) == len(asked)


async def test_a_day_away_from_deribit_is_read_from_its_archive() -> None:
    venue = VENUES[-1]
    rows = [venue.row(number, START_MS + number * 7_200_000) for number in range(36)]
    asked: list[Fields] = []
    fills = await _since(venue, rows, asked, rows[-1]["timestamp"] + 1_000)
    assert [fill.time_ms for fill in fills] == [each["timestamp"] for each in rows]
    assert {str(fields.get("historical")).lower() for fields in asked} == {"true", "none"}


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: f"{venue.exchange_id}-{venue.market_type.value}")
def test_no_page_is_larger_than_the_exchange_documents(venue: Venue) -> None:
    assert load_profile(venue.exchange_id, venue.market_type).my_trades.page_size <= venue.max_size


async def _since(venue: Venue, rows: list[Any], asked: list[Fields], now_ms: int) -> list[Fill]:
    profile = load_profile(venue.exchange_id, venue.market_type)
    rule = profile.my_trades.model_copy(update={"page_size": venue.page})
    exchange, _ = make_exchange.__wrapped__(venue.exchange_id, venue.market_type)

    async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        _, fields = decode_request(url, body)
        asked.append(
            {
                name: value
                for name, value in fields.items()
                if name.lower() not in ("timestamp", "signature", "end", "nonce")
            }
        )
        assert len(asked) < 20, "never ends"
        return venue.wrap(venue.choose(rows, fields), fields)

    exchange.fetch = fetch

    async def read(_method: str, *arguments: Any) -> Any:
        return await exchange.fetch_my_trades(*arguments)

    def to_fill(row: Mapping[str, Any]) -> Fill:
        return translate.fill(row, profile)

    symbol = symbol_of(venue.exchange_id, venue.market_type)
    return await trades_since(read, to_fill, rule, symbol, START_MS, now_ms)
