"""``btccxt doctor EXCHANGE``: whether everything that a bot needs is there. No order is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    exchange: Annotated[str | None, typer.Argument(help="ccxt id; default: as the config file says")] = None,
    mode: Annotated[str | None, typer.Option(help="paper (public data), testnet, demo, live, sim")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", "-s", help="default: BTC")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="config file")] = None,
    profile: Annotated[str | None, typer.Option(help="of the config file")] = None,
) -> None:
    """Look at keys, connection, clock, limits, symbol and minimums, account and sockets. Sends no order.

    May run beside a bot. Without keys or --mode it looks at public data only. Exit code 1 if something is wrong.
    """
    from btccxt.cli.doctor_run import run_doctor

    if not run_doctor(exchange, mode, symbol, config, profile):
        raise typer.Exit(1)
