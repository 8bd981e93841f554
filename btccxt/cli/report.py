"""``btccxt report``: a run as one HTML file and a PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str | None, typer.Option(help="its id, or the beginning of it; default: the newest one")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="HTML file; default: named after the run, here")
    ] = None,
    list_runs: Annotated[bool, typer.Option("--list", help="only list the runs there are")] = False,
) -> None:
    """Write what a run did, going on or over: chart, equity, figures, trades, orders, log. One file, no network."""
    from btccxt.errors import ConfigError
    from btccxt.runs.records import choose_run, find_runs
    from btccxt.runs.report import read_run, write_report

    if list_runs:
        for found in find_runs():
            running = "  running" if found.health() is not None else ""
            typer.echo(f"{found.run_id}  {found.header.get('strategy')}{running}")
        return
    chosen = choose_run(run)
    path = output or Path(f"{chosen.run_id}.html")
    if path.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--output {path}: give a file that ends with .html; the PNG goes beside it")
    from importlib.util import find_spec

    from btccxt.runs import statistics

    if not statistics.is_installed():
        typer.echo(statistics.MISSING)
    if find_spec("matplotlib") is None:
        typer.echo("without a PNG: that needs pip install 'btccxt[plot]'")
    state = read_run(chosen)
    for written in write_report(state, path):
        typer.echo(f"{written}: {chosen.run_id}")
    if len(state.bars) == 0:
        typer.echo("it has no bar yet")
