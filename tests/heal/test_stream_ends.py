"""Streams that end for reasons of the exchange's own: by a frame, or by an answer that looks like wrong keys."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest

from btccxt.bt.compat import bt
from btccxt.errors import AuthenticationFailed
from btccxt.sim.faults import Fault, FaultKind
from tests.heal.kit import Run, check_fills, exchange, store_on

# The table's ``websocket.ends``, as frames on the private connection: (dialect, market type, frame).
ENDS = [
    ("binance", "spot", {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}),
    ("binanceusdm", "linear", {"e": "listenKeyExpired", "E": 1, "listenKey": "0"}),
    ("kraken", "spot", {"error": "ESession:Invalid session", "method": "subscribe", "success": False}),
]
PRIVATE = {"binance": "ws-api", "binanceusdm": "/private", "kraken": "ws-auth"}


def venue(dialect: str):
    limits = {"kraken": {"PRIVATE_CALLS": 100_000}} if dialect == "kraken" else None
    return exchange(dialect=dialect, symbols=("BTC/USDT", "BTC/USDT:USDT"), limits=limits)


def send_to_private(sim, dialect: str, frame: dict) -> int:
    chosen = [each for each in sim.connections if PRIVATE[dialect] in each.host + each.path]
    for connection in chosen:
        connection.send(orjson.dumps(frame), "test")
    return len(chosen)


@pytest.mark.parametrize(
    ("dialect", "market_type", "frame"), ENDS, ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_stream_that_the_exchange_ends_by_a_frame_is_connected_anew_and_misses_no_fill(dialect, market_type, frame):
    with venue(dialect) as background:
        store = store_on(background, dialect, market_type=market_type, currency="USDT")
        with store.kept_open():
            symbol = "BTC/USDT" if market_type == "spot" else "BTC/USDT:USDT"
            run = Run(store, store.getdata(dataname=symbol, timeframe=bt.TimeFrame.Minutes), trade_every=0)
            run.until_live(1)
            for _ in range(3):  # what was found apart after the first time is ended by itself
                end_and_fill(background, run, symbol, lambda sim: send_to_private(sim, dialect, frame))
            run.finish()
            check_fills(background, store)


def end_and_fill(background, run: Run, symbol: str, end) -> None:
    """An order rests, the exchange ends the private stream, and the order fills while nobody listens."""
    before = reconnects(run.store)
    order = run.diary.buy(size=0.5 if symbol == "BTC/USDT" else 2, exectype=bt.Order.Limit, price=30_000)
    run.until(lambda: order.status == bt.Order.Accepted, "accepted")
    assert background.call(end)
    background.call(lambda sim: sim.engine.print_trade(symbol, Decimal(29_000), Decimal(50), None, sim.venue.now_ms()))
    run.until(lambda: reconnects(run.store) > before, "connected anew")
    run.until(lambda: order.status == bt.Order.Completed, "the fill in the gap")
    run.until(run.healthy, "healthy again")


def reconnects(store) -> int:
    return sum(each["reconnects"] for each in store.health()["streams"] if each["stream"].startswith("orders"))


@pytest.mark.parametrize("kind", [FaultKind.HTML_ANSWER, FaultKind.EMPTY_ANSWER])
def test_a_proxys_page_in_place_of_a_token_does_not_count_as_wrong_keys(kind):
    """ccxt says AuthenticationError to it, and wrong keys would end the private streams for good."""
    with venue("kraken") as background:
        store = store_on(background, "kraken", currency="USDT")
        with store.kept_open():
            run = Run(store, store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes), trade_every=0)
            run.until_live(1)
            background.faults.add(Fault(kind, path="*/GetWebSocketsToken", times=2))
            background.call(lambda sim: sim.cut_connections(host="ws-auth*"))
            run.until(lambda: len(background.faults.log) >= 2, "the page was served")
            run.until(run.healthy, "private streams are back")
            run.finish()


def test_keys_that_are_wrong_still_end_the_private_streams_at_once():
    with venue("kraken") as background:
        store = store_on(background, "kraken", currency="USDT", config={"apiKey": "wrong", "secret": "d3Jvbmc="})
        store.getbroker()
        with pytest.raises(AuthenticationFailed):
            store.start()
