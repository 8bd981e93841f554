"""Bars that cannot be right: what a sound file may hold nevertheless. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from btccxt.bars.offline import iso
from btccxt.bars.series import Piece
from btccxt.bars.tables import columns_of, times_of
from btccxt.timeframe import parse_timeframe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def faults_of(piece: Piece, timeframe: str | None) -> Iterator[str]:
    """Each fault as text. ``timeframe`` None: trades."""
    import numpy as np

    times = times_of(piece.table)
    if len(times) == 0:
        return
    if not (times[1:] >= times[:-1]).all():
        yield f"{iso(int(times[0]))}: rows out of order"
    if timeframe is None:
        wrong = ~(_numbers(piece, "price") > 0) | ~(_numbers(piece, "amount") > 0)
        yield from (f"{iso(int(times[at]))}: a trade without a price or an amount" for at in np.flatnonzero(wrong))
        return
    bars = columns_of(piece.table)
    highest = np.maximum(np.maximum(bars.open, bars.close), bars.low)
    lowest = np.minimum(np.minimum(bars.open, bars.close), bars.high)
    wrong = ~(bars.low > 0) | ~(bars.high >= highest) | ~(bars.low <= lowest) | ~(bars.volume >= 0)
    for at in np.flatnonzero(wrong).tolist():
        bar = bars[at : at + 1].bars()[0]
        yield f"{iso(bar.open_ms)}: {bar.open} {bar.high} {bar.low} {bar.close} {bar.volume} is no bar"
    length_ms = parse_timeframe(timeframe).length_ms
    if length_ms is not None:
        close = np.flatnonzero(np.diff(times) < length_ms)
        yield from (f"{iso(int(times[at]))}: the next bar opens before this one is over" for at in close)


def _numbers(piece: Piece, name: str) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = piece.table.column(name).to_numpy()
    return numbers
