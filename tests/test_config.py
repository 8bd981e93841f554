from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import ValidationError

from btccxt.config import CREDENTIALS, Keys, Mode, OnStop, StoreConfig
from btccxt.errors import ConfigError
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType, StreamKind
from btccxt.orders.policy import TrackerPolicy
from btccxt.store.build_config import build_config
from btccxt.store.config_file import load_config
from btccxt.store.keys import find_keys, resolve_keys
from btccxt.store.startup import tracker_policy_of

EVERYTHING = """
x-common: &common
  journal: ~/bots/journal.db
  on_stop: cancel
profiles:
  binance-testnet:
    <<: *common
    exchange: binance
    mode: testnet
    market_type: linear
    currency: USDT
    keys: {apiKey: pl4ntedKEY, secret: "pl4ntedSECRET"}
    config:
      options: {defaultType: swap, list: [1, 2]}
    alerts: ["json://pl4ntedALERT@localhost/"]
    log: {level: debug, json: true, file: bot.log}
    metrics_port: 9100
    overrides: {bars: {closed_flag: true}}
    rate_budget: redis://:pl4ntedREDIS@localhost:6379/0
    rate_share_pct: 50
    proxies: {https: "http://me:pl4ntedPROXY@localhost:3128", wss: "http://localhost:3128"}
    timeouts: {request_s: 5, heartbeat_s: 20}
  paper:
    exchange: kraken
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "btccxt.yaml"
    path.write_text(EVERYTHING)
    return path


def write(tmp_path: Path, body: str) -> Path:
    """A file with one profile named ``bot`` whose body begins in line 3."""
    path = tmp_path / "btccxt.yaml"
    lines = "".join(f"    {line}\n" for line in body.strip("\n").split("\n"))
    path.write_text(f"profiles:\n  bot:\n{lines}")
    return path


def refusal(path: Path, profile: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, profile)
    return str(caught.value)


def fault(**values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        build_config({"exchange": "binance", **values})
    return str(caught.value)


# ------------------------------------------------------------------ what is read


def test_a_full_profile_becomes_one_typed_object(file: Path) -> None:
    config = load_config(file, "binance-testnet")
    assert (config.exchange, config.mode, config.market_type) == ("binance", Mode.TESTNET, MarketType.LINEAR)
    assert (config.currency, config.journal, config.on_stop) == ("USDT", "~/bots/journal.db", OnStop.CANCEL)
    assert config.keys.for_ccxt() == {"apiKey": "pl4ntedKEY", "secret": "pl4ntedSECRET"}
    assert config.log is not None
    assert (config.log.level, config.log.json_lines, config.log.file) == ("debug", True, Path("bot.log"))
    assert (config.metrics_port, config.rate_share_pct, config.retry_attempts) == (9100, 50.0, 3)
    assert (config.timeouts.request_s, config.timeouts.heartbeat_s) == (5.0, 20.0)
    assert config.overrides["bars"]["closed_flag"] is True


def test_the_default_is_paper_and_open_orders_are_left() -> None:
    config = build_config({"exchange": "binance"})
    assert (config.mode, config.on_stop, config.log, config.keys) == (Mode.PAPER, OnStop.LEAVE, None, Keys())


def test_ccxt_gets_its_config_the_proxies_and_the_time_out_but_no_keys(file: Path) -> None:
    settings = load_config(file, "binance-testnet").ccxt_settings()
    assert settings == {
        "timeout": 5_000,
        "options": {"defaultType": "swap", "list": [1, 2]},
        "httpsProxy": "http://me:pl4ntedPROXY@localhost:3128",
        "wssProxy": "http://localhost:3128",
        "streaming": {"keepAlive": 20_000},
    }


def test_what_ccxt_does_to_its_settings_does_not_reach_the_config(file: Path) -> None:
    config = load_config(file, "binance-testnet")
    config.ccxt_settings()["options"]["defaultType"] = "spot"
    assert config.ccxt_settings()["options"]["defaultType"] == "swap"


def test_a_time_out_in_ccxts_own_config_wins() -> None:
    assert build_config({"exchange": "x", "config": {"timeout": 777}}).ccxt_settings()["timeout"] == 777


def test_the_object_cannot_be_changed_anywhere() -> None:
    given = {"options": {"a": 1}}
    config = build_config({"exchange": "binance", "config": given})
    with pytest.raises(ValidationError):
        config.mode = Mode.LIVE  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.config["options"]["a"] = 2
    given["options"]["a"] = 3
    assert config.config["options"] == MappingProxyType({"a": 1})


def test_the_only_profile_needs_no_name(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "exchange: kraken")).exchange == "kraken"


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("exchange: x\nmod: live", "btccxt.yaml:4: profiles.bot.mod: unknown key; did you mean 'mode'?"),
        ("exchange: x\nlog:\n  levl: info", "btccxt.yaml:5: profiles.bot.log.levl: unknown key; did you mean 'level'?"),
        (
            "exchange: x\nkeys: {apikey: a}",
            "yaml:4: profiles.bot.keys.apikey: unknown key; did you mean 'apiKey'?",
        ),
        ("exchange: x\nmode: tesnet", "profiles.bot.mode: 'tesnet' is not possible; did you mean 'testnet'?"),
        ("exchange: x\nmode: zzz", "'zzz' is not possible; there are sim, paper, testnet, demo, live"),
        ("exchange: x\non_stop: flaten", "did you mean 'flatten'?"),
        ("exchange: x\nlog: {level: wraning}", "did you mean 'warning'?"),
        ("mode: paper", "btccxt.yaml:2: profiles.bot.exchange: is missing"),
        ("exchange: x\ntimeouts:\n  request_s: -1", "btccxt.yaml:5: profiles.bot.timeouts.request_s: input should be"),
        ("exchange: x\ntimeouts: {stop_s: 0}", "input should be greater than 0, not 0"),
        ("exchange: x\ntimeouts: {stop_s: .inf}", "profiles.bot.timeouts.stop_s"),
        ("exchange: x\nrate_share_pct: 0", "profiles.bot.rate_share_pct: input should be greater than 0, not 0"),
        ("exchange: x\nretry_attempts: 0", "greater than or equal to 1, not 0"),
        ("exchange: x\nmetrics_port: 99999", "less than or equal to 65535, not 99999"),
        ("exchange: x\nconfig: {rateLimit: 0}", "config.rateLimit must be a number above zero, not 0"),
        ("exchange: x\nconfig: {timeout: -5}", "config.timeout must be a number above zero, not -5"),
        ("exchange: x\nproxies: {http: 'http://a:1', https: 'http://b:1'}", "proxies.http, proxies.https; keep one"),
        (
            "exchange: x\nproxies: {https: 'http://a:1'}\nconfig: {socksProxy: 'socks5://b:1'}",
            "several proxies for REST: proxies.https, config.socksProxy; keep one of them",
        ),
        ("exchange: x\nproxies: {ws: 'http://a:1', wss: 'http://b:1'}", "several proxies for WebSocket"),
        ("exchange: x\nproxies: {http: localhost}", "http: write scheme://host:port"),
        ("exchange: x\nproxies: {http: 'http://a:99999'}", "http: write scheme://host:port"),
        ("exchange: x\nrate_budget: http://localhost", "rate_budget: use file:///path or redis://host:port/0"),
        ("exchange: x\nsim_address: localhost:1", "sim_address is for mode 'sim', not 'paper'"),
        ("exchange: x\nkeys: {apiKey: a}\nconfig: {apiKey: b}", "both in 'keys' and in 'config'"),
        ("exchange: x\nkeys: {secret: 12345678}", "profiles.bot.keys.secret: must be text; put it in quotes"),
        ("exchange: x\nmode: paper\nmode: live", "btccxt.yaml:5: 'mode' stands already in line 4"),
    ],
)
def test_a_wrong_profile_is_refused_with_line_key_and_reason(tmp_path: Path, body: str, expected: str) -> None:
    assert expected in refusal(write(tmp_path, body))


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, "mod: live\nmetrics_port: 0\nlog: {level: x}"))
    assert len(text.split("\n")) == 4  # exchange missing as well


def test_two_proxies_of_different_kinds_are_no_conflict() -> None:
    build_config({"exchange": "x", "proxies": {"https": "http://a:1", "wss": "http://a:1"}})


def test_a_socks_proxy_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btccxt.config.find_spec", lambda name: None)
    assert "pip install 'btccxt[socks]'" in fault(proxies={"socks": "socks5://a:1"})


def test_keyword_arguments_are_checked_like_a_file() -> None:
    assert fault(mode="lve") == "settings: mode: 'lve' is not possible; did you mean 'live'?"
    assert fault(journl="x") == "settings: journl: unknown key; did you mean 'journal'?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty; the file begins with 'profiles:'"),
        ("- a\n- b\n", "begins with 'profiles:'"),
        ("profile:\n  x: {exchange: a}\n", "btccxt.yaml:1: unknown key 'profile'; the file begins with 'profiles:'"),
        ("profiles:\n", "no profiles"),
        ("profiles:\n  bot:\n", "btccxt.yaml:2: profile 'bot' is empty"),
        ("profiles:\n  bot: {exchange: a\n", "expected ',' or '}', but got '<stream end>'"),
        ("profiles:\n  bot: {exchange: [a}\n", "btccxt.yaml:2: expected ',' or ']', but got '}'"),
        ("profiles:\n\t bot: 1\n", "btccxt.yaml:2"),
    ],
)
def test_a_file_of_the_wrong_shape_is_refused_with_the_place(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "btccxt.yaml"
    path.write_text(text)
    assert expected in refusal(path)


def test_a_missing_file_a_binary_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.yaml")
    assert "directory" in refusal(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    assert "not UTF-8" in refusal(tmp_path / "binary.yaml")


def test_a_profile_must_be_chosen_and_must_exist(file: Path) -> None:
    assert "choose a profile: binance-testnet, paper" in refusal(file)
    assert "no profile 'binance-tesnet'; did you mean 'binance-testnet'?" in refusal(file, "binance-tesnet")


# ------------------------------------------------------------------ keys


ENVIRONMENT = {"BTCCXT_OKX_API_KEY": "envKEY", "BTCCXT_OKX_SECRET": "envSECRET", "BTCCXT_OKX_PASSWORD": "envPASS"}


def test_keys_come_from_the_environment_when_the_config_has_none() -> None:
    keys = resolve_keys("okx", "live", {}, ENVIRONMENT)
    assert keys == {"apiKey": "envKEY", "secret": "envSECRET", "password": "envPASS"}


def test_keys_of_the_config_win_and_are_never_mixed_with_the_environment() -> None:
    config = {"apiKey": "own", "secret": "own2", "password": "own3", "timeout": 5}
    assert resolve_keys("okx", "live", config, ENVIRONMENT) == {
        "apiKey": "own",
        "secret": "own2",
        "password": "own3",
    }
    with pytest.raises(ConfigError, match=r"password missing.*BTCCXT_OKX_PASSWORD .*; other places are not asked"):
        resolve_keys("okx", "live", {"apiKey": "own", "secret": "own2"}, ENVIRONMENT)


@pytest.mark.parametrize("mode", ["testnet", "live"])
def test_trading_without_keys_is_refused_and_says_which_variables_to_set(mode: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_keys("binance", mode, {}, {"BTCCXT_BINANCE_API_KEY": " "})
    assert str(caught.value) == (
        f"binance in mode '{mode}' needs keys: apiKey, secret missing. "
        "Put them under 'keys' in the config, or set BTCCXT_BINANCE_API_KEY, BTCCXT_BINANCE_SECRET in the environment, "
        "in a file .env here, or in the system's keyring (service 'btccxt')"
    )


def test_exchanges_with_wallets_ask_for_their_own_credentials() -> None:
    with pytest.raises(ConfigError, match="BTCCXT_HYPERLIQUID_WALLET_ADDRESS, BTCCXT_HYPERLIQUID_PRIVATE_KEY"):
        resolve_keys("hyperliquid", Mode.LIVE, {}, {})
    environment = {"BTCCXT_HYPERLIQUID_WALLET_ADDRESS": "0xabc", "BTCCXT_HYPERLIQUID_PRIVATE_KEY": "0xdef"}
    keys = resolve_keys("hyperliquid", Mode.LIVE, {}, environment)
    assert keys == {"walletAddress": "0xabc", "privateKey": "0xdef"}


@pytest.mark.parametrize("mode", ["sim", "paper"])
def test_without_real_money_no_keys_are_needed_and_the_environment_is_left_alone(mode: str) -> None:
    assert resolve_keys("okx", mode, {}, ENVIRONMENT) == {}
    assert resolve_keys("okx", mode, {"apiKey": "own"}, {}) == {"apiKey": "own"}


def test_keys_may_stand_in_a_file_env_in_this_folder_and_the_environment_goes_before_it(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "# keys\nBTCCXT_OKX_API_KEY=fileKEY\nexport BTCCXT_OKX_SECRET='file$SECRET'\nBTCCXT_OKX_PASSWORD=\"filePASS\"\n"
    )
    assert resolve_keys("okx", "live", {}, {}) == {"apiKey": "fileKEY", "secret": "file$SECRET", "password": "filePASS"}
    assert find_keys("okx", {}, {}).source == "the file .env"
    assert resolve_keys("okx", "live", {}, ENVIRONMENT)["apiKey"] == "envKEY"
    assert "SECRET" not in repr(find_keys("okx", {}, {})) and "BTCCXT_OKX_API_KEY" not in os.environ


def test_keys_may_lie_in_the_keyring_of_the_system(tmp_path, monkeypatch) -> None:
    keyring = pytest.importorskip("keyring")
    kept = {"BTCCXT_OKX_API_KEY": "ringKEY", "BTCCXT_OKX_SECRET": "ringSECRET", "BTCCXT_OKX_PASSWORD": "ringPASS"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keyring, "get_password", lambda service, name: kept.get(name) if service == "btccxt" else None)
    assert resolve_keys("okx", "live", {}, {})["secret"] == "ringSECRET"
    assert find_keys("okx", {}, {}).source == "the keyring"

    def locked(service: str, name: str) -> str:
        raise keyring.errors.KeyringLocked("is locked")

    monkeypatch.setattr(keyring, "get_password", locked)
    with pytest.raises(ConfigError, match=r"keyring cannot be read.*is locked"):
        resolve_keys("okx", "live", {}, {})


def test_a_profile_can_name_its_own_variables() -> None:
    config = build_config({"exchange": "binance", "mode": "live", "key_env": "SECOND_ACCOUNT"})
    environment = {"SECOND_ACCOUNT_API_KEY": "k", "SECOND_ACCOUNT_SECRET": "s", "BTCCXT_BINANCE_API_KEY": "other"}
    assert resolve_keys("binance", config.mode, config, environment) == {"apiKey": "k", "secret": "s"}


def test_a_mode_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="mode 'papr' is not possible; did you mean 'paper'"):
        resolve_keys("okx", "papr")


def test_an_exchange_of_the_users_own_says_itself_what_it_needs() -> None:
    assert resolve_keys("mine", "live", {}, {}, required=()) == {}
    with pytest.raises(ConfigError, match="BTCCXT_MINE_API_KEY, BTCCXT_MINE_SECRET"):
        resolve_keys("mine", "live", {}, {})


def test_credentials_in_ccxts_config_are_moved_to_the_keys() -> None:
    config = build_config({"exchange": "binance", "config": {"apiKey": "a1b2", "secret": "c3d4", "timeout": 9}})
    assert dict(config.config) == {"timeout": 9}
    assert config.keys.for_ccxt() == {"apiKey": "a1b2", "secret": "c3d4"}


def test_every_credential_that_ccxt_knows_can_be_given() -> None:
    import ccxt

    assert set(ccxt.Exchange().requiredCredentials) <= {*CREDENTIALS}
    assert set(Keys.model_fields) == {*CREDENTIALS}


# ------------------------------------------------------------------ no secret shows


def test_neither_repr_nor_str_nor_dump_shows_a_secret(file: Path) -> None:
    config = load_config(file, "binance-testnet")
    for written in (repr(config), str(config), str(config.model_dump(exclude={"config", "overrides"}))):
        assert "pl4nted" not in written
    assert "pl4nted" not in repr(config.keys)


def test_the_redaction_is_told_every_secret(file: Path) -> None:
    assert set(load_config(file, "binance-testnet").secrets()) == {
        "pl4ntedKEY",
        "pl4ntedSECRET",
        "json://pl4ntedALERT@localhost/",
        "pl4ntedALERT",
        "pl4ntedREDIS",
        "pl4ntedPROXY",
    }


@pytest.mark.parametrize(
    "body",
    [
        "exchange: x\nkeys: pl4nted",
        "exchange: x\nkeys: [pl4nted]",
        "exchange: x\nkeys: {apiKey: [pl4nted]}",
        "exchange: x\nkeys: {apiKey: {pl4nted: pl4nted}}",
        "exchange: x\nkeys: {apiKey: pl4nted}\nconfig: {secret: pl4nted}",
        "exchange: x\nconfig: {apiKey: pl4nted, rateLimit: 0}",
        "exchange: x\nconfig: {apiKey: [pl4nted]}",
        "exchange: x\nalerts: pl4nted",
        "exchange: x\nproxies: {http: pl4nted}",
        "exchange: x\nproxies: {http: 'http://u:pl4nted@a:1', https: 'http://u:pl4nted@a:1'}",
        "exchange: x\nrate_budget: 'http://:pl4nted@a'",
        "exchange: x\nkeys: {apiKey: *pl4nted}",
        "exchange: x\nkeys: {apiKey: !pl4nted x}",
        "exchange: x\nkeys: {apiKey: @pl4nted}",
        "exchange: x\nkeys:\n  secret: pl4nted: pl4nted",
        'exchange: x\nkeys: {apiKey: "pl4nted\\q"}',
        "exchange: x\nkeys: {apiKey: %pl4nted}",
    ],
)
def test_no_error_and_no_traceback_shows_a_secret(tmp_path: Path, body: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, body))
    shown = "".join(traceback.format_exception(caught.value))
    assert "pl4nted" not in shown
    error: BaseException | None = caught.value
    while error is not None:
        assert "pl4nted" not in f"{error!r}{error}{error.args}"
        error = error.__cause__ or error.__context__


def test_no_error_of_missing_keys_shows_those_that_are_there() -> None:
    environment: Mapping[str, str] = {"BTCCXT_OKX_API_KEY": "pl4nted", "BTCCXT_OKX_SECRET": "pl4nted"}
    with pytest.raises(ConfigError) as caught:
        resolve_keys("okx", "live", {}, environment)
    assert "pl4nted" not in str(caught.value)


def test_pydantics_own_error_shows_no_secret_to_those_who_call_the_class_directly() -> None:
    with pytest.raises(ValidationError) as caught:
        StoreConfig(exchange="x", keys="pl4nted")  # type: ignore[arg-type]
    assert "pl4nted" not in str(caught.value)


def test_what_is_frozen_can_be_written_out_plainly(recwarn):
    config = build_config({"exchange": "binance", "config": {"options": {"adjust": [1, {"deep": True}]}}})
    assert config.model_dump()["config"] == {"options": {"adjust": [1, {"deep": True}]}}
    assert [str(each.message) for each in recwarn] == []


# ------------------------------------------------------------------ one configuration


def test_every_option_may_stand_in_the_environment_below_what_is_given() -> None:
    environ = {
        "BTCCXT_JOURNAL": "/tmp/orders.db", "BTCCXT_TIMEOUTS__STOP_S": "3", "BTCCXT_RETRY_ATTEMPTS": "5",
        "BTCCXT_SIM": "{speed: 60}", "BTCCXT_TRACKER__CANCEL_TOTAL_S": "7.5", "BTCCXT_MODE": "sim",
        "BTCCXT_CURRENCY": "",
    }  # fmt: skip
    config = build_config({"exchange": "binance", "retry_attempts": 2}, environ=environ)
    assert (config.journal, config.timeouts.stop_s, config.retry_attempts) == ("/tmp/orders.db", 3.0, 2)
    assert (config.sim.speed, config.tracker.cancel_total_s, config.mode) == (60, 7.5, Mode.SIM)


def test_a_wrong_option_of_the_environment_names_its_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        build_config({"exchange": "binance"}, environ={"BTCCXT_TIMEOUTS__STOP": "3"})
    assert "environment variable BTCCXT_TIMEOUTS__STOP" in str(caught.value)
    assert "did you mean 'stop_s'" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mode": "live", "sim": {"speed": 2}}, "sim is for mode 'sim', not 'live'"),
        ({"mode": "live", "balance": 5}, "balance is for mode 'sim' and 'paper', not 'live'"),
        ({"paper": True}, "paper: write mode='paper' (the default)"),
        ({"mode": "testnet", "balance": {"USDT": 5}}, "balance is for mode 'sim' and 'paper', not 'testnet'"),
        ({"mode": "paper", "sim": {"speed": 2}}, "sim is for mode 'sim', not 'paper'"),
        ({"config": "apiKey"}, "config: must be a mapping of names to values"),
        ({"overrides": "bars"}, "overrides: must be a mapping of names to values"),
        ({"timeouts": "10"}, "timeouts: must be a mapping of names to values"),
        ({"journal": 5}, "journal: must be text"),
        ({"mode": b"live"}, "mode: b'live' is bytes; write text"),
        ({"mode": "lve"}, "did you mean 'live'?"),
        ({"mode": "sim", "sim": {"sped": 2}}, "SimOptions has no 'sped'; did you mean 'speed'?"),
        ({"mode": "sim", "sim": {"speed": "fast", "seed": 1.5}}, "sim.speed='fast': must be a number"),
        ({"mode": "sim", "sim": {"speed": "fast", "seed": 1.5}}, "sim.seed=1.5: must be a whole number"),
        ({"mode": "sim", "sim": "fast"}, "write a SimOptions or a mapping"),
        ({"mode": "sim", "sim": {"symbols": "BTC/USDT"}}, "sim.symbols='BTC/USDT': must be a list of symbols"),
        ({"mode": "sim", "sim": {"start": 5}}, "sim.start=5: must be a date and time"),
        ({"balance": "much"}, "balance: 'much' is not a number"),
        ({"balance": {"BTC": -1}}, "balance of BTC must be a number, not negative"),
        ({"tracker": {"cancel_totl_s": 1}}, "TrackerPolicy has no 'cancel_totl_s'; did you mean 'cancel_total_s'?"),
        ({"streams": {"backoff": {"maxs": 1}}}, "Backoff has no 'maxs'; did you mean 'max_s'?"),
        ({"streams": {"silence_ms": {"bras": 1}}}, "'bras' is none of 'bars'"),
        ({"breaker": 7}, "write a BreakerPolicy or a mapping"),
    ],
)
def test_words_that_contradict_or_are_of_the_wrong_kind_are_refused(values: dict[str, Any], words: str) -> None:
    assert words.lower() in fault(**values).lower()


def test_policies_may_stand_in_the_file(tmp_path: Path) -> None:
    body = (
        "exchange: x\nstreams: {silence_ms: {bars: 30000}, backoff: {max_s: 20}}\n"
        "breaker: {probes: 3}\nbalance: {BTC: 1}"
    )
    config = load_config(write(tmp_path, body))
    assert dict(config.streams.silence_ms) == {StreamKind.BARS: 30_000}
    assert (config.streams.backoff.max_s, config.breaker.probes, dict(config.balance)) == (20, 3, {"BTC": 1})


def test_two_merge_keys_in_one_mapping_are_refused_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "btccxt.yaml"
    path.write_text(
        "x-a: &a {mode: paper}\nx-b: &b {mode: live}\nprofiles:\n"
        "  bot:\n    <<: *b\n    exchange: binance\n    <<: *a\n"
    )
    assert refusal(path).endswith("btccxt.yaml:7: '<<' stands already in line 5")


@pytest.mark.parametrize("text", ["profiles: &a {bot: *a}", "[" * 3_000, "profiles: " + "{a: " * 2_000])
def test_a_file_without_end_is_one_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "btccxt.yaml"
    path.write_text(text)
    assert str(path) in refusal(path)


def test_a_policy_names_the_nearest_of_its_fields() -> None:
    with pytest.raises(ConfigError, match="has no 'visiblity_delay_s'; did you mean 'visibility_delay_s'"):
        TrackerPolicy(visiblity_delay_s=1)  # type: ignore[call-arg]


def test_a_value_given_counts_though_it_is_the_default() -> None:
    """The profile decides only what nobody gave."""
    profile = load_profile("kraken", MarketType.SPOT)
    usual = TrackerPolicy()
    assert tracker_policy_of(usual, profile).client_id_max_length == profile.client_id.max_length
    assert profile.client_id.max_length != usual.client_id_max_length
    assert tracker_policy_of(TrackerPolicy(client_id_max_length=36), profile).client_id_max_length == 36
    assert (
        tracker_policy_of(replace(usual, cancel_total_s=3), profile).client_id_max_length
        == profile.client_id.max_length
    )


def test_polling_takes_at_most_half_of_what_an_exchange_allows() -> None:
    def polls_every_s(exchange: str, given: TrackerPolicy | None = None) -> float:
        return tracker_policy_of(given, load_profile(exchange, MarketType.SPOT)).open_orders_fast_s

    # Kraken forgets a call in three seconds; open orders, trades and balances cost four.
    assert polls_every_s("kraken") == 24
    assert polls_every_s("binance") == 5
    assert polls_every_s("kraken", TrackerPolicy(open_orders_fast_s=1)) == 1
