"""cryptobt 1.0.2 (2022), the packaged descendant of bt-ccxt-store: REST only, a pause before each call.

Not a dependency: it takes part where somebody has installed it. Its synchronous ccxt is led to the embedded exchange
by its HTTP library's own connection function.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import threading
import time
from typing import Any

from benchmarks.exchange_process import keys_of
from benchmarks.market import symbols_of
from benchmarks.processes import Link
from btccxt.bt.compat import bt
from btccxt.sim.tls import SimAddress

NAME = "cryptobt 1.0.2"
_PAUSE_S = 0.005


def is_installed() -> bool:
    return importlib.util.find_spec("cryptobt") is not None


def send(link: Link, address: SimAddress, group: str) -> None:
    """A worker: market orders out of next(); ``("go", n)`` lets the next n bars buy."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as authority:
        authority.write(address.ca_pem)
        authority.flush()
        os.environ["REQUESTS_CA_BUNDLE"] = authority.name
        _lead_to(address)
        _run(link, group)


def _lead_to(address: SimAddress) -> None:
    from urllib3.util import connection

    connect = connection.create_connection
    connection.create_connection = lambda _address, *more, **named: connect(
        (address.host, address.port), *more, **named
    )


def _run(link: Link, group: str) -> None:
    import ccxt
    from cryptobt import CryptoBroker, CryptoFeed

    class Buyer(bt.Strategy):
        def __init__(self) -> None:
            self.left = 0
            self.instants: dict[str, int] = {}
            threading.Thread(target=self._answer, daemon=True).start()

        def next(self) -> None:
            while not self.left:
                time.sleep(_PAUSE_S)
            self.left -= 1
            began_ns = time.time_ns()
            order = self.buy(size=0.1)
            if order is not None:  # its first order always fails, for a parameter that the exchange does not know
                self.instants[order.ccxt_order["clientOrderId"]] = began_ns

        def _answer(self) -> None:
            link.ready()
            while (question := link.question())[0] != "stop":
                if question[0] == "go":
                    self.left = question[1]
                    link.answer()
                else:
                    found, self.instants = self.instants, {}
                    link.answer(found)
            os._exit(0)  # its feed polls for ever

    config = {**keys_of(group), "requests_trust_env": True}
    behind_ms = ccxt.binance(config).load_time_difference()  # the embedded exchange lives at a time of its own
    config["options"] = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "timeDifference": behind_ms}
    options: dict[str, Any] = {"exchange": "binance", "currency": "USDT", "config": config, "retries": 1}
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(
        CryptoFeed(dataname=symbols_of(group, 1)[0], timeframe=bt.TimeFrame.Minutes, compression=60, **options)
    )
    cerebro.setbroker(CryptoBroker(**options))
    cerebro.addstrategy(Buyer)
    cerebro.run(quicknotify=True)
