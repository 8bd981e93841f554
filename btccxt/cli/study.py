"""``btccxt study STRATEGY.py``: many sets of parameters over the lake, and a table of what came of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    strategy: Annotated[str, typer.Argument(help="a Python file with one bt.Strategy class, or FILE.py:Class")],
    grid: Annotated[
        list[str], typer.Option("--grid", "-g", help="fast=5,10,20 or fast=5..50..5; repeatable: every combination")
    ],
    symbol: Annotated[list[str], typer.Option("--symbol", "-s", help="as BTC/USDT; repeatable")],
    exchange: Annotated[str | None, typer.Option("--exchange", "-e", help="whose, if the lake has several")] = None,
    timeframe: Annotated[list[str] | None, typer.Option("--timeframe", "-t", help="repeatable; default 1m")] = None,
    start: Annotated[str | None, typer.Option("--from", help="first day, as 2026-01-31; default: all there is")] = None,
    end: Annotated[str | None, typer.Option("--to", help="the day it ends before")] = None,
    trials: Annotated[
        int | None, typer.Option("--optuna", help="so many sets that Optuna chooses, instead of every combination")
    ] = None,
    storage: Annotated[str | None, typer.Option(help="of Optuna: a file, or a database's URL")] = None,
    objective: Annotated[str, typer.Option(help="the figure that makes a run the best")] = "profit_pct",
    minimise: Annotated[bool, typer.Option("--minimise", help="the lowest is the best")] = False,
    walk_forward: Annotated[
        str | None, typer.Option("--walk-forward", help="90d/30d: search 90 days, test the best on the next 30, go on")
    ] = None,
    out_of_sample: Annotated[
        str | None, typer.Option("--out-of-sample", help="0.25 or 30d: keep the end to test the best on")
    ] = None,
    tested: Annotated[int | None, typer.Option(help="how many of the best; default 1, out of sample 10")] = None,
    analyzer: Annotated[list[str] | None, typer.Option(help="one more, as SQN; repeatable")] = None,
    balance: Annotated[float, typer.Option(help="money at the start of every run")] = 10_000.0,
    seed: Annotated[int, typer.Option(help="of whatever is left to chance")] = 0,
    workers: Annotated[int | None, typer.Option(help="processes; default: one per core")] = None,
    address: Annotated[str | None, typer.Option(help="of a Ray cluster: auto, or ray://HOST:10001")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="folder for the results; default: study-STRATEGY")
    ] = None,
    market_type: Annotated[str | None, typer.Option("--market-type", help="spot or linear")] = None,
    mode: Annotated[str | None, typer.Option(help="of the bars, if not live: as btccxt data ls shows it")] = None,
    lake: Annotated[Path | None, typer.Option(help="its folder; default: $BTCCXT_LAKE, or your data folder")] = None,
    top: Annotated[int, typer.Option(help="rows of the table", min=1)] = 20,
) -> None:
    """Backtest a strategy with many sets of parameters, on all cores. Run it again to go on where it was interrupted.

    Exit code 0, 1 if every run failed or for an error, 130 if it was interrupted.
    """
    from btccxt.cli.study_run import run_study

    options = {
        "symbol": symbol, "timeframe": timeframe or ["1m"], "market_type": market_type, "mode": mode, "lake": lake,
        "cash": balance, "objective": objective, "minimise": minimise, "trials": trials, "storage": storage,
        "walk_forward": walk_forward, "out_of_sample": out_of_sample, "tested": tested, "analyzers": analyzer or [],
        "seed": seed, "workers": workers, "address": address,
    }  # fmt: skip
    raise typer.Exit(run_study(strategy, exchange, grid, start, end, output, top, options))
