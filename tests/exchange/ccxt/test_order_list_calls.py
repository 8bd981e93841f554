"""A stop and a target as one order list, through unmodified ccxt, against the embedded Binance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal as D

import pytest

from btccxt.errors import OrderOutcomeUnknown, Refused, Unsupported
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType, OrderKind, OrderReference, OrderRequest, OrderStatus, OrderUpdate, Side
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.markets import spot_market
from btccxt.sim.server import SimExchange
from tests.exchange.ccxt.sim_kit import ORDERS, Watcher, opened, running_sim
from tests.exchange.ccxt.tiny_binance import until
from tests.still_market import START_MS, QuietSource, depth

SYMBOL = "BTC/USDT"
STOP = OrderRequest("b-stop", SYMBOL, Side.SELL, OrderKind.STOP, D("0.1"), trigger_price=D(59_000))
TARGET = OrderRequest("b-target", SYMBOL, Side.SELL, OrderKind.LIMIT, D("0.1"), price=D(63_000))


async def _now() -> None:
    pass


@pytest.fixture
async def sim() -> AsyncIterator[SimExchange]:
    source = QuietSource([spot_market(SYMBOL)], {SYMBOL: D(60_000)})
    account = SimAccount(balances={"USDT": D(1_000), "BTC": D("0.1")})
    exchange = SimExchange(source, ("binance",), start_ms=START_MS, accounts=[account])
    await exchange.start()
    try:
        yield exchange
    finally:
        await exchange.stop()


def move(sim: SimExchange, price: int) -> None:
    now_ms = int(sim.clock.now_ms())
    sim.engine.set_depth(SYMBOL, *depth(D(price), D("0.01")), now_ms)
    sim.engine.print_trade(SYMBOL, D(price), D("0.001"), Side.BUY, now_ms)


async def test_both_rest_under_their_own_ids_and_bind_the_coins_once(sim: SimExchange) -> None:
    async with opened(sim) as exchange:
        stop, target = await exchange.create_order_list(STOP, TARGET, _now)
        assert (stop.status, stop.client_order_id) == (OrderStatus.OPEN, "b-stop")
        assert (target.status, target.client_order_id) == (OrderStatus.OPEN, "b-target")
        asked = {each.client_order_id: each.order_id for each in await exchange.fetch_open_orders(SYMBOL)}
        assert asked == {"b-stop": stop.order_id, "b-target": target.order_id}
        coins = (await exchange.fetch_balance()).by_currency["BTC"]
        assert (coins.total, coins.free) == (D("0.1"), D(0))


async def test_the_first_fill_of_one_expires_the_other(sim: SimExchange) -> None:
    async with opened(sim) as exchange:
        watcher = await Watcher(exchange, ORDERS).open()
        await exchange.create_order_list(STOP, TARGET, _now)
        now_ms = int(sim.clock.now_ms())
        sim.engine.set_depth(SYMBOL, [(D(63_000), D("0.03"))], [(D(63_001), D(1))], now_ms)

        def of(name: str) -> list[OrderUpdate]:
            return [each for each in watcher.of(OrderUpdate) if each.client_order_id == name]

        await until(lambda: bool(of("b-stop")) and of("b-stop")[-1].status is OrderStatus.EXPIRED)
        await until(lambda: of("b-target")[-1].filled == D("0.03"))
        assert of("b-target")[-1].status is OrderStatus.OPEN
        await watcher.stop()


async def test_a_cancel_of_one_takes_both(sim: SimExchange) -> None:
    async with opened(sim) as exchange:
        stop, target = await exchange.create_order_list(STOP, TARGET, _now)
        answer = await exchange.cancel_order(reference_of(TARGET, target))
        assert (answer.client_order_id, answer.order_id) == ("b-target", target.order_id)
        for request, placed in ((STOP, stop), (TARGET, target)):
            assert (await exchange.fetch_order(reference_of(request, placed))).status is OrderStatus.CANCELED


def reference_of(request: OrderRequest, update: OrderUpdate) -> OrderReference:
    return OrderReference(SYMBOL, request.client_order_id, update.order_id, request.kind is OrderKind.STOP)


async def test_a_list_on_the_wrong_side_of_the_price_is_refused_and_nothing_is_placed(sim: SimExchange) -> None:
    async with opened(sim) as exchange:
        move(sim, 64_000)
        with pytest.raises(Refused):
            await exchange.create_order_list(STOP, TARGET, _now)
        assert await exchange.fetch_open_orders(SYMBOL) == []


@pytest.mark.parametrize(
    "change", [{"amount": D("0.05")}, {"post_only": False, "iceberg_amount": D("0.01")}, {"params": {"a": 1}}]
)
async def test_what_is_no_such_pair_is_refused_before_anything_is_sent(
    sim: SimExchange, change: dict[str, object]
) -> None:
    async with opened(sim) as exchange:
        with pytest.raises(Refused):
            await exchange.create_order_list(STOP, replace(TARGET, **change), _now)
        assert await exchange.fetch_open_orders(SYMBOL) == []


async def test_what_the_readiness_raises_keeps_it_from_leaving(sim: SimExchange) -> None:
    async def not_wanted() -> None:
        raise Refused("cancelled meanwhile")

    async with opened(sim) as exchange:
        with pytest.raises(Refused, match="cancelled meanwhile"):
            await exchange.create_order_list(STOP, TARGET, not_wanted)
        assert await exchange.fetch_open_orders(SYMBOL) == []


async def test_a_lost_answer_says_that_both_may_be_placed() -> None:
    lost = Fault(FaultKind.LOSE_ANSWER, path="/api/v3/orderList/oco")
    async with running_sim([lost]) as sim, opened(sim) as exchange:
        last = (await exchange.fetch_ticker(SYMBOL)).last
        buy = {"side": Side.BUY, "amount": D("0.01")}
        up, down = D(round(last * 1.1)), D(round(last * 0.9))
        with pytest.raises(OrderOutcomeUnknown):
            await exchange.create_order_list(
                replace(STOP, trigger_price=up, **buy), replace(TARGET, price=down, **buy), _now
            )
        assert {each.client_order_id for each in await exchange.fetch_open_orders(SYMBOL)} == {"b-stop", "b-target"}


async def test_an_exchange_without_them_says_so() -> None:
    kraken = CCXTExchange(load_profile("kraken", MarketType.SPOT), {})
    with pytest.raises(Unsupported):
        await kraken.create_order_list(STOP, TARGET, _now)
