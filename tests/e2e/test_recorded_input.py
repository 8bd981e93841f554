"""What the strategy saw is what the exchange recorded, bar for bar, across history, seam and live."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import datetime, timezone
from decimal import Decimal

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from tests import patient_market
from tests.e2e.kit import read_rows, run
from tests.recorded import recorded_path

pytestmark = pytest.mark.usefixtures("patient_market")

MINUTE_MS = 60_000
FAST = 3_000.0  # exchange seconds per second: fifty one-minute bars


def recorded_store(path, symbol: str, start: datetime, **options) -> CCXTStore:
    sim = {"speed": FAST, "market": path, "symbol": symbol, "start": start, **options}
    return CCXTStore("binance", mode="sim", sim=sim)


def test_a_month_of_bitcoin_minutes_arrives_bar_for_bar():
    path = recorded_path("ohlcv/binance_BTC-USDT_1m_2024-11-30_2024-12-29.csv.gz")
    expected = read_rows(path, MINUTE_MS)
    start = datetime.fromtimestamp(expected[-900][0] / 1000, tz=timezone.utc)
    store = recorded_store(path, "BTC/USDT", start)
    data = store.getdata(
        dataname="BTC/USDT",
        timeframe=bt.TimeFrame.Minutes,
        fromdate=datetime(2024, 11, 1),  # noqa: DTZ001
    )
    witness = run(store, data, live_bars=100)
    assert witness.rows[0] == expected[: len(witness.rows[0])]
    assert len(witness.rows[0]) > len(expected) - 900
    assert ("BTC/USDT", "LIVE") in witness.data_news


def test_the_halt_of_2023_03_24_is_reported_and_no_bar_is_invented(monkeypatch):
    monkeypatch.setattr(patient_market, "GIVEN_UP_S", 2.0)  # nobody reads a bar while the exchange is down
    path = recorded_path("ohlcv/binance_ETH-USDT_1m_2023-03-16_2023-05-01_outage.csv.gz")
    resume_ms = int(datetime(2023, 3, 24, 14, 5, tzinfo=timezone.utc).timestamp() * 1000)
    expected = [row for row in read_rows(path, MINUTE_MS) if row[0] <= resume_ms]
    store = recorded_store(path, "ETH/USDT", datetime(2023, 3, 24, 12, 20, tzinfo=timezone.utc))
    data = store.getdata(
        dataname="ETH/USDT",
        timeframe=bt.TimeFrame.Minutes,
        fromdate=datetime(2023, 3, 24),  # noqa: DTZ001
    )
    witness = run(store, data, until_ms=resume_ms)
    day_ms = int(datetime(2023, 3, 24, tzinfo=timezone.utc).timestamp() * 1000)
    assert witness.rows[0] == [row for row in expected if row[0] > day_ms]
    missing = [later[0] - earlier[0] for earlier, later in zip(witness.rows[0], witness.rows[0][1:], strict=False)]
    assert max(missing) == 81 * MINUTE_MS
    assert [hole.to_ms - hole.from_ms for hole in data.holes] == [80 * MINUTE_MS]


def test_bars_built_from_the_trade_tape_equal_its_exact_aggregation():
    path = recorded_path("trades/binance_BTC-USDT_trades_2024-08-08T2354_2024-08-09T0005.csv.gz")
    expected = _aggregate(path)
    minutes = sorted(expected)
    start = datetime.fromtimestamp(minutes[3] / 1000, tz=timezone.utc)
    store = recorded_store(path, "BTC/USDT", start, timeframe=None, speed=120.0)
    candles = store.getdata(
        dataname="BTC/USDT",
        timeframe=bt.TimeFrame.Minutes,
        fromdate=datetime(2024, 8, 8, 23, 55),  # noqa: DTZ001
    )
    witness = run(store, candles, until_ms=minutes[-2] + MINUTE_MS)
    seen = {stamp - MINUTE_MS: tuple(rest) for stamp, *rest in witness.rows[0]}
    whole = {minute: expected[minute] for minute in minutes[1:-1]}
    assert {minute: seen.get(minute) for minute in whole} == whole


def _aggregate(path) -> dict[int, tuple[float, float, float, float, float]]:
    """Independent of the product: exact decimals, one pass over the file."""
    trades = defaultdict(list)
    with gzip.open(path, "rt") as file:
        for line in csv.reader(file):
            if line[0].isdigit():
                minute = int(line[1]) // MINUTE_MS * MINUTE_MS
                trades[minute].append((Decimal(line[3]), Decimal(line[4])))
    return {
        minute: (
            float(rows[0][0]), float(max(price for price, _ in rows)), float(min(price for price, _ in rows)),
            float(rows[-1][0]), float(sum(amount for _, amount in rows)),
        )
        for minute, rows in trades.items()
    }  # fmt: skip
