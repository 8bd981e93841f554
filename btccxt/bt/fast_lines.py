"""What backtrader's DataBase does for every bar, in a fraction of the time: without a call for each of its lines."""

from __future__ import annotations

from btccxt.bt.compat import bt

QBUFFER = bt.linebuffer.LineBuffer.QBuffer
"""Lines in this mode (``exactbars=1``) are rings and need backtrader's own care."""
_NAN = float("nan")


class FastLines(bt.feed.DataBase):
    """The same results; ``keep_lines_at_hand`` is called once its lines exist."""

    tick_open = tick_high = tick_low = tick_close = tick_volume = tick_openinterest = tick_last = None

    def keep_lines_at_hand(self) -> None:
        lines = self.lines
        for alias in self.getlinealiases():  # found at once, not by way of __getattr__
            setattr(self, alias, getattr(lines, alias))
        prices = (lines.open, lines.high, lines.low, lines.close)
        self._all_lines = tuple(lines)
        self._row_lines: tuple[bt.LineBuffer, ...] = (lines.datetime, *prices, lines.volume, lines.openinterest)
        self._stamps = lines.datetime

    def __len__(self) -> int:
        return self._stamps.lencount

    def forward(self, value: float = _NAN, size: int = 1) -> None:
        if size != 1 or self._stamps.mode == QBUFFER:
            super().forward(value, size)
            return
        for line in self._all_lines:
            line._idx += 1
            line.lencount += 1
            line.array.append(value)

    def backwards(self, size: int = 1, force: bool = False) -> None:
        if size != 1 or self._stamps.mode == QBUFFER:
            super().backwards(size, force)
            return
        for line in self._all_lines:
            line._idx -= 1
            line.lencount -= 1
            line.array.pop()

    def advance_peek(self) -> float:
        stamps = self._stamps
        more = stamps.lencount < len(stamps.array) - stamps.extension
        return stamps.array[stamps._idx + 1] if more else float("inf")

    def advance(self, size: int = 1, datamaster: bt.AbstractDataBase | None = None, ticks: bool = True) -> None:
        if datamaster is not None or self._stamps.mode == QBUFFER:
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
