"""The journal's tables, their versions, and the way from one version to the next."""

from __future__ import annotations

import sqlite3

from btccxt.errors import JournalError

APPLICATION_ID = 0x62746A31  # 'btj1' in SQLite's header: tells a journal from any other database

_VERSION_1 = """
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE tickets (                       -- one row per intent, written and synced before it is sent
    client_order_id TEXT PRIMARY KEY,
    symbol          TEXT NOT NULL,
    request         TEXT NOT NULL,
    context         TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    held            INTEGER NOT NULL DEFAULT 0,
    external        INTEGER NOT NULL DEFAULT 0,
    state           TEXT NOT NULL,
    order_id        TEXT,
    filled          TEXT NOT NULL DEFAULT '0',
    final           INTEGER NOT NULL DEFAULT 0,
    told            INTEGER NOT NULL DEFAULT 0,   -- the strategy has heard of the end
    updated_ms      INTEGER NOT NULL
);
CREATE INDEX tickets_unfinished ON tickets (client_order_id) WHERE final = 0 OR told = 0;
CREATE INDEX tickets_by_order_id ON tickets (order_id) WHERE order_id IS NOT NULL;
CREATE TABLE attempts (                      -- each time a request left
    client_order_id TEXT NOT NULL,
    attempt         INTEGER NOT NULL,
    sent_ms         INTEGER NOT NULL,
    PRIMARY KEY (client_order_id, attempt)
);
CREATE TABLE updates (                       -- all evidence but trades, in order of arrival
    id              INTEGER PRIMARY KEY,
    client_order_id TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    payload         TEXT NOT NULL
);
CREATE INDEX updates_by_order ON updates (client_order_id);
CREATE TABLE fills (
    id              INTEGER PRIMARY KEY,
    client_order_id TEXT NOT NULL,
    symbol          TEXT NOT NULL,
    trade_id        TEXT NOT NULL,               -- '' where the exchange gives none
    time_ms         INTEGER NOT NULL,
    at_ms           INTEGER NOT NULL,
    payload         TEXT NOT NULL
);
CREATE INDEX fills_by_order ON fills (client_order_id);
CREATE TABLE ties (                          -- which orders belong together
    client_order_id TEXT NOT NULL,
    kind            TEXT NOT NULL,               -- ref, oco, parent, replaces, closes
    other           TEXT NOT NULL,
    PRIMARY KEY (client_order_id, kind, other)
);
CREATE TABLE notes (
    id              INTEGER PRIMARY KEY,
    client_order_id TEXT,
    at_ms           INTEGER NOT NULL,
    text            TEXT NOT NULL
);
"""

_VERSION_2 = """
CREATE TABLE alarms (                        -- until somebody is told; for good where it is told once
    name            TEXT PRIMARY KEY,
    client_order_id TEXT,
    kind            TEXT NOT NULL,
    text            TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    once            INTEGER NOT NULL,
    told            INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX ties_of_pairs ON ties (other) WHERE kind = 'oco';
"""

_VERSION_3 = """
ALTER TABLE fills ADD COLUMN inferred INTEGER NOT NULL DEFAULT 0;
"""

_VERSION_4 = """
CREATE INDEX ties_of_brackets ON ties (other) WHERE kind = 'parent';
"""

_VERSION_5 = """
CREATE INDEX ties_of_closing ON ties (other) WHERE kind = 'closes';
"""

_VERSION_6 = """
CREATE TABLE paper (                         -- the account of mode 'paper', as its matching engine has it
    kind            TEXT NOT NULL,               -- account, order, fill, funding
    number          INTEGER NOT NULL,
    part            TEXT NOT NULL DEFAULT '',
    ended           INTEGER NOT NULL,            -- nothing changes it any more
    payload         TEXT NOT NULL,
    PRIMARY KEY (kind, number, part)
) WITHOUT ROWID;
"""

MIGRATIONS: list[str] = [_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5, _VERSION_6]
"""Entry n leads from version n to n + 1. Entries are never edited once released, only added."""

WITH_ALARMS = 2  # the version since which there is a table of them
WITH_INFERRED_FILLS = 3
WITH_PAPER = 6

# A ticket, its ties and the sequence it uses up, as one statement: SQLite runs it, with the sync at its end, without
# the interpreter, which prepares the request meanwhile.
_TICKETS_IN = """
CREATE TEMP VIEW tickets_in AS
    SELECT client_order_id, symbol, request, context, created_ms, held, external, state, order_id, updated_ms,
           NULL AS ref, NULL AS oco, NULL AS parent, NULL AS replaces, NULL AS next_sequence FROM tickets;
CREATE TEMP TRIGGER ticket_in INSTEAD OF INSERT ON tickets_in BEGIN
    INSERT INTO tickets (client_order_id, symbol, request, context, created_ms, held, external, state, order_id,
                         updated_ms)
        VALUES (NEW.client_order_id, NEW.symbol, NEW.request, NEW.context, NEW.created_ms, NEW.held, NEW.external,
                NEW.state, NEW.order_id, NEW.updated_ms);
    INSERT OR IGNORE INTO ties SELECT NEW.client_order_id, 'ref', NEW.ref WHERE NEW.ref IS NOT NULL;
    INSERT OR IGNORE INTO ties SELECT NEW.client_order_id, 'oco', NEW.oco WHERE NEW.oco IS NOT NULL;
    INSERT OR IGNORE INTO ties SELECT NEW.client_order_id, 'parent', NEW.parent WHERE NEW.parent IS NOT NULL;
    INSERT OR IGNORE INTO ties SELECT NEW.client_order_id, 'replaces', NEW.replaces WHERE NEW.replaces IS NOT NULL;
    UPDATE meta SET value = NEW.next_sequence
        WHERE key = 'next_sequence' AND CAST(value AS INTEGER) < NEW.next_sequence;
END;
"""
TIE_KINDS = ("ref", "oco", "parent", "replaces")


def prepare_to_write(connection: sqlite3.Connection) -> None:
    """Make what only a writer needs, and what ends with its connection. Raises sqlite3.Error."""
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.executescript(_TICKETS_IN)


def schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_readable(connection: sqlite3.Connection, path: str) -> None:
    """Refuse what is not a journal, is damaged, or is newer than this program. Reads only.

    Raises JournalError with what to do.
    """
    try:
        empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if empty:
            return
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        version = schema_version(connection)
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error
    if application_id != APPLICATION_ID:
        raise JournalError(f"{path} is another program's database, not an order journal; give another path (journal=…)")
    if version > len(MIGRATIONS):
        raise JournalError(
            f"{path} was written by a newer btccxt (schema {version}, this one knows {len(MIGRATIONS)}); "
            "upgrade btccxt, or give another path (journal=…)"
        )
    try:
        verdict = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error
    if verdict != ["ok"]:
        raise damaged(path, " ".join("; ".join(verdict).split()))


def damaged(path: str, why: object) -> JournalError:
    return JournalError(
        f"the order journal {path} is damaged ({why}); nothing was changed. Restore it from a backup, or move it away "
        "(with its -wal file), check the open orders at the exchange, and start with a new one"
    )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to this program's version, in one transaction per step. Raises sqlite3.Error."""
    for version in range(schema_version(connection), len(MIGRATIONS)):
        script = [
            f"PRAGMA application_id = {APPLICATION_ID}",
            MIGRATIONS[version],
            f"PRAGMA user_version = {version + 1}",
        ]
        connection.executescript("BEGIN IMMEDIATE;\n" + ";\n".join(script) + ";\nCOMMIT;")
