"""An exchange of the user's own, in one file, behaves like any other in a store."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from btccxt import CCXTStore
from btccxt.errors import ConfigError
from btccxt.model import MarketType

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_exchange.py"


@pytest.mark.parametrize("mode", ["live", "paper"])
def test_the_custom_exchange_is_traded_offline_and_ends_by_itself(mode: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLE), mode],
        capture_output=True, text=True, timeout=60, cwd=tmp_path, env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "Completed: Buy 2 COIN" in run.stdout and "Completed: Sell" in run.stdout
    assert "result after fees" in run.stdout
    assert "rror" not in run.stderr
    assert not list(tmp_path.rglob("*.sqlite3*")), "the example must leave no journal behind"


def _example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("custom_exchange", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_custom_exchange_needs_no_entry_and_no_keys_and_says_itself_what_it_can_do() -> None:
    module = _example()
    store = CCXTStore(module.CoinFlip(), mode="live", journal=":memory:")
    assert store.currency == "USD"
    assert tuple(store.timeframes()) == ("1s",)
    assert store.supports("market").support == "native"
    assert store.supports("limit").why == "orders are filled at once or not at all"
    assert store.supports("stop").support == "refused"


def test_a_custom_exchange_named_like_one_of_the_table_takes_nothing_from_there() -> None:
    class Mine(_example().CoinFlip):  # type: ignore[misc]
        id = "binance"

        def describe(self):  # type: ignore[no-untyped-def]
            return {"orders": {"stop": {"native": {}}}}

    store = CCXTStore(Mine(), mode="live", journal=":memory:", currency="USD")
    assert store.supports("stop").support == "native"
    assert store.supports("post_only").support == "refused"
    assert not store.profile.known


def test_a_wrong_word_of_a_custom_exchange_is_refused_with_the_nearest_right_one() -> None:
    class Mine(_example().CoinFlip):  # type: ignore[misc]
        def describe(self):  # type: ignore[no-untyped-def]
            return {"orders": {"stopp": {"native": {}}}}

    with pytest.raises(ConfigError, match=r"describe\(\) of coinflip.*'stopp'.*'stop'"):
        CCXTStore(Mine(), mode="live", journal=":memory:")


def test_an_instance_of_ccxt_exchange_brings_its_own_profile_and_keys() -> None:
    from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
    from btccxt.exchange.profile.profile import load_profile

    exchange = CCXTExchange(load_profile("kraken", MarketType.SPOT), {"apiKey": "k", "secret": "czNjcmV0"})
    store = CCXTStore(exchange, mode="live", journal=":memory:")
    assert store.profile is exchange.profile
