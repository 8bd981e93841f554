"""``btccxt verify``: what it asks before real orders, and that nothing is sent without consent."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from btccxt.cli import app
from btccxt.errors import ConfigError


def _run(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["verify", *words], input=typed)


def test_against_the_embedded_exchange_it_writes_a_report_and_ends_well(tmp_path: Path) -> None:
    answer = _run("binance", "--sim", "--only", "bid below", "--only", "rests", "--output", str(tmp_path))
    assert answer.exit_code == 0, answer.output
    assert "2 proven, 0 failed" in answer.output
    (data,) = tmp_path.glob("verify-binance-spot-the-embedded-exchange-*.json")
    assert [result["outcome"] for result in json.loads(data.read_text())["results"]] == ["proven", "proven"]
    assert data.with_suffix(".md").exists()


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("it must not connect")

    monkeypatch.setattr(import_module("btccxt.cli.acceptance.command"), "connect", refuse)
    monkeypatch.setenv("BTCCXT_BINANCE_API_KEY", "key-of-a-user")
    monkeypatch.setenv("BTCCXT_BINANCE_SECRET", "secret-of-a-user")


@pytest.mark.usefixtures("no_connection")
@pytest.mark.parametrize("typed", ["", "y\n", "real orders on binance up to 200\n"])
def test_real_orders_need_the_whole_sentence_typed(typed: str) -> None:
    answer = _run("binance", "--live", "--max-notional", "20", typed=typed)
    assert isinstance(answer.exception, (ConfigError, SystemExit)) and answer.exit_code != 0
    assert "REAL orders on binance BTC/USDT" in answer.output


@pytest.mark.usefixtures("no_connection")
def test_with_the_sentence_typed_it_goes_on() -> None:
    answer = _run("binance", "--live", "--max-notional", "20", typed="real orders on binance up to 20\n")
    assert isinstance(answer.exception, AssertionError)
    assert "must not connect" in str(answer.exception)


@pytest.mark.usefixtures("no_connection")
def test_real_orders_need_a_stated_limit_and_modes_exclude_each_other() -> None:
    unlimited = _run("binance", "--live", typed="real orders on binance up to 20\n")
    assert "--max-notional" in str(unlimited.exception)
    both = _run("binance", "--live", "--testnet", "--max-notional", "20")
    assert "exclude each other" in str(both.exception)
