"""Leverage, margin mode and position mode at the start: through ccxt, on the dialects of three exchanges."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from btccxt import CCXTStore
from btccxt.account.contract_terms import (
    ContractWishes,
    TradedTerms,
    leverages,
    margin_modes,
    too_large,
    with_told_leverage,
)
from btccxt.config import Mode
from btccxt.errors import ConfigError, Unreadable
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import load_profile
from btccxt.matching.brackets import Bracket
from btccxt.matching.records import NewOrder
from btccxt.model import (
    ContractTerms,
    LeverageBracket,
    MarginMode,
    MarketType,
    OrderKind,
    OrderRequest,
    Position,
    PositionMode,
    Side,
)
from btccxt.resilience.clock import ExchangeClock
from btccxt.sim.dialects import dialect_class
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.markets import inverse_market, linear_market
from btccxt.sim.server import SimExchange
from btccxt.store.build_config import build_config
from btccxt.store.contracts import in_position_mode, prepare_contracts
from tests.e2e.stage import Venue
from tests.sim.dialects.unified_kit import PERP, book, exchange

BRACKETS = [Bracket(D(50_000), D(100), D("0.004")), Bracket(D(10**9), D(20), D("0.025"))]


class Desk:
    """One account on the embedded exchange, and what its owner is told."""

    def __init__(self, sim: SimExchange) -> None:
        (name,) = sim.dialects
        self.sim = sim
        self.subject = CCXTExchange(
            load_profile(name, MarketType.LINEAR),
            dialect_class(name).client_keys(SimAccount()),
            clock=ExchangeClock(sim.clock),
            connector=sim.connector,
        )
        self.said: list[str] = []

    async def start(self, symbols: tuple[str, ...] = (PERP,), **wishes: Any) -> dict[str, TradedTerms]:
        markets = await self.subject.load_markets()
        asked = ContractWishes(
            leverages(wishes.get("leverage")), margin_modes(wishes.get("margin_mode")), wishes.get("position_mode")
        )
        return await prepare_contracts(
            self.subject, markets, symbols, asked, self.said.append, self._trouble, currency="USDT"
        )

    def _trouble(self, what: str, error: BaseException) -> None:
        raise AssertionError(what) from error


@pytest.fixture(params=["binanceusdm", "bybit", "okx"])
async def desk(request: Any) -> AsyncIterator[Desk]:
    async with exchange(request.param, brackets={PERP: BRACKETS}) as sim:
        book(sim, PERP, amount="1000")
        made = Desk(sim)
        await made.subject.open()
        yield made
        await made.subject.close()


async def test_an_account_is_taken_as_it_is_and_nothing_is_said(desk: Desk) -> None:
    desk.sim.engine.set_leverage("main", PERP, D(7), desk.sim.venue.now_ms())
    found = await desk.start()
    assert found[PERP].terms == ContractTerms(PERP, D(7), MarginMode.CROSS)
    assert [bracket.max_leverage for bracket in found[PERP].brackets] == [100, 20]
    assert desk.said == []


async def test_leverage_is_set_where_it_differs_and_said(desk: Desk) -> None:
    found = await desk.start(leverage={PERP: 5})
    assert found[PERP].terms.leverage == desk.sim.engine.leverage("main", PERP) == 5
    assert desk.said == [f"{desk.subject.id}: {PERP}: leverage 20 -> 5, as asked"]
    desk.said.clear()
    await desk.start(leverage=5)
    assert desk.said == []


async def test_leverage_beyond_the_bracket_is_refused_before_anything_is_changed(desk: Desk) -> None:
    with pytest.raises(ConfigError, match=rf"leverage=101 of {PERP}: the exchange allows 100 at most"):
        await desk.start(leverage=101, margin_mode="isolated")
    assert desk.sim.engine.leverage("main", PERP) == 20
    assert not desk.sim.engine.is_isolated("main", PERP)
    assert desk.said == []


async def test_isolated_margin_is_set_and_what_is_opened_has_it(desk: Desk) -> None:
    found = await desk.start(leverage=5, margin_mode="isolated")
    assert (found[PERP].terms.margin_mode, found[PERP].terms.leverage) == (MarginMode.ISOLATED, 5)
    await desk.subject.create_order(OrderRequest("x1", PERP, Side.BUY, OrderKind.MARKET, D(10)))
    (position,) = desk.sim.engine.positions("main")
    assert position.margin_mode == "isolated"
    assert position.leverage == 5


async def test_a_hedge_account_is_refused_in_one_sentence_or_switched_where_that_is_asked(desk: Desk) -> None:
    desk.sim.engine.set_hedge_mode("main", True)
    with pytest.raises(ConfigError, match=r"hedge mode .* position_mode='one_way'"):
        await desk.start()
    assert desk.sim.engine.is_hedged("main")
    await desk.start(position_mode=PositionMode.ONE_WAY)
    assert not desk.sim.engine.is_hedged("main")
    assert desk.said == [f"{desk.subject.id}: position mode hedge -> one_way, as position_mode asks"]


async def test_an_account_is_switched_to_hedge_mode_where_that_is_asked_and_stays_so(desk: Desk) -> None:
    await desk.start(position_mode=PositionMode.HEDGE)
    assert desk.sim.engine.is_hedged("main")
    assert desk.said == [f"{desk.subject.id}: position mode one_way -> hedge, as position_mode asks"]
    await desk.start((f"{PERP} long", f"{PERP} short"), position_mode=PositionMode.HEDGE)
    assert len(desk.said) == 1


async def test_a_one_way_account_with_a_position_cannot_be_switched_to_hedge_mode(desk: Desk) -> None:
    desk.sim.engine.submit("main", NewOrder(PERP, Side.BUY, OrderKind.MARKET, D(1)), 0)
    with pytest.raises(ConfigError, match="position_mode='hedge' cannot be set"):
        await desk.start(position_mode=PositionMode.HEDGE)


async def test_a_data_of_one_of_two_positions_is_refused_in_one_way_mode(desk: Desk) -> None:
    with pytest.raises(ConfigError, match=rf"{PERP}: position_side='short': the account is in one-way mode"):
        await desk.start((PERP, f"{PERP} short"))


@pytest.mark.parametrize(
    ("exchange", "mode", "words"),
    [("gate", Mode.LIVE, "nobody has proven how gate linear is traded"),
     ("bybit", Mode.PAPER, "a paper account has one position a symbol")],
)  # fmt: skip
def test_hedge_mode_is_refused_where_nobody_has_proven_it_and_on_paper(exchange: str, mode: Mode, words: str) -> None:
    settings = build_config({"exchange": exchange, "mode": mode, "position_mode": "hedge"})
    with pytest.raises(ConfigError, match=words):
        in_position_mode(SimpleNamespace(exchange=None), settings, load_profile(exchange, MarketType.LINEAR))


async def test_a_hedge_account_with_positions_cannot_be_switched_and_the_exchange_says_why(desk: Desk) -> None:
    engine = desk.sim.engine
    engine.set_hedge_mode("main", True)
    engine.submit("main", NewOrder(PERP, Side.BUY, OrderKind.MARKET, D(1), position_side="long"), 0)
    with pytest.raises(ConfigError, match=r"position_mode='one_way' cannot be set: .*(-4068|110024|59000)"):
        await desk.start(position_mode=PositionMode.ONE_WAY)


async def test_a_symbol_that_is_not_there_and_words_of_contracts_on_spot_are_refused(desk: Desk) -> None:
    with pytest.raises(ConfigError, match=r"no such contract; did you mean BTC/USDT:USDT\?"):
        await desk.start(leverage={"BTC/USDT:USD": 3})
    with pytest.raises(ConfigError, match="are for contracts, and this is a spot account"):
        await prepare_contracts(
            desk.subject, {}, (), ContractWishes(leverages(3)), desk.said.append, desk._trouble, currency="USDT"
        )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"leverage": 0}, "at least 1"),
        ({"leverage": "lots"}, "not a number"),
        ({"leverage": True}, "not a number"),
        ({"leverage": {"BTC/USDT:USDT": float("nan")}}, "leverage: BTC/USDT:USDT: must be"),
        ({"margin_mode": "crossed"}, "not 'cross' or 'isolated'"),
        ({"position_mode": "both"}, "use 'one_way' or 'hedge'"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_config({"exchange": "binanceusdm", **options})


NOTIONAL = (LeverageBracket(D(100), D(50_000)), LeverageBracket(D(20), D(1_000_000)))
CONTRACTS = (LeverageBracket(D(100), max_amount=D(500)), LeverageBracket(D(20), max_amount=D(9_000)))


@pytest.mark.parametrize(
    ("leverage", "brackets", "amount", "words"),
    [
        (100, NOTIONAL, "0.8", None),
        (100, NOTIONAL, "-0.9", "54000 USDT.*leverage 100; a leverage of 20 would allow it"),
        (20, NOTIONAL, "0.9", None),
        (20, NOTIONAL, "20", r"beyond the bracket of leverage 20$"),
        (100, CONTRACTS, "500", None),
        (100, CONTRACTS, "501", "leverage of 20 would allow it"),
        (100, (LeverageBracket(D(100)),), "9999", None),
        (None, NOTIONAL, "9999", None),
        (100, (), "9999", None),
    ],
)
def test_a_position_too_large_for_its_leverage(leverage, brackets, amount, words) -> None:
    traded = TradedTerms(ContractTerms(PERP, None if leverage is None else D(leverage)), brackets)
    why = too_large(traded, linear_market(PERP), D(amount), D(60_000))
    assert re.search(words, why or "") if words else why is None, why


def test_an_inverse_position_is_counted_in_its_settlement_coin() -> None:
    traded = TradedTerms(ContractTerms("BTC/USD:BTC", D(100)), (LeverageBracket(D(100), D(1)),))
    market = inverse_market("BTC/USD:BTC", contract_size="10")
    assert too_large(traded, market, D(6_000), D(60_000)) is None
    assert "1.2 BTC" in (too_large(traded, market, D(7_200), D(60_000)) or "")


def test_a_store_on_a_hedge_account_does_not_start_and_one_that_asks_is_leveraged(tmp_path: Path) -> None:
    with Venue("binanceusdm") as venue:
        venue.call(lambda sim: sim.engine.set_hedge_mode("main", True))
        options = {"mode": "sim", "sim_address": str(venue.address), "journal": ":memory:"}
        refused = CCXTStore("binanceusdm", **options)
        refused.getbroker()
        with pytest.raises(ConfigError, match="hedge mode"):
            refused.start()
        store = CCXTStore("binanceusdm", leverage=3, position_mode="one_way", **options)
        store.getbroker()
        data = store.getdata(dataname=PERP)
        store.start()
        try:
            assert store.contract_terms(data._dataname).terms.leverage == 3
        finally:
            store.stop()
        assert venue.call(lambda sim: sim.engine.leverage("main", PERP)) == 3


def test_a_leverage_that_is_changed_at_the_exchange_is_said_once_and_counts() -> None:
    known = {PERP: TradedTerms(ContractTerms(PERP, D(20)), NOTIONAL)}
    position = Position(PERP, D(1), D(60_000), 1, leverage=D(5))
    (said,) = with_told_leverage(known, [position, replace(position, symbol="ETH/USDT:USDT")])
    assert "changed at the exchange, 20 -> 5" in said
    assert known[PERP].terms.leverage == 5
    assert with_told_leverage(known, [position, replace(position, leverage=None)]) == []
    assert with_told_leverage(known, [replace(position, amount=D(0), leverage=D(9))]) == []
    assert known[PERP].brackets == NOTIONAL


async def test_what_cannot_be_read_keeps_no_account_from_starting_unless_it_is_asked_for(desk: Desk) -> None:
    troubled: list[str] = []

    async def unread(*_: object) -> object:
        raise Unreadable("an error that nobody knows")

    desk.subject.fetch_position_mode = desk.subject.fetch_contract_terms = unread  # type: ignore[method-assign]
    desk._trouble = lambda what, _error: troubled.append(what)  # type: ignore[method-assign]
    found = await desk.start()
    assert found[PERP] == TradedTerms(ContractTerms(PERP))
    assert troubled == ["position mode", f"leverage of {PERP}"]
    with pytest.raises(Unreadable):
        await desk.start(leverage=3)
