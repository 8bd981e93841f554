"""What the journal says the account has: figures of a moment when both sides agreed, and our fills since then."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from btccxt.model import Balances, Fill, Position
from btccxt.orders.journal.fills import booked_fills

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
        tuple(booked_fills(connection, figures["fill_id"])),
    )
