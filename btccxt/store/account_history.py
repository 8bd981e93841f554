"""The account's past as the exchange has it: fills or ended orders of a span, fetched when first looked at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, overload

from btccxt.config import Mode, StoreConfig
from btccxt.errors import ConfigError
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.ccxt.my_trades import in_order
from btccxt.exchange.history_pages import HistoryPages
from btccxt.model import (
    Balance,
    Fill,
    FundingPayment,
    Market,
    MarketType,
    OrderStatus,
    OrderUpdate,
    Transfer,
)
from btccxt.orders.journal.rows import JournaledOrder
from btccxt.store.kept_history import KeptHistory, KeptPages, ListName
from btccxt.store.startup import account_lasts

R = TypeVar("R")
K = TypeVar("K", Fill, OrderUpdate, FundingPayment, Transfer)
Moment = datetime | int
"""A time: a datetime (UTC where it has no zone) or milliseconds since 1970."""

DEFAULT_SPAN_MS = 90 * 86_400_000
PAGE_TIMEOUT_S = 300.0  # a page may wait for the rate limit
_FIRST_MS = 1_230_768_000_000  # 2009: what is smaller are seconds


class Ask(Protocol):
    """Runs a coroutine in the session and waits for it."""

    def __call__(self, coroutine: Coroutine[Any, Any, Any], timeout_s: float | None = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class HistoryProgress:
    """``reached``: how much is behind, 0 to 1, a guess where the exchange begins with the newest page."""

    pages: int
    rows: int
    reached: float


@dataclass(frozen=True, slots=True)
class Span:
    """From ``since_ms`` to ``until_ms``, both included. ``limit``: of ``oldest`` or else of the newest."""

    since_ms: int
    until_ms: int | None
    limit: int | None = None
    oldest: bool = True

    def has(self, time_ms: int | None) -> bool:
        if time_ms is None:
            return True
        return self.since_ms <= time_ms and (self.until_ms is None or time_ms <= self.until_ms)

    def cut(self, rows: list[R]) -> list[R]:
        if self.limit is None:
            return rows
        return rows[: self.limit] if self.oldest else rows[-self.limit :]


def span_of(since: Moment | None, until: Moment | None, limit: int | None, now_ms: int) -> Span:
    """Raises ConfigError. Without ``since``: the last 90 days, and of them the newest ``limit``."""
    until_ms = None if until is None else _milliseconds("until", until)
    since_ms = (until_ms or now_ms) - DEFAULT_SPAN_MS if since is None else _milliseconds("since", since)
    if until_ms is not None and until_ms < since_ms:
        raise ConfigError(f"until {until} lies before since {since}")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ConfigError(f"limit {limit!r}: give how many at most, 1 or more")
    return Span(since_ms, until_ms, limit, since is not None)


def _milliseconds(name: str, value: Moment) -> int:
    if isinstance(value, datetime):
        return int((value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)).timestamp() * 1000)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name} {value!r}: give a datetime, or milliseconds since 1970 as a whole number")
    if value < _FIRST_MS:
        raise ConfigError(f"{name} {value}: these are milliseconds, and that is before 2009; are they seconds?")
    return value


class AccountHistory(Sequence[R], Generic[R]):
    """Rows of the account's past, oldest first, each once: a sequence, fetched when it is first looked at.

    That blocks until the last page is there, a page at a time, within the exchange's rate limit. If a page fails, its
    error is raised, and the next look goes on from that page.
    """

    def __init__(
        self,
        lists: Sequence[HistoryPages[R]],
        ask: Ask,
        finish: Callable[[list[R]], list[R]],
        *,
        notes: Sequence[str] = (),
        progress: Callable[[HistoryProgress], object] | None = None,
    ) -> None:
        self._lists, self._ask, self._finish = lists, ask, finish
        self._notes, self._progress = notes, progress
        self._fetched: list[R] = []
        self._pages = 0
        self._rows: list[R] | None = None

    @property
    def doubts(self) -> tuple[str, ...]:
        """What may be missing, and why, in sentences; empty where all of the span was read. Fetches."""
        self.rows()
        return (*self._notes, *dict.fromkeys(doubt for each in self._lists for doubt in each.doubts))

    def rows(self) -> list[R]:
        """All rows. Fetches what is missing; raises the exchange's errors."""
        if self._rows is None:
            for pages in self._lists:
                while not pages.is_done:
                    self._fetched += self._ask(pages.next(), PAGE_TIMEOUT_S)
                    self._pages += 1
                    if self._progress is not None:
                        reached = sum(each.reached for each in self._lists) / len(self._lists)
                        self._progress(HistoryProgress(self._pages, len(self._fetched), reached))
            self._rows = self._finish(self._fetched)
        return self._rows

    def to_frame(self) -> Any:
        """A pandas DataFrame, one row each, ``time`` (UTC) first; prices and amounts are floats."""
        try:
            import pandas
        except ImportError:
            raise ConfigError("a frame needs pandas: pip install 'btccxt[pandas]'") from None
        table = plain_rows(self.rows())
        frame = pandas.DataFrame(
            {name: [_number(row[name]) for row in table] for name in (table[0] if table else ("time_ms",))}
        )
        frame.insert(0, "time", pandas.to_datetime(frame.pop("time_ms"), unit="ms", utc=True))
        return frame

    def __len__(self) -> int:
        return len(self.rows())

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> list[R]: ...
    def __getitem__(self, index: int | slice) -> R | list[R]:
        return self.rows()[index]

    def __eq__(self, other: object) -> bool:
        """As a list of its rows."""
        return self.rows() == (other.rows() if isinstance(other, AccountHistory) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<AccountHistory, not fetched>" if self._rows is None else f"<AccountHistory of {len(self._rows)} rows>"


_LEFT_OUT = frozenset({"fills", "origin", "conditional"})


def plain_rows(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Columns of fills or orders: the time first, exact decimals, words instead of enums, the fee in two columns."""
    return [_plain(row) for row in rows]


def _plain(row: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"time_ms": row.time_ms}
    for each in fields(row):
        value = getattr(row, each.name)
        if each.name == "fee":
            told |= {"fee": None if value is None else value.cost, "fee_currency": value and value.currency}
        elif each.name not in _LEFT_OUT:
            told[each.name] = value.value if isinstance(value, Enum) else value
    return told


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


@dataclass(frozen=True, slots=True)
class KeptLists:
    """The lists of one account, kept in ``history``. ``owner``: tells it from others, and its market types."""

    history: KeptHistory
    owner: str
    now_ms: int

    def pages(
        self,
        what: str,
        symbol: str | None,
        kind: type[K],
        make: Callable[[int, int | None], HistoryPages[K]],
        span: Span,
        *,
        reused: bool = True,
    ) -> HistoryPages[K]:
        name = ListName(f"{self.owner} {what} {symbol or '*'}", kind, reused)
        return KeptPages(self.history, name, make, span.since_ms, span.until_ms, self.now_ms)


def kept_lists(
    settings: StoreConfig, market_type: MarketType, account: str, journal: str | Path | None, now_ms: int
) -> KeptLists | None:
    """None where nothing is on disk, and for an account that ends with its process or lives in the journal itself."""
    history = KeptHistory.beside(journal)
    if history is None or settings.mode is Mode.PAPER or not account_lasts(settings):
        return None
    owner = f"{settings.exchange} {settings.mode.value} {account} {market_type.value}"
    return KeptLists(history, owner, now_ms)


@dataclass(frozen=True, slots=True)
class SymbolsToList:
    """None: all at once. ``notes``: what that leaves out, for people."""

    symbols: Sequence[str | None]
    notes: tuple[str, ...] = ()


def one_at_a_time(
    exchange: str, markets: Mapping[str, Market], known: Collection[str], balances: Mapping[str, Balance]
) -> SymbolsToList:
    """What the account can have traded: ``known`` symbols and the spot markets of the coins that it holds."""
    held = {coin for coin, balance in balances.items() if balance.total}
    wanted = {
        name for name, market in markets.items() if not market.is_contract and {market.base, market.quote} <= held
    }
    symbols = sorted((wanted | set(known)) & set(markets))
    note = (
        f"{exchange} lists one symbol at a time; asked for {', '.join(symbols) or 'none'} (journaled or held): name "
        "any other one"
    )
    return SymbolsToList(symbols, (note,))


def fills_of(
    exchange: ExchangeAPI,
    wish: SymbolsToList,
    span: Span,
    ask: Ask,
    journaled: Callable[[], Collection[JournaledOrder]],
    progress: Callable[[HistoryProgress], object] | None = None,
    kept: KeptLists | None = None,
) -> AccountHistory[Fill]:
    """Each once, oldest first, with the names of our own orders."""

    def finish(fills: list[Fill]) -> list[Fill]:
        each_once = {fill.key: fill for fill in fills if span.has(fill.time_ms)}
        names = {(each.symbol, each.order_id): each.client_order_id for each in journaled()}

        def ours(fill: Fill) -> Fill:
            name = names.get((fill.symbol, fill.order_id))
            return fill if name is None else replace(fill, client_order_id=name)

        return [ours(fill) for fill in span.cut(in_order(each_once.values()))]

    lists = [trade_list(exchange, each, span, kept) for each in wish.symbols]
    return AccountHistory(lists, ask, finish, notes=wish.notes, progress=progress)


def trade_list(exchange: ExchangeAPI, symbol: str | None, span: Span, kept: KeptLists | None) -> HistoryPages[Fill]:
    make = partial(exchange.trade_pages, symbol)
    return make(span.since_ms, span.until_ms) if kept is None else kept.pages("trades", symbol, Fill, make, span)


def ended_orders(
    exchange: ExchangeAPI,
    wish: SymbolsToList,
    span: Span,
    ask: Ask,
    progress: Callable[[HistoryProgress], object] | None = None,
    kept: KeptLists | None = None,
) -> AccountHistory[OrderUpdate]:
    """Each once, oldest first."""

    def finish(orders: list[OrderUpdate]) -> list[OrderUpdate]:
        each_once = {
            (order.symbol, order.order_id): order
            for order in orders
            if order.status is not OrderStatus.OPEN and span.has(order.time_ms)
        }
        return span.cut(sorted(each_once.values(), key=lambda order: (order.time_ms or 0, order.order_id or "")))

    def pages(symbol: str | None) -> HistoryPages[OrderUpdate]:
        make = partial(exchange.order_pages, symbol)
        if kept is None:
            return make(span.since_ms, span.until_ms)
        return kept.pages("orders", symbol, OrderUpdate, make, span, reused=False)

    lists = [pages(each) for each in wish.symbols]
    return AccountHistory(lists, ask, finish, notes=wish.notes, progress=progress)
