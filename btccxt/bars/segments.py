"""Segments: the immutable Parquet files of which one series of the lake consists.

A segment's *name* says which range it answers for, its place in the order of writing, how many rows it
has, and the checksum of its content:

    20260301T000000000_20260401T000000000_000007_44640_1a2b3c4d.parquet

so that looking into the folder tells what is known, one rename publishes data and knowledge together, and no changed
byte is ever taken for a bar. Its rows (``time``: the open, UTC) lie within the range; what a range answered for has no
row for does not exist at the exchange, and the file's metadata says why. Where ranges overlap, the later segment holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from btccxt.errors import ConfigError, LakeError

Table = Any  # pyarrow.Table; pyarrow is not typed

SUFFIX = ".parquet"
_NAME = re.compile(r"(\d{8}T\d{9})_(\d{8}T\d{9})_(\d{6,})_(\d+)_([0-9a-f]{8})\.parquet")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_METADATA = b"btccxt"
_DEAD_AFTER_S = 3_600.0
_LAST_MS = 253_402_300_799_999  # 9999-12-31: what a name can say


class DamagedSegment(Exception):
    """The content of a file is not what its name says. Never leaves the lake."""

    def __init__(self, segment: Segment) -> None:
        super().__init__(str(segment.path))
        self.segment = segment


@dataclass(frozen=True, slots=True)
class Range:
    """``from_ms <= time < to_ms``."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file, as its name tells it."""

    from_ms: int
    to_ms: int
    sequence: int
    rows: int
    checksum: int
    place: str
    """Its path; as text, for there are many."""

    @property
    def path(self) -> Path:
        return Path(self.place)

    @property
    def month(self) -> str:
        """The folder it lies in."""
        return os.path.dirname(self.place)

    @property
    def range(self) -> Range:
        return Range(self.from_ms, self.to_ms)

    def overlaps(self, from_ms: int, to_ms: int) -> bool:
        return self.from_ms < to_ms and self.to_ms > from_ms


def pyarrow() -> Any:
    """The pyarrow package with its Parquet module. Raises ConfigError where it is not installed."""
    try:
        import numpy  # noqa: F401 - what pyarrow hands columns over with
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("the lake needs pyarrow: pip install 'btccxt[history]'") from None
    return pyarrow


# ------------------------------------------------------------------ the folder


def scan(folder: Path) -> list[Segment]:
    """The segments below ``folder`` (one folder per month), by range; everything else that lies there is left alone."""
    found: list[Segment] = []
    for month in _entries(str(folder)):
        if month.name.startswith("month="):
            for entry in _entries(month.path):
                segment = _parsed(entry)
                if segment is not None:
                    found.append(segment)
    found.sort()
    return found


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return


def _parsed(entry: os.DirEntry[str]) -> Segment | None:
    match = _NAME.fullmatch(entry.name)
    if match is None or not _is_file(entry):
        return None
    try:
        from_ms, to_ms = _ms_of(match[1]), _ms_of(match[2])
    except (ValueError, OverflowError):
        return None  # not a date
    return Segment(from_ms, to_ms, int(match[3]), int(match[4]), int(match[5], 16), entry.path)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _stamp(time_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return f"{moment:%Y%m%dT%H%M%S}{time_ms % 1000:03d}"


@lru_cache(maxsize=65_536)
def _ms_of(stamp: str) -> int:
    moment = datetime.strptime(stamp[:15], "%Y%m%dT%H%M%S").replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(milliseconds=1) + int(stamp[15:])


def month_of(time_ms: int) -> str:
    """Name of the month's folder."""
    return f"month={_EPOCH + timedelta(milliseconds=time_ms):%Y-%m}"


def next_month_ms(time_ms: int) -> int:
    """Beginning of the month after that of ``time_ms``."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    month = datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1, tzinfo=timezone.utc)
    return (month - _EPOCH) // timedelta(milliseconds=1)


# ------------------------------------------------------------------ one file


def write(
    folder: Path, piece: Range, sequence: int, table: Table, facts: Mapping[str, str], *, durable: bool = False
) -> Segment:
    """Publish one segment: whole, or not at all. ``durable``: on the disk before this returns.

    Raises OSError; nothing is left behind then.
    """
    if not 0 <= piece.from_ms < piece.to_ms <= _LAST_MS:
        raise ValueError(f"no range of the lake: {piece}")
    content = _encoded(table, facts)
    checksum = zlib.crc32(content)
    first_ms = table.column(0)[0].value if table.num_rows else piece.from_ms
    month = folder / month_of(first_ms)
    name = f"{_stamp(piece.from_ms)}_{_stamp(piece.to_ms)}_{sequence:06d}_{table.num_rows}_{checksum:08x}{SUFFIX}"
    path, fresh = month / name, month / f".{secrets.token_hex(8)}.tmp"
    month.mkdir(parents=True, exist_ok=True)
    try:
        with fresh.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(month)
    return Segment(piece.from_ms, piece.to_ms, sequence, table.num_rows, checksum, str(path))


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """What writers that died have left unfinished."""
    for fresh in folder.glob("month=*/.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - fresh.stat().st_mtime > _DEAD_AFTER_S:
                fresh.unlink()


def _encoded(table: Table, facts: Mapping[str, str]) -> bytes:
    arrow = pyarrow()
    metadata = {_METADATA: json.dumps(dict(facts), sort_keys=True).encode()}
    sink = arrow.BufferOutputStream()
    # Bars hardly repeat: a dictionary only costs, and statistics of a column are of use for its time alone.
    arrow.parquet.write_table(
        table.replace_schema_metadata(metadata), sink, compression="zstd", use_dictionary=False,
        write_statistics=["time"],
    )  # fmt: skip
    return bytes(sink.getvalue())


def read(segment: Segment) -> tuple[Table, dict[str, str]]:
    """Rows and facts. Raises DamagedSegment, FileNotFoundError (merged meanwhile), LakeError."""
    try:
        content = segment.path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:  # it may be whole: the disk, the network or the rights are at fault
        raise LakeError(f"{segment.path} cannot be read: {error.strerror or error}") from None
    if zlib.crc32(content) != segment.checksum:
        raise DamagedSegment(segment)
    arrow = pyarrow()
    try:
        file = arrow.parquet.ParquetFile(arrow.BufferReader(content))
        facts = json.loads((file.schema_arrow.metadata or {}).get(_METADATA, b"{}"))
        return file.read(use_threads=False), facts
    except (arrow.ArrowException, ValueError) as error:
        raise DamagedSegment(segment) from error


# ------------------------------------------------------------------ ranges


def union(ranges: Sequence[Range]) -> list[Range]:
    """Joined and ordered."""
    result: list[Range] = []
    for each in sorted(ranges, key=lambda each: each.from_ms):
        if result and each.from_ms <= result[-1].to_ms:
            result[-1] = Range(result[-1].from_ms, max(result[-1].to_ms, each.to_ms))
        else:
            result.append(each)
    return result


def without(whole: Range, known: Sequence[Range]) -> list[Range]:
    """What of ``whole`` is in none of ``known`` (joined and ordered)."""
    result, position = [], whole.from_ms
    for each in known:
        if each.to_ms <= position:
            continue
        if each.from_ms >= whole.to_ms:
            break
        if each.from_ms > position:
            result.append(Range(position, each.from_ms))
        position = each.to_ms
    if position < whole.to_ms:
        result.append(Range(position, whole.to_ms))
    return result


def any_overlap(segments: Sequence[Segment]) -> bool:
    """Of segments ordered by range."""
    reached_ms = -1
    for segment in segments:
        if segment.from_ms < reached_ms:
            return True
        reached_ms = max(reached_ms, segment.to_ms)
    return False


def in_order(times: Sequence[int]) -> bool:
    """Whether each is later than the one before."""
    return all(earlier < later for earlier, later in pairwise(times))
