"""When the last pong came, by the clock that judges it.

ccxt's clients compare it with this computer's time, but ccxt's handlers note it in the exchange's (which our instances
keep), or note what the pong carries. Where this computer is ahead, every healthy connection would be torn down.
"""

from __future__ import annotations

import time
from typing import Any

_classes: dict[type, type] = {}  # ccxt's -> ours


def judge_pongs_here(client: Any) -> None:
    """Let this ccxt Client note its pongs by this computer's clock, whatever time it is given."""
    own = type(client)
    if own not in _classes:
        _classes[own] = type(own.__name__, (own,), {"lastPong": property(_last_pong, _note_pong)})
    client.__class__ = _classes[own]


def _last_pong(client: Any) -> int | None:
    at_ms: int | None = client.__dict__.get("last_pong_here_ms")
    return at_ms


def _note_pong(client: Any, told_ms: int | None) -> None:
    client.__dict__["last_pong_here_ms"] = None if told_ms is None else int(time.time() * 1000)
