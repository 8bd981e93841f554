"""Whatever an exchange makes of a page, each row is told once, none is left out, and the asking ends."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btccxt.errors import Retryable
from btccxt.exchange.history_pages import HistoryList, HistoryPages, pages_by_time
from btccxt.exchange.paging import Pager
from btccxt.exchange.profile.paging_rule import PagingRule
from btccxt.model import Fill, Side

BEGIN_MS = 1_700_000_000_000
SIZE = 4
RULES = {
    "by_start_time": {},
    "by_offset": {"param": "ofs"},
    "by_number": {"param": "page"},
    "by_cursor": {"param": "cursor", "field": "next"},
    "by_oldest_id": {"param": "before", "field": "id"},
    "unknown": {},
}


def rows_at(times_s: list[int]) -> list[dict[str, Any]]:
    return [
        {"id": str(number), "symbol": "A/B", "timestamp": BEGIN_MS + second * 1_000, "info": {"id": str(number)}}
        for number, second in enumerate(sorted(times_s))
    ]


def answer(kind: str, rows: list[dict[str, Any]], request: Any) -> list[dict[str, Any]]:
    params, until = request.params, request.params.get("until", 2**60)
    found = [row for row in rows if request.since_ms <= row["timestamp"] <= until]
    if kind in ("by_start_time", "unknown"):
        return found[:SIZE]
    newest = found[::-1]
    if kind == "by_oldest_id":
        return [row for row in newest if int(row["id"]) < int(params.get("before", 10**9))][:SIZE]
    if kind == "by_number":
        start = (params.get("page", 1) - 1) * SIZE
    else:
        start = int(params.get("ofs", params.get("cursor", 0)))
    page = [dict(row, info=dict(row["info"])) for row in newest[start : start + SIZE]]
    if kind == "by_cursor" and len(newest) > start + SIZE:
        page[0]["info"]["next"] = str(start + SIZE)
    return page


def read(pager: Pager, ask: Any, most: int = 500) -> list[str]:
    told: list[str] = []
    for _ in range(most):
        if pager.request is None:
            return told
        told += [row["id"] for row in pager.answered(ask(pager.request))]
    raise AssertionError("it asks for ever")


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("window_ms", [None, 3_600_000])
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    # No more of one instant than a page holds: of those a page by time cannot tell the rest.
    instants=st.dictionaries(st.integers(0, 30_000), st.integers(1, SIZE - 1), max_size=25),
    sparse=st.booleans(),
)
def test_every_row_is_told_once_also_where_a_page_ends_within_an_instant(
    kind: str, window_ms: int | None, instants: dict[int, int], sparse: bool
) -> None:
    rule = PagingRule(next_page=kind, page_size=SIZE, window_ms=None if kind == "unknown" else window_ms, **RULES[kind])
    rows = rows_at([second for second, count in instants.items() for _ in range(count)])
    pager = Pager(rule, "A/B", BEGIN_MS, BEGIN_MS + 31_000_000, sparse=sparse)
    told = read(pager, lambda request: answer(kind, rows, request), most=2_000)
    assert sorted(told, key=int) == [row["id"] for row in rows]
    assert pager.reached == 1 and bool(pager.doubts) is (kind == "unknown" and bool(rows))


@pytest.mark.parametrize("kind", RULES)
@given(
    instants=st.dictionaries(st.integers(0, 30_000), st.integers(1, SIZE - 1), min_size=1, max_size=15),
    stop_after=st.integers(0, 8),
    later=st.integers(0, 5),
)
def test_another_process_goes_on_where_one_ended_and_misses_no_row(
    kind: str, instants: dict[int, int], stop_after: int, later: int
) -> None:
    """``later``: rows that come between the two."""
    rule = PagingRule(next_page=kind, page_size=SIZE, **RULES[kind])
    times_s = [second for second, count in instants.items() for _ in range(count)]
    rows = rows_at(times_s)
    first = Pager(rule, "A/B", BEGIN_MS, BEGIN_MS + 31_000_000)
    told: set[str] = set()
    for _ in range(stop_after):
        if first.request is not None:
            told |= {row["id"] for row in first.answered(answer(kind, rows, first.request))}
    state = json.loads(json.dumps(first.state()))
    second = Pager(rule, "A/B", BEGIN_MS, BEGIN_MS + 99_000_000)
    assert second.knows(state)
    second.resume(state)
    assert second.request == first.request
    more = rows_at([*times_s, *range(30_001, 30_001 + later)])
    told |= set(read(second, lambda request: answer(kind, more, request)))
    assert {row["id"] for row in rows} <= told


def test_a_state_of_another_rule_is_not_gone_on_from() -> None:
    def pages(page_size: int) -> HistoryPages[Any]:
        pager = Pager(PagingRule(next_page="by_offset", param="ofs", page_size=page_size), None, BEGIN_MS, BEGIN_MS)
        return HistoryPages([HistoryList(pager, None, None)], None)  # type: ignore[arg-type]

    state = pages(4).state()
    assert pages(4).resume(state)
    assert not pages(5).resume(state)
    for odd in ("", "[]", "{}", "[{}]"):
        assert not pages(4).resume(odd)


@pytest.mark.parametrize("kind", RULES)
@given(times_s=st.lists(st.integers(0, 30_000), max_size=12))
def test_an_exchange_that_repeats_one_page_for_ever_is_asked_no_more(kind: str, times_s: list[int]) -> None:
    page = answer(kind, rows_at(times_s), Pager(PagingRule(), None, BEGIN_MS, BEGIN_MS).request)
    pager = Pager(PagingRule(next_page=kind, page_size=SIZE, **RULES[kind]), None, BEGIN_MS, BEGIN_MS + 31_000_000)
    assert sorted(read(pager, lambda request: page, most=6)) == sorted(row["id"] for row in page)


def test_of_a_page_that_is_not_answered_the_request_stays() -> None:
    pager = Pager(PagingRule(next_page="by_offset", param="ofs", page_size=SIZE), None, BEGIN_MS, BEGIN_MS + 1)
    pager.answered(rows_at([1, 2, 3, 4]))
    assert pager.request == pager.request and pager.request.params == {"ofs": 4}


def test_what_comes_after_the_end_is_not_asked_for() -> None:
    rule = PagingRule(next_page="by_start_time", page_size=SIZE, window_ms=3_600_000)
    pager = Pager(rule, None, BEGIN_MS, BEGIN_MS + 100 * 3_600_000, BEGIN_MS + 5_400_000)
    asked: list[Any] = []
    read(pager, lambda request: asked.append(request) or [])
    assert [each.since_ms for each in asked] == [BEGIN_MS, BEGIN_MS + 3_600_000]


def test_rows_that_a_page_leaves_out_do_not_make_it_the_last() -> None:
    rows = rows_at(list(range(20)))
    rule = PagingRule(next_page="by_offset", param="ofs", page_size=SIZE)
    pager = Pager(rule, None, BEGIN_MS, BEGIN_MS + 1, sparse=True)
    told = read(pager, lambda request: [row for row in answer("by_offset", rows, request) if int(row["id"]) % 3])
    assert sorted(map(int, told)) == [number for number in range(20) if number % 3]


async def test_an_exchange_of_ones_own_is_read_from_the_newest_row_on() -> None:
    """As the interface says: its records from a time on, oldest first, one page at least."""
    fills = [
        Fill(str(number), "A/B", Side.BUY, Decimal(1), Decimal(1), BEGIN_MS + number // 2 * 1_000)
        for number in range(23)
    ]
    asked: list[int | None] = []

    async def fetch(symbol: str | None, since_ms: int) -> list[Fill]:
        asked.append(since_ms)
        if len(asked) == 3:
            raise Retryable("try again")
        return [fill for fill in fills if fill.time_ms >= since_ms][:5]

    pages = pages_by_time(fetch, lambda fill: fill.trade_id, "A/B", BEGIN_MS, None)
    told: list[Fill] = []
    while not pages.is_done:
        try:
            told += await pages.next()
        except Retryable:
            assert not pages.is_done
    assert told == fills and pages.doubts == () and asked[2] == asked[3]
