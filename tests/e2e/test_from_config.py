"""A store from the user's file: another exchange or mode is another word there; alerts, metrics and budget work."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.request
from datetime import datetime, timezone

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from btccxt.observe.alerts import AlertKind
from btccxt.observe.metrics import disable
from btccxt.store.notifier import NoticeKind, StoreNotice
from tests.e2e.kit import START, run

pytestmark = pytest.mark.usefixtures("patient_market")

FAST = {"speed": 300.0, "start": START, "symbols": ("BTC/USDT",)}


def write(tmp_path, text: str):
    path = tmp_path / "btccxt.yaml"
    path.write_text(text)
    return path


def test_a_profile_of_the_file_makes_a_store(tmp_path):
    path = write(
        tmp_path,
        f"""
profiles:
  practice:
    exchange: binance
    mode: sim
    currency: USDT
    journal: {tmp_path / "orders.sqlite3"}
    on_stop: cancel
    rate_budget: file://{tmp_path / "budget.sqlite3"}
  real:
    exchange: binance
    mode: live
""",
    )
    store = CCXTStore.from_config(path, "practice", sim=FAST, balance=500)

    def act(strategy) -> None:
        if strategy.live == 1:
            strategy.buy(size=0.001)

    data = store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes)
    witness = run(store, data, broker=True, live_bars=4, act=act)
    assert witness.order_news[-1].getstatusname() == "Completed"
    assert (tmp_path / "orders.sqlite3").exists()
    assert (tmp_path / "budget.sqlite3").exists()
    with pytest.raises(ConfigError, match="BTCCXT_BINANCE_API_KEY"):
        CCXTStore.from_config(path, "real")


def test_alerts_reach_a_service_and_metrics_are_served(tmp_path):
    received: list[dict] = []
    arrived = threading.Event()

    class Sink(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            arrived.set()

        def log_message(self, *args) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Sink)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        path = write(
            tmp_path,
            f"""
profiles:
  practice:
    exchange: binance
    mode: sim
    alerts: ["json://127.0.0.1:{server.server_port}"]
    metrics_port: {_free_port()}
""",
        )
        store = CCXTStore.from_config(path, sim=FAST)
        store.start()
        try:
            store._notifier.alert(AlertKind.DRIFT, "a test of the alarm", "BTC")
            assert arrived.wait(60)
            port = store.settings.metrics_port
            body = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=100).read().decode()
        finally:
            store.stop()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        disable()  # the process counts on otherwise
    assert "a test of the alarm" in json.dumps(received)
    assert "btccxt_" in body


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_store_notifications_are_typed_and_readable():
    seen: list[StoreNotice] = []

    class Listening(bt.Strategy):
        def notify_store(self, msg, *args, **kwargs) -> None:
            seen.append(msg)

        def next(self) -> None:
            if self.data._laststatus == self.data.LIVE:
                self.env.runstop()

    store = CCXTStore("binance", mode="sim", sim=FAST)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes))
    cerebro.addstrategy(Listening)
    cerebro.run()
    streams = [notice for notice in seen if isinstance(notice, StoreNotice) and notice.kind is NoticeKind.STREAM]
    assert [str(notice) for notice in streams] == ["bars BTC/USDT 1m: live"]
    assert streams[0].about.new.value == "live"


def test_history_is_downloaded_once_and_then_read_from_the_cache(tmp_path):
    import gzip

    recording = tmp_path / "bars.csv.gz"
    with gzip.open(recording, "wt") as file:
        for minute in range(300):
            price = 100 + minute % 7
            file.write(f"{1_700_000_040_000 + minute * 60_000},{price},{price + 1},{price - 1},{price},1.5\n")
    asked: list[str] = []
    rows = []
    for _ in range(2):
        sim = {"market": recording, "symbol": "BTC/USDT", "start": datetime(2023, 11, 15, 3, tzinfo=timezone.utc)}
        store = CCXTStore("binance", mode="sim", sim=sim, history_cache=tmp_path / "cache")
        store.start()
        try:
            store._venue.sim.on_request(lambda request: asked.append(request.path))
            data = store.getdata(
                dataname="BTC/USDT",
                timeframe=bt.TimeFrame.Minutes,
                historical=True,
                fromdate=datetime(2023, 11, 14, 22, 15),  # noqa: DTZ001 - backtrader's dates are naive UTC
                todate=datetime(2023, 11, 15, 2, 0),  # noqa: DTZ001
            )
            rows.append(run(store, data).rows[0])
        finally:
            store.stop()
        asked.append("next run")
    first, second = asked[: asked.index("next run")], asked[asked.index("next run") + 1 :]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 225
    assert any("klines" in path for path in first)
    assert not any("klines" in path for path in second)
