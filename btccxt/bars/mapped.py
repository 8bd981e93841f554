"""Bars of the lake as one uncompressed Arrow file that any number of processes map at once, without a copy.

The file is made once per machine, in the user's cache folder, and named after the segments it was made of: when the
lake gets a bar within its range, it is another file. It may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from btccxt.bars.columns import Columns
from btccxt.bars.segments import pyarrow
from btccxt.bars.series import BarSeries
from btccxt.bars.tables import columns_of
from btccxt.errors import LakeError

_KEPT = 8  # files per series


def map_file(series: BarSeries, from_ms: int, to_ms: int, folder: Path | None = None) -> Path:
    """The file with the bars of ``from_ms <= open_ms < to_ms``; made if it is not there. Safe between processes.

    ``folder``: default is the user's cache folder. Raises LakeError.
    """
    names = [segment.path.name for segment in series.segments() if segment.overlaps(from_ms, to_ms)]
    told = "\n".join([str(from_ms), str(to_ms), *names])
    place = (folder or user_cache_path("btccxt", appauthor=False) / "mapped") / _digest(str(series.path.resolve()))
    path = place / f"{_digest(told)}.arrow"
    if path.exists():
        return path
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / ".lock"):
            if not path.exists():
                _write(series, from_ms, to_ms, path)
                _forget_old(place, path)
    except OSError as error:
        raise LakeError(f"{path} cannot be written ({error.strerror or error})") from error
    return path


def open_mapped(path: Path) -> Columns:
    """Its bars as read-only arrays that lie in the file."""
    arrow = pyarrow()
    with arrow.memory_map(str(path)) as source:
        table = arrow.ipc.open_file(source).read_all()
    return columns_of(table)


def _write(series: BarSeries, from_ms: int, to_ms: int, path: Path) -> None:
    arrow = pyarrow()
    table = series.table(from_ms, to_ms).combine_chunks()
    fresh = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with arrow.OSFile(str(fresh), "wb") as sink, arrow.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=max(1, table.num_rows))
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _forget_old(place: Path, newest: Path) -> None:
    others = sorted((each for each in place.glob("*.arrow") if each != newest), key=lambda each: each.stat().st_mtime)
    for each in others[: max(0, len(others) + 1 - _KEPT)]:
        try:
            each.unlink()
        except PermissionError:  # Windows: somebody maps it
            continue


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
