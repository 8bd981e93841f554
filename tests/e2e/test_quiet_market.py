"""A market that trades now and then, on an exchange that sends no candle for a minute without trades."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from tests.e2e.kit import START, Witness, read_rows, run

MINUTE_MS = 60_000
START_MS = int(START.timestamp() * 1000)
HISTORY = range(-30, 3)
TRADED = (*HISTORY, 8, 9, 14)  # minutes after the start: those between have no trade


def quiet_file(folder: Path) -> Path:
    path = folder / "quiet.csv.gz"
    with gzip.open(path, "wt") as file:
        for number in TRADED:
            price = 60_000 + number * 10
            prices = f"{price}.0,{price + 5}.0,{price - 5}.0,{price + 2}.0"
            print(f"{START_MS + number * MINUTE_MS},{prices},1.5", file=file)
    return path


def test_bars_after_a_silence_are_live_and_nothing_is_asked_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    fetch = CCXTExchange.fetch_ohlcv

    async def counted(exchange: CCXTExchange, *args: Any, **kwargs: Any) -> Any:
        asked.append(1)
        return await fetch(exchange, *args, **kwargs)

    monkeypatch.setattr(CCXTExchange, "fetch_ohlcv", counted)
    path = quiet_file(tmp_path)
    sim = {"speed": 120.0, "market": path, "symbol": "BTC/USDT", "timeframe": "1m", "start": START}
    store = CCXTStore("kraken", mode="sim", sim=sim)
    data = store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes, gaps="raise")
    witness: Witness = run(store, data, until_ms=START_MS + 15 * MINUTE_MS)
    expected = read_rows(path, MINUTE_MS)
    assert [row[0] for row in witness.rows[0]] == [row[0] for row in expected[: len(witness.rows[0])]]
    assert witness.rows[0][-1][0] == START_MS + 15 * MINUTE_MS
    states = [state for _, state in witness.data_news]
    assert states[states.index("LIVE") :] == ["LIVE"]
    assert sum("nothing was traded" in text for text in witness.store_news) <= 1
    assert not any("down" in text for text in witness.store_news), witness.store_news
    assert len(asked) < 12
