"""Every trade of the market, made into bars of five seconds here. No exchange offers such candles.

python ticks_to_bars.py       offline; 'paper' for real prices, 'testnet' and 'live' with keys
"""

import sys

import backtrader as bt

from btccxt import CCXTStore


class ThreeInARow(bt.Strategy):
    """Buys after three rising bars of five seconds, sells after two falling ones."""

    params = (("bars", 60),)

    def __init__(self):
        self.bars, self.ticks = self.datas[1], self.datas[0]
        self.seen, self.live_bars, self.closes = 0, 0, []

    def notify_order(self, order):
        if not order.alive():
            done = order.executed
            print(f"{order.getstatusname():<9} {order.ordtypename():<4} {abs(done.size):.5f} at {done.price:.2f}")

    def next(self):
        if len(self.bars) == self.seen or self.ticks._laststatus != self.ticks.LIVE:
            return  # a tick, and no bar has closed with it
        self.seen = len(self.bars)
        self.live_bars += 1
        self.closes = [*self.closes[-3:], self.bars.close[0]]
        steps = [after - before for before, after in zip(self.closes, self.closes[1:], strict=False)]
        if len(steps) == 3 and min(steps) > 0 and not self.position:
            self.buy(size=0.01)  # of self.ticks, the data that the exchange knows
        elif len(steps) > 1 and max(steps[-2:]) < 0 and self.position:
            self.close()
        if self.live_bars == self.p.bars:
            self.env.runstop()


def main(mode="sim", bars=60, **sim):
    store = CCXTStore("binance", mode=mode, sim={"speed": 30, **sim} if mode == "sim" else None)
    cerebro = bt.Cerebro()
    ticks = store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Ticks)
    cerebro.adddata(ticks)
    cerebro.resampledata(ticks, timeframe=bt.TimeFrame.Seconds, compression=5)
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(ThreeInARow, bars=bars)
    return cerebro.run()[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
