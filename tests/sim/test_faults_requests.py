"""Faults that strike requests: what the unmodified ccxt client gets to see, and what the exchange has done meanwhile.

For each: was the order placed? That is what a client must not guess.
"""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
import pytest

from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import SYMBOL, soon, until

ORDERS = {"method": "POST", "path": "/api/v3/order"}


def placed(sim: SimExchange) -> int:
    return len(sim.engine.orders("main"))


async def buy(client: Any) -> Any:
    return await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": "mine"})


@pytest.mark.parametrize(
    ("fault", "expected", "is_placed"),
    [
        (Fault(FaultKind.DROP_REQUEST, **ORDERS), ccxt.ExchangeNotAvailable, False),
        (Fault(FaultKind.LOSE_ANSWER, **ORDERS), ccxt.ExchangeNotAvailable, True),
        (Fault(FaultKind.CUT_ANSWER, **ORDERS), ccxt.ExchangeError, True),  # not even a NetworkError
        (Fault(FaultKind.ERROR_BEFORE, status=502, **ORDERS), ccxt.OperationFailed, False),
        (Fault(FaultKind.ERROR_AFTER, status=502, **ORDERS), ccxt.OperationFailed, True),
        (Fault(FaultKind.ERROR_BEFORE, **ORDERS), ccxt.OperationFailed, False),
        (Fault(FaultKind.ERROR_AFTER, **ORDERS), ccxt.OperationFailed, True),
        (Fault(FaultKind.ERROR_AFTER, status=504, body="Gateway Timeout", **ORDERS), ccxt.RequestTimeout, True),
        (Fault(FaultKind.ERROR_AFTER, body='{"code":-1007,"msg":"Timeout"}', **ORDERS), ccxt.RequestTimeout, True),
        (Fault(FaultKind.RATE_LIMIT, retry_after_s=7, **ORDERS), ccxt.DDoSProtection, False),
        (Fault(FaultKind.BAN, retry_after_s=90, **ORDERS), ccxt.DDoSProtection, False),
        (Fault(FaultKind.MAINTENANCE, **ORDERS), ccxt.ExchangeError, False),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Fault) else None,
)
async def test_a_failed_order_call_may_have_placed_the_order(
    sim: SimExchange, client: Any, fault: Fault, expected: type[Exception], is_placed: bool
) -> None:
    sim.faults.add(fault)
    with pytest.raises(expected):
        await soon(buy(client))
    assert placed(sim) == int(is_placed)
    assert [applied.fault for applied in sim.faults.log] == [fault]
    if fault.kind in (FaultKind.RATE_LIMIT, FaultKind.BAN):
        assert client.last_response_headers["Retry-After"] == str(fault.retry_after_s)


@pytest.mark.parametrize("kind", [FaultKind.IGNORE_REQUEST, FaultKind.HANG])
async def test_an_answer_that_never_comes_ends_in_a_time_out(sim: SimExchange, client: Any, kind: FaultKind) -> None:
    client.timeout = 800
    sim.faults.add(Fault(kind, **ORDERS))
    with pytest.raises(ccxt.RequestTimeout):
        await soon(buy(client))
    assert placed(sim) == (1 if kind is FaultKind.HANG else 0)


@pytest.mark.parametrize("kind", [FaultKind.HTML_ANSWER, FaultKind.EMPTY_ANSWER, FaultKind.TRUNCATED_ANSWER])
async def test_garbage_with_status_200_looks_like_an_order_without_id(
    sim: SimExchange, client: Any, kind: FaultKind
) -> None:
    sim.faults.add(Fault(kind, **ORDERS))
    order = await soon(buy(client))
    assert (order["id"], order["status"]) == (None, None)
    assert placed(sim) == 1


async def test_a_delayed_request_is_accepted_late_and_a_delayed_answer_early(sim: SimExchange, client: Any) -> None:
    for kind, placed_while_waiting in ((FaultKind.DELAY_REQUEST, 0), (FaultKind.DELAY_ANSWER, 2)):
        arrived = asyncio.Event()
        sim.on_request(lambda _, arrived=arrived: arrived.set())
        sim.faults.add(Fault(kind, delay_s=0.4, **ORDERS))
        request = asyncio.ensure_future(client.create_order(SYMBOL, "limit", "buy", 1, 90))
        await soon(arrived.wait())
        await asyncio.sleep(0.02)
        assert not request.done()
        assert placed(sim) == placed_while_waiting
        assert (await soon(request))["status"] == "open"


async def test_a_time_out_while_an_order_is_delayed_places_it_all_the_same(sim: SimExchange, client: Any) -> None:
    """A request that was sent cannot be called back."""
    client.timeout = 800
    sim.faults.add(Fault(FaultKind.DELAY_ANSWER, delay_s=60, **ORDERS))
    with pytest.raises(ccxt.RequestTimeout):
        await soon(buy(client))
    assert placed(sim) == 1


async def test_maintenance_stands_until_it_is_over(sim: SimExchange, client: Any) -> None:
    closed = sim.faults.add(Fault(FaultKind.MAINTENANCE))
    for _ in range(2):
        with pytest.raises(ccxt.ExchangeError, match="maintenance"):
            await client.fetch_balance()
    with pytest.raises(ccxt.NetworkError):
        await soon(client.watch_trades(SYMBOL))
    sim.faults.remove(closed)
    assert (await client.fetch_balance())["BTC"]["total"] == 10


async def test_faults_choose_by_path_and_strike_the_nth_match(sim: SimExchange, client: Any) -> None:
    sim.faults.add(Fault(FaultKind.ERROR_BEFORE, path="/api/v3/ti*", nth=2, times=2))
    outcomes = []
    for _ in range(5):
        try:
            await client.fetch_time()
            outcomes.append("ok")
        except ccxt.OperationFailed:
            outcomes.append("failed")
        await client.fetch_ohlcv(SYMBOL, "1m")  # another path: neither struck nor counted
    assert outcomes == ["ok", "failed", "failed", "ok", "ok"]
    assert [(applied.target, applied.match) for applied in sim.faults.log] == [
        ("GET /api/v3/time", 2),
        ("GET /api/v3/time", 3),
    ]


@pytest.mark.parametrize(
    ("kind", "expected", "is_placed"),
    [
        (FaultKind.DROP_REQUEST, ccxt.NetworkError, False),
        (FaultKind.LOSE_ANSWER, ccxt.NetworkError, True),
        (FaultKind.RATE_LIMIT, ccxt.RateLimitExceeded, False),
        (FaultKind.ERROR_AFTER, ccxt.OperationFailed, True),
    ],
)
async def test_calls_over_the_websocket_api_are_struck_in_the_same_way(
    sim: SimExchange, client: Any, kind: FaultKind, expected: type[Exception], is_placed: bool
) -> None:
    sim.faults.add(Fault(kind, method="WS", path="order.place"))
    with pytest.raises(expected):
        await soon(client.create_order_ws(SYMBOL, "limit", "buy", 1, 90))
    assert placed(sim) == int(is_placed)


@pytest.mark.parametrize("kind", [FaultKind.IGNORE_REQUEST, FaultKind.HANG, FaultKind.DELAY_ANSWER])
async def test_a_silent_websocket_call_leaves_the_client_waiting(
    sim: SimExchange, client: Any, kind: FaultKind
) -> None:
    sim.faults.add(Fault(kind, method="WS", path="order.place", delay_s=0.5))
    request = asyncio.ensure_future(client.create_order_ws(SYMBOL, "limit", "buy", 1, 90))
    await until(lambda: sim.faults.log)
    await asyncio.sleep(0.05)
    assert not request.done()
    assert placed(sim) == (0 if kind is FaultKind.IGNORE_REQUEST else 1)
    if kind is FaultKind.DELAY_ANSWER:
        assert (await soon(request))["status"] == "open"
    request.cancel()
