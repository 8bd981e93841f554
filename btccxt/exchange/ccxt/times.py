"""Times that exchanges tell, in whatever unit, as milliseconds; what cannot be a time is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from btccxt.exchange.ccxt.statuses import field_of, number_of

_FIRST_MS, _LAST_MS = 1_230_768_000_000, 4_102_444_800_000  # 2009 and 2100
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?")
_ORDER_TIMES = ("timestamp", "lastTradeTimestamp", "lastUpdateTimestamp")


def time_of(value: Any) -> int | None:
    """Milliseconds, or None for what cannot be any: seconds, micro- and nanoseconds, and times of another century."""
    if value is None:
        return None
    time_ms = int(value)
    return time_ms if _FIRST_MS <= time_ms < _LAST_MS else None


def latest_time(order: Mapping[str, Any], info: Any, fields: Iterable[str]) -> int | None:
    """The latest time that a message about an order names: what it says was true then, and the order is older.

    ``fields``: where the raw message may have the time of its news; of these the first counts.
    """
    times = [time_of(order.get(name)) for name in _ORDER_TIMES]
    times.append(raw_time(info, fields))
    return max((time_ms for time_ms in times if time_ms is not None), default=None)


def raw_time(message: Any, fields: Iterable[str]) -> int | None:
    """The first of the fields that is a time."""
    return next((time_ms for path in fields if (time_ms := _raw_time(field_of(message, path))) is not None), None)


def _raw_time(value: Any) -> int | None:
    """An exchange's own time, in whatever unit, as milliseconds."""
    if isinstance(value, str) and "T" in value:
        return time_of(_iso_ms(value))
    number = number_of(value)
    if number is None or number <= 0:
        return None
    for per_ms in (Decimal(1), Decimal("0.001"), Decimal(1_000), Decimal(1_000_000)):
        if (time_ms := time_of(int(number / per_ms))) is not None:
            return time_ms
    return None


def _iso_ms(text: str) -> int | None:
    """Of a time with a fraction of any length; in UTC where it names no zone."""
    if (found := _ISO.fullmatch(text)) is None:
        return None
    whole, fraction, zone = found.groups()
    try:
        moment = datetime.strptime(f"{whole}{zone or 'Z'}", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + int((fraction or "")[:3].ljust(3, "0"))
