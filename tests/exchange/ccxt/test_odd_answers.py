"""Odd answers to every call of every dialect: our own errors or records that make sense, nothing else.

No sockets: the dialect answers in this process, and its answer is spoiled on the way back.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal as D
from typing import Any

import pytest

from btccxt.errors import BtccxtError, Fatal, OrderNotFound, OrderOutcomeUnknown, Refused, Retryable
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.model import OrderKind, OrderReference, OrderRequest, OrderUpdate, Side
from btccxt.sim.dialects.base import Reply, Request
from tests.exchange.ccxt.in_process import START_MS, InProcess, in_process
from tests.exchange.ccxt.odd_json import BODIES, spoiled

DIALECTS = (
    "binance spot", "binanceusdm linear", "bybit spot", "bybit linear", "okx spot", "okx linear", "kraken spot",
    "coinbase spot", "hyperliquid spot", "hyperliquid linear",
)  # fmt: skip
SPOILED = 30
NO_JSON = {"a page", "nothing", "null", "a string", "a number", "true", "half of it", "NaN", "deep"}
NOTHING = {"[]", "empty envelopes"}
"""What ccxt reads as a list of nothing, as some exchange would say it. Where no field marks an exchange's own answers,
any list or object may be one. What is concluded from it is judged above: an order is missing when it is missing three
times, and a position whose coin is still bound is not closed.
"""
ERRORS = {name for name in BODIES if "error of" in name or "'s 40" in name or "'s 50" in name or "maintenance" in name}

Spoil = Callable[[Request, Reply], Reply]


def whole_bodies() -> Iterator[tuple[str, Spoil]]:
    for name, (status, body) in BODIES.items():
        reply = Reply(status, body.encode())
        yield name, lambda _request, _reply, reply=reply: reply  # type: ignore[misc]


def spoiled_bodies(count: int) -> Iterator[tuple[str, Spoil]]:
    for seed in range(count):
        rng = random.Random(seed)
        yield f"seed {seed}", lambda _request, reply, rng=rng: Reply(reply.status, spoiled(reply.body, rng))  # type: ignore[misc]


@dataclass
class Stage:
    """An account with one order that rests and one that is filled."""

    exchange: CCXTExchange
    network: InProcess
    symbol: str
    count: int = 0
    resting: OrderReference | None = None
    filled: OrderReference | None = None

    def next_id(self) -> str:
        self.count += 1
        number = self.count
        forms = {"text": f"b{number:011d}", "hex": f"0x{number:032x}", "integer": str(number)}
        return forms.get(self.exchange.profile.client_id.form) or f"00000000-0000-4000-8000-{number:012d}"

    def request(self, kind: OrderKind = OrderKind.LIMIT) -> OrderRequest:
        price = D(50_000) if kind is OrderKind.LIMIT else None
        return OrderRequest(self.next_id(), self.symbol, Side.BUY, kind, D("0.01"), price)

    async def placed(self, kind: OrderKind) -> OrderReference:
        request = self.request(kind)
        update = await self.exchange.create_order(request)
        return OrderReference(self.symbol, request.client_order_id, update.order_id)

    def orders_at_the_exchange(self) -> int:
        return len(list(self.network.sim.engine.orders("main")))


@asynccontextmanager
async def stage(dialect: str) -> AsyncIterator[Stage]:
    exchange_id, market_type = dialect.split()
    async with in_process(exchange_id, market_type) as (exchange, network):
        markets = await exchange.load_markets()
        made = Stage(exchange, network, next(symbol for symbol in markets if symbol.startswith("BTC/")))
        network.sim.advance(1_000)
        made.resting, made.filled = await made.placed(OrderKind.LIMIT), await made.placed(OrderKind.MARKET)
        network.sim.advance(60_000)
        yield made


def reads_of(made: Stage) -> dict[str, Callable[[], Awaitable[Any]]]:
    exchange, symbol = made.exchange, made.symbol
    assert made.resting is not None
    assert made.filled is not None
    resting, filled = made.resting, made.filled
    by_client_id = OrderReference(symbol, resting.client_order_id)
    return {
        "time": exchange.fetch_time,
        "ticker": lambda: exchange.fetch_ticker(symbol),
        "candles": lambda: exchange.fetch_ohlcv(symbol, "1m", START_MS - 600_000, 20),
        "trades": lambda: exchange.fetch_trades(symbol, limit=10),
        "balance": exchange.fetch_balance,
        "positions": exchange.fetch_positions,
        "an order": lambda: exchange.fetch_order(resting),
        "an order by its client id": lambda: exchange.fetch_order(by_client_id),
        "an ended order": lambda: exchange.fetch_order(filled),
        "open orders": lambda: exchange.fetch_open_orders(symbol),
        "closed orders": lambda: exchange.fetch_closed_orders(symbol),
        "my trades": lambda: exchange.fetch_my_trades(symbol, START_MS - 1_000),
        "transfers": lambda: exchange.fetch_transfers(START_MS),
        "funding": lambda: exchange.fetch_funding(symbol, START_MS),
        "contract terms": lambda: exchange.fetch_contract_terms(symbol),
        "position mode": lambda: exchange.fetch_position_mode(symbol),
        "leverage brackets": lambda: exchange.fetch_leverage_brackets(symbol),
    }


def check_order_answer(update: OrderUpdate, asked: OrderReference) -> None:
    assert asked.order_id in (None, update.order_id) or asked.client_order_id == update.client_order_id
    assert update.symbol == asked.symbol
    assert all(figure is None or 0 <= figure < D("1e24") for figure in (update.amount, update.filled, update.price))


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_odd_answer_to_a_read_is_unreadable_or_makes_sense(dialect: str) -> None:
    async with stage(dialect) as made:
        for name, read in reads_of(made).items():
            try:
                true = await read()
            except BtccxtError:
                continue  # this exchange cannot be asked that
            marked = bool(made.exchange.profile.envelope)
            for label, spoil in (*whole_bodies(), *spoiled_bodies(SPOILED)):
                means_nothing = label in NOTHING or (label not in NO_JSON and not marked)
                made.network.spoil = spoil
                try:
                    told = await read()
                except Retryable:
                    continue
                except OrderNotFound:
                    assert means_nothing or label.startswith("seed"), f"{name}: {label} is not the exchange's word"
                    continue
                except Exception as error:
                    raise AssertionError(f"{name}, {label}: {error!r}") from error
                finally:
                    made.network.spoil = None
                if isinstance(told, OrderUpdate):
                    assert made.resting is not None
                    assert made.filled is not None
                    check_order_answer(told, made.filled if name == "an ended order" else made.resting)
                if label in BODIES and name in ("balance", "positions", "time", "ticker"):
                    assert told == true or means_nothing, f"{name}, {label}: {told}"
            made.network.spoil = None
            await read()


@pytest.mark.parametrize("column", range(1, 5), ids=["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [None, "", "NaN", "-1", "1e308"])
async def test_a_candle_without_a_price_costs_itself_alone(column: int, value: str | None) -> None:
    def spoil(_request: object, reply: Reply) -> Reply:
        rows = json.loads(reply.body)
        rows[3][column] = value
        return Reply(reply.status, json.dumps(rows).encode())

    async with stage("binance spot") as made:
        read = reads_of(made)["candles"]
        true = await read()
        made.network.spoil = spoil
        assert await read() == [*true[:3], *true[4:]]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_odd_answer_to_an_order_leaves_its_outcome_open_or_names_it(dialect: str) -> None:
    async with stage(dialect) as made:
        for label, spoil in (*whole_bodies(), *spoiled_bodies(SPOILED)):
            request, before = made.request(), made.orders_at_the_exchange()
            made.network.spoil = lambda call, reply, spoil=spoil: (  # type: ignore[misc]
                spoil(call, reply) if call.method == "POST" else reply
            )
            try:
                update = await made.exchange.create_order(request)
            except OrderOutcomeUnknown as error:
                assert error.client_order_id == request.client_order_id
            except (Refused, Retryable, Fatal) as error:
                # Told so by what is an error in the exchange's own words, or by a proxy before it.
                assert label in ERRORS | {"wrong types", "envelopes of wrong types"} or "seed" in label, (
                    f"{label}: {error!r}"
                )
            except Exception as error:
                raise AssertionError(f"{label}: {error!r}") from error
            else:
                assert update.side in (None, Side.BUY)
                assert update.symbol == made.symbol
                assert update.order_id, label
            finally:
                made.network.spoil = None
            assert made.orders_at_the_exchange() - before == 1, f"{label}: sent once"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_odd_answer_to_a_cancel_is_an_attempt_that_failed_or_an_answer(dialect: str) -> None:
    async with stage(dialect) as made:
        for label, spoil in (*whole_bodies(), *spoiled_bodies(10)):
            order = await made.placed(OrderKind.LIMIT)
            made.network.spoil = spoil
            try:
                update = await made.exchange.cancel_order(order)
            except BtccxtError as error:
                told = label in ERRORS or "seed" in label  # an error in somebody's words
                assert isinstance(error, Retryable | Refused | OrderNotFound) or told, f"{label}: {error!r}"
            except Exception as error:
                raise AssertionError(f"{label}: {error!r}") from error
            else:
                assert update.client_order_id == order.client_order_id
            finally:
                made.network.spoil = None


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_order_is_found_by_our_own_id_where_its_other_id_is_wrong(dialect: str) -> None:
    async with stage(dialect) as made:
        assert made.resting is not None
        wrong = {"okx": "2000000000000000999", "kraken": "OSIMKR-00000-000999"}.get(made.exchange.id, "999")
        found = await made.exchange.fetch_order(replace(made.resting, order_id=wrong))
        assert found.order_id == made.resting.order_id


def test_what_is_spoiled_differs_and_can_be_read() -> None:
    true = json.dumps({"a": [1, {"b": "2"}], "c": None}).encode()
    changed = {spoiled(true, random.Random(seed)) for seed in range(50)}
    assert len(changed) > 25
    assert all(json.loads(each) is not None for each in changed)
