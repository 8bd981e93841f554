"""``btccxt status``: every store that runs on this machine, and how it is."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from btccxt.session.status_file import FoundStatus, find_running


def command(
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable: everything that health() tells")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="remove what dead processes left behind")] = False,
) -> None:
    """Show the running stores and their connections. Exit code 1 if one that should run is dead."""
    found = list(find_running())
    dead = [each for each in found if not each.alive]
    if as_json:
        typer.echo(json.dumps([{"alive": each.alive, **each.facts} for each in found], indent=2))
    else:
        _print(found)
    if forget:
        for each in dead:
            each.forget()
    elif dead:
        raise typer.Exit(1)


def _print(found: list[FoundStatus]) -> None:
    console = Console(width=None if Console().is_terminal else 140)
    if not found:
        console.print("no store is running here (under this user)")
        return
    table = Table(title="Stores", header_style="bold", title_justify="left")
    for name in (
        "store",
        "process",
        "state",
        "streams",
        "oldest data",
        "clock off",
        "orders",
        "ccxt",
        "as of",
        "last error",
    ):
        table.add_column(name, justify="right" if name in ("process", "oldest data", "clock off", "as of") else "left")
    for each in found:
        table.add_row(*_row(each))
    console.print(table)
    if dead := [str(each.facts.get("process")) for each in found if not each.alive]:
        which = f"process {dead[0]}" if len(dead) == 1 else f"{len(dead)} processes"
        console.print(
            f"{which} ended without stopping the store: look after the orders (btccxt orders --open); "
            "btccxt status --forget takes them off this list",
            highlight=False,
        )


def _row(found: FoundStatus) -> tuple[str, ...]:
    facts = found.facts
    streams = facts.get("streams", ())
    ages = [stream["data_age_s"] for stream in streams if stream["data_age_s"] is not None]
    live = sum(stream["state"] == "live" for stream in streams)
    errors = facts.get("last_errors") or [{"error": "-"}]
    age_s = time.time() - facts.get("written_at", 0.0)
    return (
        f"{facts.get('exchange')} {facts.get('market_type')} {facts.get('mode')}",
        str(facts.get("process")),
        str(facts.get("state")) if found.alive else "[red]dead[/]",
        f"{live} of {len(streams)} live",
        f"{max(ages):.1f} s" if ages else "-",
        f"{facts.get('clock', {}).get('offset_ms', 0):.0f} ms",
        _orders(facts.get("orders", {})),
        _ccxt(facts.get("ccxt")),
        f"{age_s:.0f} s ago",
        escape(str(errors[-1]["error"])[:60]),
    )


def _orders(orders: Mapping[str, Any]) -> str:
    if not orders.get("tracked"):
        return "-"
    text = f"{orders['open']} open"
    if orders["unknown"]:
        text += f", {len(orders['unknown'])} unknown"
    return text + (", HALTED" if orders["halted"] else "")


def _ccxt(told: Mapping[str, Any] | None) -> str:
    """The version, and whether it does what was proven."""
    if not told:
        return "-"
    version = str(told["version"])
    if told["proven_with"] is None:
        return f"{version}, nothing proven"
    if not told["good"]:
        return f"{version} [red]differs in {len(told['differences'])}[/] from {told['proven_with']}"
    return version if version == told["proven_with"] else f"{version}, as proven with {told['proven_with']}"
