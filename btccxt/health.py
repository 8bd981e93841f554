"""One snapshot of a running store: JSON-able, cheap, without secrets."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timezone
from typing import Any

from btccxt.exchange.ccxt_exchange import CCXTExchange
from btccxt.observe.redact import redact_text
from btccxt.orders.live_order import LifecycleState
from btccxt.runtime import Runtime

_ERRORS_KEPT = 20


class RecentErrors:
    """The last things that went wrong, with their time (this machine's, UTC)."""

    def __init__(self) -> None:
        self._kept: deque[dict[str, str]] = deque(maxlen=_ERRORS_KEPT)

    def add(self, what: str, error: BaseException) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._kept.append({"at": now, "what": what, "error": redact_text(f"{type(error).__name__}: {error}")})

    def as_list(self) -> list[dict[str, str]]:
        return list(self._kept)


async def snapshot(runtime: Runtime) -> dict[str, Any]:
    """Streams, clock, limits, breakers and orders at this instant. Runs in the session's loop."""
    clock, streams = runtime.clock, runtime.streams()
    facts: dict[str, Any] = {
        "state": streams.state.value,
        "clock": {
            "offset_ms": round(clock.offset_ms, 3),
            "uncertainty_ms": None if clock.uncertainty_ms is None else round(clock.uncertainty_ms, 3),
            "steps": clock.steps,
            "exchange_time_ms": clock.now_ms(),
        },
        "streams": [
            {
                "stream": str(health.key),
                "state": health.state.value,
                "data_age_s": None if health.data_age_s is None else round(health.data_age_s, 3),
                "attempts": health.attempts,
                "reconnects": health.reconnects,
                "last_error": redact_text(health.last_error),
            }
            for health in streams.snapshot()
        ],
        "orders": _orders(runtime),
    }
    exchange = runtime.public_exchange
    if isinstance(exchange, CCXTExchange):
        facts["limits"] = {
            name: {"used": round(use.used, 2), "capacity": use.capacity}
            for name, use in exchange.limiter.usage().items()
        }
        facts["breakers"] = {group.value: state.value for group, state in exchange.breakers.states.items()}
    return facts


def _orders(runtime: Runtime) -> dict[str, Any]:
    tracker = runtime.tracker
    if tracker is None:
        return {"tracked": False}
    live = tracker.open_orders()
    return {
        "tracked": True,
        "halted": tracker.halted,
        "in_flight": [order.client_order_id for order in live if order.state.is_in_flight],
        "unknown": [order.client_order_id for order in live if order.state is LifecycleState.UNKNOWN],
        "open": len(live),
    }
