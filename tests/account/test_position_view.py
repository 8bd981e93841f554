"""Positions as a trader reads them: coins beside contracts; what a stream leaves out is not forgotten."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest

from btccxt.account.position_view import in_coins
from btccxt.model import Position
from btccxt.session.known_positions import with_former
from btccxt.sim.markets import inverse_market, linear_market

LINEAR = linear_market("BTC/USDT:USDT", contract_size="0.01")
INVERSE = inverse_market("BTC/USD:BTC", contract_size="10")
WHOLE = Position(
    "BTC/USDT:USDT", D(5), D(60_000), 1, D("7.5"), D(20), D(57_000), "cross", None, mark_price=D(60_150), margin=D(150)
)
PUSHED = Position("BTC/USDT:USDT", D(5), D(60_000), 2, D("8"))


def test_contracts_are_told_in_coins_too() -> None:
    assert in_coins(WHOLE, LINEAR).coins == D("0.05")
    short = Position("BTC/USD:BTC", D(-6_000), D(50_000), 1)
    assert in_coins(short, INVERSE).coins == D("-1.2")
    assert in_coins(replace(short, mark_price=D(60_000)), INVERSE).coins == -1
    assert in_coins(replace(short, entry_price=None), INVERSE).coins is None
    assert in_coins(WHOLE, None).coins is None


def test_what_a_push_leaves_out_is_kept_and_what_it_says_counts() -> None:
    now = with_former(PUSHED, WHOLE)
    assert (now.leverage, now.liquidation_price, now.margin, now.margin_mode) == (20, 57_000, 150, "cross")
    assert (now.unrealised_pnl, now.time_ms) == (8, 2)


@pytest.mark.parametrize("amount", ["7", "3"])
def test_what_follows_from_the_size_is_not_kept_when_it_changes(amount: str) -> None:
    now = with_former(replace(PUSHED, amount=D(amount)), WHOLE)
    assert (now.leverage, now.margin_mode) == (20, "cross")
    assert (now.liquidation_price, now.margin) == (None, None)


@pytest.mark.parametrize("amount", ["0", "-5"])
def test_nothing_of_another_position_is_kept(amount: str) -> None:
    gone = replace(PUSHED, amount=D(amount))
    assert with_former(gone, WHOLE) == gone
    assert with_former(gone, None) == gone
