"""``btccxt selfcheck``: a table, each difference by name, an exit code; the version also stands in other commands."""

from __future__ import annotations

import json

import ccxt.async_support
import ccxt.pro
import pytest
from typer.testing import CliRunner

from btccxt.cli import app
from btccxt.cli.status import _ccxt

_run = CliRunner().invoke


def test_all_as_proven_is_a_table_and_no_fault() -> None:
    result = _run(app, ["selfcheck", "bitstamp"])
    assert result.exit_code == 0
    assert f"ccxt {ccxt.async_support.__version__}" in result.output
    assert "1 of 1 as proven" in result.output


def test_what_differs_is_named_with_what_is_refused_and_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt.pro.bitstamp, "handle_trade", lambda self, client, message: None)
    result = _run(app, ["selfcheck", "bitstamp", "--market-type", "spot", "--all"])
    assert result.exit_code == 1
    assert "stream trades, a frame through the hooks" in result.output
    assert "stream trades" in result.output
    (told,) = json.loads(_run(app, ["selfcheck", "bitstamp", "--json"]).output)
    assert (told["good"], told["refused"], told["environment"]) == (False, ["stream trades"], "live")
    assert told["differences"][0]["text"].startswith("stream trades")


@pytest.mark.parametrize(("name", "words"), [("binanse", "did you mean 'binance'"), ("kraken", "it has spot")])
def test_a_wrong_name_says_which_there_are(name: str, words: str) -> None:
    result = _run(app, ["selfcheck", name, "--market-type", "linear"])
    assert words in str(result.exception)


def test_what_nothing_is_proven_of_is_told_so() -> None:
    result = _run(app, ["selfcheck", "coinmate"])
    assert (result.exit_code, "nothing is proven" in result.output) == (0, True)


def test_exchanges_says_with_which_ccxt() -> None:
    version = ccxt.async_support.__version__
    assert f"proven with ccxt {version}" in _run(app, ["exchanges", "bitstamp"]).output
    (row,) = [row for row in json.loads(_run(app, ["exchanges", "--json"]).output) if row["exchange"] == "bitstamp"]
    assert row["proven_with_ccxt"] == version


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (None, "-"),
        ({"version": "4.5.91", "proven_with": None, "good": False, "differences": []}, "4.5.91, nothing proven"),
        ({"version": "4.5.90", "proven_with": "4.5.90", "good": True, "differences": []}, "4.5.90"),
        (
            {"version": "4.5.91", "proven_with": "4.5.90", "good": True, "differences": []},
            "4.5.91, as proven with 4.5.90",
        ),
        (
            {"version": "4.5.91", "proven_with": "4.5.90", "good": False, "differences": ["a", "b"]},
            "4.5.91 [red]differs in 2[/] from 4.5.90",
        ),
    ],
)
def test_status_says_how_ccxt_is(told: dict[str, object] | None, words: str) -> None:
    assert _ccxt(told) == words
