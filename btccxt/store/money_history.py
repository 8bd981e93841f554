"""What came to the account and left it beside the trades' own amounts, from the exchange's lists, as one ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from btccxt.errors import Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.history_pages import HistoryPages, pages_by_time
from btccxt.model import Fill, FundingPayment, Transfer, TransferKind
from btccxt.store.account_history import (
    AccountHistory,
    Ask,
    HistoryProgress,
    KeptLists,
    Span,
    SymbolsToList,
    trade_list,
)


class MoneyKind(str, Enum):
    FEE = "fee"
    FUNDING = "funding"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class MoneyEntry:
    """``amount``: positive when the account received it. ``reference``: the trade's, payment's or transfer's id."""

    time_ms: int
    kind: MoneyKind
    currency: str
    amount: Decimal
    symbol: str | None = None
    reference: str = ""
    order_id: str | None = None


Record = Fill | FundingPayment | Transfer


def entries_of(records: Iterable[Record], span: Span) -> list[MoneyEntry]:
    """Each once, oldest first; a trade without a fee has none."""
    each_once = {record.key if isinstance(record, Fill) else record: record for record in records}
    found = [_entry(record) for record in each_once.values() if span.has(record.time_ms)]
    return span.cut(sorted((each for each in found if each is not None), key=lambda each: each.time_ms))


def _entry(record: Record) -> MoneyEntry | None:
    if isinstance(record, Fill):
        if record.fee is None or not record.fee.cost:
            return None
        return MoneyEntry(
            record.time_ms, MoneyKind.FEE, record.fee.currency, -record.fee.cost, record.symbol, record.trade_id,
            record.order_id,
        )  # fmt: skip
    if isinstance(record, FundingPayment):
        return MoneyEntry(
            record.time_ms, MoneyKind.FUNDING, record.currency, record.amount, record.symbol, record.payment_id
        )
    kind = MoneyKind.OTHER if record.kind is TransferKind.UNKNOWN else MoneyKind(record.kind.value)
    return MoneyEntry(record.time_ms, kind, record.currency, record.amount, None, record.transfer_id)


def money_moved(
    exchange: ExchangeAPI,
    wish: SymbolsToList,
    contracts: Collection[str],
    span: Span,
    ask: Ask,
    progress: Callable[[HistoryProgress], object] | None = None,
    kept: KeptLists | None = None,
) -> AccountHistory[Any]:
    """``contracts``: those whose funding is asked for. What an exchange does not list is said, not guessed."""
    notes = list(wish.notes)

    async def funding(symbol: str | None, since_ms: int) -> list[FundingPayment]:
        assert symbol is not None
        try:
            return await exchange.fetch_funding(symbol, since_ms)
        except Unsupported as error:
            notes.append(str(error))
            return []

    async def transfers(_: str | None, since_ms: int) -> list[Transfer]:
        try:
            return await exchange.fetch_transfers(since_ms)
        except Unsupported as error:
            notes.append(str(error))
            return []

    def funding_of(symbol: str) -> HistoryPages[FundingPayment]:
        def make(since_ms: int, until_ms: int | None) -> HistoryPages[FundingPayment]:
            return pages_by_time(funding, lambda each: each.payment_id, symbol, since_ms, until_ms, oldest_first=False)

        if kept is None:
            return make(span.since_ms, span.until_ms)
        return kept.pages("funding", symbol, FundingPayment, make, span, reused=False)

    def all_transfers(since_ms: int, until_ms: int | None) -> HistoryPages[Transfer]:
        return pages_by_time(transfers, lambda each: each.transfer_id, None, since_ms, until_ms, oldest_first=False)

    lists: list[HistoryPages[Any]] = [trade_list(exchange, each, span, kept) for each in wish.symbols]
    lists += [funding_of(each) for each in sorted(contracts)]
    lists.append(
        all_transfers(span.since_ms, span.until_ms)
        if kept is None
        else kept.pages("transfers", None, Transfer, all_transfers, span, reused=False)
    )
    return AccountHistory(lists, ask, lambda records: entries_of(records, span), notes=notes, progress=progress)
