"""Making sense of answers: what cannot be read or cannot be true is said, counted, and not believed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from btccxt.errors import BtccxtError, Unreadable
from btccxt.observe.log import EventName, get_logger
from btccxt.observe.metrics import metrics
from btccxt.observe.redact import redact_text

T = TypeVar("T")
log = get_logger(__name__)

_SAY_AGAIN_S = 60.0
_MOST_TEXT = 400


@dataclass(slots=True)
class Reader:
    """Of one exchange. A stream that tells the same rubbish a hundred times a second is logged once a minute."""

    exchange: str
    _said_at: dict[tuple[str, str], float] = field(default_factory=dict)

    def whole(self, call: str, answer: Any, understand: Callable[[Any], T]) -> T:
        """``understand(answer)``. Raises Unreadable where that raises anything but an error of btccxt."""
        try:
            return understand(answer)
        except BtccxtError:
            raise
        except Exception as error:
            raise self._unreadable(call, answer, error) from error

    def rows(self, call: str, answer: Any, understand: Callable[[Any], T]) -> list[T]:
        """One bad row is left out, and said; an answer of bad rows only, or none of rows, is Unreadable."""
        if not isinstance(answer, Iterable) or isinstance(answer, str | bytes | dict):
            raise self._unreadable(call, answer, TypeError("no list"))
        found: list[T] = []
        failure: Exception | None = None
        for row in answer:
            try:
                found.append(understand(row))
            except Exception as error:  # noqa: BLE001 - whatever a row provokes costs that row alone
                failure = error
                self.reject(call, row, error)
        if failure is not None and not found:
            raise self._unreadable(call, answer, failure) from failure
        return found

    def one(self, call: str, row: Any, understand: Callable[[Any], T]) -> T | None:
        """None for a bad row, which is said."""
        try:
            return understand(row)
        except Exception as error:  # noqa: BLE001 - see rows()
            self.reject(call, row, error)
            return None

    def _unreadable(self, call: str, answer: Any, error: Exception) -> Unreadable:
        self.reject(call, answer, error)
        why = f"{type(error).__name__}: {error}"
        return Unreadable(f"{self.exchange} {call}: the answer makes no sense: {redact_text(why)[:_MOST_TEXT]}")

    def reject(self, call: str, answer: Any, error: Exception) -> None:
        """Count it, and say it unless the same was said a moment ago."""
        metrics().answer_rejected(self.exchange, call)
        now_s, kind = time.monotonic(), (call, type(error).__name__)
        if now_s - self._said_at.get(kind, -_SAY_AGAIN_S) < _SAY_AGAIN_S:
            return
        self._said_at[kind] = now_s
        log.warning(
            EventName.ANSWER_REJECTED, exchange=self.exchange, call=call, why=f"{type(error).__name__}: {error}",
            answer=redact_text(repr(answer)[:_MOST_TEXT]),
        )  # fmt: skip
