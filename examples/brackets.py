"""Brackets: an entry with a stop and a target, which come to life with its first fill and end each other.

    python brackets.py            offline; 'paper' for real prices, 'testnet' and 'live' with keys

On spot the stop rests at the exchange and the target waits here, because coins can be bound once; on contracts both
rest there. ``order.info`` says which is which.
"""

import sys

import backtrader as bt

import btccxt


class Brackets(bt.Strategy):
    params = (("distance", 0.002),)  # of stop and target from the price, as a part of it

    def __init__(self):
        self.bracket, self.trades_closed = [], 0

    def next(self):
        if self.data._laststatus != self.data.LIVE or any(order.alive() for order in self.bracket):
            return
        price, distance = self.data.close[0], self.p.distance
        self.bracket = self.buy_bracket(
            size=0.01,
            exectype=bt.Order.Market,
            stopprice=price * (1 - distance),
            limitprice=price * (1 + distance),
        )

    def notify_order(self, order):
        if order.status == order.Completed:
            role = ("entry", "stop", "target")[self.bracket.index(order)] if order in self.bracket else "further part"
            print(f"{role:<6} {order.executed.size:+.5f} at {order.executed.price:.2f}")
        elif order.status in (order.Rejected, order.Margin):
            print("refused:", *order.info.reasons)

    def notify_trade(self, trade):
        if trade.isclosed:
            self.trades_closed += 1
            print(f"       {trade.pnlcomm:+.2f} after fees")


def main(mode="sim", bars=60, **sim):
    return btccxt.run(
        Brackets, "binance", mode=mode, symbol="BTC/USDT", timeframe="1m", bars=bars,
        sim={"speed": 240, **sim} if mode == "sim" else None,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
