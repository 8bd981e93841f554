"""What ``btccxt study`` does: the study, its progress bar, its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from btccxt.bars.offline import iso
from btccxt.cli.dates import time_ms
from btccxt.cli.user_errors import explained
from btccxt.sweep.grid import parse_axes, shown
from btccxt.sweep.records import StudyRun
from btccxt.sweep.result import StudyResult
from btccxt.sweep.study import StudyProgress, study

_WIDTH = 140
_INTERRUPTED = 130
_ERRORS = 10
_COLUMNS: Mapping[str, str] = {
    "profit_pct": "profit %",
    "hold_pct": "held %",
    "max_drawdown_pct": "deepest fall %",
    "sharpe": "Sharpe",
    "trades": "trades",
    "win_rate_pct": "won %",
    "profit_factor": "profit factor",
}


def run_study(
    strategy: str,
    exchange: str | None,
    grid: Sequence[str],
    start: str | None,
    end: str | None,
    output: Path | None,
    top: int,
    options: Mapping[str, Any],
) -> int:
    """The exit code. Raises ConfigError and LakeError before the first run."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    axes = parse_axes(grid)
    file = Path(strategy.partition(".py:")[0])
    folder = output if output is not None else Path(f"study-{file.stem}")
    with explained(file), _ProgressBar(console) as bar:
        try:
            result = study(
                strategy, exchange, grid=axes, start=_moment("--from", start), end=_moment("--to", end), output=folder,
                on_progress=bar.tell, **options,
            )  # fmt: skip
        except KeyboardInterrupt:
            bar.stop()
            text = f"interrupted after {bar.done} of {bar.total} runs, which are in {folder}; the same command goes on"
            console.print(text, style="yellow", highlight=False, soft_wrap=True, markup=False)
            return _INTERRUPTED
    _print_ranked(console, result, top)
    if result.tests:
        _print_tests(console, result)
    _print_failed(console, result)
    console.print(f"all of it: {result.path}", highlight=False, soft_wrap=True, markup=False)
    return 1 if len(result.failed) == len(result.runs) else 0


def _moment(option: str, text: str | None) -> datetime | None:
    found_ms = time_ms(option, text)
    return None if found_ms is None else datetime.fromtimestamp(found_ms / 1000, timezone.utc)


class _ProgressBar:
    """Appears with the first news: before it, errors of arguments are told."""

    def __init__(self, console: Console) -> None:
        self.done = self.total = 0
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("[red]{task.fields[failed]}"),
        )  # fmt: skip
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task("runs", total=None, failed="", visible=False)

    def __enter__(self) -> _ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._progress.stop()

    def tell(self, news: StudyProgress) -> None:
        self.done, self.total = news.done, news.total
        failed = f"{news.failed} failed" if news.failed else ""
        self._progress.update(self._task, completed=news.done, total=news.total, failed=failed, visible=True)


# ------------------------------------------------------------------ tables


def _figures(result: StudyResult) -> dict[str, str]:
    """Names and headings; the objective first, if it is none of the usual ones."""
    figure = result.objective.figure
    return dict(_COLUMNS) if figure in _COLUMNS else {figure: figure, **_COLUMNS}


def _print_ranked(console: Console, result: StudyResult, top: int) -> None:
    ranked = result.ranked
    window = result.windows[-1].train
    table = Table(
        title=f"{iso(window.from_ms)} to {iso(window.to_ms)}, {result.objective} first",
        header_style="bold",
        title_justify="left",
    )
    names = _varying(ranked)
    for name in names:
        table.add_column(escape(name))
    figures = _figures(result)
    for heading in figures.values():
        table.add_column(escape(heading), justify="right")
    for run in ranked[:top]:
        values = [escape(str(run.params.get(name))) for name in names]
        table.add_row(*values, *(_number(run, name) for name in figures))
    console.print(table)
    if len(ranked) > top:
        console.print(f"and {len(ranked) - top} more", style="dim", highlight=False)


def _varying(runs: Sequence[StudyRun]) -> list[str]:
    """Parameters that have more than one value; all of them where none has."""
    names = list(runs[0].params) if runs else []
    several = [name for name in names if len({repr(run.params.get(name)) for run in runs}) > 1]
    return several or names


def _print_tests(console: Console, result: StudyResult) -> None:
    """What the best of the search did on bars that the search had not seen."""
    table = Table(title="the best, on what followed", header_style="bold", title_justify="left")
    for heading in ("from", "to", "parameters"):
        table.add_column(heading)
    figures = list(dict.fromkeys([result.objective.figure, "profit_pct", "max_drawdown_pct", "trades"]))
    headings = {**_COLUMNS, result.objective.figure: _COLUMNS.get(result.objective.figure, result.objective.figure)}
    table.add_column(escape(f"search: {headings[figures[0]]}"), justify="right")
    for name in figures:
        table.add_column(escape(headings[name]), justify="right")
    for searched, tested in result.tests:
        span = result.windows[tested.window].range(tested.part)
        table.add_row(
            iso(span.from_ms)[:10], iso(span.to_ms)[:10], escape(shown(tested.params)), _number(searched, figures[0]),
            *(_number(tested, name) for name in figures),
        )  # fmt: skip
    console.print(table)


def _print_failed(console: Console, result: StudyResult) -> None:
    failed: dict[str, list[StudyRun]] = {}
    for run in result.failed:
        failed.setdefault(run.error or "", []).append(run)
    if not failed:
        return
    console.print(f"[bold red]{len(result.failed)} of {len(result.runs)} runs failed[/]", highlight=False)
    for error, runs in list(failed.items())[:_ERRORS]:
        more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        text = f"[red]{escape(error)}[/]  with {escape(shown(runs[0].params))}{more}"
        console.print(text, highlight=False, soft_wrap=True)
    if len(failed) > _ERRORS:
        console.print(f"and {len(failed) - _ERRORS} other errors: column error of the table", highlight=False)


def _number(run: StudyRun, name: str) -> str:
    value = run.figures.get(name)
    if value is None:
        return "-"
    return f"{value:,.0f}" if name in ("trades", "bars") else f"{value:,.2f}"
