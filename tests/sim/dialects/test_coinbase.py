"""Unmodified ccxt.pro.coinbase trades on the embedded exchange: tokens, markets, orders, refusals, streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import ccxt
import pytest

from btccxt.sim.clock import SteppedClock
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.dialects.coinbase import keys
from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import soon, until, watching
from tests.sim.dialects.unified_kit import SPOT, START_MS, D, book, client_of, exchange, trade


@pytest.fixture
async def sim() -> AsyncIterator[SimExchange]:
    async with exchange("coinbase") as running:
        yield running


@pytest.fixture
async def client(sim: SimExchange) -> AsyncIterator[Any]:
    async with client_of(sim, "coinbase") as connected:
        await connected.load_markets()
        yield connected


async def placed(client: Any, *order: Any, **params: Any) -> Any:
    """The order as the exchange tells of it; its create answer is an id and nothing more."""
    answer = await client.create_order(*order, params=params)
    return await client.fetch_order(answer["id"], order[0])


# ------------------------------------------------------------------ keys


def test_an_accounts_key_is_made_from_its_secret_and_signs_for_it_alone() -> None:
    ann, bob = SimAccount("ann", "a", "one"), SimAccount("bob", "b", "two")
    assert keys.private_pem(ann) == keys.private_pem(SimAccount("other", "c", "one"))
    assert keys.private_pem(ann) != keys.private_pem(bob)
    assert keys.api_key_of(keys.key_name(ann)) == "a"
    assert keys.read("nonsense") is None
    assert not keys.is_signed_by("a.b.c", ann)


@pytest.mark.parametrize(
    "wrong", [{"apiKey": "organizations/x/apiKeys/y"}, {"secret": None}, {"path": "/api/v3/other"}]
)
async def test_a_token_of_another_key_or_for_another_request_is_refused(sim: SimExchange, wrong: Any) -> None:
    path = wrong.pop("path", None)
    if "secret" in wrong:
        wrong["secret"] = keys.private_pem(SimAccount("main", "sim-key", "another secret"))
    async with client_of(sim, "coinbase", **wrong) as client:
        if path is not None:
            make = client.create_auth_token
            client.create_auth_token = lambda seconds, method, url, *more: make(seconds, method, url + path, *more)
        with pytest.raises(ccxt.AuthenticationError):
            await client.v3PrivateGetBrokerageAccounts()


async def test_a_token_that_is_too_old_or_of_the_future_is_refused() -> None:
    async with exchange("coinbase", clock=None) as sim, client_of(sim, "coinbase") as client:
        now_s = sim.venue.server_time_ms() // 1000
        for off_s in (-125, 8):
            client.seconds = lambda off_s=off_s: now_s + off_s
            with pytest.raises(ccxt.AuthenticationError):
                await client.v3PrivateGetBrokerageAccounts()
        client.seconds = lambda: now_s
        await client.v3PrivateGetBrokerageAccounts()


# ------------------------------------------------------------------ markets


async def test_public_data(sim: SimExchange, client: Any) -> None:
    market = client.markets[SPOT]
    assert (market["id"], market["precision"]) == (
        "BTC-USDT",
        {**market["precision"], "amount": 0.00001, "price": 0.01},
    )
    assert (market["maker"], market["taker"], market["limits"]["cost"]["min"]) == (0.001, 0.002, 5)
    sim.advance(120_000)
    trade(sim, SPOT, "102")
    assert await client.fetch_time() == START_MS + 120_000
    bars = await client.fetch_ohlcv(SPOT, "1m", START_MS, 10)
    assert bars[0][0] == START_MS and bars[-1][4] == 102
    assert (await client.fetch_trades(SPOT))[-1]["price"] == 102
    ticker = await client.fetch_ticker(SPOT)
    assert (ticker["bid"], ticker["ask"], ticker["last"]) == (100, 101, 102)
    assert (await client.fetch_order_book(SPOT))["asks"] == [[101, 1]]


# ------------------------------------------------------------------ orders


async def test_a_partly_filled_limit_order_is_edited_and_cancelled(client: Any) -> None:
    order = await placed(client, SPOT, "limit", "buy", 1.5, 101, client_order_id="c-1")
    assert (order["status"], order["filled"], order["amount"], order["clientOrderId"]) == ("open", 1.0, 1.5, "c-1")
    assert order["fee"] == {"cost": "0.202", "currency": "USDT"}
    await client.edit_order(order["id"], SPOT, "limit", "buy", 1.2, 99)
    (found,) = await client.fetch_open_orders(SPOT)
    assert (found["amount"], found["price"]) == (1.2, 99)
    await client.cancel_order(order["id"], SPOT)
    ended = await client.fetch_order(order["id"], SPOT)
    assert (ended["info"]["status"], ended["filled"]) == ("CANCELLED", 1.0)
    (fill,) = await client.fetch_my_trades(SPOT)
    assert (fill["order"], fill["price"], fill["amount"], fill["takerOrMaker"]) == (order["id"], 101, 1, "taker")
    assert fill["fee"] == {"cost": 0.202, "currency": "USDT"}


async def test_market_orders_buy_by_cost_and_sell_by_amount(client: Any) -> None:
    bought = await placed(client, SPOT, "market", "buy", 1, None, cost=50.5)
    assert (bought["info"]["status"], bought["filled"]) == ("FILLED", 0.5)
    assert bought["info"]["order_configuration"] == {"market_market_ioc": {"quote_size": "50.5"}}
    sold = await placed(client, SPOT, "market", "sell", 0.5)
    assert (sold["info"]["status"], sold["filled"], sold["average"]) == ("FILLED", 0.5, 100)


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"timeInForce": "IOC"}, "sor_limit_ioc"),
        ({"timeInForce": "FOK"}, "limit_limit_fok"),
        ({"timeInForce": "GTD", "end_time": "2023-11-14T22:15:00Z"}, "limit_limit_gtd"),
    ],
)
async def test_what_may_not_rest_is_cancelled_and_a_date_expires(
    sim: SimExchange, client: Any, params: Any, word: str
) -> None:
    order = await placed(client, SPOT, "limit", "buy", 1, 90, **params)
    assert list(order["info"]["order_configuration"]) == [word]
    if word == "limit_limit_gtd":
        assert order["info"]["status"] == "OPEN"
        sim.advance(61_000)
        order = await client.fetch_order(order["id"], SPOT)
        assert order["info"]["status"] == "EXPIRED"
    else:
        assert (order["info"]["status"], order["filled"]) == ("CANCELLED", 0)


async def test_stop_limits_wait_under_one_id_and_fire(sim: SimExchange, client: Any) -> None:
    waiting = await placed(client, SPOT, "limit", "sell", 1, 94, stopLossPrice=95)
    assert (waiting["status"], waiting["triggerPrice"], waiting["info"]["trigger_status"]) == (
        "open",
        95,
        "STOP_PENDING",
    )
    trade(sim, SPOT, "95")
    fired = await client.fetch_order(waiting["id"], SPOT)
    assert (fired["info"]["status"], fired["filled"], fired["average"]) == ("FILLED", 1, 100)


async def test_the_same_client_id_gives_the_first_order_again(client: Any) -> None:
    first = await client.create_order(SPOT, "limit", "buy", 1, 90, {"client_order_id": "once"})
    again = await client.create_order(SPOT, "limit", "buy", 1, 90, {"client_order_id": "once"})
    assert again["id"] == first["id"]
    assert len(await client.fetch_open_orders(SPOT)) == 1


async def test_lists_have_pages(client: Any) -> None:
    for price in (90, 91, 92):
        await client.create_order(SPOT, "limit", "buy", 1, price)
    first = await client.v3PrivateGetBrokerageOrdersHistoricalBatch({"limit": 2, "order_status": "OPEN"})
    rest = await client.v3PrivateGetBrokerageOrdersHistoricalBatch({"limit": 2, "cursor": first["cursor"]})
    assert (first["has_next"], rest["has_next"]) == (True, False)
    shown = [row["order_configuration"]["limit_limit_gtc"]["limit_price"] for row in first["orders"] + rest["orders"]]
    assert shown == ["92", "91", "90"]


async def test_balances_with_and_without_what_orders_hold(client: Any) -> None:
    await client.create_order(SPOT, "limit", "buy", 1, 90)
    new = await client.fetch_balance({"v3": True})
    old = await client.fetch_balance()
    assert new["USDT"] == {"free": 100_000 - 90.18, "used": 90.18, "total": 100_000}
    assert old["USDT"] == {"free": 100_000, "used": 0, "total": 100_000}  # ccxt's own choice of endpoint


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("order", "params", "error", "says"),
    [
        (("limit", "buy", 2000, 100), {}, ccxt.InsufficientFunds, "PREVIEW_INSUFFICIENT_FUND"),
        (("limit", "buy", 0.01, 100), {}, ccxt.ExchangeError, "QUOTE_SIZE_TOO_SMALL"),
        (("limit", "buy", 1, 102), {"postOnly": True}, ccxt.ExchangeError, "POST_ONLY"),
        (("limit", "buy", 1, 90), {"stopLossPrice": 95}, ccxt.ExchangeError, "STOP_PRICE_BELOW_LAST_TRADE_PRICE"),
        (("limit", "sell", 1, 90), {"stopLossPrice": 110}, ccxt.InvalidOrder, "STOP_PRICE_ABOVE_LAST_TRADE_PRICE"),
    ],
)
async def test_orders_are_refused_inside_an_answer_of_success(
    client: Any, order: Any, params: Any, error: Any, says: str
) -> None:
    with pytest.raises(error, match=says):
        await client.create_order(SPOT, *order, params)
    assert await client.fetch_open_orders(SPOT) == []


async def test_unknown_orders_and_too_many_requests(sim: SimExchange, client: Any) -> None:
    with pytest.raises(ccxt.BaseError, match="was not found"):
        await client.fetch_order("77", SPOT)
    with pytest.raises(ccxt.BadRequest, match="cancelOrders"):
        await client.cancel_order("77", SPOT)
    sim.faults.add(Fault(FaultKind.RATE_LIMIT, path="*/accounts"))
    with pytest.raises(ccxt.RateLimitExceeded):
        await client.fetch_balance()


async def test_a_limit_may_be_lowered() -> None:
    limits = {"coinbase": {"PRIVATE_1S": 2}}
    async with exchange("coinbase", limits=limits) as sim, client_of(sim, "coinbase") as client:
        with pytest.raises(ccxt.RateLimitExceeded):
            for _ in range(4):
                await client.v3PrivateGetBrokerageAccounts()


# ------------------------------------------------------------------ streams


async def test_public_streams(sim: SimExchange, client: Any) -> None:
    trades = await watching(sim, client.watch_trades(SPOT), "market_trades:BTC-USDT")
    await soon(trades)  # what had been traded before
    trades = asyncio.ensure_future(client.watch_trades(SPOT))
    await asyncio.sleep(0)
    trade(sim, SPOT, "103")
    assert (await soon(trades))[-1]["price"] == 103
    ticker = await soon(client.watch_ticker(SPOT))
    assert (ticker["bid"], ticker["ask"]) == (100, 101)
    seen = await soon(client.watch_order_book(SPOT))
    assert seen["asks"][0] == [101, 1]
    book(sim, SPOT, "100", "102", "3")
    while seen["asks"][0] != [102, 3]:
        seen = await soon(client.watch_order_book(SPOT))
    assert len(seen["asks"]) == 1


async def test_the_user_channel_tells_of_orders(sim: SimExchange, client: Any) -> None:
    await client.create_order(SPOT, "limit", "buy", 1, 90, {"client_order_id": "before"})
    (known,) = await soon(client.watch_orders())  # the channel begins with what is open
    assert (known["clientOrderId"], known["status"]) == ("before", "open")
    orders = asyncio.ensure_future(client.watch_orders())
    await asyncio.sleep(0)
    made = await client.create_order(SPOT, "limit", "sell", 1.5, 100)
    told = (await soon(orders))[-1]
    assert told["id"] == made["id"]
    await until(lambda: client.orders[-1]["filled"] == 1)
    assert client.orders[-1]["info"]["leaves_quantity"] == "0.5"
    await client.cancel_order(made["id"], SPOT)
    await until(lambda: client.orders[-1]["info"]["status"] == "CANCELLED")


async def refusals(client: Any, watch: Callable[[], Any]) -> list[str]:
    """What the socket is told while ``watch`` waits: ccxt raises inside its receiving loop, where nobody hears it."""
    heard: list[str] = []
    client.handle_message = lambda ws, message: heard.append(message.get("message"))
    task = asyncio.ensure_future(watch())
    await until(lambda: heard)
    task.cancel()
    return heard


async def test_the_user_channel_needs_a_token(sim: SimExchange) -> None:
    async with client_of(sim, "coinbase") as client:
        await client.load_markets()
        client.secret = keys.private_pem(SimAccount(secret="another"))
        assert await refusals(client, client.watch_orders) == ["authentication failure"]


async def test_a_channel_or_product_that_does_not_exist_is_refused(sim: SimExchange, client: Any) -> None:
    message = {"type": "subscribe", "channel": "market_trades", "product_ids": ["XYZ-USD"]}
    url = client.urls["api"]["ws"]
    (heard,) = await refusals(client, lambda: client.watch(url, "never", message, "never"))
    assert "market_trades" in heard and "XYZ-USD" in heard


def test_unknown_limits_are_refused_by_name() -> None:
    from btccxt.errors import ConfigError
    from btccxt.sim.market import ParticipantsSource
    from btccxt.sim.markets import spot_market

    source = ParticipantsSource([spot_market(SPOT)], START_MS)
    with pytest.raises(ConfigError, match="PRIVATE_1S"):
        SimExchange(source, ("coinbase",), clock=SteppedClock(START_MS), limits={"coinbase": {"NONE": 1}})


async def test_several_accounts_each_have_a_key() -> None:
    accounts = [SimAccount("ann", "ann-key", "one", balances={"USDT": D(500)}), SimAccount("bob", "bob-key", "two")]
    async with exchange("coinbase", accounts=accounts, balances=None) as sim:
        for account, total in zip(accounts, (500, None), strict=True):
            own = {"apiKey": keys.key_name(account), "secret": keys.private_pem(account)}
            async with client_of(sim, "coinbase", **own) as client:
                assert (await client.fetch_balance({"v3": True})).get("USDT", {}).get("total") == total
