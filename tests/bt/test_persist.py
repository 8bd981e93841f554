"""A strategy's own variables: they come back as they were, after a restart and after a kill."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import backtrader as bt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import btccxt
from btccxt import Persistent
from btccxt.bt.persist import Variables, encode, from_text, to_text
from btccxt.errors import ConfigError
from btccxt.orders.journal.journal import Journal

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.dates(),
    st.datetimes(), st.datetimes(timezones=st.just(timezone.utc)), st.timedeltas(),
    st.decimals(allow_nan=False),
)  # fmt: skip
KEYS = st.one_of(st.text(), st.integers(), st.tuples(st.text(), st.integers()))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(KEYS, inner), st.sets(st.integers() | st.text())
    ),
    max_leaves=10,
)


def same(one, other) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


@given(st.dictionaries(st.text(), VALUES))
def test_every_value_comes_back_as_the_same_type(values):
    text = to_text(3, values)
    json.loads(text)
    version, back = from_text(text)
    assert version == 3 and same(values, back)


def test_special_numbers_and_numpys_come_back_as_pythons():
    numpy = pytest.importorskip("numpy")
    given = {"nan": math.nan, "i": numpy.int64(3), "f": numpy.float64(0.5), "b": numpy.bool_(True)}
    _, back = from_text(to_text(1, given))
    assert math.isnan(back.pop("nan"))
    assert back == {"i": 3, "f": 0.5, "b": True} and [type(v) for v in back.values()] == [int, float, bool]


def test_what_cannot_be_kept_is_refused_where_it_is_set():
    variables = Variables(None, "A", 1, {})
    with pytest.raises(ConfigError, match=r"persist\.order: a object cannot be kept.*client_order_id"):
        variables.order = object()
    with pytest.raises(ConfigError, match=r"persist\.deep\['a'\]"):
        variables.deep = {"a": object()}
    with pytest.raises(ConfigError, match="begin with _"):
        variables._own = 1
    assert list(variables) == []


def test_names_are_attributes():
    variables = Variables(None, "A", 1, {"count": 1})
    with pytest.raises(AttributeError, match="did you mean 'count'"):
        _ = variables.conut
    variables.count += 1
    assert (variables.count, variables.get("x"), variables.setdefault("count", 9)) == (2, None, 2)
    assert "count" in variables
    del variables.count
    assert "count" not in variables


class Keeper:
    def __init__(self):
        self.texts = {}
        self.writes = 0

    def keep_variables(self, owner, text):
        self.writes += 1
        self.texts[owner] = text


def test_only_changes_are_written_those_inside_containers_too():
    keeper = Keeper()
    variables = Variables(keeper, "A", 1, {})
    variables.levels = [1]
    variables.levels = [1]
    variables.save_changed()
    assert keeper.writes == 1
    variables.levels.append(Decimal("2.5"))
    variables.save_changed()
    assert from_text(keeper.texts["A"]) == (1, {"levels": [1, Decimal("2.5")]})
    assert keeper.writes == 2


# ------------------------------------------------------------------ in a run

SIM = {"speed": 300.0, "seed": 3, "symbols": ("BTC/USDT",)}


class Counts(Persistent, bt.Strategy):
    def __init__(self):
        self.before = self.persist.get("runs", 0)
        self.persist.runs = self.before + 1
        self.persist.setdefault("seen", [])

    def next(self):
        self.persist.seen.append(datetime(2026, 1, 1, tzinfo=timezone.utc))
        self.persist.price = Decimal("60000.10")

    def stop(self):
        self.persist.seen.append("stopped")


def run(strategy, journal):
    return btccxt.run(
        strategy, "binance", mode="sim", sim=SIM, symbol="BTC/USDT", journal=journal, bars=2, data_options={"bars": 3}
    )


def test_a_further_run_finds_what_the_first_one_left(tmp_path):
    first = run(Counts, tmp_path / "j.sqlite3")
    second = run(Counts, tmp_path / "j.sqlite3")
    assert (first.before, second.before) == (0, 1)
    assert len(second.persist.seen) > len(first.persist.seen) > 0
    assert type(second.persist.price) is Decimal
    assert second.persist.seen[0] == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert second.persist.seen.count("stopped") == 2


def test_an_older_version_is_migrated_and_a_newer_one_refused(tmp_path):
    journal = tmp_path / "j.sqlite3"
    run(Counts, journal)

    class Newer(Counts):
        persist_name = "Counts"
        persist_version = 2

    with pytest.raises(ConfigError, match=r"kept by its version 1, this is 2.*migrate_persist"):
        run(Newer, journal)

    class Migrates(Newer):
        def migrate_persist(self, version, values):
            return {**values, "runs": values["runs"] * 100 + version}

    assert run(Migrates, journal).before == 101
    with pytest.raises(ConfigError, match="newer version of the strategy"):
        run(Counts, journal)


def test_two_strategies_of_one_name_are_refused():
    engine = btccxt.LiveEngine(Counts, "binance", mode="sim", sim=SIM, journal=":memory:")
    engine.cerebro.addstrategy(Counts)
    with pytest.raises(ConfigError, match="two strategies keep variables as 'Counts'"):
        engine.run(bars=1)


def test_in_a_backtest_they_live_as_long_as_the_strategy():
    cerebro = bt.Cerebro()
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    lines = [(now + timedelta(days=n), 1, 1, 1, 1, 1, 0) for n in range(3)]

    class Lines(bt.feed.DataBase):
        def _load(self):
            if not lines:
                return False
            when, *values = lines.pop(0)
            self.lines.datetime[0] = bt.date2num(when)
            for name, value in zip(("open", "high", "low", "close", "volume", "openinterest"), values, strict=True):
                getattr(self.lines, name)[0] = value
            return True

    cerebro.adddata(Lines())
    cerebro.addstrategy(Counts)
    (strategy,) = cerebro.run()
    assert (strategy.before, len(strategy.persist.seen)) == (0, 4)


KILLED = """
import sys, time
import backtrader as bt
import btccxt
class Counts(btccxt.Persistent, bt.Strategy):
    def next(self):
        self.persist.setdefault("seen", []).append(1)
        if self.data._laststatus == self.data.LIVE:
            self.persist.stop = 0.1
            print("kept", flush=True)
            while True:
                time.sleep(1)
btccxt.run(Counts, "binance", mode="sim", sim={"speed": 60, "symbols": ("BTC/USDT",)}, symbol="BTC/USDT",
           journal=sys.argv[1], data_options={"bars": 3})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_kill_loses_nothing_that_was_set(tmp_path):
    journal = tmp_path / "j.sqlite3"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(journal)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline().strip() == "kept"
            until_written(journal)
            process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
    opened = Journal.open(journal, exchange="binance", mode="sim", account="nokey")
    try:
        version, values = from_text(opened.variables("Counts").result(60))
    finally:
        opened.close()
    assert version == 1 and values["stop"] == 0.1 and len(values["seen"]) >= 3


def until_written(journal, patience_s=60.0):
    """Its thread writes at once, but not before the print."""
    import sqlite3
    import time
    from contextlib import closing

    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as connection, connection:
            if connection.execute("SELECT 1 FROM meta WHERE value LIKE '%stop%'").fetchone():
                return
        time.sleep(0.05)
    raise AssertionError("nothing was written")


def test_a_date_is_no_datetime():
    assert encode(date(2026, 1, 2), "x") == {"$date": "2026-01-02"}
