"""The dead-man's switch: the exchange cancels all orders unless it hears from us in time.

Renewed three times per period, so that two lost requests in a row do no harm; disarmed when the store stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from btccxt.errors import BtccxtError, ConfigError
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.profile.profile import Profile
from btccxt.observe.log import EventName, get_logger
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.supervised import TaskPolicy, Tasks

log = get_logger(__name__)

SHORTEST_S = 10.0  # OKX takes nothing below; and a third of it must outlast a slow request
_RENEWALS_PER_PERIOD = 3
_DISARM_WITHIN_S = 3.0


def check_dead_mans_switch(timeout_s: float, profile: Profile) -> None:
    """Raises ConfigError if this exchange has no such switch, or not with this time."""
    rule = profile.dead_mans_switch
    if not rule.available:
        raise ConfigError(
            f"dead_mans_switch_s={timeout_s:g}: {profile.exchange} cannot cancel all orders by itself when it no "
            "longer hears from us; leave it out (on_stop='cancel' cancels at an orderly stop)"
        )
    longest_s = rule.max_timeout_ms / 1000 if rule.max_timeout_ms is not None else float("inf")
    if not SHORTEST_S <= timeout_s <= longest_s:
        bound = "" if longest_s == float("inf") else f" and at most {longest_s:g}"
        raise ConfigError(
            f"dead_mans_switch_s={timeout_s:g}: {profile.exchange} takes at least {SHORTEST_S:g} s{bound}"
        )


class DeadMansSwitch:
    """Lives in the session's loop. ``report`` hears if it cannot be disarmed."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        timeout_s: float,
        report: Callable[[str, BaseException], None],
        wall_s: Callable[[float], float] = lambda exchange_ms: exchange_ms / 1000,
    ) -> None:
        """``wall_s``: of the exchange's clock, which counts the time-out (the embedded exchange may run faster)."""
        self._exchange = exchange
        self._wall_s = wall_s
        self._timeout_ms = int(timeout_s * 1000)
        self._report = report
        self._armed = False

    async def arm(self) -> None:
        """The first time, at start: whatever fails here is raised, since the user counts on the switch."""
        await self._exchange.cancel_all_after(self._timeout_ms)
        self._armed = True
        log.info(EventName.DEAD_MAN_SET, timeout_ms=self._timeout_ms)

    def keep(self, tasks: Tasks) -> None:
        """Renew as long as these tasks live. A renewal that failed is tried again well before the switch is due."""
        period_s = self._wall_s(self._timeout_ms / _RENEWALS_PER_PERIOD)
        soon = Backoff(first_s=period_s / 4, start_s=period_s / 2, factor=1.0, max_s=period_s / 2)
        tasks.every(period_s, self._renew, "dead man's switch", TaskPolicy(soon, alarm_after=_RENEWALS_PER_PERIOD))

    async def _renew(self) -> None:
        await self._exchange.cancel_all_after(self._timeout_ms)

    async def disarm(self) -> None:
        """Tell the exchange to forget it; bounded, never raises."""
        if not self._armed:
            return
        self._armed = False
        try:
            await asyncio.wait_for(self._exchange.cancel_all_after(0), _DISARM_WITHIN_S)
        except (BtccxtError, asyncio.TimeoutError, TimeoutError) as error:
            self._report("disarming the dead man's switch (the exchange will cancel all orders)", error)
