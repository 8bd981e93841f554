"""What asking for the value costs, with 20 coins: beside backtrader's own broker with 20 positions."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median
from btccxt.account.ledger import AccountLedger
from btccxt.bt.compat import bt
from btccxt.model import Balance, Balances, Market
from btccxt.sim.markets import spot_market

NAME = "account_reads"
TITLE = "value of an account with 20 coins"

_US = "CPU µs"
_COINS = [f"C{number:02d}" for number in range(20)]
_PRICES = (Decimal("12.3"), Decimal("12.4"))


def run(size: Size) -> Report:
    repeats, rounds = size.pick(20_000, 5_000, 20), size.pick(7, 5, 1)
    ledger, peer = _ledger(), _peer()
    symbols = [f"{coin}/USDT" for coin in _COINS]
    count = 0

    def moved() -> float:
        nonlocal count
        count += 1
        ledger.set_price(symbols[count % len(symbols)], _PRICES[count // len(symbols) % 2])
        return float(ledger.value)

    work: dict[tuple[str, str], Callable[[], Any]] = {
        ("value, nothing moved", "btccxt"): lambda: float(ledger.value),
        ("value, one price moved", "btccxt"): moved,
        ("value", "backtrader's own broker"): peer,
        ("cash", "btccxt"): lambda: float(ledger.cash),
    }
    found: dict[tuple[str, str], list[float]] = {key: [] for key in work}
    for _ in range(rounds):
        for key, ask in work.items():
            found[key].append(_us(ask, repeats))
    rows = tuple(Row(what, who, {_US: median(times)}) for (what, who), times in found.items())
    theirs = median(found["value", "backtrader's own broker"])
    targets = (
        Target("value with one price moved (µs)", median(found["value, one price moved", "btccxt"]), 5.0, digits=2),
        Target(
            "… of backtrader's own broker", median(found["value, one price moved", "btccxt"]) / theirs, 1.0, digits=2
        ),
        Target("cash (µs)", median(found["cash", "btccxt"]), 2.0, digits=2),
    )
    return Report(NAME, TITLE, (Column(_US, 2),), _US, rows, targets)


def _ledger() -> AccountLedger:
    markets: dict[str, Market] = {f"{coin}/USDT": spot_market(f"{coin}/USDT") for coin in _COINS}
    ledger = AccountLedger("USDT", markets)
    totals = {coin: Balance(coin, Decimal("3.5"), Decimal(0)) for coin in _COINS}
    ledger.reset(Balances(0, {"USDT": Balance("USDT", Decimal(10_000), Decimal(0)), **totals}))
    for symbol in markets:
        ledger.set_price(symbol, Decimal("12.345"))
    return ledger


class _Still(bt.feed.DataBase):
    """One bar, and again the same one."""

    def _load(self) -> bool:
        if len(self) > 3:
            return False
        self.lines.datetime[0] = 738_000.0 + len(self)
        for line in (self.lines.open, self.lines.high, self.lines.low, self.lines.close):
            line[0] = 12.345
        self.lines.volume[0] = self.lines.openinterest[0] = 0.0
        return True


class _Holder(bt.Strategy):
    """Buys some of everything."""

    def next(self) -> None:
        for data in self.datas:
            self.buy(data, size=3.5, exectype=bt.Order.Market)


def _peer() -> Callable[[], float]:
    cerebro = bt.Cerebro(stdstats=False)
    for coin in _COINS:
        cerebro.adddata(_Still(dataname=coin))
    cerebro.addstrategy(_Holder)
    cerebro.run()
    broker = cerebro.broker
    if len(broker.positions) != len(_COINS) or not all(position.size for position in broker.positions.values()):
        raise RuntimeError("backtrader's own broker holds something else")
    return lambda: float(broker._get_value())


def _us(ask: Callable[[], Any], repeats: int) -> float:
    began_s = time.process_time()
    for _ in range(repeats):
        ask()
    return (time.process_time() - began_s) / repeats * 1e6
