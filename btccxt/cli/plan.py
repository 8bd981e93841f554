"""The page before money, on the screen."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from btccxt.store.plan import OrderPlan

_COLOURS = {"native": "green", "emulated": "yellow", "refused": "dim"}
_ON_STOP = {
    "leave": "open orders stay when it stops",
    "cancel": "open orders are cancelled when it stops",
    "flatten": "open orders are cancelled and positions closed when it stops",
}


def print_plan(console: Console, plan: OrderPlan) -> None:
    """What the strategy uses is marked."""
    table = Table(
        title=f"{plan.strategy} on {plan.exchange} {plan.market}, mode {plan.mode}, account {plan.account}",
        header_style="bold", title_justify="left",
    )  # fmt: skip
    for name in ("order", "here", "if this process dies"):
        table.add_column(name)
    for kind in plan.kinds:
        name = f"[bold]{kind.name}[/] *" if kind.used else kind.name
        table.add_row(name, f"[{_COLOURS[kind.support]}]{kind.support}[/]", kind.if_process_dies)
    console.print(table)
    switch = plan.dead_mans_switch_s
    console.print(
        "* in the strategy's source. native: the exchange does it; emulated: done here; refused: never sent, with the "
        f"reason.\n{_ON_STOP[plan.on_stop]} (on_stop). Dead-man's switch: "
        + (f"the exchange cancels all orders {switch:g} s after it last heard from here." if switch else "off."),
        highlight=False,
    )
