"""What a user may say of ``mode='paper'``, and the latency that follows from it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from btccxt.errors import ConfigError
from btccxt.model import decimal_of

_P99 = 2.3263478740408408  # standard deviations from the median to the 99th percentile


class MatchAgainst(str, Enum):
    """What fills paper orders."""

    ORDER_BOOK = "order_book"
    BEST = "best"  # best bid and ask, with their amounts
    TRADES = "trades"


@dataclass(frozen=True, slots=True)
class PaperOptions:
    """How paper orders are filled. A mapping of its fields does as well: ``paper={'latency_ms': 40}``.

    ``match``: 'order_book', 'best' or 'trades'; default: the first of them that the exchange streams. ``latency_ms``:
    from sending an order or a cancel to its arrival at the exchange, the median; with ``latency_p99_ms`` it is drawn,
    log-normal, so that one in a hundred takes longer than that; ``seed`` of the draws. ``maker_fee_pct``,
    ``taker_fee_pct``: instead of what the market list says (0.1 means 0.1 %); ``account_fees``: those of the account
    whose keys stand in ``config``.
    """

    match: MatchAgainst | str | None = None
    latency_ms: float = 0.0
    latency_p99_ms: float | None = None
    seed: int = 1
    maker_fee_pct: Any = None
    taker_fee_pct: Any = None
    account_fees: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError with every fault."""
        names = [each.value for each in MatchAgainst]
        faults = [
            f"paper.{name}={getattr(self, name)!r}: must be {words}"
            for name, right, words in (
                ("match", self.match is None or self.match in names, f"one of {', '.join(map(repr, names))}"),
                ("latency_ms", _is_number(self.latency_ms) and self.latency_ms >= 0, "a number, not negative"),
                (
                    "latency_p99_ms",
                    self.latency_p99_ms is None
                    or (_is_number(self.latency_p99_ms) and 0 < self.latency_ms <= self.latency_p99_ms),
                    "a number, not below latency_ms, which must be above 0",
                ),
                ("seed", isinstance(self.seed, int) and not isinstance(self.seed, bool), "a whole number"),
                ("maker_fee_pct", _is_fee(self.maker_fee_pct), "a number between -100 and 100"),
                ("taker_fee_pct", _is_fee(self.taker_fee_pct), "a number between -100 and 100"),
                ("account_fees", isinstance(self.account_fees, bool), "true or false"),
            )
            if not right
        ]
        if self.account_fees and (self.maker_fee_pct is not None or self.taker_fee_pct is not None):
            faults.append("paper.account_fees and a fee in per cent exclude each other")
        if faults:
            raise ConfigError("; ".join(faults))

    def rates(self, maker: Decimal, taker: Decimal) -> tuple[Decimal, Decimal]:
        """Maker and taker rate, of a market whose own ones are given."""
        own = [None if each is None else decimal_of(each) / 100 for each in (self.maker_fee_pct, self.taker_fee_pct)]
        return maker if own[0] is None else own[0], taker if own[1] is None else own[1]


class Latency:
    """Draws in milliseconds, the same for the same seed."""

    def __init__(self, options: PaperOptions) -> None:
        self._median_ms = options.latency_ms
        p99_ms = options.latency_p99_ms
        self._sigma = 0.0 if p99_ms is None else math.log(p99_ms / options.latency_ms) / _P99
        self._random = random.Random(options.seed)

    def draw_ms(self) -> float:
        return self._median_ms * math.exp(self._sigma * self._random.gauss(0.0, 1.0))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_fee(value: Any) -> bool:
    if value is None:
        return True
    try:
        return not isinstance(value, bool) and -100 <= decimal_of(value) <= 100
    except (ArithmeticError, TypeError, ValueError):
        return False
