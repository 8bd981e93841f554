"""Which private state the streams tell, and whether they still do: compared with what REST told.

A server that answers pings and sends nothing looks alive, and an account on which nothing happens looks the same. The
difference shows when REST tells of a fill: the stream has to tell of it too, or it is deaf.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable

from btccxt.model import MarketType, StreamKey, StreamKind

PRIVATE_KINDS = (StreamKind.ORDERS, StreamKind.FILLS, StreamKind.BALANCE, StreamKind.POSITIONS)
Suspect = Callable[[Collection[StreamKey], str], None]


def state_to_hear(market_type: MarketType, *, fills: bool) -> frozenset[StreamKind]:
    """What of an account changes without our asking. ``fills``: False where the orders tell of them."""
    unknown = {StreamKind.POSITIONS} if market_type is MarketType.SPOT else set()
    if not fills:
        unknown.add(StreamKind.FILLS)
    return frozenset(PRIVATE_KINDS) - unknown


class PrivateStreamMonitor:
    """Lives in the session's loop. ``suspect`` is called with the deaf keys; ``patience_s`` is wall time."""

    def __init__(self, suspect: Suspect, patience_s: float, to_hear: frozenset[StreamKind] = frozenset()) -> None:
        self._suspect = suspect
        self._patience_s = patience_s
        self._to_hear = to_hear
        self._up_at: dict[StreamKey, float] = {}
        self._heard_at: dict[StreamKey, float] = {}
        self._checks: dict[StreamKey, asyncio.TimerHandle] = {}

    def up(self, key: StreamKey) -> None:
        self._up_at[key] = asyncio.get_running_loop().time()

    def down(self, key: StreamKey) -> None:
        self._up_at.pop(key, None)
        if (check := self._checks.pop(key, None)) is not None:
            check.cancel()

    def missing(self) -> frozenset[StreamKind]:
        """What no stream tells at the moment, broken or never there: to be asked for."""
        return self._to_hear - {key.kind for key in self._up_at}

    def heard(self, key: StreamKey) -> None:
        self._heard_at[key] = asyncio.get_running_loop().time()

    def age_s(self) -> float | None:
        """Since the last private news, or the last (re)connect; None while no private stream is up."""
        if not self._up_at:
            return None
        last = max(*self._up_at.values(), *self._heard_at.values(), 0.0)
        return asyncio.get_running_loop().time() - last

    def confirmed_by_rest(self, kinds: Iterable[StreamKind], what: str) -> None:
        """REST knows of something that happened while the streams of these kinds were up."""
        loop = asyncio.get_running_loop()
        wanted = set(kinds)
        for key in self._up_at:
            if key.kind in wanted and key not in self._checks:
                self._checks[key] = loop.call_later(self._patience_s, self._check, key, loop.time(), what)

    def _check(self, key: StreamKey, told_at: float, what: str) -> None:
        del self._checks[key]
        # News may come by stream shortly before REST tells of it, as well as after.
        if self._heard_at.get(key, 0.0) < told_at - self._patience_s:
            self._suspect((key,), f"silent about {what}, which REST told {self._patience_s:g} s ago")

    def close(self) -> None:
        for check in self._checks.values():
            check.cancel()
        self._checks.clear()
