"""``btccxt trading``: the trading state of stores, shown and set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from btccxt.errors import ConfigError
from btccxt.orders.trading_state import TradingControl, state_of, write_state
from btccxt.session.status_file import find_running


def command(
    state: Annotated[
        str | None, typer.Argument(help="active, reducing or halted; without it: what is in force")
    ] = None,
    store: Annotated[str | None, typer.Option(help="only stores whose name holds this, as in 'binance'")] = None,
    file: Annotated[Path | None, typer.Option(help="of a store that does not run: JOURNAL.trading")] = None,
    why: Annotated[str, typer.Option(help="the reason, told with every refusal")] = "",
) -> None:
    """Halt, reduce or resume trading. Takes effect with the next order; cancels and exits at work always go on."""
    word = None if state is None else state_of(state)
    files = {str(file): file} if file is not None else _running(store)
    if not files:
        raise ConfigError("no running store is known here; name the file with --file (its journal's path + .trading)")
    table = Table(title="Trading", header_style="bold", title_justify="left")
    for name in ("store", "state", "why"):
        table.add_column(name)
    for name, path in files.items():
        if word is not None:
            write_state(path, word, why)
        now, reason = TradingControl(path).read()
        table.add_row(escape(name), now.value, escape(reason))
    Console(width=None if Console().is_terminal else 140).print(table)


def _running(part: str | None) -> dict[str, Path]:
    """Name -> file of the stores that are alive here."""
    found: dict[str, Path] = {}
    for each in find_running():
        facts: dict[str, Any] = dict(each.facts)
        path = (facts.get("trading") or {}).get("file")
        name = f"{facts.get('exchange')} {facts.get('market_type')} {facts.get('mode')} ({facts.get('process')})"
        if each.alive and path and (part is None or part in name):
            found[name] = Path(path)
    return found
