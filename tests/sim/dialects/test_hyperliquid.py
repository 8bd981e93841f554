"""Unmodified ccxt.pro.hyperliquid trades on the embedded exchange: signed actions, spot and perpetuals, one socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt
import pytest

from btccxt.errors import ConfigError
from btccxt.sim.clock import SteppedClock
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.dialects.hyperliquid import keys
from btccxt.sim.dialects.hyperliquid.keccak import keccak256
from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.market import ParticipantsSource
from btccxt.sim.markets import linear_market, spot_market
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import soon, until, watching
from tests.sim.dialects.unified_kit import START_MS, D, book, client_of, trade

SPOT, PERP = "BTC/USDC", "BTC/USDC:USDC"
CLOID = "0x" + "1" * 32


@asynccontextmanager
async def exchange(**options: Any) -> AsyncIterator[SimExchange]:
    """Both markets quoted 100 / 101, one unit a side, last trade 100.5; 100,000 USDC and 10 BTC."""
    markets = [
        spot_market(SPOT, maker="0.001", taker="0.002", min_cost="10"),
        linear_market(PERP, price_step="0.001", maker="0.0002", taker="0.0005", min_cost="10"),
        linear_market("BTC/USDT:USDT"),
    ]
    options.setdefault("clock", SteppedClock(START_MS))
    options.setdefault("balances", {"USDC": 100_000, "BTC": 10})
    async with SimExchange(ParticipantsSource(markets, START_MS), ("hyperliquid",), **options) as sim:
        for symbol in (SPOT, PERP):
            book(sim, symbol)
            trade(sim, symbol, "100.5")
        yield sim


@pytest.fixture
async def sim() -> AsyncIterator[SimExchange]:
    async with exchange() as running:
        yield running


@pytest.fixture
async def client(sim: SimExchange) -> AsyncIterator[Any]:
    async with client_of(sim, "hyperliquid") as connected:
        await connected.load_markets()
        yield connected


async def refusal(awaitable: Any, error: type[Exception] = ccxt.InvalidOrder) -> str:
    with pytest.raises(error) as told:
        await awaitable
    return str(told.value)


async def act(client: Any, action: dict[str, Any]) -> Any:
    """An action that ccxt would not send."""
    nonce = client.incrementing_nonce()
    signed = {"action": action, "nonce": nonce, "signature": client.sign_l1_action(action, nonce)}
    return await client.private_post_exchange(signed)


# ------------------------------------------------------------------ keys


def test_keccak_is_what_the_world_calls_so() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    for length in (135, 136, 137, 300):
        assert keccak256(b"x" * length).hex() == ccxt.Exchange.hash(b"x" * length, "keccak", "hex")


@pytest.mark.parametrize(
    "value",
    [None, True, 0, 127, 128, 65_536, 2**40, -1, -33, -40_000, 1.5, "é" * 40, ["a"] * 20, {"a": {"b": [1, "2"]}}],
)
def test_actions_are_packed_as_ccxt_packs_them(value: Any) -> None:
    assert keys.pack({"v": value}) == ccxt.hyperliquid().packb({"v": value})


def test_an_accounts_wallet_is_made_from_its_secret_and_signs_for_it_alone() -> None:
    ann, bob = SimAccount("ann", "a", "one"), SimAccount("bob", "b", "two")
    assert keys.address(ann) == ccxt.Exchange.eth_get_address_from_private_key(keys.private_key(ann)).lower()
    signed = keys.digest({"type": "x"}, 1, None, None, testnet=False)
    signature = ccxt.hyperliquid().sign_hash("0x" + signed.hex(), keys.private_key(ann))
    assert keys.is_signed_by(signed, signature, ann)
    assert not keys.is_signed_by(signed, signature, bob)
    assert not keys.is_signed_by(signed, {"r": "0x0"}, ann)


async def test_the_wrong_wallet_orders_nothing(sim: SimExchange) -> None:
    wrong = keys.private_key(SimAccount(secret="another"))
    async with client_of(sim, "hyperliquid", privateKey=wrong) as client:
        said = await refusal(client.create_order(PERP, "limit", "buy", 1, 90), ccxt.ExchangeError)
        assert "does not exist" in said
        assert await client.fetch_open_orders(PERP) == []


async def test_a_nonce_serves_once_and_within_its_time(sim: SimExchange, client: Any) -> None:
    client.incrementing_nonce = lambda: START_MS
    await client.create_order(PERP, "limit", "buy", 1, 90)
    assert "duplicate nonce" in await refusal(client.create_order(PERP, "limit", "buy", 1, 90), ccxt.ExchangeError)


async def test_a_nonce_of_another_day_is_refused() -> None:
    async with exchange(clock=None) as sim, client_of(sim, "hyperliquid") as client:
        await client.load_markets()
        now_ms = sim.venue.server_time_ms()
        for days in (-3, 2):
            client.incrementing_nonce = lambda days=days: now_ms + days * 86_400_000
            said = await refusal(client.create_order(PERP, "limit", "buy", 1, 90), ccxt.ExchangeError)
            assert "out of bounds" in said


async def test_the_test_network_signs_for_itself(sim: SimExchange) -> None:
    async with client_of(sim, "hyperliquid") as client:
        client.set_sandbox_mode(True)
        assert (await client.create_order(PERP, "limit", "buy", 1, 90))["id"]
        client.options["sandboxMode"] = False  # signs for the other one
        assert "does not exist" in await refusal(client.create_order(PERP, "limit", "buy", 1, 90), ccxt.ExchangeError)


async def test_several_accounts_each_have_a_wallet() -> None:
    accounts = [SimAccount("ann", "ann-key", "one", balances={"USDC": D(500)}), SimAccount("bob", "bob-key", "two")]
    async with exchange(accounts=accounts, balances=None) as sim:
        for account, total in zip(accounts, (500, 0), strict=True):
            own = {"walletAddress": keys.address(account), "privateKey": keys.private_key(account)}
            async with client_of(sim, "hyperliquid", **own) as client:
                assert (await client.fetch_balance())["USDC"]["total"] == total
                await refusal(client.create_order(SPOT, "limit", "sell", 1, 110), ccxt.InsufficientFunds)


# ------------------------------------------------------------------ markets


async def test_public_data(sim: SimExchange, client: Any) -> None:
    assert {SPOT, PERP} <= set(client.markets) and "BTC/USDT:USDT" not in client.markets
    spot, perp = client.markets[SPOT], client.markets[PERP]
    assert (spot["id"], spot["baseId"], perp["baseId"]) == ("@0", "10000", "0")
    assert (spot["precision"]["amount"], perp["precision"]["amount"]) == (0.00001, 0.001)
    sim.advance(120_000)
    for symbol in (SPOT, PERP):
        trade(sim, symbol, "102")
        bars = await client.fetch_ohlcv(symbol, "1m", START_MS, 10)
        assert bars[0][0] == START_MS and bars[-1][4] == 102
        assert (await client.fetch_order_book(symbol))["asks"] == [[101, 1]]
        assert (await client.fetch_tickers([symbol]))[symbol]["last"] == 100.5  # the middle
    assert await client.fetch_time() == START_MS + 120_000


# ------------------------------------------------------------------ orders


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_a_partly_filled_order_is_changed_under_a_new_number_and_cancelled(client: Any, symbol: str) -> None:
    made = await client.create_order(symbol, "limit", "buy", 1.5, 101, {"clientOrderId": CLOID})
    order = await client.fetch_order(made["id"], symbol)
    assert (order["status"], order["filled"], order["remaining"]) == ("open", 1.0, 0.5)
    assert order["clientOrderId"] == CLOID
    changed = await client.edit_order(made["id"], symbol, "limit", "buy", 2, 99, {"clientOrderId": CLOID})
    assert changed["id"] != made["id"]
    assert (await client.fetch_order(made["id"], symbol))["status"] == "canceled"
    (found,) = await client.fetch_open_orders(symbol)
    assert (found["id"], found["amount"], found["price"]) == (changed["id"], 2, 99)
    await client.cancel_order(None, symbol, {"clientOrderId": CLOID})
    assert await client.fetch_open_orders(symbol) == []
    (fill,) = await client.fetch_my_trades(symbol)
    rate, coin = (0.002, "BTC") if symbol == SPOT else (0.0005 * 101, "USDC")
    assert (fill["order"], fill["price"], fill["amount"], fill["takerOrMaker"]) == (made["id"], 101, 1, "taker")
    assert fill["fee"] == {**fill["fee"], "cost": rate, "currency": coin}


async def test_what_cannot_fill_at_once_is_refused_and_stays_askable(client: Any) -> None:
    order = client.create_order(PERP, "limit", "buy", 1, 90, {"timeInForce": "IOC", "clientOrderId": CLOID})
    assert "could not immediately match" in await refusal(order)
    asked = await client.fetch_order(CLOID, PERP, {"clientOrderId": CLOID})
    assert (asked["info"]["status"], asked["filled"]) == ("iocCancelRejected", 0)
    partly = await client.create_order(PERP, "limit", "buy", 3, 101, {"timeInForce": "IOC"})
    ended = await client.fetch_order(partly["id"], PERP)
    assert (ended["status"], ended["filled"], ended["remaining"]) == ("canceled", 1, 2)


async def test_a_refused_order_has_a_number_and_can_be_asked_for(client: Any) -> None:
    params = {"postOnly": True, "clientOrderId": CLOID}
    assert "Post only order" in await refusal(client.create_order(PERP, "limit", "buy", 1, 102, params))
    asked = await client.fetch_order(None, PERP, {"clientOrderId": CLOID})
    assert (asked["status"], asked["info"]["status"]) == ("rejected", "badAloPxRejected")
    assert [row["id"] for row in await client.fetch_orders(PERP)] == [asked["id"]]


async def test_a_market_order_is_a_limit_order_with_slippage(client: Any) -> None:
    made = await client.create_order(PERP, "market", "buy", 1, 100)
    order = await client.fetch_order(made["id"], PERP)
    assert (order["status"], order["average"] or made["average"], order["price"]) == ("closed", 101, 105)


@pytest.mark.parametrize(
    ("name", "side", "trigger", "at", "kind"),
    [
        ("stopLossPrice", "sell", 95, "95", "Stop Market"),
        ("takeProfitPrice", "sell", 105, "105", "Take Profit Market"),
        ("triggerPrice", "buy", 105, "105", "Stop Market"),
    ],
)
async def test_triggers_wait_under_one_number_and_fire(
    sim: SimExchange, client: Any, name: str, side: str, trigger: float, at: str, kind: str
) -> None:
    made = await client.create_order(SPOT, "market", side, 1, 100, {name: trigger})
    (waiting,) = await client.fetch_open_orders(SPOT)
    assert (waiting["id"], waiting["triggerPrice"], waiting["info"]["orderType"]) == (made["id"], trigger, kind)
    trade(sim, SPOT, at)
    fired = await client.fetch_order(made["id"], SPOT)
    assert (fired["status"], fired["filled"]) == ("closed", 1)


async def test_orders_of_one_action_are_judged_each_by_itself(client: Any) -> None:
    order = {"symbol": PERP, "type": "limit", "side": "buy", "amount": 1}
    answer = await client.create_orders([{**order, "price": 90}, {**order, "price": 90.123456}, {**order, "price": 91}])
    assert [("resting" in row["info"], "error" in row["info"]) for row in answer] == [
        (True, False),
        (True, False),  # ccxt has rounded it
        (True, False),
    ]
    action = {
        "type": "order",
        "grouping": "na",
        "orders": [
            {"a": 0, "b": True, "p": price, "s": "1", "r": False, "t": {"limit": {"tif": "Gtc"}}}
            for price in ("92", "92.12345")
        ],
    }
    assert "tick size" in await refusal(act(client, action))  # ccxt raises for one of them
    assert sorted(row["price"] for row in await client.fetch_open_orders(PERP)) == [90, 90.123, 91, 92]
    await client.cancel_orders([row["id"] for row in await client.fetch_open_orders(PERP)], PERP)
    assert await client.fetch_open_orders(PERP) == []


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("symbol", "order", "params", "error", "says"),
    [
        (PERP, ("limit", "buy", 0.05, 100), {}, ccxt.InvalidOrder, "minimum value of"),
        (PERP, ("limit", "buy", 100_000, 100), {}, ccxt.InsufficientFunds, "Insufficient margin"),
        (SPOT, ("limit", "buy", 2000, 100), {}, ccxt.InsufficientFunds, "Insufficient spot balance"),
        (PERP, ("limit", "sell", 1, 100), {"reduceOnly": True}, ccxt.InvalidOrder, "would increase position"),
        (PERP, ("market", "buy", 1, 100), {"stopLossPrice": 95}, ccxt.InvalidOrder, "Invalid TP/SL price"),
        (PERP, ("limit", "buy", 1, 90), {"clientOrderId": "c-1"}, ccxt.ExchangeError, "deserialize"),
        (PERP, ("limit", "buy", 1, 90), {"stopLoss": {"triggerPrice": 80}}, ccxt.ExchangeError, "no TP/SL groupings"),
    ],
)
async def test_orders_are_refused_under_http_200(
    client: Any, symbol: str, order: Any, params: Any, error: Any, says: str
) -> None:
    assert says in await refusal(client.create_order(symbol, *order, params), error)
    assert await client.fetch_open_orders(symbol) == []


async def test_unknown_orders_and_too_many_requests(sim: SimExchange, client: Any) -> None:
    await refusal(client.fetch_order("77", PERP), ccxt.OrderNotFound)
    await refusal(client.cancel_order("77", PERP), ccxt.OrderNotFound)
    await refusal(client.edit_order("77", PERP, "limit", "buy", 1, 90), ccxt.ExchangeError)
    sim.faults.add(Fault(FaultKind.RATE_LIMIT, path="*/info"))
    await refusal(client.fetch_balance(), ccxt.RateLimitExceeded)


async def test_questions_have_weights_and_a_limit_may_be_lowered() -> None:
    limits = {"hyperliquid": {"WEIGHT_1M": 100}}
    async with exchange(limits=limits) as sim, client_of(sim, "hyperliquid") as client:
        for _ in range(50):
            await client.public_post_info({"type": "l2Book", "coin": "BTC"})  # two each
        await refusal(client.public_post_info({"type": "allMids"}), ccxt.RateLimitExceeded)


def test_unknown_limits_are_refused_by_name() -> None:
    source = ParticipantsSource([spot_market(SPOT)], START_MS)
    with pytest.raises(ConfigError, match="WEIGHT_1M"):
        SimExchange(source, ("hyperliquid",), clock=SteppedClock(START_MS), limits={"hyperliquid": {"NONE": 1}})


async def test_a_changed_order_that_breaks_a_rule_leaves_the_old_one(client: Any) -> None:
    made = await client.create_order(PERP, "limit", "buy", 1, 90)
    assert "minimum value" in await refusal(client.edit_order(made["id"], PERP, "limit", "buy", 0.01, 90))
    assert [row["id"] for row in await client.fetch_open_orders(PERP)] == [made["id"]]


# ------------------------------------------------------------------ account


async def test_positions_leverage_and_isolated_margin(sim: SimExchange, client: Any) -> None:
    await client.set_margin_mode("isolated", PERP, {"leverage": 10})
    await client.create_order(PERP, "market", "buy", 1, 100)
    (position,) = await client.fetch_positions([PERP])
    assert (position["contracts"], position["side"], position["entryPrice"]) == (1, "long", 101)
    assert (position["leverage"], position["marginMode"]) == (10, "isolated")
    assert 90 < position["liquidationPrice"] < 95
    await refusal(client.set_leverage(1000, PERP), ccxt.ExchangeError)
    await refusal(client.set_leverage(5, SPOT), ccxt.ExchangeError)


async def test_spot_balances_show_what_orders_hold(sim: SimExchange, client: Any) -> None:
    await client.create_order(SPOT, "limit", "buy", 1, 90)
    balance = (await client.fetch_balance({"type": "spot"}))["USDC"]
    assert balance["total"] == 100_000 and 90 <= balance["used"] <= 90.2
    await client.create_order(PERP, "market", "buy", 1, 100)
    trade(sim, PERP, "100.5")
    account = await client.fetch_balance({"type": "swap"})
    assert account["USDC"]["total"] == pytest.approx(100_000 - 101 * 0.0005 - 0.5, abs=0.01)  # with what is lost so far


async def test_funding_is_charged_and_listed(sim: SimExchange, client: Any) -> None:
    await client.create_order(PERP, "market", "sell", 1, 100)
    before = sim.engine.balances("main")["USDC"].total
    sim.fund(PERP, D("0.0001"))
    (paid,) = await client.fetch_funding_history(PERP)
    assert paid["amount"] == pytest.approx(float(sim.engine.balances("main")["USDC"].total - before))
    assert paid["amount"] > 0
    (charged,) = await client.fetch_funding_rate_history(PERP, START_MS)
    assert charged["fundingRate"] == 0.0001


async def test_a_liquidation_is_a_fill_that_says_so(sim: SimExchange, client: Any) -> None:
    sim.deposit("main", "USDC", D("-99900"))
    book(sim, PERP, amount="100")
    await client.set_leverage(20, PERP)
    await client.create_order(PERP, "market", "buy", 15, 100)
    book(sim, PERP, "94", "95", "100")
    trade(sim, PERP, "94")
    assert await client.fetch_positions([PERP]) == []
    forced = (await client.fetch_my_trades(PERP))[-1]
    assert (forced["side"], forced["info"]["liquidation"]["method"]) == ("sell", "market")
    assert forced["info"]["dir"] == "Close Long"


async def test_a_cancel_can_be_scheduled_and_taken_back(sim: SimExchange, client: Any) -> None:
    await client.create_order(PERP, "limit", "buy", 1, 90)
    client.milliseconds, client.options["lastNonce"] = sim.venue.now_ms, 0
    await client.cancel_all_orders_after(10_000)
    await act(client, {"type": "scheduleCancel"})
    sim.advance(20_000)
    sim.dialects["hyperliquid"].on_tick()
    assert len(await client.fetch_open_orders(PERP)) == 1
    await client.cancel_all_orders_after(10_000)
    sim.advance(20_000)
    sim.dialects["hyperliquid"].on_tick()
    assert await client.fetch_open_orders(PERP) == []
    assert "too early" in await refusal(client.cancel_all_orders_after(0), ccxt.ExchangeError)  # what ccxt means by 0


# ------------------------------------------------------------------ streams


@pytest.mark.parametrize(("symbol", "coin"), [(SPOT, "@0"), (PERP, "BTC")])
async def test_public_streams(sim: SimExchange, client: Any, symbol: str, coin: str) -> None:
    trades = await watching(sim, client.watch_trades(symbol), f"trades:{coin}")
    candles = await watching(sim, client.watch_ohlcv(symbol, "1m"), f"candle:{coin}:1m")
    trade(sim, symbol, "103")
    assert (await soon(trades))[-1]["price"] == 103
    sim.advance(1)
    assert (await soon(candles))[-1][4] == 103
    ticker = await soon(client.watch_ticker(symbol))
    assert ticker["last"] == 100.5
    seen = await soon(client.watch_order_book(symbol))
    assert seen["asks"][0] == [101, 1]
    book(sim, symbol, "100", "102", "3")
    while seen["asks"][0] != [102, 3]:
        sim.advance(1)
        seen = await soon(client.watch_order_book(symbol))
    assert len(seen["asks"]) == 1
    assert len(sim.connections) == 1  # one socket for all


async def test_orders_and_fills_are_told(sim: SimExchange, client: Any) -> None:
    before = await client.create_order(PERP, "limit", "buy", 0.5, 101)
    fills = await soon(client.watch_my_trades(PERP))
    assert [fill["order"] for fill in fills] == [before["id"]]  # begins with what was
    orders = await watching(sim, client.watch_orders(PERP), "orderUpdates:main")
    fills = asyncio.ensure_future(client.watch_my_trades(PERP))
    await asyncio.sleep(0)
    made = await client.create_order(PERP, "limit", "sell", 1.5, 100, {"clientOrderId": CLOID})
    told = (await soon(orders))[-1]
    assert (told["id"], told["status"], told["clientOrderId"]) == (made["id"], "open", CLOID)
    fill = (await soon(fills))[-1]
    assert (fill["order"], fill["amount"], fill["info"]["dir"]) == (made["id"], 1, "Long > Short")
    assert fill["info"]["startPosition"] == "0.5"
    await client.cancel_order(made["id"], PERP)
    await until(lambda: client.orders[-1]["status"] == "canceled")
    assert client.orders[-1]["filled"] == 1
    await refusal(client.create_order(PERP, "limit", "buy", 1, 110, {"postOnly": True}))
    await until(lambda: client.orders[-1]["status"] == "rejected")


async def test_balances_and_positions_are_told(sim: SimExchange, client: Any) -> None:
    spot = await soon(client.watch_balance({"type": "spot"}))
    assert spot["BTC"]["total"] == 10
    swap = await soon(client.watch_balance({"type": "swap"}))
    assert swap["USDC"]["total"] == 100_000
    positions = await watching(sim, client.watch_positions([PERP]), "clearinghouseState:main")
    await client.create_order(PERP, "market", "buy", 1, 100)
    seen = await soon(positions)
    while not seen:
        seen = await soon(client.watch_positions([PERP]))
    assert (seen[-1]["contracts"], seen[-1]["side"]) == (1, "long")


async def test_actions_over_the_socket(sim: SimExchange, client: Any) -> None:
    sim.faults.add(Fault(FaultKind.RATE_LIMIT, path="*/exchange"))  # nothing of it goes another way
    made = await soon(client.create_order_ws(PERP, "limit", "buy", 1, 90))
    assert [row["id"] for row in await client.fetch_open_orders(PERP)] == [made["id"]]
    changed = await soon(client.edit_order_ws(made["id"], PERP, "limit", "buy", 1, 91))
    gone = await soon(client.cancel_order_ws(changed["id"], PERP))
    assert await client.fetch_open_orders(PERP) == []
    assert gone["status"] == "canceled" or gone["info"] == "success"


async def raw(client: Any, *messages: Any) -> list[Any]:
    """What the socket answers to messages that ccxt would not send."""
    heard: list[Any] = []
    client.handle_message = lambda ws, message: heard.append(message)
    tasks = []
    for number, message in enumerate(messages):
        tasks.append(
            asyncio.ensure_future(client.watch(client.urls["api"]["ws"]["public"], f"{number}", message, f"{number}"))
        )
        await until(lambda number=number: len(heard) > number)
    for task in tasks:
        task.cancel()
    return heard


async def test_the_socket_refuses_by_name(sim: SimExchange, client: Any) -> None:
    trades = {"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}}
    other = {"method": "subscribe", "subscription": {"type": "trades", "coin": "XYZ"}}
    question = {"method": "post", "id": 9, "request": {"type": "info", "payload": {"type": "nonsense"}}}
    told = await raw(client, trades, trades, other, {"method": "ping"}, {"method": "sing"}, question)
    assert [message["channel"] for message in told] == [
        "subscriptionResponse",
        "error",
        "error",
        "pong",
        "error",
        "post",
    ]
    assert told[1]["data"].startswith("Already subscribed")
    assert told[2]["data"].startswith("Invalid subscription")
    assert told[5]["data"]["response"]["type"] == "error"
