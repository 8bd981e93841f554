"""``btccxt ctl BOT COMMAND``: hands on a running bot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

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
        typer.echo("\n".join(status_lines(chosen.id, answer.facts)))
    else:
        typer.echo(answer.text, err=not answer.good)
    if not answer.good:
        raise typer.Exit(1)


def status_lines(name: str, facts: Mapping[str, Any]) -> list[str]:
    """What a person wants to know first; --json has the rest."""
    trading, orders, streams = facts["trading"], facts.get("orders", {}), facts.get("streams", [])
    why = f" ({trading['why']})" if trading["why"] else ""
    lines = [f"{name}: {facts['state']}, trading {trading['state']}{why}"]
    lines += [
        " ".join([each["name"], *(f"{key}={value!r}" for key, value in each["params"].items())])
        for each in facts["strategies"]
    ]
    account = facts["account"]
    if isinstance(account, str):
        lines.append(account)
    else:
        lines.append(f"value {account['value']:,.2f}, cash {account['cash']:,.2f}")
        held = ", ".join(f"{symbol} {size:.10g}" for symbol, size in account["positions"].items())
        lines.append(f"holds {held or 'nothing'}")
        for each in account["open_orders"]:
            at = f" at {each['price']:,.10g}" if each["price"] else ""
            filled = f", filled {each['filled']:g}" if each["filled"] else ""
            lines.append(
                f"order {each['ref']}: {each['order']}{at}, {each['state'].lower()}{filled}  {each['id'] or ''}"
            )
    lines += [
        f"{each['symbol']}: {each['open']} open, {each['protected']} protected, for {each['unprotected_s']:.0f} s"
        for each in orders.get("protection", ())
        if each["unprotected_s"]
    ]
    lines += [f"outcome not known yet: {each}" for each in orders.get("unknown", ())]
    ill = [each for each in streams if each["state"] != "live"]
    lines.append(f"streams: {len(streams) - len(ill)} of {len(streams)} live")
    lines += [f"  {each['stream']}: {each['state']} {each['last_error']}".rstrip() for each in ill]
    return lines
