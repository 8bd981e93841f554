"""Every event of the log is said by the product, and the story of orders, gaps, clock and journal is told by events."""

from __future__ import annotations

import ast
import functools
import itertools
import logging
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import btccxt
from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.bt.data import CCXTData
from btccxt.model import Bar, ConnectionState, OrderKind, OrderRequest, Side
from btccxt.observe.log import EventName
from btccxt.session.events import BarsClosed, FeedState
from btccxt.session.metrics import FeedMeter
from btccxt.sim.faults import Fault, FaultKind
from btccxt.timeframe import parse_timeframe
from tests.fakes import FakeClock

ROOT = Path(btccxt.__file__).parent


@functools.cache
def attributes() -> list[tuple[Path, ast.Attribute]]:
    """Every ``….name`` in the product, and where it stands."""
    return [
        (path, node)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    ]


def test_no_name_is_there_for_nothing() -> None:
    said = {
        node.attr
        for path, node in attributes()
        if path.name != "log.py" and isinstance(node.value, ast.Name) and node.value.id == "EventName"
    }
    assert said == {each.name for each in EventName}


class Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(getattr(record, "btccxt_fields", {}))

    def of(self, name: EventName) -> list[dict[str, Any]]:
        return [each for each in self.events if each.get("event") == name]


@pytest.fixture
def said() -> Any:
    logger, handler = logging.getLogger("btccxt"), Said()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.01)


def test_a_run_is_told_by_events(said: Said) -> None:
    store = CCXTStore("binance", mode="sim", journal=":memory:")
    store.getbroker()
    store.start()
    try:
        assert said.of(EventName.JOURNAL_OPENED)[0]["path"] == ":memory:"
        assert said.of(EventName.JOURNAL_RESTORED)[0]["open_orders"] == 0
        assert store.sim is not None
        faults, session = store.sim.faults, store._open_session

        faults.add(Fault(FaultKind.ERROR_BEFORE, path="/api/v3/account", status=502))
        assert store._ask(session.reconcile()) is not None
        (retried,) = said.of(EventName.REQUEST_RETRIED)
        assert (retried["attempt"], retried["error"].split(":")[0]) == (1, "ExchangeUnavailable")

        name = store.next_client_order_id()
        store._tracker.submit(
            OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal("0.01"), Decimal("1000"))
        )
        until(lambda: (order := store._tracker.order(name)) is not None and order.acknowledged, "the order")
        changes = [(each["before"], each["state"]) for each in said.of(EventName.ORDER_STATE_CHANGED)]
        assert changes[0][0] == "intent"
        assert changes[-1][1] == "open"
        assert all(before[1] == after[0] for before, after in itertools.pairwise(changes))

        faults.add(Fault(FaultKind.SILENCE, host="ws-api.*", reconnect_heals=False))
        engine, order_id = store.sim.engine, store._tracker.order(name).order_id
        assert store._venue is not None
        now_ms = int(store.sim.clock.now_ms())
        engine.cancel("main", symbol="BTC/USDT", order_id=order_id, now_ms=now_ms)
        assert store._ask(session.reconcile()) is not None
        until(lambda: store._tracker.order(name).is_final, "the end")
        assert said.of(EventName.RECONCILED)[-1]["changes"] >= 1

        faults.add(Fault(FaultKind.CLOCK_SKEW, skew_ms=3_600_000))
        store._ask(session.measure_clock())
        assert said.of(EventName.CLOCK_STEPPED)[0]["offset_ms"] > 3_000_000
    finally:
        store.stop()


def test_a_repaired_gap_is_told(said: Said) -> None:
    meter = FeedMeter("binance", parse_timeframe("1m"), FakeClock(), lambda _event: None)
    meter(FeedState(ConnectionState.LIVE))
    meter(FeedState(ConnectionState.CONNECTING))
    meter(BarsClosed((Bar(0, 1.0, 1.0, 1.0, 1.0, 1.0),), by_rest=1))
    meter(FeedState(ConnectionState.LIVE))
    (told,) = said.of(EventName.GAP_REPAIRED)
    assert (told["kind"], told["items"]) == ("bars", 1)


# ------------------------------------------------------------------ nothing is configured in vain


def _fields(path: str) -> dict[str, list[str]]:
    """Public fields of every class of a file."""
    found = {}
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            found[node.name] = [
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.target.id[0] != "_"
            ]
    return found


@functools.cache
def _read_anywhere() -> set[str]:
    return {node.attr for _, node in attributes() if isinstance(node.ctx, ast.Load)}


@pytest.mark.parametrize(
    "path",
    [
        "exchange/profile/profile_schema.py", "exchange/profile/order_rule.py", "exchange/profile/rate_rule.py",
        "exchange/profile/archive_rule.py", "exchange/profile/order_list_rule.py", "orders/policy.py", "orders/risk.py",
        "session/stream_policy.py", "session/events.py", "resilience/breaker.py", "resilience/retry.py",
        "resilience/supervised.py", "resilience/backoff.py", "bt/warmup_policy.py", "config.py", "sim/options.py",
    ],
)  # fmt: skip
def test_every_key_and_option_is_read_by_the_product(path: str) -> None:
    read = _read_anywhere()
    handed_on_whole = {"Keys", "Proxies"}  # to ccxt, under its own names
    unread = {
        f"{name}.{field}"
        for name, fields in _fields(path).items()
        for field in fields
        if field not in read and name not in handed_on_whole
    }
    assert unread == set()


def test_every_option_of_a_feed_is_read_by_the_product() -> None:
    """As ``….p.NAME`` or ``parameters.NAME``."""
    read = {
        node.attr
        for _, node in attributes()
        if (getattr(node.value, "attr", None) == "p" or getattr(node.value, "id", None) == "parameters")
        and isinstance(node.ctx, ast.Load)
    }
    own = set(CCXTData.params._getkeys()) - set(bt.feed.DataBase.params._getkeys())
    assert own, "backtrader's own options are its own"
    assert own - read == set()
