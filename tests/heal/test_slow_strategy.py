"""A strategy that is slower than its bars loses none, and is told how far it is behind."""

from __future__ import annotations

import time

from btccxt.bt.compat import bt
from btccxt.bt.rows import LagWatch
from btccxt.notices import NoticeKind, StoreNotice
from tests.heal.kit import SYMBOLS, Run, check_bars, exchange, store_on

SLOW_BARS = 12


def test_a_strategy_fifty_times_too_slow_gets_every_bar_and_is_told_its_lag():
    """As with 5 s for each 100 ms: every bar takes several bars' time, until the strategy is quick again."""

    def dawdle(strategy) -> None:
        if 0 < strategy.live_bars <= SLOW_BARS:
            time.sleep(0.3)

    with exchange(speed=600) as background:
        store = store_on(background)
        with store.kept_open():
            datas = [store.getdata(dataname=each, timeframe=bt.TimeFrame.Minutes) for each in SYMBOLS]
            run = Run(store, *datas, broker=False, trade_every=0, each_bar=dawdle)
            run.until(lambda: lags(run.diary) and lags(run.diary)[-1].caught_up, "caught up")
            diary = run.finish()
            check_bars(background, diary)
    told = lags(diary)
    assert told[0].lag_s >= 1.0
    assert told[0].waiting > 0
    assert {lag.feed for lag in told} <= {f"{symbol} 1m" for symbol in SYMBOLS}


def lags(diary) -> list:
    return [note.about for note in list(diary.store_news) if getattr(note, "kind", None) is NoticeKind.STRATEGY_LAG]


def test_lag_is_said_once_then_when_it_doubles_and_when_it_is_over():
    told: list[StoreNotice] = []
    watch = LagWatch("BTC/USDT 1m", told.append)
    for lag_s, waiting in ((0.2, 0), (1.5, 3), (1.6, 3), (2.9, 5), (3.1, 6), (0.2, 1), (0.1, 0), (0.1, 0), (1.2, 1)):
        watch.read(lag_s, waiting)
    assert [(note.about.lag_s, note.about.caught_up) for note in told] == [
        (1.5, False), (3.1, False), (0.1, True), (1.2, False),
    ]  # fmt: skip
    assert "1.5 s behind; 3 arrivals wait" in str(told[0])
