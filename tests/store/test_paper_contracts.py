"""Contracts on a paper account: funding as the exchange charges it, on what was held then, and liquidation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from btccxt.errors import ConfigError, Unsupported
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import load_profile
from btccxt.matching.paper_options import PaperOptions
from btccxt.matching.records import LIQUIDATION, SimFill
from btccxt.model import (
    Fee,
    Market,
    MarketType,
    OrderKind,
    OrderRequest,
    Position,
    Side,
    StreamKey,
    StreamKind,
    Ticker,
    round_price,
)
from btccxt.orders.journal.journal import Journal
from btccxt.store.paper import PaperExchange
from btccxt.store.paper_funding import Charge, PaperFunding, charges
from tests.store.paper_bot import COIN, START, Walk

PERP = replace(COIN, symbol="COIN/USD:USD", settle="USD", type=MarketType.LINEAR, taker_rate=D(0), maker_rate=D(0))
SYMBOL = PERP.symbol
HOUR = 3_600_000
T = 1_700_000_000_000 - 1_700_000_000_000 % HOUR


def fill(at_ms: int, side: Side, amount: int) -> SimFill:
    return SimFill(1, "1", "a", "paper", SYMBOL, side, D(100), D(amount), Fee("USD", D(0)), False, at_ms)


def test_each_rate_is_charged_on_what_was_held_when_it_was_charged() -> None:
    fills = [
        fill(T - 5, Side.BUY, 3), fill(T + 5, Side.BUY, 2), fill(T + HOUR + 5, Side.SELL, 9),
        fill(T + 2 * HOUR + 5, Side.BUY, 4),
    ]  # fmt: skip
    rates = {T + number * HOUR: D(number) for number in range(-1, 4)}
    due = list(charges(rates, fills, {}, T - HOUR - 1))
    assert due == [
        Charge(T, D(0), None, D(3)), Charge(T + HOUR, D(1), None, D(5)), Charge(T + 2 * HOUR, D(2), None, D(-4)),
    ]  # fmt: skip
    assert list(charges(rates, fills, {}, T + HOUR)) == due[2:]
    assert list(charges({T: D(1)}, [], {"long": D(2), "short": D(-1)}, 0)) == [
        Charge(T, D(1), "long", D(2)), Charge(T, D(1), "short", D(-1)),
    ]  # fmt: skip


class Perpetual(Walk):
    def __init__(self, rates: Mapping[int, D] | None = None) -> None:
        super().__init__()
        self.rates = rates

    async def load_markets(self) -> Mapping[str, Market]:
        return {SYMBOL: PERP}

    def quote(self) -> Ticker:
        return Ticker(SYMBOL, T, self.price, self.price + 0.01, 5000.0, 5000.0, self.price)

    def can_stream(self, key: StreamKey) -> bool:
        return key.kind is StreamKind.TRADES

    async def stream(self, keys: object, deliver: object) -> None:
        await asyncio.Event().wait()

    async def fetch_funding_rates(self, symbol: str, since_ms: int) -> Mapping[int, D]:
        if self.rates is None:
            raise Unsupported("none")
        return {time_ms: rate for time_ms, rate in self.rates.items() if time_ms >= since_ms}


class Clock:
    ms = T + 10

    def now_ms(self) -> int:
        return self.ms


async def paper_on(exchange: Perpetual, clock: Clock, journal: Journal | None = None) -> PaperExchange:
    paper = PaperExchange(exchange, START, clock.now_ms)
    paper.journal = journal
    await paper.load_markets()
    return paper


def market_order(name: str, side: Side, amount: int) -> OrderRequest:
    return OrderRequest(name, SYMBOL, side, OrderKind.MARKET, D(amount))


async def usd(paper: PaperExchange) -> D:
    return (await paper.fetch_balance()).by_currency["USD"].total


async def test_funding_is_charged_once_in_this_process_and_the_next(tmp_path: Path) -> None:
    clock, exchange = Clock(), Perpetual({T: D("0.5"), T + HOUR: D("0.001"), T + 2 * HOUR: D("-0.002")})
    journal = Journal.open(tmp_path / "j", exchange="walk", mode="paper", account="nokey")
    paper = await paper_on(exchange, clock, journal)
    await paper.create_order(market_order("a", Side.BUY, 5))
    before = await usd(paper)
    funding = PaperFunding(exchange, paper.engine, clock.now_ms)
    await funding.charge()
    assert await usd(paper) == before, "what was charged before it was bought is not owed"
    clock.ms = T + HOUR + 20_000
    await funding.charge()
    await funding.charge()
    assert await usd(paper) == before - D("0.50005")
    await paper.create_order(market_order("b", Side.SELL, 5))
    await paper.close()
    journal.close()

    clock.ms = T + HOUR + 40_000
    journal = Journal.open(tmp_path / "j", exchange="walk", mode="paper", account="nokey")
    paper = await paper_on(exchange, clock, journal)
    await PaperFunding(exchange, paper.engine, clock.now_ms).charge()
    await paper.create_order(market_order("c", Side.SELL, 5))
    before = await usd(paper)
    clock.ms = T + 9 * HOUR
    await PaperFunding(exchange, paper.engine, clock.now_ms).charge()
    assert await usd(paper) == before - D("1"), "a short pays where the rate is negative"
    paid = await paper.fetch_funding(SYMBOL, 0)
    assert [(each.time_ms, each.amount, each.currency) for each in paid] == [
        (T + HOUR, D("-0.50005"), "USD"), (T + 2 * HOUR, D("-1"), "USD"),
    ]  # fmt: skip
    await paper.close()
    journal.close()


async def test_where_no_rates_are_listed_health_says_that_none_is_charged() -> None:
    exchange = Perpetual()
    paper = await paper_on(exchange, Clock())
    await paper.create_order(market_order("a", Side.BUY, 5))
    assert paper._funding is not None
    await paper._funding.charge()
    assert paper.facts()["funding"] is False
    await paper.close()


async def test_a_position_that_its_margin_no_longer_carries_is_liquidated_and_told() -> None:
    clock, exchange = Clock(), Perpetual({})
    paper = await paper_on(exchange, clock)
    await paper.set_leverage(D(20), SYMBOL, None)
    await paper.create_order(market_order("a", Side.BUY, 1_900))
    told: list[Any] = []
    paper._deliver[StreamKind.FILLS] = (StreamKey(StreamKind.FILLS), lambda key, news: told.append(news))
    paper._deliver[StreamKind.POSITIONS] = (StreamKey(StreamKind.POSITIONS), lambda key, news: told.append(news))
    (held,) = await paper.fetch_positions()
    assert held.liquidation_price is not None and 94 < held.liquidation_price < 96
    price = round_price(PERP, held.liquidation_price) - D("0.1")
    paper.engine.print_trade(SYMBOL, price, D(1), None, clock.now_ms())
    assert await paper.fetch_positions() == []
    forced, flat = told
    assert (forced.side, forced.amount) == (Side.SELL, D(1_900))
    assert flat == Position(SYMBOL, D(0), None, clock.now_ms())
    assert paper.engine.order("paper", symbol=SYMBOL, order_id=forced.order_id).request.label == LIQUIDATION
    assert 0 <= await usd(paper) < D(1_500)
    assert await usd(paper) == D(10_000) + (price - D("100.01")) * 1_900
    await paper.close()


def ccxt_with(monkeypatch: pytest.MonkeyPatch, **rest: Any) -> CCXTExchange:
    exchange = CCXTExchange(load_profile("binanceusdm", MarketType.LINEAR))

    async def nothing(*_: Any) -> Any:
        return PERP

    monkeypatch.setattr(exchange, "_rest", SimpleNamespace(**rest))
    monkeypatch.setattr(exchange, "_market", nothing)
    monkeypatch.setattr(exchange, "load_markets", nothing)
    return exchange


async def test_ccxts_rates_and_fees_are_exact_and_odd_ones_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def history(symbol: str, since_ms: int) -> Any:
        rows = [(T - 1, 0.1), (T, 0.0001), (T + HOUR, "-0.00025"), (None, 0.1), (T + 2 * HOUR, 7), (T + 3 * HOUR, None)]
        return [{"symbol": symbol, "timestamp": at, "fundingRate": rate} for at, rate in rows]

    async def fees() -> Any:
        return {SYMBOL: {"maker": 0.00018, "taker": 0.00045}, "OTHER": {"maker": None, "taker": None}}

    exchange = ccxt_with(
        monkeypatch, has={"fetchFundingRateHistory": True, "fetchTradingFees": True},
        fetch_funding_rate_history=history, fetch_trading_fees=fees,
    )  # fmt: skip
    assert await exchange.fetch_funding_rates(SYMBOL, T) == {T: D("0.0001"), T + HOUR: D("-0.00025")}
    assert await exchange.fetch_fee_rates() == {SYMBOL: (D("0.00018"), D("0.00045"))}
    exchange = ccxt_with(monkeypatch, has={})
    for call in (exchange.fetch_funding_rates(SYMBOL, T), exchange.fetch_fee_rates()):
        with pytest.raises(Unsupported):
            await call


async def test_the_accounts_own_fees_are_taken_or_their_lack_is_said() -> None:
    class Tier(Perpetual):
        async def fetch_fee_rates(self) -> Mapping[str, tuple[D, D]]:
            return {SYMBOL: (D("0.0001"), D("0.0003"))}

    paper = PaperExchange(Tier({}), START, Clock().now_ms, options=PaperOptions(account_fees=True))
    market = (await paper.load_markets())[SYMBOL]
    assert (market.maker_rate, market.taker_rate) == (D("0.0001"), D("0.0003"))
    await paper.close()
    with pytest.raises(ConfigError, match=r"account_fees: walk does not tell.*maker_fee_pct"):
        await PaperExchange(
            Perpetual({}), START, Clock().now_ms, options=PaperOptions(account_fees=True)
        ).load_markets()
