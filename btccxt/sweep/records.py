"""What a study asks for and what comes of it, run by run. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

from btccxt.sweep.grid import Params, as_text
from btccxt.sweep.windows import Part

RunKey = tuple[int, str, str]
WORKER_DIED = "its worker died"
"""How the error of such a run begins: another attempt may do better."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One backtest: these parameters on this side of this window."""

    window: int
    part: Part
    params: Params

    @property
    def key(self) -> RunKey:
        return self.window, self.part.value, as_text(self.params)


@dataclass(frozen=True, slots=True)
class StudyTrade:
    """A closed trade. ``size`` is its largest, negative for a short one; ``profit`` is after ``fees``."""

    symbol: str
    opened_ms: int
    closed_ms: int
    size: float
    price: float
    profit: float
    fees: float
    bars: int


_TRADE = struct.Struct("<Hqqddddq")


@dataclass(frozen=True, slots=True)
class TradeList(Sequence[StudyTrade]):
    """The trades of a run, packed: a study of many runs has millions of them. ``of`` makes it."""

    symbols: tuple[str, ...] = ()
    packed: bytes = b""

    @classmethod
    def of(cls, trades: Iterable[StudyTrade]) -> TradeList:
        places: dict[str, int] = {}
        rows = [
            _TRADE.pack(
                places.setdefault(trade.symbol, len(places)), trade.opened_ms, trade.closed_ms, trade.size,
                trade.price, trade.profit, trade.fees, trade.bars,
            )
            for trade in trades
        ]  # fmt: skip
        return cls(tuple(places), b"".join(rows))

    def __len__(self) -> int:
        return len(self.packed) // _TRADE.size

    def __iter__(self) -> Iterator[StudyTrade]:
        for place, *values in _TRADE.iter_unpack(self.packed):
            yield StudyTrade(self.symbols[place], *values)

    @overload
    def __getitem__(self, at: int) -> StudyTrade: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[StudyTrade, ...]: ...
    def __getitem__(self, at: int | slice) -> StudyTrade | tuple[StudyTrade, ...]:
        if isinstance(at, slice):
            return tuple(self[place] for place in range(*at.indices(len(self))))
        place, *values = _TRADE.unpack_from(self.packed, range(len(self))[at] * _TRADE.size)
        return StudyTrade(self.symbols[place], *values)


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One backtest's outcome. ``error``: why there are no figures, with the strategy's own line; None: it ran."""

    window: int
    part: Part
    params: Params
    figures: Mapping[str, float | None] = field(default_factory=dict)
    trades: TradeList = TradeList()
    error: str | None = None

    @property
    def spec(self) -> RunSpec:
        return RunSpec(self.window, self.part, self.params)

    @property
    def key(self) -> RunKey:
        return self.spec.key


@dataclass(frozen=True, slots=True)
class Objective:
    """The figure that decides which run is better."""

    figure: str
    minimise: bool = False

    def __str__(self) -> str:
        return f"{'lowest' if self.minimise else 'highest'} {self.figure}"

    def value(self, run: StudyRun) -> float | None:
        """None for a run that failed, or has no such figure: it is never the best."""
        return run.figures.get(self.figure)

    def ranked(self, runs: Sequence[StudyRun]) -> list[StudyRun]:
        """Best first; equal ones as they came; those without the figure last."""
        return sorted(runs, key=self._rank)

    def _rank(self, run: StudyRun) -> tuple[bool, float]:
        value = self.value(run)
        if value is None:
            return True, 0.0
        return False, value if self.minimise else -value
