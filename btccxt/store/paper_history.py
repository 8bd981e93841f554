"""A paper account's past, read from its journal without an exchange, also while a bot trades it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from btccxt.exchange.api import ExchangeAPI
from btccxt.matching.kept import KeptOrder, working_order
from btccxt.matching.records import SimFill
from btccxt.model import ZERO, Bar, Fill, FundingPayment, Market, OrderUpdate, Origin, Ticker, Transfer
from btccxt.orders.journal.paper import StoredPaper
from btccxt.store.paper_account import ACCOUNT
from btccxt.store.paper_records import fill_of, funding_of, update_of


class JournaledPaper(ExchangeAPI):
    """Answers for the lists of an account's history; it has no markets and no prices."""

    def __init__(self, name: str, stored: StoredPaper) -> None:
        self.id = name
        self._past = stored.past

    async def load_markets(self) -> Mapping[str, Market]:
        return {}

    async def fetch_ticker(self, symbol: str) -> Ticker:
        raise self._gives_data_only("fetch_ticker")

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        return []

    def contracts(self) -> set[str]:
        return {each.symbol for each in self._past.fundings}

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        chosen = (each for each in self._past.fills if symbol in (None, each.symbol))
        return [fill_of(each) for each in chosen if each.time_ms >= (since_ms or 0)][:limit]

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        chosen = (each for each in self._past.orders if symbol in (None, each.request.symbol))
        ended = [each for each in chosen if each.status.is_final and each.updated_ms >= (since_ms or 0)]
        return [self._told(each) for each in sorted(ended, key=lambda each: each.updated_ms)][:limit]

    def _told(self, kept: KeptOrder) -> OrderUpdate:
        order = working_order(ACCOUNT, kept).snapshot()
        fills = [fill for fill in self._past.fills if fill.order_id == kept.order_id]
        return update_of(order, _average(fills), Origin.QUERY)

    async def fetch_funding(self, symbol: str, since_ms: int) -> list[FundingPayment]:
        paid = (each for each in self._past.fundings if each.symbol == symbol and each.time_ms >= since_ms)
        return [funding_of(each, _settles_in(symbol)) for each in paid]

    async def fetch_transfers(self, since_ms: int) -> list[Transfer]:
        return []


def _settles_in(symbol: str) -> str:
    return symbol.partition(":")[2].partition("-")[0]


def _average(fills: Sequence[SimFill]) -> Decimal | None:
    """Of one order; None where it has no fill, or none is kept."""
    amount = sum((fill.amount for fill in fills), ZERO)
    if not amount:
        return None
    symbol = fills[0].symbol
    if symbol.partition("/")[0] == _settles_in(symbol):  # inverse
        return amount / sum((fill.amount / fill.price for fill in fills), ZERO)
    return sum((fill.amount * fill.price for fill in fills), ZERO) / amount
