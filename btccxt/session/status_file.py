"""A running store's health in a small file, for ``btccxt status``: one per store, gone when the store stops.

The file is locked by its writer for as long as the process lives: a file that nobody holds was left behind by a
process that died, whatever its number.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btccxt.errors import BtccxtError
from btccxt.resilience.files import FileLock, FileLocked, is_held, private_file, private_folder, state_directory

_WRITE_PERIOD_S = 5.0
_STOP_S = 3.0
_numbers = itertools.count(1)


def status_directory() -> Path:
    return state_directory() / "running"


class StatusFile:
    """Made by a store when it starts. Raises OSError if the folder cannot be written."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        folder = folder or status_directory()
        private_folder(folder)
        self.path = folder / f"{name}-{os.getpid()}-{next(_numbers)}.json"
        self._lock = FileLock(self.path.with_suffix(".lock"))

    def write(self, facts: Mapping[str, Any]) -> None:
        """Replace the content in one step. Blocks for the disk."""
        new = self.path.with_suffix(".new")
        private_file(new).write_text(json.dumps(facts), encoding="utf-8")
        with contextlib.suppress(PermissionError):  # Windows, while somebody reads it: the next one follows soon
            os.replace(new, self.path)

    def remove(self) -> None:
        """Idempotent."""
        _remove(self.path)
        self._lock.release()


@dataclass(frozen=True, slots=True)
class FoundStatus:
    path: Path
    alive: bool
    facts: Mapping[str, Any]

    def forget(self) -> None:
        """Remove what a dead process left behind."""
        _remove(self.path)


def _remove(path: Path) -> None:
    for ending in (".json", ".new", ".lock", ".lock.holder"):
        with contextlib.suppress(OSError):
            path.with_suffix(ending).unlink()


def find_running(folder: Path | None = None) -> Iterator[FoundStatus]:
    """Every status file here, oldest first; files that cannot be read are passed over (their store just stopped)."""
    folder = folder or status_directory()
    for path in sorted(folder.glob("*.json")) if folder.exists() else ():
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        yield FoundStatus(path, is_held(path.with_suffix(".lock")), facts)


class StatusReporter:
    """Writes a store's health every few seconds, from a thread of its own: a slow disk must not hold up the session."""

    def __init__(
        self, health: Callable[[], Mapping[str, Any]], report: Callable[[str, BaseException], None], name: str
    ) -> None:
        self._health = health
        self._report = report
        self._name = name
        self._began = time.time()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="btccxt-status", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            file = StatusFile(self._name)
        except (OSError, FileLocked) as error:
            self._report("status file", error)
            return
        try:
            while not self._stopping.is_set():
                file.write(
                    {"process": os.getpid(), "began_at": self._began, "written_at": time.time(), **self._health()}
                )
                self._stopping.wait(_WRITE_PERIOD_S)
        except (OSError, BtccxtError, TimeoutError) as error:
            if not self._stopping.is_set():
                self._report("status file", error)
        finally:
            file.remove()

    def stop(self) -> None:
        """The file is gone afterwards. Idempotent; waits for a write that is under way."""
        self._stopping.set()
        self._thread.join(_STOP_S)
