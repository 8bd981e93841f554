"""Every trade since a time, whatever page the exchange answers with first."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import ccxt
import pytest

from btccxt.errors import ConfigError
from btccxt.exchange.ccxt import translate
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.ccxt.my_trades import trades_since
from btccxt.exchange.profile.profile import PagingRule, load_profile
from btccxt.matching.records import NewOrder
from btccxt.model import MarketType, OrderKind, Side
from btccxt.resilience.clock import ExchangeClock
from btccxt.sim.dialects.base import SimAccount
from tests.sim.dialects.unified_kit import PERP, SPOT, START_MS, book
from tests.sim.dialects.unified_kit import exchange as embedded
from tests.sim_keys import SIM_KEYS

DAY_MS = 86_400_000
ACCOUNT = SimAccount().name
BINANCE = load_profile("binance", MarketType.SPOT)


class Account:
    """Trades, one a second beginning at ``start_ms``; ``answer`` cuts what was asked for into pages."""

    def __init__(self, count: int, answer: Callable[..., list[Any]], start_ms: int = START_MS, step_ms: int = 1_000):
        self.rows = [row(number, start_ms + number * step_ms) for number in range(count)]
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []

    async def read(self, *arguments: Any) -> list[Any]:
        self.asked.append(arguments)
        _, symbol, since_ms, limit, params = arguments
        until_ms = params.get("until", START_MS + 1_000 * DAY_MS)
        rows = [each for each in self.rows if since_ms <= each["timestamp"] <= until_ms]
        page = self.answer(rows, limit, params)
        return sorted((each for each in page if symbol in (None, each["symbol"])), key=lambda each: each["timestamp"])

    async def since(self, rule: PagingRule, since_ms: int = START_MS, now_ms: int = START_MS + DAY_MS) -> list[int]:
        def to_fill(each: Any) -> Any:
            return translate.fill(each, BINANCE)

        fills = await trades_since(self.read, to_fill, rule, SPOT, since_ms, now_ms)
        return [int(fill.trade_id) for fill in fills]


def row(number: int, time_ms: int, symbol: str = SPOT) -> dict[str, Any]:
    return {
        "id": str(number), "order": "1", "symbol": symbol, "side": "buy", "price": 100.0, "amount": 1.0, "cost": 100.0,
        "timestamp": time_ms, "takerOrMaker": "taker", "fee": None, "info": {"tradeId": str(number)},
    }  # fmt: skip


def newest_before_id(rows: list[Any], limit: int, params: Any) -> list[Any]:
    before = int(params.get("before", 10**9))
    return [each for each in rows if int(each["id"]) < before][-limit:]


def newest_with_offset(rows: list[Any], limit: int, params: Any) -> list[Any]:
    return rows[::-1][params.get("ofs", 0) :][:limit]


def newest_by_number(rows: list[Any], limit: int, params: Any) -> list[Any]:
    return rows[::-1][(params.get("page", 1) - 1) * limit :][:limit]


def oldest_first(rows: list[Any], limit: int, params: Any) -> list[Any]:
    return rows[:limit]


def newest_before_time(rows: list[Any], limit: int, params: Any) -> list[Any]:
    before = params.get("before", "9999")
    return [each for each in rows if iso(each["timestamp"]) < before][-limit:]


def iso(time_ms: int) -> str:
    return str(ccxt.Exchange.iso8601(time_ms))


def newest_with_cursor(rows: list[Any], limit: int, params: Any) -> list[Any]:
    start = int(params.get("cursor", 0))
    page = [{**each, "info": {}} for each in rows[::-1][start : start + limit]]
    if len(rows) > start + limit:
        page[0]["info"] = {"next": str(start + limit)}
    return page


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ({"next_page": "by_oldest_id", "param": "before", "field": "tradeId"}, newest_before_id),
        ({"next_page": "by_offset", "param": "ofs"}, newest_with_offset),
        ({"next_page": "by_number", "param": "page"}, newest_by_number),
        ({"next_page": "by_cursor", "param": "cursor", "field": "next"}, newest_with_cursor),
        ({"next_page": "by_oldest_time", "param": "before"}, newest_before_time),
        ({"next_page": "by_start_time"}, oldest_first),
    ],
    ids=lambda value: value["next_page"] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("count", [0, 9, 10, 11, 57])
async def test_every_trade_is_found_once_and_oldest_first_however_the_pages_go_on(
    rule: dict[str, Any], answer: Callable[..., list[Any]], count: int
) -> None:
    account = Account(count, answer)
    assert await account.since(PagingRule(page_size=10, **rule)) == list(range(count))
    assert await account.since(PagingRule(page_size=10, **rule), START_MS + 5_000) == list(range(5, count))


async def test_a_span_longer_than_one_request_may_have_is_asked_for_piece_by_piece() -> None:
    """Trades every six hours for ten days; the exchange looks at one day from the start it is given."""
    account = Account(40, oldest_first, step_ms=DAY_MS // 4)
    rule = PagingRule(next_page="by_start_time", page_size=10, window_ms=DAY_MS)
    assert await account.since(rule, now_ms=START_MS + 10 * DAY_MS) == list(range(40))
    spans = [params.get("until", 0) - since_ms for _, _, since_ms, _, params in account.asked]
    assert max(spans) == DAY_MS and len(spans) == 10


async def test_trades_of_other_symbols_do_not_make_a_page_look_like_the_last() -> None:
    account = Account(40, newest_with_offset)
    for each in account.rows[1::2]:
        each["symbol"] = "ETH/USDT"
    rule = PagingRule(next_page="by_offset", param="ofs", page_size=10, all_symbols=True)
    assert await account.since(rule) == list(range(0, 40, 2))


async def test_trades_that_happen_meanwhile_shift_the_pages_and_cost_none() -> None:
    account = Account(30, newest_with_offset)

    def answer(rows: list[Any], limit: int, params: Any) -> list[Any]:
        number = len(account.rows)
        account.rows.append(row(number, START_MS + number * 1_000))
        return newest_with_offset(rows, limit, params)

    account.answer = answer
    found = await account.since(PagingRule(next_page="by_offset", param="ofs", page_size=10))
    assert found[:30] == list(range(30)) and len(found) == len(set(found))


async def test_what_has_left_the_list_of_recent_trades_is_asked_of_the_archive() -> None:
    """The list has the last day; the archive has what is older than an hour."""
    now_ms = START_MS + 3 * DAY_MS
    account = Account(36, oldest_first, step_ms=DAY_MS // 12)

    def answer(rows: list[Any], limit: int, params: Any) -> list[Any]:
        if params.get("historical"):
            return oldest_first([each for each in rows if each["timestamp"] < now_ms - 3_600_000], limit, params)
        return oldest_first([each for each in rows if each["timestamp"] >= now_ms - DAY_MS], limit, params)

    account.answer = answer
    rule = PagingRule(
        next_page="by_start_time", page_size=10, archive={"historical": True}, archive_after_ms=DAY_MS // 2
    )
    assert await account.since(rule, now_ms=now_ms) == list(range(36))
    account.asked.clear()
    assert await account.since(rule, now_ms - DAY_MS // 4, now_ms) == [33, 34, 35]
    assert not any(params.get("historical") for *_, params in account.asked)


def test_a_rule_that_does_not_say_what_it_needs_is_refused() -> None:
    with pytest.raises(ConfigError, match="param"):
        load_profile("kraken", MarketType.SPOT, {"my_trades": {"param": ""}})


# ------------------------------------------------------------------ through unmodified ccxt


@pytest.mark.parametrize(
    ("exchange_id", "symbol", "count"),
    [
        ("kraken", SPOT, 60),
        ("bybit", SPOT, 120),
        ("bybit", PERP, 120),
        ("okx", SPOT, 120),
        ("binanceusdm", PERP, 60),
    ],
)
async def test_more_fills_than_a_page_over_more_than_a_week_are_all_found_on_the_embedded_exchange(
    exchange_id: str, symbol: str, count: int
) -> None:
    market_type = MarketType.LINEAR if symbol == PERP else MarketType.SPOT
    async with embedded(exchange_id) as sim:
        book(sim, symbol, amount="1000")
        for number in range(count):
            if number == count // 2:
                sim.advance(8 * DAY_MS)  # more than some exchanges look at in one request
            sim.engine.submit(ACCOUNT, NewOrder(symbol, Side.BUY, OrderKind.MARKET, D("0.1")), sim.venue.now_ms())
            sim.advance(1_000)
        subject = CCXTExchange(
            load_profile(exchange_id, market_type),
            SIM_KEYS,
            clock=ExchangeClock(sim.clock),
            connector=sim.connector,
        )
        await subject.open()
        try:
            there = sim.engine.fills(ACCOUNT, symbol)
            assert len(there) == count
            found = await subject.fetch_my_trades(symbol, START_MS)
            assert [fill.time_ms for fill in found] == [fill.time_ms for fill in there]
            exactly = await subject.fetch_my_trades(symbol, there[7].time_ms)
            assert len(exactly) == count - 7
        finally:
            await subject.close()


@pytest.mark.parametrize("exchange_id", ["binance", "bybit", "okx", "kraken"])
async def test_of_a_trade_with_itself_the_account_hears_the_side_that_rested_first(exchange_id: str) -> None:
    """In the order in which the exchange booked them: on a contract what they realise depends on it."""
    async with embedded(exchange_id) as sim:
        book(sim, SPOT, amount="1000")
        best_bid, _ = sim.engine.best(SPOT)
        assert best_bid is not None
        own = NewOrder(SPOT, Side.BUY, OrderKind.LIMIT, D("0.5"), price=best_bid + D("0.1"))
        sim.engine.submit(ACCOUNT, own, sim.venue.now_ms())
        sim.engine.submit(ACCOUNT, NewOrder(SPOT, Side.SELL, OrderKind.MARKET, D("0.7")), sim.venue.now_ms())
        subject = CCXTExchange(
            load_profile(exchange_id, MarketType.SPOT),
            SIM_KEYS,
            clock=ExchangeClock(sim.clock),
            connector=sim.connector,
        )
        await subject.open()
        try:
            sides = [fill.side for fill in await subject.fetch_my_trades(SPOT, START_MS)]
        finally:
            await subject.close()
        assert sides == [fill.side for fill in sim.engine.fills(ACCOUNT, SPOT)] == [Side.BUY, Side.SELL, Side.SELL]
