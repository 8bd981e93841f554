"""Rounding to the market's steps agrees with ccxt's own functions and forgives float noise."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.bt.commission import CryptoCommInfo
from btccxt.model import round_amount, round_price
from tests.account.test_ledger import MARKETS

BTC = MARKETS["BTC/USDT"]


def test_float_noise_just_below_a_step_counts_as_that_step():
    market = replace(BTC, amount_step=D("0.1"))
    assert round_amount(market, D(repr(0.1 + 0.7))) == D("0.8")  # 0.7999999999999999
    assert round_amount(market, D(repr(0.1 + 0.2))) == D("0.3")  # 0.30000000000000004


def test_amounts_are_floored_and_prices_go_to_the_nearest_step():
    assert round_amount(BTC, D("1.00019")) == D("1.0001")
    assert round_price(BTC, D("10.005")) == D("10.01")
    assert round_price(replace(BTC, price_step=D("0.5")), D("10.3")) == D("10.5")


@pytest.mark.parametrize("step", ["0.001", "0.5", "1", "10", "0.00000001", "5"])
@given(units=st.integers(0, 10**9))
def test_rounding_equals_ccxt(step, units):
    value = D(units) * D("0.00013")
    market = replace(BTC, amount_step=D(step), price_step=D(step))
    truncated = ccxt.decimal_to_precision(f"{value:f}", ccxt.TRUNCATE, D(step).__str__(), ccxt.TICK_SIZE)
    rounded = ccxt.decimal_to_precision(f"{value:f}", ccxt.ROUND, D(step).__str__(), ccxt.TICK_SIZE)
    assert round_amount(market, value) == D(truncated)
    assert round_price(market, value) == D(rounded)


def test_four_tenths_of_a_bitcoin_is_not_rounded_to_zero():
    import backtrader as bt

    stock = bt.CommissionInfo()
    assert stock.getsize(price=50_000.0, cash=20_000.0) == 0  # the fault
    assert CryptoCommInfo.for_market(BTC).getsize(price=50_000.0, cash=20_000.0) == 0.4


def test_a_contract_binds_its_leveraged_value():
    info = CryptoCommInfo.for_market(MARKETS["BTC/USDT:USDT"], leverage=5.0)
    assert info.getsize(price=50_000.0, cash=1_000.0) == pytest.approx(10.0)
    assert info.getoperationcost(10.0, 50_000.0) == pytest.approx(1_000.0)
    assert info.profitandloss(10.0, 50_000.0, 51_000.0) == pytest.approx(100.0)
