"""Whether signatures made now carry a time that the exchange accepts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from btccxt.errors import ClockSkew
from btccxt.observe.log import EventName, get_logger
from btccxt.resilience.clock import ExchangeClock

log = get_logger(__name__)


async def check_signing_clock(
    exchange_id: str, clock: ExchangeClock, window_ms: float, measure: Callable[[], Awaitable[None]]
) -> None:
    """Raises ClockSkew if the clock's error may exceed ``window_ms``, also after measuring it anew.

    Signatures carry the exchange's time already, so only what is uncertain of it counts.
    """
    allowed_ms = window_ms * clock.speed  # networks do not get quicker with an embedded exchange's clock
    if not clock.beyond_window(allowed_ms, signing_corrected=True):
        return
    await measure()
    if not clock.beyond_window(allowed_ms, signing_corrected=True):
        return
    log.error(
        EventName.CLOCK_BEYOND_WINDOW, exchange=exchange_id, window_ms=window_ms, offset_ms=clock.offset_ms,
        uncertainty_ms=clock.uncertainty_ms,
    )  # fmt: skip
    raise ClockSkew(
        f"{exchange_id}: its time is known to ±{clock.uncertainty_ms:.0f} ms only, and it refuses signatures that are "
        f"{window_ms:g} ms off: no orders until the clock can be measured better (a slow network? the window is "
        "config['options']['recvWindow'])"
    )
