"""The past of a store's markets: its lake, the datas' side of a store, and what runs without a connection."""

from __future__ import annotations

import importlib.util
import time
import weakref
import zlib
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from btccxt.bars.columns import Columns
from btccxt.bars.lake import LIVE, DataVenue, Lake, LakeView, SeriesKey, default_lake_path, is_lake
from btccxt.bars.offline import find, iso, not_fetched
from btccxt.bars.series import Damage
from btccxt.bt.backtest_broker import BacktestBroker
from btccxt.bt.data import CCXTData
from btccxt.bt.ports import History
from btccxt.config import Mode, StoreConfig
from btccxt.errors import BtccxtError, ConfigError, LakeError, Retryable
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import Market
from btccxt.observe.log import EventName, get_logger
from btccxt.session.events import FeedEvent, FeedRequest
from btccxt.session.feeds import FeedTask
from btccxt.sim.options import SimOptions
from btccxt.store.account_session import AccountSession
from btccxt.store.queries import StoreQueries
from btccxt.timeframe import parse_timeframe

if TYPE_CHECKING:
    from btccxt.bars.download import DownloadJob, Outcome, Supply

log = get_logger(__name__)


class StoreHistory(StoreQueries):
    """The half of ``CCXTStore`` that datas ask."""

    settings: StoreConfig
    currency: str
    _exchange_given: str | ExchangeAPI

    def _prepare_history(self) -> None:
        self._lake: LakeView | None = None
        self._lake_known = False
        self._waits_for_need = False  # started, but nobody has needed the exchange yet
        self._datas: list[weakref.ref[CCXTData]] = []

    @abstractmethod
    def start(self, data: Any = None, broker: Any = None) -> None: ...

    @abstractmethod
    def _connect_now(self) -> None: ...

    @abstractmethod
    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None: ...

    # -------------------------------------------------------------- the lake

    def lake(self) -> LakeView | None:
        """This store's part of the lake; None if it keeps nothing. Raises LakeError, ConfigError without pyarrow.

        That is the folder given as ``lake``, else the default one if it exists and the market is the exchange's own.
        """
        if not self._lake_known:
            mode = self._lake_mode()
            path = self._lake_path(mode) if mode is not None else None
            if mode is not None and path is not None:
                venue = DataVenue(self.name, mode, self.profile.market_type.value)
                self._lake = LakeView(Lake(path, on_damage=self._tell_damage), venue)
            self._lake_known = mode is not None
        return self._lake

    def _lake_path(self, mode: str) -> Path | None:
        if self.settings.lake is not None:
            return self.settings.lake
        default = default_lake_path()
        usable = mode == LIVE and is_lake(default) and importlib.util.find_spec("pyarrow") is not None
        return default if usable else None

    def _lake_mode(self) -> str | None:
        """Whose market this store's bars are of; None while nobody knows (an embedded exchange elsewhere)."""
        if self._venue is not None and self._venue.data_mode is not None:
            return self._venue.data_mode
        if self.mode is Mode.SIM and self.settings.sim_address is not None:
            return None
        if not isinstance(self._exchange_given, str):
            return f"custom-{type(self._exchange_given).__name__}"
        if self.mode is Mode.SIM:
            return sim_mode(self.settings.sim)
        return data_mode(self.settings)

    def _tell_damage(self, damage: Damage) -> None:
        self._notifier.trouble("the lake", LakeError(str(damage)))

    # -------------------------------------------------------------- the Data's side (FeedSource)

    def getdata(self, **kwargs: Any) -> CCXTData:
        """A Data of this store: ``getdata(dataname='BTC/USDT', timeframe=bt.TimeFrame.Minutes, compression=5)``."""
        data = CCXTData(source=self, **kwargs)
        self._datas.append(weakref.ref(data))
        return data

    def timeframes(self) -> Collection[str]:
        """Candle timeframes on offer, in ccxt's notation."""
        return self.profile.bars.timeframes

    def open_feed(self, request: FeedRequest, sink: Callable[[FeedEvent], None]) -> FeedTask:
        self._symbol(request.symbol)
        lake = self.lake()
        if lake is not None and request.timeframe is not None:
            lake.bars(request.symbol, request.timeframe)  # what is wrong with it is said here, to the caller
        return self._open_session.feeds.open(request, sink)

    def history(self, request: FeedRequest) -> History:
        """All of it, oldest first: from the lake as far as it has it, connecting only for the rest. Blocks."""
        lake = self.lake()
        if self._account_session is None and lake is not None and request.timeframe and request.bars == "candles":
            if (found := self._all_in_lake(lake, request)) is not None:
                return found
            try:
                self._connect_now()
            except Retryable as error:
                return self._as_far_as_it_goes(lake, request, error)
        self._symbol(request.symbol)
        history: History = self._ask(self._open_session.feeds.history(request), timeout_s=None)
        return history

    def now_ms(self) -> int:
        """The exchange's clock."""
        return self._open_session.clock.now_ms()

    def wall_s(self, exchange_ms: float) -> float:
        return self._open_session.clock.wall_s(exchange_ms)

    # -------------------------------------------------------------- without a connection

    def _may_wait(self) -> bool:
        """Whether nobody needs the exchange yet: datas of the past only, which the lake may have."""
        datas = [data for reference in self._datas if (data := reference()) is not None and data._env is not None]
        return bool(datas) and not any(data.islive() for data in datas) and self.lake() is not None

    @property
    def _open_session(self) -> AccountSession:
        if self._account_session is None and self._waits_for_need:
            self._connect_now()
        return super()._open_session

    def _all_in_lake(self, lake: LakeView, request: FeedRequest) -> Columns | None:
        assert request.timeframe is not None
        now_ms = int(time.time() * 1000)
        end_ms = now_ms if request.to_ms is None else min(request.to_ms, now_ms)
        found = find(
            lake.bars(request.symbol, request.timeframe),
            parse_timeframe(request.timeframe),
            request.from_ms,
            end_ms,
            self._count(request),
        )
        return None if found.missing else found.columns

    def _count(self, request: FeedRequest) -> int | None:
        return request.last_bars or (None if request.from_ms is not None else self.profile.history.page_size)

    def _as_far_as_it_goes(self, lake: LakeView, request: FeedRequest, error: Retryable) -> Columns:
        """The exchange cannot be reached: what the lake has, if only the newest bars are missing. Raises LakeError."""
        assert request.timeframe is not None
        series, frame = lake.bars(request.symbol, request.timeframe), parse_timeframe(request.timeframe)
        key = SeriesKey(lake.venue, request.symbol, request.timeframe)
        covered = series.covered()
        now_ms = int(time.time() * 1000)
        end_ms = now_ms if request.to_ms is None else min(request.to_ms, now_ms)
        if request.to_ms is None and request.from_ms is None and covered:
            end_ms = min(end_ms, covered[-1].to_ms)
        found = find(series, frame, request.from_ms, end_ms, self._count(request))
        if not found.lacks_only_its_end or request.to_ms is not None:
            missing = found.missing or [found.asked]
            raise not_fetched(key, missing, f" and {self.name} cannot be reached ({error})") from error
        text = f"{key}: {self.name} cannot be reached ({error}); history ends where the lake ends, {iso(found.to_ms)}"
        log.warning(EventName.HISTORY_FAILED, text=text)
        self.put_notification(text)
        return found.columns.between(found.asked.from_ms, found.to_ms)

    # -------------------------------------------------------------- filling the lake

    def download(
        self,
        jobs: Sequence[DownloadJob],
        tell: Callable[[Outcome], None],
        *,
        archives: bool = True,
        second: StoreHistory | None = None,
    ) -> list[Outcome]:
        """Fetch what these jobs lack into the lake; the store must be started. Blocks; ``tell`` hears of every step in
        the session's thread. ``second``: another started store, for what this exchange was down for. Raises LakeError.
        """
        from btccxt.bars.download import Downloader

        lake = self.lake()
        if lake is None:
            raise ConfigError("this store keeps no history: give lake=")
        supply = self._supply(archives, second)
        return self._ask(Downloader(lake, supply, tell).run(jobs), timeout_s=None)

    def _supply(self, archives: bool, second: StoreHistory | None = None) -> Supply:
        from btccxt.bars.download import Supply

        return Supply(
            exchange=self._open_session.public_exchange,
            markets=self.markets,
            page_limit=self.profile.history.page_size,
            now_ms=self.now_ms,
            archives=self.profile.archives if archives else None,
            second=second._supply(archives=False) if second is not None else None,
        )

    # -------------------------------------------------------------- backtests

    def backtest_broker(self, cash: float = 10_000.0) -> BacktestBroker:
        """Backtrader's own broker with this exchange's commission, steps and smallest orders:
        ``cerebro.setbroker(store.backtest_broker())``.

        They come from the lake; without one, from the exchange, which is asked at once. Raises LakeError where neither
        has them.
        """
        broker_class: Any = BacktestBroker  # its metaclass takes params as keywords
        broker: BacktestBroker = broker_class(markets=self._known_markets(), cash=cash)
        return broker

    def _known_markets(self) -> Mapping[str, Market]:
        lake = self.lake()
        kept = lake.markets() if lake is not None and self._account_session is None else {}
        if kept:
            return kept
        try:
            return self.markets if self._account_session is not None else self._fetch_markets()
        except Retryable as error:
            raise LakeError(
                f"the lake has no market list of {self.name}, and the exchange cannot be reached ({error}); btccxt "
                "download and every start of a store with a lake keep one"
            ) from error

    def _fetch_markets(self) -> Mapping[str, Market]:
        self._connect_now()
        return self.markets


def data_mode(settings: StoreConfig) -> str:
    """Whose market the bars are: the exchange's own (paper and live alike), its testnet, or that of another host."""
    config = settings.config
    if settings.mode not in (Mode.PAPER, Mode.LIVE):
        return settings.mode.value
    mode = Mode.TESTNET.value if config.get("sandbox") or config.get("testnet") else LIVE
    hosts = sorted({host for value in (config.get("urls"), config.get("hostname")) for host in _hosts(value)})
    if not hosts:
        return mode
    shown = hosts[0] if len(hosts) == 1 else f"{hosts[0]}-{zlib.crc32(' '.join(hosts).encode()):08x}"
    return f"{mode}@{shown}"


def sim_mode(options: SimOptions) -> str | None:
    """Tells an embedded exchange's market from every other one; None for a source of the user's own."""
    if isinstance(options.market, str | Path):
        path = Path(options.market)
        told = path.stat() if path.exists() else None
        size = told and (told.st_size, told.st_mtime_ns)
        return f"sim-{path.name}-{_digest(path.resolve(), size, options.symbol, options.timeframe)}"
    if options.market is not None:
        return None
    start = options.start or datetime.now(timezone.utc)  # the day decides where prices begin
    return f"sim-seed{options.seed}-{_digest(start.date(), options.tick_ms, options.symbols)}"


def _digest(*facts: Any) -> str:
    return f"{zlib.crc32(repr(facts).encode()):08x}"


def _hosts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [host for each in value.values() for host in _hosts(each)]
    if isinstance(value, (list, tuple)):
        return [host for each in value for host in _hosts(each)]
    if not isinstance(value, str) or not value:
        return []
    return [urlsplit(value).netloc.rpartition("@")[2] if "://" in value else value]


def keep_markets(
    lake: LakeView, markets: Mapping[str, Market], now_ms: int, trouble: Callable[[BtccxtError], None]
) -> None:
    """Keep the market list for runs without a network."""
    try:
        lake.keep_markets(markets, now_ms)
    except LakeError as error:
        trouble(error)
