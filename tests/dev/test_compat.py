"""``python -m btccxt.dev compat``: what it is given, and the report it writes; a run takes minutes and an index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from btccxt.dev.__main__ import main
from btccxt.dev.compat import TESTS, Report, _outcomes

_TOP = Path(__file__).parents[2]


def _place(exchange: str, *differences: tuple[str, str], refused: tuple[str, ...] = ()) -> dict[str, Any]:
    told = [{"title": title, "about": "order", "text": f"{title}: {what}"} for title, what in differences]
    return {
        "exchange": exchange, "market_type": "spot", "environment": "live", "ccxt": "4.5.91", "proven_with": "4.5.90",
        "checked": 50, "good": not told, "differences": told, "refused": list(refused),
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [(), ("newest",), ("4.5.90", "4.5.91"), ("4.5.90; ls",)])
def test_it_takes_one_version(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compat", *arguments]) == 2
    assert "one version of ccxt" in capsys.readouterr().err


def test_the_report_tells_each_change_once_with_where_it_is_and_what_a_store_refuses() -> None:
    both = (("limit buy", "x=1 is missing"), ("limit sell", "x=1 is missing"))
    report = Report(
        "4.5.91", "4.5.90", 61, (_place("one", *both, refused=("limit",)), _place("two", *both), _place("three")),
        ("tests.exchange::test_it: assert a == b",), 700, ("orjson==1 (here: 2)",),
    )  # fmt: skip
    page = report.as_markdown()
    assert "1 of 3 places do all that was proven; 1 of 700 tests fail" in page
    assert page.count("x=1 is missing") == 1
    assert "  * limit buy, limit sell\n  * at one spot live, two spot live" in page
    assert "| one spot live | limit | 2 | 50 |" in page
    assert "* `orjson==1 (here: 2)`" in page
    told = json.loads(report.as_json())
    assert (told["schema"], told["good"], len(told["places"])) == (1, False, 3)


def test_a_report_without_a_difference_is_short_and_good() -> None:
    report = Report("4.5.91", "4.5.90", 61, (_place("one"),), (), 700)
    assert report.good
    assert len(report.as_markdown().splitlines()) == 3


def test_failed_tests_are_read_from_the_results(tmp_path: Path) -> None:
    results = tmp_path / "results.xml"
    results.write_text(
        '<testsuites><testsuite><testcase classname="a" name="x"/><testcase classname="b" name="y">'
        '<failure message="assert `1`&#10; == 2">long</failure></testcase></testsuite></testsuites>'
    )
    assert _outcomes(results) == (2, ("b::y: assert '1' == 2",))
    assert _outcomes(tmp_path / "none.xml") == (0, ())


def test_the_tests_that_it_names_are_there() -> None:
    assert all((_TOP / each).exists() for each in TESTS)
