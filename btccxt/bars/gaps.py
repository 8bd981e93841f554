"""The gaps of a series of the lake: where there is no bar, and why. Pure over what the series tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from btccxt.bars.segments import Range, without
from btccxt.bars.series import GapCause, LakeGap, Piece
from btccxt.bars.tables import times_of
from btccxt.timeframe import Timeframe


def gaps_of(pieces: Sequence[Piece], timeframe: Timeframe, wanted: Range) -> list[LakeGap]:
    """What of ``wanted`` has no bar, by cause; ``pieces`` as ``Series.pieces`` gives them."""
    found: list[LakeGap] = []
    begun = False
    for piece in pieces:
        cause = GapCause(piece.facts.get("missing", GapCause.EXCHANGE_DOWN.value))
        if begun and cause is GapCause.HISTORY_BEGINS_LATER:  # older bars were found since
            cause = GapCause.EXCHANGE_DOWN
        begun = begun or piece.table.num_rows > 0
        found += [LakeGap(hole.from_ms, hole.to_ms, cause) for hole in _holes(piece, timeframe)]
    known = [piece.range for piece in pieces]
    found += [LakeGap(part.from_ms, part.to_ms, GapCause.NOT_FETCHED) for part in without(wanted, known)]
    return _joined(sorted(found, key=lambda gap: gap.from_ms))


def _holes(piece: Piece, timeframe: Timeframe) -> Iterator[Range]:
    """Opens of the grid within a piece that have no row."""
    first_ms = timeframe.floor(piece.range.from_ms)
    expected_ms = first_ms if first_ms == piece.range.from_ms else timeframe.next_open(first_ms)
    times = times_of(piece.table)
    if timeframe.length_ms is not None and len(times):
        # A bar that lies off the grid begins a grid of its own: exchanges anchor some lengths differently.
        ends = times + timeframe.length_ms
        if times[0] >= expected_ms + timeframe.length_ms:
            yield Range(expected_ms, int(times[0]))
        for at in (times[1:] - ends[:-1] >= timeframe.length_ms).nonzero()[0].tolist():
            yield Range(int(ends[at]), int(times[at + 1]))
        expected_ms = int(ends[-1])
    else:
        for time_ms in times.tolist():
            if time_ms >= timeframe.next_open(expected_ms):
                yield Range(expected_ms, time_ms)
            expected_ms = timeframe.next_open(time_ms)
    if expected_ms < piece.range.to_ms:
        yield Range(expected_ms, piece.range.to_ms)


def _joined(gaps: Sequence[LakeGap]) -> list[LakeGap]:
    result: list[LakeGap] = []
    for gap in gaps:
        last = result[-1] if result else None
        if last is not None and last.cause is gap.cause and last.to_ms == gap.from_ms:
            result[-1] = LakeGap(last.from_ms, gap.to_ms, gap.cause)
        else:
            result.append(gap)
    return result
