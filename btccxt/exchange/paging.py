"""The pages of an account's history, as a state: the next request comes out, the rows of its answer go in.

Nothing is asked for here, so an error between two pages loses nothing: the request stays the same until it is answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from btccxt.exchange.profile.paging_rule import NextPage, PagingRule

Row = Mapping[str, Any]

_SECOND_MS = 1_000
_IDENTITY = ("symbol", "id", "order", "timestamp", "side", "price", "amount")  # some rows have no id

_STATE = ("begin_ms", "now_ms", "end_ms", "asked", "pages", "lists", "doubts", "start_ms", "window_end_ms", "params")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """``since_ms``, ``limit`` and ``params`` as ccxt takes them."""

    symbol: str | None
    since_ms: int
    limit: int | None
    params: Mapping[str, Any] = field(default_factory=dict)


class Pager:
    """From ``since_ms`` (inclusive) to ``until_ms``, or to now and whatever comes meanwhile.

    Pages overlap where the exchange's paging allows it, because what happens meanwhile shifts them: a row that was
    answered before is not told again. Rows outside of the span may be among those told. ``sparse``: the exchange or
    ccxt leaves rows out of a page after it is cut, so that only an empty one is the last. ``conditional``: the list
    is that of the trigger orders. ``oldest_first``: what answers is known to go on from its newest row.
    """

    def __init__(
        self,
        rule: PagingRule,
        symbol: str | None,
        since_ms: int,
        now_ms: int,
        until_ms: int | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        sparse: bool = False,
        conditional: bool = False,
        oldest_first: bool = False,
    ) -> None:
        # Whole seconds: some exchanges count in them, and rows that ccxt drops would make a full page look like the
        # last.
        self._begin_ms = since_ms - since_ms % _SECOND_MS
        if rule.since_exclusive:
            self._begin_ms -= _SECOND_MS
        self._rule = rule
        self._field = rule.conditional_field if conditional and rule.conditional_field else rule.field
        self._symbol = None if rule.all_symbols else symbol
        self._now_ms, self._end_ms = now_ms, until_ms
        self._sparse, self._oldest_first = sparse, oldest_first
        base = {**rule.params, **(params or {})}
        archived = rule.archive_after_ms is not None and now_ms - self._begin_ms >= rule.archive_after_ms
        self._asked = self._pages = 0
        self._lists = [base, {**base, **rule.archive}] if archived else [base]
        self._seen: set[tuple[Any, ...]] = set()
        self._doubts: list[str] = []
        self._begin_window(self._begin_ms)

    @property
    def request(self) -> PageRequest | None:
        """What to ask for next; None when all is answered."""
        if not self._lists:
            return None
        limit = None if self._rule.next_page is NextPage.UNKNOWN else self._rule.page_size
        return PageRequest(self._symbol, self._start_ms, limit, dict(self._params))

    @property
    def doubts(self) -> tuple[str, ...]:
        """What could not be covered, for people."""
        return tuple(self._doubts)

    @property
    def reached(self) -> float:
        """How much of the span is behind, 0 to 1, where pages or windows go forward in time; for a progress bar."""
        if not self._lists:
            return 1.0
        end_ms = self._end_ms or self._now_ms
        return min(1.0, max(0.0, (self._start_ms - self._begin_ms) / max(1, end_ms - self._begin_ms)))

    def state(self) -> dict[str, Any]:
        """Where it stands, JSON-able. Rows that were answered are not part of it: some may be told again."""
        return {name: getattr(self, f"_{name}") for name in _STATE} | {"rule": repr(self._rule)}

    def knows(self, state: Mapping[str, Any]) -> bool:
        """Whether this is a state of a pager by the same rule."""
        return state.get("rule") == repr(self._rule) and state.keys() == {*_STATE, "rule"}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on where another one stood."""
        for name in _STATE:
            setattr(self, f"_{name}", state[name])

    def answered(self, rows: Iterable[Row]) -> list[Row]:
        """The answer to ``request``: its rows that were not answered before."""
        rows = list(rows)
        new: list[Row] = []
        for row in rows:
            key = tuple(row.get(name) for name in _IDENTITY)
            if key not in self._seen:
                self._seen.add(key)
                new.append(row)
        self._asked, self._pages = self._asked + len(rows), self._pages + 1
        if not self._page_goes_on(rows, stuck=not new):
            self._next_window()
        return new

    def _begin_window(self, start_ms: int) -> None:
        window_ms = self._rule.window_ms
        ends = window_ms is not None and start_ms + window_ms < self._now_ms
        self._window_end_ms = start_ms + window_ms if window_ms is not None and ends else None
        self._start_ms = start_ms
        self._params = dict(self._lists[0])
        if self._window_end_ms is not None:
            self._params["until"] = self._window_end_ms
        self._asked = self._pages = 0

    def _next_window(self) -> None:
        ended = self._window_end_ms
        if ended is not None and (self._end_ms is None or ended < self._end_ms):
            self._begin_window(ended)
            return
        del self._lists[0]
        if self._lists:
            self._begin_window(self._begin_ms)

    def _page_goes_on(self, rows: list[Row], *, stuck: bool) -> bool:
        """Whether this window has another page; sets its request."""
        rule = self._rule
        full = bool(rows) if self._sparse else len(rows) >= rule.page_size
        match rule.next_page:
            case NextPage.BY_CURSOR:
                cursor = next((row["info"][self._field] for row in rows if row["info"].get(self._field)), None)
                if cursor is not None and not stuck:
                    self._params[rule.param] = cursor
                return cursor is not None and not stuck
            case NextPage.BY_START_TIME:
                return len(rows) >= rule.page_size and self._from_the_newest_on(rows)
            case NextPage.UNKNOWN:
                if stuck:  # a full page of one instant, or the end
                    return False
                oldest_ms, newest_ms = min(map(_time, rows)), max(map(_time, rows))
                if not self._oldest_first and not self._doubts:
                    self._doubts.append(
                        f"how the exchange goes on after {len(rows)} rows is not known: some before "
                        f"{_iso(oldest_ms)} may be missing"
                    )
                self._start_ms = max(newest_ms, self._start_ms)
                return True
        if not full or stuck:
            return False
        match rule.next_page:
            case NextPage.BY_OFFSET:
                self._params[rule.param] = self._pages * rule.page_size if self._sparse else self._asked
            case NextPage.BY_NUMBER:
                self._params[rule.param] = self._pages + 1
            case NextPage.BY_OLDEST_ID:
                self._params[rule.param] = str(min(int(row["info"][self._field]) for row in rows))
            case _:
                self._params[rule.param] = _iso(min(map(_time, rows)) + 1)
        return True

    def _from_the_newest_on(self, rows: list[Row]) -> bool:
        newest_ms = max(map(_time, rows))
        if newest_ms < self._start_ms:
            self._doubts.append(f"the exchange answered with rows before {_iso(self._start_ms)} to what came after it")
            return False
        if self._end_ms is not None and newest_ms > self._end_ms:
            return False
        self._start_ms = newest_ms if newest_ms > self._start_ms else self._start_ms + 1
        return True


def _time(row: Row) -> int:
    return int(row["timestamp"])


def _iso(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
