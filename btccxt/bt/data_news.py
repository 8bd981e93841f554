"""What a data tells of itself: its states in backtrader's words, what went wrong in ours."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime, timezone
from typing import Any

from btccxt.bt.data_lines import FeedLines
from btccxt.bt.ports import FeedSource
from btccxt.bt.rows import LagWatch
from btccxt.bt.time import ms_of_num
from btccxt.model import ConnectionState
from btccxt.notices import StoreNotice
from btccxt.observe.log import EventName, get_logger
from btccxt.session.events import FeedRequest, FeedState

log = get_logger(__name__)

BROKEN = frozenset({ConnectionState.STALE, ConnectionState.RECONNECTING})


class ToldLines(FeedLines):
    """The half of ``CCXTData`` that speaks."""

    source: FeedSource
    is_ticks: bool
    late_bars: int
    been_live: bool
    _arrived_s: deque[float]
    _lag: LagWatch

    def _say_empty(self, request: FeedRequest) -> None:
        begin = "its beginning" if request.from_ms is None else iso(request.from_ms)
        end = "now" if request.to_ms is None else iso(request.to_ms)
        text = f"{self.label}: {self.source.name} has nothing from {begin} to {end}: was this market listed then?"
        self._say(EventName.HISTORY_FAILED, text)

    def _note_lag(self) -> None:
        """History may wait for other feeds; what comes live waits for the strategy only."""
        arrived_s = self._arrived_s.popleft() if self._arrived_s else 0.0
        if arrived_s and self._laststatus == self.LIVE:
            self._lag.read(time.monotonic() - arrived_s, len(self._arrived_s))

    def _tell_lag(self, notice: StoreNotice) -> None:
        log.warning(EventName.STRATEGY_SLOW, feed=self.label, text=notice.text)
        self.source.put_notification(notice)

    def _take_state(self, event: FeedState) -> None:
        state = event.state
        args = (event.reason,) if event.reason else ()
        self.been_live = self.been_live or state in (ConnectionState.LIVE, ConnectionState.DEGRADED)
        if state is ConnectionState.LIVE:
            self._announce_connected()
            self.put_notification(self.LIVE, *args)
        elif state in BROKEN:
            self.put_notification(self.CONNBROKEN, *args)
        elif state is ConnectionState.DEGRADED:
            if self._laststatus == self.LIVE:
                self.put_notification(self.CONNBROKEN, *args)
            self._announce_connected()
            self.put_notification(self.DELAYED, *args)
        elif state is ConnectionState.CONNECTING and self._laststatus in (self.LIVE, self.CONNBROKEN):
            self.put_notification(self.DELAYED, *args)
        elif state is ConnectionState.STOPPED:
            self.put_notification(self.DISCONNECTED, *args)

    def _say(self, event: EventName, text: str, **details: Any) -> None:
        log.warning(event, feed=self.label, text=text)
        self.source.put_notification(text, data=self, **details)

    def _announce_connected(self) -> None:
        if self._laststatus == self.UNKNOWN:
            self.put_notification(self.CONNECTED)

    def _announce_delayed(self) -> None:
        """Bars that come while the feed is not live are history."""
        if self._laststatus != self.LIVE and self._laststatus != self.DELAYED:
            self._announce_connected()
            self.put_notification(self.DELAYED)

    def _report_late(self, num: float) -> None:
        self.late_bars += 1
        if self.late_bars == 1:
            what = "trade" if self.is_ticks else "bar"
            self._say(
                EventName.BAR_LATE,
                f"{self.label}: the {what} of {iso(ms_of_num(num))} came too late and was dropped; raise lateness_s, "
                "or set latethrough=True to count it to the next bar. Further ones are counted in data.late_bars",
            )


def iso(time_ms: float) -> str:
    return datetime.fromtimestamp(time_ms / 1000, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
