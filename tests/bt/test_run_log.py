"""The record of a run says what backtrader's own broker did, bar by bar and order by order."""

from __future__ import annotations

import datetime
from typing import Any

from btccxt.bt.compat import bt
from btccxt.bt.run_log import Log, Record, RunLog

START = datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.timezone.utc)


class Prices(bt.DataBase):
    params: Any = (("closes", ()), ("dataname", "BTC/USDT"))

    def start(self) -> None:
        super().start()
        self._at = 0

    def _load(self) -> bool:
        if self._at == len(self.p.closes):
            return False
        close = self.p.closes[self._at]
        self.lines.datetime[0] = bt.date2num(START + datetime.timedelta(minutes=self._at))
        for line in (self.lines.open, self.lines.high, self.lines.low, self.lines.close):
            line[0] = close
        self.lines.volume[0], self.lines.openinterest[0] = 1.0, 0.0
        self._at += 1
        return True


class Script(bt.Strategy):
    """Buys at the first bar, closes at the third, asks for too much at the fourth."""

    def next(self) -> None:
        if len(self) == 1:
            self.buy(size=2)
        elif len(self) == 3:
            self.close()
        elif len(self) == 4:
            self.buy(size=1_000_000)


def records(*closes: float) -> list[Record]:
    found: list[Record] = []
    ends: list[str] = []
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(Prices(closes=closes))
    cerebro.addstrategy(Script)
    cerebro.broker.setcommission(commission=0.001)
    cerebro.addanalyzer(RunLog, opened=lambda strategy: Log(found.append, lambda: ends.append("end")))
    cerebro.run()
    assert ends == ["end"]
    return found


def test_of_many_datas_the_first_twelve_have_their_bars_told_and_all_their_fills() -> None:
    class BuysTheLast(bt.Strategy):
        def next(self) -> None:
            if len(self) == 1:
                self.buy(data=self.datas[-1], size=1)

    found: list[Record] = []
    cerebro = bt.Cerebro(stdstats=False)
    for number in range(20):
        cerebro.adddata(Prices(closes=(100, 101, 102), dataname=f"C{number}/USDT"))
    cerebro.addstrategy(BuysTheLast)
    cerebro.addanalyzer(RunLog, opened=lambda strategy: Log(found.append, lambda: None))
    cerebro.run()
    assert {bar["s"] for bar in of("bar", found)} == {f"C{number}/USDT" for number in range(12)}
    assert [fill["s"] for fill in of("fill", found)] == ["C19/USDT"]
    assert of("value", found)[-1]["held"] == {"C19/USDT": 1}


def of(kind: str, found: list[Record]) -> list[Record]:
    return [record for record in found if record["t"] == kind]


def test_each_bar_is_told_once_with_the_value_after_it() -> None:
    found = records(100, 102, 104, 103, 101)
    start_ms = int(START.timestamp() * 1000)
    assert [(bar["at"], bar["c"]) for bar in of("bar", found)] == [
        (start_ms + 60_000 * n, close) for n, close in enumerate((100, 102, 104, 103, 101))
    ]
    bought = 2 * 102 * 1.001
    assert [round(each["value"], 4) for each in of("value", found)] == [
        10_000, round(10_000 - bought + 2 * 102, 4), round(10_000 - bought + 2 * 104, 4),
        *[round(10_000 - bought + 2 * 103 * 0.999, 4)] * 2,
    ]  # fmt: skip
    assert [each["held"] for each in of("value", found)] == [{}, {"BTC/USDT": 2}, {"BTC/USDT": 2}, {}, {}]


def test_orders_tell_the_close_they_were_decided_on_and_their_fills_the_price_they_got() -> None:
    found = records(100, 102, 104, 103, 101)
    fills = [(each["ref"], each["size"], each["price"], round(each["fee"], 4)) for each in of("fill", found)]
    first, second, third = sorted({each["ref"] for each in of("order", found)})
    assert fills == [(first, 2, 102, 0.204), (second, -2, 103, 0.206)]
    last = {each["ref"]: each for each in of("order", found)}
    assert [(last[ref]["status"], last[ref]["signal"]) for ref in (first, second, third)] == [
        ("Completed", 100), ("Completed", 104), ("Margin", 103),
    ]  # fmt: skip
    ((trade),) = of("trade", found)
    assert (trade["gross"], round(trade["net"], 3), trade["ref"]) == (2.0, round(2 - 0.204 - 0.206, 3), second)


def test_what_is_no_number_does_not_get_into_the_record() -> None:
    (bar,) = of("bar", records(float("nan")))
    assert (bar["o"], bar["c"]) == (0.0, 0.0)
