"""Money that moves without a trade is noticed by its balance push, and looked up in the exchange's own list."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from btccxt.errors import BtccxtError, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import Transfer
from btccxt.resilience.clock import ExchangeClock

_FILL_NEAR_S = 0.25  # a fill and the balance that it changes come in either order
_DAY_MS = 86_400_000
_KEPT = 100


class MoneyWatch:
    """Lives in the session's loop. ``look`` asks for a reconciliation."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        clock: ExchangeClock,
        look: Callable[[], None],
        trouble: Callable[[str, BaseException], None],
    ) -> None:
        self.is_due = False
        """A balance moved and no fill came near it: the next reconciliation is to ask for the list."""
        self._exchange = exchange
        self._clock = clock
        self._look = look
        self._trouble = trouble
        self._is_troubled = False
        self._fills_s: deque[float] = deque(maxlen=_KEPT)
        self._moves_s: deque[float] = deque(maxlen=_KEPT)

    def filled(self, count: int) -> None:
        """So many fills were told."""
        self._fills_s.extend([asyncio.get_running_loop().time()] * count)

    def balance_moved(self) -> None:
        """A stream told another total of a coin. Where that is told more often than fills, money moved."""
        loop = asyncio.get_running_loop()
        moved_at_s = loop.time()
        self._moves_s.append(moved_at_s)

        def judge() -> None:
            near_s = moved_at_s - _FILL_NEAR_S
            fills, moves = (sum(at_s >= near_s for at_s in each) for each in (self._fills_s, self._moves_s))
            if moves > fills:
                self.is_due = True
                self._look()

        loop.call_later(_FILL_NEAR_S, judge)

    async def listed(self) -> tuple[Transfer, ...]:
        """Of the last day; none where the exchange does not tell now: what it would explain is then alarmed.

        No error leaves: where a list cannot be had at all (a testnet, a key without the right) the account is compared
        all the same. It is told once until it can be had.
        """
        try:
            found = tuple(await self._exchange.fetch_transfers(self._clock.now_ms() - _DAY_MS))
        except Unsupported:
            return ()
        except BtccxtError as error:
            if not self._is_troubled:
                self._trouble("deposits, withdrawals and transfers", error)
            self._is_troubled = True
            return ()
        self._is_troubled = False
        return found
