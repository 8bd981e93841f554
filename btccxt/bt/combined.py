"""Datas of ours inside another of backtrader's: ``chaindata`` and ``rolloverdata``.

Stock ones take "nothing now" of a live data for its end (``chaindata``), or ask again for ever without letting the loop
deliver anything (``rolloverdata``). The outer data is changed, never its class: other datas stay as they are.
"""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

from btccxt.bt.compat import bt

_Chainer, _RollOver = bt.feeds.Chainer, bt.feeds.RollOver


def is_inner(data: bt.AbstractDataBase, cerebro: bt.Cerebro) -> bool:
    """Whether cerebro knows this data by way of another only."""
    return not any(data is each for each in cerebro.datas)


def adopt_outer(data: bt.AbstractDataBase, cerebro: bt.Cerebro) -> None:
    """Let the data that holds this one wait as ours do."""
    for outer in cerebro.datas:
        parts = getattr(outer, "_args", None) if isinstance(outer, _Chainer) else getattr(outer, "_rolls", None)
        if not isinstance(outer, (_Chainer, _RollOver)) or not any(data is part for part in parts or ()):
            continue
        load = functools.partial(_load_chained, outer) if isinstance(outer, _Chainer) else _Rolling(outer).load
        news = functools.partial(_news_of_parts, tuple(parts or ()))
        vars(outer).update(_load=load, get_notifications=news, wakes_loop=True)  # the class stays as it is


def _news_of_parts(parts: tuple[bt.AbstractDataBase, ...]) -> list[Any]:
    return [news for part in parts for news in part.get_notifications()]


def _load_chained(chain: bt.feeds.Chainer) -> bool | None:
    while chain._d is not None:
        delivered = chain._d.next()
        if delivered is None:
            return None
        if not delivered:
            chain._d = chain._ds.pop(0) if chain._ds else None
            continue
        moment = chain._d.datetime.datetime()
        if moment <= chain._lastdt:
            continue
        chain._lastdt = moment
        for place in range(chain._d.size()):
            chain.lines[place][0] = chain._d.lines[place][0]
        return True
    return False


class _Rolling:
    """The way of one ``RollOver`` through its datas."""

    def __init__(self, rolling: bt.feeds.RollOver) -> None:
        self._data = rolling
        self._reached = 0.0
        self._takes_over = False  # the active data has been moved to a bar already, while it waited

    def load(self) -> bool | None:
        rolling = self._data
        while rolling._d is not None:
            delivered = self._takes_over or rolling._d.next()
            self._takes_over = False
            if delivered is None:
                return None
            if not delivered:
                rolling._d = rolling._ds.pop(0) if rolling._ds else None
                rolling._dts = rolling._dts[1:]
                self._takes_over = rolling._d is not None and len(rolling._d) > 0
                continue
            moment = rolling._d.datetime.datetime()
            if rolling._d.lines.datetime[0] <= self._reached:  # the one before it had come further
                continue
            for place, part in enumerate(rolling._ds):
                rolling._dts[place] = _advanced(part, rolling._dts[place], moment)
            if rolling._dexp is not None and not _still_lives(rolling._dexp, moment):
                rolling._dexp = None
            if rolling._dexp is None and _may_roll(rolling, moment):
                rolling._dexp, rolling._d = rolling._d, rolling._ds.pop(0)
                rolling._dts = rolling._dts[1:]
            for alias in ("datetime", "open", "high", "low", "close", "volume", "openinterest"):
                getattr(rolling.lines, alias)[0] = getattr(rolling._d.lines, alias)[0]
            self._reached = rolling.lines.datetime[0]
            return True
        return False


def _may_roll(rolling: bt.feeds.RollOver, moment: datetime) -> bool:
    active = rolling._d
    if active is None or not rolling._ds or not len(rolling._ds[0]) or not rolling._checkdate(moment, active):
        return False
    return bool(rolling._checkcondition(active, rolling._ds[0]))


def _advanced(part: bt.AbstractDataBase, reached: datetime, moment: datetime) -> datetime:
    """Move a data that waits for its turn along with the active one, as far as it has bars."""
    while reached < moment and part.next():
        reached = part.datetime.datetime()
    return reached


def _still_lives(expired: bt.AbstractDataBase, moment: datetime) -> bool:
    delivered: bool | None = True
    while delivered and (not len(expired) or expired.datetime.datetime() < moment):
        delivered = expired.next()
    return delivered is not False
