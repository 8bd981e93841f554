"""``btccxt rehearse`` says by its exit code whether the books were right at the end."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal as D
from pathlib import Path

import pytest
from typer.testing import CliRunner

from btccxt.cli import app, rehearsal
from btccxt.store.store import CCXTStore

STRATEGY = "import backtrader as bt\n\nclass Idle(bt.Strategy):\n    pass\n"


@pytest.mark.parametrize(("theirs", "code", "word"), [("5", 0, "equal"), ("4.9", 1, "DIFFERENT")])
def test_books_that_differ_are_the_exit_code(tmp_path, monkeypatch, theirs, code, word):
    file = tmp_path / f"idle_{code}.py"
    file.write_text(STRATEGY)
    monkeypatch.setattr(rehearsal, "_REST_S", 0.5)
    monkeypatch.setattr(CCXTStore, "books_check", lambda store: [("USDT", D(5), D(theirs))])
    options = ["--faults", "none", "--bars", "2", "--history", "2", "--speed", "240"]
    result = CliRunner().invoke(app, ["rehearse", str(file), *options])
    assert result.exit_code == code, result.output
    assert word in result.output


def recorded(folder: Path, minutes: int) -> Path:
    """Bars as `btccxt data export csv` writes them."""
    start = datetime(2026, 3, 2, tzinfo=timezone.utc)
    rows = [
        f"{start + timedelta(minutes=n):%Y-%m-%d %H:%M}:00.000Z,{n + 100},{n + 101},{n + 99},{n + 100},5"
        for n in range(minutes)
    ]
    path = folder / "week.csv"
    path.write_text("\n".join(["time,open,high,low,close,volume", *rows]))
    return path


@pytest.mark.usefixtures("patient_market")
def test_a_recorded_week_is_played_from_where_its_history_ends(tmp_path):
    strategy = tmp_path / "tells.py"
    strategy.write_text(
        "import backtrader as bt\n\n"
        "class Tells(bt.Strategy):\n"
        "    def next(self):\n"
        "        print('bar', self.data.datetime.datetime(), self.data.close[0])\n"
    )
    week = recorded(tmp_path, 10)
    options = ["--faults", "none", "--bars", "3", "--history", "4", "--speed", "240", "--market", str(week)]
    result = CliRunner().invoke(app, ["rehearse", str(strategy), *options])
    assert result.exit_code == 0, result.output
    bars = re.findall(r"bar 2026-03-02 00:0(\d):00 (\S+)", result.output)
    assert bars[:7] == [(str(n + 1), f"{n + 100}.0") for n in range(7)]


def test_a_recording_that_is_too_short_or_not_there_is_refused(tmp_path):
    strategy = tmp_path / "idle.py"
    strategy.write_text(STRATEGY)
    for market, says in (
        (recorded(tmp_path, 10), "ends at 2026-03-02 00:10: 4 bars of history and 100 live ones of 1 min"),
        (tmp_path / "none.csv", "no file"),
    ):
        result = CliRunner().invoke(app, ["rehearse", str(strategy), "--history", "4", "--market", str(market)])
        assert result.exit_code != 0
        assert says in " ".join(f"{result.output} {result.exception}".split())


def test_an_error_of_the_strategy_shows_its_lines_only(tmp_path):
    file = tmp_path / "fails.py"
    file.write_text(STRATEGY.replace("pass", "def next(self):\n        self.none_such"))
    options = ["--faults", "none", "--bars", "2", "--history", "2", "--speed", "240"]
    result = CliRunner().invoke(app, ["rehearse", str(file), *options])
    assert result.exit_code == 1
    told = result.output[result.output.index("error in the strategy") :]
    assert "fails.py" in told and "none_such" in told and "cerebro.py" not in told


def test_a_mix_of_faults_that_there_is_not_names_the_nearest(tmp_path):
    file = tmp_path / "idle.py"
    file.write_text(STRATEGY)
    for wrong, said in (
        ("stream", "no fault mix 'stream'; did you mean 'streams'?"),
        ("x", "no fault mix 'x'; there are none,"),
    ):
        refused = CliRunner().invoke(app, ["rehearse", str(file), "--faults", wrong])
        assert said in str(refused.exception)
