"""Signed requests of an exchange that counts its signatures do not overtake each other."""

from __future__ import annotations

import asyncio

import pytest

from btccxt.errors import NonceRefused
from btccxt.exchange.ccxt.turns import Turns
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType
from btccxt.resilience.limiter import AsyncLimiter, Limiter, PoolRule, Priority
from btccxt.resilience.retry import RetryPolicy
from btccxt.sim.dialects.base import SeenRequest
from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.markets import default_listings
from btccxt.sim.server import SimExchange
from btccxt.sim.synthetic import SyntheticSource
from tests.exchange.ccxt.sim_kit import opened

KRAKEN = load_profile("kraken", MarketType.SPOT)


def test_orders_go_before_reads_and_whoever_leaves_the_queue_holds_nobody_up() -> None:
    async def play() -> list[str]:
        turns, went = Turns(), list[str]()
        free = asyncio.Event()

        async def call(name: str, priority: Priority) -> None:
            async with turns.next(priority):
                went.append(name)
                await free.wait()

        names = {"read": 1, "another read": 1, "given up": 1, "history": 3, "order": 0, "another order": 0}
        tasks = {}
        for name, priority in names.items():
            tasks[name] = asyncio.ensure_future(call(name, Priority(priority)))
            await asyncio.sleep(0)
        assert went == ["read"]
        tasks["given up"].cancel()
        free.set()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        return went

    assert asyncio.run(play()) == ["read", "order", "another order", "another read", "history"]


def test_a_turn_that_was_given_to_somebody_who_has_left_is_passed_on() -> None:
    async def play() -> None:
        turns = Turns()
        async with turns.next(Priority.ORDER):
            gone = asyncio.ensure_future(turns._turn(Priority.ORDER, asyncio.get_running_loop()))
            await asyncio.sleep(0)
        gone.cancel()  # its turn has come, and it has not run since
        async with turns.next(Priority.ORDER):
            pass

    asyncio.run(play())


async def test_an_unanswered_request_holds_the_others_up_for_a_second_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("btccxt.exchange.ccxt.turns._ARRIVED_S", 0.01)
    turns, never = Turns(), asyncio.Event()

    async def hang() -> None:
        async with turns.next(Priority.ACCOUNT):
            await never.wait()

    hanging = asyncio.ensure_future(hang())
    await asyncio.sleep(0)
    async with turns.next(Priority.ORDER):
        assert not hanging.done()
    hanging.cancel()


def kraken() -> SimExchange:
    return SimExchange(SyntheticSource(default_listings(), 1), ("kraken",), balances={"USDT": 100_000})


async def test_private_requests_of_kraken_arrive_in_the_order_of_their_nonces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btccxt.exchange.ccxt.turns._ARRIVED_S", 60.0)
    no_limit = AsyncLimiter(Limiter(PoolRule(name, 1e6, 1_000.0) for name in KRAKEN.rate.pools))
    retry = RetryPolicy(attempts=3)
    async with kraken() as sim, opened(sim, profile=KRAKEN, retry=retry, limiter=no_limit) as exchange:
        await exchange.load_markets()
        arrived: list[int] = []
        first, go = asyncio.Event(), asyncio.Event()

        async def slow_first(request: SeenRequest) -> None:
            if "nonce" in request.params:
                arrived.append(int(request.params["nonce"]))
                if len(arrived) == 1:
                    first.set()
                    await go.wait()  # on the way for longer than what was sent after it

        sim.hold_requests(slow_first)
        reads = [asyncio.ensure_future(exchange.fetch_open_orders()) for _ in range(2)]
        reads.append(asyncio.ensure_future(exchange.fetch_balance()))
        await first.wait()
        await exchange.fetch_ticker("BTC/USDT")  # the others have had the time to come
        go.set()
        await asyncio.gather(*reads)
        assert len(arrived) == 3, "none was asked for again"
        assert arrived == sorted(arrived)


async def test_a_refused_nonce_is_no_reason_to_measure_the_clock() -> None:
    seen: list[str] = []
    async with kraken() as sim, opened(sim, profile=KRAKEN, retry=RetryPolicy(attempts=2)) as exchange:
        await exchange.load_markets()
        sim.on_request(lambda request: seen.append(request.path))
        body = '{"error": ["EAPI:Invalid nonce"]}'
        sim.faults.add(Fault(FaultKind.ERROR_BEFORE, path="/0/private/OpenOrders", status=200, body=body))
        assert await exchange.fetch_open_orders() == []
        assert seen == ["/0/private/OpenOrders"] * 2
        sim.faults.add(Fault(FaultKind.ERROR_BEFORE, path="/0/private/OpenOrders", status=200, body=body, times=2))
        try:
            await exchange.fetch_open_orders()
        except NonceRefused as error:
            assert "give each program a key of its own" in str(error)
        assert "/0/public/Time" not in seen
