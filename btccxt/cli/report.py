"""What a run did: recorded by an analyzer, shown as tables and as a picture of price, fills and equity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from btccxt.bt.compat import bt
from btccxt.bt.order_text import kind_name
from btccxt.bt.time import ms_of_num

_REFUSED = frozenset({"Rejected", "Margin"})
_ROWS = 40
_REASONS = 5


@dataclass(frozen=True, slots=True)
class RecordedBar:
    """One ``next()`` of the strategy: the bar it saw and the account's value after it."""

    time_ms: int
    open: float
    high: float
    low: float
    close: float
    value: float
    position: float
    live: bool


@dataclass(frozen=True, slots=True)
class RecordedFill:
    time_ms: int
    ref: int
    size: float  # signed
    price: float
    commission: float


@dataclass(frozen=True, slots=True)
class RecordedOrder:
    """An order at its last notification."""

    ref: int
    time_ms: int
    side: str
    kind: str
    size: float
    price: float
    filled: float
    average: float
    fills: int
    commission: float
    status: str
    reasons: tuple[str, ...]


class RunRecorder(bt.Analyzer):
    """Records bars, fills, orders and closed trades of the first data. Add it with ``cerebro.addanalyzer``."""

    def start(self) -> None:
        self.bars: list[RecordedBar] = []
        self.fills: list[RecordedFill] = []
        self.orders: dict[int, RecordedOrder] = {}
        self.trade_profits: list[float] = []
        self.net_profits: dict[int, float] = {}
        """Of trades, after the fees of all their fills, by the order that closed them."""
        self._latest_ref = 0

    def next(self) -> None:
        self._record_bar()

    def prenext(self) -> None:
        self._record_bar()

    def nextstart(self) -> None:
        self._record_bar()

    def _record_bar(self) -> None:
        data = self.strategy.data
        if not len(data):
            return
        live = getattr(data, "_laststatus", None) == data.LIVE
        time_ms = ms_of_num(data.datetime[0])
        position = self.strategy.broker.getposition(data)
        bar = RecordedBar(
            time_ms, data.open[0], data.high[0], data.low[0], data.close[0],
            self.strategy.broker.getvalue(), position.size, live,
        )  # fmt: skip
        if self.bars and self.bars[-1].time_ms == time_ms:
            self.bars[-1] = bar
        else:
            self.bars.append(bar)

    def notify_order(self, order: bt.Order) -> None:
        if order.exectype == bt.Order.Historical:
            return
        executed = order.executed
        self._latest_ref = order.ref
        seen = self.orders[order.ref].fills if order.ref in self.orders else 0
        bits = list(executed.exbits)[seen:]
        for bit in bits:
            self.fills.append(RecordedFill(ms_of_num(bit.dt), order.ref, bit.size, bit.price, bit.comm))
        created_num = order.created.dt or (bits[0].dt if bits else 0.0)
        self.orders[order.ref] = RecordedOrder(
            ref=order.ref,
            time_ms=ms_of_num(created_num),
            side="buy" if order.isbuy() else "sell",
            kind=kind_name(order),
            size=abs(order.created.size),
            price=order.created.price,
            filled=abs(executed.size),
            average=executed.price,
            fills=seen + len(bits),
            commission=executed.comm,
            status=order.getstatusname(),
            reasons=tuple(order.info.get("reasons", ()) or ()),
        )

    def notify_trade(self, trade: bt.Trade) -> None:
        if trade.isclosed:
            self.trade_profits.append(trade.pnlcomm)
            closed_by = self.net_profits
            closed_by[self._latest_ref] = closed_by.get(self._latest_ref, 0.0) + trade.pnlcomm

    def get_analysis(self) -> dict[str, Any]:
        return {
            "bars": self.bars,
            "fills": self.fills,
            "orders": list(self.orders.values()),
            "trade_profits": self.trade_profits,
        }


def utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=timezone.utc)


def print_orders(console: Console, run: RunRecorder, currency: str) -> None:
    """The table of orders with their fills, fees and profit, and a line of totals."""
    refused = [order for order in run.orders.values() if order.status in _REFUSED]
    sent = [order for order in run.orders.values() if order.status not in _REFUSED]
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
            f"{order.size:g}",
            f"{order.price:,.2f}" if order.kind != "Market" else "market",
            f"{order.filled:g}",
            f"{order.average:,.2f}" if order.filled else "-",
            str(order.fills),
            f"{order.commission:.4f}",
            f"{run.net_profits[order.ref]:+,.2f}" if order.ref in run.net_profits else "-",
            escape(order.status + (f" ({'; '.join(order.reasons)})" if order.reasons else "")),
        )
    if sent:
        console.print(table)
    if refused:
        console.print(f"{len(refused)} {'order was' if len(refused) == 1 else 'orders were'} refused and not sent:")
        reasons = Counter("; ".join(order.reasons) or order.status for order in refused)
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


def draw(run: RunRecorder, path: Path, title: str, currency: str) -> Path:
    """Write a PNG: price with fills above, equity and position below. Needs matplotlib (``btccxt[plot]``)."""
    import matplotlib

    matplotlib.use("Agg", force=True)  # backtrader.plot picks a windowed backend at import
    import matplotlib.dates as mdates
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    times = [utc(bar.time_ms) for bar in run.bars]
    figure, (price_axis, value_axis, position_axis) = plt.subplots(
        3, 1, figsize=(13, 8.5), sharex=True, height_ratios=(5, 2, 1.2), layout="constrained"
    )
    _draw_candles(price_axis, run.bars)
    _shade_history(price_axis, run.bars)
    for sign, marker, colour, label in ((1, "^", "#0a7d33", "buy fill"), (-1, "v", "#c22121", "sell fill")):
        fills = [fill for fill in run.fills if fill.size * sign > 0]
        if fills:
            largest = max(abs(fill.size) for fill in run.fills)
            price_axis.scatter(
                [utc(fill.time_ms) for fill in fills], [fill.price for fill in fills],
                s=[35 + 110 * abs(fill.size) / largest for fill in fills],
                marker=marker, color=colour, edgecolor="white", linewidth=0.8, zorder=5,
                label=f"{label} ({len(fills)})",
            )  # fmt: skip
    price_axis.set_title(title, loc="left", fontweight="bold")
    price_axis.set_ylabel("price")
    if run.fills:
        price_axis.legend(loc="upper left", frameon=False)
    values = [bar.value for bar in run.bars]
    value_axis.plot(times, values, color="#1f4e9c", linewidth=1.4)
    value_axis.fill_between(times, values, values[0] if values else 0, color="#1f4e9c", alpha=0.12)
    value_axis.set_ylabel(f"equity {currency}")
    position_axis.step(times, [bar.position for bar in run.bars], where="post", color="#6b4fa0", linewidth=1.2)
    position_axis.set_ylabel("position")
    dates = mdates.ConciseDateFormatter(mdates.AutoDateLocator(), tz=timezone.utc)  # type: ignore[no-untyped-call]
    position_axis.xaxis.set_major_formatter(dates)
    for axis in (price_axis, value_axis, position_axis):
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.10g}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _draw_candles(axis: Any, bars: Sequence[RecordedBar]) -> None:
    if len(bars) < 2:
        return
    width = min(second.time_ms - first.time_ms for first, second in pairwise(bars)) / 86_400_000
    for rising, colour in ((True, "#5aa469"), (False, "#d1605e")):
        chosen = [bar for bar in bars if (bar.close >= bar.open) is rising]
        times = [utc(bar.time_ms) for bar in chosen]
        axis.vlines(times, [bar.low for bar in chosen], [bar.high for bar in chosen], color=colour, linewidth=0.8)
        axis.bar(
            times, [abs(bar.close - bar.open) for bar in chosen], width * 0.7,
            bottom=[min(bar.open, bar.close) for bar in chosen], color=colour, linewidth=0,
        )  # fmt: skip


def _shade_history(axis: Any, bars: Sequence[RecordedBar]) -> None:
    past = [bar for bar in bars if not bar.live]
    if past and len(past) < len(bars):
        axis.axvspan(utc(past[0].time_ms), utc(past[-1].time_ms), color="#888888", alpha=0.10, linewidth=0)
        axis.text(
            0.5 * len(past) / len(bars), 0.02, "backfilled history", transform=axis.transAxes, ha="center",
            color="#777777", fontsize=9,
        )  # fmt: skip
