"""Counted ids: a live trade that does not follow the last one means that another was lost or overtaken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from btccxt.bars.trade_seam import TradeSeam
from btccxt.model import Side, Trade, made_up_trade_id


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


# ------------------------------------------------------------------ ids that REST and stream do not share


def by_rest(number: int) -> Trade:
    """KuCoin's: without an id of its own."""
    made_up = made_up_trade_id(1_000 * number, 100.0 + number, 1.0)
    return Trade(made_up, 1_000 * number, 100.0 + number, 1.0, Side.BUY)


def by_rest_otherwise(number: int) -> Trade:
    """MEXC's: ids of another kind."""
    return replace(trade(number), trade_id=f"rest-{number}")


@pytest.mark.parametrize("asked", [by_rest, by_rest_otherwise])
def test_a_trade_with_another_id_on_each_side_comes_once(asked):
    seam = running(1, 5, "live-")
    seam.on_disconnected()
    seam.begin_download()
    for number in (7, 8):
        assert seam.on_live(trade(number, "live-")) == ()
    assert seam.on_page([asked(number) for number in range(5, 9)]) == [asked(6), asked(7), asked(8)]
    assert seam.has_joined_live
    assert seam.on_page([asked(number) for number in range(7, 9)]) == []  # the next page overlaps
    assert seam.on_repaired() == []
    assert seam.on_live(trade(9, "live-")) == (trade(9, "live-"),)


def test_a_restart_begins_after_the_last_trade_whoever_named_it():
    seam = TradeSeam(last=trade(5, "live-"))
    seam.begin_download()
    assert seam.on_page([by_rest(5), by_rest(6)]) == [by_rest(6)]


def test_equal_trades_of_one_millisecond_without_ids_all_come():
    seam = TradeSeam()
    assert [len(seam.on_live(by_rest(1))) for _ in range(3)] == [1, 1, 1]
    seam.on_disconnected()
    seam.begin_download()
    twins = [by_rest(1), replace(by_rest(1), trade_id=by_rest(1).trade_id + "#2"), by_rest(2)]
    assert seam.on_page(twins) == [by_rest(2)]


def test_a_stream_without_ids_that_begins_with_its_last_trades_repeats_none():
    seam = TradeSeam()
    twin = by_rest(5)
    for old in (by_rest(3), by_rest(4), twin, twin):
        assert seam.on_live(old) == (old,)
    seam.on_disconnected()
    seam.begin_download()
    for told in (by_rest(3), by_rest(4), twin, twin, by_rest(6), by_rest(7)):
        assert seam.on_live(told) == ()
    assert seam.on_page([twin, replace(twin, trade_id=twin.trade_id + "#2"), by_rest(6)]) == [by_rest(6)]
    assert seam.on_repaired() == [by_rest(7)]
    assert seam.on_live(by_rest(8)) == (by_rest(8),)


def test_where_ids_are_shared_equal_trades_are_told_apart_by_them():
    """Also where one of them was lost on the way."""
    seam = TradeSeam()
    first, twin = Trade("a1", 1_000, 100.0, 1.0), Trade("a2", 1_000, 100.0, 1.0)
    assert seam.on_live(first) == (first,)
    seam.on_disconnected()
    seam.begin_download()
    assert seam.on_page([first, twin]) == [twin]
    assert seam.on_repaired() == []


def test_what_is_remembered_is_bounded():
    seam = TradeSeam(remember_ids=10)
    for number in range(100):
        seam.on_live(by_rest(number))
    assert len(seam._from_live._counts) == len(seam._from_live._order) == 10


# ------------------------------------------------------------------ whether ids agree: said by the profile, or learned


def single(number: int) -> Trade:
    """Numbered trade by trade, as a stream may."""
    return Trade(str(1_000 + number), 1_000 * number, 100.0 + number, 1.0, Side.BUY)


def grouped(number: int) -> Trade:
    """The same trade in another numbering, which lags behind: its number is that of an older one."""
    return replace(single(number), trade_id=str(1_000 + number - 2))


@pytest.mark.parametrize("trade_ids", ["different", "learned"])
def test_two_numberings_that_have_numbers_in_common_are_not_taken_for_one(trade_ids):
    seam = TradeSeam(trade_ids=trade_ids)
    for number in range(1, 6):
        assert seam.on_live(single(number)) == (single(number),)
    seam.on_disconnected()
    seam.begin_download()
    assert seam.on_live(single(9)) == ()
    assert seam.on_page([grouped(number) for number in range(5, 10)]) == [grouped(number) for number in range(6, 10)]
    assert seam.has_joined_live
    assert seam.on_repaired() == []
    assert seam.on_live(single(10)) == (single(10),)


def test_ids_that_the_profile_calls_common_need_no_learning():
    """The history ends with the twin of the first live trade, and no answer has shown an id of the stream's yet."""
    twins = [Trade(f"a{number}", 1_000, 100.0, 1.0, Side.BUY) for number in (1, 2, 3)]
    seam = TradeSeam(start_ms=0, trade_ids="common")
    seam.begin_download()
    assert seam.on_page(twins[:2]) == twins[:2]
    assert seam.on_live(twins[2]) == ()
    assert not seam.has_joined_live
    assert seam.on_repaired() == [twins[2]]


def test_trades_that_differ_in_their_side_only_are_two():
    seam = TradeSeam(trade_ids="different")
    bought, sold = by_rest(5), replace(by_rest(5), side=Side.SELL)
    before = by_rest(4)
    for told in (before, bought):
        assert seam.on_live(told) == (told,)
    seam.on_disconnected()
    seam.begin_download()
    assert seam.on_page([before, sold, replace(bought, trade_id=bought.trade_id + "#2")]) == [sold]


def test_a_side_that_was_not_told_is_that_of_any():
    seam = TradeSeam(trade_ids="different")
    assert len(seam.on_live(by_rest(4))) == len(seam.on_live(replace(by_rest(5), side=None))) == 1
    seam.on_disconnected()
    seam.begin_download()
    assert seam.on_page([by_rest(4), by_rest(5), by_rest(6)]) == [by_rest(6)]


def test_a_repair_from_another_numbering_is_no_jump():
    seam = TradeSeam(trade_ids="different")
    for number in range(1, 31):
        assert len(seam.on_live(trade(number))) == 1
    for cut in range(31, 71, 2):
        seam.on_disconnected()
        seam.begin_download()
        assert len(seam.on_page([by_rest(cut - 1), by_rest(cut)])) == 1
        assert seam.on_repaired() == []
        assert len(seam.on_live(trade(cut + 1))) == 1
    for number in range(71, 100):
        assert len(seam.on_live(trade(number))) == 1
    assert seam.on_live(trade(101)) == ()  # a lost one is still noticed
