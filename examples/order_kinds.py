"""Every kind of order, one after the other: placed, looked at for a bar, cancelled, and what it opened closed again.

python order_kinds.py         offline; 'paper' for real prices, 'testnet' and 'live' with keys
"""

import datetime as dt
import sys

import backtrader as bt

import btccxt

Order = bt.Order


class OrderKinds(bt.Strategy):
    params = (("size", 0.01),)

    def __init__(self):
        self.left = [
            self.market, self.limit, self.post_only, self.good_till_date, self.iceberg, self.break_out, self.stop_limit,
            self.trailing, self.trailing_limit, self.oco, self.bracket, self.percent_bracket,
        ]  # fmt: skip
        self.orders = []
        self.ends = {}
        self.reduced = False

    def next(self):
        if self.data._laststatus != self.data.LIVE:
            return
        alive = [order for order in self.orders if order.alive()]
        if alive:  # a bracket or a pair goes as a whole
            self.cancel(alive[0])
        elif self.position and not self.reduced:
            self.reduced = True
            self.place(self.reduce_only)
        elif self.position:
            self.orders = [self.close()]
        elif self.left:
            self.place(self.left.pop(0))
        else:
            self.env.runstop()

    def place(self, kind):
        made = kind(self.data.close[0], self.p.size)
        self.orders = [order for order in (made if isinstance(made, list) else [made]) if order is not None]
        self.ends[kind.__name__] = self.orders

    def market(self, price, size):
        return self.buy(size=size)

    def limit(self, price, size):
        return self.buy(size=size, exectype=Order.Limit, price=price * 0.99)

    def post_only(self, price, size):
        return self.buy(size=size, exectype=Order.Limit, price=price * 0.99, post_only=True)

    def good_till_date(self, price, size):
        return self.buy(size=size, exectype=Order.Limit, price=price * 0.99, valid=dt.timedelta(hours=1))

    def iceberg(self, price, size):
        return self.buy(size=3 * size, exectype=Order.Limit, price=price * 1.002, iceberg=size)

    def break_out(self, price, size):
        return self.buy(size=size, exectype=Order.Stop, price=price * 1.01)

    def stop_limit(self, price, size):
        return self.buy(size=size, exectype=Order.StopLimit, price=price * 1.01, plimit=price * 1.012)

    def trailing(self, price, size):
        return self.sell(size=size, exectype=Order.StopTrail, trailpercent=0.01)

    def trailing_limit(self, price, size):
        return self.sell(size=size, exectype=Order.StopTrailLimit, trailpercent=0.01, price=price, plimit=price - 5)

    def oco(self, price, size):
        dip = self.buy(size=size, exectype=Order.Limit, price=price * 0.99)
        return [dip, self.buy(size=size, exectype=Order.Stop, price=price * 1.01, oco=dip)]

    def bracket(self, price, size):
        return self.buy_bracket(
            size=size, exectype=Order.Limit, price=price * 0.99, stopprice=price * 0.97, limitprice=price * 1.02
        )

    def percent_bracket(self, price, size):
        return self.broker.bracket(self.data, -size, stop_pct=3, target_pct=3)

    def reduce_only(self, price, size):
        return self.sell(size=size, exectype=Order.Limit, price=price * 1.02, reduce_only=True)

    def notify_order(self, order):
        if not order.alive():
            print(f"{order.getstatusname():<9} {order.getordername():<14} {order.executed.size:+.3f}")


def main(mode="sim", bars=120, **sim):
    return btccxt.run(
        OrderKinds, "binanceusdm", mode=mode, symbol="BTC/USDT:USDT", timeframe="1m", bars=bars,
        sim={"speed": 240, **sim} if mode == "sim" else None,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
