"""Fills in the journal: the trades that the exchange named, and what was counted where it named none.

Evidence is only what the exchange said. Where it names no trades, the rise of an order's cumulative amount is counted
(``inferred`` rows, which no order is rebuilt from), so that the sums of the journal are those of the orders. A trade
that turns up later for such an amount adds its fee, and only what is more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from btccxt.model import ZERO, Fill
from btccxt.orders.journal import schema as schema
from btccxt.orders.journal.codec import decode, encode


@dataclass(frozen=True, slots=True)
class StoredFill:
    row: int
    client_order_id: str
    inferred: bool
    at_ms: int
    fill: Fill

    @property
    def key(self) -> str:
        fill = self.fill
        return fill.trade_id or f"~{fill.time_ms}-{fill.price}-{fill.amount}"


@dataclass(slots=True)
class FillSum:
    """One order's fills so far. ``filled``: what is counted; ``before``: how much of it is not asked for."""

    filled: Decimal = ZERO
    traded: Decimal = ZERO
    before: Decimal = ZERO
    gains: dict[str, Decimal] = field(default_factory=dict)
    seen_before: set[str] = field(default_factory=set)

    def add(self, stored: StoredFill) -> Decimal:
        """What this row adds to the amount; a trade that is told again, with its fee, adds what it did."""
        amount = stored.fill.amount
        if stored.inferred:
            self.filled += amount
            return amount
        if stored.key not in self.gains:
            self.traded += amount
            self.gains[stored.key] = max(ZERO, self.traded - self.filled)
            self.filled = max(self.filled, self.traded)
        return self.gains[stored.key]


def fill_row(client_order_id: str, fill: Fill, at_ms: int, *, inferred: bool = False) -> tuple[str, tuple[Any, ...]]:
    return (
        "INSERT INTO fills (client_order_id, symbol, trade_id, time_ms, at_ms, payload, inferred) "
        "VALUES (?,?,?,?,?,?,?)",
        (client_order_id, fill.symbol, fill.trade_id, fill.time_ms, at_ms, encode(fill), int(inferred)),
    )


def load_fills(connection: sqlite3.Connection, condition: str, *values: object) -> list[StoredFill]:
    """Rows as they are, oldest first."""
    inferred = "inferred" if schema.schema_version(connection) >= schema.WITH_INFERRED_FILLS else "0"
    rows = connection.execute(
        f"SELECT id, client_order_id, {inferred}, at_ms, payload FROM fills WHERE {condition} ORDER BY id", values
    )
    return [StoredFill(row, name, bool(flag), at_ms, decode(Fill, payload)) for row, name, flag, at_ms, payload in rows]


def booked_fills(connection: sqlite3.Connection, after: int = 0, until: int | None = None) -> list[Fill]:
    """What the rows after ``after`` added, each trade once; what an order's rows before it had counted stays out.

    A fee that was learned later of something counted before is left out, too: the exchange had taken it then.
    """
    rows = load_fills(connection, "id > ? AND id <= ?", after, 2**62 if until is None else until)
    earlier: list[StoredFill] = []
    for name in dict.fromkeys(row.client_order_id for row in rows) if after else ():
        earlier += load_fills(connection, "client_order_id = ? AND id <= ?", name, after)
    return booked(rows, earlier)


def booked(rows: Iterable[StoredFill], earlier: Iterable[StoredFill] = ()) -> list[Fill]:
    """``rows`` and ``earlier``: oldest first."""
    sums: dict[str, FillSum] = {}
    for stored in earlier:
        total = sums.setdefault(stored.client_order_id, FillSum())
        total.add(stored)
        total.before = total.filled
        total.seen_before.add(stored.key)
    counted: dict[tuple[str, str], Fill] = {}
    for stored in rows:
        total = sums.setdefault(stored.client_order_id, FillSum())
        if not stored.inferred and stored.key in total.seen_before:
            continue
        gained = total.add(stored)
        if stored.inferred or total.traded > total.before:
            counted[stored.client_order_id, stored.key] = replace(stored.fill, amount=gained)
    return list(counted.values())
