"""Two exchanges in one cerebro: one shows the way, the other is traded.

    python two_exchanges.py       offline; 'paper' for real prices, 'testnet' and 'live' with keys for the traded one

Each exchange is a store of its own. A cerebro has one broker, so one of them trades; an order for the other's data is
refused.
"""

import sys

import backtrader as bt

from btccxt import CCXTStore


class FollowTheLeader(bt.Strategy):
    """Long on the one while the price rises on the other."""

    params = (("bars", 60),)

    def __init__(self):
        self.here, self.there = self.datas
        self.trend = bt.ind.Momentum(self.there.close, period=5)
        self.live_bars, self.prices = 0, {}

    def notify_order(self, order):
        if not order.alive():
            done = order.executed
            print(f"{order.getstatusname():<9} {order.ordtypename():<4} {order.data._name} at {done.price:.2f}")

    def next(self):
        if any(data._laststatus != data.LIVE for data in self.datas):
            return
        self.prices = {data._name: data.close[0] for data in self.datas}
        if self.trend[0] > 0 and not self.getposition(self.here).size:
            self.buy(self.here, size=0.01)
        elif self.trend[0] < 0 and self.getposition(self.here).size:
            self.close(self.here)
        self.live_bars += 1
        if self.live_bars == self.p.bars:
            self.env.runstop()


def main(mode="sim", bars=60, **sim):
    def store(exchange, mode, seed):
        sim_options = {"speed": 240, "seed": seed, **sim} if mode == "sim" else None
        return CCXTStore(exchange, mode=mode, sim=sim_options)

    traded = store("binance", mode, seed=1)
    leader = store("okx", mode if mode == "sim" else "paper", seed=2)  # its public data need no keys
    minutes = bt.TimeFrame.Minutes
    cerebro = bt.Cerebro()
    cerebro.adddata(traded.getdata(dataname="BTC/USDT", timeframe=minutes), name="binance")
    cerebro.adddata(leader.getdata(dataname="BTC/USDT", timeframe=minutes), name="okx")
    cerebro.setbroker(traded.getbroker())
    cerebro.addstrategy(FollowTheLeader, bars=bars)
    return cerebro.run()[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
