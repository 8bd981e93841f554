"""The parameters that a study tries: lists of values, and spans of numbers. Pure."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from btccxt.errors import ConfigError

Value = int | float | str | bool | None
Params = Mapping[str, Value]

_MOST_POINTS = 1_000_000
_WORDS: Mapping[str, Value] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers from ``low`` to ``high``, both included, ``step`` apart; without a step any number between them.

    Whole numbers have a step of 1. Optuna chooses within it; a grid takes every step.
    """

    low: int | float
    high: int | float
    step: int | float | None = None

    def __post_init__(self) -> None:
        numbers = (self.low, self.high) if self.step is None else (self.low, self.high, self.step)
        if not all(math.isfinite(number) for number in numbers) or self.low > self.high:
            raise ConfigError(f"{self}: write it as low..high, or low..high..step")
        if self.step is not None and self.step <= 0:
            raise ConfigError(f"{self}: the step must be more than nothing")
        if self.step is None and self.is_whole:
            object.__setattr__(self, "step", 1)

    def __str__(self) -> str:
        return f"{self.low}..{self.high}" + (f"..{self.step}" if self.step not in (None, 1) else "")

    @property
    def is_whole(self) -> bool:
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    def values(self) -> list[int | float]:
        """Every step. Raises ConfigError where there is none."""
        if self.step is None:
            raise ConfigError(f"{self} has no end of values: a grid needs a step ({self}..0.1), or give trials to try")
        count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        if count > _MOST_POINTS:
            raise ConfigError(f"{self} has {count:,} values; a study takes at most {_MOST_POINTS:,}")
        return [self.low + number * self.step for number in range(count)]


Axis = Span | tuple[Value, ...]
"""What one parameter may be."""


def axes_of(given: Mapping[str, object]) -> dict[str, Axis]:
    """Axes as a caller writes them: a list of values, a ``range``, a ``Span``, a single value. Raises ConfigError."""
    return {name: _axis(name, value) for name, value in given.items()}


def _axis(name: str, given: object) -> Axis:
    if isinstance(given, Span):
        return given
    if isinstance(given, range) and len(given):
        return Span(given[0], given[-1], given.step) if given.step > 0 else tuple(given)
    values = (given,) if given is None or isinstance(given, (int, float, str)) else given
    if not isinstance(values, Sequence) or not values:
        raise ConfigError(f"{name}={given!r}: give a list of values, a range, or a btccxt.Span")
    plain = tuple(_plain(name, value) for value in values)
    twice = {repr(value) for value in plain if [(type(each), each) for each in plain].count((type(value), value)) > 1}
    if twice:
        raise ConfigError(f"{name}: {', '.join(sorted(twice))} is given twice")
    return plain


def _plain(name: str, value: object) -> Value:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name}={value!r} is no number that a strategy could be tried with")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    item = getattr(value, "item", None)  # a number of numpy's
    if callable(item):
        return _plain(name, item())
    raise ConfigError(f"{name}={value!r}: a parameter of a study is a number, a text, True, False or None")


def parse_axes(given: Sequence[str]) -> dict[str, Axis]:
    """``["fast=5,10,20", "slow=20..100..20"]`` as axes. Raises ConfigError."""
    axes: dict[str, Axis] = {}
    for text in given:
        name, separator, values = text.partition("=")
        name = name.strip()
        if not separator or not name or not values.strip():
            raise ConfigError(f"--grid {text!r}: write it as name=5,10,20 or name=5..50..5")
        if name in axes:
            raise ConfigError(f"--grid {name} is given twice")
        axes[name] = _parsed(name, values)
    return axes


def _parsed(name: str, text: str) -> Axis:
    parts = text.split("..")
    if 2 <= len(parts) <= 3:
        numbers = [_number(part) for part in parts]
        if all(number is not None for number in numbers):
            low, high, *step = (number for number in numbers if number is not None)
            return Span(low, high, step[0] if step else None)
    return _axis(name, [_value(part.strip()) for part in text.split(",")])


def _value(text: str) -> Value:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def points(axes: Mapping[str, Axis]) -> Iterator[dict[str, Value]]:
    """Every combination, the last axis changing fastest. Raises ConfigError for more than a study can make."""
    lists = {name: axis.values() if isinstance(axis, Span) else axis for name, axis in axes.items()}
    count = math.prod(len(values) for values in lists.values())
    if count > _MOST_POINTS:
        raise ConfigError(f"the grid has {count:,} combinations; a study takes at most {_MOST_POINTS:,}")
    for values in itertools.product(*lists.values()):
        yield dict(zip(lists, values, strict=True))


def as_text(params: Params) -> str:
    """The same text for the same parameters: what a run is known by."""
    return json.dumps(dict(sorted(params.items())), ensure_ascii=False, separators=(",", ":"))


def params_of(text: str) -> dict[str, Value]:
    """The parameters of ``as_text``, to the last bit."""
    read: dict[str, Value] = json.loads(text)
    return read


def shown(params: Params) -> str:
    """For people: ``fast=5 slow=20``."""
    return " ".join(f"{name}={value}" for name, value in params.items())
