"""What can happen to an order (besides the exchange's ``OrderUpdate`` and ``Fill``), and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from btccxt.model import Fill, OrderRequest, OrderUpdate

# ------------------------------------------------------------------ events (besides OrderUpdate and Fill)


@dataclass(frozen=True, slots=True)
class Journaled:
    """The ticket is on disk."""


@dataclass(frozen=True, slots=True)
class Released:
    """A held order may go now, perhaps changed (an emulated stop becomes a market order).

    ``listed``: the client order id of the order that it goes with, in one order list.
    """

    request: OrderRequest
    listed: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    attempt: int


@dataclass(frozen=True, slots=True)
class NotPlaced:
    """A definite "not placed, try again": rate limit, clock, maintenance. The order waits for its next attempt."""

    why: str


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    why: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Definitely not placed."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NeverArrived:
    """The exchange said repeatedly, after its visibility delay, that it never saw this client order id."""

    why: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Known before, explicitly unknown now, not open, and its trades have been asked for."""

    why: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Cancelled before it was sent."""

    why: str


@dataclass(frozen=True, slots=True)
class NeverSent:
    """What a held order waited for did not come, so it ends."""

    why: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked for a cancel. A wish, not a state."""


@dataclass(frozen=True, slots=True)
class FillsOverdue:
    """The bounded wait for missing trades is over; the final word counts as it stands."""


@dataclass(frozen=True, slots=True)
class Amended:
    """A native edit was accepted. ``order_id`` is the new one where the exchange changes it."""

    request: OrderRequest
    order_id: str | None
    how: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Something the user should find on the order."""

    text: str


LifecycleEvent = (
    Journaled
    | Released
    | Sent
    | NotPlaced
    | OutcomeUnknown
    | Rejection
    | NeverArrived
    | Gone
    | Withdrawn
    | NeverSent
    | CancelRequested
    | FillsOverdue
    | Amended
    | Noted
    | OrderUpdate
    | Fill
)


# ------------------------------------------------------------------ effects


@dataclass(frozen=True, slots=True)
class NewFill:
    """Count this: ``amount`` is what the position gained by it. Appears once per trade."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class FillCorrected:
    """A trade whose amount was counted before now has its fee: ``amount`` is 0, ``fee`` what was missing."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class FetchFills:
    """The exchange names more than the trades that arrived: ask for the account's trades."""

    missing: Decimal


@dataclass(frozen=True, slots=True)
class AskAgain:
    """The news did not say enough: query the order."""

    why: str


@dataclass(frozen=True, slots=True)
class CancelGhost:
    """It was reported as never placed, and now it lives: take it off the exchange."""


class AlarmKind(str, Enum):
    OVERFILL = "overfill"
    GHOST = "ghost"  # appeared after it counted as never placed
    OUTCOME_UNKNOWN = "outcome_unknown"
    CANCEL_UNCONFIRMED = "cancel_unconfirmed"
    FILLS_OVERDUE = "fills_overdue"
    EXTERNAL_ORDER = "external_order"
    DRIFT = "drift"
    JOURNAL = "journal"
    PROTECTIVE_REJECTED = "protective_rejected"  # a position's stop was refused
    UNPROTECTED = "unprotected"  # a position is, or was, without its stop
    MISMATCH = "mismatch"  # journal and exchange disagree; no new orders are sent
    FAULT = "fault"  # something inside failed that should not


@dataclass(frozen=True, slots=True)
class Alarm:
    """For a person. Also an effect: the tracker hands it to its alarm callback.

    ``once`` names what is told once in the life of a journal, however often it is found. ``raised_ms`` is set where a
    former program raised it and ended before it was told.
    """

    kind: AlarmKind
    text: str
    client_order_id: str | None = None
    once: str | None = None
    raised_ms: int | None = None


Effect = NewFill | FillCorrected | FetchFills | AskAgain | CancelGhost | Alarm
