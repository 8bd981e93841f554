"""All of the account's trades since a time, however the exchange divides its answer into pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from btccxt.exchange.profile.profile import MyTradesRule, NextPage
from btccxt.model import Fill

Read = Callable[..., Awaitable[Any]]
"""(ccxt method, *arguments) -> ccxt's rows."""

Found = dict[tuple[Any, ...], Mapping[str, Any]]

_SECOND_MS = 1_000
_IDENTITY = ("symbol", "id", "order", "timestamp", "side", "price", "amount")  # some rows have no id


async def trades_since(
    read: Read,
    to_fill: Callable[[Mapping[str, Any]], Fill | None],
    rule: MyTradesRule,
    symbol: str | None,
    since_ms: int,
    now_ms: int,
) -> list[Fill]:
    """Every trade from ``since_ms`` (inclusive) to now, oldest first; raises what ``read`` raises.

    ``to_fill`` may leave a row out.
    Pages overlap where the exchange's paging allows it, because a trade that happens meanwhile shifts them.
    """
    # Whole seconds: some exchanges count in them, and rows that ccxt drops would make a full page look like the last.
    start_ms = since_ms - since_ms % _SECOND_MS
    if rule.since_exclusive:
        start_ms -= _SECOND_MS
    found: Found = {}
    archive = rule.archive_after_ms is not None and now_ms - start_ms >= rule.archive_after_ms
    for more in ({}, rule.archive) if archive else ({},):
        await _whole_span(read, rule, symbol, start_ms, now_ms, more, found)
    # Only now, because rows of other symbols may be of markets that are not loaded.
    fills = (to_fill(row) for row in found.values() if symbol is None or row.get("symbol") == symbol)
    return in_order(fill for fill in fills if fill is not None and fill.time_ms >= since_ms)


def in_order(fills: Iterable[Fill]) -> list[Fill]:
    """Oldest first; what a sale and a purchase of one instant realise depends on which is booked first.

    Of a trade of the account with itself both sides are told, under one id: the order that rested comes first.
    """
    return sorted(fills, key=lambda fill: (fill.time_ms, len(fill.trade_id), fill.trade_id, not fill.maker))


async def _whole_span(
    read: Read,
    rule: MyTradesRule,
    symbol: str | None,
    start_ms: int,
    now_ms: int,
    more: Mapping[str, Any],
    found: Found,
) -> None:
    while True:
        until_ms = start_ms + rule.window_ms if rule.window_ms and start_ms + rule.window_ms < now_ms else None
        params = {**rule.params, **more} if until_ms is None else {**rule.params, **more, "until": until_ms}
        await _all_pages(read, rule, None if rule.all_symbols else symbol, start_ms, params, found)
        if until_ms is None:
            break
        start_ms = until_ms


async def _all_pages(
    read: Read,
    rule: MyTradesRule,
    symbol: str | None,
    start_ms: int,
    params: dict[str, Any],
    found: Found,
) -> None:
    asked = 0  # rows
    pages = 0
    while True:
        rows = await read("fetch_my_trades", symbol, start_ms, rule.page_size, dict(params))
        known = len(found)
        found.update((tuple(row.get(name) for name in _IDENTITY), row) for row in rows)
        asked, pages = asked + len(rows), pages + 1
        stuck = len(found) == known
        match rule.next_page:
            case NextPage.BY_CURSOR:
                cursor = next((row["info"][rule.field] for row in rows if row["info"].get(rule.field)), None)
                if cursor is None or stuck:
                    return
                params[rule.param] = cursor
                continue
            case NextPage.BY_START_TIME:
                if len(rows) < rule.page_size:
                    return
                newest_ms = max(row["timestamp"] for row in rows)
                start_ms = newest_ms if newest_ms > start_ms else start_ms + 1
                continue
        if len(rows) < rule.page_size or stuck:
            return
        match rule.next_page:
            case NextPage.BY_OFFSET:
                params[rule.param] = asked
            case NextPage.BY_NUMBER:
                params[rule.param] = pages + 1
            case NextPage.BY_OLDEST_ID:
                params[rule.param] = str(min(int(row["info"][rule.field]) for row in rows))
            case _:
                params[rule.param] = _iso(min(row["timestamp"] for row in rows) + 1)


def _iso(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
