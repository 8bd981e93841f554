"""``btccxt download``: history into the lake."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from btccxt.bars.download import Outcome
from btccxt.bars.lake import default_lake_path
from btccxt.bars.offline import iso
from btccxt.errors import ConfigError
from btccxt.store.downloads import Wish, check_timeframes, jobs_of, symbols_of
from btccxt.store.store import CCXTStore

_WIDTH_WITHOUT_TERMINAL = 160
_FIRST_YEAR = 2009


def command(
    symbols: Annotated[list[str], typer.Argument(help="BTC/USDT ETH/USDT, or patterns like '*/USDT'")],
    exchange: Annotated[str | None, typer.Option("--exchange", "-e", help="ccxt id")] = None,
    timeframe: Annotated[list[str] | None, typer.Option("--timeframe", "-t", help="may be given several times")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="date (UTC); default: where the lake ends, or 30 days ago")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="date (UTC), not included; default: now")] = None,
    trades: Annotated[bool, typer.Option("--trades", help="public trades too (alone without --timeframe)")] = False,
    prepend: Annotated[bool, typer.Option("--prepend", help="only what lies before the oldest in the lake")] = False,
    archive: Annotated[bool, typer.Option(help="take the exchange's public files first, where it has some")] = True,
    fill_from: Annotated[
        str | None, typer.Option("--fill-from", help="exchange to take bars from where this one was down")
    ] = None,
    market_type: Annotated[str | None, typer.Option("--market-type", help="spot or linear")] = None,
    lake: Annotated[Path | None, typer.Option(help="its folder; default: $BTCCXT_LAKE, or your data folder")] = None,
    mode: Annotated[str | None, typer.Option(help="paper (the exchange's own market), testnet or sim")] = None,
    sim_address: Annotated[str | None, typer.Option("--sim-address", help="of an embedded exchange (mode sim)")] = None,
    config: Annotated[Path | None, typer.Option(help="config file with the exchange's settings")] = None,
    profile: Annotated[str | None, typer.Option(help="profile of the config file")] = None,
) -> None:
    """Fetch bars (and trades) into the lake. What is there is not fetched again; run it again to go on."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_WITHOUT_TERMINAL)
    from_ms, to_ms = time_ms("--from", begin), time_ms("--to", end)
    lengths = timeframe or ([] if trades else ["1m"])
    wish = Wish(symbols, lengths, from_ms, to_ms, trades, prepend)
    given = {"market_type": market_type, "lake": lake, "mode": mode, "sim_address": sim_address}
    options = {name: value for name, value in given.items() if value is not None}
    if exchange is None and config is None and "BTCCXT_EXCHANGE" not in os.environ:
        raise ConfigError("which exchange? Add --exchange binance, or --config FILE, or set BTCCXT_EXCHANGE")
    store = _store(exchange, config, profile, options)
    check_timeframes(lengths, store.timeframes(), store.name)
    with ExitStack() as open_stores:
        second = _open_second(open_stores, fill_from, store)
        open_stores.enter_context(store.kept_open())
        store.start()
        view = store.lake()
        assert view is not None  # the folder was given
        found = symbols_of(symbols, store.markets, store.profile.market_type, store.name)
        jobs = jobs_of(wish, found, view, store.now_ms())
        if not jobs:
            console.print(f"{view.lake.path} has all of it already", highlight=False, soft_wrap=True)
            return
        with _ProgressBars(console) as bars:
            outcomes = store.download(jobs, bars.tell, archives=archive, second=second)
    _print(console, outcomes, view.lake.path)
    if any(outcome.error is not None for outcome in outcomes):
        raise typer.Exit(1)


def _store(exchange: str | None, config: Path | None, profile: str | None, options: dict[str, Any]) -> CCXTStore:
    if config is not None:
        named = {"exchange": exchange, **options} if exchange is not None else options
        store = CCXTStore.from_config(config, profile, **named)
    else:
        store = CCXTStore(exchange, **options)
    if store.settings.lake is None:
        again = {**options, "lake": default_lake_path()}
        return _store(exchange, config, profile, again)
    return store


def _open_second(open_stores: ExitStack, exchange: str | None, first: CCXTStore) -> CCXTStore | None:
    if exchange is None:
        return None
    if exchange == first.name:
        raise ConfigError(f"--fill-from {exchange}: that is the exchange itself; name another one")
    settings = first.settings
    second = CCXTStore(
        exchange, settings.mode, market_type=first.profile.market_type, sim=settings.sim,
        sim_address=settings.sim_address,
    )  # fmt: skip
    open_stores.enter_context(second.kept_open())
    second.start()
    return second


def time_ms(name: str, text: str | None) -> int | None:
    """A date as given on the command line, UTC where no zone stands. Raises ConfigError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{name} {text!r} is no date; write it like 2026-01-31 or 2026-01-31T12:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    if moment.year < _FIRST_YEAR:
        raise ConfigError(f"{name} {text!r} lies before {_FIRST_YEAR}: there were no such markets")
    return int(moment.timestamp() * 1000)


class _ProgressBars:
    """One bar per series; the outcome's own figures move it."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rows]:>12,}"), TimeRemainingColumn(),
        )  # fmt: skip
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._tasks: dict[int, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> _ProgressBars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, outcome: Outcome) -> None:
        """Any thread."""
        with self._lock:
            task = self._tasks.get(id(outcome.job))
            if task is None:
                task = self._progress.add_task(str(outcome.job), total=max(outcome.at_first_ms, 1), rows=0)
                self._tasks[id(outcome.job)] = task
        self._progress.update(task, completed=outcome.at_first_ms - outcome.missing_ms, rows=outcome.rows)


def _print(console: Console, outcomes: list[Outcome], path: Path) -> None:
    table = Table(header_style="bold", title=str(path), title_justify="left")
    for name in ("series", "from", "to", "new", "of these from the archive", "filled", "not fetched"):
        table.add_column(name, justify="left" if name in ("series", "from", "to") else "right")
    for outcome in outcomes:
        span = outcome.job.range
        table.add_row(
            str(outcome.job), iso(span.from_ms), iso(span.to_ms), f"{outcome.rows:,}", f"{outcome.from_archive:,}",
            f"{outcome.filled:,}", f"{outcome.missing_ms / 60_000:,.0f} min" if outcome.missing_ms else "",
        )  # fmt: skip
    console.print(table)
    for outcome in outcomes:
        for note in outcome.notes:
            console.print(f"{outcome.job}: {note}", highlight=False, soft_wrap=True)
        if outcome.error is not None:
            console.print(
                f"[red]{outcome.job}: {outcome.error}[/]; run it again to go on", highlight=False, soft_wrap=True
            )
