"""Alarms outlive the program that raised them: they are in the journal until somebody has been told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.journal.journal import Journal

_JUDGED_ANEW = frozenset({AlarmKind.MISMATCH, AlarmKind.JOURNAL})
"""Every start finds these out by itself, or refuses to begin; an old one would only confuse."""

_REMEMBERED = 10_000


class AlarmLog:
    """``tell`` hands an alarm to people; ``told`` is called when that has been done. Any thread, but ``restore``."""

    def __init__(self, journal: Journal, now_ms: Callable[[], int], tell: Callable[[Alarm], None]) -> None:
        self._journal = journal
        self._now_ms = now_ms
        self._tell = tell
        self._raised: dict[str, None] = {}  # names of what is told once, the latest of them

    async def restore(self) -> None:
        """What former programs did not come to tell is told now. Before anything else is raised. Session loop."""
        kept = await asyncio.wrap_future(self._journal.alarms())
        for each in kept:
            if each.alarm.once is not None:
                self._remember(each.alarm.once)
            if not each.told:
                self._tell(replace(each.alarm, raised_ms=each.at_ms))

    def raise_alarm(self, alarm: Alarm) -> None:
        """Into the journal, then on to people. Not again where it is told once and was raised before."""
        if alarm.once is not None:
            if alarm.once in self._raised:
                return
            self._remember(alarm.once)
        if alarm.kind not in _JUDGED_ANEW:
            self._journal.keep_alarm(alarm, self._now_ms())
        self._tell(alarm)

    def _remember(self, name: str) -> None:
        self._raised[name] = None
        if len(self._raised) > _REMEMBERED:
            del self._raised[next(iter(self._raised))]

    def told(self, alarm: Alarm) -> None:
        """Somebody has heard of it: a restart need not tell it again."""
        if alarm.kind not in _JUDGED_ANEW:  # those were not written down, and a journal in trouble is left alone
            self._journal.alarm_told(alarm)
