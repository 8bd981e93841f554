"""What cannot be true is told from what is only unusual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.exchange.plausibility import (
    AheadOfUs,
    Implausible,
    check_answer,
    check_balances,
    check_bar,
    check_fill,
    check_order,
    check_position,
    check_server_time,
    check_ticker,
    check_trade,
    says_nothing,
)
from btccxt.model import (
    Balance,
    Balances,
    Bar,
    Fee,
    Fill,
    OrderStatus,
    OrderUpdate,
    Origin,
    Position,
    Side,
    Ticker,
    Trade,
)
from btccxt.timeframe import parse_timeframe

D = Decimal
NOW = 1_767_614_400_000
MINUTE = parse_timeframe("1m")
BAR = Bar(NOW - 60_000, 100.0, 101.0, 99.0, 100.5, 3.0)
TRADE = Trade("1", NOW, 100.0, 0.5, Side.BUY, "BTC/USDT")
TICKER = Ticker("BTC/USDT", NOW, 99.0, 101.0, last=100.0)
ORDER = OrderUpdate("BTC/USDT", OrderStatus.OPEN, Origin.QUERY, order_id="1", amount=D(2), filled=D(1), time_ms=NOW)
FILL = Fill("1", "BTC/USDT", Side.BUY, D(100), D(1), NOW, fee=Fee("BNB", D("-0.001")))
POSITION = Position("BTC/USDT:USDT", D(-2), D(100), NOW)
NAN, INF = float("nan"), float("inf")


def check_minute(bar: Bar) -> Bar:
    return check_bar(bar, MINUTE, NOW)


def check_trade_now(trade: Trade) -> Trade:
    return check_trade(trade, NOW)


@pytest.mark.parametrize(
    ("check", "usual", "unusual"),
    [
        (check_minute, BAR, [{"volume": 0.0}, {"open": 99.0, "close": 101.0}, {"open_ms": NOW + 60_000}]),
        (check_trade_now, TRADE, [{"amount": 0.0}, {"side": None}]),
        (check_ticker, TICKER, [{"bid": None}, {"last": None}, {"bid": 0.0}, {"bid": 102.0}]),
        (check_order, ORDER, [{"filled": D(2)}, {"filled": None}, {"amount": None}, {"symbol": ""}, {"time_ms": None}]),
        (check_fill, FILL, [{"fee": None}, {"amount": D("1e-12")}]),
        (check_position, POSITION, [{"amount": D(0)}, {"entry_price": None}]),
    ],
)
def test_the_usual_and_the_unusual_pass_unchanged(check: Callable[[Any], Any], usual: Any, unusual: list[Any]) -> None:
    for each in (usual, *(replace(usual, **changes) for changes in unusual)):
        assert check(each) is each


@pytest.mark.parametrize(
    ("check", "usual", "wrong"),
    [
        (
            check_minute,
            BAR,
            [
                *(
                    {name: value}
                    for name in ("open", "high", "low", "close")
                    for value in (NAN, INF, -INF, -1.0, 0.0, 1e308)
                ),
                *({"volume": value} for value in (NAN, INF, -1.0)),
                {"high": 98.0},
                {"low": 100.7},
                {"high": 100.2},
                {"open": 101.5},
                {"close": 98.0},
                {"open_ms": NOW - 30_000},
                {"open_ms": NOW // 1000},
                {"open_ms": NOW * 1000},
                {"open_ms": 0},
                {"open_ms": NOW + 120_000},
            ],
        ),
        (
            check_trade_now,
            TRADE,
            [
                {"price": NAN},
                {"price": 0.0},
                {"price": -1.0},
                {"amount": INF},
                {"time_ms": NOW // 1000},
                {"time_ms": NOW + 120_000},
            ],
        ),
        (
            check_ticker,
            TICKER,
            [{"bid": NAN}, {"ask": -1.0}, {"last": INF}, {"bid_amount": NAN}, {"bid": None, "ask": None, "last": None}],
        ),
        (
            check_order,
            ORDER,
            [
                {"filled": D(3)},
                {"filled": D(-1)},
                {"amount": D("NaN")},
                {"price": D("Infinity")},
                {"order_id": None},
                {"time_ms": NOW // 1000},
            ],
        ),
        (
            check_fill,
            FILL,
            [{"price": D(0)}, {"amount": D(0)}, {"amount": D("NaN")}, {"time_ms": 0}, {"fee": Fee("BNB", D("NaN"))}],
        ),
        (check_position, POSITION, [{"symbol": "None"}, {"amount": D("Infinity")}, {"entry_price": D(-1)}]),
    ],
)
def test_the_impossible_does_not(check: Callable[[Any], Any], usual: Any, wrong: list[dict[str, Any]]) -> None:
    for changes in wrong:
        with pytest.raises((Implausible, ArithmeticError)):
            check(replace(usual, **changes))
            pytest.fail(str(changes))


@given(st.floats(), st.floats(), st.floats(), st.floats(), st.floats(), st.integers(-(2**60), 2**60))
def test_no_bar_that_passes_is_absurd(o: float, h: float, low: float, c: float, v: float, at: int) -> None:
    try:
        bar = check_minute(Bar(at, o, h, low, c, v))
    except Implausible:
        return
    assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high < INF
    assert 0 <= bar.volume < INF
    assert bar.open_ms % 60_000 == 0


def test_a_candle_of_the_future_may_be_our_own_clocks_fault() -> None:
    late = replace(BAR, open_ms=NOW + 3_600_000)
    with pytest.raises(AheadOfUs):
        check_bar(late, MINUTE, NOW)
    assert check_bar(late, MINUTE, NOW, slack_ms=3_600_000)
    assert check_bar(late, MINUTE, NOW, slack_ms=INF)
    ahead = replace(TRADE, time_ms=NOW + 3_600_000)
    with pytest.raises(AheadOfUs):
        check_trade(ahead, NOW)
    assert check_trade(ahead, NOW, slack_ms=3_600_000)


def test_long_candles_may_open_at_midnight_of_another_zone() -> None:
    day = parse_timeframe("1d")
    assert check_bar(replace(BAR, open_ms=NOW - NOW % 86_400_000 - 8 * 3_600_000), day, NOW)


def test_the_symbol_is_the_one_that_was_asked_for() -> None:
    with pytest.raises(Implausible, match="ETH"):
        check_order(ORDER, "ETH/USDT")
    with pytest.raises(Implausible, match="ETH"):
        check_ticker(TICKER, "ETH/USDT")


def test_an_account_without_a_coin_is_no_answer_but_a_push_may_change_nothing() -> None:
    with pytest.raises(Implausible):
        check_balances(Balances(NOW, {}, complete=True))
    assert check_balances(Balances(NOW, {}, complete=False))
    with pytest.raises((Implausible, ArithmeticError)):
        check_balances(Balances(NOW, {"BTC": Balance("BTC", D("NaN"), D(0))}, complete=True))
    assert check_balances(Balances(NOW, {"USDT": Balance("USDT", D(-5), D(0))}, complete=True))  # borrowed


@pytest.mark.parametrize("answer", [None, True, "soon", [], {}, 0, -1, NOW // 1000, NOW * 1000, NAN])
def test_no_time_is_told_from_a_time(answer: object) -> None:
    with pytest.raises(ValueError):
        check_server_time(answer)
    assert check_server_time(str(NOW)) == check_server_time(float(NOW)) == NOW


@pytest.mark.parametrize("answer", [None, "", {}, [], [{}], [[], {}], {"balances": []}, {"a": {"free": None}}])
def test_an_answer_may_say_nothing_in_many_ways(answer: object) -> None:
    assert says_nothing(answer)
    assert not says_nothing({"x": answer, "free": "0"})


@pytest.mark.parametrize(
    ("answer", "envelope", "known"),
    [
        ([], {}, True),
        ([{"id": 1}], {}, True),
        ({"fills": [], "cursor": ""}, {}, True),  # a list of nothing, by its name
        ({}, {}, False),
        ({"data": None}, {}, False),
        ([{}], {}, False),
        ([None], {}, False),
        ("maintenance", {}, False),
        (b"", {}, False),
        (None, {}, False),
        (7, {}, False),
        ({"error": [], "result": {}}, {"error": "list"}, True),
        ({"error": {}, "result": []}, {"error": "list"}, False),
        ({"code": "0", "data": []}, {"code": "text"}, True),
        ({"code": 0, "data": []}, {"code": "text"}, False),
        ({"retCode": 0}, {"retCode": "number"}, True),
        ([], {"retCode": "number"}, False),
    ],
)
def test_what_is_an_answer_of_the_exchange(answer: object, envelope: dict[str, str], known: bool) -> None:
    if known:
        assert check_answer(answer, envelope) is answer
    else:
        with pytest.raises(Implausible, match="no answer of the exchange"):
            check_answer(answer, envelope)
