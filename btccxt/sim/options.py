"""What a user may say of the embedded exchange of ``mode='sim'``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

from btccxt.errors import ConfigError
from btccxt.sim.faults import FaultPlan
from btccxt.sim.markets import default_listings
from btccxt.sim.source import MarketSource

_TICKS_MS = (1_000, 2_000, 5_000, 10_000, 15_000)


@dataclass(frozen=True, slots=True)
class SimOptions:
    """The embedded exchange of ``mode='sim'``. A mapping of its fields does as well: ``sim={'speed': 60}``.

    ``market``: None for the seeded synthetic market, a path of recorded bars or trades, or a ``MarketSource``;
    ``symbol`` and ``timeframe`` say what a recorded file holds (timeframe None: trades). ``start`` is the exchange's
    time when it starts (default: now, or the recording's start); what lies before is history. ``symbols``: of the
    synthetic market, to list fewer.
    """

    speed: float = 1.0  # exchange seconds per wall second
    seed: int = 1  # another seed, another market
    start: datetime | None = None
    market: MarketSource | str | Path | None = None
    symbol: str = "BTC/USDT"
    timeframe: str | None = "1m"
    symbols: tuple[str, ...] | None = None
    faults: FaultPlan | None = None

    def __post_init__(self) -> None:
        """Raises ConfigError with every fault."""
        faults = [
            f"sim.{name}={getattr(self, name)!r}: must be {words}"
            for name, right, words in (
                ("speed", _is_number(self.speed) and 0 < self.speed <= 10_000, "a number above 0, at most 10000"),
                ("seed", isinstance(self.seed, int) and not isinstance(self.seed, bool), "a whole number"),
                ("start", self.start is None or isinstance(self.start, date), "a date and time"),
                ("symbol", isinstance(self.symbol, str), "a symbol, as 'BTC/USDT'"),
                ("timeframe", self.timeframe is None or isinstance(self.timeframe, str), "text, as '1m', or None"),
                ("symbols", self.symbols is None or _is_texts(self.symbols), "a list of symbols"),
                ("market", not isinstance(self.market, (bytes, int, float)), "a path or a MarketSource"),
                ("faults", self.faults is None or isinstance(self.faults, FaultPlan), "a FaultPlan"),
            )
            if not right
        ]
        if faults:
            raise ConfigError("; ".join(faults))
        if self.start is not None:
            object.__setattr__(self, "start", _in_utc(self.start))

    @property
    def tick_ms(self) -> int:
        """About ten trades per wall second and symbol at most: a faster clock has coarser ticks."""
        return next(tick_ms for tick_ms in _TICKS_MS if tick_ms >= 100 * self.speed or tick_ms == _TICKS_MS[-1])

    def currency(self, usual: str, quote: str = "USDT") -> str:
        """What to count in where the user has not said: the exchange's ``usual`` currency, if this market has it.

        ``quote``: of the default markets.
        """
        if self.market is None:
            symbols = self.symbols or [listing.market.symbol for listing in default_listings(quote)]
        elif isinstance(self.market, str | Path):
            symbols = [self.symbol]
        else:
            symbols = list(self.market.symbols)
        pairs = [symbol.partition("/")[2].partition(":") for symbol in symbols if "/" in symbol]
        quotes = [settle or quote for quote, _, settle in pairs]
        return usual if usual in quotes or not quotes else quotes[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_texts(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and all(isinstance(value, str) for value in values)


def _in_utc(moment: date) -> datetime:
    """A day begins at midnight UTC; a time without a zone is UTC."""
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=timezone.utc)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
