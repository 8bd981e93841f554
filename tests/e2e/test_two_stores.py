"""Several exchanges, and data that is of none, in one cerebro: the broker trades on its own and touches no other."""

from __future__ import annotations

import csv
import threading

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from tests.e2e.kit import START, Witness

pytestmark = pytest.mark.usefixtures("patient_market")


def market(exchange: str, seed: int, **options) -> CCXTStore:
    return CCXTStore(
        exchange, mode="sim", journal=":memory:", sim={"speed": 240.0, "seed": seed, "start": START}, **options
    )


def minutes(store: CCXTStore, symbol: str):
    return store.getdata(dataname=symbol, timeframe=bt.TimeFrame.Minutes)


def test_one_exchange_gives_the_signal_and_another_the_fills():
    """Both list BTC/USDT, at other prices: the second one's must neither be traded nor value the position."""
    before = set(threading.enumerate())
    here, there = market("binance", 3), market("okx", 8)
    seen = {}

    def act(strategy: Witness) -> None:
        if strategy.live == 2:
            strategy.buy(data=strategy.data0, size=0.1)
            seen["refused"] = strategy.buy(data=strategy.data1, size=0.1)
        elif strategy.live == 6:
            broker = strategy.broker
            seen["positions"] = [broker.getposition(data).size for data in strategy.datas]
            seen["values"] = [broker.getvalue(datas=[data]) for data in strategy.datas]
            seen["prices"] = [data.close[0] for data in strategy.datas]

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(minutes(here, "BTC/USDT"), name="here")
    cerebro.adddata(minutes(there, "BTC/USDT"), name="there")
    cerebro.setbroker(here.getbroker())
    cerebro.addstrategy(Witness, live_bars=7, act=act)
    witness = cerebro.run()[0]
    assert set(threading.enumerate()) == before
    assert all(len(rows) > 100 for rows in witness.rows.values())
    assert seen["refused"].status == bt.Order.Rejected
    assert "okx" in seen["refused"].info.reasons[0]
    assert seen["positions"][0] == 0.0999 and seen["positions"][1] == 0
    assert seen["prices"][0] != seen["prices"][1]
    assert seen["values"] == [0.0999 * seen["prices"][0], 0]


def test_a_file_of_others_may_run_beside_what_is_traded(tmp_path):
    path = tmp_path / "mood.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for day in range(1, 5):
            writer.writerow([f"2026-01-0{day} 00:00:00", 1, 1, 1, day, 0, 0])
    store = market("binance", 3)

    def act(strategy: Witness) -> None:
        if strategy.live == 1:
            strategy.buy(size=0.1)
            strategy.refused = strategy.buy(data=strategy.data1, size=1)

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(minutes(store, "BTC/USDT"))
    cerebro.adddata(bt.feeds.GenericCSVData(dataname=str(path)), name="mood")
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(Witness, live_bars=5, act=act)
    witness = cerebro.run()[0]
    assert witness.position.size == 0.0999
    assert witness.data1.close[0] == 4
    assert witness.refused.status == bt.Order.Rejected and "mood" in witness.refused.info.reasons[0]
