"""``btccxt history``: the account's past from the exchange."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class What(str, Enum):
    TRADES = "trades"
    ORDERS = "orders"
    LEDGER = "ledger"


def command(
    what: Annotated[What, typer.Argument(help="trades, orders that have ended, or ledger: fees, funding, transfers")],
    config: Annotated[Path, typer.Option("--config", "-c", help="config file")] = Path("btccxt.yaml"),
    profile: Annotated[str | None, typer.Option("--profile", help="of the config file")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", "-s", help="default: all")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="date (UTC); default: 90 days ago")] = None,
    end: Annotated[str | None, typer.Option("--to", help="date (UTC), not included; default: now")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="the first so many from --from on; without it the newest")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="write this file")] = None,
    parquet: Annotated[Path | None, typer.Option("--parquet", help="write this file")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable, to the standard output")] = False,
) -> None:
    """Trades, ended orders or the ledger, whole, oldest first; a bot may run meanwhile."""
    from btccxt.cli.dates import time_ms
    from btccxt.cli.history_run import Output, run_history
    from btccxt.store.account_history import Span, span_of

    until_ms = time_ms("--to", end)

    def span(now_ms: int) -> Span:
        return span_of(time_ms("--from", begin), None if until_ms is None else until_ms - 1, limit, now_ms)

    span(0)  # what is wrong is said before anything is asked
    run_history(what.value, config, profile, symbol, span, Output(csv, parquet, as_json))
