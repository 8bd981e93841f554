"""Counted ids: a live trade that does not follow the last one means that another was lost or overtaken."""

from __future__ import annotations

from btccxt.bars.trade_seam import TradeSeam
from btccxt.model import Side, Trade


def trade(number: int, prefix: str = "") -> Trade:
    return Trade(f"{prefix}{number}", 1_000 * number, 100.0 + number, 1.0, Side.BUY)


def running(first: int = 1, count: int = 30, prefix: str = "") -> TradeSeam:
    seam = TradeSeam()
    for number in range(first, first + count):
        assert seam.on_live(trade(number, prefix)) == (trade(number, prefix),)
    return seam


def test_a_lost_trade_is_noticed_by_the_next_one_and_comes_from_rest_before_it():
    seam = running()
    assert seam.on_live(trade(32)) == ()
    assert seam.repairing
    assert seam.ask_from_ms == trade(30).time_ms
    seam.begin_download()
    assert seam.on_page([trade(30), trade(31), trade(32)]) == [trade(31), trade(32)]
    assert seam.has_joined_live
    assert seam.on_repaired() == []
    assert seam.on_live(trade(33)) == (trade(33),)


def test_an_overtaken_trade_comes_in_its_place_also_where_rest_lags():
    seam = running()
    assert seam.on_live(trade(32)) == ()
    assert seam.on_live(trade(31)) == ()
    seam.begin_download()
    assert seam.on_page([trade(30)]) == []
    assert seam.on_repaired() == [trade(31), trade(32)]
    assert seam.on_live(trade(33)) == (trade(33),)
    assert not seam.repairing


def test_a_repeated_trade_is_no_jump():
    seam = running()
    assert seam.on_live(trade(7)) == ()
    assert not seam.repairing


def test_ids_that_do_not_count_are_never_doubted():
    seam = TradeSeam()
    for number in (*range(1, 60, 2), *range(60, 90, 3)):
        assert seam.on_live(trade(number)) == (trade(number),)
    for number in range(100, 160):
        assert seam.on_live(trade(number, "a-")) == (trade(number, "a-"),)


def test_an_exchange_that_leaves_numbers_out_is_not_doubted_for_ever():
    seam = running()
    number, doubts = 30, 0
    for _ in range(10):
        number += 2  # nobody knows a trade in between
        if seam.on_live(trade(number)) == ():
            doubts += 1
            seam.begin_download()
            assert seam.on_page([trade(number - 2), trade(number)]) == [trade(number)]
            assert seam.on_repaired() == []
        for _ in range(25):
            number += 1
            assert seam.on_live(trade(number)) == (trade(number),)
    assert doubts == 3
