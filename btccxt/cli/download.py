"""``btccxt download``: history into the lake."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from btccxt.errors import ConfigError


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
    from btccxt.cli.dates import time_ms
    from btccxt.cli.download_run import run_download
    from btccxt.store.downloads import Wish

    lengths = timeframe or ([] if trades else ["1m"])
    wish = Wish(symbols, lengths, time_ms("--from", begin), time_ms("--to", end), trades, prepend)
    given = {"market_type": market_type, "lake": lake, "mode": mode, "sim_address": sim_address}
    options = {name: value for name, value in given.items() if value is not None}
    if exchange is None and config is None and "BTCCXT_EXCHANGE" not in os.environ:
        raise ConfigError("which exchange? Add --exchange binance, or --config FILE, or set BTCCXT_EXCHANGE")
    if not run_download(wish, exchange, config, profile, options, archives=archive, fill_from=fill_from):
        raise typer.Exit(1)
