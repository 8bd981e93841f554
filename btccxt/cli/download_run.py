"""What ``btccxt download`` does: a store that is started for it, progress bars, a table at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

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
_MOST_BARS = 12


def run_download(
    wish: Wish,
    exchange: str | None,
    config: Path | None,
    profile: str | None,
    options: dict[str, Any],
    *,
    archives: bool,
    fill_from: str | None,
) -> bool:
    """Whether every series could be had. Raises ConfigError, LakeError, and the exchange's errors at the start."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_WITHOUT_TERMINAL)
    store = _store(exchange, config, profile, options)
    check_timeframes(wish.timeframes, store.timeframes(), store.name)
    with ExitStack() as open_stores:
        second = _open_second(open_stores, fill_from, store)
        open_stores.enter_context(store.kept_open())
        store.start()
        view = store.lake()
        assert view is not None  # the folder was given
        found = symbols_of(wish.symbols, store.markets, store.profile.market_type, store.name)
        jobs = jobs_of(wish, found, view, store.now_ms())
        if not jobs:
            console.print(f"{view.lake.path} has all of it already", highlight=False, soft_wrap=True)
            return True
        with _ProgressBars(console, len(jobs)) as bars:
            outcomes = store.download(jobs, bars.tell, archives=archives, second=second)
    _print(console, outcomes, view.lake.path)
    return all(outcome.error is None for outcome in outcomes)


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


class _ProgressBars:
    """One bar per series, moved by the outcome's own figures; of many only those under way, and one for all."""

    def __init__(self, console: Console, series: int) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rows]:>12,}"), TimeRemainingColumn(),
        )  # fmt: skip
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._tasks: dict[int, TaskID] = {}
        self._all = self._progress.add_task(f"{series} series", total=series, rows=0) if series > _MOST_BARS else None
        self._rows = 0
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
            done_ms = outcome.at_first_ms - outcome.missing_ms
            self._progress.update(task, completed=done_ms, rows=outcome.rows)
            if outcome.done and self._all is not None:
                self._rows += outcome.rows
                self._progress.update(task, visible=False)
                self._progress.update(self._all, advance=1, rows=self._rows)


def _print(console: Console, outcomes: list[Outcome], path: Path) -> None:
    table = Table(header_style="bold", title=str(path), title_justify="left")
    for name in ("series", "from", "to"):
        table.add_column(name, no_wrap=True)
    columns: dict[str, Callable[[Outcome], str]] = {
        "new": lambda each: f"{each.rows:,}",
        "from archive": lambda each: f"{each.from_archive:,}" if each.from_archive else "",
        "filled": lambda each: f"{each.filled:,}" if each.filled else "",
        "not fetched": lambda each: f"{each.missing_ms / 60_000:,.0f} min" if each.missing_ms else "",
    }
    shown = {name: tell for name, tell in columns.items() if any(map(tell, outcomes))}
    for name in shown:
        table.add_column(name, justify="right")
    for outcome in outcomes:
        span = outcome.job.range
        figures = [tell(outcome) for tell in shown.values()]
        table.add_row(str(outcome.job), iso(span.from_ms), iso(span.to_ms), *figures)
    console.print(table)
    for outcome in outcomes:
        for note in outcome.notes:
            console.print(f"{outcome.job}: {note}", highlight=False, soft_wrap=True)
        if outcome.error is not None:
            console.print(
                f"[red]{outcome.job}: {outcome.error}[/]; run it again to go on", highlight=False, soft_wrap=True
            )
