"""Contract accounts in the words of Binance USD-M, Bybit and OKX: leverage, brackets, modes, funding, liquidation, and
the inverse contracts of the latter two.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import ccxt
import pytest

from btccxt.matching.brackets import Bracket
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import soon, until
from tests.sim.dialects.unified_kit import INVERSE, PERP, D, book, client_of, exchange, trade

MODES = {"okx": {"marginMode": "isolated"}}
CLOSE = {
    "algoType": "CONDITIONAL",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "STOP_MARKET",
    "triggerPrice": "90",
    "closePosition": "true",
}
BRACKETS = [Bracket(D(50_000), D(100), D("0.004")), Bracket(D(10**9), D(20), D("0.025"))]


@pytest.fixture(params=["binanceusdm", "bybit", "okx"])
async def sim(request: Any) -> AsyncIterator[SimExchange]:
    async with exchange(request.param, brackets={PERP: BRACKETS, INVERSE: BRACKETS}) as running:
        for symbol in (PERP, INVERSE):
            book(running, symbol, amount="1000")
        yield running


@pytest.fixture
async def client(sim: SimExchange) -> AsyncIterator[Any]:
    (name,) = sim.dialects
    async with client_of(sim, name) as connected:
        await connected.load_markets()
        yield connected


no_inverse = pytest.mark.parametrize("sim", ["bybit", "okx"], indirect=True)


def hedged(client: Any, side: str) -> dict[str, Any]:
    """What an order for one of two positions says, in the exchange's own words."""
    words = {
        "binanceusdm": {"positionSide": side.upper()},
        "bybit": {"positionIdx": 1 if side == "long" else 2},
        "okx": {"posSide": side},
    }
    return words[client.id]


def move(sim: SimExchange, symbol: str, price: str) -> None:
    book(sim, symbol, price, str(D(price) + 1), "1000")
    trade(sim, symbol, price)


# ------------------------------------------------------------------ leverage


async def test_leverage_is_set_listed_and_refused_beyond_the_bracket(client: Any) -> None:
    await client.set_leverage(10, PERP)
    await client.create_order(PERP, "market", "buy", 1)
    (position,) = await client.fetch_positions([PERP])
    assert (position["leverage"], position["initialMargin"]) == (10, pytest.approx(10.1))
    with pytest.raises(ccxt.BaseError, match=r"-4028|110013|59102"):
        await client.set_leverage(101, PERP)
    tiers = await client.fetch_market_leverage_tiers(PERP)
    assert [(tier["maxLeverage"], tier["maintenanceMarginRate"]) for tier in tiers] == [(100, 0.004), (20, 0.025)]
    assert position["maintenanceMargin"] == pytest.approx(position["notional"] * 0.004)


async def test_an_order_for_a_position_that_its_leverage_does_not_allow_is_refused(client: Any) -> None:
    await client.set_leverage(100, PERP)
    with pytest.raises(ccxt.BaseError, match=r"-2027|110090|51004"):
        await client.create_order(PERP, "limit", "buy", 600, 100)  # 60,000, and 50,000 is the most
    await client.create_order(PERP, "limit", "buy", 400, 100)


# ------------------------------------------------------------------ margin mode


async def test_isolated_margin_is_chosen_shown_and_lost_alone(sim: SimExchange, client: Any) -> None:
    if client.id == "okx":
        await client.set_margin_mode("isolated", PERP, {"lever": 20})
    else:
        await client.set_margin_mode("isolated", PERP)
    await client.create_order(PERP, "market", "buy", 100, None, MODES.get(client.id, {}))
    (position,) = await client.fetch_positions([PERP])
    assert 90 < position["liquidationPrice"] < 98
    raw = position["info"]
    shown = raw.get("marginType") or raw.get("mgnMode") or {0: "cross", 1: "isolated"}[raw["tradeMode"]]
    assert shown == "isolated"
    margin = sim.engine.positions("main")[0].margin
    before = sim.engine.balances("main")["USDT"].total
    move(sim, PERP, "50")
    assert sim.engine.positions("main") == []
    assert sim.engine.balances("main")["USDT"].total == before - margin


async def test_the_margin_mode_cannot_be_changed_under_a_position(client: Any) -> None:
    await client.create_order(PERP, "market", "buy", 1)
    with pytest.raises(ccxt.BaseError, match=r"-4048|3400045|51000"):
        if client.id == "okx":
            await client.create_order(PERP, "market", "buy", 1, None, MODES["okx"])
        else:
            await client.set_margin_mode("isolated", PERP)


# ------------------------------------------------------------------ two positions of one symbol


async def test_hedge_mode_holds_two_positions_and_wants_their_names(client: Any) -> None:
    await client.set_position_mode(True, PERP)
    with pytest.raises(ccxt.BaseError, match=r"-4061|position idx|51000"):
        await client.create_order(PERP, "market", "buy", 1, None, {"posSide": "net"} if client.id == "okx" else {})
    await client.create_order(PERP, "market", "buy", 3, None, hedged(client, "long"))
    await client.create_order(PERP, "market", "sell", 2, None, hedged(client, "short"))
    found = {p["side"]: (p["contracts"], p["hedged"]) for p in await client.fetch_positions([PERP])}
    assert found == {"long": (3, True), "short": (2, True)}
    await client.create_order(PERP, "market", "sell", 3, None, hedged(client, "long"))
    left = [(p["side"], p["contracts"]) for p in await client.fetch_positions([PERP]) if p["contracts"]]
    assert left == [("short", 2)]
    with pytest.raises(ccxt.BaseError, match=r"-4068|110024|59000"):
        await client.set_position_mode(False, PERP)


async def test_the_stream_tells_of_both_positions(sim: SimExchange, client: Any) -> None:
    await client.set_position_mode(True, PERP)
    seen: list[tuple[str, float]] = []
    for side, order in (("long", "buy"), ("short", "sell")):
        await client.create_order(PERP, "market", order, 1, None, hedged(client, side))

    async def watch() -> None:
        while len({side for side, _ in seen}) < 2:
            seen.extend((p["side"], p["contracts"]) for p in await client.watch_positions([PERP]))

    await soon(watch())
    assert set(seen) >= {("long", 1), ("short", 1)}


# ------------------------------------------------------------------ funding and liquidation


async def test_funding_is_charged_listed_and_taken_from_the_wallet(sim: SimExchange, client: Any) -> None:
    await client.create_order(PERP, "market", "sell", 2)
    before = sim.engine.balances("main")["USDT"].total
    sim.fund(PERP, D("0.0001"))
    (paid,) = await client.fetch_funding_history(PERP)
    received = -paid["amount"] if client.id == "bybit" else paid["amount"]  # what Bybit calls a fee is paid
    assert received == pytest.approx(float(sim.engine.balances("main")["USDT"].total - before)) and received > 0
    (charged,) = await client.fetch_funding_rate_history(PERP)
    assert charged["fundingRate"] == 0.0001
    if client.id != "bybit":
        assert (await client.fetch_funding_rate(PERP))["fundingRate"] == 0.0001
    (fill,) = [row for row in await client.fetch_my_trades(PERP) if row["info"].get("execType") != "Funding"]
    assert fill["amount"] == 2


async def test_a_liquidation_is_an_order_of_the_exchange_and_says_so(sim: SimExchange, client: Any) -> None:
    sim.deposit("main", "USDT", D("-99000"))
    await client.create_order(PERP, "market", "buy", 150)
    move(sim, PERP, "92")
    assert [p for p in await client.fetch_positions([PERP]) if p["contracts"]] == []
    params = {"execType": "BustTrade"} if client.id == "bybit" else {}  # ccxt asks for plain trades else
    (forced,) = [fill for fill in await client.fetch_my_trades(PERP, params=params) if fill["side"] == "sell"]
    assert forced["amount"] == 150
    if client.id == "bybit":
        assert (forced["info"]["execType"], forced["info"]["createType"]) == ("BustTrade", "CreateByLiq")
    elif client.id == "okx":
        order = await client.fetch_order(forced["order"], PERP)
        assert (order["info"]["category"], order["clientOrderId"]) == ("full_liquidation", None)
    else:
        order = await client.fetch_order(forced["order"], PERP)
        assert order["clientOrderId"].startswith("autoclose-")


# ------------------------------------------------------------------ inverse contracts


@no_inverse
async def test_an_inverse_contract_is_listed_traded_and_settled_in_its_base(sim: SimExchange, client: Any) -> None:
    market = client.markets[INVERSE]
    size = {"bybit": 1, "okx": 10}[client.id]  # in dollars
    assert (market["inverse"], market["settle"], market["contractSize"]) == (True, "BTC", size)
    made = await client.create_order(INVERSE, "market", "buy", 100 / size)
    order = await client.fetch_order(made["id"], INVERSE, {"acknowledged": True})
    assert (order["filled"], order["average"]) == (100 / size, 101)
    (fill,) = await client.fetch_my_trades(INVERSE)
    assert (fill["fee"]["currency"], fill["fee"]["cost"]) == ("BTC", pytest.approx(100 / 101 * 0.0005, abs=1e-8))
    trade(sim, INVERSE, "100")
    (position,) = await client.fetch_positions([INVERSE])
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 100 / size, 101)
    assert position["unrealizedPnl"] == pytest.approx(100 / 101 - 1, abs=1e-7)
    assert position["notional"] == pytest.approx(1)


@no_inverse
async def test_inverse_positions_are_told_and_liquidated(sim: SimExchange, client: Any) -> None:
    seen: list[float] = []
    amount = {"bybit": 1000, "okx": 100}[client.id]

    async def watch() -> None:
        while amount not in seen:
            seen.extend(p["contracts"] for p in await client.watch_positions([INVERSE]))

    await client.create_order(INVERSE, "market", "buy", amount)
    await soon(watch())
    sim.deposit("main", "BTC", D("-9"))
    move(sim, INVERSE, "80")
    await until(lambda: sim.engine.positions("main") == [])
    assert float((await client.fetch_balance())["BTC"]["total"]) < 1


@no_inverse
async def test_inverse_stops_funding_and_brackets(sim: SimExchange, client: Any) -> None:
    amount = {"bybit": 100, "okx": 10}[client.id]
    await client.create_order(INVERSE, "market", "buy", amount)
    params = {"stopLossPrice": 90, "reduceOnly": True}
    await client.create_order(INVERSE, "market", "sell", amount, None, params)
    sim.fund(INVERSE, D("0.001"))
    (paid,) = await client.fetch_funding_history(INVERSE)
    assert abs(paid["amount"]) == pytest.approx(100 / 101 * 0.001, abs=1e-7)
    tiers = await client.fetch_market_leverage_tiers(INVERSE)
    assert tiers[0]["maxLeverage"] == 100
    move(sim, INVERSE, "90")
    assert sim.engine.positions("main") == []


@pytest.mark.parametrize("sim", ["binanceusdm"], indirect=True)
async def test_a_close_position_order_closes_what_there_is(sim: SimExchange, client: Any) -> None:
    await client.create_order(PERP, "market", "buy", 3)
    with pytest.raises(ccxt.BaseError, match="-4137"):
        await client.create_order(
            PERP, "STOP_MARKET", "sell", 1, None, {"stopPrice": 90, "closePosition": True, "quantity": 1}
        )
    await client.fapiPrivatePostAlgoOrder(
        {
            "algoType": "CONDITIONAL",
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "STOP_MARKET",
            "triggerPrice": "90",
            "closePosition": "true",
        }
    )
    (row,) = await client.fapiPrivateGetOpenAlgoOrders()
    assert row["closePosition"] is True
    move(sim, PERP, "90")
    assert sim.engine.positions("main") == []
