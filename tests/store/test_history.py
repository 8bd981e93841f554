"""A store and its lake: read first, filled while running, and enough for a backtest without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from btccxt import CCXTStore
from btccxt.bars.lake import DataVenue, Lake, SeriesKey
from btccxt.bars.segments import Range
from btccxt.bt.compat import bt
from btccxt.bt.data import CCXTData
from btccxt.bt.lake_source import find_venue
from btccxt.errors import ConfigError, ConnectionLost, LakeError
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import Bar, MarketType
from btccxt.session.loop_thread import Session
from btccxt.sim.options import SimOptions
from btccxt.store.build_config import build_config
from btccxt.store.lake_modes import data_mode
from btccxt.store.venues import start_sim_exchange
from tests.e2e.kit import Witness, run
from tests.fakes import FakeExchange

MINUTE, HOUR = 60_000, 3_600_000
START = datetime(2026, 3, 1, tzinfo=timezone.utc)
START_MS = 1_772_323_200_000
SIM = {"seed": 5, "start": START}


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2026, 2, number, hour)  # noqa: DTZ001 - backtrader's dates are naive UTC


def minutes(store: CCXTStore, **settings: Any) -> CCXTData:
    given = {"fromdate": day(27), "todate": day(27, 2), "historical": True, **settings}
    return store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes, **given)


def store_with(lake: Path | None, **settings: Any) -> CCXTStore:
    return CCXTStore("binance", mode="sim", sim={**SIM, **settings.pop("sim", {})}, lake=lake, **settings)


def refuse_to_connect(*_: Any) -> None:
    raise ConnectionLost("no network here")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """No store connects; who tried."""
    tried: list[str] = []

    def refuse(store: CCXTStore, *_: Any) -> None:
        tried.append(store.name)
        refuse_to_connect()

    monkeypatch.setattr(CCXTStore, "_connect", refuse)
    yield tried


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Path, list[Any]]:
    """A lake with two hours of minutes, and those as the exchange told them."""
    store = store_with(tmp_path)
    return tmp_path, run(store, minutes(store)).rows[0]


# ------------------------------------------------------------------ offline


def test_history_that_is_in_the_lake_needs_neither_network_nor_a_started_store(
    filled: tuple[Path, list[Any]], no_network: list[str]
) -> None:
    lake, told = filled
    store = store_with(lake)
    assert run(store, minutes(store)).rows[0] == told
    assert len(told) == 120
    assert no_network == []


def test_trades_that_are_in_the_lake_need_no_network_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ticks(store: CCXTStore) -> list[Any]:
        span = {"fromdate": day(28, 23), "todate": datetime(2026, 2, 28, 23, 5)}  # noqa: DTZ001
        data = store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Ticks, historical=True, **span)
        return run(store, data).rows[0]

    told = ticks(store_with(tmp_path))
    assert len(told) == 300
    monkeypatch.setattr(CCXTStore, "_connect", refuse_to_connect)
    assert ticks(store_with(tmp_path)) == told
    with pytest.raises(LakeError, match="--trades"):
        ticks(store_with(tmp_path / "empty"))


def test_the_lake_alone_is_enough_for_a_data(filled: tuple[Path, list[Any]], no_network: list[str]) -> None:
    lake, told = filled
    mode = Lake(lake).series()[0].venue.mode
    data = CCXTData.from_lake("BTC/USDT", "binance", mode=mode, lake=lake, timeframe=bt.TimeFrame.Minutes)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(data)
    cerebro.addstrategy(Witness)
    assert cerebro.run()[0].rows[0] == told
    for settings, words in (
        ({"fromdate": day(1)}, "btccxt download BTC/USDT --exchange binance --timeframe 1m --from 2026-02-01"),
        ({"compression": 5}, "the lake of binance has no 5m candles. Nearest: 1m"),
        ({"historical": False}, "no live bars"),
    ):
        given = {"timeframe": bt.TimeFrame.Minutes, **settings}
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.addstrategy(Witness)
        with pytest.raises((ConfigError, LakeError), match=words):
            cerebro.adddata(CCXTData.from_lake("BTC/USDT", "binance", mode=mode, lake=lake, **given))
            cerebro.run()


def test_whose_bars_are_meant_need_be_said_only_where_several_are(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    def told(**given: Any) -> str:
        venue = find_venue(lake, "BTC/USDT", *(given.get(name) for name in ("exchange", "market_type", "mode")))
        return f"{venue.exchange} {venue.mode}"

    with pytest.raises(ConfigError, match="it is empty"):
        told()
    lake.bars(DataVenue("binance", "sim-1"), "BTC/USDT", "1m").append(0, MINUTE, [])
    assert told() == "binance sim-1"
    lake.bars(DataVenue("binance"), "BTC/USDT", "1m").append(0, MINUTE, [])
    assert told() == "binance live"
    assert told(mode="sim-1") == "binance sim-1"
    lake.bars(DataVenue("kraken"), "BTC/USDT", "1h").append(0, 60 * MINUTE, [])
    assert told(exchange="kraken") == "kraken live"
    with pytest.raises(ConfigError, match="give one of exchange='binance'"):
        told()
    with pytest.raises(ConfigError, match="has no BTC/USDT of bybit; it has binance spot BTC/USDT 1m"):
        told(exchange="bybit")


def test_what_the_lake_lacks_is_fetched_and_kept(filled: tuple[Path, list[Any]]) -> None:
    lake, told = filled
    store = store_with(lake)
    asked: list[str] = []
    with store.kept_open():
        store.start()
        assert store.sim is not None
        store.sim.on_request(lambda request: asked.append(request.params.get("startTime", "")))
        rows = run(store, minutes(store, todate=day(27, 4))).rows[0]
    assert rows[:120] == told
    assert len(rows) == 240
    assert min(int(since) for since in asked if since) >= START_MS - 2 * 24 * HOUR + 2 * HOUR
    key = Lake(lake).series()[0]
    assert key.timeframe == "1m"
    wanted = Range(START_MS - 2 * 24 * HOUR, START_MS - 2 * 24 * HOUR + 4 * HOUR)
    assert Lake(lake).bars(key.venue, key.symbol, "1m").covered() == [wanted]


def test_without_a_network_history_ends_where_the_lake_ends_and_says_so(
    filled: tuple[Path, list[Any]], no_network: list[str]
) -> None:
    lake, told = filled
    store = store_with(lake)
    witness = run(store, minutes(store, todate=None))
    assert witness.rows[0] == told
    assert no_network == ["binance"]
    assert any("cannot be reached" in news and "2026-02-27 02:00" in news for news in witness.store_news)


def test_what_neither_lake_nor_exchange_can_give_is_told_with_the_command(
    filled: tuple[Path, list[Any]], no_network: list[str]
) -> None:
    store = store_with(filled[0])
    with pytest.raises(LakeError, match=r"2026-02-26 00:00 to 2026-02-27 00:00.*cannot be reached.*btccxt download"):
        run(store, minutes(store, fromdate=day(26)))


def test_a_damaged_file_is_set_aside_told_once_and_fetched_again(filled: tuple[Path, list[Any]]) -> None:
    lake, told = filled
    for path in (lake / "bars").rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-9])
    store = store_with(lake)
    witness = run(store, minutes(store))
    assert witness.rows[0] == told
    assert len([news for news in witness.store_news if "damaged" in news]) == 1
    assert len(list((lake / "set-aside").iterdir())) == 1
    store = store_with(lake)
    assert not any("damaged" in news for news in run(store, minutes(store)).store_news)


# ------------------------------------------------------------------ worlds


def test_no_market_is_served_another_ones_bars(filled: tuple[Path, list[Any]]) -> None:
    lake, told = filled
    for sim in ({"seed": 6}, {"start": datetime(2026, 3, 2, tzinfo=timezone.utc)}):
        other, alone = store_with(lake, sim=sim), store_with(None, sim=sim)
        rows = run(other, minutes(other)).rows[0]
        assert rows == run(alone, minutes(alone)).rows[0]
        assert rows != told
    assert len({key.venue.mode for key in Lake(lake).series()}) == 3


def test_testnet_other_hosts_and_market_types_are_apart_paper_and_live_are_not() -> None:
    def mode(name: str, **config: Any) -> str | None:
        keys = {"apiKey": "k", "secret": "s"}
        return data_mode(build_config({"exchange": "binance", "mode": name, "config": {**keys, **config}}))

    assert mode("paper") == mode("live") == "live"
    assert mode("testnet") == "testnet"
    assert mode("paper", sandbox=True) == "testnet"
    assert mode("paper", hostname="binance.us") == "live@binance.us"
    urls = {"api": {"public": "https://user:word@proxy.example/api", "private": "https://proxy.example/p"}}
    assert mode("live", urls=urls) == "live@proxy.example"
    assert mode("demo") == "demo"
    assert mode("live", urls={**urls, "test": "https://other.example"}) != mode("live", urls=urls)


def test_an_exchange_that_was_handed_in_says_whose_market_it_is(tmp_path: Path) -> None:
    class Own(FakeExchange):
        pass

    class Silent(Own):
        data_mode = None

    profile = load_profile("binance", MarketType.SPOT)
    assert CCXTStore(CCXTExchange(profile), mode="paper", lake=tmp_path).lake().venue.mode == "live"  # type: ignore[union-attr]
    assert CCXTExchange(profile, testnet=True).data_mode == "testnet"
    assert CCXTExchange(profile, {"hostname": "binance.us"}).data_mode is None
    assert CCXTExchange(profile, connector=lambda: None).data_mode is None  # type: ignore[arg-type, return-value]
    assert CCXTStore(Own(), mode="paper", lake=tmp_path).lake().venue.mode == "custom-Own"  # type: ignore[union-attr]
    assert CCXTStore(Silent(), mode="paper", lake=tmp_path).lake() is None


def test_an_embedded_exchange_elsewhere_is_known_by_itself_not_by_its_address(tmp_path: Path) -> None:
    rows = []
    for seed in (5, 6):
        with embedded(seed) as address:
            store = CCXTStore("binance", mode="sim", sim_address=address, lake=tmp_path)
            rows.append(run(store, minutes(store)).rows[0])
            assert run(store, minutes(store)).rows[0] == rows[-1]
    assert rows[0] != rows[1]
    assert len({key.venue.mode for key in Lake(tmp_path).series()}) == 2


@contextmanager
def embedded(seed: int) -> Iterator[str]:
    """An embedded exchange in a thread of its own."""
    session = Session("embedded exchange", on_error=lambda what, error: None).start()
    options = SimOptions(seed=seed, start=START)
    server, address, _ = session.call(start_sim_exchange("binance", {"USDT": D(1)}, options), timeout=60)
    try:
        yield f"{address.host}:{address.port}"
    finally:
        session.call(server.stop(), timeout=60)
        session.stop()


def test_an_unlabelled_file_of_an_early_version_is_refused_where_money_or_real_prices_are(
    tmp_path: Path, no_network: list[str]
) -> None:
    old = tmp_path / "binance" / "BTC%2FUSDT.1m.bars"
    old.parent.mkdir()
    old.write_bytes(b"BTCCXT-BARS 1\n")
    store = CCXTStore("binance", mode="paper", history_cache=tmp_path)
    with pytest.raises(LakeError, match="simulated or real"):
        run(store, minutes(store))


# ------------------------------------------------------------------ live


def test_bars_of_a_running_feed_are_in_the_lake_when_the_store_stops(tmp_path: Path) -> None:
    store = store_with(tmp_path, sim={"speed": 600})
    witness = run(store, minutes(store, historical=False, todate=None, fromdate=day(28, 23)), live_bars=8)
    rows = witness.rows[0]
    key = Lake(tmp_path).series()[0]
    assert (key.symbol, key.timeframe) == ("BTC/USDT", "1m")
    series = Lake(tmp_path).bars(key.venue, key.symbol, "1m")
    (known,) = series.covered()
    assert known.to_ms > START_MS + 3 * MINUTE  # what came live, too
    kept = {bar.open_ms + MINUTE: bar for bar in series.read(0, known.to_ms)}
    assert [(at, kept[at].close) for at, *_ in rows if at in kept] == [
        (row[0], row[4]) for row in rows if row[0] in kept
    ]
    assert len([row for row in rows if row[0] in kept]) > 60


# ------------------------------------------------------------------ the last N bars


@pytest.mark.parametrize("kept", [False, True], ids=["", "with a lake"])
def test_a_number_of_bars_is_where_history_begins(tmp_path: Path, kept: bool) -> None:
    store = store_with(tmp_path if kept else None)
    settings = {"fromdate": None, "todate": None}
    assert len(run(store, minutes(store, bars=1_234, **settings)).rows[0]) == 1_234
    store = store_with(tmp_path if kept else None, sim={"speed": 300})
    witness = run(store, minutes(store, bars=70, historical=False, **settings), live_bars=1)
    stamps = [row[0] for row in witness.rows[0]]
    assert stamps == list(range(stamps[0], stamps[-1] + 1, MINUTE))
    assert stamps[0] > START_MS - 70 * MINUTE  # the exchange's clock runs on while the store connects
    assert len(stamps) - witness.live >= 70


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bars": 0, "fromdate": None}, "bars=500"),
        ({"bars": -3, "fromdate": None}, "bars=500"),
        ({"bars": 5}, "both say where to begin"),
        ({"bars": True, "fromdate": None}, "must be one of candles, trades"),
        ({"bars": "500", "fromdate": None}, "must be one of candles, trades"),
    ],
)
def test_a_number_of_bars_that_cannot_be_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        minutes(store_with(None), **settings)


# ------------------------------------------------------------------ backtests


class Trader(bt.Strategy):
    """All in, out again, and orders that the exchange would not take."""

    def __init__(self) -> None:
        self.news: list[tuple[str, Any]] = []
        self.closed: list[Any] = []

    def notify_order(self, order: Any) -> None:
        if not order.alive():
            self.news.append((order.getstatusname(), order))

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed:
            self.closed.append(trade)

    def next(self) -> None:
        if len(self) == 2:
            self.order_target_percent(target=0.5)
        elif len(self) == 5:
            self.buy(size=0.0123456789)
        elif len(self) == 8:
            self.close()
        elif len(self) == 11:
            self.buy(size=0.00000001)
            self.buy(size=0.00005, exectype=bt.Order.Limit, price=1.0)


def test_a_backtest_has_the_exchanges_commission_steps_and_smallest_orders(
    filled: tuple[Path, list[Any]], no_network: list[str]
) -> None:
    store = store_with(filled[0])
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(minutes(store))
    cerebro.setbroker(store.backtest_broker())
    cerebro.addstrategy(Trader)
    (strategy,) = cerebro.run()
    market = store.backtest_broker().markets["BTC/USDT"]
    step = float(market.amount_step or 0)
    done = [order for status, order in strategy.news if status == "Completed"]
    assert len(done) == 3
    for order in done:
        steps = order.executed.size / step
        assert abs(steps - round(steps)) < 1e-6
        paid = abs(order.executed.size) * order.executed.price * float(market.taker_rate)
        assert order.executed.comm == pytest.approx(paid)
    assert done[1].size == pytest.approx(0.01234)
    assert len(strategy.closed) == 1
    assert not strategy.position.size
    refused = [order for status, order in strategy.news if status == "Rejected"]
    assert len(refused) == 2
    assert "must be positive" in refused[0].info.reasons[0]
    assert "minimum" in " ".join(refused[1].info.reasons)
    assert no_network == []


def test_a_backtest_broker_without_a_market_list_says_where_one_comes_from(
    tmp_path: Path, no_network: list[str]
) -> None:
    with pytest.raises(LakeError, match="market list"):
        store_with(tmp_path).backtest_broker()


def test_a_series_has_a_name(filled: tuple[Path, list[Any]]) -> None:
    (key,) = Lake(filled[0]).series()
    assert isinstance(key, SeriesKey)
    assert str(key).endswith("BTC/USDT 1m")
    assert isinstance(Lake(filled[0]).bars(key.venue, key.symbol, "1m").read(0, START_MS)[0], Bar)


@pytest.mark.parametrize(
    ("options", "asks_it"),
    [
        ({"mode": "paper"}, True),
        ({"mode": "testnet", "config": {"apiKey": "k", "secret": "s"}}, False),
        ({"mode": "sim", "sim": SIM}, False),
        ({"mode": "sim", "sim": SIM, "overrides": {"archives": {"bars": {"month": "http://127.0.0.1/{year}"}}}}, True),
    ],
)
def test_the_exchanges_archive_is_of_its_own_market_alone(tmp_path: Path, options: Any, asks_it: bool) -> None:
    """A testnet's or an embedded exchange's lake must not get the real market's bars."""
    store = CCXTStore("binance", lake=tmp_path, **options)
    assert store._takes_archives() is asks_it
