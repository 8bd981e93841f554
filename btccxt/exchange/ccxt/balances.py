"""ccxt's balance structure -> Balances, by the exchange's own figures where ccxt's are not the wallet's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from btccxt.exchange.ccxt.statuses import field_of, number_of
from btccxt.exchange.ccxt.times import time_of
from btccxt.exchange.profile.profile_schema import BalanceLayout, BalanceRule, Profile
from btccxt.model import ZERO, Balance, Balances

_NOT_A_CURRENCY = frozenset({"info", "free", "used", "total", "debt", "timestamp", "datetime"})


def balances(
    answer: Mapping[str, Any], now_ms: int, *, complete: bool = True, profile: Profile | None = None, frame: Any = None
) -> Balances:
    """ccxt's balance structure -> Balances. ``now_ms`` stands in where the exchange gives no time.

    ``profile``: says where the exchange's own figures stand, if ccxt's are not the wallet's; they are looked for in
    what ccxt keeps of the answer, then in the raw ``frame``. A push then holds only the coins of its last message;
    ccxt goes on showing all that it has seen.
    """
    rule = None if profile is None or not profile.balances.layouts else profile.balances
    own = {} if rule is None else _own_balances(answer.get("info"), rule) or _own_balances(frame, rule)
    found = {
        currency: balance
        for currency, entry in answer.items()
        if currency not in _NOT_A_CURRENCY and isinstance(entry, Mapping)
        if complete or rule is None or currency in own
        if (balance := own.get(currency) or _balance(currency, entry)) is not None
    }
    found = {**own, **found}  # ccxt leaves some coins out
    return Balances(time_of(answer.get("timestamp")) or now_ms, MappingProxyType(found), complete)


def _own_balances(info: Any, rule: BalanceRule) -> dict[str, Balance]:
    for layout in rule.layouts:
        found: dict[str, Balance] = {}
        for name, row in _coins(info, layout):
            total = _sum_of(row, layout.total)
            if name is None or total is None:
                continue
            used = _sum_of(row, layout.used) if layout.used else None
            if used is None and layout.free and (free := _sum_of(row, layout.free)) is not None:
                used = max(total - free, ZERO)  # what may be used can be more than there is: open profit
            found[name] = Balance(name, total - (used or ZERO), used or ZERO)
        if found:
            return found
    return {}


def _coins(info: Any, layout: BalanceLayout) -> Iterator[tuple[str | None, Any]]:
    """The rows of the coins, each with ccxt's name of its coin."""
    rows = field_of(info, layout.rows) if layout.rows else info
    if isinstance(rows, Mapping) and all(isinstance(row, Mapping) for row in rows.values()):
        named = [(coin, row) for coin, row in rows.items()]
    else:
        listed = [rows] if isinstance(rows, Mapping) else rows if isinstance(rows, list) else []
        named = [(layout.coin or field_of(row, layout.currency), row) for row in listed]
    for coin, row in named:
        name = None if coin is None else str(coin).upper()
        yield (None if name is None else layout.names.get(name, name)), row


def _sum_of(row: Any, terms: Iterable[str]) -> Decimal | None:
    """None where the first term is missing; the others then count as nothing."""
    total: Decimal | None = None
    for term in terms:
        figures = [number for each in _each_of(row, term.lstrip("-")) if (number := number_of(each)) is not None]
        if total is None and not figures and "*" not in term:
            return None
        total = (total or ZERO) + (-1 if term.startswith("-") else 1) * sum(figures, ZERO)
    return total


def _each_of(row: Any, path: str) -> Iterable[Any]:
    head, star, tail = path.partition(".*.")
    if not star:
        return (field_of(row, path),)
    rows = field_of(row, head)
    return [field_of(each, tail) for each in rows] if isinstance(rows, list) else ()


def _balance(currency: str, entry: Mapping[str, Any]) -> Balance | None:
    free, used, total = (number_of(entry.get(key)) for key in ("free", "used", "total"))
    if free is None:
        if total is None:
            return None
        free = total - (used or ZERO)
    if used is None:
        used = total - free if total is not None else ZERO
    return Balance(currency, free, used)
