"""The command line: ``btccxt --help``.

Each command has a module of its own, imported when the command is run or completed: help and completion import
neither ccxt nor backtrader. A command's module keeps to that: what is heavy it imports inside its function.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer import BadParameter
from typer.core import TyperCommand, TyperGroup

from btccxt import __version__

_SET_UP, _TRADE, _LOOK, _TEST = "Set up", "Run and steer", "Look", "Test"
COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": (_SET_UP, "Write a config file, a strategy and a file for keys, to begin with."),
    "config": (_SET_UP, "Whether a config file is right."),
    "doctor": (_SET_UP, "Keys, clock, limits, sockets, symbol and minimums of an exchange; sends no order."),
    "run": (_TRADE, "Run a strategy: on paper, a testnet, with real money, on the embedded exchange, or on the past."),
    "download": (_SET_UP, "Fetch bars and trades into the lake, from archives and API."),
    "data": (_LOOK, "The lake: what is there, gaps and their causes, checks, exports."),
    "ctl": (_TRADE, "Hands on a running bot: status, pause, reduce, resume, cancel, flatten, stop, set."),
    "demo": (_TRADE, "A moving-average strategy on the embedded exchange, about a minute; no network, no keys."),
    "status": (_LOOK, "The running stores and their connections."),
    "dashboard": (_LOOK, "A page that shows running and ended runs: chart, equity, positions, orders, log."),
    "report": (_LOOK, "A run as one HTML file and a PNG."),
    "trading": (_TRADE, "Show or set the trading state of running stores: active, reducing, halted."),
    "orders": (_LOOK, "The order journal: what was asked, sent, answered and filled."),
    "history": (
        _LOOK,
        "The account's trades, orders or ledger from the exchange, whole, as a table, CSV, Parquet or JSON.",
    ),
    "reconcile": (_LOOK, "Orders, trades, balances and positions of journal and exchange side by side."),
    "exchanges": (_SET_UP, "What each exchange can do: native, emulated or refused, and how well that is proven."),
    "selfcheck": (_TEST, "Whether the installed ccxt still does what was proven; no network, no keys."),
    "verify": (_TEST, "Prove on the exchange itself what its profile says."),
    "study": (_TEST, "Backtest a strategy with many sets of parameters, on all cores or a Ray cluster."),
    "rehearse": (_TEST, "Run a strategy against the embedded exchange with faults."),
    "sim": (_TEST, "The embedded exchange on its own, for stores with sim_address."),
}


class LazyCommands(TyperGroup):
    """Lists commands by their names here; imports the one that is asked for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (panel, text) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=text, rich_help_panel=panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = load_command(args[0])
        return super().resolve_command(ctx, args)


def load_command(name: str) -> Any:
    """The click command of a name in ``COMMANDS``: ``app`` of its module, or the function ``command``."""
    module = import_module(f"btccxt.cli.{name.replace('-', '_')}")
    group = getattr(module, "app", None)
    if group is None:
        group = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        group.command(name)(module.command)
    command = typer.main.get_command(group)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyCommands,
    help="Connect backtrader to any exchange that ccxt knows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _tell_version(asked: bool) -> None:
    """With those of what it stands on: every report of a fault needs them."""
    if asked:
        from importlib.metadata import version

        others = ", ".join(f"{name} {version(name)}" for name in ("ccxt", "backtrader", "aiohttp"))
        typer.echo(f"btccxt {__version__} ({others}, Python {platform.python_version()})")
        raise typer.Exit


@app.callback()
def root(
    asked: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="what runs here, for reports")
    ] = False,
) -> None:
    """Every command prints its own help with --help."""


@contextmanager
def _plain_words() -> Iterator[None]:
    """Typer checks arguments by pydantic, whose texts begin with the kind of its error."""
    plain = BadParameter.format_message

    def format_message(error: BadParameter) -> str:
        return plain(error).replace("Value error, ", "", 1)

    BadParameter.format_message = format_message  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        BadParameter.format_message = plain  # type: ignore[method-assign]


def main() -> None:
    """Run the command line; a known error is one line on stderr and exit code 1."""
    from btccxt.errors import BtccxtError

    try:
        with _plain_words():
            app()
    except BtccxtError as error:
        from rich.console import Console
        from rich.markup import escape

        Console(stderr=True).print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
