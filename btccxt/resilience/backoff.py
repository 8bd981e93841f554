"""How long to wait before the next attempt to connect: growing, bounded, and random so that clients spread out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from btccxt.errors import ConfigError
from btccxt.resilience.checks import check_numbers, names_its_fields


@names_its_fields
@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays of one reconnecting connection.

    The first is anywhere in ``0 .. first_s``: after one lost connection an immediate try usually succeeds, and spread
    out it does not hit an exchange that dropped everybody at once. Then ``start_s`` times ``factor`` each, up to
    ``max_s``, each shifted at random by up to ``jitter`` of itself (never above ``max_s``).
    """

    first_s: float = 0.5
    start_s: float = 1.0
    factor: float = 1.618
    max_s: float = 60.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        check_numbers(
            self, at_least_one=("factor",), above_zero=("start_s", "max_s"), not_negative=("first_s", "jitter")
        )
        if self.jitter > 1 or self.max_s < self.start_s:
            raise ConfigError(f"Backoff: jitter must be at most 1 and max_s not below start_s: {self}")

    def delays(self, rng: random.Random) -> Iterator[float]:
        """Endless delays in seconds. Take a new iterator after each connection that has proved itself."""
        yield rng.uniform(0.0, self.first_s)
        delay_s = self.start_s
        while True:
            yield min(self.max_s, delay_s * rng.uniform(1.0 - self.jitter, 1.0 + self.jitter))
            delay_s = min(self.max_s, delay_s * self.factor)
