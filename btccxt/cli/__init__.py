"""The command line: ``btccxt --help``."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from btccxt import __version__
from btccxt.cli.exchanges import exchanges
from btccxt.cli.orders import app as orders_app
from btccxt.cli.reconcile import reconcile
from btccxt.cli.rehearse import rehearse
from btccxt.cli.sim import sim
from btccxt.cli.status import status
from btccxt.cli.verify import verify
from btccxt.errors import BtccxtError

app = typer.Typer(
    help="Connect backtrader to any exchange that ccxt knows.", no_args_is_help=True, pretty_exceptions_enable=False
)


def _tell_version(asked: bool) -> None:
    """With those of what it stands on: every report of a fault needs them."""
    if asked:
        names = ("ccxt", "backtrader", "aiohttp")
        others = ", ".join(f"{name} {version(name)}" for name in names)
        typer.echo(f"btccxt {__version__} ({others}, Python {platform.python_version()})")
        raise typer.Exit


@app.callback()
def root(
    asked: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="what runs here, for reports")
    ] = False,
) -> None:
    """Every command prints its own help with --help."""


@app.command()
def demo(
    bars: Annotated[int, typer.Option(help="live bars before it ends", min=5)] = 120,
    speed: Annotated[float, typer.Option(help="exchange seconds per second", min=1.0, max=600.0)] = 180.0,
    seed: Annotated[int, typer.Option(help="another seed, another market")] = 52,
    output: Annotated[Path, typer.Option(help="folder of the picture")] = Path("demo-output"),
) -> None:
    """A moving-average strategy on the embedded exchange, about a minute; no network, no keys."""
    from btccxt.cli.demo import run_demo

    if not run_demo(live_bars=bars, speed=speed, seed=seed, output=output):
        raise typer.Exit(1)


app.command()(sim)
app.command()(rehearse)
app.command()(reconcile)
app.command()(exchanges)
app.command()(verify)
app.command()(status)
app.add_typer(orders_app, name="orders")


def main() -> None:
    """Run the command line; a known error is one line on stderr and exit code 1."""
    try:
        app()
    except BtccxtError as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise SystemExit(1) from None
