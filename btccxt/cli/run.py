"""``btccxt run STRATEGY.py``: on paper, a testnet, with real money, on the embedded exchange, or on the past."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _exchanges(incomplete: str) -> list[str]:
    from btccxt.exchange.profile.profile import known_exchanges

    return [name for name in known_exchanges() if name.startswith(incomplete)]


def _modes(incomplete: str) -> list[str]:
    return [mode for mode in ("sim", "paper", "testnet", "demo", "live", "backtest") if mode.startswith(incomplete)]


def command(
    strategy: Annotated[str, typer.Argument(help="a Python file with one bt.Strategy class, or FILE.py:Class")],
    exchange: Annotated[
        str | None, typer.Option(help="ccxt id; default: as the config file says", autocompletion=_exchanges)
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="sim, paper (the default), testnet, demo, live, or backtest", autocompletion=_modes),
    ] = None,
    market_type: Annotated[
        str | None, typer.Option("--market-type", help="spot or linear; default: as the symbol says")
    ] = None,
    symbol: Annotated[
        list[str] | None, typer.Option("--symbol", "-s", help="as BTC/USDT; repeatable; default BTC")
    ] = None,
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="as 1m, 4h, 1d, or ticks")] = "1m",
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="of the strategy: name=value; repeatable")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="config file; default: btccxt.yaml here, if no exchange is named"),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="of the config file")] = None,
    duration: Annotated[str | None, typer.Option("--for", help="of the exchange's time: 90s, 15m, 1h30m, 2d")] = None,
    bars: Annotated[int | None, typer.Option(help="live bars before it ends", min=1)] = None,
    speed: Annotated[float | None, typer.Option(help="sim: exchange seconds per second", min=0.1, max=600.0)] = None,
    seed: Annotated[int | None, typer.Option(help="sim: another seed, another market")] = None,
    balance: Annotated[float | None, typer.Option(help="sim, paper, backtest: money at the start", min=0.0)] = None,
    history: Annotated[int | None, typer.Option(help="bars to warm up with, before the first live one", min=1)] = None,
    start: Annotated[str | None, typer.Option("--from", help="backtest: first day, as 2026-01-31")] = None,
    end: Annotated[str | None, typer.Option("--to", help="backtest: the day it ends before")] = None,
    journal: Annotated[Path | None, typer.Option(help="order journal; default: in the state folder")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="only say what would be native, emulated or refused; nothing is sent")
    ] = False,
    page: Annotated[bool, typer.Option("--page", help="a page in the browser beside it, as btccxt dashboard")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="live: without the typed sentence")] = False,
) -> None:
    """Run a strategy and show it: fills, refusals with their reasons, alarms, and a line that follows the market.

    Ctrl-C ends it in order. Exit code 0 when it ended as asked, 1 for an error.
    """
    from btccxt.cli.run_bot import RunOrder, run_bot

    run_bot(
        RunOrder(
            strategy=strategy, exchange=exchange, mode=mode, market_type=market_type, symbols=tuple(symbol or ()),
            timeframe=timeframe, params=tuple(param or ()), config=config, profile=profile, duration=duration,
            bars=bars, speed=speed, seed=seed, balance=balance, history=history, start=start, end=end, journal=journal,
            plan=plan, page=page, yes=yes,
        )
    )  # fmt: skip
