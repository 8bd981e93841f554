"""A backtrader strategy, unchanged, on any exchange.

python moving_average.py              the embedded exchange: offline, 240 times faster than the clock
python moving_average.py paper        real prices, no money, no keys; 'testnet' and 'live' need keys
"""

import sys

import backtrader as bt

from btccxt import CCXTStore


class MovingAverage(bt.Strategy):
    """Buys when the fast average crosses above the slow one, sells when it crosses back."""

    params = (("fast", 5), ("slow", 20), ("bars", 60))

    def __init__(self):
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow))
        self.live_bars = 0

    def notify_order(self, order):
        filled = order.executed
        print(f"{order.getstatusname():<9} {order.ordtypename():<4} {order.created.size:+.5f}", end="")
        print(f", filled {filled.size:+.5f} at {filled.price:.2f}" if filled.size else "")

    def notify_trade(self, trade):
        if trade.isclosed:
            print(f"trade closed: {trade.pnlcomm:+.2f} after fees")

    def next(self):
        if self.data._laststatus != self.data.LIVE:
            return  # history: the averages warm up, and an order would be refused
        if self.cross > 0 and not self.position:
            self.buy(size=0.01)
        elif self.cross < 0 and self.position:
            self.close()
        self.live_bars += 1
        if self.live_bars == self.p.bars:
            self.env.runstop()


def main(mode="sim", bars=60, **sim):
    store = CCXTStore("binance", mode=mode, sim={"speed": 240, **sim} if mode == "sim" else None)
    cerebro = bt.Cerebro()
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(MovingAverage, bars=bars)
    strategies = cerebro.run()
    print(f"cash {cerebro.broker.getcash():.2f}, value {cerebro.broker.getvalue():.2f} {store.currency}")
    return strategies[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
