"""Many symbols over one connection: the account is always in the coin that rose most.

    python rotation.py            offline; 'paper' for real prices, 'testnet' and 'live' with keys

The sale and the purchase are asked for in the same bar; the purchase waits until the sale's money is there.
"""

import sys

import backtrader as bt

import btccxt

COINS = ("BTC/USDT", "ETH/USDT", "BNB/USDT", "SOL/USDT", "DOGE/USDT")


class Rotation(bt.Strategy):
    params = (("look_back", 20), ("every", 5), ("share", 0.9))

    def __init__(self):
        self.rise = {data: bt.ind.RateOfChange100(data.close, period=self.p.look_back) for data in self.datas}
        self.held = []
        self.bars_seen = 0

    def next(self):
        if any(data._laststatus != data.LIVE for data in self.datas):
            return
        self.bars_seen += 1
        if self.bars_seen % self.p.every != 1:
            return
        best = max(self.datas, key=lambda data: self.rise[data][0])
        if self.held and self.held[-1] == best._name:
            return
        for data in self.datas:
            if data is not best and self.getposition(data).size:
                self.close(data)
        self.order_target_percent(best, target=self.p.share)
        self.held.append(best._name)
        print(f"{best.datetime.datetime(0):%H:%M}  into {best._name}, {self.rise[best][0]:+.2f} %")

    def notify_order(self, order):
        if order.status == order.Completed:
            done = order.executed
            print(f"       {order.ordtypename():<4} {order.data._name:<9} {abs(done.size):g} at {done.price:g}")
        elif order.status in (order.Rejected, order.Margin):
            print("       refused:", *order.info.reasons)


def main(mode="sim", bars=60, **sim):
    return btccxt.run(
        Rotation, "binance", mode=mode, symbol=COINS, timeframe="1m", bars=bars,
        sim={"speed": 240, **sim} if mode == "sim" else None,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
