"""``btccxt verify``: an exchange's acceptance suite, with a report of what was proven."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    exchange: Annotated[str, typer.Argument(help="ccxt id")],
    market_type: Annotated[str | None, typer.Option(help="spot or linear; default: the exchange's first")] = None,
    symbol: Annotated[
        str | None, typer.Option(help="market to try it on; default BTC against the profile's coin")
    ] = None,
    timeframe: Annotated[str, typer.Option(help="of the bars to watch; the suite waits for a few of them")] = "1m",
    testnet: Annotated[bool, typer.Option("--testnet", help="private part too, with play money")] = False,
    live: Annotated[bool, typer.Option("--live", help="private part too, WITH REAL MONEY; asks first")] = False,
    max_notional: Annotated[float | None, typer.Option(help="no order costs more (quote currency)", min=0.0)] = None,
    sim: Annotated[bool, typer.Option("--sim", help="against the embedded exchange: no network, no keys")] = False,
    only: Annotated[list[str] | None, typer.Option(help="only checks with this word in their name; repeatable")] = None,
    output: Annotated[Path, typer.Option(help="folder of the report")] = Path("."),
    record: Annotated[bool, typer.Option("--record", help="into the data that grades come from (a checkout)")] = False,
) -> None:
    """Prove on the exchange itself what its profile says; without options: public data only, no keys."""
    from btccxt.cli.acceptance.command import run_verify

    good = run_verify(
        exchange, market_type=market_type, symbol=symbol, timeframe=timeframe, testnet=testnet, live=live,
        max_notional=max_notional, sim=sim, only=only or (), output=output, record=record,
    )  # fmt: skip
    if not good:
        raise typer.Exit(1)
