"""The lake: one folder with the history that a user has, whoever brought it: a running store, or ``btccxt download``.

    <lake>/LAKE.json                                        which format this is
    <lake>/bars/exchange=binance/mode=live/market=spot/symbol=BTC%2FUSDT/timeframe=1m/month=2026-03/….parquet
    <lake>/trades/exchange=…/mode=…/market=…/symbol=…/month=…/….parquet
    <lake>/markets/exchange=…/mode=…/market=….json           steps, limits and fees as the exchange told them last
    <lake>/set-aside/                                       files that were damaged

pandas, polars and DuckDB read it as it is (hive partitions); ``series.py`` says how it is written. ``mode`` tells whose
market it is: 'live' (what paper and live trade on), 'testnet', one per embedded exchange, one per host that the user
set.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from platformdirs import user_data_path

from btccxt.bars.market_file import market_of, plain
from btccxt.bars.segments import pyarrow
from btccxt.bars.series import BarSeries, Damage, TradeSeries
from btccxt.errors import ConfigError, LakeError
from btccxt.model import Market
from btccxt.observe.log import EventName, get_logger
from btccxt.resilience.files import private_folder
from btccxt.timeframe import parse_timeframe

log = get_logger(__name__)

FORMAT = 1
LIVE = "live"
"""``mode`` of what the exchange itself trades: the same for paper and live."""
_MARKER = "LAKE.json"
_BARS, _TRADES, _MARKETS, _ASIDE = "bars", "trades", "markets", "set-aside"
_VARIABLE = "BTCCXT_LAKE"


@dataclass(frozen=True, slots=True, order=True)
class DataVenue:
    """Whose market a series is of: exchange, mode and market type."""

    exchange: str
    mode: str = LIVE
    market_type: str = "spot"

    def __str__(self) -> str:
        mode = "" if self.mode == LIVE else f" {self.mode}"
        return f"{self.exchange} {self.market_type}{mode}"


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """One series. ``timeframe`` None: public trades."""

    venue: DataVenue
    symbol: str
    timeframe: str | None

    def __str__(self) -> str:
        return f"{self.venue} {self.symbol} {self.timeframe or 'trades'}"


def default_lake_path() -> Path:
    """Where the lake is if nobody says: ``$BTCCXT_LAKE``, else in the user's data directory."""
    given = os.environ.get(_VARIABLE)
    return Path(given).expanduser() if given else user_data_path("btccxt", appauthor=False) / "lake"


def is_lake(path: Path) -> bool:
    """Whether a lake lies there."""
    return (path / _MARKER).is_file()


class Lake:
    """``Lake(path)`` opens the folder, and makes it unless ``create`` is False. Safe to use from several processes.

    ``on_damage`` hears of every damaged file, once; the log has it in any case. Raises LakeError for a folder that is
    not there, cannot be written, or was written by another version; ConfigError where pyarrow is not installed.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        create: bool = True,
        on_damage: Callable[[Damage], None] | None = None,
    ) -> None:
        pyarrow()
        self.path = default_lake_path() if path is None else Path(path).expanduser()
        self._on_damage = on_damage
        self._check(create)

    def _check(self, create: bool) -> None:
        marker = self.path / _MARKER
        try:
            told = json.loads(marker.read_text(encoding="utf-8"))
            found = told.get("format") if isinstance(told, dict) else None
        except FileNotFoundError:
            if not create:
                raise LakeError(
                    f"there is no lake at {self.path}; btccxt download fills one, for example: "
                    "btccxt download BTC/USDT --timeframe 1m --from 2026-01-01"
                ) from None
            self._create(marker)
            return
        except (OSError, ValueError) as error:
            raise LakeError(f"{marker} cannot be read ({error}); it says in which format the lake is") from None
        if found != FORMAT:
            raise LakeError(
                f"the lake at {self.path} is in format {found!r}, this version of btccxt reads format {FORMAT}: "
                "use the version that wrote it, or name another folder"
            )

    def _create(self, marker: Path) -> None:
        try:
            private_folder(self.path)
            _publish(marker, {"format": FORMAT, "about": "history of markets, kept by btccxt; see docs/lake.md"})
        except OSError as error:
            raise LakeError(f"no lake can be made at {self.path}: {error.strerror or error}") from None

    # -------------------------------------------------------------- series

    def bars(self, venue: DataVenue, symbol: str, timeframe: str) -> BarSeries:
        """The bars of one symbol and timeframe.

        Raises LakeError where a file of an early version lies that does not say which market it is of.
        """
        self._refuse_unlabelled(venue, symbol, timeframe)
        folder = self._symbol_folder(_BARS, venue, symbol) / f"timeframe={_length_name(timeframe)}"
        return BarSeries(folder, self.path / _ASIDE, self._damaged)

    def trades(self, venue: DataVenue, symbol: str) -> TradeSeries:
        """The public trades of one symbol."""
        return TradeSeries(self._symbol_folder(_TRADES, venue, symbol), self.path / _ASIDE, symbol, self._damaged)

    def series(self) -> list[SeriesKey]:
        """Everything that is there."""
        found: list[SeriesKey] = []
        for venue, folder in self._venues(_BARS):
            for symbol, symbol_folder in _partitions(folder, "symbol"):
                lengths = [_timeframe_of(length) for length, _ in _partitions(symbol_folder, "timeframe")]
                found += [SeriesKey(venue, symbol, length) for length in lengths if length is not None]
        for venue, folder in self._venues(_TRADES):
            found += [SeriesKey(venue, symbol, None) for symbol, _ in _partitions(folder, "symbol")]
        return sorted(found, key=lambda key: (key.venue, key.symbol, _seconds(key.timeframe)))

    def _venues(self, kind: str) -> Iterator[tuple[DataVenue, Path]]:
        for exchange, exchange_folder in _partitions(self.path / kind, "exchange"):
            for mode, mode_folder in _partitions(exchange_folder, "mode"):
                for market, folder in _partitions(mode_folder, "market"):
                    yield DataVenue(exchange, mode, market), folder

    def _symbol_folder(self, kind: str, venue: DataVenue, symbol: str) -> Path:
        return self._venue_folder(kind, venue) / f"market={_quoted(venue.market_type)}" / f"symbol={_quoted(symbol)}"

    def _venue_folder(self, kind: str, venue: DataVenue) -> Path:
        return self.path / kind / f"exchange={_quoted(venue.exchange)}" / f"mode={_quoted(venue.mode)}"

    def _refuse_unlabelled(self, venue: DataVenue, symbol: str, timeframe: str) -> None:
        old = self.path / _quoted(venue.exchange) / f"{_quoted(symbol)}.{_length_name(timeframe)}.bars"
        if not venue.mode.startswith("sim") and old.exists():
            raise LakeError(
                f"{old} is of an early version, which did not note whether its bars are simulated or real; they are "
                "not used. Move it away; its bars are fetched again"
            )

    def _damaged(self, damage: Damage) -> None:
        log.warning(EventName.CACHE_DAMAGED, text=str(damage))
        if self._on_damage is not None:
            self._on_damage(damage)

    # -------------------------------------------------------------- what the exchange says of its markets

    def keep_markets(self, venue: DataVenue, markets: Mapping[str, Market], now_ms: int) -> None:
        """Keep what the exchange says of its markets now. Raises LakeError."""
        told = {"taken_ms": now_ms, "markets": [plain(market) for market in markets.values()]}
        path = self._markets_path(venue)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _publish(path, told)
        except OSError as error:
            raise LakeError(f"{path} cannot be written: {error.strerror or error}") from None

    def markets(self, venue: DataVenue) -> dict[str, Market]:
        """Markets by symbol as they were kept last; empty where they never were. Raises LakeError."""
        path = self._markets_path(venue)
        try:
            told: Any = json.loads(path.read_text(encoding="utf-8"))
            markets = [market_of(each) for each in told["markets"]]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LakeError(f"{path} cannot be read ({error!r}); delete it, and it is fetched again") from None
        return {market.symbol: market for market in markets}

    def _markets_path(self, venue: DataVenue) -> Path:
        return self._venue_folder(_MARKETS, venue) / f"market={_quoted(venue.market_type)}.json"


@dataclass(frozen=True, slots=True)
class LakeView:
    """The lake as one venue's: what a store, a download or a backtest reads and writes."""

    lake: Lake
    venue: DataVenue

    def bars(self, symbol: str, timeframe: str) -> BarSeries:
        return self.lake.bars(self.venue, symbol, timeframe)

    def trades(self, symbol: str) -> TradeSeries:
        return self.lake.trades(self.venue, symbol)

    def markets(self) -> dict[str, Market]:
        return self.lake.markets(self.venue)

    def keep_markets(self, markets: Mapping[str, Market], now_ms: int) -> None:
        self.lake.keep_markets(self.venue, markets, now_ms)


def _publish(path: Path, content: Mapping[str, Any]) -> None:
    fresh = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _partitions(folder: Path, name: str) -> list[tuple[str, Path]]:
    beginning = f"{name}="
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.name.startswith(beginning) and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [(unquote(entry.name[len(beginning) :]), entry) for entry in entries]


def _length_name(timeframe: str) -> str:
    """As a folder's name: '1m' and '1M' are one on Windows and macOS."""
    parsed = parse_timeframe(timeframe)
    return f"{parsed.count}month" if parsed.unit == "M" else parsed.name


def _timeframe_of(length_name: str) -> str | None:
    """None for a folder of somebody else's."""
    try:
        return parse_timeframe(length_name.replace("month", "M")).name
    except ConfigError:
        return None


def _seconds(timeframe: str | None) -> float:
    return 0.0 if timeframe is None else parse_timeframe(timeframe).approximate_ms / 1000
