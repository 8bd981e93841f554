"""The exchange's time, measured: a few questions, and the clock takes the best of the answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from btccxt.errors import ClockSkew, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.observe.log import EventName, get_logger
from btccxt.resilience.clock import ExchangeClock, TimeAnswer, believable, resolution_of

_SAMPLES = 3


async def measure_clock(exchange: ExchangeAPI, clock: ExchangeClock) -> None:
    """Does nothing where the exchange does not tell its time. Raises the exchange's other errors.

    One absurd answer is outvoted by the others, whichever of them it is.
    """
    answers: list[TimeAnswer] = []
    try:
        for _ in range(_SAMPLES):
            sent_ms = clock.local_ms()
            server_ms = await exchange.fetch_time()
            answers.append(TimeAnswer(sent_ms, clock.local_ms(), server_ms))
    except Unsupported:
        return
    finally:
        _take(exchange.id, answers, clock)


def _take(exchange_id: str, answers: Sequence[TimeAnswer], clock: ExchangeClock) -> None:
    steps, believed = clock.steps, believable(answers, clock)
    for each in believed:
        resolution_ms = resolution_of(each.server_ms)
        clock.add_sample(each.sent_ms, each.received_ms, each.server_ms, resolution_ms=resolution_ms)
    if len(believed) < len(answers):
        log.warning(
            EventName.CLOCK_OUTVOTED, exchange=exchange_id, offset_ms=round(clock.offset_ms),
            answers_off_ms=[round(each.offset_ms - clock.offset_ms) for each in answers if each not in believed],
        )  # fmt: skip
    if clock.steps != steps:
        log.warning(EventName.CLOCK_STEPPED, exchange=exchange_id, offset_ms=round(clock.offset_ms), steps=clock.steps)


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
