"""The README's ten lines: a moving-average strategy on the embedded exchange. Change the mode and it trades elsewhere."""

import backtrader as bt

from btccxt import CCXTStore


class MovingAverage(bt.Strategy):
    def __init__(self):
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=5), bt.ind.SMA(period=20))

    def notify_order(self, order):
        print(f"{order.getstatusname():<9} {order.ordtypename():<4} {order.executed.size:.5f} at {order.executed.price:.2f}")

    def next(self):
        if self.cross > 0 and not self.position:
            self.buy(size=0.01)
        elif self.cross < 0 and self.position:
            self.close()
        if len(self) == 260:
            self.env.runstop()


store = CCXTStore("binance", mode="sim", sim={"speed": 120})  # mode="paper" is the default; "testnet", "live" need keys
cerebro = bt.Cerebro()
cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes, backfill_bars=200))
cerebro.setbroker(store.getbroker())
cerebro.addstrategy(MovingAverage)
cerebro.run()
