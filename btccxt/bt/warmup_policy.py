"""What the user says about orders of old bars. Imports nothing heavy: settings are read before backtrader is needed."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from btccxt.errors import ConfigError

Choice = TypeVar("Choice", bound=Enum)


class WarmUp(str, Enum):
    """What becomes of an order that an old bar asked for."""

    REFUSE = "refuse"
    SHADOW = "shadow"  # it is traded in a shadow book until the data are live
    SEND = "send"


class Then(str, Enum):
    """When live orders begin after a shadow."""

    FLAT = "flat"  # when the shadow holds nothing
    ADOPT = "adopt"  # at once: what the shadow holds is bought with one order


@dataclass(frozen=True, slots=True)
class WarmUpPolicy:
    """``max_bar_age_s``: from when on a bar is old (exchange's time); None: one bar, and at least 10 s."""

    warmup: WarmUp = WarmUp.REFUSE
    then: Then = Then.FLAT
    max_bar_age_s: float | None = None

    @classmethod
    def of(cls, warmup: Any, then: Any, max_bar_age_s: Any) -> WarmUpPolicy:
        """Raises ConfigError naming the nearest choice."""
        if max_bar_age_s is not None and (
            isinstance(max_bar_age_s, bool)
            or not isinstance(max_bar_age_s, (int, float))
            or not 0 < max_bar_age_s < math.inf
        ):
            raise ConfigError(f"max_bar_age_s={max_bar_age_s!r}: must be a number of seconds above zero")
        return cls(_choice("warmup", WarmUp, warmup), _choice("then", Then, then), max_bar_age_s)


def _choice(name: str, kind: type[Choice], value: Any) -> Choice:
    try:
        return kind(value)
    except ValueError:
        words = [str(member.value) for member in kind]
        near = difflib.get_close_matches(str(value).lower(), words, n=1, cutoff=0.0)
        raise ConfigError(f"{name}={value!r}: must be one of {', '.join(words)}; did you mean {near[0]!r}?") from None
