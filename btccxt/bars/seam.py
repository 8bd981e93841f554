"""Where history meets the live stream (pure; one instance per symbol and timeframe).

What comes out is strictly ordered, each bar once, with no hole that the exchange does not have itself — across start,
history -> live, cuts and restarts. The seam knows one thing: the open of the next bar to release. Whatever is closed
(by the exchange's clock) and not here is a ``Gap`` that somebody has to ask the exchange for; what arrives beyond a gap
is held until the gap is filled, or until the exchange has shown that it has nothing there (``Hole``).

Polling by REST needs nothing more: without a live stream every bar becomes a gap just after it closed.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from btccxt.bars.closing import Correction
from btccxt.model import Bar
from btccxt.timeframe import Timeframe

_REMEMBERED = 64
_LONGEST_RETRY_MS = 60_000


class HoleCause(str, Enum):
    """Why the exchange has no bars for a range."""

    EXCHANGE = "the exchange has no bars there: it was down, or the market was halted"
    NO_TRADES = "nothing was traded, and this exchange has no bars without trades"
    DEPTH = "the exchange's history begins later"
    LOST = "the exchange does not give this range any more"
    NOT_ASKED = "it was missed while disconnected, and backfill=False"


@dataclass(frozen=True, slots=True)
class Gap:
    """Please ask the exchange for the bars with ``from_ms <= open_ms < to_ms``."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Hole:
    """The exchange itself has nothing with ``from_ms <= open_ms < to_ms``. Reported once, never filled."""

    from_ms: int
    to_ms: int
    cause: HoleCause


@dataclass(frozen=True, slots=True)
class Page:
    """What the exchange answered when asked for ``from_ms <= open_ms < to_ms``: closed bars, oldest first.

    Whatever is missing before ``seen_to_ms`` does not exist, since the answer had a later row; whatever is missing
    after it may only be late. The row of a bar that is not surely closed counts as later, but is not among ``bars``.
    """

    from_ms: int
    to_ms: int
    bars: Sequence[Bar]
    seen_to_ms: int


SeamEvent = Bar | Hole | Correction


def first_open(timeframe: Timeframe, start_ms: int) -> int:
    """Open of the first bar that opens at ``start_ms`` or later."""
    floor = timeframe.floor(start_ms)
    return floor if floor == start_ms else timeframe.next_open(floor)


def closed_until(timeframe: Timeframe, open_ms: int, now_ms: int) -> int:
    """End of the run of bars, beginning with the one at ``open_ms``, that are closed at ``now_ms``."""
    now_ms = max(open_ms, now_ms)
    if timeframe.length_ms is not None:
        return now_ms - (now_ms - open_ms) % timeframe.length_ms
    return max(open_ms, timeframe.floor(now_ms))


class Seam:
    """Joins pages of history with live closed bars.

    ``start_ms``: the first bar released is the first that opens then or later. ``last_open_ms`` instead: continue after
    that bar (restart). ``end_ms``: bars that open then or later are not wanted. ``grace_ms``: how long after its close
    a bar is given to arrive by itself before it is asked for. ``confirmations``: after how many answers, each asked
    for twice as long after the one before, a bar is given up that is neither there nor followed by a later one
    (exchanges' REST lags behind their streams; six answers with ``retry_ms`` of a second are half a minute).
    ``sends_empty_bars`` False: bars without trades do not exist there.
    """

    def __init__(
        self,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        last_open_ms: int | None = None,
        end_ms: int | None = None,
        grace_ms: int = 2_000,
        confirmations: int = 6,
        retry_ms: int = 1_000,
        sends_empty_bars: bool = True,
    ) -> None:
        if (start_ms is None) == (last_open_ms is None):
            raise ValueError("a seam begins at start_ms or after last_open_ms: give exactly one of them")
        self._timeframe = timeframe
        self._end_ms = end_ms
        self._grace_ms = grace_ms
        self._confirmations = confirmations
        self._retry_ms = retry_ms
        self._sends_empty_bars = sends_empty_bars
        if last_open_ms is not None:
            self._last_ms = last_open_ms
            self._next_ms = timeframe.next_open(last_open_ms)
            self._begun = True
        else:
            assert start_ms is not None
            self._last_ms = start_ms - 1
            self._next_ms = first_open(timeframe, start_ms)
            self._begun = False
        self._held: dict[int, Bar] = {}
        self._held_opens: list[int] = []  # heap over the keys of _held
        self._recent: OrderedDict[int, Bar] = OrderedDict()
        self._proven_ms = self._next_ms  # what is missing before this open does not exist
        self._forgone_ms = 0  # bars opening before this are not asked for
        self._doubts = 0  # answers in a row that did not help
        self._ask_after_ms = 0
        self._connected = False
        self._expected_ms = 0  # on an exchange without empty bars: bars opening before this may exist
        self._quiet_ms = 0  # ... and those opening before this were asked for in vain

    @property
    def next_open_ms(self) -> int:
        """Open of the next bar to release."""
        return self._next_ms

    @property
    def last_open_ms(self) -> int | None:
        """Open of the last released bar, None before the first."""
        return self._last_ms if self._begun else None

    @property
    def has_ended(self) -> bool:
        """Whether everything before ``end_ms`` was released."""
        return self._end_ms is not None and self._next_ms >= self._end_ms

    @property
    def held(self) -> int:
        """Closed bars that wait behind a gap."""
        return len(self._held)

    # -------------------------------------------------------------- events in

    def on_live(self, bar: Bar) -> list[SeamEvent]:
        """A closed bar from the stream: released, held behind a gap, or known already."""
        open_ms = bar.open_ms
        if open_ms <= self._last_ms:
            return self._compare(bar)
        if self._end_ms is not None and open_ms >= self._end_ms:
            return []
        kept = self._held.get(open_ms)
        if kept is not None:
            return [] if kept == bar else [Correction(kept, bar)]
        if not self._held:
            if open_ms == self._next_ms:  # the usual case
                self._release(bar)
                self._settled()
                return [bar]
            self._settled()  # answers of a time when nothing waited prove nothing now
        self._hold(bar)
        return self._advance()

    def on_page(self, page: Page, now_ms: int) -> list[SeamEvent]:
        """An answer of the exchange. Pages of one download come in order; a page may overlap what is released."""
        events: list[SeamEvent] = []
        asked_ms = max(self._next_ms, self._proven_ms)
        for bar in page.bars:
            if bar.open_ms <= self._last_ms:
                events += self._compare(bar)
            elif self._end_ms is not None and bar.open_ms >= self._end_ms:
                break
            elif bar.open_ms == self._next_ms and not self._held:
                self._release(bar)
                events.append(bar)
            elif bar.open_ms in self._held:
                self._held[bar.open_ms] = bar  # nothing was passed on yet, and REST is the truth
            else:
                self._hold(bar)
        if page.from_ms <= asked_ms:
            self._proven_ms = max(self._proven_ms, min(page.seen_to_ms, page.to_ms))
        events += self._advance()
        if max(self._next_ms, self._proven_ms) > asked_ms:
            self._settled()
        elif page.to_ms > self._next_ms:
            self._doubt(page, now_ms)
            events += self._advance()
        return events

    def on_disconnected(self) -> None:
        """From now on every bar is asked for after it closed."""
        self._connected = False

    def forgo(self, to_ms: int) -> list[SeamEvent]:
        """What is missing before ``to_ms`` is not wanted any more: a hole, told when the next bar comes."""
        if to_ms <= max(self._next_ms, self._proven_ms):
            return []
        self._forgone_ms = self._proven_ms = to_ms
        return self._advance()

    def on_reconnected(self, now_ms: int) -> None:
        """The stream serves again. The bar that is forming now may have traded during the cut."""
        self._connected = True
        self._doubts = 0
        self._ask_after_ms = 0
        self.expect(self._timeframe.floor(now_ms))

    def expect(self, open_ms: int) -> None:
        """A forming bar was seen: it will have to come, even where bars without trades do not exist."""
        self._expected_ms = max(self._expected_ms, self._timeframe.next_open(open_ms))

    # -------------------------------------------------------------- what has to be asked for, and when

    def gap(self, now_ms: int) -> Gap | None:
        """The range to ask for now; None if nothing is missing, or if it was asked for a moment ago."""
        return self.missing(now_ms) if now_ms >= self._ask_after_ms else None

    def missing(self, now_ms: int) -> Gap | None:
        """The first range that is closed at the exchange and not here."""
        if self._held_opens:
            return Gap(self._wanted_ms, self._held_opens[0])
        base_ms = max(self._next_ms, self._proven_ms)
        if self._is_quiet(base_ms):
            return None
        to_ms = closed_until(self._timeframe, base_ms, now_ms - self._grace_ms)
        if self._end_ms is not None:
            to_ms = min(to_ms, self._end_ms)
        return Gap(self._wanted_ms, to_ms) if to_ms > base_ms else None

    @property
    def _wanted_ms(self) -> int:
        return max(self._next_ms, self._forgone_ms)

    @property
    def deadline_ms(self) -> int | None:
        """When ``gap`` may next have something to ask for, if nothing arrives; None: only after an event."""
        if self._held_opens:
            return self._ask_after_ms
        base_ms = max(self._next_ms, self._proven_ms)
        if self._is_quiet(base_ms):
            return None
        return max(self._timeframe.next_open(base_ms) + self._grace_ms, self._ask_after_ms)

    def _is_quiet(self, base_ms: int) -> bool:
        """Silence is normal: connected, no bars without trades, and no sign that this bar had a trade."""
        if self._sends_empty_bars or not self._connected:
            return False
        return base_ms >= self._expected_ms or self._quiet_ms >= self._expected_ms

    # -------------------------------------------------------------- inside

    def _advance(self) -> list[SeamEvent]:
        events: list[SeamEvent] = []
        while self._held_opens:
            open_ms = self._held_opens[0]
            # A bar that begins inside the expected one is an exchange with its own alignment, not a hole.
            if open_ms >= self._timeframe.next_open(self._next_ms):
                if open_ms > self._proven_ms:
                    break
                events.append(Hole(self._next_ms, open_ms, self._cause()))
            bar = self._held.pop(heapq.heappop(self._held_opens))
            self._release(bar)
            events.append(bar)
        if not self._held_opens and self._end_ms is not None and self._next_ms < self._end_ms <= self._proven_ms:
            events.append(Hole(self._next_ms, self._end_ms, self._cause()))
            self._next_ms = self._end_ms
        return events

    def _cause(self) -> HoleCause:
        if not self._begun:
            return HoleCause.DEPTH
        if self._next_ms < self._forgone_ms:
            return HoleCause.NOT_ASKED
        return HoleCause.EXCHANGE if self._sends_empty_bars else HoleCause.NO_TRADES

    def _hold(self, bar: Bar) -> None:
        self._held[bar.open_ms] = bar
        heapq.heappush(self._held_opens, bar.open_ms)

    def _release(self, bar: Bar) -> None:
        self._begun = True
        self._last_ms = bar.open_ms
        self._next_ms = self._timeframe.next_open(bar.open_ms)
        self._recent[bar.open_ms] = bar
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)

    def _compare(self, bar: Bar) -> list[SeamEvent]:
        released = self._recent.get(bar.open_ms)
        return [] if released is None or released == bar else [Correction(released, bar)]

    def _settled(self) -> None:
        self._doubts = 0
        self._ask_after_ms = 0

    def _doubt(self, page: Page, now_ms: int) -> None:
        """The answer had neither the bar nor a later one: it may only be late. Ask again, later and later."""
        self._doubts += 1
        self._ask_after_ms = now_ms + min(self._retry_ms * 2 ** min(self._doubts - 1, 16), _LONGEST_RETRY_MS)
        if not self._held_opens:
            base_ms = max(self._next_ms, self._proven_ms)
            newest_ms = closed_until(self._timeframe, base_ms, now_ms - self._grace_ms)
            # The close of another bar is a new reason to ask.
            self._ask_after_ms = min(self._ask_after_ms, self._timeframe.next_open(newest_ms) + self._grace_ms)
        if self._doubts < self._confirmations:
            return
        if self._held_opens or (self._end_ms is not None and page.to_ms >= self._end_ms):
            # Only now, with a later bar (or the end) at hand: otherwise nothing waits, and waiting costs nothing.
            self._proven_ms = max(self._proven_ms, page.to_ms)
            self._settled()
        elif not self._sends_empty_bars:
            self._quiet_ms = max(self._quiet_ms, page.to_ms)
