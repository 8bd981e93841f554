"""CCXTExchange against the embedded Binance: what it sends once, what it repeats, and what it calls each failure."""

from __future__ import annotations

import asyncio
import ssl
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from btccxt.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionLost,
    ExchangeUnavailable,
    OrderNotFound,
    OrderOutcomeUnknown,
    RateLimited,
    Refused,
    Unreadable,
    Unsupported,
)
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.ccxt.ccxt_instance import ccxt_class, check_config
from btccxt.exchange.ccxt.translate import markets_of
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import (
    Balances,
    BarUpdate,
    Fill,
    MarketType,
    OrderKind,
    OrderReference,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Side,
    StreamKey,
    StreamKind,
    Ticker,
    Trade,
)
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.retry import RetryPolicy
from btccxt.sim.faults import Fault, FaultKind
from tests.exchange.capture import make_exchange
from tests.exchange.ccxt.sim_kit import (
    BALANCE,
    BTC_1M,
    ETH_1M,
    FILLS,
    KEYS,
    ORDERS,
    SPOT,
    Watcher,
    opened,
    running_sim,
)
from tests.exchange.ccxt.tiny_binance import until
from tests.fakes import spot_market

BTC = "BTC/USDT"
ORDER_PATH = "/api/v3/order"


def market_order(client_id: str = "a1", amount: str = "0.01") -> OrderRequest:
    return OrderRequest(client_id, BTC, Side.BUY, OrderKind.MARKET, Decimal(amount))


def limit_order(client_id: str, price: str = "1000", side: Side = Side.BUY) -> OrderRequest:
    return OrderRequest(client_id, BTC, side, OrderKind.LIMIT, Decimal("0.01"), price=Decimal(price))


def orders_at(sim) -> int:
    return len(sim.engine.orders(next(iter(sim.accounts))))


# ------------------------------------------------------------------ reads


async def test_markets_time_candles_trades_ticker_and_balance_are_typed_records(sim, exchange):
    markets = await exchange.load_markets()
    assert markets[BTC].price_step == Decimal("0.01")
    assert markets[BTC].type is MarketType.SPOT
    assert abs(await exchange.fetch_time() - sim.clock.now_ms()) < 1_000
    bars = await exchange.fetch_ohlcv(BTC, "1m", limit=5)
    assert [later.open_ms - bar.open_ms for bar, later in pairwise(bars)] == [60_000] * 4
    trades = await exchange.fetch_trades(BTC, limit=3)
    assert [trade.symbol for trade in trades] == [BTC] * 3
    ticker = await exchange.fetch_ticker(BTC)
    assert ticker.bid < ticker.ask
    balances = await exchange.fetch_balance()
    assert balances.complete
    assert balances.by_currency["USDT"].free == 100_000


async def test_an_unknown_symbol_or_timeframe_is_refused_before_anything_is_sent(sim, exchange):
    await exchange.load_markets()
    seen: list[object] = []
    sim.on_request(seen.append)
    with pytest.raises(ConfigError, match="did you mean BTC/USDT"):
        await exchange.fetch_ohlcv("BTC/USD", "1m")
    with pytest.raises(ConfigError, match="no timeframe '7m'; it has 1s, 1m"):
        await exchange.fetch_ohlcv(BTC, "7m")
    with pytest.raises(Refused, match="did you mean"):
        await exchange.create_order(OrderRequest("x", "BTC/USD", Side.BUY, OrderKind.MARKET, Decimal(1)))
    assert seen == []


async def test_reads_are_repeated_after_a_failure_that_repeating_can_help():
    faults = [Fault(FaultKind.ERROR_BEFORE, path="/api/v3/klines", times=2, status=502)]
    async with running_sim(faults) as sim, opened(sim, retry=RetryPolicy(attempts=3, first_delay_s=0.001)) as exchange:
        assert len(await exchange.fetch_ohlcv(BTC, "1m", limit=5)) == 5


async def test_wrong_keys_are_called_wrong_keys_and_never_shown(sim):
    async with opened(sim, {"apiKey": "planted-key", "secret": "planted-secret"}) as exchange:
        with pytest.raises(AuthenticationFailed) as caught:
            await exchange.fetch_balance()
        assert "planted" not in str(caught.value)
        assert caught.value.__cause__ is None
    async with opened(sim, {}) as exchange:
        with pytest.raises(AuthenticationFailed, match="apiKey"):
            await exchange.fetch_balance()


async def test_no_network_is_one_clear_error():
    async with running_sim() as sim:
        exchange = CCXTExchange(SPOT, KEYS, connector=sim.connector, retry=RetryPolicy(attempts=1))
        await exchange.open()
    with pytest.raises(ConnectionLost, match=r"cannot reach api\.binance\.com.*is this machine online"):
        await exchange.load_markets()
    await exchange.close()


async def test_markets_can_be_taken_from_another_instance(sim, exchange):
    await exchange.load_markets()
    seen: list[object] = []
    sim.on_request(seen.append)
    async with opened(sim, markets_from=exchange) as second:
        assert await second.load_markets() == await exchange.load_markets()
    assert seen == []


# ------------------------------------------------------------------ orders


async def test_no_connection_stays_open_when_whoever_closes_waits_no_longer(sim):
    async with opened(sim) as exchange:
        await exchange.load_markets()
        session, hangs = exchange._http_session.session, asyncio.Event()
        exchange._rest.close = hangs.wait
        closing = asyncio.create_task(exchange.close())
        await until(lambda: exchange._rest is None)
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        assert session.closed


async def test_an_orders_life_by_rest(sim, exchange):
    filled = await exchange.create_order(market_order("a1"))
    assert (filled.status, filled.client_order_id, filled.filled) == (OrderStatus.FILLED, "a1", Decimal("0.01"))
    assert [fill.time_ms for fill in filled.fills] == [filled.time_ms]
    resting = await exchange.create_order(limit_order("a2"))
    assert resting.status is OrderStatus.OPEN
    by_client_id = OrderReference(BTC, "a2")
    assert (await exchange.fetch_order(by_client_id)).order_id == resting.order_id
    assert [each.client_order_id for each in await exchange.fetch_open_orders(BTC)] == ["a2"]
    cancelled = await exchange.cancel_order(by_client_id)
    assert cancelled.client_order_id == "a2"
    assert (await exchange.fetch_order(by_client_id)).status is OrderStatus.CANCELED
    closed = {each.client_order_id: each.status for each in await exchange.fetch_closed_orders(BTC)}
    assert closed == {"a1": OrderStatus.FILLED, "a2": OrderStatus.CANCELED}
    (fill,) = await exchange.fetch_my_trades(BTC)
    assert (fill.amount, fill.order_id, fill.fee.currency) == (Decimal("0.01"), filled.order_id, "BTC")


async def test_an_explicit_not_found_is_not_found_and_a_network_error_never_is():
    faults = [Fault(FaultKind.DROP_REQUEST, method="GET", path=ORDER_PATH, nth=2)]
    async with running_sim(faults) as sim, opened(sim) as exchange:
        for error in (OrderNotFound, ConnectionLost):
            with pytest.raises(error):
                await exchange.fetch_order(OrderReference(BTC, "nobody"))
        with pytest.raises(OrderNotFound):
            await exchange.cancel_order(OrderReference(BTC, "nobody"))


@pytest.mark.parametrize(
    ("kind", "options", "error", "placed"),
    [
        (FaultKind.DROP_REQUEST, {}, OrderOutcomeUnknown, 0),
        (FaultKind.LOSE_ANSWER, {}, OrderOutcomeUnknown, 1),
        (FaultKind.CUT_ANSWER, {}, OrderOutcomeUnknown, 1),
        (FaultKind.HANG, {}, OrderOutcomeUnknown, 1),
        (FaultKind.ERROR_BEFORE, {"status": 502}, OrderOutcomeUnknown, 0),
        (FaultKind.ERROR_AFTER, {"status": 504}, OrderOutcomeUnknown, 1),
        (FaultKind.HTML_ANSWER, {}, OrderOutcomeUnknown, 1),
        (FaultKind.EMPTY_ANSWER, {}, OrderOutcomeUnknown, 1),
        (FaultKind.TRUNCATED_ANSWER, {}, OrderOutcomeUnknown, 1),
        (FaultKind.RATE_LIMIT, {"retry_after_s": 7}, RateLimited, 0),
        (FaultKind.BAN, {"retry_after_s": 7}, RateLimited, 0),
    ],
    ids=lambda value: value.value if isinstance(value, FaultKind) else None,
)
async def test_every_failure_of_a_create_is_named_for_what_may_have_happened(kind, options, error, placed):
    async with running_sim() as sim, opened(sim) as exchange:
        await exchange.load_markets()
        if kind is FaultKind.HANG:
            exchange._rest.timeout = 2_000
        sent: list[object] = []
        sim.on_request(lambda seen: sent.append(seen) if seen.path == ORDER_PATH else None)
        sim.faults.add(Fault(kind, method="POST", path=ORDER_PATH, **options))
        with pytest.raises(error) as caught:
            await exchange.create_order(market_order("once"))
        assert len(sent) == 1, "an order is sent once"
        assert orders_at(sim) == placed
        if error is OrderOutcomeUnknown:
            assert caught.value.client_order_id == "once"
        else:
            assert caught.value.retry_after_s == 7


async def test_an_order_that_could_not_leave_was_not_placed():
    async with running_sim() as sim:
        other = CCXTExchange(SPOT, KEYS, clock=ExchangeClock(sim.clock), connector=sim.connector)
        await other.open()
        await other.load_markets()
        # Without a connection left from before: on one that is just being closed a request may have gone out.
        exchange = CCXTExchange(SPOT, KEYS, clock=ExchangeClock(sim.clock), connector=sim.connector, markets_from=other)
        await exchange.open()
        await exchange.load_markets()
        await other.close()
    with pytest.raises(ExchangeUnavailable, match="nothing was sent"):
        await exchange.create_order(market_order())
    await exchange.close()


async def test_a_refusal_of_the_exchange_is_a_refusal_with_its_reason(sim, exchange):
    with pytest.raises(Refused, match="insufficient balance"):
        await exchange.create_order(market_order(amount="500"))
    assert orders_at(sim) == 0


async def test_a_second_order_with_the_same_client_id_is_looked_up_not_called_refused(sim, exchange):
    await exchange.create_order(limit_order("same"))
    with pytest.raises(OrderOutcomeUnknown, match="exists already"):
        await exchange.create_order(limit_order("same"))


async def test_a_request_that_lost_the_intent_is_stopped_before_it_leaves(sim, exchange, monkeypatch):
    await exchange.load_markets()
    seen: list[object] = []
    sim.on_request(seen.append)
    create = exchange._rest.create_order

    async def degraded(symbol, type, side, amount, price=None, params=None):
        return await create(symbol, "market", side, amount, None, {"clientOrderId": params["clientOrderId"]})

    exchange._rest.create_order = degraded
    with pytest.raises(Refused, match="without the intent"):
        await exchange.create_order(limit_order("guarded"))
    assert seen == []


async def test_a_cancelled_create_stays_cancelled_for_its_caller_to_judge(sim, exchange):
    await exchange.load_markets()
    sim.faults.add(Fault(FaultKind.HANG, method="POST", path=ORDER_PATH))
    task = asyncio.create_task(exchange.create_order(market_order()))
    await until(lambda: orders_at(sim) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# ------------------------------------------------------------------ streams


async def test_all_streams_at_once_public_and_private(sim, exchange):
    keys = [BTC_1M, ETH_1M, ORDERS, FILLS, BALANCE]
    keys += [StreamKey(StreamKind.TRADES, BTC), StreamKey(StreamKind.TICKER, BTC)]
    watcher = await Watcher(exchange, *keys).open()
    await exchange.create_order(market_order("p1"))
    await until(lambda: all(watcher.of(kind) for kind in (BarUpdate, Trade, Ticker, Fill, Balances)))
    await until(lambda: [each.status for each in watcher.of(OrderUpdate)][-1:] == [OrderStatus.FILLED])
    assert {each.client_order_id for each in watcher.of(OrderUpdate)} == {"p1"}
    await until(lambda: watcher.of(Balances)[-1].by_currency.keys() == {"BTC", "USDT"})
    assert not watcher.of(Balances)[-1].complete
    await watcher.stop()
    await until(lambda: sim.connections == ())


async def test_forty_order_events_arrive_one_by_one_while_nobody_waits(sim, exchange):
    watcher = await Watcher(exchange, ORDERS).open()
    for number in range(20):
        await exchange.create_order(limit_order(f"o{number}"))
        await exchange.cancel_order(OrderReference(BTC, f"o{number}"))
    await until(lambda: len(watcher.of(OrderUpdate)) == 40)
    expected = [(f"o{n}", status) for n in range(20) for status in (OrderStatus.OPEN, OrderStatus.CANCELED)]
    assert [(each.client_order_id, each.status) for each in watcher.of(OrderUpdate)] == expected
    await watcher.stop()


async def test_a_cut_connection_ends_the_stream_at_once_as_connection_lost(sim, exchange):
    watcher = await Watcher(exchange, BTC_1M, ORDERS).open()
    assert sim.cut_connections(host="stream.*") == 1
    await until(watcher.task.done)
    assert isinstance(watcher.task.exception(), ConnectionLost)
    await until(lambda: sim.connections == ())


@pytest.mark.parametrize(("status", "error"), [(429, RateLimited), (503, ExchangeUnavailable), (404, ConnectionLost)])
async def test_a_refused_connection_says_why_and_for_how_long(sim, exchange, status, error):
    await exchange.load_markets()
    sim.faults.add(Fault(FaultKind.REFUSE_CONNECTION, host="stream.*", status=status, retry_after_s=9))
    watcher = Watcher(exchange, BTC_1M)
    await until(watcher.task.done)
    assert type(watcher.task.exception()) is error
    assert f"HTTP {status}" in str(watcher.task.exception())
    if error is RateLimited:
        assert watcher.task.exception().retry_after_s == 9


async def test_a_stream_of_an_unknown_symbol_is_unsupported_before_anything_is_dialled(sim, exchange):
    watcher = Watcher(exchange, StreamKey(StreamKind.BARS, "BTC/USD", "1m"))
    await until(watcher.task.done)
    assert isinstance(watcher.task.exception(), Unsupported)
    assert "did you mean" in str(watcher.task.exception())
    assert sim.connections == ()


@pytest.mark.parametrize("config", [{}, {"apiKey": "wrong-key", "secret": "wrong-secret"}], ids=["none", "wrong"])
async def test_private_streams_without_good_keys_say_so(sim, config):
    async with opened(sim, config) as exchange:
        watcher = Watcher(exchange, ORDERS)
        await until(watcher.task.done)
        assert isinstance(watcher.task.exception(), AuthenticationFailed), watcher.task.exception()
        assert "wrong-" not in str(watcher.task.exception())


async def test_an_odd_error_of_a_private_stream_is_explained_by_asking_a_signed_question(sim, monkeypatch):
    async def end_oddly(*_: object) -> None:
        raise KeyError("spot")

    async with opened(sim) as known:
        await known.load_markets()
        for config, expected in (
            (KEYS, ConnectionLost),
            ({"apiKey": "wrong", "secret": "wrong"}, AuthenticationFailed),
        ):
            async with opened(sim, config, markets_from=known) as exchange:
                monkeypatch.setattr(exchange, "_run_group", end_oddly)
                with pytest.raises(expected):
                    await exchange.stream([ORDERS], lambda *_: None)


async def test_an_exchange_leaves_nothing_behind(sim):
    complaints: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with opened(sim) as exchange:
        watcher = await Watcher(exchange, BTC_1M, ORDERS).open()
        await watcher.stop()
        await exchange.fetch_balance()
    await exchange.close()
    with pytest.raises(ConnectionLost, match="closed"):
        await exchange.fetch_balance()
    await until(lambda: sim.connections == ())
    assert complaints == []


# ------------------------------------------------------------------ before anything is sent


def test_config_that_cannot_work_is_refused_with_the_reason():
    for config, words in (
        (["apiKey"], "must be a mapping"),
        ({"apiKey": 42}, "apiKey.*must be a text"),
        ({"httpProxy": "http://a", "socksProxy": "socks5://b"}, "httpProxy and socksProxy, which exclude each other"),
    ):
        with pytest.raises(ConfigError, match=words):
            CCXTExchange(SPOT, config)


def test_an_id_that_ccxt_does_not_know_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no exchange 'binanse'; did you mean binance"):
        ccxt_class("binanse")


def test_streams_go_through_the_same_proxy_as_requests():
    assert check_config("binance", {"httpsProxy": "http://p"})["wssProxy"] == "http://p"
    assert check_config("binance", {"socksProxy": "socks5://p"})["wsSocksProxy"] == "socks5://p"
    assert "wssProxy" not in check_config("binance", {"httpsProxy": "http://p", "wsSocksProxy": "socks5://q"})


def test_an_exchange_without_testnet_says_so():
    profile = SPOT.model_copy(update={"testnet": "none"})
    with pytest.raises(ConfigError, match="has no testnet"):
        CCXTExchange(profile, testnet=True)


async def test_the_testnet_has_its_own_addresses():
    exchange = CCXTExchange(SPOT, testnet=True)
    await exchange.open()
    assert "testnet" in exchange._rest.urls["api"]["public"]
    await exchange.close()


async def test_the_profiles_options_lie_under_the_users_own():
    exchange = CCXTExchange(SPOT, {"options": {"recvWindow": 1234}})
    await exchange.open()
    assert exchange._rest.options["recvWindow"] == 1234
    assert exchange._rest.options["fetchMarkets"]["types"] == ["spot"]
    assert exchange._rest.session._retry_connection is False
    await exchange.close()


async def test_the_nonce_rises_even_within_one_millisecond_and_follows_the_exchanges_clock():
    class Still:
        speed = 1.0

        def now_ms(self) -> float:
            return 1_700_000_000_000.0

    exchange = CCXTExchange(load_profile("kraken", MarketType.SPOT), clock=ExchangeClock(Still()))
    await exchange.open()
    assert [exchange._rest.nonce() - 1_700_000_000_000 for _ in range(3)] == [0, 1, 2]
    assert exchange._rest.milliseconds() == 1_700_000_000_000
    await exchange.close()


async def test_a_stamp_that_is_judged_by_a_window_follows_the_exchanges_clock_back():
    class Settable:
        speed = 1.0
        ms = 1_700_000_000_000.0

        def now_ms(self) -> float:
            return self.ms

    local = Settable()
    clock = ExchangeClock(local)
    exchange = CCXTExchange(SPOT, clock=clock)
    await exchange.open()
    clock.add_sample(local.ms, local.ms, local.ms)
    assert exchange._rest.nonce() == 1_700_000_000_000
    clock.add_sample(local.ms, local.ms, local.ms - 3_600_000)
    assert exchange._rest.nonce() == 1_700_000_000_000 - 3_600_000
    await exchange.close()


async def test_any_other_ccxt_exchange_opens_with_the_conservative_profile():
    exchange = CCXTExchange(load_profile("bitstamp", MarketType.SPOT))
    await exchange.open()
    assert exchange.id == "bitstamp"
    assert not exchange.can_stream(BTC_1M), "ccxt has no candle stream there"
    assert exchange.can_stream(StreamKey(StreamKind.TRADES, BTC))
    await exchange.close()


def test_certificates_are_checked_unless_switched_off():
    from btccxt.exchange.ccxt.ccxt_instance import make_http_session

    async def context(config: dict) -> object:
        wire = make_http_session(None, config)
        await wire.close()
        return wire.ssl_context

    assert isinstance(asyncio.run(context({})), ssl.SSLContext)
    assert asyncio.run(context({"verify": False})) is False


def test_contracts_that_are_ordered_in_base_units_have_the_size_one():
    raw, _ = make_exchange.__wrapped__("deribit", MarketType.LINEAR)
    entry = {**next(iter(raw.markets.values())), "contractSize": 0.0001}
    (market,) = markets_of(load_profile("deribit", MarketType.LINEAR), {"x": entry}, raw.precisionMode).values()
    assert market.contract_size == 1


async def test_what_ccxt_takes_for_the_trades_of_a_market_and_are_the_accounts_own_is_not_asked_for() -> None:
    exchange = CCXTExchange(load_profile("hyperliquid", MarketType.LINEAR))
    exchange._markets = {"BTC/USDC:USDC": spot_market()}
    with pytest.raises(Unsupported, match="by stream only"):
        await exchange.fetch_trades("BTC/USDC:USDC")
    await exchange.close()


async def test_where_there_is_no_ticker_the_best_of_the_book_is_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = CCXTExchange(load_profile("woo", MarketType.SPOT))
    exchange._markets = {BTC: spot_market()}
    await exchange.open()
    answer: dict[str, Any] = {
        "bids": [[99.0, 2.0], [98.0, 1.0]],
        "asks": [[101.0, 3.0]],
        "timestamp": 1_772_323_200_000,
    }

    async def book(symbol: str) -> dict[str, Any]:
        return answer

    monkeypatch.setattr(exchange._rest, "fetch_order_book", book)
    try:
        ticker = await exchange.fetch_ticker(BTC)
        assert (ticker.bid, ticker.bid_amount, ticker.ask, ticker.ask_amount) == (99.0, 2.0, 101.0, 3.0)
        assert (ticker.symbol, ticker.time_ms) == (BTC, 1_772_323_200_000)
        answer["asks"] = []
        assert (await exchange.fetch_ticker(BTC)).ask is None
        answer["bids"] = [[float("nan"), 1.0]]
        with pytest.raises(Unreadable):
            await exchange.fetch_ticker(BTC)
    finally:
        await exchange.close()
