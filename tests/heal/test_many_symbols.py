"""Two hundred symbols on one store: every bar of each, once, in order, the exchange's own figures."""

from __future__ import annotations

from decimal import Decimal

import pytest

from btccxt.bt.compat import bt
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.markets import many_listings
from btccxt.sim.server import SimExchange
from btccxt.sim.synthetic import SyntheticSource
from tests.heal.kit import Run, check_bars, store_on

SYMBOLS = tuple(listing.market.symbol for listing in many_listings(200))


@pytest.mark.slow
def test_two_hundred_symbols_on_one_store_all_get_every_bar_also_through_a_cut():
    market = SyntheticSource(many_listings(len(SYMBOLS)), 4, tick_ms=15_000)
    with BackgroundExchange(
        lambda: SimExchange(market, ("binance",), speed=20, balances={"USDT": Decimal(1000)})
    ) as background:
        store = store_on(background, streams=None)
        with store.kept_open():
            datas = [
                store.getdata(dataname=each, timeframe=bt.TimeFrame.Minutes, backfill_start=False) for each in SYMBOLS
            ]
            run = Run(store, *datas, broker=False, trade_every=0)
            run.until(lambda: live(run) == len(SYMBOLS), "all live", 60.0)
            have_more_bars(run, 2)
            background.call(lambda sim: sim.cut_connections())
            run.until(lambda: not run.healthy(), "the cut is noticed")
            run.until(lambda: live(run) == len(SYMBOLS), "all live again", 60.0)
            have_more_bars(run, 2)
            diary = run.finish()
            assert min(len(rows) for rows in diary.rows.values()) >= 4
            assert check_bars(background, diary, SYMBOLS) >= 4 * len(SYMBOLS)


def live(run: Run) -> int:
    return sum(data._laststatus == data.LIVE for data in run.diary.datas)


def have_more_bars(run: Run, count: int) -> None:
    """Every symbol has this many bars more than now."""
    wanted = [len(rows) + count for rows in run.diary.rows.values()]
    run.until(
        lambda: all(len(rows) >= least for rows, least in zip(run.diary.rows.values(), wanted, strict=True)),
        f"{count} more bars of every symbol",
        60.0,
    )
