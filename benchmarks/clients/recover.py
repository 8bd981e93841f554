"""Recovery: fill a journal with orders and die; then ``python -m benchmarks.clients.recover host:port journal``."""

from __future__ import annotations

import json
import logging
import sys
import time
from decimal import Decimal

from benchmarks.clients.ours import store_at
from benchmarks.market import symbols_of
from benchmarks.processes import Link
from btccxt.model import OrderKind, OrderRequest, Side, TimeInForce
from btccxt.orders.journal.reader import JournalReader
from btccxt.sim.tls import SimAddress

_GROUP = "A"
_PRICE = Decimal(50)
_PATIENCE_S = 120.0


def fill_journal(link: Link, address: SimAddress, journal: str, ended: int, opened: int) -> None:
    """A worker, to be killed: ``ended`` orders that the exchange expired, ``opened`` that rest there."""
    logging.disable(logging.WARNING)
    store = store_at(address, _GROUP, journal=journal)
    store.getbroker()
    store.start()
    names, submit = [], store.order_desk().submit
    for number in range(ended + opened):
        names.append(store.next_client_order_id())
        tif = TimeInForce.IOC if number < ended else TimeInForce.GTC
        request = OrderRequest(
            names[-1], symbols_of(_GROUP, 1)[0], Side.BUY, OrderKind.LIMIT, Decimal(1), price=_PRICE, time_in_force=tif
        )
        submit(request, {"ref": str(number), "tradeid": "0", "data": ""})
        if number % 20 == 0:
            time.sleep(0.05)
    began_s = time.monotonic()
    while len(JournalReader(journal).orders(limit=ended + opened + 1, only_open=True)) != opened:
        time.sleep(0.2)
        if time.monotonic() - began_s > _PATIENCE_S:
            raise RuntimeError("the orders did not become what they should")
    for name in names[:ended]:
        store.order_told(name)
    time.sleep(0.5)  # until that is written
    link.ready()
    link.question()


def recover(address: str, journal: str) -> None:
    logging.disable(logging.WARNING)
    store = store_at(address, _GROUP, journal=journal)
    store.getbroker()
    store.start()
    print(json.dumps([time.monotonic(), time.process_time(), len(store.restored_orders().open_orders)]))
    store.stop()


if __name__ == "__main__":
    recover(sys.argv[1], sys.argv[2])
