"""The README's ten lines with a strategy of your own. Change the mode, or the exchange, and it trades elsewhere."""

import backtrader as bt

from btccxt import CCXTStore

LIVE_BARS = 60


class MovingAverage(bt.Strategy):
    """Buys when the fast average crosses above the slow one, sells when it crosses back. Plain backtrader."""

    def __init__(self):
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=5), bt.ind.SMA(period=20))
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
            return  # history: let the averages warm up
        if self.cross > 0 and not self.position:
            self.buy(size=0.01)
        elif self.cross < 0 and self.position:
            self.close()
        self.live_bars += 1
        if self.live_bars == LIVE_BARS:
            self.env.runstop()


if __name__ == "__main__":
    store = CCXTStore("binance", mode="sim", sim={"speed": 240})  # 240 times faster than the wall clock
    cerebro = bt.Cerebro()
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(MovingAverage)
    cerebro.run()
    print(f"cash {cerebro.broker.getcash():.2f}, value {cerebro.broker.getvalue():.2f} {store.currency}")
