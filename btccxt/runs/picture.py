"""A run as a picture: price with fills above, equity and position below."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

from btccxt.runs.state import RunBar, RunState

_HISTORY_SHOWN = 60


def utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=timezone.utc)


def shown_bars(run: RunState) -> list[RunBar]:
    """All that was live, and of the history before it a little; all of it where nothing was live."""
    bars = list(run.bars)
    first_live = next((number for number, bar in enumerate(bars) if bar.live), 0)
    return bars[max(0, first_live - _HISTORY_SHOWN) :]


def draw(run: RunState, path: Path, title: str, currency: str) -> Path:
    """Write a PNG: price with fills above, equity and position below. Needs matplotlib (``btccxt[plot]``)."""
    import matplotlib

    matplotlib.use("Agg", force=True)  # backtrader.plot picks a windowed backend at import
    import matplotlib.dates as mdates
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    bars = shown_bars(run)
    fills_here = [fill for fill in run.fills if fill.symbol == run.symbol]
    times = [utc(bar.time_ms) for bar in bars]
    figure, (price_axis, value_axis, position_axis) = plt.subplots(
        3, 1, figsize=(13, 8.5), sharex=True, height_ratios=(5, 2, 1.2), layout="constrained"
    )
    _draw_candles(price_axis, bars)
    _shade_history(price_axis, bars)
    for sign, marker, colour, label in ((1, "^", "#0a7d33", "buy fill"), (-1, "v", "#c22121", "sell fill")):
        fills = [fill for fill in fills_here if fill.size * sign > 0]
        if fills:
            largest = max(abs(fill.size) for fill in fills_here)
            price_axis.scatter(
                [utc(fill.time_ms) for fill in fills], [fill.price for fill in fills],
                s=[35 + 110 * abs(fill.size) / largest for fill in fills],
                marker=marker, color=colour, edgecolor="white", linewidth=0.8, zorder=5,
                label=f"{label} ({len(fills)})",
            )  # fmt: skip
    price_axis.set_title(title, loc="left", fontweight="bold")
    price_axis.set_ylabel("price")
    if fills_here:
        price_axis.legend(loc="upper left", frameon=False)
    values = [bar.value or 0.0 for bar in bars]
    value_axis.plot(times, values, color="#1f4e9c", linewidth=1.4)
    value_axis.fill_between(times, values, values[0] if values else 0, color="#1f4e9c", alpha=0.12)
    value_axis.set_ylabel(f"equity {currency}")
    position_axis.step(times, [bar.position for bar in bars], where="post", color="#6b4fa0", linewidth=1.2)
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


def _draw_candles(axis: Any, bars: Sequence[RunBar]) -> None:
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


def _shade_history(axis: Any, bars: Sequence[RunBar]) -> None:
    past = [bar for bar in bars if not bar.live]
    if past and len(past) < len(bars):
        axis.axvspan(utc(past[0].time_ms), utc(past[-1].time_ms), color="#888888", alpha=0.10, linewidth=0)
        axis.text(
            0.5 * len(past) / len(bars), 0.02, "backfilled history", transform=axis.transAxes, ha="center",
            color="#777777", fontsize=9,
        )  # fmt: skip
