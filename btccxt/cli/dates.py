"""Dates as they are given on the command line."""

from __future__ import annotations

from datetime import datetime, timezone

from btccxt.errors import ConfigError

_FIRST_YEAR = 2009


def time_ms(name: str, text: str | None) -> int | None:
    """A date as given on the command line, UTC where no zone stands. Raises ConfigError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{name} {text!r} is no date; write it like 2026-01-31 or 2026-01-31T12:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    if moment.year < _FIRST_YEAR:
        raise ConfigError(f"{name} {text!r} lies before {_FIRST_YEAR}: there were no such markets")
    return int(moment.timestamp() * 1000)
