"""Statistics of daily returns come from empyrical, are of a week at least, and are missed in one line."""

from __future__ import annotations

import math
import statistics as plain
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from btccxt.cli import app
from btccxt.runs import statistics
from btccxt.runs.report import html, write_report
from btccxt.runs.statistics import MISSING, statistics_rows
from btccxt.store import run_record
from btccxt.store.run_record import RunRecord
from tests.runs.test_state import bar, state, value

DAY = 86_400_000
VALUES = [100.0, 102.0, 101.0, 104.0, 103.0, 106.0, 104.0, 108.0, 110.0]


def rows(values: list[float]) -> dict[str, str]:
    return dict(statistics_rows(values))


def test_they_are_those_of_the_textbook() -> None:
    pytest.importorskip("empyrical")
    returns = [after / before - 1 for before, after in pairwise(VALUES)]
    found = rows(VALUES)
    assert found["Sharpe ratio"] == f"{plain.mean(returns) / plain.stdev(returns) * math.sqrt(365):.2f}"
    assert found["volatility per year"] == f"{plain.stdev(returns) * math.sqrt(365):.1%}"
    assert found["return per year, of 8 days"] == f"{1.1 ** (365 / 8) - 1:+.2%}"
    assert found["deepest fall, by days"] == f"{1 - 104 / 106:.1%}"
    assert found["good days"] == f"{5 / 8:.1%}"


def test_less_than_a_week_says_nothing_and_an_account_that_stands_still_has_no_ratio() -> None:
    pytest.importorskip("empyrical")
    assert rows([100.0, 101.0]) == {"Sharpe ratio and the like": "need 7 days, so far 1"}
    assert rows([]) == {"Sharpe ratio and the like": "need 7 days, so far 0"}
    still = rows([100.0] * 9)
    assert (still["Sharpe ratio"], still["Sortino ratio"], still["Calmar ratio"]) == ("-", "-", "-")


def test_the_report_has_them_also_where_bars_were_dropped() -> None:
    pytest.importorskip("empyrical")
    records = [each for day, worth in enumerate(VALUES, 1) for each in (bar(day * DAY, 1.0), value(day * DAY, worth))]
    page = html(state(*records, bars_kept=1))
    assert "Sharpe ratio" in page and "return per year, of 9 days" in page


def test_without_it_the_report_is_written_and_says_so_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "find_spec", lambda name: None)
    monkeypatch.setattr(run_record, "state_directory", lambda: tmp_path)
    run = RunRecord("a", {"wall_ms": 1, "store": "s"}, lambda what, error: None)
    for record in (bar(DAY, 1.0), value(DAY, 5.0)):
        run.add(record)
    run.end()
    answer = CliRunner().invoke(app, ["report", "--output", str(tmp_path / "r.html")])
    assert answer.exit_code == 0, answer.output
    assert answer.output.splitlines()[0] == MISSING
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "net profit" in page and "Sharpe" not in page
    assert write_report(state(bar(1, 1.0)), tmp_path / "s.html")
