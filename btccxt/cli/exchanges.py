"""``btccxt exchanges``: what the mapping table knows, as a table, for one exchange, or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from btccxt.cli.exchange_pages import GRADES, ORDER_WORDS, facts, how, pages, write_pages
from btccxt.exchange.profile.profile import known_exchanges, load_profile, market_types
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.grades import grade_of
from btccxt.exchange.proof.record import proven_with

_SHORT = {
    "market": "mkt", "limit": "lmt", "stop": "stop", "stop_limit": "stop lmt", "take_profit": "tp",
    "take_profit_limit": "tp lmt", "trailing_amount": "trail amt", "trailing_percent": "trail %",
    "post_only": "post", "reduce_only": "reduce", "ioc": "IOC", "fok": "FOK", "gtd": "GTD", "iceberg": "iceb",
    "attached_exits": "SL/TP", "oco": "OCO", "market_by_cost": "by cost",
}  # fmt: skip
_SIGNS = {"native": "[green]●[/]", "emulated": "[yellow]○[/]", "refused": "[dim]·[/]"}


def command(
    name: Annotated[str | None, typer.Argument(help="everything about this one")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    docs: Annotated[Path | None, typer.Option(help="write a page for each exchange into this folder")] = None,
) -> None:
    """What each exchange can do: native, emulated or refused, and how well that is proven."""
    if docs is not None:
        write_pages(docs)
        typer.echo(f"{len(pages())} pages in {docs}")
        return
    if name is None:
        profiles = [load_profile(each, market) for each in known_exchanges() for market in market_types(each)]
        if as_json:
            typer.echo(json.dumps([_row(profile) for profile in profiles], indent=2))
        else:
            _print_all(profiles)
        return
    profiles = [load_profile(name, market) for market in market_types(name)]
    if as_json:
        typer.echo(json.dumps([profile.model_dump(mode="json") for profile in profiles], indent=2, default=str))
        return
    for profile in profiles:
        _print_one(profile)


def _row(profile: Profile) -> dict[str, Any]:
    return {
        "exchange": profile.exchange, "market_type": profile.market_type.value, "verified": grade_of(profile),
        "testnet": profile.testnet, "proven_with_ccxt": proven_with(profile.exchange),
        "orders": {key: profile.orders[key].support for key in ORDER_WORDS},
    }  # fmt: skip


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=170)


def _print_all(profiles: list[Profile]) -> None:
    console = _console()
    table = Table(header_style="bold", title="Exchanges in the mapping table", title_justify="left")
    for heading in ("exchange", "market"):
        table.add_column(heading, no_wrap=True)
    for key in ORDER_WORDS:
        table.add_column(_SHORT[key], justify="center")
    for heading in ("testnet", "proof"):
        table.add_column(heading, no_wrap=True, min_width=len("captured"))
    for profile in profiles:
        signs = [_SIGNS[profile.orders[key].support] for key in ORDER_WORDS]
        table.add_row(profile.exchange, profile.market_type.value, *signs, profile.testnet, grade_of(profile))
    console.print(table)
    console.print(f"{_SIGNS['native']} native   {_SIGNS['emulated']} emulated   {_SIGNS['refused']} refused")
    for grade, meaning in GRADES.items():
        console.print(f"  {grade}: {meaning}", highlight=False)
    versions = sorted({proven_with(profile.exchange) or "no ccxt" for profile in profiles})
    console.print(f"proven with ccxt {', '.join(versions)}; whether the installed one does the same: btccxt selfcheck")
    console.print("any other ccxt exchange: market and limit orders only. One of them in full: btccxt exchanges NAME")


def _print_one(profile: Profile) -> None:
    console = _console()
    console.rule(f"[bold]{profile.exchange}[/] {profile.market_type.value}: {profile.name}", align="left")
    if profile.about:
        console.print(profile.about, highlight=False)
    for what, value in facts(profile).items():
        console.print(f"  [bold]{what:<17}[/] {escape(value)}", highlight=False)
    for note in profile.notes:
        console.print(f"  [bold]{'note':<17}[/] {escape(note)}", highlight=False)
    table = Table(header_style="bold")
    for heading in ("order", "", "how, or why not"):
        table.add_column(heading)
    for key in ORDER_WORDS:
        rule = profile.orders[key]
        table.add_row(key, f"{_SIGNS[rule.support]} {rule.support}", escape(how(rule)))
    console.print(table)
