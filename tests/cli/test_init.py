"""``btccxt init``, ``config check`` and ``doctor``: the first minutes of a new user."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from btccxt.cli import app
from btccxt.config import StoreConfig
from btccxt.errors import ConfigError
from btccxt.exchange.profile.profile import known_exchanges
from btccxt.store.strategy_file import load_strategy


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def call(*words: str):
    return CliRunner().invoke(app, list(words))


def test_what_init_writes_is_right_and_trades_at_once(tmp_path):
    answer = call("init")
    assert answer.exit_code == 0 and "btccxt run strategy.py --profile sim" in answer.output
    checked = call("config", "check")
    assert checked.exit_code == 0, checked.output
    assert re.findall(r"^(\S) (\w+)", checked.output, re.MULTILINE) == [
        ("✓", "sim"), ("✓", "paper"), ("–", "testnet"), ("–", "live"),
    ]  # fmt: skip
    assert "BTCCXT_BINANCE_TESTNET_API_KEY" in checked.output
    ran = call("run", "strategy.py", "--profile", "sim", "--speed", "300", "--bars", "3", "--history", "30")
    assert ran.exit_code == 0, ran.output
    assert "settings from btccxt.yaml" in ran.output and "Result" in ran.output


@pytest.mark.parametrize("exchange", known_exchanges())
def test_the_config_file_of_every_exchange_is_right_also_with_every_comment_taken_away(tmp_path, exchange):
    assert call("init", "--exchange", exchange).exit_code == 0
    text = Path("btccxt.yaml").read_text()
    assert call("config", "check").exit_code == 0, call("config", "check").output
    bare = re.sub(r"^(\s+)# (\w+: )", r"\1\2", text, flags=re.MULTILINE)
    common = yaml.safe_load(bare)["x-common"]
    assert len(common) == 8 and set(common) <= set(StoreConfig.model_fields)
    for profile in yaml.safe_load(bare)["profiles"].values():
        assert set(profile) <= set(StoreConfig.model_fields)
    if sys.platform != "win32":
        assert Path(".env").stat().st_mode & 0o077 == 0


def test_keys_in_the_file_env_are_found(tmp_path):
    call("init")
    with Path(".env").open("a") as file:
        file.write("BTCCXT_BINANCE_API_KEY=k\nBTCCXT_BINANCE_SECRET=s\n")
    assert "mode live, counted in USDT, keys from the file .env" in call("config", "check", "--profile", "live").output


def test_what_is_there_stays(tmp_path):
    Path("strategy.py").write_text("mine")
    answer = call("init")
    assert re.search(r"is there +strategy\.py", answer.output) and Path("strategy.py").read_text() == "mine"


def test_init_of_an_unknown_exchange_names_the_nearest():
    assert "did you mean 'binance'" in str(call("init", "--exchange", "binanze").exception)
    assert not Path("btccxt.yaml").exists()


def test_the_strategy_of_init_waits_for_live_bars(tmp_path):
    call("init")
    assert load_strategy("strategy.py").__name__ == "Averages"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("profiles: {a: {exchange: binance, mod: sim}}", "unknown key; did you mean 'mode'"),
        ("profiles: {a: {exchange: binanze}}", "did you mean 'binance'"),
        ("profiles: {a: {exchange: binance, mode: sim, sim: {sped: 3}}}", "speed"),
    ],
)
def test_a_wrong_profile_is_named_and_is_the_exit_code(text, says):
    Path("btccxt.yaml").write_text(text)
    answer = call("config", "check")
    assert answer.exit_code == 1
    assert says in " ".join(answer.output.split())


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_keys_that_others_may_read_are_said():
    file = Path("btccxt.yaml")
    file.write_text("profiles: {a: {exchange: binance, mode: live, keys: {apiKey: k, secret: s}}}")
    file.chmod(0o644)
    assert "chmod 600" in call("config", "check").output
    file.chmod(0o600)
    assert "chmod 600" not in call("config", "check").output


def test_every_option_of_a_store_is_told_with_its_variable():
    answer = call("config", "options")
    for name in StoreConfig.model_fields:
        assert f"{name}  BTCCXT_{name.upper()}" in answer.output


def test_the_doctor_looks_at_everything_and_sends_no_order():
    answer = call("doctor", "binance", "--mode", "sim")
    assert answer.exit_code == 0, answer.output
    looked = [line.split()[1] for line in answer.output.splitlines()]
    assert looked == [
        "exchange", "keys", "ccxt", "connection", "clock", "account", "symbol", "limits", "prices", "orders", "balance",
    ]  # fmt: skip
    assert "orders 0 of" in answer.output and "✗" not in answer.output
    assert "proven on the embedded exchange, never yet on the real one" in " ".join(answer.output.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("doctor", "binance", "--mode", "live"), "BTCCXT_BINANCE_API_KEY, BTCCXT_BINANCE_SECRET"),
        (("doctor", "binance", "--mode", "sim", "-s", "BTC/USDX"), "did you mean BTC/USDT"),
    ],
)
def test_the_doctor_says_what_is_wrong_with_exit_code_1(words, says):
    answer = call(*words)
    assert answer.exit_code == 1 and says in answer.output


@pytest.mark.parametrize(
    ("words", "says"),
    [(("doctor",), "which exchange"), (("doctor", "binanze"), "did you mean 'binance'"),
     (("doctor", "binance", "--mode", "liv"), "did you mean 'live'")],
)  # fmt: skip
def test_wrong_arguments_of_the_doctor_are_one_line(words, says):
    assert says in str(call(*words).exception)


def test_it_says_what_to_do_next_from_where_one_is_and_why_a_folder_cannot_be_written(tmp_path):
    told = call("init", "bots/first").output
    assert f"next:\n  cd {Path('bots/first')}\n  btccxt run strategy.py --profile sim" in told
    assert "cd " not in call("init").output
    Path("taken").write_text("")
    refused = call("init", "taken/bot")
    assert isinstance(refused.exception, ConfigError), refused.output
    assert str(refused.exception).startswith(str(Path("taken/bot")) + " cannot be written: ")


@pytest.mark.parametrize("command", [("reconcile",), ("history", "trades")])
def test_the_config_file_here_is_the_default_of_every_command(command):
    call("init")
    refused = call(*command, "--profile", "smi")
    assert isinstance(refused.exception, ConfigError) and "did you mean 'sim'?" in str(refused.exception)
