"""Two positions a symbol in backtrader's books: what datas show, and whose trade a funding payment belongs to."""

from __future__ import annotations

from decimal import Decimal as D
from types import SimpleNamespace
from typing import Any

import pytest

from btccxt.account.ledger import AccountLedger
from btccxt.bt.positions import PositionBook
from btccxt.exchange.position_side import named, with_both_sides
from btccxt.model import Balance, Balances, FundingPayment, Position
from btccxt.sim.markets import linear_market

PERP = "BTC/USDT:USDT"
LONG, SHORT = named(PERP, "long"), named(PERP, "short")


def books_of(long: str, short: str, *names: str) -> tuple[PositionBook, list[Any]]:
    """Positions that cost 100 and 110, and a data of each name."""
    ledger = AccountLedger("USDT", with_both_sides({PERP: linear_market(PERP)}))
    held = [Position(LONG, D(long), D(100), 1, hedge_side="long"), Position(SHORT, D(short), D(110), 1)]
    ledger.reset(Balances(1, {"USDT": Balance("USDT", D(1_000), D(0))}), held)
    books, datas = PositionBook(ledger), [SimpleNamespace(_dataname=name) for name in names]
    for data in datas:
        books.register(data, data._dataname)
    return books, datas


def paid(books: PositionBook, datas: list[Any], sizes: list[float]) -> list[float]:
    """What each data's open trade has of a payment of 6."""
    trades = [SimpleNamespace(isopen=True, size=size, commission=0.0, pnlcomm=0.0) for size in sizes]
    known = {id(data): {0: [trade]} for data, trade in zip(datas, trades, strict=True)}
    strategy: Any = SimpleNamespace(_trades=_ById(known))
    books.pay_into_trades(FundingPayment(PERP, "USDT", D(-6), 5), [strategy])
    assert [trade.pnlcomm for trade in trades] == [-trade.commission for trade in trades]
    return [trade.commission for trade in trades]


class _ById:
    """Trades by data; a namespace has no hash."""

    def __init__(self, known: dict[int, Any]) -> None:
        self._known = known

    def __getitem__(self, data: Any) -> Any:
        return self._known[id(data)]


def test_a_bound_data_shows_its_own_and_an_unbound_one_both_at_the_price_they_cost_together() -> None:
    books, _ = books_of("3", "-2", LONG, SHORT, PERP)
    shown = {name: (books.position(name).size, books.position(name).price) for name in (LONG, SHORT, PERP)}
    assert shown == {LONG: (3, 100), SHORT: (-2, 110), PERP: (1, pytest.approx(80))}
    assert books.names == (LONG, SHORT)
    assert books.first_data(LONG)._dataname == LONG


def test_equal_positions_are_flat_together_and_an_unbound_data_stands_for_either() -> None:
    books, (data,) = books_of("2", "-2", PERP)
    assert (books.position(PERP).size, books.position(PERP).price) == (0, 0)
    assert books.first_data(SHORT) is data


def test_funding_goes_to_each_positions_trade_by_its_signed_size() -> None:
    books, datas = books_of("3", "-2", LONG, SHORT)
    assert paid(books, datas, [3.0, -2.0]) == [pytest.approx(18), pytest.approx(-12)]
    books, datas = books_of("2", "-2", LONG, SHORT)
    assert paid(books, datas, [2.0, -2.0]) == [0, 0]
    books, datas = books_of("3", "-2", PERP)
    assert paid(books, datas, [1.0]) == [pytest.approx(6)]
