"""A plain ``cerebro.run()`` without any log set up says on stderr why an order was not sent."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import backtrader as bt
from btccxt import CCXTStore

class Big(bt.Strategy):
    def next(self):
        self.buy(size=1000)
        if self.data._laststatus == self.data.LIVE and len(self) > 13:
            self.env.runstop()

store = CCXTStore("binance", mode="sim", sim={"speed": 300, "symbols": ("BTC/USDT",)}, journal=":memory:")
cerebro = bt.Cerebro()
cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes, bars=10))
cerebro.setbroker(store.getbroker())
cerebro.addstrategy(Big)
cerebro.run()
"""


def test_each_reason_is_said_once():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=280, check=True)
    refused = [line for line in done.stderr.splitlines() if "order_refused" in line]
    assert sum("warm-up" in line for line in refused) == 1
    assert any("needs" in line and "USDT" in line and "free" in line for line in refused)
    assert all("buy 1000 BTC/USDT market" in line for line in refused)
