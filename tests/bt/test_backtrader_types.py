"""``typings/backtrader`` says of backtrader what is so: every name, with its parameters, and every attribute."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import backtrader as bt
import pytest

ROOT = Path(__file__).parents[2]
STUBS = ROOT / "typings" / "backtrader"

# Made by backtrader's metaclasses, or by ``__getitem__`` (iterating).
_MADE = ("metaclass differs", "lines variable differs from runtime type type")
_BY_METACLASS = ("__init__ is inconsistent", "Lines.__iter__ is not present")


def test_what_is_declared_is_there_with_its_parameters() -> None:
    asked = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "mypy.stubtest", "backtrader", "--ignore-missing-stub", "--concise",
         "--mypy-config-file", str(ROOT / "pyproject.toml")],
        cwd=ROOT, env={**os.environ, "MYPYPATH": str(STUBS.parent)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = asked.stdout.splitlines()
    assert said, f"stubtest has something to say of every metaclass: {asked.stderr}"
    assert [
        line for line in said if not line.endswith(_MADE) and not any(known in line for known in _BY_METACLASS)
    ] == []


class Rising(bt.feed.DataBase):
    """Ten daily bars."""

    def start(self) -> None:
        super().start()
        self._next = 0

    def _load(self) -> bool:
        if self._next == 10:
            return False
        self.lines.datetime[0] = bt.date2num(datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(days=self._next))
        for line in (self.lines.open, self.lines.high, self.lines.low, self.lines.close):
            line[0] = 100.0 + self._next
        self.lines.volume[0] = self.lines.openinterest[0] = 0.0
        self._next += 1
        return True


class Trader(bt.Strategy):
    def __init__(self) -> None:
        self.trades: list[Any] = []
        self.orders: list[Any] = []

    def next(self) -> None:
        if len(self) == 2:
            self.orders.append(self.buy(size=2))
        if len(self) == 5:
            self.orders.append(self.sell(size=2))

    def notify_trade(self, trade: Any) -> None:
        self.trades.append(trade)


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    """One object of every class that is declared, after a run."""
    cerebro = bt.Cerebro(runonce=False)
    data = Rising(name="plain")
    cerebro.adddata(data)
    chained, rolled = bt.feeds.Chainer(Rising()), bt.feeds.RollOver(Rising())
    clone = data.clone()
    cerebro.adddata(chained)
    cerebro.adddata(rolled)
    cerebro.adddata(clone)
    cerebro.addstrategy(Trader)
    cerebro.addanalyzer(bt.analyzers.SharpeRatio)
    (strategy,) = cerebro.run()
    order = strategy.orders[0]
    bounded = bt.LineBuffer()
    bounded.qbuffer()
    return {
        "Cerebro": cerebro, "Strategy": strategy, "AbstractDataBase": data, "DataBase": data, "OHLCDateTime": data,
        "LineSeries": data, "_DataLines": data.lines, "Lines": data.lines, "LineBuffer": bounded,
        "Chainer": chained, "RollOver": rolled, "DataClone": clone,
        "Analyzer": strategy.analyzers[0], "BackBroker": cerebro.broker,
        "BrokerBase": cerebro.broker, "CommInfoBase": order.comminfo, "Position": cerebro.broker.positions[data],
        "OrderBase": order, "OrderData": order.executed, "OrderExecutionBit": order.executed.exbits[0],
        "Trade": strategy.trades[0], "_BaseResampler": bt.Resampler(Rising()), "TimeFrame": bt.TimeFrame,
    }  # fmt: skip


def declared() -> Iterator[tuple[str, str]]:
    for path in sorted(STUBS.rglob("*.pyi")):
        for found in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(found, ast.ClassDef):
                for member in found.body:
                    if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                        yield found.name, member.target.id


def test_what_an_object_is_said_to_have_it_has(run: dict[str, Any]) -> None:
    assert [f"{owner}.{name}" for owner, name in declared() if not hasattr(run[owner], name)] == []
