"""What the README shows works: its code runs, its links lead somewhere, its commands exist."""

from __future__ import annotations

import re
import runpy
import sys
import threading
from pathlib import Path

import backtrader as bt
import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("patient_market")
def test_the_lines_of_the_readme_run_and_trade(monkeypatch, capsys):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code is not None
    run = bt.Cerebro.run
    notify = bt.strategies.SMA_CrossOver.notify_order

    def end_with_the_first_fill(strategy, order):
        notify(strategy, order)
        if order.status == order.Completed:
            strategy.env.runstop()

    def run_for_a_while(cerebro, *args, **kwargs):
        timer = threading.Timer(90.0, cerebro.runstop)
        timer.start()
        try:
            return run(cerebro, *args, **kwargs)
        finally:
            timer.cancel()

    monkeypatch.setattr(bt.strategies.SMA_CrossOver, "notify_order", end_with_the_first_fill)
    monkeypatch.setattr(bt.Cerebro, "run", run_for_a_while)
    exec(compile(code[1], "README.md", "exec"), {})
    assert re.search(r"^Completed 0\.0\d+ \d+", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.usefixtures("patient_market")
def test_the_example_trades_and_ends_by_itself(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["moving_average.py"])
    runpy.run_path(str(ROOT / "examples" / "moving_average.py"), run_name="__main__")
    told = capsys.readouterr().out
    assert "Completed" in told
    assert re.search(r"value [\d.]+ USDT", told)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)", README))
def test_every_link_leads_to_a_file(link):
    assert (ROOT / link).exists()


def test_every_command_of_the_readme_exists():
    from typer.testing import CliRunner

    from btccxt.cli import app

    block = re.search(r"## Commands\n\n```\n(.*?)```", README, re.DOTALL)
    assert block is not None
    for line in block[1].splitlines():
        command = line.split()[1]
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0, command
