"""What a run came to, in figures: net profit, win rate, fees, drawdown, and what holding the coin had brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from btccxt.cli.report import RunRecorder


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Money in the account's currency; shares as fractions. None where there is nothing to divide by."""

    bars: int
    history_bars: int
    first_value: float
    last_value: float
    fees: float
    orders: int
    fills: int
    trades: int
    won: int
    best_trade: float
    worst_trade: float
    profit_factor: float | None
    max_drawdown: float
    buy_and_hold: float | None

    @property
    def profit(self) -> float:
        return self.last_value - self.first_value

    @property
    def profit_share(self) -> float | None:
        return self.profit / self.first_value if self.first_value else None

    @property
    def win_rate(self) -> float | None:
        return self.won / self.trades if self.trades else None


def summarise(run: RunRecorder) -> RunSummary:
    """Of the live bars; of all of them where none was live (a backtest)."""
    live = [bar for bar in run.bars if bar.live]
    bars = live or run.bars
    values = [bar.value for bar in bars]
    profits = run.trade_profits
    lost = -sum(profit for profit in profits if profit < 0)
    gained = sum(profit for profit in profits if profit > 0)
    return RunSummary(
        bars=len(bars),
        history_bars=len(run.bars) - len(bars),
        first_value=values[0] if values else 0.0,
        last_value=values[-1] if values else 0.0,
        fees=sum(order.commission for order in run.orders.values()),
        orders=len(run.orders),
        fills=len(run.fills),
        trades=len(profits),
        won=sum(profit > 0 for profit in profits),
        best_trade=max(profits, default=0.0),
        worst_trade=min(profits, default=0.0),
        profit_factor=gained / lost if lost else None,
        max_drawdown=max_drawdown(values),
        buy_and_hold=bars[-1].close / bars[0].close - 1 if bars and bars[0].close else None,
    )


def max_drawdown(values: Sequence[float]) -> float:
    """The deepest fall from a former peak, as a fraction of that peak."""
    peak, deepest = 0.0, 0.0
    for value in values:
        peak = max(peak, value)
        if peak > 0:
            deepest = max(deepest, (peak - value) / peak)
    return deepest


def print_summary(console: Console, run: RunSummary, currency: str, symbol: str) -> None:
    """The figures, one a line."""
    table = Table(title="Result", header_style="bold", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = [
        ("bars", f"{run.bars:,} after {run.history_bars:,} of history" if run.history_bars else f"{run.bars:,}"),
        ("equity", f"{run.first_value:,.2f} -> {run.last_value:,.2f} {currency}"),
        ("net profit", f"{run.profit:+,.2f} {currency} ({_percent(run.profit_share, signed=True)})"),
        (f"holding {symbol}", _percent(run.buy_and_hold, signed=True)),
        ("deepest fall", _percent(run.max_drawdown)),
        ("fees", f"{run.fees:,.2f} {currency}"),
        ("orders, fills", f"{run.orders}, {run.fills}"),
        ("closed trades", f"{run.trades}, win rate {_percent(run.win_rate)}" if run.trades else "none"),
    ]
    if run.trades:
        rows.append(("best, worst trade", f"{run.best_trade:+,.2f}, {run.worst_trade:+,.2f} {currency} after fees"))
    if run.profit_factor is not None:
        rows.append(("profit factor", f"{run.profit_factor:.2f}"))
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)


def _percent(share: float | None, signed: bool = False) -> str:
    return "-" if share is None else f"{share:+.2%}" if signed else f"{share:.1%}"
