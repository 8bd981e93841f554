"""Planted secrets are looked for in everything that leaves the process's memory, while all kinds of trouble happen."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from pathlib import Path

import pytest

from btccxt._bt import bt
from btccxt.config import build_config
from btccxt.errors import BtccxtError
from btccxt.observe import metrics as observe_metrics
from btccxt.session.status_file import find_running
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.markets import default_listings
from btccxt.sim.server import SimExchange
from btccxt.sim.synthetic import SyntheticSource
from tests.heal.kit import Run, store_on

KEY, SECRET = "PLANTEDkey7f3a9c1e5b", "PLANTEDsecret0d8b6e2f4a"


@pytest.fixture
def scraped():
    registry = pytest.importorskip("prometheus_client").CollectorRegistry()
    observe_metrics.disable()
    observe_metrics.enable(registry)
    yield registry
    observe_metrics.disable()


def planted_exchange() -> BackgroundExchange:
    account = SimAccount("main", KEY, SECRET, "", {"USDT": Decimal(100_000), "BTC": Decimal(5)})
    return BackgroundExchange(
        lambda: SimExchange(SyntheticSource(default_listings()[:1], 3), ("binance",), speed=240, accounts=[account])
    )


def test_keys_are_in_no_log_notice_health_journal_metric_status_or_exception(tmp_path, monkeypatch, capfd, scraped):
    from prometheus_client import generate_latest

    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    outputs: dict[str, str] = {}
    with planted_exchange() as background:
        store = store_on(background, config={"apiKey": KEY, "secret": SECRET}, journal=tmp_path / "journal.sqlite3")
        monkeypatch.setattr(
            store._watch, "_settings", store.settings.model_copy(update={"log": _json_log(tmp_path / "log.json")})
        )
        with store.kept_open():
            run = Run(store, store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes), trade_every=1)
            run.until_live(2)
            add = background.faults.add
            for kind in (FaultKind.ERROR_BEFORE, FaultKind.DROP_REQUEST, FaultKind.HTML_ANSWER, FaultKind.LOSE_ANSWER):
                add(Fault(kind, host="api.*", nth=2, times=4, status=502))
            # What a careless proxy does: it answers with what it was asked.
            add(
                Fault(
                    FaultKind.ERROR_BEFORE,
                    path="*/order",
                    nth=6,
                    times=1,
                    status=400,
                    body=f'{{"msg":"{KEY} {SECRET}"}}',
                )
            )
            add(Fault(FaultKind.MALFORMED, stream="*", times=3, body=f'{{"apiKey":"{KEY}","secret":"{SECRET}"'))
            background.call(lambda sim: sim.cut_connections())
            run.more_bars(8)
            background.faults.clear()
            run.until(run.healthy, "recovery")
            run.until(lambda: list(find_running()), "status file")
            outputs["health"] = json.dumps(store.health(), default=str)
            outputs["status"] = "".join(each.path.read_text() for each in find_running())
            diary = run.finish()
            outputs["notices"] = "".join(f"{note} {note!r} {getattr(note, 'about', '')!r}" for note in diary.store_news)
            outputs["store"] = f"{store!r} {store.settings!r}"
            outputs["orders"] = repr([order.info for order in store.getbroker().orders])
    outputs["metrics"] = generate_latest(scraped).decode()
    outputs["log"] = (tmp_path / "log.json").read_text()
    outputs["console"] = "".join(capfd.readouterr())
    for path in (each for each in tmp_path.rglob("*") if each.is_file()):
        outputs[f"file {path.name}"] = path.read_bytes().decode("latin-1")
    assert len(outputs["log"].splitlines()) > 10
    assert "malformed frame" in outputs["notices"]
    assert any(name.startswith("file journal") for name in outputs)
    leaks = [name for name, text in outputs.items() if KEY in text or SECRET in text]
    assert leaks == []


def _json_log(path: Path):
    return build_config({"exchange": "binance", "log": {"json": True, "file": str(path), "level": "debug"}}).log


def test_wrong_keys_are_in_no_exception():
    with planted_exchange() as background:
        store = store_on(background, config={"apiKey": "OTHER" + KEY, "secret": "OTHER" + SECRET})
        store.getbroker()
        with pytest.raises(BtccxtError) as caught, contextlib.closing(_Closing(store)):
            store.start()
    chain, error = "", caught.value
    while error is not None:
        chain += f"{error!r} {error}"
        error = error.__cause__ or error.__context__
    assert KEY not in chain
    assert SECRET not in chain


class _Closing:
    def __init__(self, store) -> None:
        self.close = store.stop
