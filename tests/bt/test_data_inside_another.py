"""A data inside another: backfill_from= of another store, chaindata, rolloverdata; historical and live."""

from __future__ import annotations

from typing import Any

import pytest

from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from tests.bt.harness import LIVE, MINUTE_MS, START_MS, FakeStore, Run, closed, make_bars, wait_until

TF = bt.TimeFrame
BARS = make_bars(12)
CLOSES = [bar.close for bar in BARS]


class StartedStore(FakeStore):
    """Answers only when it was started, as a real one does."""

    is_started = False

    def start(self) -> None:
        if not self.is_started:
            self.is_started = True
            super().start()

    def history(self, request: Any) -> Any:
        if not self.is_started:
            raise ConfigError("the store is not started")
        return super().history(request)

    def past_data(self, first: int, last: int) -> Any:
        symbol = f"PART{first}/USDT"
        self.past[symbol] = BARS[first:last]
        return self.getdata(symbol, historical=True)


def live_script(run: Run, store: FakeStore, *, first: int, symbol: str = "BTC/USDT") -> None:
    store.send(symbol, closed(*BARS[first:10]), LIVE)
    wait_until(lambda: len(run.bars) >= 10, "history came")
    store.send(symbol, closed(BARS[10]))
    wait_until(lambda: len(run.bars) >= 11, "a live bar came")
    store.send(symbol, closed(BARS[11]))
    wait_until(lambda: len(run.bars) >= 12, "another live bar came")
    run.cerebro.runstop()


def closes(run: Run) -> list[float]:
    return [bar[0][2] for bar in run.bars]


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("added", [False, True])
def test_history_of_another_store_comes_before_this_ones(live: bool, added: bool) -> None:
    other, store = StartedStore(), StartedStore()
    run = Run(store)
    if added:
        other.cerebro = run.cerebro
        from btccxt.bt.cerebro import CerebroLoop

        CerebroLoop.of(run.cerebro).attach(other)
    store.past["BTC/USDT"] = BARS[5:]
    run.cerebro.adddata(store.getdata(historical=not live, backfill_from=other.past_data(0, 6)))
    if live:
        store.play(lambda: live_script(run, store, first=5))
    run.go()
    assert closes(run) == CLOSES
    assert store.requests[0].from_ms == START_MS + 6 * MINUTE_MS


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("how", ["chaindata", "rolloverdata"])
def test_historical_datas_one_after_another(how: str, beside: bool) -> None:
    store = StartedStore()
    run = Run(store)
    if beside:
        store.past["ETH/USDT"] = BARS
        run.cerebro.adddata(store.getdata("ETH/USDT", historical=True))
    parts = [store.past_data(0, 7), store.past_data(5, 12)]
    options = {"checkdate": lambda moment, data: data.close[0] >= CLOSES[6]} if how == "rolloverdata" else {}
    getattr(run.cerebro, how)(*parts, name="x", **options)
    run.go()
    assert [bar[-1][2] for bar in run.bars] == CLOSES


@pytest.mark.parametrize("how", ["chaindata", "rolloverdata"])
@pytest.mark.parametrize("begins", [7, 9])
def test_a_part_that_begins_when_the_one_before_has_ended_loses_no_bar(how: str, begins: int) -> None:
    store = StartedStore()
    run = Run(store)
    getattr(run.cerebro, how)(store.past_data(0, 7), store.past_data(begins, 12), name="x")
    run.go()
    assert [bar[-1][2] for bar in run.bars] == CLOSES[:7] + CLOSES[begins:]


@pytest.mark.parametrize("how", ["chaindata", "rolloverdata"])
def test_history_goes_over_into_live_bars_and_waits_for_them(how: str) -> None:
    past, store = StartedStore(), StartedStore()
    run = Run(past, store)
    getattr(run.cerebro, how)(past.past_data(0, 6), store.getdata(), name="x")
    store.play(lambda: live_script(run, store, first=4))
    run.go()
    assert closes(run) == CLOSES
    assert "LIVE" in [entry[2] for entry in run.kinds("data")]


def test_a_live_contract_is_rolled_over_into_the_next() -> None:
    store = StartedStore()
    run = Run(store)
    old, new = store.getdata("OLD/USDT"), store.getdata("NEW/USDT")
    run.cerebro.rolloverdata(old, new, name="x", checkdate=lambda moment, data: data.close[0] >= CLOSES[5])

    def script() -> None:
        store.send("OLD/USDT", closed(*BARS[:4]), LIVE)
        store.send("NEW/USDT", closed(*make_bars(4, price=500.0)), LIVE)
        wait_until(lambda: len(run.bars) == 4)
        for n in range(4, 9):
            store.send("NEW/USDT", closed(make_bars(9, price=500.0)[n]))
            store.send("OLD/USDT", closed(BARS[n]))
            wait_until(lambda n=n: len(run.bars) >= n + 1, f"bar {n}")
        run.cerebro.runstop()

    store.play(script)
    run.go()
    assert closes(run)[:5] == CLOSES[:5]
    assert closes(run)[6:] == [506.0, 507.0, 508.0]


def test_what_comes_before_must_end() -> None:
    store = StartedStore()
    run = Run(store)
    run.cerebro.adddata(store.getdata(backfill_from=store.getdata("ETH/USDT")))
    with pytest.raises(ConfigError, match="historical=True"):
        run.go()


@pytest.mark.parametrize("wrapper", [bt.filters.datafilter.DataFilter, bt.filters.datafiller.DataFiller])
@pytest.mark.parametrize("live", [False, True])
def test_a_wrapper_that_does_not_pass_cerebro_on_is_refused(wrapper: Any, live: bool) -> None:
    store = StartedStore()
    store.past["BTC/USDT"] = BARS
    run = Run(store)
    run.cerebro.adddata(wrapper(dataname=store.getdata(historical=not live), timeframe=TF.Minutes))
    with pytest.raises(ConfigError, match=r"BTC/USDT 1m: .*data\.addfilter"):
        run.go()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"compression": 15}, "another length"),
        ({"timeframe": TF.Ticks}, "another length"),
        ({"stamp": "open"}, "stamp"),
    ],
)
@pytest.mark.parametrize("how", ["backfill_from", "chaindata", "rolloverdata"])
def test_bars_of_two_lengths_or_stamps_never_make_one_data(how: str, changes: dict[str, Any], words: str) -> None:
    store = StartedStore()
    run = Run(store)
    store.past["A"] = store.past["B"] = []
    other = store.getdata("A", historical=True, **changes)
    if how == "backfill_from":
        run.cerebro.adddata(store.getdata("B", historical=True, backfill_from=other))
    else:
        getattr(run.cerebro, how)(other, store.getdata("B", historical=True), name="x")
    with pytest.raises(ConfigError, match=words):
        run.go()


def test_a_resampled_history_comes_before_bars_of_its_length() -> None:
    other, store = StartedStore(), StartedStore()
    run = Run(store)
    other.past["A"] = make_bars(10)
    store.past["BTC/USDT"] = make_bars(3, START_MS + 10 * MINUTE_MS, 5 * MINUTE_MS)
    past = other.getdata("A", historical=True)
    past.resample(timeframe=TF.Minutes, compression=5)
    run.cerebro.adddata(store.getdata(historical=True, compression=5, backfill_from=past))
    run.go()
    assert [bar[0][1] - START_MS for bar in run.bars] == [n * 5 * MINUTE_MS for n in range(1, 6)]


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("how", ["chaindata", "rolloverdata", "backfill_from"])
def test_a_data_in_two_places_is_refused(how: str, live: bool) -> None:
    store = StartedStore()
    run = Run(store)
    store.past["A"] = store.past["B"] = BARS
    first = store.getdata("A", historical=not live or how == "backfill_from")
    run.cerebro.adddata(first)
    if how == "backfill_from":
        run.cerebro.adddata(store.getdata("B", historical=not live, backfill_from=first))
    else:
        second = store.getdata("B", historical=not live)
        run.cerebro.adddata(second)
        getattr(run.cerebro, how)(first, second, name="x")
    with pytest.raises(ConfigError, match="in two places"):
        run.go()


def test_one_history_may_go_before_several_datas() -> None:
    other, store = StartedStore(), StartedStore()
    run = Run(store)
    past = other.past_data(0, 6)
    for symbol in ("A", "B"):
        store.past[symbol] = BARS[6:]
        run.cerebro.adddata(store.getdata(symbol, historical=True, backfill_from=past))
    run.go()
    assert [bar[0][2] for bar in run.bars] == [bar[1][2] for bar in run.bars] == CLOSES
