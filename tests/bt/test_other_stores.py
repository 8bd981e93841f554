"""A word of another store is answered with what is written here: each that the page lists, and those beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from btccxt import CCXTStore, ConfigError, StoreConfig
from btccxt.bt.data import CCXTData
from btccxt.bt.other_stores import OF_BROKERS, OF_DATAS, OF_STORES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "from-other-stores.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("sandbox", "settings: sandbox: unknown key; write mode='testnet'"),
        ("retries", "settings: retries: unknown key; write retry_attempts=5"),
        ("API_KEY", "settings: API_KEY: unknown key; write config={'apiKey'"),
        ("timeoffset", "settings: timeoffset: unknown key; leave it out: the exchange's clock is always measured"),
        ("currencyy", "settings: currencyy: unknown key; did you mean 'currency'?"),
    ],
)
def test_a_store_answers(word: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(answer)):
        CCXTStore("binance", **{word: 1})


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("ohlcv_limit", "getdata() has no argument 'ohlcv_limit'; leave it out: bars=500 or fromdate= says"),
        ("LiveBars", "getdata() has no argument 'LiveBars'; leave it out, or historical=True for the past alone"),
        ("start_date", "getdata() has no argument 'start_date'; write fromdate="),
        ("backfil", "getdata() has no argument 'backfil'; did you mean backfill?"),
    ],
)
def test_a_data_answers(word: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(answer)):
        CCXTStore("binance", mode="paper").getdata(dataname="BTC/USDT", **{word: 1})


def test_a_broker_answers() -> None:
    with pytest.raises(ConfigError, match=re.escape("no argument 'broker_mapping'; leave it out: kinds and statuses")):
        CCXTStore("binance", mode="paper").getbroker(broker_mapping={})
    with pytest.raises(ConfigError, match=re.escape("no argument 'warmupp'; did you mean warmup?")):
        CCXTStore("binance", mode="paper").getbroker(warmupp="send")


def test_no_word_that_is_ours_is_called_foreign() -> None:
    assert not set(OF_STORES) & set(StoreConfig.model_fields)
    assert not set(OF_DATAS) & set(CCXTData.params._getkeys())
    assert not set(OF_BROKERS) & {"warmup", "then", "max_bar_age_s"}


def test_every_keyword_of_the_page_that_is_not_ours_is_answered() -> None:
    theirs = {word for row in re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE) for word in re.findall(r"\b(\w+)=", row)}
    orders = PAGE.partition("## Keywords of orders")[2]
    of_orders = set(re.findall(r"\b(\w+)=", orders)) | {"lmtPrice", "auxPrice", "ocaGroup", "parentId", "params", "tif"}
    ours = set(StoreConfig.model_fields) | set(CCXTData.params._getkeys()) | {"trailpercent"}
    assert theirs - of_orders - ours - set(OF_STORES) - set(OF_DATAS) - set(OF_BROKERS) == set()
