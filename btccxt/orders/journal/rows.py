"""Evidence to rows of the journal, and rows back to orders."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from btccxt.model import Fill, OrderRequest
from btccxt.orders.closing import shares_in
from btccxt.orders.events import LifecycleEvent, Sent
from btccxt.orders.journal import schema as schema
from btccxt.orders.journal.codec import EVENT_KINDS, decode, decode_request, encode, encode_context
from btccxt.orders.journal.fills import booked_fills, fill_row
from btccxt.orders.journal.prune import folded_until
from btccxt.orders.live_order import LifecycleState, LiveOrder

Statement = tuple[str, tuple[Any, ...]]
"""SQL and its values."""
PAST_FILLS = 20_000
# Rows of the table ``meta`` are named by one of these and a symbol or client order id.
KNOWN_UNTIL = "fills_known_until_ms "
BEST_PRICE = "best_price "
EDIT = "edit "


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as the journal remembers it: feed ``evidence`` to ``lifecycle.apply`` to have it back."""

    request: OrderRequest
    context: Mapping[str, str]
    created_ms: int
    pending_release: bool
    external: bool
    told: bool
    state: LifecycleState
    evidence: tuple[tuple[int, LifecycleEvent], ...]  # (at_ms, event)


def evidence_rows(client_order_id: str, event: LifecycleEvent, at_ms: int) -> list[tuple[str, tuple[Any, ...]]]:
    if isinstance(event, Fill):
        return [fill_row(client_order_id, event, at_ms)]
    if isinstance(event, Sent):
        return [("INSERT OR IGNORE INTO attempts VALUES (?,?,?)", (client_order_id, event.attempt, at_ms))]
    return [
        (
            "INSERT INTO updates (client_order_id, at_ms, kind, payload) VALUES (?,?,?,?)",
            (client_order_id, at_ms, type(event).__name__, encode(event)),
        )
    ]


def load(connection: sqlite3.Connection, condition: str, *values: object) -> list[StoredOrder]:
    # CROSS JOIN keeps SQLite from reading whole tables: the few tickets first, then their evidence by index.
    evidence: dict[str, list[tuple[int, LifecycleEvent]]] = {}
    for client_order_id, attempt, sent_ms in connection.execute(
        f"SELECT a.* FROM tickets t CROSS JOIN attempts a USING (client_order_id) WHERE {condition} ORDER BY attempt",
        values,
    ):
        evidence.setdefault(client_order_id, []).append((sent_ms, Sent(attempt)))
    for client_order_id, at_ms, kind, payload in connection.execute(
        "SELECT u.client_order_id, at_ms, kind, payload FROM tickets t CROSS JOIN updates u USING (client_order_id) "
        f"WHERE {condition} ORDER BY u.id",
        values,
    ):
        evidence.setdefault(client_order_id, []).append((at_ms, decode(EVENT_KINDS[kind], payload)))
    for client_order_id, at_ms, payload in connection.execute(
        "SELECT f.client_order_id, at_ms, f.payload FROM tickets t CROSS JOIN fills f USING (client_order_id) "
        f"WHERE ({condition}) AND f.inferred = 0 ORDER BY f.id",
        values,
    ):
        evidence.setdefault(client_order_id, []).append((at_ms, decode(Fill, payload)))
    rows = connection.execute(
        "SELECT client_order_id, request, context, created_ms, held, external, told, state FROM tickets t "
        f"WHERE {condition} ORDER BY rowid",
        values,
    )
    return [
        StoredOrder(
            request=decode_request(request),
            context=json.loads(context),
            created_ms=created_ms,
            pending_release=bool(held),
            external=bool(external),
            told=bool(told),
            state=LifecycleState(state),
            evidence=tuple(evidence.get(client_order_id, ())),
        )
        for client_order_id, request, context, created_ms, held, external, told, state in rows
    ]


def ticket_statements(order: LiveOrder, next_sequence: int | None) -> list[Statement]:
    request = order.request
    values = (
        request.client_order_id,
        request.symbol,
        encode(request),
        encode_context(order.context),
        order.created_ms,
        int(order.pending_release),
        int(order.external),
        LifecycleState.JOURNALED.value,
        order.order_id,
        order.updated_ms,
        *map(order.context.get, schema.TIE_KINDS),
        next_sequence,
    )
    closed = shares_in(order.context)
    ties = [("INSERT OR IGNORE INTO ties VALUES (?, 'closes', ?)", (values[0], group)) for group in closed]
    return [("INSERT INTO tickets_in VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", values), *ties]


def handed_out(next_sequence: int) -> Statement:
    """No client order id below this sequence is handed out again."""
    return (
        "UPDATE meta SET value = ? WHERE key = 'next_sequence' AND CAST(value AS INTEGER) < ?",
        (str(next_sequence), next_sequence),
    )


def record_statements(
    order: LiveOrder, event: LifecycleEvent, at_ms: int, inferred: Collection[Fill] = ()
) -> list[Statement]:
    return [
        *evidence_rows(order.client_order_id, event, at_ms),
        *(fill_row(order.client_order_id, fill, at_ms, inferred=True) for fill in inferred),
        (
            "UPDATE tickets SET state=?, order_id=?, filled=?, final=?, held=?, updated_ms=? WHERE client_order_id=?",
            (
                order.state.value,
                order.order_id,
                str(order.filled),
                int(order.is_final),
                int(order.pending_release),
                order.updated_ms,
                order.client_order_id,
            ),
        ),
    ]


def load_one(
    connection: sqlite3.Connection, client_order_id: str | None, order_id: str | None, symbol: str
) -> StoredOrder | None:
    found = load(connection, "t.client_order_id = ?", client_order_id) if client_order_id else []
    if not found and order_id:
        found = load(connection, "t.order_id = ? AND t.symbol = ?", order_id, symbol)
    return found[0] if found else None


def load_known_until_ms(connection: sqlite3.Connection) -> dict[str, int]:
    rows = connection.execute("SELECT key, value FROM meta WHERE key LIKE ?", (KNOWN_UNTIL + "%",))
    return {key.removeprefix(KNOWN_UNTIL): int(value) for key, value in rows}


def load_best_prices(connection: sqlite3.Connection) -> dict[str, Decimal]:
    rows = connection.execute("SELECT key, value FROM meta WHERE key LIKE ?", (BEST_PRICE + "%",))
    return {key.removeprefix(BEST_PRICE): Decimal(value) for key, value in rows}


def load_edits(connection: sqlite3.Connection) -> dict[str, OrderRequest]:
    rows = connection.execute("SELECT key, value FROM meta WHERE key LIKE ?", (EDIT + "%",))
    return {key.removeprefix(EDIT): decode_request(value) for key, value in rows}


def load_group_members(connection: sqlite3.Connection, client_order_ids: Collection[str]) -> set[str]:
    found: set[str] = set()
    to_see = set(client_order_ids)
    while to_see:
        name = to_see.pop()
        found.add(name)
        for kind in ("oco", "parent", "closes"):  # written out: the indexes are of one kind each
            of_kind = f"FROM ties WHERE kind = '{kind}' AND"
            named = connection.execute(f"SELECT other {of_kind} client_order_id = ?", (name,))
            naming = connection.execute(f"SELECT client_order_id {of_kind} other = ?", (name,))
            to_see |= {other for (other,) in (*named, *naming)} - found
    return found


class JournaledOrder(NamedTuple):
    """``order_id``: the exchange's, None where it never told one."""

    client_order_id: str
    order_id: str | None
    symbol: str


def load_order_names(connection: sqlite3.Connection) -> list[JournaledOrder]:
    """Of all orders in the journal, oldest first."""
    rows = connection.execute("SELECT client_order_id, order_id, symbol FROM tickets ORDER BY rowid")
    return [JournaledOrder(*row) for row in rows]


def load_past_fills(connection: sqlite3.Connection) -> list[Fill]:
    newest = connection.execute(
        "SELECT MIN(id) FROM (SELECT id FROM fills ORDER BY id DESC LIMIT ?)", (PAST_FILLS,)
    ).fetchone()[0]
    after = max((newest or 1) - 1, folded_until(connection))
    return sorted(booked_fills(connection, after), key=lambda fill: fill.time_ms)
