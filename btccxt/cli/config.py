"""``btccxt config``: whether a config file is right, before a bot needs it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Annotated

import typer

from btccxt.errors import BtccxtError, MissingKeys

app = typer.Typer(help="The config file.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """The config file."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="the config file")] = Path("btccxt.yaml"),
    profile: Annotated[str | None, typer.Option(help="only this one")] = None,
) -> None:
    """Read every profile as a store would, keys included; nothing is connected.

    Exit code 1 if one is wrong; keys that are not there yet are said and no fault.
    """
    from rich.console import Console
    from rich.markup import escape

    from btccxt.store.config_file import profile_names
    from btccxt.store.keys import find_keys
    from btccxt.store.store import CCXTStore

    console = Console()
    wrong = 0
    for name in [profile] if profile is not None else profile_names(file):
        try:
            store = CCXTStore.from_config(file, name)
        except MissingKeys as error:
            console.print(
                f"[yellow]–[/] [bold]{escape(name)}[/]: {escape(str(error))}", highlight=False, soft_wrap=True
            )
            continue
        except BtccxtError as error:
            wrong += 1
            console.print(f"[red]✗[/] [bold]{escape(name)}[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
            continue
        kind = store.profile.market_type.value
        source = find_keys(store.name, store.settings).source if store.mode.needs_keys else ""
        keys = f", keys from {source}" if source else ", no keys needed"
        console.print(
            f"[green]✓[/] [bold]{escape(name)}[/]: {store.name} {kind}, mode {store.mode.value}, counted in "
            f"{store.currency}{keys}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        if store.settings.keys.for_ccxt() and _others_may_read(file):
            console.print(f"  [yellow]keys stand in {escape(str(file))}, which other users may read: chmod 600[/]")
    if wrong:
        raise typer.Exit(1)


@app.command()
def options(
    docs: Annotated[Path | None, typer.Option(help="write the page with all of them into this file")] = None,
) -> None:
    """Every option of a store: its name in Python and in the file, its environment variable, its default."""
    from rich.console import Console
    from rich.markup import escape

    from btccxt.cli.config_page import page, store_options

    if docs is not None:
        docs.write_text(page(), encoding="utf-8")
        typer.echo(f"written: {docs}")
        return
    console = Console()
    for option in store_options():
        default = "required" if option.default is None else f"default {option.default}"
        console.print(
            f"[bold]{option.name}[/]  [dim]{option.variable}, {escape(default)}[/]\n    {escape(option.about)}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def _others_may_read(file: Path) -> bool:
    return sys.platform != "win32" and bool(os.stat(file).st_mode & (stat.S_IRGRP | stat.S_IROTH))
