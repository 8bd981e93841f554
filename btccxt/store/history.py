"""The past of a store's markets: its lake, the datas' side of a store, and what runs without a connection."""

from __future__ import annotations

import importlib.util
import time
import weakref
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btccxt.bars.columns import Columns
from btccxt.bars.lake import LIVE, DataVenue, Lake, LakeView, SeriesKey, default_lake_path, is_lake
from btccxt.bars.offline import find, iso, not_fetched
from btccxt.bars.segments import Range
from btccxt.bars.series import Damage
from btccxt.bt.backtest_broker import BacktestBroker
from btccxt.bt.compat import bt
from btccxt.bt.data import CCXTData
from btccxt.bt.ports import History
from btccxt.bt.quoted_data import CCXTQuotedData
from btccxt.config import StoreConfig
from btccxt.errors import BtccxtError, ConfigError, LakeError, Retryable
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.position_side import listed
from btccxt.model import Market, OrderBook, StreamKey, StreamKind, Trade
from btccxt.observe.log import EventName, get_logger
from btccxt.session.events import FeedEvent, FeedRequest
from btccxt.session.feeds import FeedTask
from btccxt.session.history import missing_means
from btccxt.store.account_session import AccountSession
from btccxt.store.lake_modes import data_mode
from btccxt.store.news import StoreNews
from btccxt.timeframe import parse_timeframe

if TYPE_CHECKING:
    from btccxt.bars.download import DownloadJob, Outcome, Supply

log = get_logger(__name__)


class StoreHistory(StoreNews):
    """The half of ``CCXTStore`` that datas ask."""

    settings: StoreConfig
    currency: str
    _exchange_given: str | ExchangeAPI

    def _prepare_history(self) -> None:
        self._lake: LakeView | None = None
        self._lake_known = False  # ... or that there is none
        self._waits_for_need = False  # started, but nobody has needed the exchange yet
        self._datas: list[weakref.ref[CCXTData]] = []

    @abstractmethod
    def start(self, data: bt.AbstractDataBase | None = None, broker: Any = None) -> None: ...

    @abstractmethod
    def _connect_now(self) -> None: ...

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
            elif mode is None and self._venue is not None and self.settings.lake is not None:
                self._notifier.say(
                    "the lake is not used: nothing tells this market from others (ExchangeAPI.data_mode)"
                )
            self._lake_known = mode is not None or self._venue is not None
        return self._lake

    def _forget_lake(self) -> None:
        """The next connection may be to another embedded exchange."""
        self._lake, self._lake_known = None, False

    def _lake_path(self, mode: str) -> Path | None:
        if self.settings.lake is not None:
            return self.settings.lake
        default = default_lake_path()
        usable = mode == LIVE and is_lake(default) and importlib.util.find_spec("pyarrow") is not None
        return default if usable else None

    def _lake_mode(self) -> str | None:
        if self._venue is not None and self._venue.data_mode is not None:
            return self._venue.data_mode
        if isinstance(self._exchange_given, str):
            return data_mode(self.settings)
        return self._exchange_given.data_mode

    def _tell_damage(self, damage: Damage) -> None:
        self._notifier.trouble("the lake", LakeError(str(damage)))

    # -------------------------------------------------------------- the Data's side (FeedSource)

    def getdata(self, **kwargs: Any) -> CCXTData:
        """A Data of this store: ``getdata(dataname='BTC/USDT', timeframe=bt.TimeFrame.Minutes, compression=5)``."""
        data_class = CCXTQuotedData if kwargs.get("quotes") else CCXTData
        data = data_class(source=self, **kwargs)
        self._datas.append(weakref.ref(data))
        return data

    def order_book(self, symbol: str) -> OrderBook | None:
        """From memory, while a live data asks for it: ``getdata(dataname=symbol, order_book=True)``.

        None until the first has come and while its stream is down. Raises ConfigError where no data asks for it.
        """
        self._symbol(symbol)
        if not self._open_session.exchange.can_stream(StreamKey(StreamKind.ORDER_BOOK, symbol)):
            raise ConfigError(f"{self.name} has no stream of order books")
        datas = [data for reference in self._datas if (data := reference()) is not None]
        if not any(data.p.order_book and data.islive() and data.p.dataname == symbol for data in datas):
            raise ConfigError(f"no live data keeps the order book: getdata(dataname={symbol!r}, order_book=True)")
        return self._open_session.feeds.order_book(symbol)

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
        if self._account_session is None and lake is not None and request.bars == "candles":
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

    def _all_in_lake(self, lake: LakeView, request: FeedRequest) -> Columns | list[Trade] | None:
        now_ms = int(time.time() * 1000)
        end_ms = now_ms if request.to_ms is None else min(request.to_ms, now_ms)
        if request.timeframe is None:
            trades = lake.trades(request.symbol)
            if request.from_ms is None or trades.missing(request.from_ms, end_ms):
                return None
            return trades.read(request.from_ms, end_ms)
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
        key = SeriesKey(lake.venue, request.symbol, request.timeframe)
        now_ms = int(time.time() * 1000)
        end_ms = now_ms if request.to_ms is None else min(request.to_ms, now_ms)
        if request.timeframe is None:
            begin_ms = end_ms if request.from_ms is None else request.from_ms
            absent = lake.trades(request.symbol).missing(begin_ms, end_ms) or [Range(begin_ms, end_ms)]
            raise not_fetched(key, absent, f" and {self.name} cannot be reached ({error})") from error
        series, frame = lake.bars(request.symbol, request.timeframe), parse_timeframe(request.timeframe)
        covered = series.covered()
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
            missing=missing_means(self.profile),
            max_candles_back=self.profile.history.max_candles_back,
            archives=self.profile.archives if archives and self._takes_archives() else None,
            second=second._supply(archives=False) if second is not None else None,
        )

    def _takes_archives(self) -> bool:
        """Whether the public files are of this store's market: the exchange's are of its own, none of a testnet."""
        return self._lake_mode() == LIVE or "archives" in self.settings.overrides

    # -------------------------------------------------------------- backtests

    def backtest_broker(self, cash: float = 10_000.0) -> BacktestBroker:
        """Backtrader's own broker with this exchange's commission, steps and smallest orders:
        ``cerebro.setbroker(store.backtest_broker())``.

        They come from the lake; without one, from the exchange, which is asked at once. Raises LakeError where neither
        has them.
        """
        broker: BacktestBroker = BacktestBroker(markets=self._known_markets(), cash=cash)
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


def keep_markets(
    lake: LakeView, markets: Mapping[str, Market], now_ms: int, trouble: Callable[[BtccxtError], None]
) -> None:
    """Keep the market list for runs without a network."""
    try:
        lake.keep_markets(listed(markets), now_ms)
    except LakeError as error:
        trouble(error)
