"""Files of one user: where a program keeps its state, readable by nobody else, written by one process at a time."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import filelock
from platformdirs import user_state_path


def state_directory() -> Path:
    """Where this user's journals, locks and status files are kept on this system."""
    return user_state_path("btccxt", appauthor=False)


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it, for this user alone. Raises OSError.

    One that exists stays as it is, unless it is btccxt's own.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = state_directory()
    if path == own or own in path.parents:
        for folder in (path, *path.parents):
            folder.chmod(0o700)
            if folder == own:
                break
    return path


def private_file(path: Path) -> Path:
    """Make a file, empty if it is new, that this user alone can read and write. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    return path


class FileLocked(Exception):
    """Somebody else holds the lock; ``holder`` is who, '' where he has not said."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class FileLock:
    """Held from construction to ``release()``, which a killed process cannot fail to do.

    Raises FileLocked, or OSError if the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._holder = path.with_name(path.name + ".holder")  # the lock's own content is the library's
        self._lock = filelock.FileLock(path, mode=0o600, thread_local=False)
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            with contextlib.suppress(OSError):
                raise FileLocked(self._holder.read_text(encoding="utf-8")) from None
            raise FileLocked("") from None
        try:
            private_file(self._holder).write_text(f"process {os.getpid()}", encoding="utf-8")
        except BaseException:
            self._lock.release()
            raise

    def release(self) -> None:
        """Idempotent."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._holder.unlink()
            self._lock.release()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of this file; False where there is none."""
    if not path.exists():
        return False
    lock = filelock.FileLock(path, mode=0o600, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False
