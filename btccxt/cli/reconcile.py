"""``btccxt reconcile``: an account as the journal and as the exchange has it, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    config: Annotated[Path, typer.Option("--config", "-c", help="config file")] = Path("btccxt.yaml"),
    profile: Annotated[str | None, typer.Option("--profile", help="of the config file")] = None,
    journal: Annotated[Path | None, typer.Option("--journal", help="another journal than the profile's")] = None,
    days: Annotated[int, typer.Option(help="compare trades of at least so many days", min=0)] = 1,
    accept: Annotated[
        bool, typer.Option("--accept", help="take the exchange's balances and positions as right; no bot may run")
    ] = False,
) -> None:
    """Orders, trades, balances and positions of journal and exchange side by side; exit code 1 if they differ.

    Changes nothing, except with --accept: then the next start of a bot begins from the exchange's figures.
    """
    from btccxt.cli.reconciliation import run_reconcile

    if not run_reconcile(config, profile, journal, days, accept):
        raise typer.Exit(1)
