"""Closed bars on disk, one file per exchange, symbol and timeframe.

A file is a log of *blocks*: a header (range covered, number of bars, checksums) and fixed-width rows. Appending writes
one block at the end, however large the file is, and ranges may come in any order; a later block wins where two overlap.
A block that a crash tore off at the end is dropped; damage anywhere else raises ``CacheDamaged``: a wrong bar is never
returned. Processes may share the files: writers take a lock, readers see whole blocks only.

All methods block (disk); a session calls them in a worker thread.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from btccxt.errors import Fatal
from btccxt.model import Bar
from btccxt.timeframe import parse_timeframe

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


_MAGIC = b"BTCCXT-BARS 1\n"
_ROW = struct.Struct("<q5d")
_HEADER = struct.Struct("<4sqqII")  # mark, from_ms, to_ms, rows, checksum of the rows
_CHECK = struct.Struct("<I")  # checksum of the header
_MARK = b"BLCK"
_BLOCK_START = _HEADER.size + _CHECK.size
_MANY_BLOCKS = 4_096
_GENERATION_SIZE = 17  # tells a file from the one that compacting put in its place


class CacheDamaged(Fatal):
    """A cache file holds something that nobody wrote. Nothing was returned from it; delete it to download anew."""


@dataclass(frozen=True, slots=True)
class Range:
    """``from_ms <= open_ms < to_ms``."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Columns:
    """Many bars as arrays, for bulk loading: ``open_ms`` are int64, the rest doubles."""

    open_ms: array[int]
    open: array[float]
    high: array[float]
    low: array[float]
    close: array[float]
    volume: array[float]

    def __len__(self) -> int:
        return len(self.open_ms)


@dataclass(frozen=True, slots=True)
class _Block:
    from_ms: int
    to_ms: int
    rows: int
    checksum: int
    offset: int  # of the first row in the file


class BarCache:
    """The bars of one symbol and timeframe. ``exchange`` is a label: give testnets and simulations another one."""

    def __init__(self, folder: Path | str, exchange: str, symbol: str, timeframe: str) -> None:
        parsed = parse_timeframe(timeframe)
        # '1m' and '1M' are one file name on Windows and macOS.
        length = f"{parsed.count}month" if parsed.unit == "M" else parsed.name
        self.path = Path(folder) / quote(exchange, safe="") / f"{quote(symbol, safe='')}.{length}.bars"
        identity = {"exchange": exchange, "symbol": symbol, "timeframe": timeframe}
        self._prefix = _MAGIC + json.dumps(identity, sort_keys=True).encode() + b"\n"
        self._blocks: list[_Block] = []
        self._end = 0  # of the last whole block
        self._generation = b""

    # -------------------------------------------------------------- reading

    def covered(self) -> list[Range]:
        """The ranges that were asked of the exchange, holes of its own included; joined, ordered."""
        with self._reading() as file:
            if file is None:
                return []
        return _union(self._blocks)

    def missing(self, from_ms: int, to_ms: int) -> list[Range]:
        """What of a range is not here."""
        result, position = [], from_ms
        for known in self.covered():
            if known.to_ms <= position:
                continue
            if known.from_ms >= to_ms:
                break
            if known.from_ms > position:
                result.append(Range(position, known.from_ms))
            position = known.to_ms
        if position < to_ms:
            result.append(Range(position, to_ms))
        return result

    def read(self, from_ms: int, to_ms: int) -> list[Bar]:
        """The bars of a range, oldest first."""
        return [Bar(*row) for row in _ROW.iter_unpack(self._rows(from_ms, to_ms))]

    def read_columns(self, from_ms: int, to_ms: int) -> Columns:
        """The same as columns, without one object per bar."""
        words = array("d")
        words.frombytes(self._rows(from_ms, to_ms))
        integers = array("q")
        integers.frombytes(words.tobytes())
        if sys.byteorder == "big":
            words.byteswap()
            integers.byteswap()
        return Columns(integers[0::6], words[1::6], words[2::6], words[3::6], words[4::6], words[5::6])

    # -------------------------------------------------------------- writing

    def append(self, from_ms: int, to_ms: int, bars: Sequence[Bar]) -> None:
        """Keep the answer to a question: the closed bars of ``from_ms <= open_ms < to_ms``, all that exist of them."""
        opens = [bar.open_ms for bar in bars]
        if from_ms >= to_ms or any(not from_ms <= open_ms < to_ms for open_ms in opens):
            raise ValueError(f"bars outside the range {from_ms}..{to_ms} they are said to cover")
        if any(later <= earlier for earlier, later in pairwise(opens)):
            raise ValueError("bars must be in order, each once")
        with self._writing() as file:
            file.seek(self._end)
            file.truncate()  # of what a crash may have left behind the last whole block
            if self._end == 0:
                file.write(self._prefix + _new_generation())
            file.write(_encode(from_ms, to_ms, bars))
            file.flush()
            self._scan(file)
            if len(self._blocks) > _MANY_BLOCKS:
                self._compact(file)

    def clear(self) -> None:
        """Forget everything, damage included."""
        self.path.unlink(missing_ok=True)
        self._forget()

    # -------------------------------------------------------------- inside

    @contextmanager
    def _reading(self) -> Iterator[BinaryIO | None]:
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            self._forget()
            yield None
            return
        with file:
            self._scan(file)
            yield file

    @contextmanager
    def _writing(self) -> Iterator[BinaryIO]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A file of its own to lock: the data file is replaced when it is compacted.
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor)
            self.path.touch()
            with self.path.open("r+b") as file:
                self._scan(file)
                yield file
        finally:
            os.close(descriptor)  # releases the lock

    def _forget(self) -> None:
        self._blocks, self._end, self._generation = [], 0, b""

    def _scan(self, file: BinaryIO) -> None:
        """Read the headers of blocks that were written since the last look."""
        size = os.fstat(file.fileno()).st_size
        file.seek(0)
        prefix = file.read(len(self._prefix))
        generation = file.read(_GENERATION_SIZE)
        if prefix != self._prefix or len(generation) < _GENERATION_SIZE:
            self._forget()
            if self._prefix.startswith(prefix) or not (prefix + generation).strip(b"\0"):
                return  # new, or torn in its first lines
            raise self._damaged("it is not the cache of this exchange, symbol and timeframe")
        if generation != self._generation:  # compacted by another process, or never seen
            self._forget()
            self._generation = generation
            self._end = len(self._prefix) + _GENERATION_SIZE
        while self._end + _BLOCK_START <= size:
            file.seek(self._end)
            header = file.read(_BLOCK_START)
            if zlib.crc32(header[: _HEADER.size]) != _CHECK.unpack_from(header, _HEADER.size)[0]:
                if not header.strip(b"\0") and not file.read().strip(b"\0"):
                    return  # a crash left zeros where the block should be
                raise self._damaged(f"block header at byte {self._end}")
            mark, from_ms, to_ms, rows, checksum = _HEADER.unpack_from(header)
            offset = self._end + _BLOCK_START
            end = offset + rows * _ROW.size
            if mark != _MARK:
                raise self._damaged(f"block header at byte {self._end}")
            if end > size:
                return  # torn: the rows did not all arrive
            block = _Block(from_ms, to_ms, rows, checksum, offset)
            if end == size and zlib.crc32(file.read(rows * _ROW.size)) != checksum:
                return  # torn: the length arrived before the content
            self._blocks.append(block)
            self._end = end

    def _rows(self, from_ms: int, to_ms: int) -> bytes:
        parts: list[bytes] = []
        with self._reading() as file:
            if file is None:
                return b""
            wanted = [block for block in self._blocks if block.from_ms < to_ms and block.to_ms > from_ms]
            for block in _in_order(wanted):
                file.seek(block.offset)
                rows = file.read(block.rows * _ROW.size)
                if zlib.crc32(rows) != block.checksum:
                    raise self._damaged(f"bars at byte {block.offset}")
                parts.append(rows)
            if _overlap(wanted):
                parts = [_merged(zip(_in_order(wanted), parts, strict=True), wanted)]
        whole = b"".join(parts)
        return whole[_row_at(whole, from_ms) * _ROW.size : _row_at(whole, to_ms) * _ROW.size]

    def _compact(self, file: BinaryIO) -> None:
        """One block per covered range, in a new file that takes the old one's place."""
        ranges = _union(self._blocks)
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as target:
            target.write(self._prefix + _new_generation())
            for known in ranges:
                target.write(_encode_rows(known.from_ms, known.to_ms, self._rows(known.from_ms, known.to_ms)))
            target.flush()
            os.fsync(target.fileno())
        file.close()  # Windows cannot replace an open file
        fresh.replace(self.path)
        self._forget()

    def _damaged(self, what: str) -> CacheDamaged:
        return CacheDamaged(f"{self.path} is damaged ({what}); delete it, and its bars are downloaded again")


def _new_generation() -> bytes:
    return os.urandom(8).hex().encode() + b"\n"


def _encode(from_ms: int, to_ms: int, bars: Sequence[Bar]) -> bytes:
    pack = _ROW.pack
    rows = b"".join(pack(bar.open_ms, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars)
    return _encode_rows(from_ms, to_ms, rows)


def _encode_rows(from_ms: int, to_ms: int, rows: bytes) -> bytes:
    header = _HEADER.pack(_MARK, from_ms, to_ms, len(rows) // _ROW.size, zlib.crc32(rows))
    return header + _CHECK.pack(zlib.crc32(header)) + rows


def _in_order(blocks: list[_Block]) -> list[_Block]:
    return sorted(blocks, key=lambda block: block.from_ms)


def _overlap(blocks: list[_Block]) -> bool:
    ordered = _in_order(blocks)
    return any(later.from_ms < earlier.to_ms for earlier, later in pairwise(ordered))


def _merged(parts: Iterator[tuple[_Block, bytes]], written: list[_Block]) -> bytes:
    """Blocks laid over each other in the order in which they were written."""
    rows_of = dict(parts)
    merged: dict[int, bytes] = {}
    for block in written:
        for open_ms in [open_ms for open_ms in merged if block.from_ms <= open_ms < block.to_ms]:
            del merged[open_ms]  # a later answer replaces the whole range, holes included
        rows = rows_of[block]
        for offset in range(0, len(rows), _ROW.size):
            row = rows[offset : offset + _ROW.size]
            merged[int.from_bytes(row[:8], "little", signed=True)] = row
    return b"".join(merged[open_ms] for open_ms in sorted(merged))


def _row_at(rows: bytes, open_ms: int) -> int:
    """Index of the first row that opens at ``open_ms`` or later."""
    low, high = 0, len(rows) // _ROW.size
    while low < high:
        middle = (low + high) // 2
        if int.from_bytes(rows[middle * _ROW.size : middle * _ROW.size + 8], "little", signed=True) < open_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _union(blocks: Sequence[_Block]) -> list[Range]:
    result: list[Range] = []
    for block in sorted(blocks, key=lambda block: block.from_ms):
        if result and block.from_ms <= result[-1].to_ms:
            result[-1] = Range(result[-1].from_ms, max(result[-1].to_ms, block.to_ms))
        else:
            result.append(Range(block.from_ms, block.to_ms))
    return result
