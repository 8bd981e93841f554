"""What every live data of ours does differently from backtrader's DataBase, and the clone that resampling makes of it.

Each override neutralises a fault of backtrader; ``tests/bt/test_faults_data.py`` shows each on the stock class.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import timedelta
from typing import Any

from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.time import NUDGE, backtrader_zone, day_end_of, is_last_of_period, ms_of_num

_QBUFFER = bt.linebuffer.LineBuffer.QBuffer
_BaseResampler = bt.resamplerfilter._BaseResampler
_TF = bt.TimeFrame
_SECOND_OF_DAY = 86_400
_EDGE_MARGIN_S = 0.0005
_EXTRA_BARS = 2  # with exactbars=1: room for the bar being loaded, and for one put back by cerebro


class FeedLines(bt.feed.DataBase):
    """Lines that never sleep, survive ``exactbars=1`` and resampling, and tell the loop when they have work left.

    Never compare datas with ``==``: backtrader builds an indicator from it, or compares prices. Use ``is``.
    """

    # Cerebro asks for the smallest time of all datas that do not resample, and crashes when only resampled ones
    # delivered. Told that nobody resamples, it takes all.
    resampling = property(lambda self: 0, lambda self, value: None)

    wakes_loop = True
    tick_open = tick_high = tick_low = tick_close = tick_volume = tick_openinterest = tick_last = None
    _quiet = False  # nothing to do until something arrives; asked first, since with 200 feeds 199 are
    _when_quiet: bool | None = None  # cerebro's words: None is alive, False has ended
    _held = False  # waits for the histories of others
    _laststatus = bt.feed.DataBase.UNKNOWN  # before start() as well: put_notification reads it
    _last_args: tuple[Any, ...] = ()
    _cerebro_loop: CerebroLoop
    label: str
    stamps_begin = False
    """Whether a stamp is the beginning of what it stamps (single trades, ``stamp='open'``), not its end."""

    # -------------------------------------------------------------- life

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: deque[Any] = deque()
        self._clones: list[CCXTDataClone] = []
        lines = self.lines
        for alias in self.getlinealiases():  # found at once, not by way of __getattr__
            setattr(self, alias, getattr(lines, alias))
        prices = (lines.open, lines.high, lines.low, lines.close)
        self._all_lines = tuple(lines)
        self._row_lines = (lines.datetime, *prices, lines.volume, lines.openinterest)
        self._stamps = lines.datetime

    def setenvironment(self, env: Any) -> None:
        super().setenvironment(env)
        self._cerebro_loop = CerebroLoop.of(env)

    def start(self) -> None:
        super().start()
        # Stock data pretend to have announced CONNECTED already, and so never do.
        self._laststatus, self._last_args = self.UNKNOWN, ()
        self.arrivals = deque()
        self._rewound: deque[list[float]] = deque()
        self._quiet = False
        self._resamplers = [part[0] for part in self._filters if isinstance(part[0], _BaseResampler)]
        self._daily_resample = any(resampler.p.timeframe >= _TF.Days for resampler in self._resamplers)
        for resampler in self._resamplers:  # a second run would go on with the first one's half bar
            resampler.bar.bstart(maxdate=True)
            resampler.compcount = 0
            resampler._firstbar = True
            resampler._nexteos = None

    def clone(self, **kwargs: Any) -> CCXTDataClone:
        clone_class: Any = CCXTDataClone  # its metaclass takes params as keywords
        return clone_class(dataname=self, **kwargs)

    def copyas(self, _dataname: str, **kwargs: Any) -> CCXTDataClone:
        twin = self.clone(**kwargs)
        twin._dataname = twin._name = _dataname
        return twin

    @property
    def has_resampler(self) -> bool:
        return bool(self._resamplers)

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

    def next(self, datamaster: Any = None, ticks: bool = True) -> Any:
        """True: a bar. None: nothing now. False: nothing any more."""
        if self._quiet and not self.arrivals:
            return self._when_quiet
        if self._held and not self._history_is_here():
            return None
        delivered = super().next(datamaster=datamaster, ticks=ticks)
        stamps = self._stamps
        ahead = stamps.lencount < len(stamps.array) - stamps.extension  # preloaded, or put back
        self._quiet = not (ahead or self._rewound or self._barstack or self._barstash or self._has_more())
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

    def load(self) -> Any:
        if self._rewound:
            self.forward()
            for line, value in zip(self._all_lines, self._rewound.popleft(), strict=True):
                line[0] = value
            return True
        loaded = super().load()
        if loaded and self._clones and not self.replaying:
            self._feed_clones()
        return loaded

    def rewind(self, size: int = 1) -> None:
        """With ``exactbars=1`` the ring buffer overwrites a bar that was only put back: keep it aside."""
        self._cerebro_loop.has_work = True
        self._quiet = False
        if self._stamps.mode != _QBUFFER:
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
        num = row[0]
        if self._resamplers:
            num = self._resample_stamp(num)
            if num <= self._delivered_to() and not self._lets_late_through():
                self._report_late(num)
                return False
        for line, value in zip(self._row_lines, row, strict=True):
            line[0] = value
        self._stamps[0] = num
        return True

    # -------------------------------------------------------------- the same as backtrader's, in a fraction of the time

    def __len__(self) -> int:
        return self._stamps.lencount

    def advance_peek(self) -> float:
        stamps = self._stamps
        more = stamps.lencount < len(stamps.array) - stamps.extension
        return stamps.array[stamps._idx + 1] if more else float("inf")

    def advance(self, size: int = 1, datamaster: Any = None, ticks: bool = True) -> None:
        if datamaster is not None or self._stamps.mode == _QBUFFER:
            super().advance(size, datamaster=datamaster, ticks=ticks)
            return
        for line in self._all_lines:
            line._idx += size
            line.lencount += size
        if ticks:
            self._tick_fill(force=True)

    def _tick_nullify(self) -> None:
        self.tick_open = self.tick_high = self.tick_low = self.tick_close = None
        self.tick_volume = self.tick_openinterest = self.tick_last = None

    def _tick_fill(self, force: bool = False) -> None:
        if force or self.tick_close is None:
            _, opening, high, low, close, volume, interest = self._row_lines
            at = close._idx
            self.tick_open = opening.array[at]
            self.tick_high = high.array[at]
            self.tick_low = low.array[at]
            self.tick_close = self.tick_last = close.array[at]
            self.tick_volume = volume.array[at]
            self.tick_openinterest = interest.array[at]

    # -------------------------------------------------------------- resampling

    def _resample_stamp(self, num: float) -> float:
        """The stamp as the resampler must see it to count the bar to the right period."""
        if self.stamps_begin:
            # On a boundary backtrader sees an end; this is a beginning.
            return num + NUDGE if round(num * _SECOND_OF_DAY, 3).is_integer() else num
        return day_end_of(num, self._tz) if self._daily_resample else num

    def _delivered_to(self) -> float:
        """Stamp of the resampled bar delivered last (``load`` has already moved on by one)."""
        resampled = any(not resampler.replaying for resampler in self._resamplers)
        return self._stamps[-1] if resampled and len(self) > 1 else float("-inf")

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

    def _timeoffset(self) -> timedelta:
        """Backtrader adds this to the computer's clock to judge whether a resampled bar is over."""
        return timedelta(milliseconds=self.exchange_ms() - time.time() * 1000)

    def _check(self, forcedata: Any = None) -> None:
        """Deliver resampled bars that are over.

        Stock backtrader lets any other feed's bar close this one's (``forcedata``) before its own last bar is in, which
        then pollutes the next one. Here only its own bars do, and the exchange's clock.
        """
        if not self._filters:
            return
        for part, args, kwargs in self._filters:
            if isinstance(part, _BaseResampler):
                if self.clock_closes():
                    part.check(self)
                self._close_whole(part)
            elif hasattr(part, "check"):
                part.check(self, *args, _forcedata=forcedata, **kwargs)
        if self._barstack:
            self._cerebro_loop.has_work = True
            self._quiet = False

    def _close_whole(self, resampler: Any) -> bool:
        """Deliver a day, week, month or year with its last bar; stock backtrader waits for the first of the next."""
        parameters = resampler.p
        if parameters.timeframe < _TF.Days or parameters.compression != 1 or resampler.replaying or self.stamps_begin:
            return False
        bar = resampler.bar
        if not bar.isopen() or not is_last_of_period(bar.datetime, parameters.timeframe, self._tz):
            return False
        self._add2stack(bar.lvalues())
        bar.bstart(maxdate=True)
        return True

    def _last(self, datamaster: Any = None) -> bool:
        """At the end of the data: what is whole is delivered, half a resampled bar is not.

        Stock backtrader delivers the half bar too, stamped in the future, and strategies trade on it.
        """
        delivered = 0
        for part, args, kwargs in self._ffilters:
            if isinstance(part, _BaseResampler):
                delivered += self._close_whole(part)
            else:
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
        for resampler in self._resamplers:
            if resampler.subdays and not resampler.replaying and resampler.bar.isopen():
                left_ms = ms_of_num(resampler._calcadjtime()) - self.exchange_ms()
                nearest_s = min(nearest_s, self.wall_s(left_ms) + _EDGE_MARGIN_S)
        return nearest_s

    # -------------------------------------------------------------- time zones

    def _gettz(self) -> Any:
        return backtrader_zone(self.p.tz)

    def date2num(self, dt: Any) -> float:
        return bt.date2num(dt) if getattr(dt, "tzinfo", None) is not None else super().date2num(dt)


def _keep_all_extra(line: Any) -> None:
    """The ring buffer counts on one extra bar at most; tell it where its last place is."""
    if line.mode == _QBUFFER:
        line.lenmark = line.maxlen + line.extrasize - 1


class CCXTDataClone(FeedLines):
    """A second view on the same feed, made by ``resampledata`` and ``replaydata`` beside ``adddata``.

    Gets every bar that its parent loads, as rows in ``arrivals``. (Stock clones look whether the parent has grown, and
    count a bar twice that was put back, so that they miss the next.)
    """

    _clone = True
    _when_quiet = False  # the parent says whether there will be more

    def __init__(self) -> None:
        super().__init__()
        parent = self.data = self.p.dataname
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

    def _getnexteos(self) -> Any:
        # A stock clone asks its parent, which may be bars ahead.
        was_clone, self._clone = self._clone, False
        try:
            return super()._getnexteos()
        finally:
            self._clone = was_clone

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
