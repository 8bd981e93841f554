"""An account's history from an exchange, a page at a time: pagers, and what asks for their requests."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from btccxt.exchange.paging import Pager, PageRequest
from btccxt.exchange.profile.paging_rule import PagingRule
from btccxt.model import Fill, FundingPayment, OrderUpdate, Transfer

T = TypeVar("T")
R = TypeVar("R", Fill, OrderUpdate, FundingPayment, Transfer)


@dataclass(frozen=True, slots=True)
class HistoryList(Generic[T]):
    """One of the exchange's lists. ``understand`` may leave a row out."""

    pager: Pager
    ask: Callable[[PageRequest], Awaitable[Sequence[Mapping[str, Any]]]]
    understand: Callable[[Mapping[str, Any]], T | None]


class HistoryPages(Generic[T]):
    """All pages of some lists, one after the other. What ``next`` raises leaves it where it was: it may go on."""

    def __init__(self, lists: Sequence[HistoryList[T]], symbol: str | None) -> None:
        self._lists, self._symbol = lists, symbol

    @property
    def is_done(self) -> bool:
        return all(each.pager.request is None for each in self._lists)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What could not be covered, for people."""
        return tuple(dict.fromkeys(doubt for each in self._lists for doubt in each.pager.doubts))

    @property
    def reached(self) -> float:
        """How much is behind, 0 to 1: a guess."""
        return sum(each.pager.reached for each in self._lists) / max(1, len(self._lists))

    def state(self) -> str:
        """Where it stands, as text, for ``resume`` of another process."""
        return json.dumps([each.pager.state() for each in self._lists])

    def resume(self, state: str) -> bool:
        """Go on where another one with the same span stood; False, and as it was, where that was of another kind."""
        try:
            states = json.loads(state)
        except ValueError:
            return False
        if not isinstance(states, list) or len(states) != len(self._lists):
            return False
        if not all(each.pager.knows(kept) for each, kept in zip(self._lists, states, strict=True)):
            return False
        for each, kept in zip(self._lists, states, strict=True):
            each.pager.resume(kept)
        return True

    async def next(self) -> list[T]:
        """The rows of one more request, as far as they are new; empty at the end, but not only there."""
        for each in self._lists:
            if (request := each.pager.request) is None:
                continue
            rows = each.pager.answered(await each.ask(request))
            ours = (row for row in rows if self._symbol is None or row.get("symbol") == self._symbol)
            return [item for item in map(each.understand, ours) if item is not None]
        return []


def pages_by_time(
    fetch: Callable[[str | None, int], Awaitable[list[R]]],
    identity: Callable[[R], str | None],
    symbol: str | None,
    since_ms: int,
    until_ms: int | None,
    *,
    oldest_first: bool = True,
) -> HistoryPages[R]:
    """For what answers with records from a time on; if not with the oldest first, it is said what may be missing."""

    async def ask(page: PageRequest) -> list[dict[str, Any]]:
        return [
            {
                "id": identity(each), "symbol": getattr(each, "symbol", None), "side": getattr(each, "side", None),
                "timestamp": each.time_ms or page.since_ms, "record": each,
            }
            for each in await fetch(page.symbol, page.since_ms)
        ]  # fmt: skip

    pager = Pager(PagingRule(), symbol, since_ms, since_ms, until_ms, oldest_first=oldest_first)
    return HistoryPages([HistoryList(pager, ask, lambda row: row["record"])], symbol)
