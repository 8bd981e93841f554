"""Taking old orders out of a journal: ended, told, counted in the account's figures, and tied to nothing that lives."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from btccxt.model import Fill
from btccxt.orders.journal import holdings as journal_holdings
from btccxt.orders.journal.fills import booked_fills

Opening = tuple[Decimal, Decimal | None]
"""Amount and average price of a spot position."""
Fold = Callable[[Mapping[str, Opening], Sequence[Fill]], Mapping[str, Opening]]
PRUNED_UNTIL = "fills_pruned_until_ms"
"""Time of the latest fill that was taken out: up to then the exchange may list trades that the journal has not."""
_OPENING = "opening "
_FOLDED_UNTIL = "fills_folded_until_row"
_BEST_PRICE = "best_price "

# Ended and old, and the strategy has heard of it and of every alarm about it; not the parent, pair or predecessor of
# an order that lives, nor one that names a living order as its pair, nor one that has closed what living exits protect.
_OLD = """
    SELECT client_order_id FROM tickets WHERE final = 1 AND told = 1 AND updated_ms < ? AND client_order_id NOT IN (
        SELECT ties.other FROM ties JOIN tickets USING (client_order_id) WHERE tickets.final = 0 OR tickets.told = 0
        UNION
        SELECT ties.client_order_id FROM tickets JOIN ties ON ties.other = tickets.client_order_id AND ties.kind = 'oco'
        WHERE tickets.final = 0 OR tickets.told = 0
        UNION
        SELECT ties.client_order_id FROM ties
            JOIN ties AS exits ON exits.other = ties.other AND exits.kind IN ('parent', 'oco')
            JOIN tickets ON tickets.client_order_id IN (exits.client_order_id, exits.other)
        WHERE ties.kind = 'closes' AND (tickets.final = 0 OR tickets.told = 0)
        UNION
        SELECT ties.client_order_id FROM ties JOIN tickets ON tickets.client_order_id = ties.other
        WHERE ties.kind = 'closes' AND (tickets.final = 0 OR tickets.told = 0)
        UNION
        SELECT client_order_id FROM alarms WHERE told = 0 AND client_order_id IS NOT NULL
    )
"""


@dataclass(frozen=True, slots=True)
class Pruned:
    """``kept``: ended orders of that age which had to stay."""

    orders: int
    fills: int
    kept: int


def load_openings(connection: sqlite3.Connection) -> dict[str, Opening]:
    """By spot symbol: what the fills that were taken out led to."""
    rows = connection.execute("SELECT key, value FROM meta WHERE key LIKE ?", (_OPENING + "%",))
    found = {key.removeprefix(_OPENING): json.loads(value) for key, value in rows}
    return {
        symbol: (Decimal(amount), None if price is None else Decimal(price))
        for symbol, (amount, price) in found.items()
    }


def prune(connection: sqlite3.Connection, before_ms: int, fold: Fold) -> Pruned:
    """Take out what ended before ``before_ms``, in one transaction; ``fold`` sums up its fills. Raises sqlite3.Error.

    What a position cost is a sum over all fills in their order. So all fills of that age are summed up, those of orders
    that stay as well, and count as summed up from then on.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TEMP TABLE going AS " + _OLD, (before_ms,))
        ended = _count(connection, "SELECT count(*) FROM tickets WHERE final = 1 AND updated_ms < ?", before_ms)
        _spare_fills_that_are_needed(connection)
        _keep_openings(connection, before_ms, fold)
        fills = _delete(connection)
        gone = _count(connection, "SELECT count(*) FROM going")
        connection.execute("DELETE FROM notes WHERE client_order_id IS NULL AND at_ms < ?", (before_ms,))
        _keep_count_of_fills(connection)
        connection.execute("DROP TABLE going")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return Pruned(gone, fills, ended - gone)


def folded_until(connection: sqlite3.Connection) -> int:
    """Row of the newest fill that is in the openings; 0 where there is none."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (_FOLDED_UNTIL,)).fetchone()
    return 0 if row is None else int(row[0])


def _spare_fills_that_are_needed(connection: sqlite3.Connection) -> None:
    """Those that the figures of a start do not contain yet."""
    connection.execute(
        "DELETE FROM going WHERE client_order_id IN (SELECT client_order_id FROM fills WHERE id > ?)",
        (journal_holdings.last_fill_counted(connection),),
    )


def _keep_openings(connection: sqlite3.Connection, before_ms: int, fold: Fold) -> None:
    counted, folded = journal_holdings.last_fill_counted(connection), folded_until(connection)
    until = _count(connection, "SELECT COALESCE(MAX(id), 0) FROM fills WHERE id <= ? AND at_ms < ?", counted, before_ms)
    latest_ms = connection.execute(
        "SELECT MAX(time_ms) FROM fills WHERE client_order_id IN (SELECT client_order_id FROM going)"
    ).fetchone()[0]
    if latest_ms is not None:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (PRUNED_UNTIL, str(latest_ms)))
    if until <= folded:
        return
    for symbol, (amount, price) in fold(load_openings(connection), booked_fills(connection, folded, until)).items():
        value = json.dumps([str(amount), None if price is None else str(price)])
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_OPENING + symbol, value))
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_FOLDED_UNTIL, str(until)))


def _delete(connection: sqlite3.Connection) -> int:
    fills = 0
    for table in ("fills", "updates", "attempts", "ties", "notes", "alarms", "tickets"):
        removed = connection.execute(
            f"DELETE FROM {table} WHERE client_order_id IN (SELECT client_order_id FROM going)"
        ).rowcount
        fills = removed if table == "fills" else fills
    connection.execute("DELETE FROM meta WHERE key IN (SELECT ? || client_order_id FROM going)", (_BEST_PRICE,))
    return fills


def _keep_count_of_fills(connection: sqlite3.Connection) -> None:
    """Row numbers go on behind the last row that is left; none of the coming ones may count as counted already."""
    newest = _count(connection, "SELECT COALESCE(MAX(id), 0) FROM fills")
    connection.execute(
        "UPDATE meta SET value = CAST(MIN(CAST(value AS INTEGER), ?) AS TEXT) WHERE key = ?", (newest, _FOLDED_UNTIL)
    )
    connection.execute(
        "UPDATE meta SET value = json_set(value, '$.fill_id', MIN(json_extract(value, '$.fill_id'), ?)) WHERE key = ?",
        (newest, journal_holdings.KEY),
    )


def _count(connection: sqlite3.Connection, query: str, *values: object) -> int:
    return int(connection.execute(query, values).fetchone()[0])
