"""``create_order_when``: nothing of an order leaves before its owner is ready, on any exchange."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from btccxt.errors import ExchangeUnavailable, OrderOutcomeUnknown, Refused
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.guard import may_place
from btccxt.exchange.profile.profile import Profile, load_profile
from btccxt.model import MarketType, OrderKind, OrderRequest, OrderUpdate, Side
from btccxt.resilience.breaker import BreakerPolicy, BreakerState, CallGroup
from tests.exchange.capture import REFERENCE_PRICE, make_exchange, native_requests, profiles
from tests.exchange.ccxt.sim_kit import opened

REQUEST = OrderRequest("own1", "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal("0.01"), price=Decimal(1000))


class Withheld(Refused):
    pass


async def not_now() -> None:
    raise Withheld("not now")


async def at_once() -> None:
    pass


def orders_asked_for(sim) -> list[str]:
    asked: list[str] = []
    sim.on_request(lambda seen: asked.append(seen.path) if seen.method == "POST" else None)
    return asked


class Offline:
    """A CCXTExchange whose socket writes down what would leave, and what was signed."""

    def __init__(self, profile: Profile) -> None:
        rest, market = make_exchange(profile.exchange, profile.market_type)
        self.left: list[str] = []
        self.signed = 0
        self.exchange = CCXTExchange(profile, {})
        sign = rest.sign

        async def socket(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            self.left.append(f"{method} {url.partition('?')[0]}")
            return {}

        def signing(*arguments: Any, **keywords: Any) -> Any:
            self.signed += 1
            return sign(*arguments, **keywords)

        async def prepare(request: OrderRequest) -> Any:
            return market, REFERENCE_PRICE

        async def acquire(*_: Any) -> float:
            return 0.0

        rest.fetch, rest.sign = socket, signing
        self.exchange._rest = rest
        self.exchange._calls.attach(rest)
        self.exchange._prepare = prepare  # type: ignore[method-assign]
        self.exchange._calls.limiter.acquire = acquire  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "profile", list(profiles()), ids=lambda profile: f"{profile.exchange} {profile.market_type.value}"
)
async def test_on_every_exchange_every_kind_of_order_waits_and_a_counted_signature_is_not_made_before(profile):
    for title, request in native_requests(profile):
        offline = Offline(profile)
        waiting, never = asyncio.Event(), asyncio.Event()

        async def ready(waiting: asyncio.Event = waiting, never: asyncio.Event = never) -> None:
            waiting.set()
            await never.wait()

        sending = asyncio.create_task(offline.exchange.create_order_when(request, ready))
        try:
            await asyncio.wait_for(waiting.wait(), 60)
            placing = [line for line in offline.left if may_place(profile, *line.split(" ", 1))]
            assert (placing, offline.signed > 0) == ([], profile.signed_by == "time"), title
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize(
    ("name", "line", "may"),
    [
        ("binance", "POST /api/v3/order", True),
        ("binance", "GET /api/v3/exchangeInfo", False),
        ("deribit", "GET /api/v2/private/buy", True),
        ("deribit", "GET /api/v2/public/ticker", False),
        ("hyperliquid", "POST /info", False),
        ("poloniex", "POST /api/v2/buy/", True),
        ("poloniex", "GET /anything", True),  # nobody has proven that it does not
    ],
)
def test_which_request_may_place_an_order(name, line, may):
    method, path = line.split(" ")
    assert may_place(load_profile(name, MarketType.SPOT), method, path) is may


async def test_an_order_by_get_whose_answer_is_lost_may_have_been_placed():
    offline = Offline(load_profile("poloniex", MarketType.SPOT))
    rest = offline.exchange._rest

    async def lost(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        raise ccxt.RequestTimeout("read timed out")

    async def create_order(*_: Any) -> Any:
        return await rest.fetch("https://exchange/private/buy?amount=1")

    rest.fetch, rest.create_order = lost, create_order
    offline.exchange._calls.attach(rest)
    with pytest.raises(OrderOutcomeUnknown):
        await offline.exchange.create_order(REQUEST)


async def test_what_ready_refuses_is_raised_as_it_is_and_nothing_leaves(sim, exchange):
    asked = orders_asked_for(sim)
    with pytest.raises(Withheld, match="not now"):
        await exchange.create_order_when(REQUEST, not_now)
    assert asked == []


async def test_orders_that_were_withheld_do_not_close_a_breaker(sim):
    async with opened(sim, breaker=BreakerPolicy(failures_to_open=1, open_s=0.05, probes=2)) as exchange:
        await exchange.load_markets()
        with pytest.raises(ExchangeUnavailable), exchange.breakers.passing(CallGroup.ORDERS):
            raise ExchangeUnavailable("down")
        await asyncio.sleep(0.1)
        for _ in range(3):
            with pytest.raises(Withheld):
                await exchange.create_order_when(REQUEST, not_now)
        assert exchange.breakers.states[CallGroup.ORDERS] is BreakerState.HALF_OPEN


async def test_a_subclass_with_its_own_way_of_sending_is_asked_when_the_order_may_leave(sim):
    class Own(CCXTExchange):
        async def create_order(self, request: OrderRequest) -> OrderUpdate:
            steps.append("sent")
            return await super().create_order(request)

    steps: list[str] = []

    async def ready() -> None:
        steps.append("ready")

    async with opened(sim) as plain:
        exchange = Own(plain.profile, {"apiKey": "sim-key", "secret": "simsecretkey"}, connector=sim.connector)
        await exchange.open()
        try:
            await exchange.create_order_when(REQUEST, ready)
        finally:
            await exchange.close()
    assert steps == ["ready", "sent"]


async def test_a_method_put_over_one_instance_is_used(sim, exchange):
    asked = orders_asked_for(sim)

    async def dry_run(request: OrderRequest) -> OrderUpdate:
        raise Refused(f"dry run of {request.client_order_id}")

    exchange.create_order = dry_run
    with pytest.raises(Refused, match="dry run of own1"):
        await exchange.create_order_when(REQUEST, at_once)
    assert asked == []


async def test_the_disks_time_is_not_the_exchanges_latency(sim, exchange, monkeypatch):
    class Clock:
        now_s = 0.0

        def monotonic(self) -> float:
            return self.now_s

    class Metrics:
        def request(self, exchange: str, method: str, seconds: float, outcome: str) -> None:
            took_s.append(seconds)

    async def slow_disk() -> None:
        clock.now_s += 10.0

    await exchange.load_markets()
    took_s: list[float] = []
    clock = Clock()
    monkeypatch.setattr("btccxt.exchange.ccxt.calls.time", clock)
    monkeypatch.setattr("btccxt.exchange.ccxt.calls.metrics", Metrics)
    await exchange.create_order_when(REQUEST, slow_disk)
    assert took_s == [0.0]
