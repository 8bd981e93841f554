"""``btccxt ctl BOT COMMAND``: hands on a running bot."""

from __future__ import annotations

from typing import Annotated

import typer


def _bots(incomplete: str) -> list[str]:
    from btccxt.session.status_file import find_running

    return [each.path.stem.rpartition("-")[0] for each in find_running() if each.path.stem.startswith(incomplete)]


def _commands(incomplete: str) -> list[str]:
    names = ("status", "pause", "reduce", "resume", "cancel", "flatten", "stop", "set")
    return [name for name in names if name.startswith(incomplete)]


def command(
    bot: Annotated[
        str,
        typer.Argument(
            help="as btccxt status shows it: its name or process; '-' for the only one", autocompletion=_bots
        ),
    ],
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="status, pause, reduce, resume, cancel ORDER, flatten, stop, set NAME=VALUE", autocompletion=_commands
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
) -> None:
    """Look at a running bot, pause it, let it only reduce, cancel, flatten, stop it, or set a parameter.

    status: how it is. pause: no new orders (exits at work go on). reduce: only what reduces exposure. resume: trade
    again. cancel ORDER: its number, client order id or exchange id; all. flatten: reduce, cancel everything, close all
    positions. stop: end in order. set NAME=VALUE: a parameter of the strategy, read when it is used next.
    """
    import json

    from btccxt.store.control import Command, bots, check, find_bot

    words = what or ["status"]
    asked = Command(words[0], tuple(words[1:]))
    check(asked)
    known = list(bots())
    chosen = known[0] if bot == "-" and len(known) == 1 else find_bot(bot)
    answer = chosen.tell(asked)
    if as_json:
        typer.echo(json.dumps({"done": answer.good, "text": answer.text, **answer.facts}, indent=2, default=str))
    elif asked.name == "status":
        _print(chosen.id, dict(answer.facts))
    else:
        typer.echo(answer.text, err=not answer.good)
    if not answer.good:
        raise typer.Exit(1)


def _print(name: str, facts: dict[str, object]) -> None:
    from rich.console import Console
    from rich.pretty import Pretty

    console = Console()
    console.print(f"[bold]{name}[/]", highlight=False)
    console.print(Pretty(facts, max_length=20))
