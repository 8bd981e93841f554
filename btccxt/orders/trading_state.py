"""The trading state of one account: set by code, by ``btccxt trading``, by a file or a signal; the last word counts.

The file holds a word (active, reducing, halted) and perhaps a reason behind it. It is looked at with every order: one
``stat`` while it does not change. What is set by code is written to it, so that it holds for the next start as well.
A word that nobody knows means halted.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from btccxt.errors import ConfigError
from btccxt.observe.log import EventName, get_logger
from btccxt.orders.risk import TradingState

log = get_logger(__name__)
_Seen = tuple[int, int, int] | None


class TradingControl:
    """Any thread. ``path`` None: no file, for an account that ends with the process."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lasting = True
        self._lock = threading.Lock()
        self._state, self._why = TradingState.ACTIVE, ""
        self._seen: _Seen = None
        self._asked: TradingState | None = None
        self.read()

    def ask(self, state: TradingState) -> None:
        """From a signal handler: neither logs nor locks; it holds when the state is read the next time."""
        self._asked = state

    def keep_in(self, path: Path, *, lasting: bool = True) -> None:
        """Where nothing else was said: the file of an account. What was set before it was known is written to it."""
        if self.path is None:
            self.path, self._lasting = path, lasting
            if self._state is not TradingState.ACTIVE and _look(path) is None:
                write_state(path, self._state, self._why)
            self.read()

    def close(self) -> None:
        """The store has stopped; a file that ends with it is removed, and the state kept."""
        if self.path is not None and not self._lasting:
            self.path.unlink(missing_ok=True)
            self.path, self._lasting, self._seen = None, True, None

    def read(self) -> tuple[TradingState, str]:
        """State and reason as they are now."""
        if self._asked is not None:
            asked, self._asked = self._asked, None
            self.set(asked, "by a signal")
        path = self.path
        if path is not None and (seen := _look(path)) != self._seen:
            with self._lock:
                self._seen = seen
                was = self._state
                self._state, self._why = (TradingState.ACTIVE, "") if seen is None else _read(path)
            if self._state is not was:
                log.warning(EventName.TRADING_STATE, state=self._state.value, why=self._why, source=str(path))
        return self._state, self._why

    def set(self, state: TradingState | str, why: str = "") -> None:
        """Raises ConfigError for an unknown word, OSError if the file cannot be written (it holds all the same)."""
        state = state_of(state)
        with self._lock:
            self._state, self._why = state, why
        log.warning(EventName.TRADING_STATE, state=state.value, why=why, source="program")
        if self.path is not None:
            write_state(self.path, state, why)
            self._seen = _look(self.path)


def state_of(word: TradingState | str) -> TradingState:
    """Raises ConfigError naming the choices."""
    try:
        return TradingState(word.lower() if isinstance(word, str) else word)
    except ValueError:
        raise ConfigError(f"trading state {word!r}: must be one of {', '.join(TradingState)}") from None


def write_state(path: Path, state: TradingState, why: str = "") -> None:
    """Replace the file in one step, readable by this user only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{state.value} {why}".strip() + "\n")
    os.replace(new, path)


def _look(path: Path) -> _Seen:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _read(path: Path) -> tuple[TradingState, str]:
    text = ""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="utf-8")
    word, _, why = text.strip().partition(" ")
    try:
        return TradingState(word.lower()), why.strip()
    except ValueError:
        return TradingState.HALTED, f"{path} says {word!r}, which is none of {', '.join(TradingState)}"
