"""What ``btccxt history`` does: an exchange of its own beside a running bot, a progress bar, a table or files."""

from __future__ import annotations

import asyncio
import csv
import json
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from btccxt.bars.segments import pyarrow
from btccxt.config import Mode, StoreConfig
from btccxt.errors import ConfigError
from btccxt.exchange.position_side import symbol_of
from btccxt.exchange.profile.paging_rule import PagingRule
from btccxt.exchange.profile.profile import Profile, load_profile, market_types
from btccxt.model import Market, MarketType, Position
from btccxt.orders.journal.file import account_fingerprint, default_journal_path
from btccxt.orders.journal.reader import JournalReader
from btccxt.orders.journal.rows import JournaledOrder
from btccxt.store.account_history import (
    AccountHistory,
    HistoryProgress,
    KeptLists,
    Span,
    SymbolsToList,
    ended_orders,
    fills_of,
    kept_lists,
    one_at_a_time,
    plain_rows,
)
from btccxt.store.config_file import load_config
from btccxt.store.contracts import in_position_mode
from btccxt.store.keys import resolve_keys
from btccxt.store.money_history import money_moved
from btccxt.store.paper_history import JournaledPaper
from btccxt.store.startup import did_you_mean
from btccxt.store.venues import ExchangeConnection, connect

_MOST_SHOWN = 50
_SHOWN = ("symbol", "side", "kind", "price", "average", "amount", "filled", "currency", "fee", "fee_currency", "status")


@dataclass(frozen=True, slots=True)
class Output:
    csv: Path | None = None
    parquet: Path | None = None
    as_json: bool = False


def run_history(
    what: str,
    config: Path,
    profile: str | None,
    symbol: str | None,
    span: Callable[[int], Span],
    output: Output,
) -> None:
    """``what``: trades, orders or ledger; ``span``: of the time now. Raises ConfigError, and the exchange's errors."""
    settings = load_config(config, profile)
    if settings.mode is Mode.SIM and settings.sim_address is None:
        raise ConfigError("a sim account lives in its process only: ask the store that runs there")
    if output.parquet is not None:
        pyarrow()
    if settings.mode is Mode.PAPER:
        _put(what, plain_rows(_paper_history(what, settings, symbol, span(time.time_ns() // 1_000_000)).rows()), output)
        return
    keys = resolve_keys(settings.exchange, settings.mode, settings)
    account = account_fingerprint(settings.exchange, keys.get("apiKey") or keys.get("walletAddress"))
    path = Path(settings.journal or default_journal_path(settings.exchange, settings.mode.value, account))
    journaled = _journaled(settings, path, account)
    venue = connect(
        settings.mode, _profile(settings),
        {**settings.ccxt_settings(), **keys}, balances={}, settings=settings, report=_ignore, sends_orders=False,
    )  # fmt: skip
    in_position_mode(venue, settings, _profile(settings))
    console = Console(stderr=True)
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(venue.exchange.open())
        with _Bar(console) as bar:
            now_ms = venue.clock.now_ms()
            kept = kept_lists(settings, _profile(settings).market_type, account, path, now_ms)
            history = _history(what, settings, venue, loop, symbol, span(now_ms), journaled, bar.tell, kept)
            rows = plain_rows(history.rows())
        for doubt in history.doubts:
            console.print(f"[yellow]{doubt}[/]", highlight=False, soft_wrap=True)
    finally:
        loop.run_until_complete(venue.exchange.close())
        venue.stop()
        loop.close()
    _put(what, rows, output)


def _paper_history(what: str, settings: StoreConfig, symbol: str | None, span: Span) -> AccountHistory[Any]:
    if settings.journal is None:
        raise ConfigError("a paper account without journal= ended with its process")
    with JournalReader(settings.journal) as reader:
        reader.check_account(settings.exchange, settings.mode.value, account_fingerprint(settings.exchange, None))
        stored, names = reader.paper(), reader.order_names()
    if stored is None:
        raise ConfigError(f"no paper account lives in {settings.journal}")
    exchange, wish = JournaledPaper(settings.exchange, stored), SymbolsToList([symbol])

    def ask(coroutine: Coroutine[Any, Any, Any], timeout_s: float | None = None) -> Any:
        return asyncio.run(coroutine)

    if what == "ledger":
        return money_moved(exchange, wish, exchange.contracts(), span, ask)
    if what == "trades":
        return fills_of(exchange, wish, span, ask, lambda: names)
    return ended_orders(exchange, wish, span, ask)


def _history(
    what: str,
    settings: StoreConfig,
    venue: ExchangeConnection,
    loop: asyncio.AbstractEventLoop,
    symbol: str | None,
    span: Span,
    journaled: Collection[JournaledOrder],
    progress: Callable[[HistoryProgress], None],
    kept: KeptLists | None,
) -> AccountHistory[Any]:
    exchange, profile = venue.exchange, _profile(settings)

    def ask(coroutine: Coroutine[Any, Any, Any], timeout_s: float | None = None) -> Any:
        return loop.run_until_complete(coroutine)

    async def wish(rule: PagingRule) -> SymbolsToList:
        markets = await exchange.load_markets()
        if symbol is not None:
            return SymbolsToList([_known(symbol, markets, settings.exchange)])
        if not rule.symbol_needed:
            return SymbolsToList([None])
        known = _symbols(*journaled, *await exchange.fetch_positions())
        return one_at_a_time(settings.exchange, markets, known, (await exchange.fetch_balance()).by_currency)

    if what == "ledger":
        if symbol is not None:
            raise ConfigError("the ledger is the whole account's: leave --symbol out")
        markets = ask(exchange.load_markets())
        known = _symbols(*journaled, *ask(exchange.fetch_positions()))
        contracts = {name for name in known if name in markets and markets[name].is_contract}
        return money_moved(exchange, ask(wish(profile.my_trades)), contracts, span, ask, progress, kept)
    if what == "trades":
        return fills_of(exchange, ask(wish(profile.my_trades)), span, ask, lambda: journaled, progress, kept)
    return ended_orders(exchange, ask(wish(profile.closed_orders)), span, ask, progress, kept)


def _symbols(*each_of: JournaledOrder | Position) -> set[str]:
    return {symbol_of(each.symbol) for each in each_of}


def _profile(settings: StoreConfig) -> Profile:
    kind = MarketType(settings.market_type) if settings.market_type else market_types(settings.exchange)[0]
    return load_profile(settings.exchange, kind, settings.overrides)


def _known(symbol: str, markets: Any, exchange: str) -> str:
    found: Market | None = markets.get(symbol)
    if found is None:
        raise ConfigError(f"{exchange} has no market {symbol!r} of this kind{did_you_mean(symbol.upper(), markets)}")
    return symbol


def _journaled(settings: StoreConfig, path: Path, account: str) -> list[JournaledOrder]:
    """Nothing where no bot has written a journal yet."""
    if not path.exists():
        return []
    with JournalReader(path) as reader:
        reader.check_account(settings.exchange, settings.mode.value, account)
        return reader.order_names()


def _ignore(what: str, error: BaseException) -> None:
    """What was repeated on the way is of no interest; what fails for good is raised."""


class _Bar:
    def __init__(self, console: Console) -> None:
        columns = (BarColumn(), TextColumn("{task.fields[rows]:,} rows, {task.fields[pages]:,} pages"))
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._progress.add_task("", total=1.0, rows=0, pages=0)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, progress: HistoryProgress) -> None:
        self._progress.update(self._task, completed=progress.reached, rows=progress.rows, pages=progress.pages)


def _put(what: str, rows: list[dict[str, Any]], output: Output) -> None:
    table = [{"time": _utc(row["time_ms"]), **row} for row in rows]
    if output.csv is not None:
        _write_csv(output.csv, table)
    if output.parquet is not None:
        arrow = pyarrow()
        arrow.parquet.write_table(arrow.Table.from_pylist(rows), output.parquet)
    if output.as_json:
        typer.echo(json.dumps([{name: _text(value) for name, value in row.items()} for row in table], indent=2))
        return
    files = " and ".join(str(path) for path in (output.csv, output.parquet) if path is not None)
    console = Console(width=None if Console().is_terminal else 160)
    if files:
        console.print(f"{len(rows):,} {what} in {files}", highlight=False, soft_wrap=True)
        return
    console.print(_shown(what, table))


def _shown(what: str, rows: list[dict[str, Any]]) -> Table:
    newest = rows[-_MOST_SHOWN:]
    title = f"{len(rows):,} {what}" + (
        f", the newest {_MOST_SHOWN}; --csv writes all" if len(rows) > len(newest) else ""
    )
    table = Table(title=title, header_style="bold", title_justify="left")
    names = ["time", *(name for name in _SHOWN if any(row.get(name) is not None for row in newest)), "client_order_id"]
    for name in names:
        table.add_column(name.replace("_", " "))
    for row in newest:
        table.add_row(*("" if row.get(name) is None else str(_text(row[name])) for name in names))
    return table


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["time"])
        writer.writeheader()
        writer.writerows({name: _text(value) for name, value in row.items()} for row in rows)


def _text(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value


def _utc(time_ms: int | None) -> str | None:
    if time_ms is None:
        return None
    return datetime.fromtimestamp(time_ms / 1000, timezone.utc).isoformat(timespec="milliseconds")
