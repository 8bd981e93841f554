"""Every benchmark still runs, and shows whom it compares. What it measures means nothing here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.catalogue import BENCHMARKS
from benchmarks.clients import older_store
from benchmarks.report import Column, Report, Row, Target, as_text
from benchmarks.sizes import Size

_WATCH, _RAW = "ccxt.pro watch_ohlcv", "raw aiohttp+orjson"
_JOURNALS = {"btccxt, journal in memory", "btccxt, journal on disk"}
CONTENDERS = {
    "bars_cpu": {"btccxt", _WATCH, "ccxt.pro for_symbols", _RAW},
    "bars_latency": {"btccxt", _WATCH, _RAW},
    "orders_out": {*_JOURNALS, "ccxt create_order", "raw signed POST"},
    "fills_back": {"btccxt", "ccxt.pro watch_orders", "ccxt.pro watch_my_trades"},
    "history_load": {"btccxt", "btccxt, lake", "PandasData", "GenericCSVData"},
    "startup": {
        *{"btccxt", "btccxt.CCXTStore", "backtrader", "ccxt.pro", "backtrader and ccxt.pro"},
        *{"btccxt --help", "completion"},
    },
    "journal_ticket": {*_JOURNALS, "sqlite3 INSERT, synced", "write and fsync"},
    "recovery": {"btccxt"},
    "sense_checks": {"btccxt translate", "btccxt check"},
    "self_check": {"btccxt kept", "btccxt replayed", "ccxt.pro, one instance"},
    "fills_applied": {"btccxt"},
    "account_history": {"btccxt", "the rate limit alone"},
    "account_reads": {"btccxt", "backtrader's own broker"},
    "two_months": {"btccxt"},
    "exits_follow": {*_JOURNALS, "a bare callback"},
    "guard_cost": {"btccxt refusals", "btccxt risk", "btccxt call", "btccxt guard", "btccxt load"},
    "limiter_priority": {"btccxt", "ccxt throttler"},
    "many_symbols": {"btccxt"},
    "lake": {"btccxt lake", "btccxt lake, mapped", "pandas.read_parquet", "pandas feather"},
    "study": {"btccxt study, all cores", "btccxt study, one process"},
    "crossings": {"btccxt"},
    "page": {"unseen", "btccxt, recorded", "btccxt, the page's process", "btccxt, both"},
    "download": {"btccxt download", "one page after the other", "the rate limit alone"},
}


def test_every_benchmark_is_named_here() -> None:
    assert set(BENCHMARKS) == set(CONTENDERS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTENDERS)
def test_a_benchmark_runs_and_its_table_has_a_row_for_each_contender(name: str) -> None:
    report = BENCHMARKS[name](Size.SMOKE)
    assert {row.who for row in report.rows} - {older_store.NAME} == CONTENDERS[name]
    columns = {column.name for column in report.columns}
    for row in report.rows:
        assert row.values and set(row.values) <= columns
        assert all(math.isfinite(value) for value in row.values.values()), row
    lines = as_text(report).splitlines()
    for row in report.rows:
        assert any(row.case in line and row.who in line for line in lines)


def test_a_table_shows_ratios_to_the_peer_of_the_same_case_and_says_which_targets_were_missed() -> None:
    rows = (
        Row("small", "btccxt", {"µs": 10.0}),
        Row("small", "peer", {"µs": 20.0}),
        Row("large", "btccxt", {"µs": 90.0}),
        Row("large", "peer", {"µs": 30.0}),
    )
    targets = (Target("small", 0.5, 1.0), Target("large", 3.0, 1.0), Target("much", 3.0, 2.0, at_least=True))
    report = Report("example", "an example", (Column("µs"),), "µs", rows, targets)
    assert [report.ratio(row, "peer") for row in rows] == [0.5, None, 3.0, None]
    text = as_text(report)
    assert [line.split(":")[0] for line in text.splitlines() if "target" in line] == [
        "reached", "NOT REACHED", "reached",
    ]  # fmt: skip
    assert "| small | btccxt | 10.0 |   0.50 |" in text


def test_the_command_writes_json_with_machine_ratios_and_targets(tmp_path: Path) -> None:
    path = tmp_path / "results" / "one.json"
    assert main(["guard_cost", "--smoke", "--json", str(path)]) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["machine"]["cores"] and found["machine"]["python"] and found["size"] == "smoke"
    (report,) = found["reports"]
    assert report["name"] == "guard_cost"
    assert {target["text"] for target in report["targets"]} >= {"loading every profile (ms)"}


def test_an_unknown_benchmark_is_refused_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["guard_costs"])
    assert "did you mean 'guard_cost'?" in capsys.readouterr().err
