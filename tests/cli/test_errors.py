"""What the command line says of wrong arguments and of errors."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from btccxt import cli
from btccxt.errors import ConfigError


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["btccxt", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code not in (0, None)
    return " ".join(capsys.readouterr().err.split())


def test_brackets_in_an_error_are_text(monkeypatch, capsys):
    def fails() -> None:
        raise ConfigError("the lake needs pip install 'btccxt[cache]'")

    monkeypatch.setattr(cli, "app", fails)
    assert "pip install 'btccxt[cache]'" in said(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["exhanges"], "exchanges"),
        (["demo", "--sped", "3"], "--speed"),
        (["exchanges", "binanse"], "did you mean 'binance'"),
        (["verify", "binanse", "--sim"], "did you mean 'binance'"),
        (["sim", "binanse"], "binance"),
        (["verify", "binance", "--market-type", "lineer"], "'linear'"),
        (["rehearse", "nowhere.py"], "there is no file nowhere.py"),
        (["rehearse", __file__], "no bt.Strategy class"),
        (["reconcile", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["orders", "--journal", "nowhere.sqlite3"], "there is no order journal at"),
        (["ctl", "-", "pose"], "did you mean 'pause'"),
        (["ctl", "nobody", "status"], "no bot"),
        (["ctl", "-", "set", "x"], "set NAME=VALUE"),
        (["run", "nowhere.py", "--exchange", "binance"], "there is no file nowhere.py"),
        (["run", "nowhere.py", "--timefrme", "1m"], "--timeframe"),
        (["init", "--exchange", "binanse"], "did you mean 'binance'"),
        (["config", "chek"], "check"),
        (["config", "check", "nowhere.yaml"], "nowhere.yaml"),
        (["doctor", "binanse"], "did you mean 'binance'"),
        (["download", "BTC/USDT", "-e", "binanse"], "did you mean 'binance'"),
        (["demo", "--bars", "2"], "5"),
        (["status", "--jsn"], "--json"),
        (["sim", "--speed", "0"], "0.1"),
        (["orders", "prune", "--older-than", "90"], "90d"),
        (["history", "trads"], "Invalid value for 'what': 'trads' is not one of 'trades'"),
        (["data", "export", "cvs", "BTC/USDT"], "'cvs' is not one of 'csv'"),
        (["doctor", "qqqq"], "known: alpaca, apex, aster, backpack,"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_near(monkeypatch, capsys, words, near):
    text = said(monkeypatch, capsys, *words)
    assert near in text
    assert "Traceback" not in text


def test_an_export_for_pandas_without_pandas_is_refused_before_the_lake_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from btccxt.cli import data

    monkeypatch.setattr(data, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'btccxt\[pandas\]'"):
        data.export(data.Format.PANDAS, "BTC/USDT", lake=tmp_path / "no lake here")
