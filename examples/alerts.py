"""Alerts: what a person should hear, by any of Apprise's hundred ways (Telegram, mail, Slack …).

    python alerts.py              offline, to a small server here, so that one sees them arrive
    python alerts.py paper tgram://BOTTOKEN/CHATID

Needs ``pip install 'btccxt[alerts]'``. btccxt alerts by itself what went wrong: a stream that stays away, an order
whose outcome is unknown, a position without its stop. What else is worth it, as a fill, is the strategy's own word.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import backtrader as bt

import btccxt

received = []


class Receiver(BaseHTTPRequestHandler):
    """Takes what Apprise's ``json://`` posts."""

    def do_POST(self):
        received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["message"])
        print("alert:", received[-1])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class TellsOfFills(bt.Strategy):
    """Buys once, and sells what it bought."""

    def __init__(self):
        self.orders = []

    def next(self):
        if self.data._laststatus != self.data.LIVE or any(order.alive() for order in self.orders):
            return
        if len(self.orders) < 2:
            self.orders.append(self.close() if self.orders else self.buy(size=0.01))

    def notify_order(self, order):
        if order.status == order.Completed:
            done = order.executed
            self.broker.store.tell_operators(f"{order.ordtypename()} {abs(done.size):g} at {done.price:.2f}")

    def notify_store(self, notice, *args, **kwargs):
        print("notice:", notice)  # the same, and more, for the strategy itself


def main(mode="sim", address=None, bars=10, **sim):
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        return btccxt.run(
            TellsOfFills, "binance", mode=mode, symbol="BTC/USDT", timeframe="1m", bars=bars,
            alerts=[address or f"json://127.0.0.1:{server.server_port}"],
            sim={"speed": 120, **sim} if mode == "sim" else None,
        )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main(*sys.argv[1:])
