"""What an exchange really said of an order: its status, how much of it is filled, whether it is a trigger order.

ccxt's unified status loses information and its ``filled`` may be invented: with no raw figure and status ``closed``,
``safe_order`` writes filled = amount (base/exchange.py, 4539). So the raw word and the raw figure decide, as the
profile says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from btccxt.exchange.profile.profile_schema import Profile
from btccxt.model import ZERO, OrderStatus, Origin, decimal_of


@dataclass(frozen=True, slots=True)
class Judgement:
    """The facts of one message about one order. ``filled`` None: the message did not say."""

    status: OrderStatus
    raw_status: str | None
    conditional: bool
    filled: Decimal | None
    amount: Decimal | None


def field_of(info: Any, path: str) -> Any:
    """Value at a path such as ``order.status`` or ``0.x``; None where there is none. Empty texts count as none."""
    here = info
    for key in (path,) if "." not in path else path.split("."):
        if type(here) is dict or isinstance(here, Mapping):  # nearly always a dict, which is told much faster
            here = here.get(key)
        elif isinstance(here, (list, tuple)) and key.isdigit() and int(key) < len(here):
            here = here[int(key)]
        else:
            return None
    return None if here == "" else here


def first_of(info: Any, paths: Iterable[str]) -> Any:
    """First value that any of the paths has."""
    for path in paths:
        if (value := field_of(info, path)) is not None:
            return value
    return None


def judge(order: Mapping[str, Any], profile: Profile, origin: Origin, *, conditional: bool | None = None) -> Judgement:
    """Status and filled amount of one ccxt order, from the raw answer in its ``info``.

    ``conditional``: what the caller knows; None: read it from the marks that the profile lists.
    """
    rule, info = profile.statuses, order.get("info")
    if conditional is None:
        marked = first_of(info, rule.conditional_marks) is not None
        conditional = marked and first_of(info, rule.plain_marks) is None
    raw = first_of(info, rule.raw_fields)
    word = None if raw is None else str(raw)
    status = _status(info, word, order.get("status"), profile, origin, conditional)
    by_cost = _matches_any(info, rule.by_cost_when)
    # A trigger order in a book of its own never trades: what some exchanges name there is its child's.
    filled = None if conditional and profile.conditional.separate_book else _filled(order, profile, by_cost)
    amount = None if by_cost else _amount(info, profile, conditional)
    undecided = status in (OrderStatus.OPEN, OrderStatus.UNKNOWN)
    if undecided and rule.full_means_filled and amount and filled is not None and filled >= amount:
        status = OrderStatus.FILLED
    if status is OrderStatus.FILLED:
        if filled == ZERO:
            filled = None  # "filled" and nothing filled: the figure is not of now, the trades will say
        if conditional and profile.conditional.separate_book:
            status = OrderStatus.TRIGGERED  # the trigger fired; its child order is what fills
        elif _ended_short(order, filled, amount):
            status = OrderStatus.CANCELED
    elif status is OrderStatus.REJECTED and filled:
        status = OrderStatus.CANCELED  # part of it traded, so it was accepted once
    return Judgement(status, word, conditional, filled, amount)


def _status(
    info: Any, word: str | None, unified: Any, profile: Profile, origin: Origin, conditional: bool
) -> OrderStatus:
    rule = profile.statuses
    for case in rule.cases:
        if matches(info, case.when):
            return case.status
    if word is not None and (known := rule.of_raw(word, conditional)) is not None:
        return known
    if unified is not None and (known := rule.unified.get(str(unified))) is not None:
        # Where the table lists the exchange's words, one that it does not list ends no order: ccxt may have guessed.
        return known if word is None or not profile.known or known is OrderStatus.OPEN else OrderStatus.UNKNOWN
    return rule.after_create if origin is Origin.CREATE and word is None and unified is None else OrderStatus.UNKNOWN


def matches(info: Any, when: Mapping[str, Any]) -> bool:
    """Whether all of these paths have these values; ``*`` is any."""
    return all(_fits(field_of(info, path), wanted) for path, wanted in when.items())


def _matches_any(info: Any, cases: Iterable[Mapping[str, Any]]) -> bool:
    return any(matches(info, when) for when in cases)


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return any(_fits(value, option) for option in wanted)
    if wanted == "*":
        return value is not None
    if wanted is None or value is None:
        return wanted is value
    if isinstance(wanted, bool):
        return str(value).lower() == str(wanted).lower()
    if str(value) == str(wanted):
        return True
    if isinstance(wanted, str) and "*" in wanted:
        return isinstance(value, str) and fnmatchcase(value, wanted)
    number, other = number_of(value), number_of(wanted)
    return number is not None and number == other


def _amount(info: Any, profile: Profile, conditional: bool) -> Decimal | None:
    rule = profile.statuses
    fields = rule.conditional_amount_fields if conditional and rule.conditional_amount_fields else rule.amount_fields
    told = [abs(amount)] if (amount := number_of(first_of(info, fields))) is not None else []
    for done_field, left_field in rule.amount_sums:
        done, left = number_of(field_of(info, done_field)), number_of(field_of(info, left_field))
        if done is not None and left is not None:
            told.append(abs(done) + abs(left))
            break
    return max(told, default=ZERO) or None  # an order of nothing is none: it was counted in quote


def _filled(order: Mapping[str, Any], profile: Profile, by_cost: bool) -> Decimal | None:
    rule, info = profile.statuses, order.get("info")
    if _matches_any(info, rule.filled_unknown_when):
        return None
    if (filled := number_of(first_of(info, rule.filled_fields))) is not None:
        return abs(filled)
    for whole_field, left_field in () if by_cost else rule.filled_differences:
        whole, left = number_of(field_of(info, whole_field)), number_of(field_of(info, left_field))
        if whole is not None and left is not None:
            return abs(whole) - abs(left)
    if rule.filled_sum is not None and isinstance(rows := field_of(info, rule.filled_sum.rows), list):
        counted = [row for row in rows if matches(row, rule.filled_sum.when)]
        return sum((abs(number_of(field_of(row, rule.filled_sum.amount)) or ZERO) for row in counted), ZERO)
    # Nothing is known of unlisted exchanges: ccxt's figure counts while the order is open, later it may be invented.
    return number_of(order.get("filled")) if not profile.known and order.get("status") == "open" else None


def _ended_short(order: Mapping[str, Any], filled: Decimal | None, amount: Decimal | None) -> bool:
    """A limit order that is 'closed' with less than it asked for was cancelled. Market orders may count in quote."""
    return filled is not None and amount is not None and ZERO < filled < amount and order.get("type") == "limit"


def number_of(value: Any) -> Decimal | None:
    """Decimal of an exchange's figure; None for nothing and for what is no number."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        number = decimal_of(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
