"""Evidence to rows of the journal, and rows back to orders."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from btccxt.model import Fill, OrderRequest
from btccxt.orders.events import LifecycleEvent, Sent
from btccxt.orders.journal.codec import EVENT_KINDS, decode, decode_request, encode
from btccxt.orders.journal.fills import fill_row
from btccxt.orders.live_order import LifecycleState


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
