"""``btccxt trading``: what a person says reaches a running store's next order."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from btccxt.bt.signals import trading_set_by_signals
from btccxt.cli import app
from btccxt.errors import ConfigError
from btccxt.orders.risk import TradingState
from btccxt.orders.trading_state import TradingControl
from btccxt.session.status_file import StatusFile


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def go(*words: str) -> str:
    answer = CliRunner().invoke(app, ["trading", *words], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_a_file_that_is_named_is_set_and_shown(tmp_path: Path) -> None:
    file = tmp_path / "journal.db.trading"
    assert "halted" in go("halted", "--file", str(file), "--why", "storm")
    assert TradingControl(file).read() == (TradingState.HALTED, "storm")
    assert "storm" in go("--file", str(file))


def test_running_stores_are_found_and_chosen_by_name(tmp_path: Path) -> None:
    files = []
    for exchange in ("binance", "kraken"):
        status = StatusFile(exchange)
        facts = {"exchange": exchange, "market_type": "spot", "mode": "live", "process": 1}
        status.write({**facts, "trading": {"file": str(tmp_path / exchange)}})
        files.append(status)
    try:
        go("reducing", "--store", "kraken")
        assert TradingControl(tmp_path / "kraken").read()[0] is TradingState.REDUCING
        assert TradingControl(tmp_path / "binance").read()[0] is TradingState.ACTIVE
    finally:
        for status in files:
            status.remove()


@pytest.mark.parametrize(("words", "what"), [(("paused",), "active, reducing, halted"), ((), "--file")])
def test_what_is_wrong_is_said(words: tuple[str, ...], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        go(*words)


@pytest.mark.parametrize(("name", "state"), [("SIGUSR1", TradingState.REDUCING), ("SIGUSR2", TradingState.HALTED)])
def test_a_signal_sets_it_and_handlers_of_others_stay(name: str, state: TradingState) -> None:
    control, number = TradingControl(), getattr(signal, name)
    with trading_set_by_signals(control.ask):
        os.kill(os.getpid(), number)
    assert control.read() == (state, "by a signal")
    assert signal.getsignal(number) == signal.SIG_DFL
    signal.signal(number, lambda *_: None)
    try:
        with trading_set_by_signals(control.ask):
            assert signal.getsignal(number).__name__ == "<lambda>"
    finally:
        signal.signal(number, signal.SIG_DFL)
