"""Planted secrets are looked for in everything that leaves the process's memory, while all kinds of trouble happen."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from typer.testing import CliRunner

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.cli import app
from btccxt.cli.acceptance.subject import Subject
from btccxt.cli.acceptance.suite import verify
from btccxt.config import Mode
from btccxt.errors import BtccxtError
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType
from btccxt.observe import metrics as observe_metrics
from btccxt.session.status_file import find_running
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.markets import default_listings
from btccxt.sim.server import SimExchange
from btccxt.sim.synthetic import SyntheticSource
from btccxt.store.build_config import build_config
from btccxt.store.startup import start_balances
from btccxt.store.venues import connect
from tests.heal.kit import QUICK, QUICK_BREAKER, QUICK_ORDERS, Run, store_on

KEY, SECRET, PASSWORD = "PLANTEDkey7f3a9c1e5b", "PLANTEDsecret0d8b6e2f4a+/AA=", "PLANTEDpassphrase3c1d"
TOKEN = "PLANTEDtoken5e9a2b"  # of the alerts' address
SECRETS = (KEY, SECRET, PASSWORD, TOKEN)


@dataclass(frozen=True)
class Place:
    dialect: str
    market_type: str
    order_path: str

    def __str__(self) -> str:
        return f"{self.dialect}-{self.market_type}"

    @property
    def symbol(self) -> str:
        return "BTC/USDT" if self.market_type == "spot" else "BTC/USDT:USDT"

    def exchange(self) -> BackgroundExchange:
        account = SimAccount("main", KEY, SECRET, PASSWORD, {"USDT": Decimal(100_000), "BTC": Decimal(5)})
        listings = [each for each in default_listings() if each.market.symbol in ("BTC/USDT", "BTC/USDT:USDT")]
        limits = {"kraken": {"PRIVATE_CALLS": 100_000}} if self.dialect == "kraken" else None
        return BackgroundExchange(
            lambda: SimExchange(
                SyntheticSource(listings, 3), (self.dialect,), speed=240, accounts=[account], limits=limits
            )
        )


PLACES = [
    Place("binance", "spot", "*/order"),
    pytest.param(Place("binanceusdm", "linear", "*/order"), marks=pytest.mark.slow),
    pytest.param(Place("bybit", "linear", "*/order/create"), marks=pytest.mark.slow),
    pytest.param(Place("okx", "spot", "*/trade/order"), marks=pytest.mark.slow),
    pytest.param(Place("kraken", "spot", "*/AddOrder"), marks=pytest.mark.slow),
]


def leaks_in(outputs: dict[str, str]) -> list[str]:
    """Which outputs show a secret, also as it is written in an address or escaped in JSON."""
    spelled = {form for secret in SECRETS for form in (secret, quote(secret), quote(secret, ""), quote_plus(secret))}
    spelled |= {json.dumps(secret)[1:-1].replace("/", "\\/") for secret in SECRETS}
    return [
        f"{name}: …{text[max(0, text.index(form) - 80) : text.index(form) + 40]}…"
        for name, text in outputs.items()
        for form in spelled
        if form in text
    ]


@contextlib.contextmanager
def alert_service() -> Iterator[tuple[int, list[str]]]:
    """Where apprise sends: port, and what arrived."""
    received: list[str] = []

    class Sink(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Sink)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def own_state_directory(tmp_path, monkeypatch) -> Path:
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def scraped():
    registry = pytest.importorskip("prometheus_client").CollectorRegistry()
    observe_metrics.disable()
    observe_metrics.enable(registry)
    yield registry
    observe_metrics.disable()


def add_trouble(background: BackgroundExchange, place: Place) -> None:
    """What a careless proxy does: it answers with what it was asked. And every usual way for a call to fail."""
    add = background.faults.add
    for kind in (FaultKind.ERROR_BEFORE, FaultKind.DROP_REQUEST, FaultKind.HTML_ANSWER, FaultKind.LOSE_ANSWER):
        add(Fault(kind, host="*api*", nth=2, times=4, status=502))
    echo = json.dumps({"msg": f"{KEY} {SECRET} {PASSWORD}", "key": KEY, "secret": SECRET})
    add(Fault(FaultKind.ERROR_BEFORE, method="POST", path=place.order_path, nth=3, times=1, status=400, body=echo))
    for path in ("*[bB]alance*", "*/account"):
        add(Fault(FaultKind.ERROR_BEFORE, path=path, times=2, status=502, body=echo))


def spoil_frames(background: BackgroundExchange) -> None:
    """Not together with a cut: what is on the wire then is never read."""
    background.faults.add(Fault(FaultKind.MALFORMED, stream="*", times=3, body=f'{{"msg": "{KEY} {SECRET} {PASSWORD}"'))


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_keys_are_in_no_log_notice_health_journal_metric_alert_status_or_exception(
    place, own_state_directory, capfd, scraped
):
    from prometheus_client import generate_latest

    folder = own_state_directory
    outputs: dict[str, str] = {}
    with place.exchange() as background, alert_service() as (port, alerts):
        file = folder / "btccxt.yaml"
        file.write_text(
            f"profiles:\n  main:\n    exchange: {place.dialect}\n    mode: sim\n    currency: USDT\n"
            f"    market_type: {place.market_type}\n    sim_address: '{background.address}'\n"
            f"    keys: {{apiKey: '{KEY}', secret: '{SECRET}', password: '{PASSWORD}'}}\n"
            f"    journal: '{folder / 'journal.sqlite3'}'\n    alerts: ['json://127.0.0.1:{port}/{TOKEN}']\n"
            f"    log: {{json: true, file: '{folder / 'log.json'}', level: debug}}\n"
        )
        store = CCXTStore.from_config(file, streams=QUICK, breaker=QUICK_BREAKER, tracker=QUICK_ORDERS)
        with store.kept_open():
            data = store.getdata(dataname=place.symbol, timeframe=bt.TimeFrame.Minutes)
            run = Run(store, data, trade_every=1)
            run.until_live(2)
            add_trouble(background, place)
            background.call(lambda sim: sim.cut_connections())
            run.more_bars(8)
            spoil_frames(background)
            run.until(lambda: "malformed frame" in notices_of(run.diary), "a malformed frame")
            background.faults.clear()
            refusal = background.faults.add(Fault(FaultKind.REFUSE_CONNECTION))
            background.call(lambda sim: sim.cut_connections())
            run.until(lambda: alerts, "an alert")
            background.faults.remove(refusal)
            run.until(run.healthy, "recovery")
            run.until(lambda: list(find_running()), "status file")
            outputs["health"] = json.dumps(store.health(), default=str)
            outputs["status"] = "".join(each.path.read_text() for each in find_running())
            outputs["status command"] = CliRunner().invoke(app, ["status", "--json"]).output
            diary = run.finish()
            outputs["notices"] = notices_of(diary)
            outputs["data news"] = repr(diary.data_news)
            outputs["store"] = f"{store!r} {store.settings!r} {store.settings.model_dump()!r}"
            outputs["exchange"] = f"{store._venue.exchange!r}"
            outputs["orders"] = repr([order.info for order in store.getbroker().orders])
    outputs["alerts"] = "".join(alerts)
    outputs["metrics"] = generate_latest(scraped).decode()
    outputs["console"] = "".join(capfd.readouterr())
    for path in (each for each in folder.rglob("*") if each.is_file() and each != file):
        outputs[f"file {path.name}"] = path.read_bytes().decode("latin-1")
    assert len(outputs["file log.json"].splitlines()) > 10
    assert any(name.startswith("file journal") for name in outputs)
    assert leaks_in(outputs) == []


def notices_of(diary) -> str:
    return "".join(f"{note} {note!r} {getattr(note, 'about', '')!r}" for note in list(diary.store_news))


@pytest.mark.parametrize("place", PLACES, ids=str)
async def test_keys_are_in_no_report_of_verify(place, tmp_path, capfd):
    with place.exchange() as background:
        kind = MarketType(place.market_type)
        profile = load_profile(place.dialect, kind)
        settings = build_config(
            {
                "exchange": place.dialect,
                "mode": "sim",
                "market_type": kind.value,
                "sim_address": str(background.address),
            }
        )
        said: list[str] = []
        venue = connect(
            Mode.SIM, profile, {"apiKey": KEY, "secret": SECRET, "password": PASSWORD},
            balances=start_balances(1000.0, "USDT"), settings=settings,
            report=lambda what, error: said.append(f"{what} {error!r}"),
        )  # fmt: skip
        echo = json.dumps({"msg": f"{KEY} {SECRET} {PASSWORD}"})
        background.faults.add(Fault(FaultKind.ERROR_BEFORE, nth=12, times=None, status=403, body=echo))
        subject = Subject(venue.exchange, venue.clock, profile, place.symbol, "1m", Decimal(1000), patience_s=1.0)
        try:
            report = await verify(
                subject,
                "the embedded exchange",
                environment="embedded",
                private=True,
                tell=lambda each: said.append(str(each)),
            )
        except BtccxtError as error:
            said.append(f"{error!r} {error}")
        else:
            report.write(tmp_path)
            assert any(each.outcome == "failed" for each in report.results), "the trouble did not reach the report"
        venue.stop()
    outputs = {each.name: each.read_text() for each in tmp_path.iterdir()}
    outputs |= {"said": " ".join(said), "console": "".join(capfd.readouterr())}
    assert leaks_in(outputs) == []


STRATEGY = """
import backtrader as bt
class Trades(bt.Strategy):
    def next(self):
        if len(self) % 2:
            self.buy(size=0.001)
"""


@pytest.mark.parametrize("exchange", ["binance", pytest.param("okx", marks=pytest.mark.slow)])
def test_keys_of_the_environment_are_in_no_rehearsal(exchange, own_state_directory, monkeypatch):
    monkeypatch.setenv(f"BTCCXT_{exchange.upper()}_API_KEY", KEY)
    monkeypatch.setenv(f"BTCCXT_{exchange.upper()}_SECRET", SECRET)
    monkeypatch.setenv(f"BTCCXT_{exchange.upper()}_PASSWORD", PASSWORD)
    strategy = own_state_directory / "trades.py"
    strategy.write_text(STRATEGY)
    options = ["--bars", "6", "--history", "3", "--speed", "240", "--exchange", exchange, "--faults", "errors,streams"]
    shown = CliRunner().invoke(app, ["rehearse", str(strategy), *options])
    assert "rehearsal" in shown.output
    outputs = {"console": shown.output, "exception": repr(shown.exception)}
    outputs |= {path.name: path.read_text() for path in own_state_directory.rglob("*.json")}
    assert leaks_in(outputs) == []
    assert "simsecretkey" not in shown.output


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_wrong_keys_are_in_no_exception(place):
    wrong = {"apiKey": "OTHER" + KEY, "secret": "OTHER" + SECRET, "password": "OTHER" + PASSWORD}
    with place.exchange() as background:
        store = store_on(background, place.dialect, market_type=place.market_type, currency="USDT", config=wrong)
        store.getbroker()
        with pytest.raises(BtccxtError) as caught, contextlib.closing(_Closing(store)):
            store.start()
    chain, error = "", caught.value
    while error is not None:
        chain += f"{error!r} {error}"
        error = error.__cause__ or error.__context__
    assert leaks_in({"exceptions": chain}) == []


class _Closing:
    def __init__(self, store) -> None:
        self.close = store.stop
