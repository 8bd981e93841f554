"""A whole run for tests: store, cerebro, a strategy that writes down what it sees, on the embedded exchange."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.bt.time import ms_of_num

START = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)  # of markets; one that begins at "now" is another each day
Row = tuple[int, float, float, float, float, float]  # stamp in ms, open, high, low, close, volume


class Witness(bt.Strategy):
    """Writes down every bar of every data and all notifications; stops when told enough."""

    params = (("until_ms", None), ("live_bars", None), ("act", None))

    def __init__(self) -> None:
        self.rows: dict[Any, list[Row]] = {data: [] for data in range(len(self.datas))}
        self.lengths = [0] * len(self.datas)
        self.data_news: list[tuple[str, str]] = []
        self.store_news: list[str] = []
        self.order_news: list[Any] = []
        self.trade_news: list[Any] = []
        self.live = 0

    def notify_data(self, data: Any, status: int, *args: Any, **kwargs: Any) -> None:
        self.data_news.append((data._dataname, data._getstatusname(status)))

    def notify_store(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.store_news.append(str(msg))

    def notify_order(self, order: Any) -> None:
        self.order_news.append(order)

    def notify_trade(self, trade: Any) -> None:
        self.trade_news.append(trade)

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        for number, data in enumerate(self.datas):
            if len(data) > self.lengths[number]:
                self.lengths[number] = len(data)
                self.rows[number].append(row(data))
        data = self.datas[0]
        if data._laststatus == data.LIVE:
            self.live += 1
            if self.p.act is not None:
                self.p.act(self)
        ended = self.p.until_ms is not None and ms_of_num(data.datetime[0]) >= self.p.until_ms
        if ended or (self.p.live_bars is not None and self.live >= self.p.live_bars):
            self.env.runstop()


def row(data: Any) -> Row:
    return (
        ms_of_num(data.datetime[0]), data.open[0], data.high[0], data.low[0], data.close[0], data.volume[0],
    )  # fmt: skip


def read_rows(path: Path, close_after_ms: int) -> list[Row]:
    """A recorded file of bars, stamped at their close."""
    with gzip.open(path, "rt") as file:
        return [
            (int(line[0]) + close_after_ms, *(float(cell) for cell in line[1:6]))  # type: ignore[misc]
            for line in csv.reader(file)
            if line[0].isdigit()
        ]


def run(
    store: CCXTStore, *datas: Any, broker: bool = False, strategy: type[Witness] = Witness, **params: Any
) -> Witness:
    """Run a Witness on these datas (already made by the store) and return it."""
    cerebro = bt.Cerebro(stdstats=False)
    for data in datas:
        cerebro.adddata(data)
    if broker:
        cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(strategy, **params)
    return cerebro.run()[0]
