"""Long and short on a perpetual contract, each position left to a trailing stop.

    python trailing_perpetual.py  offline; 'paper' for real prices, 'testnet' and 'live' with keys

Sizes are contracts as the exchange counts them; the account must be in one-way mode.
"""

import sys

import backtrader as bt

import btccxt


class Trailing(bt.Strategy):
    params = (("trail", 0.002), ("size", 0.01))

    def __init__(self):
        self.momentum = bt.ind.Momentum(period=10)
        self.entry = self.trailing = None
        self.sides_closed = []

    def next(self):
        if self.data._laststatus != self.data.LIVE or self.entry is not None:
            return
        enter = self.buy if self.momentum[0] > 0 else self.sell
        self.entry = enter(size=self.p.size)

    def notify_order(self, order):
        if order.alive():
            return
        done = order.executed
        print(f"{order.getstatusname():<9} {order.getordername():<9} {done.size:+.3f} at {done.price:.1f}")
        if order == self.entry and order.status == order.Completed:
            leave = self.sell if order.isbuy() else self.buy
            self.trailing = leave(
                size=abs(done.size), exectype=bt.Order.StopTrail, trailpercent=self.p.trail, reduce_only=True
            )
        else:
            self.entry = self.trailing = None

    def notify_trade(self, trade):
        if trade.isclosed:
            self.sides_closed.append("long" if trade.long else "short")
            print(f"          {self.sides_closed[-1]} closed: {trade.pnlcomm:+.2f} after fees and funding")


def main(mode="sim", bars=60, **sim):
    return btccxt.run(
        Trailing, "binanceusdm", mode=mode, symbol="BTC/USDT:USDT", timeframe="1m", bars=bars,
        sim={"speed": 240, **sim} if mode == "sim" else None,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
