"""Every number of the page on metrics, scraped from the endpoint while a store lives through what it counts."""

from __future__ import annotations

import asyncio
import re
import socket
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.model import Bar, ConnectionState
from btccxt.observe import metrics as observe_metrics
from btccxt.session.events import BarsClosed, FeedEvent, FeedState
from btccxt.session.metrics import FeedMeter
from btccxt.sim.dialects.base import SeenRequest
from btccxt.sim.faults import Fault, FaultKind
from btccxt.timeframe import parse_timeframe
from tests.heal.kit import QUICK, QUICK_BREAKER, QUICK_ORDERS, SYMBOLS, Run, exchange

pytest.importorskip("prometheus_client")
DOCUMENTED = re.compile(r"^\| `([a-z_`, ]+)` \|", re.MULTILINE)


@pytest.fixture
def port() -> Iterator[int]:
    observe_metrics.disable()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    yield number
    observe_metrics.disable()


class Scraper:
    """What Prometheus would see."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"

    def samples(self) -> dict[str, float]:
        """Sample with its labels, as it is written -> value."""
        with urllib.request.urlopen(self._url, timeout=100) as answer:
            lines = answer.read().decode().splitlines()
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        }

    def value(self, name: str, **labels: str) -> float:
        """Sum of the samples of this name that carry these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value
            for sample, value in self.samples().items()
            if sample.partition("{")[0] == f"btccxt_{name}" and all(each in sample for each in wanted)
        )


def store_with_metrics(background, port: int, folder: Path) -> CCXTStore:
    file = folder / "btccxt.yaml"
    file.write_text(
        "profiles:\n  main:\n    exchange: binance\n    mode: sim\n"
        f"    sim_address: '{background.address}'\n    metrics_port: {port}\n    journal: '{folder / 'orders.db'}'\n"
    )
    return CCXTStore.from_config(file, streams=QUICK, breaker=QUICK_BREAKER, tracker=QUICK_ORDERS)


def minutes(store: CCXTStore, symbol: str = "BTC/USDT"):
    return store.getdata(dataname=symbol, timeframe=bt.TimeFrame.Minutes)


# How an order ends -> what makes it end so on this exchange.
ENDS: dict[str, Callable] = {
    "filled": lambda strategy: strategy.buy(size=0.01),
    "canceled": lambda strategy: strategy.buy(size=0.01, exectype=bt.Order.Limit, price=40_000),
    "expired": lambda strategy: strategy.buy(size=0.01, exectype=bt.Order.Limit, price=40_000, tif="IOC"),
    "rejected": lambda strategy: strategy.buy(size=0.01, exectype=bt.Order.Limit, price=90_000, post_only=True),
}
REFUSALS: dict[str, Callable] = {
    "rules": lambda strategy: strategy.buy(size=0.00002, exectype=bt.Order.Limit, price=50_000),
    "funds": lambda strategy: strategy.buy(size=1_000),
    "bracket": lambda strategy: strategy.buy_bracket(size=0.01, stopprice=50_000, limitprice=-1),
}  # fmt: skip


def test_every_end_of_an_order_and_every_reason_not_to_send_it_is_counted(port, tmp_path):
    with exchange() as background:
        store = store_with_metrics(background, port, tmp_path)
        with store.kept_open():
            run = Run(store, minutes(store), trade_every=0)
            run.until_live(1)
            seen = Scraper(port)
            for outcome, place in ENDS.items():
                order = place(run.diary)
                if outcome == "canceled":
                    run.until(lambda order=order: order.status == bt.Order.Accepted, "accepted")
                    run.diary.cancel(order)
                run.until(lambda outcome=outcome: seen.value("order_outcomes_total", outcome=outcome) == 1, outcome)
            for reason, place in REFUSALS.items():
                place(run.diary)
                run.until(lambda reason=reason: seen.value("order_refusals_total", reason=reason), reason)
            background.faults.add(Fault(FaultKind.LOSE_ANSWER, method="POST", path="*/order"))
            background.faults.add(Fault(FaultKind.LOSE_FRAME, stream="user", times=None))
            run.diary.buy(size=0.01)
            run.until(lambda: seen.value("order_outcomes_total", outcome="unknown") == 1, "unknown")
            run.until(lambda: seen.value("order_outcomes_total", outcome="filled") == 2, "found out")
            store._tracker.halt("for this test")
            run.until(lambda: store._tracker.halted, "halted")
            run.diary.buy(size=0.01)
            run.until(lambda: seen.value("order_refusals_total", reason="not sent") == 1, "not sent")
            stages = {stage: seen.value("order_seconds_count", stage=stage) for stage in ("journaled", "sent")}
            refused = seen.value("order_outcomes_total", outcome="refused")
            assert refused == sum(seen.value("order_refusals_total", reason=each) for each in (*REFUSALS, "not sent"))
            ended = {each: seen.value("order_outcomes_total", outcome=each) for each in (*ENDS, "unknown")}
            assert ended == {"filled": 2, "canceled": 1, "expired": 1, "rejected": 1, "unknown": 1}
            assert stages == {"journaled": 5, "sent": 5}
            assert seen.value("order_seconds_count", stage="acknowledged") == 5
            assert 0 < seen.value("order_seconds_sum", stage="journaled") < 60
            run.finish()


@pytest.mark.slow
def test_every_number_of_the_page_on_metrics_is_served_while_a_store_runs(port, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    table = page[page.index("## Metrics") :].split("\n## ")[0]
    documented = {name.strip("` ") for names in DOCUMENTED.findall(table) for name in names.split(",")}
    assert len(documented) >= 20
    with exchange() as background:
        store = store_with_metrics(background, port, tmp_path)
        with store.kept_open():
            run = Run(store, *(minutes(store, each) for each in SYMBOLS))
            run.until_live(3)
            seen = Scraper(port)
            REFUSALS["rules"](run.diary)
            background.faults.add(Fault(FaultKind.MALFORMED, stream="*@kline*"))
            run.until(lambda: seen.value("frames_malformed_total"), "malformed frame counted")
            background.faults.add(Fault(FaultKind.ERROR_BEFORE, method="GET", host="api.*", times=30, status=502))
            refusal = background.faults.add(Fault(FaultKind.REFUSE_CONNECTION))
            background.call(lambda sim: sim.cut_connections())
            run.until(lambda: seen.value("streams", state="degraded"), "degraded")
            run.until(lambda: seen.value("breaker_open"), "breaker open")
            run.until(lambda: seen.value("bars_total", source="rest"), "bars by REST")
            nonsense = background.faults.add(
                Fault(FaultKind.ERROR_BEFORE, path="*/openOrders", status=200, body='[{"orderId": 1}]', times=None)
            )
            run.until(lambda: seen.value("answers_rejected_total"), "an answer that makes no sense")
            background.faults.remove(nonsense)
            background.faults.remove(refusal)
            run.until(lambda: seen.value("gaps_repaired_total", kind="bars"), "gap counted")
            run.until(lambda: not seen.value("breaker_open"), "breaker closed")
            run.until(lambda: seen.value("streams", state="live") >= len(SYMBOLS), "live again")
            run.until(lambda: seen.value("order_outcomes_total", outcome="filled"), "order counted")
            released = asyncio.Event()

            async def hold_stops(seen: SeenRequest) -> None:
                if seen.method == "POST" and "STOP" in str(dict(seen.params)):  # alone, or in a list with the target
                    await released.wait()

            background.exchange.hold_requests(hold_stops)
            run.diary.buy_bracket(size=0.01, exectype=bt.Order.Market, stopprice=50_000, limitprice=70_000)
            run.until(lambda: seen.value("unprotected_amount"), "its entry has filled, its stop is on the way")
            samples = seen.samples()
            background.call(lambda sim: released.set())
            run.finish()
    served = {name.partition("{")[0].removeprefix("btccxt_") for name in samples if name.startswith("btccxt_")}
    served = {re.sub("_(total|count|sum|bucket|created)$", "", name) for name in served}
    assert documented - served == set()
    assert served - documented == set(), "numbers that the page does not explain"
    # Not only there: fed. (The limiter's use may be nothing at the moment of the scrape, and the breaker is closed.)
    fed = {re.sub("_(total|count)$", "", name.partition("{")[0]) for name, value in samples.items() if value}
    fed = {name.removeprefix("btccxt_") for name in fed}
    assert documented - fed <= {"breaker_open", "limiter_used_ratio"}


def test_a_bar_that_rest_had_to_bring_while_live_does_not_count_as_the_streams(port, tmp_path):
    with exchange() as background:
        store = store_with_metrics(background, port, tmp_path)
        with store.kept_open():
            run = Run(store, minutes(store), broker=False, trade_every=0)
            run.until_live(2)
            seen = Scraper(port)
            by_stream = seen.value("bars_total", source="websocket")
            # The stream lives on and says nothing of closed bars for a while; nobody goes down.
            lost = background.faults.add(Fault(FaultKind.LOSE_FRAME, stream="*@kline*", times=None))
            run.until(lambda: seen.value("bars_total", source="rest"), "a late bar by REST")
            background.faults.remove(lost)
            run.until(lambda: seen.value("bars_total", source="websocket") > by_stream, "the stream's own again")
            run.finish()


def test_bars_count_by_what_brought_them_and_not_by_the_feeds_state(port):
    counted = observe_metrics.enable().registry
    passed: list[FeedEvent] = []

    class Clock:
        def now_ms(self) -> int:
            return 600_000

        def wall_s(self, exchange_ms: float) -> float:
            return exchange_ms / 1000

    meter = FeedMeter("binance", parse_timeframe("1m"), Clock(), passed.append)

    def bars(*opens: int, by_rest: int = 0) -> BarsClosed:
        return BarsClosed(tuple(Bar(open_ms * 60_000, 1.0, 1.0, 1.0, 1.0, 1.0) for open_ms in opens), by_rest)

    def value(name: str, **labels: str) -> float:
        return counted.get_sample_value(f"btccxt_{name}", {"exchange": "binance", **labels}) or 0.0

    meter(bars(0, 1, by_rest=2))  # the first history
    assert value("bars_total", source="rest") == 0
    meter(FeedState(ConnectionState.LIVE))
    meter(bars(2))
    meter(bars(3, 4, by_rest=1))  # one was asked for, the one that waited behind it came by the stream
    assert (value("bars_total", source="websocket"), value("bars_total", source="rest")) == (2, 1)
    assert value("gap_items_repaired_total", kind="bars") == 1
    meter(FeedState(ConnectionState.DEGRADED))
    meter(bars(5, by_rest=1))
    assert value("gap_items_repaired_total", kind="bars") == 1, "the interruption is not over"
    meter(FeedState(ConnectionState.LIVE))
    assert (value("gap_items_repaired_total", kind="bars"), value("gaps_repaired_total", kind="bars")) == (2, 2)
    assert len(passed) == 7
