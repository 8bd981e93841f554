"""What ``btccxt reconcile`` does: an account as the journal and as the exchange has it, side by side."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from btccxt.account.explain import funding_since
from btccxt.cli.comparison import Row, compare_fills, compare_holdings, compare_orders, foreign
from btccxt.config import Mode, StoreConfig
from btccxt.errors import ConfigError, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.position_side import symbol_of
from btccxt.exchange.profile.profile import load_profile, market_types
from btccxt.model import Balances, Fill, FundingPayment, Market, MarketType, OrderUpdate, Position
from btccxt.orders.journal.file import account_fingerprint, default_journal_path
from btccxt.orders.journal.holdings import StoredHoldings
from btccxt.orders.journal.journal import Journal
from btccxt.orders.journal.reader import JournalReader, OrderSummary
from btccxt.store.config_file import load_config
from btccxt.store.contracts import in_position_mode
from btccxt.store.keys import resolve_keys
from btccxt.store.venues import connect

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Ours:
    """The journal's side."""

    path: Path
    account: str
    orders: list[OrderSummary]
    fills: list[Fill]
    holdings: StoredHoldings | None
    pruned_until_ms: int


@dataclass(frozen=True, slots=True)
class Theirs:
    """The exchange's side."""

    markets: dict[str, Market]
    open_orders: list[OrderUpdate]
    fills: list[Fill]
    balances: Balances
    positions: list[Position]
    funding: list[FundingPayment]
    since_ms: int
    asked_ms: int


def run_reconcile(config: Path, profile: str | None, journal: Path | None, days: int, accept: bool) -> bool:
    """Print both sides; True when they agree. Raises ConfigError, JournalError."""
    settings = load_config(config, profile)
    if settings.mode is Mode.PAPER or (settings.mode is Mode.SIM and settings.sim_address is None):
        raise ConfigError(
            f"a {settings.mode.value} account lives in its process only: there is nothing to compare it with"
        )
    keys = resolve_keys(settings.exchange, settings.mode, settings)
    ours = _read_journal(settings, keys, journal)
    theirs = asyncio.run(_ask(settings, keys, ours, days))
    console = Console(width=None if Console().is_terminal else 140)
    orders = compare_orders(ours.orders, theirs.open_orders)
    fills = [fill for fill in ours.fills if fill.time_ms >= theirs.since_ms]
    orders += compare_fills(fills, theirs.fills)
    _print(console, "Open orders, and trades of one side only", "order or trade", orders)
    holdings = compare_holdings(
        ours.holdings,
        theirs.markets,
        theirs.balances,
        theirs.positions,
        foreign(ours.fills, theirs.fills),
        theirs.funding,
    )
    _print(console, "Balances (total) and contract positions", "coin or contract", holdings)
    if ours.holdings is None:
        console.print("the journal has no balances and positions yet: a bot writes them when it starts")
    differ = sum(bool(row.why) for row in (*orders, *holdings))
    if accept:
        _accept(settings, ours, theirs)
        console.print("the journal has taken over the exchange's balances and positions")
        differ = sum(bool(row.why) for row in orders)
    if differ:
        console.print(f"[red]{differ} differences[/]")
    else:
        console.print("[green]both sides agree[/]")
    return not differ


def _read_journal(settings: StoreConfig, keys: dict[str, str], given: Path | None) -> Ours:
    account = account_fingerprint(settings.exchange, keys.get("apiKey") or keys.get("walletAddress"))
    path = given or settings.journal or default_journal_path(settings.exchange, settings.mode.value, account)
    with JournalReader(path) as reader:
        reader.check_account(settings.exchange, settings.mode.value, account)
        return Ours(
            Path(path),
            account,
            reader.orders(limit=100_000),
            reader.fills(),
            reader.holdings(),
            reader.fills_pruned_until_ms,
        )


def _accept(settings: StoreConfig, ours: Ours, theirs: Theirs) -> None:
    """Raises JournalError while a bot has the journal."""
    journal = Journal.open(
        ours.path, exchange=settings.exchange, mode=settings.mode.value, account=ours.account,
        lock_whole_account=settings.mode.needs_keys,
    )  # fmt: skip
    try:
        journal.note("balances and positions of the exchange accepted by hand", theirs.asked_ms)
        journal.keep_holdings(theirs.asked_ms, theirs.balances, theirs.positions)
        journal.flush().result()
    finally:
        journal.close()


async def _ask(settings: StoreConfig, keys: dict[str, str], ours: Ours, days: int) -> Theirs:
    kind = MarketType(settings.market_type) if settings.market_type else market_types(settings.exchange)[0]
    profile = load_profile(settings.exchange, kind, settings.overrides)
    venue = await asyncio.to_thread(
        connect, settings.mode, profile,
        {**settings.ccxt_settings(), **keys}, balances={}, settings=settings, report=_ignore,
    )  # fmt: skip
    in_position_mode(venue, settings, profile)
    exchange = venue.exchange
    try:
        await exchange.open()
        markets = dict(await exchange.load_markets())
        asked_ms = venue.clock.now_ms()
        since_ms = asked_ms - days * _DAY_MS
        if ours.holdings is not None:
            since_ms = min(since_ms, ours.holdings.at_ms)
        since_ms = max(since_ms, ours.pruned_until_ms + 1)
        positions = await exchange.fetch_positions()
        symbols = sorted(_symbols(ours, positions) & markets.keys())
        return Theirs(
            markets,
            await _open_orders(exchange, symbols),
            [fill for symbol in symbols for fill in await _trades(exchange, symbol, since_ms)],
            await exchange.fetch_balance(),
            positions,
            await funding_since(exchange, markets, dict.fromkeys(map(symbol_of, symbols), since_ms), _ignore),
            since_ms,
            asked_ms,
        )
    finally:
        await exchange.close()
        await asyncio.to_thread(venue.stop)


def _symbols(ours: Ours, positions: list[Position]) -> set[str]:
    symbols = {order.request.symbol for order in ours.orders} | {position.symbol for position in positions}
    return symbols | (set(ours.holdings.positions) if ours.holdings is not None else set())


def _ignore(what: str, error: BaseException) -> None:
    """The command prints what it finds; what was repeated on the way is of no interest."""


async def _trades(exchange: ExchangeAPI, symbol: str, since_ms: int) -> list[Fill]:
    """Page by page, by time."""
    found: dict[tuple[str, str], Fill] = {}
    while True:
        page = await exchange.fetch_my_trades(symbol, since_ms)
        fresh = [fill for fill in page if (fill.symbol, fill.trade_id) not in found]
        found |= {(fill.symbol, fill.trade_id): fill for fill in fresh}
        if not fresh:
            return list(found.values())
        since_ms = max(since_ms, max(fill.time_ms for fill in fresh))


async def _open_orders(exchange: ExchangeAPI, symbols: list[str]) -> list[OrderUpdate]:
    try:
        return await exchange.fetch_open_orders(None)
    except Unsupported:
        return [update for symbol in symbols for update in await exchange.fetch_open_orders(symbol)]


def _print(console: Console, title: str, what: str, rows: list[Row]) -> None:
    table = Table(title=title, header_style="bold", title_justify="left")
    for name in ("symbol", what, "journal", "exchange", ""):
        table.add_column(name)
    for row in rows:
        table.add_row(
            *map(escape, (row.symbol, row.name, row.ours or "-", row.theirs or "-")),
            f"[red]{escape(row.why)}[/]" if row.why else "equal",
        )
    console.print(table)
