"""All of the account's trades since a time, however the exchange divides its answer into pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from btccxt.exchange.paging import Pager
from btccxt.exchange.profile.paging_rule import PagingRule
from btccxt.model import Fill

Read = Callable[..., Awaitable[Any]]
"""(ccxt method, *arguments) -> ccxt's rows."""


async def trades_since(
    read: Read,
    to_fill: Callable[[Mapping[str, Any]], Fill | None],
    rule: PagingRule,
    symbol: str | None,
    since_ms: int,
    now_ms: int,
) -> list[Fill]:
    """Every trade from ``since_ms`` (inclusive) to now, oldest first; raises what ``read`` raises.

    ``to_fill`` may leave a row out.
    """
    pager = Pager(rule, symbol, since_ms, now_ms)
    found: list[Mapping[str, Any]] = []
    while (page := pager.request) is not None:
        rows = await read("fetch_my_trades", page.symbol, page.since_ms, page.limit, dict(page.params))
        found += pager.answered(rows)
    # Only now, because rows of other symbols may be of markets that are not loaded.
    fills = (to_fill(row) for row in found if symbol is None or row.get("symbol") == symbol)
    return in_order(fill for fill in fills if fill is not None and fill.time_ms >= since_ms)


def in_order(fills: Iterable[Fill]) -> list[Fill]:
    """Oldest first; what a sale and a purchase of one instant realise depends on which is booked first.

    Of a trade of the account with itself both sides are told, under one id: the order that rested comes first.
    """
    return sorted(fills, key=lambda fill: (fill.time_ms, len(fill.trade_id), fill.trade_id, not fill.maker))
