from __future__ import annotations

import ccxt
from typer.testing import CliRunner

from btccxt import __version__
from btccxt.cli import app


def test_the_version_names_btccxt_and_what_it_stands_on():
    answer = CliRunner().invoke(app, ["--version"])
    assert answer.exit_code == 0
    assert answer.output.startswith(f"btccxt {__version__} (ccxt {ccxt.__version__}, backtrader ")
