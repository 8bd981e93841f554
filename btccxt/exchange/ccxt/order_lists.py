"""Open and closed orders, from every list in which an exchange keeps them: trigger orders often have their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from btccxt.exchange.profile.profile import ConditionalRule

Read = Callable[..., Awaitable[Any]]
"""(ccxt method, *arguments) -> ccxt's rows."""


@dataclass(frozen=True, slots=True)
class OrderLists:
    """``has`` is ccxt's own capability table. ``conditional``: True, the trigger orders' list; False, the other; None,
    both.
    """

    book: ConditionalRule
    has: Mapping[str, Any]
    read: Read
    closed_lists: Sequence[Mapping[str, Any]] = ({},)

    async def open_rows(
        self, symbol: str | None, params: Mapping[str, Any] | None = None, *, conditional: bool | None = None
    ) -> list[Any]:
        return await self._rows(
            ("fetch_open_orders",), ({},), self.book.open_params, symbol, None, None, params, conditional
        )

    async def closed_rows(
        self,
        symbol: str | None,
        params: Mapping[str, Any] | None = None,
        *,
        conditional: bool | None = None,
        since_ms: int | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Cancelled orders included; open ones may be among them."""
        return await self._rows(
            self._closed_methods,
            self.closed_lists,
            self.book.closed_params,
            symbol,
            since_ms,
            limit,
            params,
            conditional,
        )

    @property
    def _closed_methods(self) -> tuple[str, ...]:
        # ccxt's fetchClosedOrders is often fetchOrders without the cancelled ones, so the wider list comes first.
        if self.has.get("fetchOrders") is True:
            return ("fetch_orders",)
        if self.has.get("fetchCanceledAndClosedOrders") is True:
            return ("fetch_canceled_and_closed_orders",)
        if self.has.get("fetchCanceledOrders") is True:
            return ("fetch_closed_orders", "fetch_canceled_orders")
        return ("fetch_closed_orders",)

    def closed(self) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
        """The lists that ended orders stand in: ccxt's method, its parameters, whether it is that of trigger orders."""
        for method in self._closed_methods:
            yield from ((method, params, False) for params in self.closed_lists)
            yield from ((method, params, True) for params in self.book.closed_params)

    async def all_rows(
        self, symbol: str | None, params: Mapping[str, Any] | None = None, *, conditional: bool | None = None
    ) -> AsyncIterator[Any]:
        """Open orders, then ended ones; a list is asked for only when the rows before it are used up."""
        for rows_of in (self.open_rows, self.closed_rows):
            for row in await rows_of(symbol, params, conditional=conditional):
                yield row

    async def _rows(
        self,
        methods: Iterable[str],
        plain_lists: Iterable[Mapping[str, Any]],
        conditional_lists: Iterable[Mapping[str, Any]],
        symbol: str | None,
        since_ms: int | None,
        limit: int | None,
        params: Mapping[str, Any] | None,
        conditional: bool | None,
    ) -> list[Any]:
        lists = [dict(each) for each in conditional_lists] if conditional is not False else []
        if conditional is not True or not lists:
            lists = [*map(dict, plain_lists), *lists]
        rows: list[Any] = []
        for method in methods:
            for each in lists:
                rows += await self.read(method, symbol, since_ms, limit, {**(params or {}), **each})
        return rows
