"""``btccxt dashboard``: the page that shows runs."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    port: Annotated[int, typer.Option(help="of this machine's loopback; 0 picks a free one", min=0, max=65535)] = 8377,
    control: Annotated[bool, typer.Option("--control", help="buttons that steer a bot, as btccxt ctl does")] = False,
    browser: Annotated[bool, typer.Option("--open", help="open it in your browser")] = False,
    until_input_ends: Annotated[bool, typer.Option("--until-input-ends", hidden=True)] = False,
) -> None:
    """Show the runs of this user on a page: candles with fills, equity, positions and their protection, orders, log.

    On this machine only, and for whoever has the address that is printed. Ctrl-C ends it; no bot notices.
    """
    from btccxt.cli.dashboard_run import serve

    serve(port, control=control, browser=browser, until_input_ends=until_input_ends)
