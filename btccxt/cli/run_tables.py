"""What a run did, on the screen: recorded by an analyzer, shown as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from btccxt.bt.run_log import Log, RunLog
from btccxt.runs.figures import REFUSED, figures_of, rows_of
from btccxt.runs.picture import utc
from btccxt.runs.state import RunState

_ROWS = 40
_REASONS = 5


class RunRecorder(RunLog):
    """Keeps what it records: ``cerebro.addanalyzer(RunRecorder)``, then ``.run`` of it."""

    def start(self) -> None:
        self.run = RunState()
        self.p.opened = lambda _: Log(self.run.apply, lambda: None)
        super().start()

    def get_analysis(self) -> dict[str, Any]:
        return {"bars": len(self.run.bars), "fills": len(self.run.fills), "orders": len(self.run.orders)}


def print_orders(console: Console, run: RunState, currency: str) -> None:
    """The table of orders with their fills, fees and profit, and a line of totals."""
    refused = [order for order in run.orders.values() if order.status in REFUSED]
    sent = [order for order in run.orders.values() if order.status not in REFUSED]
    fills = Counter(fill.ref for fill in run.fills)
    profits = run.net_profits
    title = f"Orders (times in UTC, money in {currency})"
    if len(sent) > _ROWS:
        title += f", the last {_ROWS} of {len(sent)}"
    table = Table(title=title, header_style="bold", title_justify="left")
    for name in ("time", "side", "kind", "size", "at", "filled", "average", "fills", "fee", "net profit", "status"):
        words = name in ("time", "side", "kind", "status")
        table.add_column(name, justify="left" if words else "right", no_wrap=name != "status")
    for order in sent[-_ROWS:]:
        colour = "green" if order.side == "buy" else "red"
        table.add_row(
            utc(order.time_ms).strftime("%d %H:%M"),
            f"[{colour}]{order.side}[/]",
            order.kind,
            f"{abs(order.size):g}",
            f"{order.price:,.2f}" if order.kind != "Market" else "market",
            f"{abs(order.filled):g}",
            f"{order.average:,.2f}" if order.filled else "-",
            str(fills[order.ref]),
            f"{order.fee:.4f}",
            f"{profits[order.ref]:+,.2f}" if order.ref in profits else "-",
            escape(order.status + (f" ({order.why})" if order.why else "")),
        )
    if sent:
        console.print(table)
    if refused:
        console.print(f"{len(refused)} {'order was' if len(refused) == 1 else 'orders were'} refused and not sent:")
        reasons = Counter(order.why or order.status for order in refused)
        for reason, count in reasons.most_common(_REASONS):
            console.print(f"  {count:>3} x {reason}", markup=False, highlight=False, soft_wrap=True)
        if len(reasons) > _REASONS:
            console.print(f"      and {len(reasons) - _REASONS} other reasons")


def print_books(console: Console, books: Sequence[tuple[str, Decimal, Decimal]]) -> None:
    """Our figures beside the exchange's."""
    table = Table(title="Books", header_style="bold", title_justify="left")
    for name in ("", "btccxt", "exchange", ""):
        table.add_column(name, justify="right")
    for name, ours, theirs in books:
        table.add_row(name, f"{ours:f}", f"{theirs:f}", "[green]equal[/]" if ours == theirs else "[red]DIFFERENT[/]")
    console.print(table)


def print_figures(console: Console, run: RunState, currency: str) -> None:
    """The figures, one a line."""
    table = Table(title="Result", header_style="bold", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows_of(figures_of(run), currency, run.symbol):
        table.add_row(name, value)
    console.print(table)
