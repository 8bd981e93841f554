"""Records of runs on disk: which there are, whether one still runs, and what has been added to one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btccxt.config import nearest
from btccxt.errors import ConfigError
from btccxt.session.status_file import find_running
from btccxt.store.run_record import ENDING, SCHEMA, run_folder

_LONGEST_LINE = 10_000_000


@dataclass(frozen=True, slots=True)
class FoundRun:
    """One run; ``header`` as it was written when the run began."""

    path: Path
    header: Mapping[str, Any]

    @property
    def run_id(self) -> str:
        return str(self.header["run"])

    def health(self) -> Mapping[str, Any] | None:
        """What its store says of itself, a few seconds old; None where it does not run."""
        for found in find_running():
            same = found.facts.get("process") == self.header.get("process")
            if same and found.path.name.startswith(f"{self.header.get('store')}-") and found.alive:
                return found.facts
        return None


def find_runs(folder: Path | None = None) -> list[FoundRun]:
    """Newest first; what cannot be read, or is of another version, is passed over."""
    found = []
    for path in (folder or run_folder()).glob(f"*{ENDING}"):
        try:
            with path.open(encoding="utf-8") as lines:
                header = json.loads(lines.readline(_LONGEST_LINE))
        except (OSError, ValueError):
            continue
        if isinstance(header, dict) and header.get("schema") == SCHEMA:
            found.append(FoundRun(path, header))
    return sorted(found, key=lambda run: run.header.get("wall_ms", 0), reverse=True)


def choose_run(wanted: str | None = None) -> FoundRun:
    """By its id or the beginning of it; the newest one by default. Raises ConfigError."""
    found = find_runs()
    if not found:
        raise ConfigError(f"there is no run yet in {run_folder()}: btccxt run STRATEGY.py keeps a record of each")
    chosen = [run for run in found if wanted is None or run.run_id == wanted]
    chosen = chosen or [run for run in found if run.run_id.startswith(str(wanted))]
    if not chosen:
        raise ConfigError(f"no run {wanted!r}{nearest(str(wanted), [run.run_id for run in found][:8])}")
    return chosen[0]


class Tail:
    """What is added to a record, since it was read last. Blocks for the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = self._offset = 0

    def read(self) -> Iterator[Mapping[str, Any]]:
        """New records; from the beginning again (a header comes first) when the file was replaced."""
        try:
            now = self._path.stat()
            if (now.st_ino, now.st_size) == (self._inode, self._offset):
                return
            with self._path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if inode != self._inode:
                    self._inode, self._offset = inode, 0
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        return  # it is being written
                    self._offset += len(line)
                    record = _parsed(line)
                    if record is not None:
                        yield record
        except FileNotFoundError:
            return


def _parsed(line: bytes) -> Mapping[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
