"""Numbers of a policy are checked where it is made: a limit of zero or a negative wait would only show hours later."""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, get_type_hints

from btccxt.errors import ConfigError

T = TypeVar("T")


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


def names_its_fields(cls: type[T]) -> type[T]:
    """Class decorator of a policy: a keyword that it does not have is one ConfigError with the nearest it has."""
    make = cls.__init__

    @functools.wraps(make)
    def __init__(self: Any, *args: Any, **given: Any) -> None:
        _refuse_unknown(cls, given)
        make(self, *args, **given)

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls


def _refuse_unknown(cls: type[Any], names: Collection[Any]) -> None:
    known = [field.name for field in fields(cls)]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"{cls.__name__} has no {name!r}; {hint}")


def policy_from(cls: type[T], given: T | Mapping[str, Any]) -> T:
    """A policy from an instance or from a mapping of its fields, as a config file has it. Raises ConfigError."""
    if isinstance(given, cls):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError(f"write a {cls.__name__} or a mapping of its fields, not {given!r}")
    _refuse_unknown(cls, given)
    types = get_type_hints(cls)
    return cls(**{str(name): _field_from(types.get(str(name)), value) for name, value in given.items()})


def _field_from(kind: Any, value: Any) -> Any:
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, Mapping):
        return policy_from(kind, value)
    keys = getattr(kind, "__args__", (None,))[0]
    if isinstance(value, Mapping) and isinstance(keys, type) and issubclass(keys, Enum):
        return {_member_of(keys, key): item for key, item in value.items()}
    return value


def _member_of(kind: type[Enum], key: Any) -> Enum:
    try:
        return kind(key)
    except ValueError:
        raise ConfigError(f"{key!r} is none of {', '.join(repr(member.value) for member in kind)}") from None
