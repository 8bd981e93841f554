"""What every live data of ours does differently from backtrader's DataBase, and the clone that resampling makes of it.

Each override neutralises a fault of backtrader; ``tests/bt/test_faults_data.py`` shows each on the stock class.
"""

from __future__ import annotations

import inspect
from collections import deque
from datetime import datetime, time, tzinfo
from typing import Any

from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.fast_lines import QBUFFER, FastLines
from btccxt.bt.grouping import Grouping, options_of, replacement_of
from btccxt.bt.time import backtrader_zone, ms_of_num
from btccxt.errors import ConfigError

_NO_SESSION_END = bt.utils.date.TIME_MAX
_EDGE_MARGIN_S = 0.0005
_EXTRA_BARS = 2  # with exactbars=1: room for the bar being loaded, and for one put back by cerebro


_BarState = tuple[list[float], tuple[float | None, ...]]  # of every line, and what the broker sees of the newest part


class FeedLines(FastLines):
    """Lines that never sleep, survive ``exactbars=1`` and resampling, and tell the loop when they have work left.

    Never compare datas with ``==``: backtrader builds an indicator from it, or compares prices. Use ``is``.
    """

    # Cerebro asks for the smallest time of all datas that do not resample, and crashes when only resampled ones
    # delivered. Told that nobody resamples, it takes all.
    resampling = property(lambda self: 0, lambda self, value: None)

    wakes_loop = True
    _quiet = False  # nothing to do until something arrives; asked first, since with 200 feeds 199 are
    _when_quiet: bool | None = None  # cerebro's words: None is alive, False has ended
    _held = False  # waits for the histories of others
    _laststatus = FastLines.UNKNOWN  # before start() as well: put_notification reads it
    _last_args: tuple[Any, ...] = ()
    _env: bt.Cerebro = None  # type: ignore[assignment]  # the cerebro; a data inside another gets it when the run has begun
    _cerebro_loop: CerebroLoop
    label: str
    stamps_begin = False
    """Whether a stamp is the beginning of what it stamps (single trades, ``stamp='open'``), not its end."""

    # -------------------------------------------------------------- life

    def __init__(self) -> None:
        super().__init__()
        self.set_up()

    def set_up(self) -> None:
        """What ``__init__`` does; called by itself for a stock data that becomes one of these."""
        self.arrivals: deque[Any] = deque()
        self._clones: list[CCXTDataClone] = []
        self.keep_lines_at_hand()

    def setenvironment(self, env: bt.Cerebro) -> None:
        super().setenvironment(env)
        self._cerebro_loop = CerebroLoop.of(env)

    def start(self) -> None:
        super().start()
        self.begin()

    def begin(self) -> None:
        """A new run."""
        # Stock data pretend to have announced CONNECTED already, and so never do.
        self._laststatus, self._last_args = self.UNKNOWN, ()
        self.arrivals = deque()
        self._rewound: deque[list[float]] = deque()
        self._undo: _BarState | None = None
        self._redo: _BarState | None = None
        self._quiet = False
        self._groupings = [part[0] for part in self._filters if isinstance(part[0], Grouping)]
        for grouping in self._groupings:  # a second run would go on with the first one's half bar
            grouping.restart()

    def addfilter(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """As backtrader's, with our own resampling and replaying in the place of its own."""
        ours = replacement_of(p) if inspect.isclass(p) else None
        if ours is None:
            super().addfilter(p, *args, **kwargs)
        else:
            self._filters.append((ours(self, **options_of(p, kwargs)), [], {}))

    def replace_filters(self) -> None:
        """Put ours in the place of the resampling and replaying that a stock data was given."""
        self.__dict__.pop("resampling", None)
        self.replaying = 0
        self._timeframe, self._compression = self.p.timeframe, self.p.compression
        given, self._filters, self._ffilters = self._filters, [], []
        for part, args, kwargs in given:
            if replacement_of(type(part)) is None:
                super().addfilter(part, *args, **kwargs)
            else:
                self.addfilter(type(part), **part.p._getkwargs())

    def clone(self, **kwargs: Any) -> CCXTDataClone:
        return CCXTDataClone(dataname=self, **kwargs)

    def copyas(self, _dataname: str, **kwargs: Any) -> CCXTDataClone:
        twin = self.clone(**kwargs)
        twin._dataname = twin._name = _dataname
        return twin

    @property
    def has_resampler(self) -> bool:
        return bool(self._groupings)

    # -------------------------------------------------------------- polled by cerebro in every loop

    def do_qcheck(self, onoff: bool, qlapse: float) -> None:
        """No feed sleeps; the loop does."""

    def haslivedata(self) -> Any:
        return self.arrivals  # truth is all that is asked, and it is asked often

    def put_notification(self, status: int, *args: Any, **kwargs: Any) -> None:
        """As backtrader's, which also swallows a repeated status that has something new to say."""
        if self._laststatus == status and (not args or args == self._last_args):
            return
        self._laststatus, self._last_args = status, args
        self.notifs.append((status, args, kwargs))
        if self._env is not None:
            self._cerebro_loop.has_notifications = True

    def get_notifications(self) -> Any:
        return super().get_notifications() if self.notifs else ()

    def next(self, datamaster: bt.AbstractDataBase | None = None, ticks: bool = True) -> bool | None:
        """True: a bar. None: nothing now. False: nothing any more."""
        if self._quiet and not self.arrivals:
            return self._when_quiet
        if self._held and not self._history_is_here():
            return None
        self._undo = None
        delivered = super().next(datamaster=datamaster, ticks=ticks)
        stamps = self._stamps
        ahead = stamps.lencount < len(stamps.array) - stamps.extension  # preloaded, or put back
        waits = ahead or self._redo or self._rewound or self._barstack or self._barstash or self._has_more()
        self._quiet = not waits
        if delivered:
            self._cerebro_loop.mark_updated(self)
            if self.arrivals or not self._quiet:
                self._cerebro_loop.has_work = True
        return delivered

    def _has_more(self) -> bool:
        """Whether the next poll finds something, besides what arrives until then."""
        raise NotImplementedError

    def _history_is_here(self) -> bool:
        raise NotImplementedError

    def load(self) -> bool | None:
        if self._redo is not None:
            state, self._redo = self._redo, None
            self._undo = self._state()
            self._set_state(state)
            return True
        if self._rewound:
            self.forward()
            for line, value in zip(self._all_lines, self._rewound.popleft(), strict=True):
                line[0] = value
            return True
        length = self._stamps.lencount
        loaded = super().load()
        while loaded and self._stamps.lencount <= length and not self.replaying:
            loaded = super().load()  # some stock filters (Renko) take a bar away and do not say so
        if loaded and self._clones and not self.replaying:
            self._feed_clones()
        return loaded

    def rewind(self, size: int = 1) -> None:
        """With ``exactbars=1`` the ring buffer overwrites a bar that was only put back: keep it aside.

        A replayed bar that had only grown is not taken back as a whole: it shrinks to what it was.
        """
        self._cerebro_loop.has_work = True
        self._quiet = False
        if self._undo is not None:
            self._redo, state, self._undo = self._state(), self._undo, None
            self._set_state(state)
            return
        if self._stamps.mode != QBUFFER:
            super().rewind(size)
            return
        for _ in range(size):
            self._rewound.appendleft([line[0] for line in self._all_lines])
            self.backwards(force=True)

    def qbuffer(self, savemem: int = 0, replaying: bool = False) -> None:
        for line in self.lines:
            line.qbuffer(savemem=savemem, extrasize=_EXTRA_BARS)
            _keep_all_extra(line)

    def minbuffer(self, size: int) -> None:
        super().minbuffer(size)
        for line in self.lines:
            _keep_all_extra(line)

    def _feed_clones(self) -> None:
        row = tuple(line[0] for line in self._row_lines)
        self._cerebro_loop.has_work = True  # in this loop the clone may have been asked already
        for clone in self._clones:
            clone.arrivals.append(row)

    def _write(self, row: tuple[float, ...]) -> bool:
        """Fill the bar that ``load`` has made room for; False if it comes too late for its resampled bar."""
        if self._groupings and not self._lets_late_through() and self._is_late(row[0]):
            self._report_late(row[0])
            return False
        for line, value in zip(self._row_lines, row, strict=True):
            line[0] = value
        return True

    def _is_late(self, stamp: float) -> bool:
        stamp_ms = ms_of_num(stamp)
        return any(part.last_instant_ms(self, stamp_ms) < part.closed_to_ms for part in self._groupings)

    def _state(self) -> _BarState:
        ticks = (self.tick_open, self.tick_high, self.tick_low, self.tick_close, self.tick_volume)
        return [line[0] for line in self._all_lines], (*ticks, self.tick_openinterest, self.tick_last)

    def _set_state(self, state: _BarState) -> None:
        values, ticks = state
        for line, value in zip(self._all_lines, values, strict=True):
            line[0] = value
        self.tick_open, self.tick_high, self.tick_low, self.tick_close, self.tick_volume, *more = ticks
        self.tick_openinterest, self.tick_last = more

    # -------------------------------------------------------------- resampling

    def grow(self, values: list[float], *, begins: bool) -> None:
        """The newest row is part of a replayed bar: a new one, or (not ``begins``) the one before it."""
        if not begins:
            row_ticks = self._ticks_of_row()
            self.backwards(force=True)
            self._undo = self._state()
            self._set_state((values, row_ticks))
            return
        for line, value in zip(self._all_lines, values, strict=True):
            line[0] = value

    def _ticks_of_row(self) -> tuple[float | None, ...]:
        _, *values = (line[0] for line in self._row_lines)
        return (*values, values[3])

    @property
    def zone(self) -> tzinfo | None:
        zone: tzinfo | None = self._tz
        return zone

    @property
    def day_ends_ms(self) -> int:
        if self._calendar is not None:
            raise ConfigError(
                f"{self.label}: resampling knows no trading calendar; these markets never close. For days that end at "
                "another time than midnight give getdata(..., sessionend=datetime.time(17, 0))"
            )
        end: time | None = self.p.sessionend
        if end is None or end >= _NO_SESSION_END:
            return 0
        return round(((end.hour * 60 + end.minute) * 60 + end.second) * 1000 + end.microsecond / 1000) % 86_400_000

    @property
    def stamps_day_ends(self) -> bool:
        return self._cerebro_loop.stamps_day_ends

    def row_end_ms(self, stamp_ms: int) -> int:
        """Close of the bar with this stamp; the instant itself for a trade."""
        return stamp_ms

    def _lets_late_through(self) -> bool:
        raise NotImplementedError

    def _report_late(self, num: float) -> None:
        raise NotImplementedError

    def clock_closes(self) -> bool:
        """Whether the clock may close a resampled bar now: live, and nothing older is still under way."""
        raise NotImplementedError

    def exchange_ms(self) -> float:
        """The exchange's time, less the time that its bars may take to arrive."""
        raise NotImplementedError

    def wall_s(self, exchange_ms: float) -> float:
        raise NotImplementedError

    def complete_to_ms(self) -> float:
        """At the end of the data: everything that closed until then was there."""
        raise NotImplementedError

    def _check(self, forcedata: bt.AbstractDataBase | None = None) -> None:
        """Deliver resampled bars that are over.

        Stock backtrader lets any other feed's bar close this one's (``forcedata``) before its own last bar is in, which
        then pollutes the next one. Here only its own bars do, and the exchange's clock.
        """
        if not self._filters:
            return
        for part, args, kwargs in self._filters:
            if isinstance(part, Grouping):
                if self.clock_closes():
                    part.check(self, self.exchange_ms())
            elif hasattr(part, "check"):
                part.check(self, *args, _forcedata=forcedata, **kwargs)
        if self._barstack:
            self._cerebro_loop.has_work = True
            self._quiet = False

    def _last(self, datamaster: bt.AbstractDataBase | None = None) -> bool:
        """At the end of the data: what is whole is delivered, half a resampled bar is not.

        Stock backtrader delivers the half bar too, stamped in the future, and strategies trade on it.
        """
        waiting = len(self._barstack)
        for grouping in self._groupings:
            grouping.check(self, self.complete_to_ms())
        delivered = len(self._barstack) - waiting
        for part, args, kwargs in self._ffilters:
            delivered += part.last(self, *args, **kwargs)
        fill_ticks = datamaster is not None and bool(self._barstack)
        while self._fromstack(forward=True):
            pass
        if fill_ticks:
            self._tick_fill()
        return bool(delivered)

    def seconds_to_edge(self) -> float:
        """Wall seconds until the clock closes a resampled bar; infinity if there is none to close."""
        if not self.clock_closes():
            return float("inf")
        nearest_s = float("inf")
        for grouping in self._groupings:
            if grouping.due_ms is not None and not grouping.replaying:
                left_ms = grouping.due_ms - self.exchange_ms()
                nearest_s = min(nearest_s, self.wall_s(left_ms) + _EDGE_MARGIN_S)
        return nearest_s

    # -------------------------------------------------------------- time zones

    def _gettz(self) -> tzinfo | None:
        zone: tzinfo | None = backtrader_zone(self.p.tz)
        return zone

    def date2num(self, dt: datetime) -> float:
        return bt.date2num(dt) if getattr(dt, "tzinfo", None) is not None else super().date2num(dt)


def _keep_all_extra(line: bt.LineBuffer) -> None:
    """The ring buffer counts on one extra bar at most; tell it where its last place is."""
    if line.mode == QBUFFER:
        line.lenmark = line.maxlen + line.extrasize - 1


class CCXTDataClone(FeedLines):
    """A second view on the same feed, made by ``resampledata`` and ``replaydata`` beside ``adddata``.

    Gets every bar that its parent loads, as rows in ``arrivals``. (Stock clones look whether the parent has grown, and
    count a bar twice that was put back, so that they miss the next.)
    """

    _clone = True
    _when_quiet = False  # the parent says whether there will be more

    def __init__(self, **_params: Any) -> None:  # backtrader's metaclass has taken them
        super().__init__()
        self._join_parent()

    def become_clone(self, parent: FeedLines) -> None:
        """A stock clone of a stock data that has become one of ours: be as one that this class has made."""
        self._cerebro_loop = parent._cerebro_loop
        self.set_up()
        self._join_parent()
        self.replace_filters()

    def _join_parent(self) -> None:
        parent: FeedLines = self.p.dataname
        self.data = parent
        self._dataname = parent._dataname
        self.label = f"{parent.label} clone"
        self.p.sessionstart = parent.p.sessionstart
        self.p.sessionend = parent.p.sessionend
        self.p.timeframe = parent.p.timeframe
        self.p.compression = parent.p.compression
        parent._clones.append(self)

    def _start(self) -> None:
        self.start()
        parent = self.data
        self._tz = parent._tz
        self.lines.datetime._settz(self._tz)
        self._calendar = parent._calendar
        self._tzinput = None  # the parent has converted
        self.fromdate = float("-inf")  # the parent has filtered
        self.todate = float("inf")
        self.sessionstart = parent.sessionstart
        self.sessionend = parent.sessionend
        self.stamps_begin = parent.stamps_begin

    def islive(self) -> bool:
        return False

    def _has_more(self) -> bool:
        return False

    def _load(self) -> bool:
        rows = self.arrivals
        while rows:
            row = rows.popleft()
            if self._clones and self.replaying:
                self._cerebro_loop.has_work = True
                for clone in self._clones:
                    clone.arrivals.append(row)
            if self._write(row):
                return True
        return False

    def preload(self) -> None:
        self.arrivals.extend(zip(*(line.array for line in self.data._row_lines), strict=True))
        super().preload()

    def row_end_ms(self, stamp_ms: int) -> int:
        return self.data.row_end_ms(stamp_ms)

    def complete_to_ms(self) -> float:
        return self.data.complete_to_ms()

    def _lets_late_through(self) -> bool:
        return self.data._lets_late_through()

    def _report_late(self, num: float) -> None:
        self.data._report_late(num)

    def clock_closes(self) -> bool:
        return not self.arrivals and self.data.clock_closes()

    def exchange_ms(self) -> float:
        return self.data.exchange_ms()

    def wall_s(self, exchange_ms: float) -> float:
        return self.data.wall_s(exchange_ms)
