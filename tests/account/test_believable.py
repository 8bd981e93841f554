"""Empty is not zero: what an answer leaves out is gone only if something else says so too."""

from __future__ import annotations

from decimal import Decimal

import pytest

from btccxt.account.believable import check_not_emptied, unexplained_absences
from btccxt.errors import Unreadable
from btccxt.model import Balance, Balances, Position
from btccxt.sim.markets import linear_market

D = Decimal
PERP, OTHER = "BTC/USDT:USDT", "ETH/USDT:USDT"
MARKETS = {symbol: linear_market(symbol) for symbol in (PERP, OTHER)}
HELD = {(symbol, None): Position(symbol, D(2), D(100), 0) for symbol in (PERP, OTHER)}
BACKING = {"USDT": Balance("USDT", D(900), D(100))}
IDLE = {"USDT": Balance("USDT", D(1_000), D(0))}


def balances(*coins: str, complete: bool = True) -> Balances:
    return Balances(0, {coin: Balance(coin, D(1), D(0)) for coin in coins}, complete=complete)


def test_an_account_that_held_something_is_not_believed_to_hold_nothing() -> None:
    known = {"BTC": Balance("BTC", D(1), D(0))}
    with pytest.raises(Unreadable):
        check_not_emptied(known, balances())
    check_not_emptied(known, balances("USDT"))  # sold: exchanges leave out what is zero
    check_not_emptied(known, balances(complete=False))  # a push without news
    check_not_emptied({}, balances())  # new
    check_not_emptied({"BTC": Balance("BTC", D(0), D(0))}, balances())


def absent(told: list[Position], moved: set[str], coins: dict[str, Balance]) -> set[str]:
    return {each.symbol for each in unexplained_absences(HELD, told, moved, coins, MARKETS)}


def test_a_position_is_gone_where_an_answer_that_names_others_leaves_it_out() -> None:
    assert absent([HELD[OTHER, None]], set(), BACKING) == set()


def test_an_answer_without_any_needs_a_fill_or_a_margin_that_is_free() -> None:
    assert absent([], set(), BACKING) == {PERP, OTHER}
    assert absent([], {PERP}, BACKING) == {OTHER}
    assert absent([], set(), IDLE) == set()


def test_what_was_flat_is_not_missed() -> None:
    flat = {(PERP, None): Position(PERP, D(0), None, 0)}
    assert unexplained_absences(flat, [], set(), BACKING, MARKETS) == []
