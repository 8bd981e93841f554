"""REST parsing, offline: what the product makes of each recorded answer is what the exchange's engine knows."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from btccxt.errors import BtccxtError, OrderNotFound, Refused
from btccxt.exchange.profile.profile import known_exchanges
from btccxt.model import MarketType, OrderReference, OrderStatus, Side
from btccxt.sim.market import SyntheticSource
from btccxt.sim.markets import default_listings
from btccxt.sim.server import SimExchange
from tests.cassettes.record import KEYS, REELS, Reel, client, record_public
from tests.cassettes.scenario import AMOUNT, BARS, Answers, play, play_public
from tests.cassettes.tape import PUBLIC_FOLDER, tape

# Another key than the recorded one: a replay must not depend on what signs.
OTHER_KEYS = {"apiKey": "other", "secret": "b3RoZXJzZWNyZXQ=", "password": "other"}


@lru_cache
def truth_of(reel: Reel) -> Any:
    return json.loads(reel.truth_path.read_text(encoding="utf-8"))


_PLAYED: dict[Reel, Answers] = {}


@pytest.fixture(params=REELS, ids=lambda reel: reel.name)
async def played(request: pytest.FixtureRequest) -> tuple[Reel, Any, Answers]:
    reel: Reel = request.param
    truth = truth_of(reel)
    if reel not in _PLAYED:
        exchange = client(reel, truth["now_ms"], OTHER_KEYS)
        with tape(reel.path, record=False) as cassette:
            await exchange.open()
            _PLAYED[reel] = await play(exchange, reel.symbol)
            await exchange.close()
        assert cassette.all_played, "some recorded requests were not made"
    return reel, truth, _PLAYED[reel]


Played = tuple[Reel, Any, Answers]


def _same_id(told: str | None, engine_id: str) -> bool:
    """Dialects spell the engine's running number in their own way: 2, 20000002, OSIMKR-00000-000002."""
    return told is not None and int(told[-6:].rpartition("-")[2]) == int(engine_id)


def test_market_steps_are_those_of_the_exchange(played: Played) -> None:
    _, truth, answers = played
    assert {name: Decimal(text) for name, text in truth["market"].items()} == {
        name: getattr(answers.market, name) for name in truth["market"]
    }


def test_time_and_ticker(played: Played) -> None:
    _, truth, answers = played
    assert answers.time_ms is not None and abs(answers.time_ms - truth["now_ms"]) < 1_000  # kraken tells seconds
    bid, ask = (float(price) for price in truth["best"])
    if answers.ticker.bid is None:  # contracts of Binance: the day's ticker has the last price only
        assert answers.ticker.last == pytest.approx(bid, rel=1e-4)
    else:
        assert (answers.ticker.bid, answers.ticker.ask) == (bid, ask)


def test_candles(played: Played) -> None:
    _, truth, answers = played
    bars = [[bar.open_ms, bar.open, bar.high, bar.low, bar.close, bar.volume] for bar in answers.bars[-BARS:]]
    assert bars == truth["bars"]


def test_public_trades(played: Played) -> None:
    _, truth, answers = played
    trades = [[each.time_ms, each.price, each.amount] for each in answers.trades[-BARS:]]
    assert trades == truth["trades"]
    assert len({each.trade_id for each in answers.trades}) == len(answers.trades)


def test_the_balance_before_any_order(played: Played) -> None:
    _, _, answers = played
    assert answers.balances is not None and answers.balances.complete
    assert answers.balances.by_currency["USDT"].free == Decimal(10_000)
    assert answers.balances.by_currency["USDT"].used == 0


def test_an_order_that_rests_and_is_cancelled(played: Played) -> None:
    _, truth, answers = played
    known = truth["orders"][0]
    placed, asked, cancelled, ended = answers.resting
    (order_id,) = {update.order_id for update in answers.resting}
    assert _same_id(order_id, known["id"])
    assert (asked.status, ended.status) == (OrderStatus.OPEN, OrderStatus.CANCELED)
    assert placed.status in (OrderStatus.OPEN, OrderStatus.UNKNOWN) and not cancelled.filled
    for update in (asked, ended):
        assert update.client_order_id == known["client"] and update.side is Side.BUY
        assert (update.amount, update.price, update.filled) == (AMOUNT, Decimal(known["price"]), 0)
    assert [update.order_id for update in answers.open_orders] == [order_id]


def test_an_order_that_filled_and_its_fills(played: Played) -> None:
    _, truth, answers = played
    known, order = truth["orders"][1], answers.market_order
    assert order is not None and order.status is OrderStatus.FILLED
    assert _same_id(order.order_id, known["id"]) and order.client_order_id == known["client"]
    assert order.filled == order.amount == Decimal(known["filled"]) == AMOUNT
    told = [(fill.price, fill.amount, fill.time_ms, fill.order_id) for fill in answers.fills]
    assert told == [(Decimal(f["price"]), Decimal(f["amount"]), f["time_ms"], order.order_id) for f in truth["fills"]]
    for fill, real in zip(answers.fills, truth["fills"], strict=True):
        assert fill.fee is not None and fill.fee.currency == real["coin"]
        assert abs(fill.fee.cost - Decimal(real["fee"])) < Decimal("0.00001")


def test_ended_orders_are_listed_with_how_they_ended(played: Played) -> None:
    _, truth, answers = played
    told = {update.client_order_id: update.status for update in answers.closed_orders}
    ends = (OrderStatus.CANCELED, OrderStatus.FILLED)
    assert told == {order["client"]: end for order, end in zip(truth["orders"], ends, strict=True)}


def test_positions(played: Played) -> None:
    _, truth, answers = played
    assert [position.amount for position in answers.positions] == [Decimal(text) for text in truth["positions"]]


def test_errors_are_those_of_the_tree(played: Played) -> None:
    _, _, answers = played
    assert isinstance(answers.unknown_order, OrderNotFound)
    assert isinstance(answers.too_much, Refused)


async def test_a_request_that_is_not_on_the_cassette_goes_nowhere() -> None:
    reel = REELS[0]
    exchange = client(reel, truth_of(reel)["now_ms"], KEYS)
    with tape(reel.path, record=False):
        await exchange.open()
        try:
            with pytest.raises(BtccxtError, match="CannotOverwriteExistingCassetteException"):
                await exchange.fetch_order(OrderReference(reel.symbol, "never-recorded"))
        finally:
            await exchange.close()


# ------------------------------------------------------------------ from the real exchanges, where recorded

_NONE_YET = pytest.mark.skip(reason="no real exchange has been recorded: python -m tests.cassettes.record --public NAME")
_REAL = sorted(PUBLIC_FOLDER.glob("*.yaml")) or [pytest.param(Path("none"), marks=_NONE_YET)]


@pytest.mark.parametrize("path", _REAL, ids=lambda path: path.stem)
async def test_public_answers_of_real_exchanges_parse(path: Path) -> None:
    await _check_public(path)


async def test_the_public_recorder_needs_no_keys_and_what_it_records_parses(tmp_path: Path) -> None:
    """Here against the embedded exchange; whoever has network leaves out the connector."""
    reel = REELS[0]
    async with SimExchange(SyntheticSource(default_listings(), 1), ("binance",)) as sim:
        await record_public(reel, tmp_path / "binance-spot.yaml", connector=sim.connector)
    await _check_public(tmp_path / "binance-spot.yaml")


async def _check_public(path: Path) -> None:
    exchange_id, _, kind = path.stem.rpartition("-")
    assert exchange_id in known_exchanges()
    reel = Reel(exchange_id, MarketType(kind))
    exchange = client(reel, None, {})
    with tape(path, record=False):
        await exchange.open()
        try:
            answers = await play_public(exchange, reel.symbol)
        finally:
            await exchange.close()
    assert answers.market.price_step and answers.market.amount_step
    assert len(answers.bars) > 1 and all(bar.low <= bar.close <= bar.high for bar in answers.bars)
    assert [bar.open_ms for bar in answers.bars] == sorted({bar.open_ms for bar in answers.bars})
    assert answers.trades and all(trade.price > 0 for trade in answers.trades)
    assert answers.ticker.last or (answers.ticker.bid and answers.ticker.ask)
