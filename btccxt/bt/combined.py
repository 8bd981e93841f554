"""Datas of ours inside another of backtrader's: ``chaindata`` and ``rolloverdata``.

Stock ones take "nothing now" of a live data for its end (``chaindata``), ask again for ever without letting the loop
deliver anything (``rolloverdata``), lose the hour that a zone's clock repeats, and resample as stock datas do. So the
outer data becomes one of ours when the run begins, and with it the clones that resampling has made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.data_arguments import check_alike
from btccxt.bt.data_lines import CCXTDataClone, FeedLines
from btccxt.errors import ConfigError

_Chainer, _RollOver = bt.feeds.Chainer, bt.feeds.RollOver
_ALIASES = ("datetime", "open", "high", "low", "close", "volume", "openinterest")
_NEVER = float("-inf")


def is_inner(data: bt.AbstractDataBase, cerebro: bt.Cerebro) -> bool:
    """Whether cerebro knows this data by way of another only."""
    return not any(data is each for each in cerebro.datas)


def adopt_outer(data: bt.AbstractDataBase, cerebro: bt.Cerebro) -> None:
    """Let the data that holds this one wait, resample and tell time as ours do. Raises ConfigError."""
    for outer in _outer_datas(cerebro.datas):
        if isinstance(outer, OuterData) or not any(data is part for part in _parts_of(outer)):
            continue
        outer.__class__ = ChainedData if isinstance(outer, _Chainer) else RolledData
        outer.adopt(cerebro)
        for clone in _clones_of(outer, cerebro):
            clone.__class__ = CCXTDataClone
            clone.become_clone(outer)


def _clones_of(outer: Any, cerebro: bt.Cerebro) -> list[Any]:
    return [data for data in cerebro.datas if isinstance(data, bt.feed.DataClone) and data.data is outer]


def _outer_datas(datas: Iterator[Any] | list[Any] | tuple[Any, ...]) -> Iterator[Any]:
    for data in datas:
        if isinstance(data, (_Chainer, _RollOver)):
            yield data
            yield from _outer_datas(_parts_of(data))


def _parts_of(outer: Any) -> tuple[Any, ...]:
    return tuple(outer._args if isinstance(outer, _Chainer) else outer._rolls)


class OuterData(FeedLines):
    """What both kinds have in common. Whatever depends on the market is asked of the part whose turn it is."""

    _ds: list[Any]
    _d: Any
    _reached: float
    _others_reached: float
    """What the parts before this one have shown: what is not later is not shown again."""

    def adopt(self, cerebro: bt.Cerebro) -> None:
        """Be one of ours from now on: backtrader has made a stock data, and the run has begun to start it."""
        self._cerebro_loop = CerebroLoop.of(cerebro)
        self.label = str(self._name or self._dataname)
        self.set_up()
        for part in _parts_of(self):
            if part.replaying:
                raise ConfigError(
                    f"{self.label}: replay what holds the parts, cerebro.replaydata(cerebro.chaindata(...), ...), "
                    "not the parts"
                )
        first, *others = (part for part in _parts_of(self) if isinstance(part, FeedLines))
        for part in others:
            check_alike(self.label, "a part", first, part)
        self.replace_filters()
        self.begin()
        self._rewind_parts()

    def start(self) -> None:
        self._rewind_parts()
        super().start()

    def _rewind_parts(self) -> None:
        for part in _parts_of(self):
            part.reset()  # cerebro does it for its own datas only
        self._reached = self._others_reached = _NEVER

    def get_notifications(self) -> list[Any]:
        return [news for part in _parts_of(self) for news in part.get_notifications()]

    def _has_more(self) -> bool:
        return self._d is not None

    def _history_is_here(self) -> bool:
        return True

    def _take(self, part: Any) -> bool:
        """Show the part's newest bar; False if it comes too late to be shown."""
        row = tuple(getattr(part.lines, alias)[0] for alias in _ALIASES)
        if row[0] <= self._others_reached or not self._write(row):
            return False
        self._reached = row[0]
        return True

    # -------------------------------------------------------------- asked of the part whose turn it is

    @property
    def _current(self) -> Any:
        return _parts_of(self)[-1] if self._d is None else self._d

    @property
    def stamps_begin(self) -> bool:  # type: ignore[override]  # a part may be a data of somebody else
        return bool(getattr(self._current, "stamps_begin", False))

    @property
    def day_ends_ms(self) -> int:
        part = _parts_of(self)[0]
        return part.day_ends_ms if isinstance(part, FeedLines) else super().day_ends_ms

    def row_end_ms(self, stamp_ms: int) -> int:
        part = self._current
        return part.row_end_ms(stamp_ms) if isinstance(part, FeedLines) else stamp_ms

    def complete_to_ms(self) -> float:
        part = self._current
        return part.complete_to_ms() if isinstance(part, FeedLines) else _NEVER

    def _lets_late_through(self) -> bool:
        part = self._current
        return isinstance(part, FeedLines) and part._lets_late_through()

    def _report_late(self, num: float) -> None:
        part = self._current
        if isinstance(part, FeedLines):
            part._report_late(num)

    def clock_closes(self) -> bool:
        part = self._current
        return isinstance(part, FeedLines) and part.clock_closes()

    def exchange_ms(self) -> float:
        ms: float = self._current.exchange_ms()
        return ms

    def wall_s(self, exchange_ms: float) -> float:
        seconds: float = self._current.wall_s(exchange_ms)
        return seconds

    def _gettz(self) -> tzinfo | None:
        zone: tzinfo | None = _parts_of(self)[0]._gettz()
        return zone


class ChainedData(OuterData, _Chainer):  # type: ignore[misc,valid-type]
    """``cerebro.chaindata(first, second, ...)``: each begins where the one before has ended."""

    def _load(self) -> bool | None:
        while self._d is not None:
            delivered = self._d.next()
            if delivered is None:
                return None
            if not delivered:
                if not self._ds:
                    return False
                self._d = self._ds.pop(0)
                self._others_reached = self._reached
            elif self._take(self._d):
                return True
        return False


class RolledData(OuterData, _RollOver):  # type: ignore[misc,valid-type]
    """``cerebro.rolloverdata(first, second, ..., checkdate=...)``: from one contract into the next."""

    _dexp: Any  # the one before, moved along until it has ended
    _takes_over = False  # the active data has been moved to a bar already, while it waited

    def start(self) -> None:
        self._takes_over = False
        super().start()

    def _load(self) -> bool | None:
        while self._d is not None:
            delivered = self._takes_over or self._d.next()
            self._takes_over = False
            if delivered is None:
                return None
            if not delivered:
                if not self._ds:
                    return False
                self._d = self._ds.pop(0)
                self._others_reached = self._reached
                self._takes_over = len(self._d) > 0
                continue
            stamp = self._d.lines.datetime[0]
            if stamp <= self._others_reached:  # the one before it had come further
                continue
            for waiting in self._ds:
                _follow(waiting, stamp)
            if self._dexp is not None and not _follow(self._dexp, stamp):
                self._dexp = None
            shown, reached_before = self._d, self._reached
            rolls = self._dexp is None and self._may_roll(shown.datetime.datetime())
            if rolls:
                self._dexp, self._d = shown, self._ds.pop(0)
                reached = self._d.lines.datetime[0]
                self._takes_over = reached > stamp
                shown = self._d if reached == stamp else shown
            taken = self._take(shown)
            if rolls:
                self._others_reached = reached_before if shown is self._d else stamp
            if taken:
                return True
        return False

    def _may_roll(self, moment: datetime) -> bool:
        if not self._ds or not len(self._ds[0]) or not self._checkdate(moment, self._d):
            return False
        return bool(self._checkcondition(self._d, self._ds[0]))


def _follow(part: Any, stamp: float) -> bool:
    """Move a data that is not shown along with the active one, as far as it has bars; False where it has ended."""
    delivered: bool | None = True
    while delivered and (not len(part) or part.lines.datetime[0] < stamp):
        delivered = part.next()
    return delivered is not False
