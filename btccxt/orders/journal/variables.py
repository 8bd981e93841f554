"""A strategy's own variables as one row of the journal: text that the strategy's side writes and reads."""

from __future__ import annotations

import sqlite3

_VARIABLES = "variables "


def keep_statement(owner: str, text: str) -> tuple[str, tuple[str, str]]:
    return "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_VARIABLES + owner, text)


def load_variables(connection: sqlite3.Connection, owner: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (_VARIABLES + owner,)).fetchone()
    return None if row is None else str(row[0])
