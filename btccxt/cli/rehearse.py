"""``btccxt rehearse STRATEGY.py``: your strategy on the embedded exchange while things go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    strategy: Annotated[str, typer.Argument(help="a Python file with one bt.Strategy class, or FILE.py:Class")],
    faults: Annotated[
        str,
        typer.Option(help="none, lost-answers, errors, rate-limits, streams, slow, all; several with commas"),
    ] = "all",
    seed: Annotated[int, typer.Option(help="of the market and of the faults")] = 1,
    exchange: Annotated[str, typer.Option(help="whose dialect the embedded exchange speaks")] = "binance",
    symbol: Annotated[list[str] | None, typer.Option(help="may be given several times")] = None,
    minutes: Annotated[int, typer.Option(help="length of a bar", min=1)] = 1,
    bars: Annotated[int, typer.Option(help="live bars before it ends", min=1)] = 100,
    history: Annotated[int, typer.Option(help="bars before the first live one", min=0)] = 200,
    speed: Annotated[float, typer.Option(help="exchange seconds per second", min=1.0, max=600.0)] = 120.0,
    market: Annotated[
        Path | None, typer.Option(help="play recorded bars (csv, csv.gz, parquet) in place of the market of --seed")
    ] = None,
    market_timeframe: Annotated[str, typer.Option(help="of the recorded bars; 'trades' for a tape")] = "1m",
    balance: Annotated[float, typer.Option(help="what the account has at the start", min=0)] = 10_000.0,
    class_name: Annotated[str | None, typer.Option("--class", help="if the file has several")] = None,
    param: Annotated[list[str] | None, typer.Option(help="of the strategy: name=value")] = None,
) -> None:
    """Run a strategy against the embedded exchange with faults; exit code 1 if the books differ at the end."""
    from btccxt.cli.rehearsal import Recording, fault_mix, run_rehearsal
    from btccxt.cli.user_errors import explained
    from btccxt.store.strategy_file import load_strategy, parse_params

    symbols = symbol or ["BTC/USDT"]
    recording = None if market is None else Recording(market, symbols[0], market_timeframe)
    mix = fault_mix(faults)
    with explained(Path(strategy.partition(".py:")[0])):
        ran = run_rehearsal(
            load_strategy(strategy, class_name), mix, seed=seed, exchange=exchange,
            symbols=symbols, minutes=minutes, live_bars=bars, history_bars=history, speed=speed,
            balance=balance, params=parse_params(param or []), recording=recording,
        )  # fmt: skip
    if not ran:
        raise typer.Exit(1)
