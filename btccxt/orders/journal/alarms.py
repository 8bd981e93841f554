"""Rows of the journal for alarms: until they are told, and for good where they are told once."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from btccxt.orders.events import Alarm, AlarmKind


@dataclass(frozen=True, slots=True)
class StoredAlarm:
    alarm: Alarm
    at_ms: int
    told: bool


def keep_statement(alarm: Alarm, at_ms: int) -> tuple[str, tuple[Any, ...]]:
    return (
        "INSERT OR REPLACE INTO alarms (name, client_order_id, kind, text, at_ms, once) VALUES (?,?,?,?,?,?)",
        (_name(alarm), alarm.client_order_id, alarm.kind.value, alarm.text, at_ms, int(alarm.once is not None)),
    )


def told_statement(alarm: Alarm) -> tuple[str, tuple[Any, ...]]:
    if alarm.once is not None:
        return "UPDATE alarms SET told = 1 WHERE name = ?", (_name(alarm),)
    return "DELETE FROM alarms WHERE name = ?", (_name(alarm),)


def load_alarms(connection: sqlite3.Connection) -> list[StoredAlarm]:
    """Oldest first."""
    rows = connection.execute("SELECT name, client_order_id, kind, text, at_ms, once, told FROM alarms ORDER BY at_ms")
    return [
        StoredAlarm(Alarm(AlarmKind(kind), text, client_order_id, name if once else None), at_ms, bool(told))
        for name, client_order_id, kind, text, at_ms, once, told in rows
    ]


def _name(alarm: Alarm) -> str:
    return alarm.once or f"{alarm.kind.value} {alarm.client_order_id} {alarm.text}"
