"""Ticks under cuts of every kind: each trade once, in order, and together the exchange's own tape."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from btccxt.bt.compat import bt
from btccxt.bt.time import ms_of_num
from btccxt.model import ConnectionState
from btccxt.sim.faults import Fault, FaultKind
from tests.heal.cuts import _REST, Cut, _abort, _fault, _goodbye, strike
from tests.heal.kit import Run, exchange, store_on

Tick = tuple[int, float, float]  # ms, price, amount
SYMBOLS = ("BTC/USDT", "ETH/USDT")
TAPE = "*[tT]rade"

KINDS = (
    Cut("connection aborted", _abort),
    Cut("close frame 1001", _goodbye),
    Cut("half-open socket", _fault(Fault(FaultKind.HALF_OPEN))),
    Cut("trades silent, pings answered", _fault(Fault(FaultKind.SILENCE, stream=TAPE))),
    Cut("frame that breaks the connection", _fault(Fault(FaultKind.CUT, stream=TAPE))),
    Cut("malformed trades", _fault(Fault(FaultKind.MALFORMED, stream=TAPE, times=6)), reconnects=False),
    Cut("lost trades", _fault(Fault(FaultKind.LOSE_FRAME, stream=TAPE, times=5)), reconnects=False),
    Cut("doubled frames", _fault(Fault(FaultKind.DUPLICATE, stream=TAPE, times=8)), reconnects=False),
    Cut("overtaken frames", _fault(Fault(FaultKind.REORDER, stream=TAPE, times=8)), reconnects=False),
    Cut("connections refused", _fault(Fault(FaultKind.REFUSE_CONNECTION, duration_s=0.4), abort=True)),
    Cut("429 while repairing", _fault(Fault(FaultKind.RATE_LIMIT, **_REST, times=2), abort=True)),
    Cut("502 while repairing", _fault(Fault(FaultKind.ERROR_BEFORE, **_REST, status=502, times=4), abort=True)),
    Cut("answers cut while repairing", _fault(Fault(FaultKind.CUT_ANSWER, **_REST, times=4), abort=True)),
    Cut("maintenance", _fault(Fault(FaultKind.MAINTENANCE, duration_s=0.4), abort=True)),
)


class Tape(bt.Strategy):
    """Writes down every tick of every data."""

    params = (("trade_every", 0), ("each_bar", None))

    def __init__(self) -> None:
        self.ticks: list[list[Tick]] = [[] for _ in self.datas]
        self.lengths = [0] * len(self.datas)
        self.live_bars = 0
        self.statuses: list[str] = []
        self.enough = threading.Event()

    def notify_data(self, data, status, *args, **kwargs) -> None:
        self.statuses.append(data._getstatusname(status))

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        for number, data in enumerate(self.datas):
            if len(data) > self.lengths[number]:
                assert len(data) == self.lengths[number] + 1
                self.lengths[number] += 1
                self.ticks[number].append((ms_of_num(data.datetime[0]), data.close[0], data.volume[0]))
        self.live_bars += all(data._laststatus == data.LIVE for data in self.datas)
        if self.enough.is_set():
            self.env.runstop()


def tape(background, symbol: str, first_ms: int, last_ms: int) -> list[Tick]:
    found = background.call(lambda sim: sim.venue.trades(symbol, first_ms, last_ms, 10**6))
    return [(each.time_ms, each.price, each.amount) for each in found]


def check_tape(background, symbol: str, ticks: list[Tick]) -> int:
    assert all(before[0] <= after[0] for before, after in pairwise(ticks)), f"{symbol}: out of order"
    wanted = tape(background, symbol, ticks[0][0], ticks[-1][0])
    # The first and the last instant may have had more trades than were taken before the start and after the end.
    start = wanted.index(ticks[0])
    assert ticks == wanted[start : start + len(ticks)], f"{symbol}: lost, doubled or changed"
    return len(ticks)


@pytest.mark.slow
def test_no_trade_is_lost_doubled_or_out_of_order_through_every_kind_of_cut():
    with exchange(speed=240, symbols=SYMBOLS) as background:
        store = store_on(background)
        with store.kept_open():
            datas = [store.getdata(dataname=each, timeframe=bt.TimeFrame.Ticks) for each in SYMBOLS]
            run = Run(store, *datas, broker=False, strategy=Tape)
            run.until_live(60)
            for cut in (*KINDS, *KINDS[::-1]):
                strike(background, run, cut)
                run.more_bars(30)
            background.faults.clear()
            run.until(lambda: store.state is ConnectionState.LIVE, "whole again")
            run.more_bars(60)
            diary = run.finish()
            taken = [check_tape(background, symbol, ticks) for symbol, ticks in zip(SYMBOLS, diary.ticks, strict=True)]
    assert min(taken) > 300
    assert diary.statuses.count("LIVE") > len(KINDS) / 2
