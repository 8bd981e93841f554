"""What a store tells a strategy through ``notify_store``: typed for whoever decides by it, readable as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from btccxt.model import Transfer


class NoticeKind(str, Enum):
    """What a store notification is about."""

    STREAM = "stream"
    ALARM = "alarm"
    TROUBLE = "trouble"
    ACCOUNT = "account"
    SHUTDOWN = "shutdown"
    STRATEGY_LAG = "strategy_lag"
    WARM_UP = "warm_up"
    MONEY = "money"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class StoreNotice:
    """``about`` is the record behind the text: a StreamChanged, an Alarm, an exception, a StrategyLag."""

    kind: NoticeKind
    text: str
    about: Any = None

    @classmethod
    def of_money(cls, moved: MoneyMoved) -> StoreNotice:
        return cls(NoticeKind.MONEY, str(moved), moved)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class StrategyLag:
    """How far the strategy is behind one of its feeds. ``lag_s``: wall seconds between arrival and reading."""

    feed: str
    lag_s: float
    waiting: int  # arrivals (runs of bars, or of trades) that have not been read yet
    caught_up: bool = False


@dataclass(frozen=True, slots=True)
class MoneyMoved:
    """Deposits, withdrawals and transfers, booked as money that moved: no profit and no loss.

    ``worth``: in the account's currency, what has no price left out; None for what moved while no program ran.
    """

    transfers: tuple[Transfer, ...]
    worth: Decimal | None = None
    currency: str | None = None

    def __str__(self) -> str:
        told = ", ".join(f"{each.kind.value} {each.amount.normalize():+f} {each.currency}" for each in self.transfers)
        return f"money moved: {told}"


@dataclass(frozen=True, slots=True)
class CoinsUnvalued:
    """Coins of the account, with their amounts, that are in no value: no market leads to the account's currency."""

    amounts: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class WarmUpEnded:
    """A data is live, for the first time or after a cut. ``refs``: the orders that were refused for its old bars.

    ``world``: 'exchange' where orders count from now on, 'shadow' while the shadow book is not flat yet.
    """

    feed: str
    refs: tuple[int, ...]
    after_cut: bool = False
    world: str = "exchange"

    @property
    def refused(self) -> int:
        return len(self.refs)
