"""``btccxt selfcheck``: whether the installed ccxt still does what was proven, offline."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from btccxt.exchange.proof.verdict import Verdict
    from btccxt.model import MarketType

_SHOWN = 12


def command(
    exchange: Annotated[str | None, typer.Argument(help="ccxt id; without it all listed exchanges")] = None,
    market_type: Annotated[str | None, typer.Option(help="only spot, linear or inverse")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable, every difference")] = False,
    every: Annotated[bool, typer.Option("--all", help="show every difference, not the first of each place")] = False,
) -> None:
    """Replay every proof against the installed ccxt; no network, no keys. Exit code 1 if something differs."""
    verdicts = asyncio.run(_examined(exchange, market_type))
    if as_json:
        typer.echo(json.dumps([each.as_dict() for each in verdicts], indent=2))
    else:
        _print(verdicts, every=every)
    if any(each.differences for each in verdicts):
        raise typer.Exit(1)


async def _examined(exchange: str | None, market_type: str | None) -> list[Verdict]:
    from btccxt.exchange.profile.profile import load_profile
    from btccxt.exchange.proof.examine import examine
    from btccxt.exchange.proof.intents import environments

    found = []
    for name, market in _chosen(exchange, market_type):
        profile = load_profile(name, market)
        found += [await examine(profile, place) for place in environments(profile)]
    return found


def _chosen(exchange: str | None, market_type: str | None) -> Iterator[tuple[str, MarketType]]:
    from btccxt.exchange.profile.profile import current_name, known_exchanges, load_profile, market_types
    from btccxt.store.startup import market_type_of

    if exchange is not None:
        exchange = current_name(exchange)
        load_profile(exchange, market_types(exchange)[0])  # says which one was meant
    for name in known_exchanges() if exchange is None else (exchange,):
        if market_type is None:
            yield from ((name, market) for market in market_types(name))
        elif exchange is not None or market_type in {market.value for market in market_types(name)}:
            yield name, market_type_of(name, market_type)


def _print(verdicts: list[Verdict], *, every: bool) -> None:
    console = Console(width=None if Console().is_terminal else 140)
    table = Table(header_style="bold", title=f"ccxt {verdicts[0].ccxt}", title_justify="left")
    for heading in ("", "exchange", "market", "where", "proven with", "checked", "differs", "refused"):
        table.add_column(heading, justify="right" if heading in ("checked", "differs") else "left", no_wrap=not heading)
    for each in verdicts:
        sign = "[dim]–[/]" if each.proven_with is None else "[green]✓[/]" if each.good else "[red]✗[/]"
        table.add_row(
            sign, each.exchange, each.market_type, each.environment,
            "nothing is proven" if each.proven_with is None else f"ccxt {each.proven_with}", str(each.checked),
            str(len(each.differences)), escape(", ".join(each.refused)),
        )  # fmt: skip
    console.print(table)
    for verdict in verdicts:
        if not verdict.differences:
            continue
        console.print(f"[bold]{verdict.where}[/]", highlight=False)
        told = verdict.differences if every else verdict.differences[:_SHOWN]
        for difference in told:
            console.print(f"  [red]✗[/] {escape(difference.text)}", highlight=False, soft_wrap=True)
        if len(told) < len(verdict.differences):
            console.print(f"  and {len(verdict.differences) - len(told)} more: --all shows them")
    good = sum(each.good for each in verdicts)
    console.print(f"{good} of {len(verdicts)} as proven; what differs is refused by a store, or only warned of: "
                  "changed_ccxt", highlight=False)  # fmt: skip
