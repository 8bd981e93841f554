"""``btccxt run``: what it shows, what it refuses, and what it says of errors that are the user's own."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from btccxt.bt.compat import bt
from btccxt.cli import app
from btccxt.cli.screen import RunScreen
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType
from btccxt.store import run_record
from btccxt.store.engine import LiveEngine
from btccxt.store.plan import planned_kinds

pytestmark = pytest.mark.usefixtures("patient_market")

STRATEGY = """
import backtrader as bt


class Turns(bt.Strategy):
    params = dict(size=0.01)
    live = 0

    def next(self):
        if self.data._laststatus != self.data.LIVE:
            return
        self.live += 1
        if self.live == 1:
            self.buy(size=self.p.size)
        elif self.live == 3:
            self.close()
        elif self.live == 4:
            self.buy(size=1000)
"""
SIM = ("--exchange", "binance", "--mode", "sim", "--speed", "240", "--history", "5")


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def strategy(tmp_path: Path) -> str:
    (tmp_path / "turns.py").write_text(STRATEGY)
    return "turns.py"


def run(*words: str, typed: str = ""):
    return CliRunner().invoke(app, ["run", *words], input=typed)


def test_fills_refusals_with_reasons_and_the_result_are_on_the_screen(strategy):
    answer = run(strategy, *SIM, "--bars", "6")
    shown = answer.output
    assert answer.exit_code == 0, shown
    assert re.search(r"buy 0\.01 BTC/USDT market: filled 0\.01 at [\d,.]+, fee 0\.\d+", shown)
    assert re.search(r"buy 1000 BTC/USDT market REFUSED: needs \S+ USDT, \S+ free", shown)
    assert re.search(r"trade closed: [-+]\d", shown)
    assert "holding BTC/USDT" in shown and "win rate" in shown and "net profit" in shown
    assert "1 order was refused and not sent" in shown
    journal = re.search(r"journal: (\S+\.sqlite3)", shown)
    assert journal is not None and Path(journal[1]).exists()
    listed = CliRunner().invoke(app, ["orders"]).output
    assert "filled" in listed  # the newest journal is found


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--mode", "simm"), "did you mean 'sim'"),
        (("--mode", "paper", "--speed", "5"), "sim is for mode 'sim', not 'paper'"),
        (("--from", "2026-01-01"), "--from is for --mode backtest"),
        (("--mode", "backtest", "--bars", "3"), "--bars is not for --mode backtest"),
        (("--mode", "backtest", "--from", "yesterday"), "is no date; write it like 2026-01-31"),
        (("--mode", "sim", "--param", "sise=1"), "has no parameter 'sise'; did you mean 'size'"),
        (("--mode", "sim", "--param", "size"), "write it as name=value"),
        (("--mode", "sim", "--timeframe", "1 m"), "'1 m' is not of the form"),
        (("--mode", "sim", "--for", "1 hour"), "write it as 90s"),
        (("--mode", "sim", "--symbol", "BTC/USDX"), "BTC/USDT"),
        (("--mode", "sim", "--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_wrong_options_are_one_line(strategy, words, says):
    answer = run(strategy, "--exchange", "binance", *words)
    assert answer.exit_code == 1
    assert says in str(answer.exception)


def test_without_an_exchange_it_says_how_to_name_one(strategy):
    assert "btccxt init" in str(run(strategy).exception)


def test_a_config_file_in_this_folder_is_taken_and_the_command_line_wins(strategy, tmp_path):
    (tmp_path / "btccxt.yaml").write_text(
        "profiles:\n  one: {exchange: binance, mode: live, keys: {apiKey: k, secret: s}}\n"
    )
    answer = run(strategy, "--plan")
    assert answer.exit_code == 0, answer.output
    assert "settings from btccxt.yaml" in answer.output and "mode live" in answer.output
    answer = run(strategy, "--exchange", "binance", "--plan")
    assert "mode paper" in answer.output


PROFILES = """profiles:
  sim: {exchange: binance, mode: sim}
  real: {exchange: kraken, mode: live}
  prices: {exchange: bybit, mode: paper}
  one: {exchange: binance, mode: testnet}
  two: {exchange: okx, mode: testnet}
"""


def test_a_mode_chooses_its_profile_where_there_is_only_one(strategy, tmp_path):
    (tmp_path / "btccxt.yaml").write_text(PROFILES)
    answer = run(strategy, "--mode", "paper", "--plan")
    assert "settings from btccxt.yaml, profile prices" in answer.output and "on bybit spot" in answer.output
    answer = run(strategy, "--mode", "backtest", "--from", "2026-03-02", "--to", "2026-03-01")
    assert "profile prices" in answer.output and "nothing lies between" in str(answer.exception)
    for words in ((), ("--mode", "testnet"), ("--mode", "demo")):
        assert "choose a profile: sim, real, prices, one, two" in str(run(strategy, *words, "--plan").exception)


@pytest.mark.parametrize("words", [("--profile", "real"), ("--exchange", "kraken", "--mode", "live")])
def test_the_plan_needs_no_keys(strategy, tmp_path, monkeypatch, words):
    (tmp_path / "btccxt.yaml").write_text(PROFILES)
    answer = run(strategy, *words, "--plan")
    assert answer.exit_code == 0, answer.output
    assert "on kraken spot, mode live, account none, keys are missing" in " ".join(answer.output.split())
    assert "market *" in answer.output
    assert "needs keys" in str(run(strategy, *words).exception)


def test_a_run_that_cannot_be_recorded_says_so_and_promises_no_report(strategy, monkeypatch):
    def full(*args, **kwargs):
        raise PermissionError(13, "Permission denied", "runs")

    monkeypatch.setattr(run_record, "RunRecord", full)
    shown = run(strategy, *SIM, "--bars", "1").output
    assert "btccxt report will not have it: [Errno 13] Permission denied: 'runs'" in shown
    assert "btccxt report writes this run" not in shown


def test_real_money_needs_the_sentence_typed(strategy, tmp_path, monkeypatch):
    monkeypatch.setenv("BTCCXT_BINANCE_API_KEY", "k")
    monkeypatch.setenv("BTCCXT_BINANCE_SECRET", "s")
    answer = run(strategy, "--exchange", "binance", "--mode", "live", typed="yes\n")
    assert "REAL MONEY" in answer.output and "market *" in answer.output
    assert "no consent; nothing was sent" in str(answer.exception)


def test_the_plan_tells_native_from_emulated_and_marks_what_the_strategy_uses():
    profile = load_profile("binance", MarketType.SPOT)
    planned = planned_kinds(profile, "self.buy(exectype=bt.Order.StopTrail, trailpercent=1)")
    assert [kind.name for kind in planned if kind.used] == ["market", "trailing_percent"]
    assert [kind.used for kind in planned[:3]] == [True, True, False]
    for kind in planned:
        assert kind.support == profile.orders[kind.name].support
        assert ("never sent" in kind.if_process_dies) == (kind.support == "refused")
    told = {kind.name: kind.if_process_dies for kind in planned}
    assert told["trailing_percent"].startswith("waits in this process")
    assert told["stop"] == "stays at the exchange and fills there"


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("    def next(self):\n        return 1 / 0\n", "line 5, in next\n    return 1 / 0"),
        ("    def __init__(self):\n        self.nothing.here\n", "line 5, in __init__"),
        ("    def next(self)\n        pass\n", "line 4"),
    ],
    ids=["next", "init", "syntax"],
)
def test_the_users_own_errors_show_his_lines_and_not_ours(tmp_path, code, line):
    (tmp_path / "bad.py").write_text(f"import backtrader as bt\n\nclass Bad(bt.Strategy):\n{code}")
    done = subprocess.run(
        [sys.executable, "-m", "btccxt", "run", "bad.py", *SIM, "--bars", "3"],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert line.replace("\n    ", "\n") in done.stderr.replace("\n    ", "\n"), done.stderr
    assert "<frozen" not in done.stderr
    assert "site-packages" not in done.stderr and f"btccxt{os.sep}store" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_it_with_the_result_and_without_a_traceback(strategy):
    process = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
         f"import sys; sys.argv = {['btccxt', 'run', strategy, *SIM]!r}; from btccxt.cli import main; main()"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        while "LIVE" not in (line := process.stdout.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=280)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Result" in output and "Traceback" not in errors


def test_a_backtest_runs_the_same_strategy_over_the_past(tmp_path):
    (tmp_path / "cross.py").write_text(
        "import backtrader as bt\n"
        "class Cross(bt.Strategy):\n"
        "    def __init__(self):\n"
        "        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=5), bt.ind.SMA(period=20))\n"
        "    def next(self):\n"
        "        if self.cross > 0 and not self.position:\n"
        "            self.buy(size=0.05)\n"
        "        elif self.cross < 0 and self.position:\n"
        "            self.close()\n"
    )
    (tmp_path / "past.yaml").write_text("profiles:\n  past: {exchange: binance, mode: sim, sim: {start: 2026-06-01}}\n")
    answer = run(
        "cross.py",
        "--mode",
        "backtest",
        "--config",
        "past.yaml",
        "-t",
        "1h",
        "--from",
        "2026-04-01",
        "--to",
        "2026-05-01",
    )
    assert answer.exit_code == 0, answer.output
    assert re.search(r"│ bars +│", answer.output) and "holding BTC/USDT" in answer.output
    assert "DrawDown" in answer.output and "DailySharpe" in answer.output
    assert "Completed" in answer.output


def test_refusals_for_one_reason_are_counted_and_not_repeated(tmp_path):
    (tmp_path / "eager.py").write_text(
        "import backtrader as bt\nclass Eager(bt.Strategy):\n    def next(self):\n        self.buy(size=0.001)\n"
    )
    answer = run("eager.py", *SIM, "--history", "20", "--bars", "2")
    assert answer.exit_code == 0, answer.output
    assert answer.output.count("REFUSED: warm-up") == 1
    assert re.search(r"and \d+ more, refused for the same reason", answer.output)


def test_the_symbol_says_that_it_is_a_perpetual(strategy):
    answer = run(strategy, "--exchange", "bybit", "--mode", "sim", "--symbol", "BTC/USDT:USDT", "--plan")
    assert answer.exit_code == 0 and "on bybit linear" in answer.output
    answer = run(strategy, "--exchange", "bybit", "--mode", "sim", "--market-type", "lineer", "--plan")
    assert "linear" in str(answer.exception)


def test_a_narrow_terminal_shows_the_whole_line():
    shown = io.StringIO()
    engine = LiveEngine(
        bt.Strategy, "binance", mode="sim", sim={"speed": 300.0}, symbol="BTC/USDT", data_options={"bars": 5}
    )
    screen = RunScreen(engine, Console(file=shown, force_terminal=True, width=50))
    with screen.shown():
        engine.run(bars=2)
        screen._drawn_s = 0.0
        screen._draw()
    told = " ".join(shown.getvalue().split())
    assert "equity 10,000.00 USDT (+0.00%) 0 fills, 0 open" in told
