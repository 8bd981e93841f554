"""What a run has come to, from its records: bars, equity, orders, fills, trades, what it was told. Pure.

Records may repeat and may be of another version: what is not known is passed over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from btccxt.bt.run_log import Record

_TOLD_KEPT = 1_000
_DAY_MS = 86_400_000
ENDED = frozenset({"Completed", "Canceled", "Expired", "Margin", "Rejected"})


@dataclass(frozen=True, slots=True)
class RunBar:
    """``value`` and ``position``: of the account after it; bars of the first symbol alone have them."""

    time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    live: bool = True
    value: float | None = None
    position: float = 0.0


@dataclass(frozen=True, slots=True)
class RunFill:
    time_ms: int
    ref: int
    symbol: str
    size: float  # signed
    price: float
    fee: float


@dataclass(frozen=True, slots=True)
class RunOrder:
    """An order at its last notification."""

    ref: int
    client_order_id: str | None
    time_ms: int
    symbol: str
    side: str
    kind: str
    size: float  # signed
    price: float
    filled: float  # signed
    average: float
    fee: float
    status: str
    why: str = ""
    signal_price: float = 0.0
    """The close that it was decided on."""
    parent: int | None = None
    oco: int | None = None
    waits_here: str = ""

    @property
    def is_open(self) -> bool:
        return self.status not in ENDED


@dataclass(frozen=True, slots=True)
class RunTrade:
    """Closed; ``net`` is after the fees of all its fills, in the account's currency."""

    opened_ms: int
    closed_ms: int
    symbol: str
    gross: float
    net: float
    closed_by: int  # order


@dataclass(frozen=True, slots=True)
class Told:
    time_ms: int
    kind: str
    text: str


@dataclass(slots=True)
class Course:
    """How value and price of the first symbol went, bar by bar."""

    bars: int = 0
    first_value: float = 0.0
    last_value: float = 0.0
    first_price: float = 0.0
    last_price: float = 0.0
    deepest_fall: float = 0.0
    """From a former peak, as a fraction of that peak."""
    days: dict[int, float] = field(default_factory=dict)
    """Value after the last bar of each UTC day, which are counted from 1970."""
    _peak: float = 0.0

    def go_on(self, time_ms: int, value: float, price: float) -> None:
        if not self.bars:
            self.first_value, self.first_price = value, price
        self.days[(time_ms - 1) // _DAY_MS] = value  # a bar that closes at midnight is of the day that ends
        self.bars += 1
        self.last_value, self.last_price = value, price
        self._peak = max(self._peak, value)
        if self._peak > 0:
            self.deepest_fall = max(self.deepest_fall, (self._peak - value) / self._peak)


@dataclass(slots=True)
class RunState:
    """``apply`` records in the order in which they were written. ``bars_kept``: of each symbol; None keeps all."""

    bars_kept: int | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    bars_of: dict[str, deque[RunBar]] = field(default_factory=dict)
    fills: list[RunFill] = field(default_factory=list)
    orders: dict[int, RunOrder] = field(default_factory=dict)
    trades: list[RunTrade] = field(default_factory=list)
    told: deque[Told] = field(default_factory=lambda: deque(maxlen=_TOLD_KEPT))
    cash: float = 0.0
    held: Mapping[str, float] = field(default_factory=dict)
    ended_wall_ms: int | None = None
    all_bars: Course = field(default_factory=Course)
    live_bars: Course = field(default_factory=Course)

    @property
    def bars(self) -> deque[RunBar]:
        """Of the first symbol."""
        return next(iter(self.bars_of.values()), deque())

    @property
    def symbol(self) -> str:
        return next(iter(self.bars_of), next(iter(self.header.get("symbols", ())), ""))

    @property
    def course(self) -> Course:
        """Of the live bars; of all of them where none can be live (a backtest, which has no mode)."""
        return self.live_bars if self.live_bars.bars or "mode" in self.header else self.all_bars

    @property
    def net_profits(self) -> dict[int, float]:
        """Of trades, by the order that closed them."""
        found: dict[int, float] = {}
        for trade in self.trades:
            found[trade.closed_by] = found.get(trade.closed_by, 0.0) + trade.net
        return found

    def apply_all(self, records: Iterable[Record]) -> None:
        for record in records:
            self.apply(record)

    def apply(self, record: Record) -> None:
        kind = record.get("t")
        if kind == "bar":
            self._bar(record)
        elif kind == "value":
            self._value(record)
        elif kind == "fill":
            self.fills.append(
                RunFill(record["at"], record["ref"], record["s"], record["size"], record["price"], record["fee"])
            )
        elif kind == "order":
            self._order(record)
        elif kind == "trade":
            self.trades.append(
                RunTrade(record["opened"], record["at"], record["s"], record["gross"], record["net"], record["ref"])
            )
        elif kind == "told":
            self.told.append(Told(record["at"], record["kind"], record["text"]))
        elif kind == "start":
            self.header = record
        elif kind == "end":
            self.ended_wall_ms = record["wall_ms"]

    def _bar(self, record: Record) -> None:
        bars = self.bars_of.setdefault(record["s"], deque(maxlen=self.bars_kept))
        bar = RunBar(
            record["at"], record["o"], record["h"], record["l"], record["c"], record["v"], bool(record["live"])
        )
        if bars and bars[-1].time_ms == bar.time_ms:
            bars.pop()
        bars.append(bar)

    def _value(self, record: Record) -> None:
        self.cash, self.held = record["cash"], record["held"]
        bars = self.bars
        if bars and bars[-1].time_ms == record["at"]:
            position = self.held.get(self.symbol, 0.0)
            bar = replace(bars.pop(), value=record["value"], position=position)
            bars.append(bar)
            self.all_bars.go_on(bar.time_ms, record["value"], bar.close)
            if bar.live:
                self.live_bars.go_on(bar.time_ms, record["value"], bar.close)

    def _order(self, record: Record) -> None:
        self.orders[record["ref"]] = RunOrder(
            ref=record["ref"], client_order_id=record["id"], time_ms=record["at"], symbol=record["s"],
            side=record["side"], kind=record["kind"], size=record["size"], price=record["price"],
            filled=record["filled"], average=record["average"], fee=record["fee"], status=record["status"],
            why=record["why"], signal_price=record["signal"], parent=record["parent"], oco=record["oco"],
            waits_here=record["here"],
        )  # fmt: skip
