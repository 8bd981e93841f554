"""Reading what a frame brought: the rows that changed in ccxt's caches, and fields of the raw frame by path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ccxt.async_support.base.ws.cache import ArrayCache, ArrayCacheByTimestamp, BaseCache


def changed_rows(result: Any) -> list[Any] | None:
    """Rows of a ccxt cache touched since the last look, or the rows of a plain list; None for anything else.

    The rows are ccxt's own and change later: copy what is kept.
    """
    if isinstance(result, ArrayCacheByTimestamp):
        if result._clear_updates:  # nothing appended since the last look
            return []
        result._clear_updates = True
        touched = result._size_tracker
        if len(touched) == 1:
            return [result.hashmap[stamp] for stamp in touched if stamp in result.hashmap]
        return [result.hashmap[stamp] for stamp in sorted(touched) if stamp in result.hashmap]
    if isinstance(result, ArrayCache):
        if result._clear_all_updates:
            return []
        count = min(result.getLimit(None, None) or 0, len(result))
        return result[-count:] if count else []
    if isinstance(result, BaseCache):
        return list(result)
    return list(result) if isinstance(result, list) else None


@dataclass(slots=True)
class ClosedFlag:
    """Reads the exchange's own 'this candle is closed' out of a raw frame.

    ``path`` is a dotted path; ``*`` stands for each element of a list (then the element with the candle's own open time
    is the one that counts). ``k.x``, ``data.*.confirm``, ``data.*.8``.
    """

    path: str
    _before: tuple[str | int, ...] = field(init=False)
    _after: tuple[str | int, ...] = field(init=False)
    _has_list: bool = field(init=False)

    def __post_init__(self) -> None:
        head, star, tail = self.path.partition("*")
        self._has_list = bool(star)
        self._before, self._after = parts_of(head), parts_of(tail)

    def read(self, frame: Any, open_ms: int) -> bool | None:
        """None where the frame has no such field."""
        found = walk(frame, self._before)
        if self._has_list:
            if not isinstance(found, list):
                return None
            if len(found) > 1:
                found = [each for each in found if _mentions(each, open_ms)]
            if not found:
                return None
            found = walk(found[0], self._after)
        if isinstance(found, bool):
            return found
        return None if found is None else str(found).lower() in ("1", "true")


def parts_of(path: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in path.split(".") if part)


def walk(node: Any, path: tuple[str | int, ...]) -> Any:
    try:
        for part in path:
            node = node[part]
    except (KeyError, IndexError, TypeError):
        return None
    return node


def _mentions(element: Any, open_ms: int) -> bool:
    values = element.values() if isinstance(element, dict) else element if isinstance(element, list) else ()
    stamps = (str(open_ms), str(open_ms // 1000))
    return any(str(value) in stamps for value in values)
