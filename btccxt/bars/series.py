"""One series of the lake: the bars (or trades) of one symbol and timeframe of one market, as a set of segments.

Appending writes one new file, however much is there; no file is ever changed. Small segments are merged a logarithmic
number of times, and a month that is over becomes one file. Writers of several processes take turns (a file lock);
readers need none: a file that vanishes under them has been merged, so they look again. A file that is damaged is moved
aside and told once; its range counts as never fetched.

All methods block (disk); a session calls them in a worker thread.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from btccxt.bars import segments as files
from btccxt.bars.columns import Columns
from btccxt.bars.segments import DamagedSegment, Range, Segment, Table
from btccxt.bars.tables import (
    bar_schema,
    between,
    columns_of,
    table_of_bars,
    table_of_trades,
    times_of,
    trade_schema,
    trades_of,
)
from btccxt.errors import LakeError
from btccxt.model import Bar, Trade

MERGED_AT_ONCE = 32
"""So many neighbours of a size become one file; also the growth from one size to the next."""
_SIZES = 3
_LOCK_PATIENCE_S = 30.0
_LOOKS = 50
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class GapCause(str, Enum):
    """Why there is no bar."""

    NO_TRADES = "no trades"
    EXCHANGE_DOWN = "exchange down"
    HISTORY_BEGINS_LATER = "history begins later"
    TOO_OLD = "older than the exchange keeps"
    NOT_FETCHED = "not fetched"


@dataclass(frozen=True, slots=True)
class LakeGap:
    """No bars with ``from_ms <= open_ms < to_ms``."""

    from_ms: int
    to_ms: int
    cause: GapCause


@dataclass(frozen=True, slots=True)
class Piece:
    """What holds of a range: its rows, why others are missing, and the exchange they are of if not the series' own."""

    range: Range
    table: Table
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that was not what it should be, and where it was put (None: it could not be moved)."""

    path: Path
    moved_to: Path | None

    def __str__(self) -> str:
        moved = f"set aside as {self.moved_to}" if self.moved_to else "ignored (it could not be moved)"
        return f"{self.path} is damaged and was {moved}; what it held counts as not fetched"


class Series:
    """A folder of segments. ``aside``: where damaged files go; ``on_damage`` hears of each, once."""

    def __init__(self, folder: Path, aside: Path, schema: Any, on_damage: Callable[[Damage], None]) -> None:
        self.path = folder
        self._aside = aside
        self._schema = schema
        self._on_damage = on_damage
        self._ignored: set[str] = set()

    # -------------------------------------------------------------- what is there

    def segments(self) -> list[Segment]:
        """The files, by range."""
        return [segment for segment in files.scan(self.path) if segment.place not in self._ignored]

    def covered(self) -> list[Range]:
        """The ranges that were asked of the exchange, holes of its own included; joined, ordered."""
        return files.union([segment.range for segment in self.segments()])

    def missing(self, from_ms: int, to_ms: int) -> list[Range]:
        """What of a range is not here."""
        return files.without(Range(from_ms, to_ms), self.covered()) if from_ms < to_ms else []

    def pieces(self, from_ms: int, to_ms: int) -> list[Piece]:
        """What is known of a range, ordered, without overlaps; damaged files are moved aside on the way."""
        for _ in range(_LOOKS):
            found = [segment for segment in self.segments() if segment.overlaps(from_ms, to_ms)]
            try:
                return _resolved({segment: files.read(segment) for segment in found}, Range(from_ms, to_ms))
            except FileNotFoundError:
                continue  # merged meanwhile: what it held is in another file
            except DamagedSegment as damage:
                self._set_aside(damage.segment)
        raise LakeError(f"{self.path}: its files change faster than they can be read")

    def table(self, from_ms: int, to_ms: int) -> Table:
        """The rows of a range, oldest first."""
        tables = [piece.table for piece in self.pieces(from_ms, to_ms) if piece.table.num_rows]
        arrow = files.pyarrow()
        return arrow.concat_tables(tables) if tables else self._schema.empty_table()

    # -------------------------------------------------------------- writing

    def put(self, piece: Range, table: Table, facts: Mapping[str, str]) -> None:
        """Keep the answer to a question: all rows that exist in a range. It replaces what was known of that range.

        Raises LakeError: the disk is full, the folder cannot be written, another writer holds it. Nothing is lost then.
        """
        with self._writing():
            for _ in range(_LOOKS):
                known = self.segments()
                touched = [segment for segment in known if segment.overlaps(piece.from_ms, piece.to_ms)]
                try:
                    there = {segment: files.read(segment) for segment in touched}
                except FileNotFoundError:
                    continue  # a reader has set it aside
                except DamagedSegment as damage:
                    self._set_aside(damage.segment)
                    continue
                sequence = max((segment.sequence for segment in known), default=0) + 1
                fresh = self._put(piece, table, facts, there, sequence)
                if fresh:
                    now_known = sorted([*known, *fresh]) if not touched else self.segments()
                    self._merge(fresh, self._without_overlaps(now_known))
                return

    def _put(
        self,
        piece: Range,
        table: Table,
        facts: Mapping[str, str],
        touched: Mapping[Segment, tuple[Table, Mapping[str, str]]],
        sequence: int,
    ) -> list[Segment]:
        """What was written; nothing if all of it was known."""
        if touched and _says_already(touched, piece, table, facts):
            return []
        fresh = [
            files.write(self.path, part, sequence, rows, facts, durable=bool(touched))
            for part, rows in _by_month(piece, table)
        ]
        # What was known outside of the new range is written anew: no row may be in two files.
        taken = [piece]
        for segment in sorted(touched, key=lambda segment: -segment.sequence):
            old_rows, old_facts = touched[segment]
            for part in files.without(segment.range, files.union(taken)):
                for month, rows in _by_month(part, between(old_rows, part.from_ms, part.to_ms)):
                    files.write(self.path, month, sequence, rows, old_facts, durable=True)
            taken.append(segment.range)
        for segment in touched:
            segment.path.unlink(missing_ok=True)
        return fresh

    def tidy(self) -> None:
        """Make one file of each month that is in several, and of what crashed writers left. Raises as ``put``."""
        with self._writing():
            for run in _runs(self._without_overlaps(self.segments()), lambda _: True):
                self._merge_run(run)
            files.remove_leftovers(self.path)

    def _without_overlaps(self, known: list[Segment]) -> list[Segment]:
        if not files.any_overlap(known):
            return known
        try:
            self._untangle(known)
        except DamagedSegment as damage:
            self._set_aside(damage.segment)  # the rest is still right, and stays
        return self.segments()

    def _untangle(self, known: Sequence[Segment]) -> None:
        """Writers that could not lock each other out, or died while cutting, left ranges in two files."""
        sequence = max(segment.sequence for segment in known) + 1
        tangled = [
            segment
            for segment in known
            if any(other is not segment and other.overlaps(segment.from_ms, segment.to_ms) for other in known)
        ]
        whole = Range(tangled[0].from_ms, max(segment.to_ms for segment in tangled))
        for piece in _resolved({segment: files.read(segment) for segment in tangled}, whole):
            for part, rows in _by_month(piece.range, piece.table):
                files.write(self.path, part, sequence, rows, piece.facts, durable=True)
        for segment in tangled:
            segment.path.unlink(missing_ok=True)

    def _merge(self, fresh: Sequence[Segment], known: Sequence[Segment]) -> None:
        """Merge small neighbours of what was just written, and the month before if a new one has begun."""
        newest = fresh[-1]
        months = {segment.month for segment in known}
        begun = len([segment for segment in known if segment.month == newest.month]) == 1
        for run in _runs(known, lambda _: True) if begun and len(months) > 1 else ():
            if run[-1].month != newest.month and run[-1].to_ms == newest.from_ms:
                self._merge_run(run)
        for size in range(_SIZES):
            most = MERGED_AT_ONCE ** (size + 1)
            for run in _runs(known, lambda segment, most=most: segment.rows < most):  # type: ignore[misc]
                if len(run) >= MERGED_AT_ONCE and run[0].month in {each.month for each in fresh}:
                    self._merge_run(run)
                    return

    def _merge_run(self, run: Sequence[Segment]) -> None:
        """One file instead of several that follow each other; who reads in between sees a row twice, never none."""
        if len(run) < 2:
            return
        try:
            read = [files.read(segment) for segment in run]
        except DamagedSegment as damage:
            self._set_aside(damage.segment)
            return
        start = 0
        for end in range(1, len(run) + 1):
            if end < len(run) and read[end][1] == read[start][1]:
                continue
            if end - start > 1:
                part = run[start:end]
                whole = files.pyarrow().concat_tables([table for table, _ in read[start:end]])
                sequence = max(segment.sequence for segment in part)
                piece = Range(part[0].from_ms, part[-1].to_ms)
                files.write(self.path, piece, sequence, whole, read[start][1], durable=True)
                for segment in part:
                    segment.path.unlink(missing_ok=True)
            start = end

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path / ".lock", timeout=_LOCK_PATIENCE_S):
                yield
        except Timeout:
            raise LakeError(
                f"{self.path}: another process has been writing for {_LOCK_PATIENCE_S:g} s; nothing was written here"
            ) from None
        except OSError as error:
            raise LakeError(
                f"{self.path} cannot be written ({error.strerror or error}); what is there stays"
            ) from error

    def _set_aside(self, segment: Segment) -> None:
        target = self._aside / f"{'~'.join(self.path.parts[-5:])}~{segment.path.name}"
        moved: Path | None = target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            segment.path.replace(target)
        except FileNotFoundError:
            return  # another reader was faster, and tells it
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            self._ignored.add(segment.place)
            moved = None
        self._on_damage(Damage(segment.path, moved))


class BarSeries(Series):
    """The bars of one symbol and timeframe."""

    def __init__(self, folder: Path, aside: Path, on_damage: Callable[[Damage], None]) -> None:
        super().__init__(folder, aside, bar_schema(), on_damage)

    def columns(self, from_ms: int, to_ms: int) -> Columns:
        """The bars of a range as columns, oldest first."""
        return columns_of(self.table(from_ms, to_ms))

    def read(self, from_ms: int, to_ms: int) -> list[Bar]:
        """The same as records."""
        return self.columns(from_ms, to_ms).bars()

    def append(
        self,
        from_ms: int,
        to_ms: int,
        bars: Sequence[Bar] | Columns,
        *,
        missing: GapCause = GapCause.EXCHANGE_DOWN,
        source: str | None = None,
    ) -> None:
        """Keep the closed bars of ``from_ms <= open_ms < to_ms``, all that exist of them.

        ``missing``: why others do not exist. ``source``: the exchange they are of, where that is another than the
        series' own. Raises ValueError for bars out of order or range, LakeError as ``put``.
        """
        columns = bars if isinstance(bars, Columns) else Columns.of(bars)
        opens = columns.open_ms
        if len(opens) > 1 and not (opens[1:] > opens[:-1]).all():
            raise ValueError("bars must be in order, each once")
        if from_ms >= to_ms or (len(opens) and not from_ms <= opens[0] <= opens[-1] < to_ms):
            raise ValueError(f"bars outside the range {from_ms}..{to_ms} they are said to cover")
        facts = {"missing": missing.value} | ({"source": source} if source is not None else {})
        self.put(Range(from_ms, to_ms), table_of_bars(columns), facts)

    def has_bars_before(self, time_ms: int) -> bool:
        """Whether any bar opens before."""
        with_rows = [segment for segment in self.segments() if segment.rows and segment.from_ms < time_ms]
        return any(segment.to_ms <= time_ms for segment in with_rows) or any(
            len(self.columns(segment.from_ms, time_ms)) for segment in with_rows
        )


class TradeSeries(Series):
    """The public trades of one symbol."""

    def __init__(self, folder: Path, aside: Path, symbol: str, on_damage: Callable[[Damage], None]) -> None:
        super().__init__(folder, aside, trade_schema(), on_damage)
        self._symbol = symbol

    def read(self, from_ms: int, to_ms: int) -> list[Trade]:
        """The trades of a range, oldest first."""
        return trades_of(self.table(from_ms, to_ms), self._symbol)

    def append(self, from_ms: int, to_ms: int, trades: Sequence[Trade]) -> None:
        """Keep the trades of ``from_ms <= time_ms < to_ms``, all that there were. Raises as those of bars."""
        times = [trade.time_ms for trade in trades]
        if sorted(times) != times:
            raise ValueError("trades must be in order")
        if from_ms >= to_ms or (times and not from_ms <= times[0] <= times[-1] < to_ms):
            raise ValueError(f"trades outside the range {from_ms}..{to_ms} they are said to cover")
        self.put(Range(from_ms, to_ms), table_of_trades(trades), {"missing": GapCause.NO_TRADES.value})


# ------------------------------------------------------------------ pure


def _resolved(read: Mapping[Segment, tuple[Table, Mapping[str, str]]], wanted: Range) -> list[Piece]:
    """What holds in ``wanted``: of segments that overlap, the one written last."""
    pieces: list[Piece] = []
    taken: list[Range] = []
    for segment in sorted(read, key=lambda segment: -segment.sequence):
        table, facts = read[segment]
        asked = Range(max(segment.from_ms, wanted.from_ms), min(segment.to_ms, wanted.to_ms))
        parts = files.without(asked, taken) if asked.from_ms < asked.to_ms else []
        pieces += [Piece(part, between(table, part.from_ms, part.to_ms), facts) for part in parts]
        taken = files.union([*taken, asked])
    return sorted(pieces, key=lambda piece: piece.range.from_ms)


def _says_already(
    read: Mapping[Segment, tuple[Table, Mapping[str, str]]], piece: Range, table: Table, facts: Mapping[str, str]
) -> bool:
    if files.without(piece, files.union([segment.range for segment in read])):
        return False
    there = _resolved(read, piece)
    rows = files.pyarrow().concat_tables([each.table for each in there])
    return bool(rows.equals(table)) and all(each.facts == facts for each in there)


def _by_month(piece: Range, table: Table) -> list[tuple[Range, Table]]:
    """A piece as one per month that has rows; stretches without rows go with what follows, or came before."""
    times = times_of(table)
    parts: list[tuple[Range, Table]] = []
    from_ms, first = piece.from_ms, 0
    while first < len(times):
        month_ms = files.next_month_ms(int(times[first]))
        end = int(times.searchsorted(month_ms))
        to_ms = piece.to_ms if end == len(times) else month_ms
        parts.append((Range(from_ms, to_ms), table.slice(first, end - first)))
        from_ms, first = to_ms, end
    return parts or [(piece, table)]


def _runs(segments: Sequence[Segment], wanted: Callable[[Segment], bool]) -> list[list[Segment]]:
    """Neighbours of one month's folder that follow each other without a break."""
    runs: list[list[Segment]] = []
    reached_ms = -1
    for segment in segments:
        follows = bool(runs and runs[-1]) and segment.from_ms == runs[-1][-1].to_ms and segment.from_ms >= reached_ms
        reached_ms = max(reached_ms, segment.to_ms)
        if not wanted(segment):
            runs.append([])
        elif follows and segment.month == runs[-1][-1].month:
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return [run for run in runs if run]
