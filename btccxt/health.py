"""One snapshot of a running store: JSON-able, cheap, without secrets."""

from __future__ import annotations

from typing import Any

from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.observe.redact import redact_text
from btccxt.orders.live_order import LifecycleState
from btccxt.store.account_session import Runtime


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
