"""The exchange's clock, estimated on this machine. All judgement of market time goes through it.

The server's time is measured by round trip: whatever it says was true at some instant between sending and receiving, so
its midpoint is wrong by at most half the round trip. Several samples are kept; short and recent round trips win.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Protocol

_DRIFT = 100e-6  # a bad quartz gains or loses this fraction of the time since a sample was taken
_HOLD_WALL_MS = 5_000.0


def resolution_of(server_ms: int) -> float:
    """The step of an answer: one that ends in three zeros is taken for whole seconds.

    Of an exchange that tells milliseconds one answer in a thousand does so too; it only counts for less.
    """
    return 1_000.0 if server_ms % 1_000 == 0 else 0.0


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """The server's time, and local ms before and after the question."""

    sent_ms: float
    received_ms: float
    server_ms: int

    @property
    def half_trip_ms(self) -> float:
        return (self.received_ms - self.sent_ms + resolution_of(self.server_ms)) / 2.0

    @property
    def offset_ms(self) -> float:
        return self.server_ms + resolution_of(self.server_ms) / 2.0 - (self.sent_ms + self.received_ms) / 2.0

    def agrees_with(self, offset_ms: float, error_ms: float) -> bool:
        """Whether both may be true of the same clock."""
        return abs(self.offset_ms - offset_ms) <= self.half_trip_ms + error_ms + 1.0


def believable(answers: Sequence[TimeAnswer], known: ExchangeClock) -> list[TimeAnswer]:
    """Those that agree with each other, where two do; else those that agree with what is known already.

    A first answer that is alone is believed: there is nothing better.
    """
    camps = [[each for each in answers if each.agrees_with(one.offset_ms, one.half_trip_ms)] for one in answers]
    camp = max(camps, key=len, default=[])
    if len(camp) > 1 or (known.uncertainty_ms is None and len(answers) == 1):
        return camp
    error_ms = known.uncertainty_ms
    return [] if error_ms is None else [each for each in answers if each.agrees_with(known.offset_ms, error_ms)]


class LocalTime(Protocol):
    """Where milliseconds come from."""

    @property
    def speed(self) -> float:
        """Exchange seconds per wall second; 1.0 except on the embedded exchange."""

    def now_ms(self) -> float:
        """Local estimate of the exchange's time; may be wrong by a constant."""


class WallTime:
    """``time.time()`` read once, carried on by the monotonic clock: setting the system clock does not make it jump."""

    speed = 1.0

    def __init__(self) -> None:
        self._anchor_ms = time.time() * 1000.0 - time.monotonic() * 1000.0

    def now_ms(self) -> float:
        return self._anchor_ms + time.monotonic() * 1000.0


@dataclass(frozen=True, slots=True)
class _Sample:
    taken_ms: float  # local
    offset_ms: float
    half_trip_ms: float

    def error_ms(self, local_now_ms: float) -> float:
        return self.half_trip_ms + _DRIFT * max(0.0, local_now_ms - self.taken_ms)


class ExchangeClock:
    """Time of one exchange. Any thread may read; samples are added by the session thread. Nothing here blocks."""

    def __init__(self, local: LocalTime, *, keep_samples: int = 9) -> None:
        self._local = local
        self._samples: deque[_Sample] = deque(maxlen=keep_samples)
        self._chosen: _Sample | None = None
        self._last_ms = 0
        self._lock = threading.Lock()
        self._set_back_ms = 0.0
        self.steps = 0
        """How often the exchange's clock (or this machine's, after a suspend) turned out to have jumped."""

    def add_sample(self, sent_ms: float, received_ms: float, server_ms: float, *, resolution_ms: float = 0.0) -> None:
        """One question for the server's time: local ms before and after, and the answer.

        ``resolution_ms`` is the step of the answer: 1000 where the exchange tells whole seconds.
        Raises ValueError if the answer came before the question.
        """
        if received_ms < sent_ms:
            raise ValueError(f"clock sample received {sent_ms - received_ms} ms before it was sent")
        half_trip_ms = (received_ms - sent_ms + resolution_ms) / 2.0
        offset_ms = server_ms + resolution_ms / 2.0 - (sent_ms + received_ms) / 2.0
        sample = _Sample(received_ms, offset_ms, half_trip_ms)
        with self._lock:
            chosen = self._chosen
            if chosen is not None:
                allowed_ms = chosen.error_ms(received_ms) + half_trip_ms + 1.0
                if abs(offset_ms - chosen.offset_ms) > allowed_ms:
                    # Both cannot be true of the same clock: one of the clocks jumped, so older samples are history.
                    self._samples.clear()
                    self.steps += 1
            self._samples.append(sample)
            best = sorted(self._samples, key=lambda each: each.error_ms(received_ms))
            best = best[: (len(best) + 1) // 2]
            middle = median_low(each.offset_ms for each in best)
            self._chosen = next(each for each in best if each.offset_ms == middle)
            if chosen is not None and len(self._samples) == 1:  # it stepped
                self._set_back_ms = max(0.0, self._set_back_ms + chosen.offset_ms - middle)
            back_ms = self._last_ms - (self._local.now_ms() + middle)
            if chosen is None or back_ms > _HOLD_WALL_MS * self.speed:
                # Unsynchronised until now, or reset by far: holding still that long would be worse than going back.
                self._last_ms = 0

    def now_ms(self) -> int:
        """The exchange's time. Never goes back: a small correction backwards makes it stand still until caught up.

        Only the first sample, and a correction by more than five wall seconds, may set it back.
        """
        with self._lock:
            chosen = self._chosen
            now_ms = int(self._local.now_ms() + (chosen.offset_ms if chosen is not None else 0.0))
            if now_ms > self._last_ms:
                self._last_ms = now_ms
            return self._last_ms

    def local_ms(self) -> float:
        """This machine's time, uncorrected: what ``add_sample`` wants to know."""
        return self._local.now_ms()

    def wall_s(self, exchange_ms: float) -> float:
        """Seconds to sleep on this machine until ``exchange_ms`` of exchange time have passed."""
        return exchange_ms / 1000.0 / self._local.speed

    @property
    def speed(self) -> float:
        return self._local.speed

    @property
    def offset_ms(self) -> float:
        """Exchange time minus local time; 0.0 until the first sample."""
        chosen = self._chosen
        return chosen.offset_ms if chosen is not None else 0.0

    @property
    def uncertainty_ms(self) -> float | None:
        """Bound of the error of ``now_ms``, growing with the age of the samples; None until the first sample."""
        chosen = self._chosen
        return None if chosen is None else chosen.error_ms(self._local.now_ms())

    @property
    def stamps_ahead_ms(self) -> float | None:
        """By how much a true stamp of the market may be ahead of ``now_ms``; None until the first sample.

        An exchange has more clocks than one: where the one it tells its time by was set back, the one that stamps
        candles may go on as before.
        """
        error_ms = self.uncertainty_ms
        return None if error_ms is None else error_ms + self._set_back_ms

    def beyond_window(self, window_ms: float, *, signing_corrected: bool = False) -> bool:
        """Whether signed requests may fall outside the exchange's time window, so that orders must stop.

        ``signing_corrected``: signatures already carry ``now_ms()`` instead of this machine's time, so that only what
        is uncertain of the offset counts. False before the first sample: nothing is known against the clock yet.
        """
        chosen = self._chosen
        if chosen is None:
            return False
        wrong_ms = 0.0 if signing_corrected else abs(chosen.offset_ms)
        return wrong_ms + chosen.error_ms(self._local.now_ms()) > window_ms
