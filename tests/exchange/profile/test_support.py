"""``store.supports`` answers before an order is made."""

from __future__ import annotations

import dataclasses

import pytest

from btccxt import CCXTStore
from btccxt.errors import ConfigError
from btccxt.model import OrderFeature, OrderKind


def test_a_native_kind_is_a_plain_yes() -> None:
    answer = CCXTStore("binance", mode="sim").supports(OrderKind.STOP_LIMIT, "BTC/USDT")
    assert answer and answer.support == "native"
    assert answer.elsewhere == ()
    assert str(answer).startswith("stop_limit on binance spot: native")


def test_an_emulated_kind_is_a_yes_that_says_how_and_who_does_it_natively() -> None:
    answer = CCXTStore("binance", mode="sim").supports("trailing_amount")
    assert answer and answer.support == "emulated" and answer.why
    assert "okx" in answer.elsewhere and "binance" not in answer.elsewhere
    assert answer.why in str(answer) and "native on" in str(answer)


def test_a_refused_kind_is_a_no_with_the_reason_and_who_can_on_the_same_market_type() -> None:
    answer = CCXTStore("hyperliquid", mode="paper").supports(OrderFeature.FOK)
    assert not answer and answer.support == "refused" and answer.why
    assert answer.why in str(answer)
    assert set(answer.elsewhere) and all(name in str(answer) for name in answer.elsewhere)
    assert "binance" not in answer.elsewhere or answer.market_type.value == "spot"


def test_the_limits_of_a_feature_are_told() -> None:
    answer = CCXTStore("binance", mode="sim").supports("iceberg")
    assert all(kind in str(answer) for kind in answer.rule.kinds)


def test_unknown_kinds_and_symbols_of_another_market_type_are_refused() -> None:
    store = CCXTStore("binance", mode="sim")
    with pytest.raises(ConfigError, match="unknown order kind 'stoplimit'; did you mean 'stop_limit'"):
        store.supports("stoplimit")
    with pytest.raises(ConfigError, match="not a spot symbol"):
        store.supports("stop", "BTC/USDT:USDT")


def test_on_a_started_store_the_symbol_must_exist() -> None:
    store = CCXTStore("binance", mode="sim")
    store.start()
    try:
        assert store.supports("limit", "BTC/USDT")
        with pytest.raises(ConfigError, match="BTC/USDTT"):
            store.supports("limit", "BTC/USDTT")
    finally:
        store.stop()


def test_the_answer_is_a_frozen_record() -> None:
    answer = CCXTStore("binance", mode="sim").supports("limit")
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.kind = "market"  # type: ignore[misc]
