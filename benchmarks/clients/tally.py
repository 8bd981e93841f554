"""What every client of the candle benchmarks counts, and how it answers."""

from __future__ import annotations

import time
from typing import Any

from benchmarks import machine
from benchmarks.exchange_process import stamp


class Tally:
    """Frames (or bars) seen, and how long each was under way (µs)."""

    def __init__(self) -> None:
        self.seen = 0
        self.late_us: list[float] = []

    def take(self, sent_us: float) -> None:
        self.seen += 1
        self.late_us.append(stamp() - sent_us)

    def answer(self, question: tuple[Any, ...]) -> Any:
        if question[0] == "cpu":
            return time.process_time(), self.seen
        if question[0] == "latencies":
            found, self.late_us = self.late_us, []
            return found
        if question[0] == "memory":
            return machine.memory_mb()
        raise ValueError(f"no such question: {question}")
