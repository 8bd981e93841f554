"""The server itself: its seam, its life, and what it lends to tests and benchmarks."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import ccxt
import pytest

from btccxt.errors import ConfigError, ConnectionLost
from btccxt.model import Bar
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.clock import SimClock, SteppedClock
from btccxt.sim.dialects.base import Request, SeenRequest, SimAccount
from btccxt.sim.market import ParticipantsSource, default_universe, spot_market
from btccxt.sim.server import SimExchange
from btccxt.sim.tls import connector_for, fetch_info, parse_address
from tests.sim.dialects.binance_kit import START_MS, SYMBOL, client_of, exchange, set_book, soon, subscribed, until

PING = "https://api.binance.com/api/v3/ping"


# ------------------------------------------------------------------ nothing else can be reached


async def test_every_host_and_port_leads_to_the_embedded_exchange(sim: SimExchange) -> None:
    async with aiohttp.ClientSession(connector=sim.connector()) as session:
        for url in (PING, "https://api1.binance.com:8443/api/v3/ping", "https://testnet.binance.vision/api/v3/ping"):
            async with session.get(url) as response:
                assert (response.status, await response.json()) == (200, {})


async def test_an_unknown_host_is_refused_with_a_clear_word(sim: SimExchange) -> None:
    async with aiohttp.ClientSession(connector=sim.connector()) as session:
        async with session.get("https://api.somewhere.example/v1/time") as response:
            assert response.status == 421
            text = await response.text()
        assert "does not stand in for 'api.somewhere.example'" in text and "api.binance.com" in text
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect("wss://stream.somewhere.example/ws")


async def test_an_address_in_digits_is_no_way_out(sim: SimExchange) -> None:
    """aiohttp asks no resolver about literal addresses; here a server stands ready to be reached, and is not."""
    reached = []

    async def trap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(trap, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, aiohttp.ClientSession(connector=sim.connector()) as session:
        for url in (f"https://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/", "https://1.2.3.4/"):
            with pytest.raises(aiohttp.ClientConnectorError, match="refused"):
                await session.get(url)
    assert reached == []


async def test_only_the_private_authority_is_trusted(sim: SimExchange) -> None:
    async with exchange() as other:
        wrong_trust = connector_for(str(sim.address), other.address.ca_pem)
        async with aiohttp.ClientSession(connector=wrong_trust) as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(PING)
    async with aiohttp.ClientSession() as outsider:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await outsider.get(f"https://{sim.address}/sim/info")


# ------------------------------------------------------------------ other processes


async def test_another_process_learns_authority_and_clock_from_the_address_alone() -> None:
    async with exchange(clock=SteppedClock(START_MS, speed=60)) as sim:
        info = await fetch_info(f"127.0.0.1:{sim.address.port}")
        assert (info.speed, info.now_ms, info.dialects) == (60.0, START_MS, ("binance",))
        connector = connector_for(info.address)
        async with aiohttp.ClientSession(connector=connector) as session, session.get(PING) as response:
            assert response.status == 200


@pytest.mark.parametrize("address", ["", "8443", "host:", "host:none", "127.0.0.1:70000", "no.such.host.invalid:1"])
async def test_a_malformed_address_is_named(address: str) -> None:
    with pytest.raises(ConfigError, match="sim_address"):
        await fetch_info(address)


async def test_nobody_or_somebody_else_at_the_address_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionLost, match="no embedded exchange answers"):
            await fetch_info(f"127.0.0.1:{taken.getsockname()[1]}")


def test_addresses_may_have_a_scheme_and_brackets() -> None:
    assert parse_address("https://127.0.0.1:8443/") == ("127.0.0.1", 8443)
    assert parse_address("localhost:8443") == ("127.0.0.1", 8443)
    assert parse_address("[::1]:8443") == ("::1", 8443)
    with pytest.raises(ConfigError, match="fetch_info"):
        connector_for("127.0.0.1:8443")


# ------------------------------------------------------------------ life


async def test_starting_and_stopping_twice_changes_nothing_and_the_port_is_free_again() -> None:
    sim = exchange()
    address = await sim.start()
    assert await sim.start() == address
    await sim.stop()
    await sim.stop()
    with pytest.raises(RuntimeError, match="not running"):
        _ = sim.address
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", address.port))


async def test_a_port_in_use_is_named() -> None:
    async with exchange() as sim:
        with pytest.raises(ConfigError, match=f"cannot listen at 127.0.0.1:{sim.address.port}"):
            await exchange(port=sim.address.port).start()


async def test_stopping_says_goodbye_to_clients_that_wait() -> None:
    sim = exchange()
    await sim.start()
    async with client_of(sim) as client:
        watch = asyncio.ensure_future(client.watch_trades(SYMBOL))
        await subscribed(sim, "btcusdt@trade")
        await sim.stop()
        with pytest.raises(ccxt.NetworkError):
            await soon(watch)
    assert sim.connections == ()


async def test_an_error_in_the_market_is_logged_at_once_and_raised_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sim = exchange()
    await sim.start()

    def broken(_: int) -> None:
        raise ZeroDivisionError("a listener")

    sim.venue.market.on_step(broken)
    sim.venue.clock.advance(1)  # type: ignore[attr-defined]
    await until(lambda: "has broken down" in caplog.text)
    with pytest.raises(ZeroDivisionError):
        await sim.stop()


def test_an_exchange_lives_in_a_thread_of_its_own() -> None:
    with BackgroundExchange(exchange) as background:
        background.call(set_book)

        async def ask() -> Any:
            connector = connector_for(background.address)
            async with aiohttp.ClientSession(connector=connector) as session, session.get(PING) as response:
                return response.status

        assert asyncio.run(ask()) == 200
        with pytest.raises(KeyError):
            background.call(lambda sim: {}["what is raised there arrives here"])
    with pytest.raises(RuntimeError, match="not running"):
        _ = background.address


def test_what_goes_wrong_at_the_start_is_raised_where_it_was_started() -> None:
    with pytest.raises(ConfigError, match="does not speak 'binanse'; did you mean 'binance'"):
        BackgroundExchange(lambda: exchange(dialects=("binanse",))).start()


def test_settings_that_cannot_be_are_refused() -> None:
    source = ParticipantsSource([spot_market(SYMBOL)], START_MS)
    with pytest.raises(ConfigError, match="at least one dialect"):
        SimExchange(source, dialects=())
    with pytest.raises(ConfigError, match="share the key"):
        SimExchange(source, accounts=[SimAccount("ann"), SimAccount("bob")])
    with pytest.raises(ConfigError, match="balances"):
        SimExchange(source, accounts=[SimAccount()], balances={"USDT": 1})
    with pytest.raises(ConfigError, match="not in use: bybit"):
        SimExchange(source, limits={"bybit": {}})
    with pytest.raises(TypeError, match="SteppedClock"):
        SimExchange(source).advance(1)


async def test_an_account_starts_with_the_quote_currency_unless_told_otherwise() -> None:
    source = ParticipantsSource([spot_market(SYMBOL), spot_market("ETH/BTC")], START_MS)
    sim = SimExchange(source)
    assert {coin: int(balance.total) for coin, balance in sim.engine.balances("main").items()} == {"USDT": 100_000}


# ------------------------------------------------------------------ what tests and benchmarks use


async def test_observers_see_every_request_as_it_arrives(sim: SimExchange, client: Any) -> None:
    seen: list[SeenRequest] = []
    sim.on_request(seen.append)
    await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": "rest-1"})
    await soon(client.create_order_ws(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": "ws-1"}))
    assert [(request.method, request.path) for request in seen] == [("POST", "/api/v3/order"), ("WS", "order.place")]
    assert [request.params["newClientOrderId"] for request in seen] == ["rest-1", "ws-1"]
    assert seen[0].host == "api.binance.com"
    assert seen[0].arrived_ns < seen[1].arrived_ns


@pytest.mark.parametrize(
    ("query", "body"), [("a=1&b=2", b""), ("a=1", b"b=2"), ("a=1", b'{"b": "2"}'), ("", b'{"a": "1", "b": "2"}')]
)
def test_observers_see_the_fields_of_a_request_wherever_it_carries_them(query: str, body: bytes) -> None:
    request = Request("POST", "api.bybit.com", "/v5/order/create", query, body, {}, 1)
    assert request.seen().params == {"a": "1", "b": "2"}


async def test_requests_can_be_held_until_their_turn_comes(sim: SimExchange, client: Any) -> None:
    held: list[tuple[str, asyncio.Event]] = []

    async def gate(request: SeenRequest) -> None:
        if request.path == "/api/v3/order":
            held.append((request.params["newClientOrderId"], go := asyncio.Event()))
            await go.wait()

    sim.hold_requests(gate)
    orders = [
        asyncio.ensure_future(client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": name}))
        for name in ("one", "two")
    ]
    await until(lambda: len(held) == 2)
    assert sim.engine.orders("main") == []
    for _, go in sorted(held, key=lambda each: each[0], reverse=True):
        go.set()
    await soon(asyncio.gather(*orders))
    assert [order.client_order_id for order in sim.engine.orders("main")] == ["two", "one"]


async def test_connections_can_be_counted_looked_at_and_cut(sim: SimExchange, client: Any) -> None:
    watch = asyncio.ensure_future(client.watch_trades(SYMBOL))
    await subscribed(sim, "btcusdt@trade")
    (connection,) = sim.connections
    assert (connection.host, connection.path) == ("stream.binance.com", "/ws/0")
    assert connection.topics == {"btcusdt@trade"}
    assert sim.cut_connections(path="/ws-api/*") == 0
    assert sim.cut_connections(path="/ws/*") == 1
    with pytest.raises(ccxt.NetworkError, match="1006"):
        await soon(watch)
    await until(lambda: sim.connections == ())


async def test_a_connection_that_is_gone_is_not_said_goodbye_to(sim: SimExchange, client: Any) -> None:
    watch = asyncio.ensure_future(client.watch_trades(SYMBOL))
    await subscribed(sim, "btcusdt@trade")
    (connection,) = sim.connections
    connection._transport.close()
    connection._transport.close()  # asyncio's TLS transport forgets its protocol then
    connection.close(1001, "going away")
    with pytest.raises(ccxt.NetworkError):
        await soon(watch)
    await until(lambda: sim.connections == ())


async def test_one_event_is_sent_to_a_thousand_subscriptions_in_order(sim: SimExchange) -> None:
    names = [f"btcusdt@kline_{timeframe}" for timeframe in ("1m", "5m")]
    async with aiohttp.ClientSession(connector=sim.connector()) as session:
        sockets = [await session.ws_connect(f"wss://stream.binance.com:9443/ws/{names[0]}") for _ in range(5)]
        await until(lambda: len(sim.connections) == 5 and all(c.topics for c in sim.connections))
        for n in range(200):
            sim.push_candle(SYMBOL, "1m", Bar(START_MS, 1.0, 2.0, 0.5, float(n), 1.0), False)
        for opened in sockets:
            closes = [float((await soon(opened.receive_json()))["k"]["c"]) for _ in range(200)]
            assert closes == [float(n) for n in range(200)]
            await opened.close()


async def test_a_plain_client_of_another_language_could_read_the_frames(sim: SimExchange) -> None:
    """Frames of every length class are whole and unmasked: aiohttp's strict reader takes them."""
    async with (
        aiohttp.ClientSession(connector=sim.connector()) as session,
        session.ws_connect("wss://stream.binance.com:9443/ws/0") as opened,
    ):
        for count in (1, 8, 900):  # answers of some tens, some hundreds and some tens of thousands of bytes
            names = [f"btcusdt@kline_{'x' * 60}{n}" for n in range(count)]
            await opened.send_json({"method": "SUBSCRIBE", "params": names, "id": count})
            assert await soon(opened.receive_json()) == {"result": None, "id": count}
        await opened.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 5})
        answer = await soon(opened.receive())
        assert answer.type is aiohttp.WSMsgType.TEXT and len(answer.data) > 65_536


async def test_an_order_is_stamped_with_the_time_of_its_arrival_however_coarse_the_markets_steps() -> None:
    clock = SimClock(START_MS, speed=50)
    clock.step_ms = 3_600_000
    async with exchange(clock=clock) as sim, client_of(sim) as client:
        set_book(sim)
        await client.load_time_difference()
        before = await client.fetch_time()
        assert before > START_MS
        order = await client.create_order(SYMBOL, "limit", "buy", 1, 90)
        assert before <= order["timestamp"] <= await client.fetch_time()


class UnattendedClock(SteppedClock):
    """Nobody is woken by it, as on a machine too busy for the market's own task."""

    async def wait_until(self, market_ms: int) -> None:
        await asyncio.Event().wait()


async def test_an_answer_is_not_older_than_its_question_however_far_the_market_lags_behind_its_clock() -> None:
    source = default_universe(seed=1)
    clock = UnattendedClock(source.start_ms)
    async with SimExchange(source, clock=clock) as sim, client_of(sim) as client:
        clock.advance(7 * 60_000 + 20_000)
        newest = (await client.fetch_ohlcv(SYMBOL, "1m"))[-1]
        assert newest[0] == source.start_ms + 7 * 60_000
        assert await client.fetch_time() == sim.venue.now_ms()
