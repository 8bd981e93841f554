"""Grades come from data: recorded runs of ``btccxt verify`` and captures; the pages say what the data say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from btccxt.cli.acceptance.report import CheckResult, Report
from btccxt.cli.exchange_pages import GRADES
from btccxt.errors import ConfigError
from btccxt.exchange.profile.profile import known_exchanges, load_profile, market_types
from btccxt.exchange.proof.grades import FOLDER, grade_of, runs_of
from btccxt.model import MarketType

_DOCS = Path(__file__).parents[3] / "docs" / "exchanges"
_ALL = [(name, market) for name in known_exchanges() for market in market_types(name)]


def _report(environment: str = "sim", outcome: str = "proven") -> Report:
    result = CheckResult("it holds", "private", outcome, "seen", 5)  # type: ignore[arg-type]
    return Report("bitstamp", "spot", "BTC/USD", "testnet", environment, "2026-11-30T12:00:00+00:00", (result,))


def test_a_page_says_the_grade_and_the_runs_that_the_data_give() -> None:
    index = (_DOCS / "README.md").read_text(encoding="utf-8")
    for name, market in _ALL:
        profile = load_profile(name, market)
        row = next(line for line in index.splitlines() if line.startswith(f"| [{name}]({name}.md) | {market.value} |"))
        assert row.endswith(f"| {grade_of(profile)} |")
        page = (_DOCS / f"{name}.md").read_text(encoding="utf-8")
        assert f"| proof | {grade_of(profile)}: {GRADES[grade_of(profile)]}" in page
        assert all(run.text in page for run in runs_of(profile))


def test_every_recorded_run_is_of_a_listed_profile_with_orders_in_it() -> None:
    for path in FOLDER.glob("*.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        assert (told["exchange"], MarketType(told["market_type"])) in _ALL
        assert {"ccxt", "btccxt", "python"} <= set(told["versions"])
        placed = [each for each in told["results"] if each["scope"] == "private" and each["outcome"] == "proven"]
        assert len(placed) >= 10, path.name


def test_the_best_run_gives_the_grade_and_without_one_the_captures_do(tmp_path: Path) -> None:
    profile = load_profile("bitstamp", MarketType.SPOT)
    assert grade_of(profile, tmp_path / "none") == "captured"
    assert grade_of(load_profile("coinmate", MarketType.SPOT), tmp_path / "none") == "assumed"
    for environment in ("sim", "testnet"):
        _report(environment).record(tmp_path / "some")
    assert grade_of(profile, tmp_path / "some") == "testnet"
    assert runs_of(profile, tmp_path / "some")[0].text == (
        f"verified 2026-11-30 with ccxt {_report().versions['ccxt']} (testnet): 1 proven, 0 failed, 0 not applicable"
    )


@pytest.mark.parametrize(("change", "words"), [({"schema": 0}, "verify it again"), ({"good": False}, "is no proof")])
def test_data_of_another_schema_and_failed_runs_are_no_proof(
    change: dict[str, object], words: str, tmp_path: Path
) -> None:
    path = _report().record(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ConfigError, match=words):
        grade_of(load_profile("bitstamp", MarketType.SPOT), tmp_path)
