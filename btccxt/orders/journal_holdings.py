"""What the journal says the account has: figures of a moment when both sides agreed, and our fills since then."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from btccxt.model import Balances, Fill, Position
from btccxt.orders.journal_codec import decode

KEY = "holdings"


@dataclass(frozen=True, slots=True)
class StoredHoldings:
    """``balances``: totals by currency. ``positions``: contracts and entry price by symbol. ``fills``: those since."""

    at_ms: int
    balances: Mapping[str, Decimal]
    positions: Mapping[str, tuple[Decimal, Decimal | None]]
    fills: tuple[Fill, ...] = ()


def keep_statement(at_ms: int, balances: Balances, positions: Iterable[Position]) -> tuple[str, tuple[Any, ...]]:
    """The fills that are in the journal when this is written are the ones that the figures contain."""
    figures = {
        "at_ms": at_ms,
        "balances": {coin: str(balance.total) for coin, balance in balances.by_currency.items() if balance.total},
        "positions": [
            [each.symbol, str(each.amount), None if each.entry_price is None else str(each.entry_price)]
            for each in positions
            if each.amount
        ],
    }
    return (
        "INSERT OR REPLACE INTO meta VALUES (?, json_set(?, '$.fill_id', (SELECT COALESCE(MAX(id), 0) FROM fills)))",
        (KEY, json.dumps(figures)),
    )


def last_fill_counted(connection: sqlite3.Connection) -> int:
    """Row of the newest fill that the figures contain; 0 where there are none."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
    return 0 if row is None else int(json.loads(row[0])["fill_id"])


def load_holdings(connection: sqlite3.Connection) -> StoredHoldings | None:
    """None in a journal that no program has started with yet."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
    if row is None:
        return None
    figures = json.loads(row[0])
    positions: dict[str, tuple[Decimal, Decimal | None]] = {}
    for symbol, amount, entry in figures["positions"]:
        positions[symbol] = (Decimal(amount), None if entry is None else Decimal(entry))
    return StoredHoldings(
        figures["at_ms"],
        {coin: Decimal(total) for coin, total in figures["balances"].items()},
        positions,
        _fills_after(connection, figures["fill_id"]),
    )


def _fills_after(connection: sqlite3.Connection, fill_id: int) -> tuple[Fill, ...]:
    """Each trade once, with its fee; a fee learned later of a trade that was counted before is not a new trade."""
    rows = connection.execute("SELECT client_order_id, payload FROM fills WHERE id > ? ORDER BY id", (fill_id,))
    found = [(name, decode(Fill, payload)) for name, payload in rows]
    counted: dict[str, set[str]] = {}
    for name in {name for name, _ in found}:
        before = connection.execute("SELECT trade_id FROM fills WHERE client_order_id = ? AND id <= ?", (name, fill_id))
        counted[name] = {trade_id for (trade_id,) in before if trade_id}
    fills: dict[tuple[str, str], Fill] = {}
    for name, fill in found:
        if fill.trade_id not in counted[name]:
            fills[fill.symbol, fill.trade_id or f"~{fill.time_ms}-{fill.price}-{fill.amount}"] = fill
    return tuple(fills.values())
