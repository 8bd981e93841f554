"""What a store tells a strategy through ``notify_store``: typed for whoever decides by it, readable as text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class NoticeKind(str, Enum):
    """What a store notification is about."""

    STREAM = "stream"
    ALARM = "alarm"
    TROUBLE = "trouble"
    ACCOUNT = "account"
    SHUTDOWN = "shutdown"
    STRATEGY_LAG = "strategy_lag"


@dataclass(frozen=True, slots=True)
class StoreNotice:
    """``about`` is the record behind the text: a StreamChanged, an Alarm, an exception, a StrategyLag."""

    kind: NoticeKind
    text: str
    about: Any = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class StrategyLag:
    """How far the strategy is behind one of its feeds. ``lag_s``: wall seconds between arrival and reading."""

    feed: str
    lag_s: float
    waiting: int  # arrivals (runs of bars, or of trades) that have not been read yet
    caught_up: bool = False
