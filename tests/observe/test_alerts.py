from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from btccxt.errors import ConfigError
from btccxt.observe.alerts import Alert, AlertHub, AlertKind, AppriseSink, log_sink
from btccxt.observe.metrics import disable, enable

DRIFT = Alert(AlertKind.DRIFT, "position differs: ours 1, theirs 2", exchange="binance", key="BTC/USDT:USDT")


class Hub:
    """A hub with a clock moved by hand and a sink that keeps what it gets."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.got: list[Alert] = []
        self.hub = AlertHub([self.got.append], every_s=60.0, now_s=lambda: self.now_s)


def test_an_alert_reads_as_one_sentence() -> None:
    assert str(DRIFT) == "drift [binance BTC/USDT:USDT]: position differs: ours 1, theirs 2"
    assert str(Alert(AlertKind.CLOCK, "off by 9 s", suppressed=2)) == "clock: off by 9 s (2 more like this)"


def test_every_sink_gets_it_though_another_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    got: list[Alert] = []

    def broken(alert: Alert) -> None:
        raise RuntimeError("sink is broken")

    hub = AlertHub([broken])
    hub.add_sink(got.append)
    assert hub.raise_alert(DRIFT)
    assert got == [DRIFT]
    assert "alert_failed" in caplog.text
    assert "sink is broken" in caplog.text


def test_the_same_trouble_passes_once_per_interval_and_then_tells_how_many_were_held_back() -> None:
    board = Hub()
    assert [board.hub.raise_alert(DRIFT) for _ in range(4)] == [True, False, False, False]
    board.now_s = 59.9
    assert not board.hub.raise_alert(DRIFT)
    board.now_s = 60.0
    assert board.hub.raise_alert(DRIFT)
    assert [alert.suppressed for alert in board.got] == [0, 4]
    assert board.hub.suppressed == 4


def test_other_kinds_keys_and_exchanges_are_not_held_back() -> None:
    board = Hub()
    others = [
        Alert(AlertKind.OVERFILL, "x", "binance", "BTC/USDT:USDT"),
        Alert(AlertKind.DRIFT, "x", "binance", "ETH/USDT:USDT"),
        Alert(AlertKind.DRIFT, "x", "bybit", "BTC/USDT:USDT"),
    ]
    for alert in (DRIFT, *others):
        assert board.hub.raise_alert(alert)


def test_keys_without_end_do_not_fill_the_memory() -> None:
    board = Hub()
    for number in range(5_000):
        board.now_s += 1.0
        board.hub.raise_alert(Alert(AlertKind.UNKNOWN_OUTCOME, "x", key=str(number)))
    assert len(board.hub._passed_s) <= 1_000


def test_the_log_sink_writes_kind_text_and_key(caplog: pytest.LogCaptureFixture) -> None:
    AlertHub([log_sink]).raise_alert(DRIFT)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "alert_raised kind=drift text=position differs" in record.message
    assert "key=BTC/USDT:USDT" in record.message


def test_alerts_are_counted() -> None:
    try:
        counted = enable()
        board = Hub()
        board.hub.raise_alert(DRIFT)
        board.hub.raise_alert(DRIFT)
        assert counted.registry.get_sample_value("btccxt_alerts_total", {"kind": "drift"}) == 1
    finally:
        disable()


# ------------------------------------------------------------------ apprise, against a server on the loopback


class Receiver:
    """An HTTP server that keeps the JSON it is sent; it can be made to hang or to answer 500."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, str]] = []
        self.status = 200
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked.set()
                receiver.may_answer.wait(60)
                receiver.bodies.append(json.loads(body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/"

    def close(self) -> None:
        self.may_answer.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def wait_for(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until_s, "the condition did not come true"
        time.sleep(0.005)


def test_an_alert_arrives_at_the_service_without_its_secrets(receiver: Receiver, planted: str) -> None:
    sink = AppriseSink([receiver.url])
    hub = AlertHub([sink])
    hub.raise_alert(Alert(AlertKind.AUTHENTICATION, f"key {planted} was refused", "binance", planted, {"x": planted}))
    hub.close()
    (body,) = receiver.bodies
    assert body["title"] == "btccxt: authentication"
    assert body["message"] == "authentication [binance ***]: key *** was refused"
    assert planted not in json.dumps(receiver.bodies)


def test_no_sink_ever_sees_a_secret(planted: str, caplog: pytest.LogCaptureFixture) -> None:
    board = Hub()
    board.hub.add_sink(log_sink)
    board.hub.raise_alert(Alert(AlertKind.DRIFT, f"t {planted}", "x", f"k {planted}", {"d": [planted], "apiKey": "un"}))
    assert planted not in repr(board.got)
    assert board.got[0].details == {"d": ["***"], "apiKey": "***"}
    assert planted not in caplog.text


def test_raising_does_not_wait_for_a_service_that_hangs_and_the_oldest_are_dropped(receiver: Receiver) -> None:
    receiver.may_answer.clear()
    sink = AppriseSink([receiver.url])
    sink(Alert(AlertKind.DRIFT, "first"))
    assert receiver.asked.wait(60)
    for number in range(150):
        sink(Alert(AlertKind.DRIFT, f"number {number}"))
    assert receiver.bodies == [], "all were raised while the service hung"
    assert sink.dropped == 50
    receiver.may_answer.set()
    sink.close(20)
    assert len(receiver.bodies) == 101
    assert receiver.bodies[1]["message"].endswith("number 50")


def test_closing_does_not_wait_for_ever(receiver: Receiver) -> None:
    receiver.may_answer.clear()
    sink = AppriseSink([receiver.url])
    sink(DRIFT)
    assert receiver.asked.wait(60)
    sink.close(0.01)
    assert sink._thread.is_alive()
    sink(DRIFT)
    assert sink.dropped == 1
    receiver.may_answer.set()
    sink._thread.join(60)
    assert not sink._thread.is_alive()


def test_a_service_that_refuses_is_logged_and_counted(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.status = 500
    sink = AppriseSink([receiver.url])
    sink(DRIFT)
    wait_for(lambda: sink.failed == 1)
    sink.close()
    assert "alert_failed" in caplog.text


def test_a_url_nobody_understands_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match=r"alert URL 2 \(nosuch\)") as caught:
        AppriseSink(["json://127.0.0.1:1/", "nosuch://t0ken@host"])
    assert "t0ken" not in str(caught.value)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError, match=r"pip install 'btccxt\[alerts\]'"):
        AppriseSink(["json://127.0.0.1:1/"])
