"""What a running feed adds to the lake: the closed bars of its stream, once they have been closed for a while. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from btccxt.bars.closing import Correction
from btccxt.bars.seam import Hole, HoleCause
from btccxt.model import Bar
from btccxt.timeframe import Timeframe

_UNKNOWN = frozenset({HoleCause.LOST, HoleCause.NOT_ASKED})  # what the exchange has there nobody knows
KEEP_AFTER_MS = 60_000
"""A bar is kept once it has been closed for so long: a candle asked for just after its close may change."""


@dataclass(slots=True)
class Stretch:
    """Bars that follow each other: all that exist with ``from_ms <= open_ms < to_ms``."""

    from_ms: int
    to_ms: int
    bars: list[Bar] = field(default_factory=list)
    corrects: bool = False
    """Replaces what is known."""


class LiveTail:
    """Of one feed. ``take_bars``, ``take_hole`` and ``take_correction`` in the order in which the feed tells them."""

    def __init__(self, timeframe: Timeframe) -> None:
        self._timeframe = timeframe
        self._waiting: list[Stretch] = []
        self._corrections: list[Bar] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._corrections and not any(stretch.bars for stretch in self._waiting)

    def take_bars(self, bars: Sequence[Bar]) -> None:
        for bar in bars:
            if not self._waiting or self._waiting[-1].to_ms != bar.open_ms:
                self._waiting.append(Stretch(bar.open_ms, bar.open_ms))
            last = self._waiting[-1]
            last.bars.append(bar)
            last.to_ms = self._timeframe.next_open(bar.open_ms)

    def take_hole(self, hole: Hole) -> None:
        """The exchange has nothing there: known as well as bars are."""
        if self._waiting and self._waiting[-1].to_ms == hole.from_ms and hole.cause not in _UNKNOWN:
            self._waiting[-1].to_ms = hole.to_ms

    def take_correction(self, correction: Correction) -> None:
        """The exchange changed a bar that it had told."""
        self._corrections.append(correction.late)

    def ready(self, now_ms: int) -> list[Stretch]:
        """What may be kept now; it is not told again."""
        old_ms = now_ms - KEEP_AFTER_MS
        ready: list[Stretch] = []
        later: list[Stretch] = []
        for stretch in self._waiting:
            old = [bar for bar in stretch.bars if self._timeframe.next_open(bar.open_ms) <= old_ms]
            if len(old) == len(stretch.bars) and stretch.to_ms <= old_ms:
                ready.append(stretch)
                later.append(Stretch(stretch.to_ms, stretch.to_ms))
            elif old:
                young = stretch.bars[len(old) :]
                cut_ms = young[0].open_ms if young else self._timeframe.next_open(old[-1].open_ms)
                ready.append(Stretch(stretch.from_ms, cut_ms, old))
                later.append(Stretch(cut_ms, stretch.to_ms, young))
            else:
                later.append(stretch)
        self._waiting = [stretch for stretch in later if stretch.bars] or later[-1:]
        settled = [bar for bar in self._corrections if self._timeframe.next_open(bar.open_ms) <= old_ms]
        self._corrections = [bar for bar in self._corrections if bar not in settled]
        ready += [Stretch(bar.open_ms, self._timeframe.next_open(bar.open_ms), [bar], corrects=True) for bar in settled]
        return [stretch for stretch in ready if stretch.from_ms < stretch.to_ms]
