"""``btccxt status``: running stores show their health; a stopped one is gone; a dead one is recognised."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from btccxt import CCXTStore
from btccxt.cli import app
from btccxt.session.status_file import find_running, status_directory
from tests.exchange.ccxt.tiny_binance import until

DIES = """
import signal, sys, time
from btccxt.session.status_file import StatusFile
facts = {"exchange": "binance", "process": 1, "streams": [], "orders": {"tracked": False}}
status = StatusFile("binance-spot-live")
status.write(facts)
print("written", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_state_directory(tmp_path, monkeypatch):
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def status(*options: str):
    return CliRunner().invoke(app, ["status", *options])


async def test_a_running_store_is_listed_with_its_health_and_gone_when_it_stops():
    store = CCXTStore("binance", mode="sim", sim={"speed": 60})
    store.start()
    try:
        await until(lambda: list(find_running()))
        shown = status("--json")
        assert shown.exit_code == 0
        [facts] = json.loads(shown.stdout)
        assert (facts["alive"], facts["exchange"], facts["mode"], facts["process"]) == (
            True,
            "binance",
            "sim",
            os.getpid(),
        )
        assert {"streams", "clock", "limits", "breakers", "orders", "last_errors"} <= set(facts)
        assert "binance spot sim" in status().stdout
    finally:
        store.stop()
    assert list(status_directory().iterdir()) == []
    assert "no store is running" in status().stdout


def test_what_a_killed_process_left_behind_is_called_dead_until_it_is_forgotten():
    with subprocess.Popen([sys.executable, "-c", DIES], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "written"
            assert [each.alive for each in find_running()] == [True]
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        finally:
            process.kill()
    assert [each.alive for each in find_running()] == [False]
    shown = status()
    assert shown.exit_code == 1
    assert "ended without stopping" in shown.stdout
    status("--forget")
    assert list(find_running()) == []
