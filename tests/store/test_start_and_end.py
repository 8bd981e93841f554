"""An odd answer at the start costs an attempt; a start that gets none says of what; an end always ends everything."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from btccxt import CCXTStore
from btccxt.errors import ConnectionLost, ExchangeUnavailable
from btccxt.model import Market
from btccxt.notices import StoreNotice
from btccxt.orders.register import OrderEvent
from btccxt.sim.faults import Fault, FaultKind, FaultPlan
from tests.fakes import FakeClock, FakeExchange

START_MS = 1_772_323_200_000
HTML = "<html><body>403 Forbidden</body></html>"
READS = ("/api/v3/exchangeInfo", "/api/v3/time", "/api/v3/account", "/api/v3/openOrders")


@pytest.mark.parametrize(
    ("status", "body"), [(403, HTML), (200, HTML), (200, "{}"), (200, "null"), (200, '{"serverTime": null}'), (404, "")]
)
def test_one_odd_answer_to_each_question_of_a_start_is_asked_again(status: int, body: str) -> None:
    faults = FaultPlan(tuple(Fault(FaultKind.ERROR_BEFORE, path=path, status=status, body=body) for path in READS))
    store = CCXTStore("binance", mode="sim", sim={"faults": faults}, journal=":memory:")
    store.getbroker()
    store.start()
    try:
        assert store.sim is not None
        assert {entry.fault.path for entry in store.sim.faults.log} == set(READS)
        assert "BTC/USDT" in store.markets
        assert store.balance()["USDT"].total > 0
    finally:
        store.stop()


class Tarpit(FakeExchange):
    async def load_markets(self) -> Mapping[str, Market]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


def test_a_start_that_gets_no_answer_says_which_one_is_missing() -> None:
    store = CCXTStore(Tarpit(), mode="live", journal=":memory:", start_timeout_s=0.2)
    store.getbroker()
    with pytest.raises(ConnectionLost, match=r"within 0.2 s .* its markets"):
        store.start()
    assert not [thread.name for thread in threading.enumerate() if "fake" in thread.name]


class Sticky(FakeExchange):
    async def close(self) -> None:
        raise ValueError("the socket was gone")


def test_an_exchange_that_cannot_be_closed_leaves_no_thread_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite3"
    store = CCXTStore(Sticky(FakeClock(START_MS)), mode="live", journal=path)
    store.getbroker()
    store.start()
    store.stop()
    said = [str(news[0]) for news in store._notifications if isinstance(news[0], StoreNotice)]
    assert any("closing exchange" in each and "the socket was gone" in each for each in said)
    assert not [thread.name for thread in threading.enumerate() if "fake" in thread.name or "journal" in thread.name]
    again = CCXTStore(FakeExchange(FakeClock(START_MS)), mode="live", journal=path)
    again.getbroker()
    again.start()
    again.stop()


class Flaky(FakeExchange):
    failing = False

    async def fetch_balance(self):
        if self.failing:
            raise ExchangeUnavailable("maintenance")
        return await super().fetch_balance()


def test_what_is_heard_while_a_further_run_fails_to_begin_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange, heard = Flaky(FakeClock(START_MS)), []
    store = CCXTStore(exchange, mode="live", journal=":memory:")
    store.getbroker()
    monkeypatch.setattr(store, "_tell_broker", heard.append)
    store.start()
    try:
        session = store._open_session
        news = object.__new__(OrderEvent)

        async def begin() -> None:
            exchange.failing = True
            work = asyncio.ensure_future(session.begin_run(()))
            await asyncio.sleep(0)
            session._tell(news)
            await work

        with pytest.raises(ExchangeUnavailable):
            store._ask(begin())
        assert heard == [news]
    finally:
        exchange.failing = False
        store.stop()


def test_health_names_every_loop_and_is_json() -> None:
    store = CCXTStore(FakeExchange(FakeClock(START_MS)), mode="live", journal=":memory:")
    store.getbroker()
    store.start()
    try:
        tasks = json.loads(json.dumps(store.health()))["tasks"]
        assert {"clock", "gauges", "account", "open orders", "orders in flight"} <= set(tasks)
        assert tasks["clock"] == {"restarts": 0, "failures_in_a_row": 0, "last_error": ""}
    finally:
        store.stop()
