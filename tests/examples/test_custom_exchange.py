"""An exchange of the user's own, in one file, behaves like any other in a store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import btccxt
from btccxt import CCXTStore
from btccxt.errors import ConfigError, Unsupported
from btccxt.model import MarketType, StreamKey, StreamKind
from tests.examples.load import EXAMPLES, example

EXAMPLE = EXAMPLES / "custom_exchange_orders.py"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["live", "paper"])
def test_the_custom_exchange_is_traded_offline_and_ends_by_itself(mode: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLE), mode],
        capture_output=True, text=True, timeout=280, cwd=tmp_path, env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "Completed: Buy 2 COIN" in run.stdout and "Completed: Sell" in run.stdout
    assert "result after fees" in run.stdout
    assert "rror" not in run.stderr
    assert not list(tmp_path.rglob("*.sqlite3*")), "the example must leave no journal behind"


def test_a_custom_exchange_needs_no_entry_and_no_keys_and_says_itself_what_it_can_do() -> None:
    module = example("custom_exchange_orders")
    store = CCXTStore(module.CoinFlip(), mode="live", journal=":memory:")
    assert store.currency == "USD"
    assert tuple(store.timeframes()) == ("1s",)
    assert store.supports("market").support == "native"
    assert store.supports("limit").why == "orders are filled at once or not at all"
    assert store.supports("stop").support == "refused"


def test_a_custom_exchange_named_like_one_of_the_table_takes_nothing_from_there() -> None:
    class Mine(example("custom_exchange_orders").CoinFlip):  # type: ignore[misc]
        id = "binance"

        def describe(self):  # type: ignore[no-untyped-def]
            return {"orders": {"stop": {"native": {}}}}

    store = CCXTStore(Mine(), mode="live", journal=":memory:", currency="USD")
    assert store.supports("stop").support == "native"
    assert store.supports("post_only").support == "refused"
    assert not store.profile.known


def test_a_wrong_word_of_a_custom_exchange_is_refused_with_the_nearest_right_one() -> None:
    class Mine(example("custom_exchange_orders").CoinFlip):  # type: ignore[misc]
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


def test_candles_alone_make_an_exchange_that_is_traded_on_paper(capsys: pytest.CaptureFixture[str]) -> None:
    example("custom_exchange").main("paper", bars=5)
    told = capsys.readouterr().out
    assert "Buy 2 COIN at " in told and "Sell 2 COIN at " in told


def test_with_real_money_an_exchange_of_data_only_is_refused_before_anything_is_asked_of_it() -> None:
    opened = []

    class Mine(example("custom_exchange").Waves):  # type: ignore[misc]
        async def fetch_balance(self):  # type: ignore[no-untyped-def]
            raise AssertionError

        async def open(self) -> None:
            opened.append(self)

    with pytest.raises(ConfigError, match=r"waves cannot take orders: Mine has no fetch_order.*create_order.*'paper'"):
        btccxt.run(example("custom_exchange").InAndOut, Mine(), mode="live", symbol="COIN/USD", timeframe="1s", bars=2)
    assert not opened


def test_an_exchange_without_streams_is_polled() -> None:
    class Quiet(example("custom_exchange").Waves):  # type: ignore[misc]
        can_stream = btccxt.ExchangeAPI.can_stream
        stream = btccxt.ExchangeAPI.stream

    assert not Quiet().can_stream(StreamKey(StreamKind.BARS, "COIN/USD", "1s"))


async def test_what_an_exchange_of_data_only_has_not_is_said_in_one_sentence() -> None:
    waves = example("custom_exchange").Waves()
    with pytest.raises(Unsupported, match="waves gives data only: it has no fetch_balance"):
        await waves.fetch_balance()
    with pytest.raises(Unsupported, match="waves lists no trades"):
        await waves.fetch_trades("COIN/USD")
