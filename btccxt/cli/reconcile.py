"""``btccxt reconcile``: an account as the journal and as the exchange has it, side by side. Changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from btccxt.cli.orders import utc
from btccxt.config import Mode, StoreConfig, load_config, resolve_keys
from btccxt.errors import ConfigError, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.profile import load_profile, market_types
from btccxt.model import ZERO, Fill, MarketType, OrderUpdate
from btccxt.modes import SimOptions, connect
from btccxt.orders.journal_file import account_fingerprint, default_journal_path
from btccxt.orders.journal_reader import JournalReader, OrderSummary

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Row:
    """One order on both sides; None: that side does not have it."""

    symbol: str
    name: str
    ours: str | None
    theirs: str | None
    why: str  # '': both agree


def reconcile(
    config: Annotated[Path, typer.Option("--config", help="the config file")],
    profile: Annotated[str | None, typer.Option("--profile", help="of the config file")] = None,
    journal: Annotated[Path | None, typer.Option("--journal", help="another journal than the profile's")] = None,
    days: Annotated[int, typer.Option(help="compare trades of so many days", min=0)] = 1,
) -> None:
    """Open orders and trades of journal and exchange side by side, read-only; exit code 1 if they differ."""
    settings = load_config(config, profile)
    if settings.mode is Mode.PAPER:
        raise ConfigError("a paper account lives in its process only: there is nothing to compare it with")
    console = Console(width=None if Console().is_terminal else 140)
    keys = _keys(settings)
    path = journal or settings.journal or default_journal_path(
        settings.exchange, settings.mode.value, account_fingerprint(settings.exchange, keys.get("apiKey"))
    )  # fmt: skip
    with JournalReader(path) as reader:
        ours = reader.orders(limit=100_000)
        fills = reader.fills()
    differ = asyncio.run(_compare(console, settings, keys, ours, fills, days))
    if differ:
        console.print(f"[red]{differ} differences[/]")
        raise typer.Exit(1)
    console.print("[green]both sides agree[/]")


def _keys(settings: StoreConfig) -> dict[str, str]:
    return resolve_keys(settings.exchange, settings.mode, settings)


async def _compare(
    console: Console,
    settings: StoreConfig,
    keys: Mapping[str, str],
    ours: Sequence[OrderSummary],
    fills: Sequence[Fill],
    days: int,
) -> int:
    kind = MarketType(settings.market_type) if settings.market_type else market_types(settings.exchange)[0]
    venue = await asyncio.to_thread(
        connect, settings.mode, load_profile(settings.exchange, kind, settings.overrides),
        {**settings.ccxt_settings(), **keys}, balances={}, sim=SimOptions(), settings=settings, report=_ignore,
    )  # fmt: skip
    exchange = venue.exchange
    try:
        await exchange.open()
        await exchange.load_markets()
        symbols = sorted({order.request.symbol for order in ours})
        rows = compare_orders(ours, await _open_orders(exchange, symbols))
        since_ms = venue.clock.now_ms() - days * _DAY_MS
        theirs = [fill for symbol in symbols for fill in await exchange.fetch_my_trades(symbol, since_ms)]
        rows += compare_fills([fill for fill in fills if fill.time_ms >= since_ms], theirs)
        _print(console, rows)
        await _print_account(console, exchange)
    finally:
        await exchange.close()
        await asyncio.to_thread(venue.stop)
    return sum(bool(row.why) for row in rows)


def _ignore(what: str, error: BaseException) -> None:
    """The command prints what it finds; what was repeated on the way is of no interest."""


async def _open_orders(exchange: ExchangeAPI, symbols: Sequence[str]) -> list[OrderUpdate]:
    try:
        return await exchange.fetch_open_orders(None)
    except Unsupported:
        return [update for symbol in symbols for update in await exchange.fetch_open_orders(symbol)]


def compare_orders(ours: Sequence[OrderSummary], theirs: Sequence[OrderUpdate]) -> list[Row]:
    """Orders that are open on at least one side."""
    listed = {update.client_order_id or update.order_id or "": update for update in theirs}
    rows = []
    for order in ours:
        request = order.request
        update = listed.pop(request.client_order_id, None) or listed.pop(order.order_id or "", None)
        if order.state.is_final and update is None:
            continue
        what = f"{request.side.value} {request.amount:f} {request.kind.value}, {order.state.value}"
        what += f", filled {order.filled:f}"
        rows.append(Row(request.symbol, request.client_order_id, what, _theirs(update), _why(order, update)))
    rows += [
        Row(update.symbol, name, None, _theirs(update), "the journal does not know it")
        for name, update in listed.items()
    ]
    return rows


def _why(order: OrderSummary, update: OrderUpdate | None) -> str:
    if update is None:
        waits_here = order.held
        return "" if waits_here else "open here, not among the exchange's open orders"
    if order.state.is_final:
        return "ended here, open at the exchange"
    if update.filled is not None and update.filled != order.filled:
        return "filled by different amounts"
    return ""


def _theirs(update: OrderUpdate | None) -> str | None:
    if update is None:
        return None
    filled = "" if update.filled is None else f", filled {update.filled:f}"
    return f"{update.status.value}{filled}, id {update.order_id}"


def compare_fills(ours: Sequence[Fill], theirs: Sequence[Fill]) -> list[Row]:
    """Trades that only one side has."""
    mine = {(fill.symbol, fill.trade_id): fill for fill in ours}
    other = {(fill.symbol, fill.trade_id): fill for fill in theirs}
    rows = [
        Row(fill.symbol, fill.trade_id, _fill(fill), None, "a trade that the exchange does not list")
        for key, fill in mine.items()
        if key not in other and fill.trade_id
    ]
    return rows + [
        Row(fill.symbol, fill.trade_id, None, _fill(fill), "a trade that the journal does not know")
        for key, fill in other.items()
        if key not in mine
    ]


def _fill(fill: Fill) -> str:
    return f"{fill.side.value} {fill.amount:f} at {fill.price:f}, {utc(fill.time_ms)}"


def _print(console: Console, rows: Sequence[Row]) -> None:
    table = Table(title="Open orders, and trades of one side only", header_style="bold", title_justify="left")
    for name in ("symbol", "order or trade", "journal", "exchange", ""):
        table.add_column(name)
    for row in rows:
        table.add_row(
            row.symbol, row.name, row.ours or "-", row.theirs or "-", f"[red]{row.why}[/]" if row.why else "equal"
        )
    console.print(table)


async def _print_account(console: Console, exchange: ExchangeAPI) -> None:
    table = Table(title="At the exchange", header_style="bold", title_justify="left")
    for name in ("", "total", "free", "in orders"):
        table.add_column(name, justify="right")
    balances = await exchange.fetch_balance()
    for coin, balance in sorted(balances.by_currency.items()):
        if balance.total != ZERO:
            table.add_row(coin, f"{balance.total:f}", f"{balance.free:f}", f"{balance.used:f}")
    for position in await exchange.fetch_positions():
        table.add_row(position.symbol, f"{position.amount:f}", "at", _at(position.entry_price))
    console.print(table)


def _at(price: Decimal | None) -> Any:
    return "?" if price is None else f"{price:f}"
