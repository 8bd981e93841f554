"""``btccxt orders``: the order journal, readable, also while a bot is writing it."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from btccxt.errors import ConfigError, JournalError
from btccxt.orders.context import FOLLOWS, PRIMARY
from btccxt.orders.journal.journal import Journal
from btccxt.orders.journal.reader import JournalReader, OrderSummary
from btccxt.resilience.files import state_directory

app = typer.Typer(help="The order journal: what was asked, sent, answered and filled.", no_args_is_help=False)
_TIES = {
    "parent": "exit of", "replaces": "follows the edited", PRIMARY: "carries on", FOLLOWS: "stands in for",
    "oco": "one cancels the other:",
}  # fmt: skip
Family = list[tuple[OrderSummary, Mapping[str, str]]]
JournalOption = Annotated[Path | None, typer.Option("--journal", help="its file; default: that of the newest run here")]
JsonOption = Annotated[bool, typer.Option("--json", help="machine-readable")]


@app.callback(invoke_without_command=True)
def orders(
    context: typer.Context,
    journal: JournalOption = None,
    only_open: Annotated[bool, typer.Option("--open", help="only those that may still fill")] = False,
    limit: Annotated[int, typer.Option(help="the newest so many", min=1)] = 50,
    as_json: JsonOption = False,
) -> None:
    """List orders, newest first."""
    context.obj = journal
    if context.invoked_subcommand is not None:
        return
    with JournalReader(_journal(journal)) as reader:
        found = reader.orders(limit=limit, only_open=only_open)
        if as_json:
            typer.echo(json.dumps([_plain(each) for each in found], default=str, indent=2))
            return
        table = Table(title=f"Orders in {reader.path}", header_style="bold", title_justify="left")
        for name in ("created (UTC)", "client id", "symbol", "side", "kind", "amount", "price", "filled", "state"):
            table.add_column(name, justify="right" if name in ("amount", "price", "filled") else "left")
        for each in found:
            request = each.request
            price = request.price or request.trigger_price
            table.add_row(
                utc(each.created_ms), request.client_order_id, request.symbol, request.side.value, request.kind.value,
                f"{request.amount:f}", f"{price:f}" if price is not None else "-", f"{each.filled:f}", _state(each),
            )  # fmt: skip
        Console(width=None if Console().is_terminal else 140).print(table)


@app.command()
def show(
    context: typer.Context,
    order: Annotated[str, typer.Argument(help="client order id, or the exchange's id")],
    journal: JournalOption = None,
    as_json: JsonOption = False,
) -> None:
    """An order's whole life, with times."""
    with JournalReader(_journal(journal or context.obj)) as reader:
        story = reader.story(order)
        family = [] if story is None else reader.family(story.order.request.client_order_id)
    if story is None:
        raise JournalError(f"no order {order!r} in {reader.path}; `btccxt orders` lists what is there")
    if as_json:
        lines = [asdict(line) for line in story.lines]
        told = {"order": _plain(story.order), "context": dict(story.context), "life": lines}
        typer.echo(json.dumps(told, default=str, indent=2))
        return
    request = story.order.request
    console = Console(width=None if Console().is_terminal else 140)
    console.print(
        f"[bold]{request.client_order_id}[/]  {request.side.value} {request.amount:f} {request.symbol} "
        f"{request.kind.value}  exchange id {story.order.order_id or '-'}  [bold]{_state(story.order)}[/], "
        f"filled {story.order.filled:f}",
        highlight=False,
    )
    ties = [f"{name} {story.context[tie]}" for tie, name in _TIES.items() if tie in story.context]
    ties = [tie for tie in ties if request.client_order_id not in tie]  # a pair is named after one of its own
    if ties:
        console.print(escape(f"  {', '.join(ties)}"), highlight=False)
    for line in story.lines:
        console.print(escape(f"  {utc(line.at_ms, fine=True)}  {line.what:<18} {line.details}"), highlight=False)
    if len(family) > 1:
        _print_family(console, family, request.client_order_id)


def _print_family(console: Console, family: Family, shown: str) -> None:
    """As a tree: entries above their exits, what was edited above what follows it."""
    tree = Tree("its family", hide_root=False)
    above = {
        each.request.client_order_id: next((context[tie] for tie in _TIES if tie != "oco" and tie in context), None)
        for each, context in family
    }
    pairs = Counter(context["oco"] for _, context in family if "oco" in context)
    branches: dict[str | None, Tree] = {}
    waiting = list(family)
    while waiting:
        for entry in tuple(waiting):
            each, context = entry
            name = each.request.client_order_id
            parent = above[name] if above[name] in above else None
            if parent is None or parent in branches:
                waiting.remove(entry)
                branches[name] = branches.get(parent, tree).add(_member(each, context, pairs, bold=name == shown))
                break
        else:  # ties in a circle: shown flat
            for each, context in waiting:
                tree.add(_member(each, context, pairs, bold=each.request.client_order_id == shown))
            break
    console.print(tree, highlight=False)


def _member(each: OrderSummary, context: Mapping[str, str], pairs: Mapping[str, int], *, bold: bool) -> Text:
    request = each.request
    price = request.price or request.trigger_price
    text = f"{request.client_order_id}  {request.side.value} {request.amount:f} {request.kind.value}"
    text += "" if price is None else f" at {price:f}"
    text += f": {_state(each)}, filled {each.filled:f}"
    if pairs.get(context.get("oco", ""), 0) > 1:
        text += f"  [one cancels the other: {context['oco']}]"
    return Text(text, "bold" if bold else "")


@app.command("prune")
def prune_orders(
    context: typer.Context,
    older_than: Annotated[str, typer.Option("--older-than", help="age of an order's end: 90d, 26w")],
    journal: JournalOption = None,
) -> None:
    """Take ended orders of that age out of the journal; no bot may run. What a restart needs stays."""
    from btccxt.account.explain import spot_positions
    from btccxt.config import Mode

    age_ms = _age_ms(older_than)
    before_ms = int(time.time() * 1000) - age_ms
    path = _journal(journal or context.obj)
    with JournalReader(path) as reader:
        meta = reader.meta
    opened = Journal.open(
        path, exchange=meta["exchange"], mode=meta["mode"], account=meta["account"],
        lock_whole_account=Mode(meta["mode"]).needs_keys,
    )  # fmt: skip
    try:
        pruned = opened.prune(before_ms, spot_positions).result()
    finally:
        opened.close()
    typer.echo(f"{pruned.orders} orders that ended before {utc(before_ms)} taken out, with {pruned.fills} fills")
    if pruned.kept:
        typer.echo(
            f"{pruned.kept} older ones stay: their end has not been told, an order that lives is tied to them, or "
            "their fills are not yet in the figures that a start writes down"
        )


def _age_ms(text: str) -> int:
    found = re.fullmatch(r"(\d+)([dw])", text.strip())
    days = int(found[1]) * {"d": 1, "w": 7}[found[2]] if found else 0
    if days < 1:
        raise ConfigError(f"--older-than {text!r}: give days or weeks, at least one day: 90d, 26w")
    return days * 86_400_000


def utc(time_ms: int, fine: bool = False) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, tz=timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{time_ms % 1000:03d}" if fine else "")


def _state(summary: OrderSummary) -> str:
    """An order that waits here for its price, or its parent, was journaled and not sent."""
    return "waits here" if summary.pending_release and not summary.state.is_final else summary.state.value


def _plain(summary: OrderSummary) -> dict[str, Any]:
    request = {each.name: getattr(summary.request, each.name) for each in fields(summary.request)}
    told = {name: dict(value) if isinstance(value, Mapping) else value for name, value in request.items()}
    return {
        **{name: value for name, value in told.items() if value not in (None, {}, False)},
        "state": summary.state.value, "held": summary.pending_release, "order_id": summary.order_id,
        "filled": f"{summary.filled:f}", "created_ms": summary.created_ms, "updated_ms": summary.updated_ms,
    }  # fmt: skip


def _journal(given: Path | None) -> Path:
    if given is not None:
        return given
    from btccxt.runs.records import find_runs  # heavy

    folder = state_directory()
    of_runs = [Path(path) for run in find_runs() if (path := run.header.get("journal"))]
    found = {path for path in (*folder.glob("*.sqlite3"), *folder.glob("runs/*.sqlite3"), *of_runs) if path.is_file()}
    if not found:
        raise JournalError(f"no order journal in {folder}; name one with --journal")
    return max(found, key=_written_s)


def _written_s(journal: Path) -> float:
    """A bot that runs writes beside it."""
    beside = [path for end in ("", "-wal") if (path := journal.with_name(journal.name + end)).exists()]
    return max(path.stat().st_mtime for path in beside)
