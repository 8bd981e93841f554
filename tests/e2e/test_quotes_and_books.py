"""Bid, ask, spread and the order book beside ticks, through ccxt.pro and the embedded exchange."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from btccxt import CCXTStore, ConfigError
from btccxt.bt.compat import bt

BOUND_S = 60.0


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx", "kraken"])
def test_a_tick_has_its_quote_and_the_store_its_order_book(exchange: str) -> None:
    store = CCXTStore(exchange, mode="sim", sim={"speed": 20, "symbols": ("BTC/USDT",)})
    found: list[Any] = []
    refused: list[str] = []

    class Looking(bt.Strategy):  # type: ignore[misc]
        def prenext(self) -> None:
            self.next()

        def next(self) -> None:
            data, book = self.data, store.order_book("BTC/USDT")
            if data.bid[0] == data.bid[0] and book is not None:
                found.append((data.bid[0], data.ask[0], data.spread[0], book))
                try:
                    CCXTStore.order_book(store, "ETH/USDT")
                except ConfigError as error:
                    refused.append(str(error))
                self.env.runstop()

    cerebro = bt.Cerebro(stdstats=False)
    options = {"backfill_start": False, "quotes": True, "order_book": True}
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Ticks, **options))
    cerebro.addstrategy(Looking)
    timer = threading.Timer(BOUND_S, cerebro.runstop)
    timer.start()
    cerebro.run()
    timer.cancel()
    (bid, ask, spread, book), *_ = found
    assert 0.0 < bid < ask and spread == ask - bid
    assert book.symbol == "BTC/USDT" and book.bids[0][0] < book.asks[0][0]
    assert len(book.bids) > 1 and len(book.bids) <= 25
    assert refused
    with pytest.raises(ConfigError, match="not started"):
        store.order_book("BTC/USDT")
