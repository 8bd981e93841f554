"""A run as the page and the report get it: plain values, JSON-able. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from btccxt.runs.figures import figures_of, rows_of
from btccxt.runs.state import RunState

_ORDERS = _FILLS = _TRADES = 2_000
_TOLD = 300


def snapshot(run: RunState, health: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything that is shown. ``bars``: by symbol, ``[close ms, o, h, l, c, volume, live, value or null]``."""
    return {
        "t": "snapshot",
        "header": dict(run.header),
        "ended": run.ended_wall_ms,
        "bars": {
            symbol: [[b.time_ms, b.open, b.high, b.low, b.close, b.volume, int(b.live), b.value] for b in bars]
            for symbol, bars in run.bars_of.items()
        },
        "fills": [asdict(fill) for fill in run.fills[-_FILLS:]],
        "orders": [asdict(order) | {"open": order.is_open} for order in list(run.orders.values())[-_ORDERS:]],
        "trades": [asdict(trade) for trade in run.trades[-_TRADES:]],
        "told": [asdict(told) for told in list(run.told)[-_TOLD:]],
        **changing(run, health),
    }


def changing(run: RunState, health: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is told again and again beside the records."""
    return {
        "figures": rows_of(figures_of(run), str(run.header.get("currency", "")), run.symbol),
        "cash": run.cash,
        "held": dict(run.held),
        "health": None if health is None else brief(health),
    }


def brief(health: Mapping[str, Any]) -> dict[str, Any]:
    """Of ``store.health()``: connection, streams, trading state, protection of positions."""
    orders = health.get("orders") or {}
    return {
        "state": health.get("state"),
        "trading": (health.get("trading") or {}).get("state"),
        "why": (health.get("trading") or {}).get("why"),
        "warmup": (health.get("warmup") or {}).get("world"),
        "streams": health.get("streams", []),
        "protection": [each for each in orders.get("protection", []) if _asks_for_a_stop(each)],
        "unknown": orders.get("unknown", []),
        "last_errors": health.get("last_errors", []),
        "written_at": health.get("written_at"),
    }


def _asks_for_a_stop(position: Mapping[str, Any]) -> bool:
    """False where its stop was cancelled on purpose, as by ``btccxt ctl BOT flatten``."""
    return float(position["protected"]) > 0 or float(position["unprotected_s"]) > 0
