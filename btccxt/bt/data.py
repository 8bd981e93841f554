"""CCXTData: the market data of one symbol as backtrader sees it: closed bars or trades, each once, in order, UTC."""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from btccxt.bars.lake import Lake
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.combined import adopt_outer, is_inner
from btccxt.bt.compat import bt
from btccxt.bt.data_arguments import check_arguments, check_earlier, check_place, is_number
from btccxt.bt.data_lines import FeedLines
from btccxt.bt.data_news import BROKEN, ToldLines, iso
from btccxt.bt.lake_source import LakeSource, find_venue
from btccxt.bt.ports import FeedHandle, FeedSource, History
from btccxt.bt.rows import LagWatch, Row, RowMaker
from btccxt.bt.time import Stamper, ms_of_num, num_of_ms, offered_name, timeframe_names
from btccxt.errors import BtccxtError, ConfigError, MissingBars
from btccxt.exchange.position_side import named
from btccxt.model import ConnectionState
from btccxt.observe.log import EventName, get_logger
from btccxt.session.events import (
    BarsClosed,
    Correction,
    FeedEnded,
    FeedEvent,
    FeedFailed,
    FeedRequest,
    FeedState,
    Hole,
    HoleCause,
    TicksArrived,
)
from btccxt.timeframe import Timeframe, parse_timeframe

log = get_logger(__name__)

_NAN = float("nan")
_ALIASES = ("datetime", "open", "high", "low", "close", "volume")
_HOLES_KEPT = 1000
_BARS_LATENESS_S = 5.0
_TICKS_LATENESS_S = 0.25


class CCXTData(ToldLines):
    """Made by ``store.getdata(dataname='BTC/USDT', timeframe=bt.TimeFrame.Minutes, compression=1, ...)``.

    Besides backtrader's own parameters (``fromdate`` and ``todate``: bars that open and close within; naive ones are in
    ``tz``, which may be a name, a ``zoneinfo``, a ``datetime.timezone`` or pytz):

    - ``historical``: history only, then the data ends. Loaded at once; cerebro may preload and vectorise.
    - ``backfill_start``: begin with history (from ``fromdate``, else the exchange's most recent page).
    - ``backfill``: after a disconnect, fetch what was missed; False: what polling did not bring either stays a hole.
    - ``backfill_from``: another data, delivered first (stamped as this one is); the exchange's history follows it.
    - ``bars``: 'candles' of the exchange, or built from its 'trades'. A number: its candles, beginning with the last so
      many (``bars=500``), however long ago that is in a quiet market.
    - ``gaps``: where the exchange itself has no bars: 'report' (``notify_store`` and log), 'fill' with flat bars of
      volume 0 (``is_filler(ago)`` tells them apart), or 'raise' MissingBars.
    - ``stamp``: 'close', or 'open' as exchanges write it. With 'open', an hour bar appears beside minute bars 59
      minutes before its close was known: a backtest then looks ahead.
    - ``lateness_s``: how long after its close a bar may arrive before a resampled bar goes on without it (this
      machine's time; default 5 s, trades 0.25 s). ``latethrough``: let later ones into the next resampled bar.
    - ``position_side``: in hedge mode 'long' or 'short': the one of the symbol's two positions that the data shows and
      trades; its name is ``BTC/USDT:USDT long``. None: both as one, and each order says which.
    - ``quotes``: lines ``bid``, ``ask`` and ``spread`` with every live bar or trade (``CCXTQuotedData``).
    - ``order_book``: keep the symbol's order book in memory, for ``store.order_book(symbol)``.
    - ``qcheck``: longest wait of cerebro's loop in seconds; at most 0.5.

    ``timeframe=bt.TimeFrame.Ticks`` gives single trades: open = high = low = close = price, volume = amount.
    """

    params = (
        ("historical", False),
        ("backfill_start", True),
        ("backfill", True),
        ("backfill_from", None),
        ("latethrough", False),
        ("lateness_s", None),
        ("qcheck", 0.5),
        ("bars", "candles"),
        ("gaps", "report"),
        ("stamp", "close"),
        ("quotes", False),
        ("order_book", False),
        ("position_side", None),
    )

    def __init__(self, source: FeedSource | None = None, **unknown: Any) -> None:
        super().__init__()
        if source is None:
            raise ConfigError(
                "CCXTData comes from a store: store.getdata(dataname='BTC/USDT', ...), or from the lake: "
                "CCXTData.from_lake('BTC/USDT', 'binance', ...)"
            )
        check_arguments(self.p, unknown)
        if self.p.position_side is not None:
            self._dataname = named(self.p.dataname, self.p.position_side)
            self._name = self.p.name or self._dataname
        self.source = self._store = source
        self.is_ticks = self.p.timeframe == bt.TimeFrame.Ticks
        self.stamps_begin = self.is_ticks or self.p.stamp == "open"
        self.label = f"{self._dataname} {'trades' if self.is_ticks else _name(self.p)}"
        if self.is_ticks and not self.p.backfill:
            raise ConfigError(f"{self.label}: backfill=False is for bars; trades that were missed are always asked for")
        self.holes: deque[Hole] = deque(maxlen=_HOLES_KEPT)
        self.late_bars = 0
        self._frame: Timeframe | None = None
        self._stamper: Stamper | None = None
        self._handle: FeedHandle | None = None
        self._kept: tuple[FeedRequest, History] | None = None
        self._run = 0
        self._ended = True

    @classmethod
    def from_lake(
        cls,
        dataname: str,
        exchange: str | None = None,
        *,
        market_type: str | None = None,
        mode: str | None = None,
        lake: str | Path | None = None,
        **kwargs: Any,
    ) -> CCXTData:
        """History that ``btccxt download`` or a running store left in the lake: no store, no network.

        ``exchange``, ``market_type`` and ``mode`` ('live' is what paper and live trade on) are needed only where the
        lake has the symbol of several. ``lake``: its folder; None: the default one. Other arguments as those of
        ``getdata``; without ``fromdate`` it begins with the oldest bar. Raises ConfigError for what the lake does not
        have, LakeError with the command that fetches what is missing.
        """
        kwargs.setdefault("historical", True)
        opened = Lake(lake, create=False)
        venue = find_venue(opened, dataname, exchange, market_type, mode)
        return cls(source=LakeSource(opened, venue), dataname=dataname, **kwargs)

    # -------------------------------------------------------------- life

    def islive(self) -> bool:
        return not self.p.historical

    def setenvironment(self, env: bt.Cerebro) -> None:
        super().setenvironment(env)
        self._cerebro_loop.attach(self.source)
        self._resolve_timeframe()

    def _resolve_timeframe(self) -> None:
        """Find the exchange's name for the timeframe. Raises ConfigError before anything is sent."""
        if self.is_ticks:
            if self.p.compression != 1:
                raise ConfigError(f"{self.p.dataname}: compression={self.p.compression}, but trades come one by one")
            return
        names = timeframe_names(self.p.timeframe, self.p.compression)
        name = names[0]
        if self.p.bars != "trades":
            try:
                name = offered_name(
                    self.p.timeframe,
                    self.p.compression,
                    self.source.timeframes(),
                    self.p.dataname,
                    self.source.name,
                )
            except ConfigError as error:
                # The run will never begin: what would be delivered in its loop is delivered here.
                self.put_notification(self.NOTSUPPORTED_TF, str(error))
                for status, args, kwargs in self.get_notifications():
                    self._env._notify_data(self, status, *args, **kwargs)
                raise
        self._frame = parse_timeframe(name)
        self.label = f"{self._dataname} {name}"

    def start(self) -> None:
        check_place(self, runs=not self._ended)
        self._refuse_optimisation()
        if is_inner(self, self._env):  # when cerebro started its stores, it knew of none for this data
            self._cerebro_loop.join_run()
            adopt_outer(self, self._env)
            self.source.start()
        super().start()
        self._start_finish()
        self._run += 1
        self._arrived_s: deque[float] = deque()  # one per run of bars or trades that has not been read yet
        self._lag = LagWatch(self.label, self._tell_lag)
        self._waiting: deque[FeedEvent] = deque()
        self._held = False
        self._ended, self._when_quiet = False, None
        self.been_live = False
        """Whether what comes now is of now: the stream has begun, or polling serves in its place."""
        self._rows: Iterator[Row] | None = None
        self._rows_left = -1  # at most so many will come; below zero: nobody knows
        if self._frame is not None:
            at_open, beside_shorter = self.p.stamp == "open", not self.stamps_day_ends
            self._stamper = Stamper(self._frame, self.p.timeframe, at_open, beside_shorter=beside_shorter)
        self._made = RowMaker(
            self._frame, self._stamper, late_allowed=self._lets_late_through(), on_late=self._report_late
        )
        self._said_no_trades = False
        first_rows = self._backfill_rows()
        request = self._request()
        if self.p.historical:
            if self._cerebro_loop.leaves_it_to_workers:
                self._shareable().share(request)
                self._ended = True  # here; the workers start it anew
                return
            self._history = self._load_history(request)
            self._rows = chain(first_rows, self._made.rows_of(self._history))
            if not len(self._history) and not first_rows:
                self._say_empty(request)
            self._announce_connected()
            if self._env._dolive and not is_inner(self, self._env):  # beside live feeds, whose history is still to come
                self._held = True
                self._cerebro_loop.hold(self, ready=True)
            return
        self._rows = iter(first_rows) if first_rows else None
        self._cerebro_loop.opened(self)
        if request.backfill_start and not is_inner(self, self._env):
            self._held = True
            self._cerebro_loop.hold(self)
        self._handle = self.source.open_feed(request, self._make_sink(self._cerebro_loop, self._run))

    def _refuse_optimisation(self) -> None:
        if self._env._dooptimize and self.islive():
            raise ConfigError(f"{self.label}: optstrategy needs data that end: getdata(..., historical=True)")
        if self._env._dooptimize and self._env.p.maxcpus != 1:
            self._shareable()

    def _shareable(self) -> LakeSource:
        """Raises ConfigError where other processes cannot have these bars."""
        if not isinstance(self.source, LakeSource):
            raise ConfigError(
                f"{self.label}: other processes cannot share this connection: bt.Cerebro(maxcpus=1), or "
                "CCXTData.from_lake(...)"
            )
        return self.source

    def _load_history(self, request: FeedRequest) -> History:
        if self._kept is not None and self._kept[0] == request:
            return self._kept[1]
        history = self.source.history(request)
        if self._env._dooptimize:  # every set of parameters starts the data anew
            self._kept = (request, history)
        return history

    def _start_finish(self) -> None:
        if self.p.tzinput is not None:
            raise ConfigError(f"{self.label}: tzinput={self.p.tzinput!r}: exchanges stamp in UTC; for output use tz")
        super()._start_finish()
        self.fromdate: float
        self.todate: float
        if self.fromdate >= self.todate:
            raise ConfigError(f"{self.label}: fromdate {self.p.fromdate} does not lie before todate {self.p.todate}")
        if self.todate != float("inf"):
            # Backtrader ends a day 10 µs early; its last bar closes at midnight.
            self.todate = num_of_ms(ms_of_num(self.todate))

    def _request(self) -> FeedRequest:
        from_ms = None if self.fromdate == float("-inf") else ms_of_num(self.fromdate)
        made = self._made
        made.from_ms, made.to_ms = from_ms, None if self.todate == float("inf") else ms_of_num(self.todate)
        if made.newest_ms >= 0:  # backfill_from has gone before
            from_ms = made.newest_ms + 1 if self._frame is None else self._frame.next_open(made.newest_ms)
        return FeedRequest(
            symbol=self.p.dataname,
            timeframe=None if self._frame is None else self._frame.name,
            from_ms=from_ms,
            to_ms=made.to_ms,
            backfill_start=self.p.backfill_start,
            backfill=self.p.backfill,
            bars="trades" if self.p.bars == "trades" else "candles",
            quotes=self.p.quotes,
            order_book=self.p.order_book,
            last_bars=self.p.bars if is_number(self.p.bars) else None,
        )

    def _make_sink(self, cerebro_loop: CerebroLoop, run: int) -> Callable[[FeedEvent], None]:
        inbox, arrived_s = cerebro_loop.inbox, self._arrived_s

        def sink(event: FeedEvent) -> None:
            if run == self._run and not self._ended:  # a feed that is being closed may still have something to say
                if isinstance(event, BarsClosed | TicksArrived):
                    arrived_s.append(time.monotonic())
                inbox.put(self, event)

        return sink

    def stop(self) -> None:
        """Close the feed. Idempotent."""
        super().stop()
        self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended, self._when_quiet, self._held = True, False, False
            self._cerebro_loop.closed(self)
            if self.p.backfill_from is not None:
                self.p.backfill_from.stop()
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()

    # -------------------------------------------------------------- polled by cerebro in every loop

    def _has_more(self) -> bool:
        return self._rows is not None or bool(self._waiting)

    def _load(self) -> bool | None:
        while True:
            if self._rows is not None:
                for row in self._rows:
                    if self._clones and self.replaying:
                        self._cerebro_loop.has_work = True
                        for clone in self._clones:
                            clone.arrivals.append(row)
                    self._rows_left -= 1
                    if self._write(row):
                        if self._rows_left == 0:
                            self._rows = None
                        return True
                self._rows = None
                if self.p.historical:
                    self.put_notification(self.DISCONNECTED, "history is complete")
                    self._end()
            events = self._waiting or self.arrivals
            if not events:
                return False if self._ended else None
            self._take(events.popleft())

    def preload(self) -> None:
        """Everything into the line buffers at once."""
        if self._cerebro_loop.leaves_it_to_workers:
            return
        if self._filters or self.is_ticks or self.p.backfill_from is not None or not self._history:
            super().preload()
            return
        self._rows = None
        columns = self._made.wanted_columns(self._history)  # type: ignore[arg-type]  # no trades: not is_ticks
        self._history = ()
        count = len(columns[0])
        values = dict(zip(map(id, self._row_lines), (*columns, array("d", [0.0]) * count), strict=True))
        for line in self._all_lines:  # a subclass may have more
            column = values.get(id(line))
            bulk = array("d", [_NAN]) * count if column is None else column
            line.array = bulk + line.array  # what is there already is the room for lookahead
        self.put_notification(self.DISCONNECTED, "history is complete")
        self._end()
        self.home()

    # -------------------------------------------------------------- until all histories are here

    def release(self) -> None:
        self._held = False

    def look(self) -> None:
        """What has arrived of the history, without delivering it."""
        arrivals = self.arrivals
        if arrivals:
            complete = False
            while arrivals:
                event = arrivals.popleft()
                if isinstance(event, FeedState) and event.state in BROKEN:
                    self._take_state(event)  # the user should not wait for this news
                    continue
                self._waiting.append(event)
                complete = complete or self._completes_history(event)
            self._cerebro_loop.history_progress(self, complete)

    def _history_is_here(self) -> bool:
        """Whether the loop has let go."""
        if self._held:
            self.look()
        return not self._held

    def _completes_history(self, event: FeedEvent) -> bool:
        if isinstance(event, FeedState):
            return event.state in (ConnectionState.LIVE, ConnectionState.STOPPED)
        if isinstance(event, BarsClosed) and self._frame is not None and event.bars:
            # Without a stream (polling) nothing says that history is over but the bar that has just closed.
            forming_ms = self._frame.next_open(event.bars[-1].open_ms)
            return self._frame.next_open(forming_ms) > self.source.now_ms()
        return isinstance(event, (FeedEnded, FeedFailed))

    def _backfill_rows(self) -> list[Row]:
        """All bars of ``backfill_from``."""
        other = self.p.backfill_from
        if other is None:
            return []
        if isinstance(other, FeedLines):
            check_earlier(self, other)
        other.setenvironment(self._env)
        other._start()
        rows: list[Row] = []
        while other.next():
            rows.append((*(getattr(other.lines, alias)[0] for alias in _ALIASES), 0.0))
        if rows:
            made = self._made
            made.close = rows[-1][4]
            made.newest_ms = ms_of_num(rows[-1][0])
            if self._frame is not None and self.p.stamp == "close":
                made.newest_ms = self._frame.previous_open(made.newest_ms)
        return rows

    # -------------------------------------------------------------- events

    def _take(self, event: FeedEvent) -> None:
        if isinstance(event, BarsClosed):
            self._note_lag()
            self._announce_delayed()
            self._rows, self._rows_left = self._made.rows_of(event.bars), len(event.bars)
        elif isinstance(event, TicksArrived):
            self._note_lag()
            self._announce_delayed()
            self._rows, self._rows_left = self._made.rows_of(event.trades), len(event.trades)
        elif isinstance(event, FeedState):
            self._take_state(event)
        elif isinstance(event, Hole):
            self._take_hole(event)
        elif isinstance(event, Correction):
            text = f"{self.label}: {self.source.name} corrected a bar that was delivered"
            self._say(EventName.BAR_REVISED, text, correction=event)
        elif isinstance(event, FeedEnded):
            self._end()
            self.put_notification(self.DISCONNECTED, event.reason)
        elif isinstance(event, FeedFailed):
            self._fail(event.error)
        else:
            raise TypeError(f"{self.label}: no feed event: {event!r}")

    def _fail(self, error: BaseException) -> None:
        self._end()
        self.put_notification(self.NOTSUBSCRIBED, error)
        self.put_notification(self.DISCONNECTED, error)
        if self._made.newest_ms < 0:
            # Without a first bar it would hold all others in prenext for ever.
            raise error if isinstance(error, BtccxtError) else BtccxtError(f"{self.label}: {error!r}") from error
        self._say(EventName.STREAM_FAILED, f"{self.label} has ended: {error}", error=error)

    def _take_hole(self, hole: Hole) -> None:
        self.holes.append(hole)
        text = f"{self.label}: no bars from {iso(hole.from_ms)} to {iso(hole.to_ms)}: {hole.cause.value}"
        harmless = hole.cause in (HoleCause.NO_TRADES, HoleCause.DEPTH)
        if self.p.gaps == "raise" and not harmless:
            self._end()
            raise MissingBars(text + ". With gaps='report' or gaps='fill' the run would go on")
        if self.p.gaps == "fill" and hole.cause is not HoleCause.DEPTH and self._made.close == self._made.close:
            self._rows, self._rows_left = self._made.flat_rows(hole), -1
        if hole.cause is HoleCause.NO_TRADES:
            if self._said_no_trades:
                return  # an illiquid market does this all day
            self._said_no_trades = True
        self._say(EventName.HOLE_REPORTED, text, hole=hole)

    def is_filler(self, ago: int = 0) -> bool:
        """Whether that bar was invented by ``gaps='fill'``."""
        return self.lines.datetime[ago] in self._made.fillers

    # -------------------------------------------------------------- the exchange's clock

    def clock_closes(self) -> bool:
        return (
            self._laststatus == self.LIVE
            and self._rows is None
            and not self.arrivals
            and not self._waiting
            and not self._ended
        )

    def exchange_ms(self) -> float:
        """The time up to which every bar counts as arrived."""
        lateness_s: float | None = self.p.lateness_s
        if lateness_s is None:
            lateness_s = _TICKS_LATENESS_S if self.is_ticks else _BARS_LATENESS_S
        return self.source.now_ms() - lateness_s / self.source.wall_s(1.0)

    def wall_s(self, exchange_ms: float) -> float:
        return self.source.wall_s(exchange_ms)

    def row_end_ms(self, stamp_ms: int) -> int:
        return stamp_ms if self._frame is None or not self.stamps_begin else self._frame.next_open(stamp_ms)

    def complete_to_ms(self) -> float:
        to_ms = self._made.to_ms
        return to_ms if to_ms is not None and to_ms <= self.source.now_ms() else float("-inf")

    def _lets_late_through(self) -> bool:
        return bool(self.p.latethrough)


def _name(parameters: Any) -> str:
    return timeframe_names(parameters.timeframe, parameters.compression)[0]
