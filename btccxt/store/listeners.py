"""Whom a store's session tells what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from btccxt.account.ledger import AccountSnapshot, RunBegins
from btccxt.model import Transfer
from btccxt.orders.events import Alarm
from btccxt.orders.tracker import OrderEvent
from btccxt.resilience.supervised import TaskListener
from btccxt.session.streams import StreamChanged


@dataclass(frozen=True, slots=True)
class Listeners:
    """Whom the session tells what. Called in the session thread; none may block."""

    order: Callable[[OrderEvent], None]
    account: Callable[[AccountSnapshot | RunBegins], None]
    alarm: Callable[[Alarm], None]
    stream: Callable[[StreamChanged], None]
    trouble: Callable[[str, BaseException], None]
    money: Callable[[tuple[Transfer, ...]], None]
    """What came and went while no program ran."""
    say: Callable[[str], None]
    order_note: Callable[[str], None]
    task: TaskListener
