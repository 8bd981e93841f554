"""What a run came to, in figures: net profit, win rate, fees, slippage, and what holding the coin had brought."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from btccxt.runs.state import RunOrder, RunState

REFUSED = frozenset({"Rejected", "Margin"})


@dataclass(frozen=True, slots=True)
class RunFigures:
    """Money in the account's currency; shares as fractions. None where there is nothing to divide by."""

    bars: int
    history_bars: int
    first_value: float
    last_value: float
    fees: float
    orders: int
    refused: int
    fills: int
    trades: int
    won: int
    best_trade: float
    worst_trade: float
    profit_factor: float | None
    max_drawdown: float
    buy_and_hold: float | None
    slippage: float | None
    """Of market orders: how much worse they were filled than the close they were decided on, weighed by money."""

    @property
    def profit(self) -> float:
        return self.last_value - self.first_value

    @property
    def profit_share(self) -> float | None:
        return self.profit / self.first_value if self.first_value else None

    @property
    def win_rate(self) -> float | None:
        return self.won / self.trades if self.trades else None


def figures_of(run: RunState) -> RunFigures:
    """Of the live bars; of all of them where none can be live (a backtest)."""
    course = run.course
    profits = [trade.net for trade in run.trades]
    lost = -sum(profit for profit in profits if profit < 0)
    gained = sum(profit for profit in profits if profit > 0)
    return RunFigures(
        bars=course.bars,
        history_bars=run.all_bars.bars - course.bars,
        first_value=course.first_value,
        last_value=course.last_value,
        fees=sum(order.fee for order in run.orders.values()),
        orders=len(run.orders),
        refused=sum(order.status in REFUSED for order in run.orders.values()),
        fills=len(run.fills),
        trades=len(profits),
        won=sum(profit > 0 for profit in profits),
        best_trade=max(profits, default=0.0),
        worst_trade=min(profits, default=0.0),
        profit_factor=gained / lost if lost else None,
        max_drawdown=course.deepest_fall,
        buy_and_hold=course.last_price / course.first_price - 1 if course.first_price else None,
        slippage=slippage(run.orders.values()),
    )


def slippage(orders: Iterable[RunOrder]) -> float | None:
    """Share of the money that market orders paid more, or got less, than at the close they were decided on."""
    at_signal, worse = 0.0, 0.0
    for order in orders:
        if order.kind == "Market" and order.filled and order.signal_price:
            at_signal += abs(order.filled) * order.signal_price
            worse += order.filled * (order.average - order.signal_price)
    return worse / at_signal if at_signal else None


def percent(share: float | None, signed: bool = False) -> str:
    """'-' for None."""
    return "-" if share is None else f"{share:+.2%}" if signed else f"{share:.1%}"


def rows_of(run: RunFigures, currency: str, symbol: str) -> list[tuple[str, str]]:
    """The figures as they are shown: name, value."""
    if not run.bars:
        return [("bars", f"none was live; {run.history_bars:,} of history"), _orders(run)]
    rows = [
        ("bars", f"{run.bars:,} after {run.history_bars:,} of history" if run.history_bars else f"{run.bars:,}"),
        ("equity", f"{run.first_value:,.2f} -> {run.last_value:,.2f} {currency}"),
        ("net profit", f"{run.profit:+,.2f} {currency} ({percent(run.profit_share, signed=True)})"),
        (f"holding {symbol}", percent(run.buy_and_hold, signed=True)),
        ("deepest fall", percent(run.max_drawdown)),
        ("fees", f"{run.fees:,.2f} {currency}"),
        _orders(run),
        ("closed trades", f"{run.trades}, win rate {percent(run.win_rate)}" if run.trades else "none"),
    ]
    if run.trades:
        rows.append(("best, worst trade", f"{run.best_trade:+,.2f}, {run.worst_trade:+,.2f} {currency} after fees"))
    if run.profit_factor is not None:
        rows.append(("profit factor", f"{run.profit_factor:.2f}"))
    if run.slippage is not None:
        rows.append(("slippage of market orders", f"{10_000 * run.slippage:+.1f} basis points"))
    return rows


def _orders(run: RunFigures) -> tuple[str, str]:
    return "orders, fills", f"{run.orders}, {run.fills}" + (f" ({run.refused} refused)" if run.refused else "")
