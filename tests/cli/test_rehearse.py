"""``btccxt rehearse`` says by its exit code whether the books were right at the end."""

from __future__ import annotations

from decimal import Decimal as D

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
