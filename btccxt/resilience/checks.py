"""Numbers of a policy are checked where it is made: a limit of zero or a negative wait would only show hours later."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import fields

from btccxt.errors import ConfigError


def check_numbers(
    policy: object,
    *,
    at_least_one: Collection[str] = (),
    above_zero: Collection[str] = (),
    not_negative: Collection[str] = (),
) -> None:
    """Check fields of a dataclass by name. Raises one ConfigError with every fault: field, value, what it must be."""
    faults: list[str] = []
    for names, least, words in (
        (at_least_one, 1.0, "a number of at least 1"),
        (above_zero, 0.0, "a number above zero"),
        (not_negative, 0.0, "zero or more"),
    ):
        for name in names:
            value = getattr(policy, name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if not is_number or value < least or (value == 0 and names is above_zero):
                faults.append(f"{type(policy).__name__}.{name} must be {words}, not {value!r}")
    if faults:
        raise ConfigError("; ".join(faults))


def waits_of(policy: object) -> tuple[str, ...]:
    """Names of all fields that are seconds."""
    return tuple(field.name for field in fields(policy) if field.name.endswith("_s"))  # type: ignore[arg-type]
