"""What a store says at its start."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.config import Mode
from btccxt.model import Balance
from btccxt.orders.risk import TradingState
from btccxt.sim.markets import linear_market, spot_market
from btccxt.store.hints import start_hints

ACTIVE = TradingState.ACTIVE, ""
BTC, PERP = spot_market("BTC/USDT"), linear_market("BTC/USDT:USDT")
MARKETS = {BTC.symbol: BTC, PERP.symbol: PERP, "OLD/USDT": replace(spot_market("OLD/USDT"), active=False)}


def hints(mode=Mode.LIVE, symbol=BTC.symbol, free="1000", base="0", off_ms=10.0, keys=True, trading=ACTIVE):
    balances = {"USDT": Balance("USDT", D(free), D(0)), "BTC": Balance("BTC", D(base), D(0))}
    return start_hints(mode, [symbol], MARKETS, balances, clock_off_ms=off_ms, keys_given=keys, trading=trading)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, None),
        ({"free": "3.20"}, "3.2 USDT are free, and the smallest order of BTC/USDT costs 5 USDT"),
        ({"free": "3.20", "base": "0.1"}, None),  # it can sell
        ({"free": "3.20", "base": "0.1", "symbol": PERP.symbol}, "smallest order of BTC/USDT:USDT"),
        ({"symbol": "OLD/USDT"}, "not active"),
        ({"off_ms": 2_340.0}, "2.3 s behind the exchange's"),
        ({"off_ms": -2_340.0}, "2.3 s ahead of the exchange's"),
        ({"off_ms": 2_340.0, "mode": Mode.SIM, "keys": False}, None),
        ({"mode": Mode.PAPER}, "keys are given, but mode is 'paper'"),
        ({"mode": Mode.PAPER, "keys": False}, None),
        (
            {"trading": (TradingState.REDUCING, "ctl flatten by me")},
            "trading is REDUCING (ctl flatten by me), until: btccxt",
        ),
        ({"trading": (TradingState.HALTED, "")}, "trading is HALTED, until: btccxt trading active"),
    ],
)
def test_one_line_for_what_is_wrong(given, says):
    found = hints(**given)
    assert len(found) == (says is not None)
    assert says is None or says in found[0]


def test_a_store_tells_them_where_the_user_looks():
    told = []

    class Listens(bt.Strategy):
        def notify_store(self, msg, *args, **kwargs):
            told.append(str(msg))
            self.env.runstop()

    store = CCXTStore("binance", mode="sim", balance=1, sim={"speed": 60, "symbols": ("BTC/USDT",)})
    cerebro = bt.Cerebro()
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(Listens)
    cerebro.run()
    assert any("nothing can be bought" in text for text in told)
