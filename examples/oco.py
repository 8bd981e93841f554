"""A pair of orders of which one ends the other (``oco=``): a target and a stop for what is held already.

python oco.py                 offline; 'paper' for real prices, 'testnet' and 'live' with keys
"""

import sys

import backtrader as bt

import btccxt


class OneCancelsOther(bt.Strategy):
    params = (("distance", 0.002),)

    def __init__(self):
        self.entry = self.stop_order = self.target = None
        self.pairs_done = 0

    def next(self):
        if self.data._laststatus == self.data.LIVE and self.entry is None:
            self.entry = self.buy(size=0.01)

    def notify_order(self, order):
        if order.alive():
            return
        done = order.executed
        print(f"{order.getstatusname():<9} {order.getordername():<6} {done.size:+.5f} at {done.price:.2f}")
        if order == self.entry and order.status == order.Completed:
            # What came in is what there is to sell: a fee may have been taken in coins.
            size, price, distance = self.position.size, done.price, self.p.distance
            self.stop_order = self.sell(size=size, exectype=bt.Order.Stop, price=price * (1 - distance))
            self.target = self.sell(
                size=size, exectype=bt.Order.Limit, price=price * (1 + distance), oco=self.stop_order
            )
        elif self.target is not None and not self.target.alive() and not self.stop_order.alive():
            self.entry = self.stop_order = self.target = None  # the next bar begins again
            self.pairs_done += 1


def main(mode="sim", bars=60, **sim):
    return btccxt.run(
        OneCancelsOther, "binance", mode=mode, symbol="BTC/USDT", timeframe="1m", bars=bars,
        sim={"speed": 240, **sim} if mode == "sim" else None,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
