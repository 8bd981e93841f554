"""The trades of one order, immutable to whoever holds them, in constant time a trade."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from btccxt.model import Fill


class FillLog(Mapping[str, Fill]):
    """By trade id, in order of arrival. ``with_fill`` gives a new log; this one stays what it is.

    All logs that grew from each other share one list, and each sees only its own first part of it. Any thread may read
    any of them; one thread adds.
    """

    __slots__ = ("_places", "_size", "_trades")

    def __init__(self, fills: Iterable[Fill] = ()) -> None:
        self._trades: list[Fill] = []
        self._places: dict[str, int] = {}  # trade id -> place in the list
        for fill in fills:
            self._append(fill)
        self._size = len(self._trades)

    def with_fill(self, fill: Fill) -> FillLog:
        """One trade more, or another version of a trade that is known."""
        if fill.trade_id in self or self._size != len(self._trades):  # the list has gone another way since
            return FillLog({**self, fill.trade_id: fill}.values())
        self._append(fill)
        log = object.__new__(FillLog)
        log._trades, log._places, log._size = self._trades, self._places, self._size + 1
        return log

    def _append(self, fill: Fill) -> None:
        self._places[fill.trade_id] = len(self._trades)
        self._trades.append(fill)

    def __contains__(self, trade_id: object) -> bool:  # Mapping's own raises and catches a KeyError
        return self._places.get(trade_id, self._size) < self._size  # type: ignore[call-overload,no-any-return]

    def get(self, trade_id: str, default: Any = None) -> Any:
        return self._trades[self._places[trade_id]] if trade_id in self else default

    def __getitem__(self, trade_id: str) -> Fill:
        place = self._places[trade_id]
        if place >= self._size:
            raise KeyError(trade_id)
        return self._trades[place]

    def __iter__(self) -> Iterator[str]:
        return (fill.trade_id for fill in islice(self._trades, self._size))

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"FillLog({list(islice(self._trades, self._size))!r})"
