"""A run's state and figures come from its records, whatever order or version they are of."""

from __future__ import annotations

from typing import Any

import pytest

from btccxt.runs.figures import figures_of, rows_of, slippage
from btccxt.runs.picture import shown_bars
from btccxt.runs.snapshot import brief, snapshot
from btccxt.runs.state import RunState

BTC, ETH = "BTC/USDT", "ETH/USDT"


def bar(at: int, close: float, symbol: str = BTC, live: int = 1) -> dict[str, Any]:
    return {"t": "bar", "s": symbol, "at": at, "o": close, "h": close, "l": close, "c": close, "v": 1.0, "live": live}


def value(at: int, worth: float, live: int = 1, **held: float) -> dict[str, Any]:
    sizes = {name.replace("_", "/"): size for name, size in held.items()}
    return {"t": "value", "at": at, "value": worth, "cash": worth, "held": sizes, "live": live}


def order(ref: int, **news: Any) -> dict[str, Any]:
    usual = {
        "at": 0, "id": f"b{ref}", "s": BTC, "side": "buy", "kind": "Market", "size": 1.0, "price": 0.0, "filled": 0.0,
        "average": 0.0, "fee": 0.0, "status": "Submitted", "why": "", "signal": 100.0, "parent": None, "oco": None,
        "here": "",
    }  # fmt: skip
    return {"t": "order", "ref": ref, **usual, **news}


def state(*records: dict[str, Any], bars_kept: int | None = None) -> RunState:
    run = RunState(bars_kept=bars_kept)
    run.apply_all(records)
    return run


def test_figures_are_of_the_live_bars_also_when_few_bars_are_kept() -> None:
    history = [each for at in range(50) for each in (bar(at, 50, live=0), value(at, 1_000, live=0))]
    live = [(100, 100.0, 1_000.0), (101, 120.0, 1_200.0), (102, 110.0, 900.0), (103, 150.0, 1_100.0)]
    told = [each for at, close, worth in live for each in (bar(at, close), value(at, worth))]
    for kept in (None, 2):
        figures = figures_of(state(*history, *told, bars_kept=kept))
        assert (figures.bars, figures.history_bars, figures.profit) == (4, 50, 100)
        assert (figures.max_drawdown, figures.buy_and_hold) == (pytest.approx(0.25), pytest.approx(0.5))


def test_a_backtest_has_no_live_bar_and_counts_them_all() -> None:
    figures = figures_of(state(bar(1, 10, live=0), value(1, 100, live=0), bar(2, 20, live=0), value(2, 90, live=0)))
    assert (figures.bars, figures.history_bars, figures.profit, figures.buy_and_hold) == (2, 0, -10, 1.0)


def test_a_picture_shows_what_was_live_and_a_little_before_it() -> None:
    history = [bar(at, 50, live=0) for at in range(1_000)]
    shown = shown_bars(state(*history, bar(1_000, 51), bar(1_001, 52)))
    assert (shown[0].time_ms, len(shown)) == (940, 62)
    assert len(shown_bars(state(*history))) == 1_000


def test_a_run_that_ended_before_its_first_live_bar_has_none_and_no_result() -> None:
    run = state({"t": "start", "mode": "sim"}, bar(1, 10, live=0), value(1, 100, live=0), bar(2, 20, live=0))
    assert rows_of(figures_of(run), "USDT", BTC) == [("bars", "none was live; 1 of history"), ("orders, fills", "0, 0")]


def test_a_position_whose_stop_was_cancelled_on_purpose_is_none_that_lacks_it() -> None:
    each = {"group": "g", "symbol": BTC, "open": "2", "unprotected_total_s": 0.1}
    found = [
        {**each, "protected": "0", "unprotected_s": 0.0},
        {**each, "protected": "2", "unprotected_s": 0.0},
        {**each, "protected": "0", "unprotected_s": 3.0},
    ]
    assert brief({"orders": {"protection": found}})["protection"] == found[1:]


def test_slippage_is_what_market_orders_lost_against_their_signal() -> None:
    run = state(
        order(1, filled=2.0, average=101.0, status="Completed"),  # 1 worse on each of 2
        order(2, filled=-1.0, size=-1.0, side="sell", average=99.0, status="Completed"),  # 1 worse on 1
        order(3, kind="Limit", filled=1.0, average=90.0, status="Completed"),  # its price is its own
        order(4, status="Rejected", why="too small"),
    )
    assert slippage(run.orders.values()) == pytest.approx(3 / 300)
    figures = figures_of(run)
    assert (figures.orders, figures.refused) == (4, 1)
    assert ("orders, fills", "4, 0 (1 refused)") in rows_of(figures, "USDT", BTC)
    assert slippage([]) is None


def test_an_order_is_what_it_was_told_to_be_last_and_a_bar_too() -> None:
    run = state(
        bar(1, 100), bar(1, 101), value(1, 10, BTC_USDT=2.0), order(1), order(1, status="Completed", filled=1.0),
        bar(1, 7, ETH), {"t": "fill", "at": 1, "ref": 1, "s": BTC, "size": 1.0, "price": 101.0, "fee": 0.1},
        {"t": "trade", "at": 3, "opened": 1, "s": BTC, "gross": 2.0, "net": 1.5, "ref": 1},
        {"t": "something newer"}, {"t": "end", "wall_ms": 5},
    )  # fmt: skip
    assert [(each.close, each.value, each.position) for each in run.bars] == [(101, 10, 2.0)]
    assert (run.symbol, run.orders[1].is_open, run.net_profits, run.ended_wall_ms) == (BTC, False, {1: 1.5}, 5)
    shown = snapshot(run)
    assert shown["bars"] == {BTC: [[1, 101, 101, 101, 101, 1.0, 1, 10]], ETH: [[1, 7, 7, 7, 7, 1.0, 1, None]]}
    assert (shown["orders"][0]["open"], shown["health"]) == (False, None)


def test_the_value_at_the_end_of_each_day_is_kept_however_few_bars_are() -> None:
    day, records = 86_400_000, []
    for at, worth in ((day // 2, 100.0), (day, 110.0), (day + 1, 120.0), (3 * day, 90.0)):
        records += [bar(at, 1.0), value(at, worth)]
    course = state(*records, bars_kept=1).course
    assert course.days == {0: 110.0, 1: 120.0, 2: 90.0}  # the bar that closes at midnight is of the day that ends
