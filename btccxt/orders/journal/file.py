"""The journal as a file: where it lies, who may open it, and what is refused before anything is changed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

from btccxt.errors import JournalError
from btccxt.orders.client_ids import new_tag
from btccxt.orders.journal import schema as schema
from btccxt.resilience.files import FileLock, FileLocked, private_file, private_folder, state_directory


def account_fingerprint(exchange_id: str, api_key: str | None) -> str:
    """Tells accounts apart without holding the key; 'nokey' where there is none (paper, embedded exchange)."""
    if not api_key:
        return "nokey"
    return hashlib.sha256(f"btccxt/{exchange_id}/{api_key}".encode()).hexdigest()[:12]


def default_journal_path(exchange_id: str, mode: str, fingerprint: str) -> Path:
    return state_directory() / f"{exchange_id}-{mode}-{fingerprint}.sqlite3"


def take_lock(path: Path) -> FileLock:
    try:
        private_folder(path.parent)
        return FileLock(path.with_name(path.name + ".lock"))
    except FileLocked as locked:
        raise JournalError(
            f"the order journal {path} is in use by {locked.holder or 'another process'}; one process trades an "
            "account at a time: stop that one, or give this one another account or another path (journal=…)"
        ) from locked
    except OSError as error:
        raise trouble_with(str(path), error) from error


def lock_account(exchange: str, mode: str, fingerprint: str) -> FileLock:
    """One program trades an account at a time, whatever journals are given. Raises JournalError."""
    path = state_directory() / f"{exchange}-{mode}-{fingerprint}.account.lock"
    try:
        private_folder(path.parent)
        return FileLock(path)
    except FileLocked as locked:
        raise JournalError(
            f"the {exchange} {mode} account {fingerprint} is traded by {locked.holder or 'another process'} on this "
            "machine, with another journal; two of them would take each other's orders for foreign ones. Stop that "
            "one, or give this one keys of another account (a sub-account)"
        ) from locked
    except OSError as error:
        raise trouble_with(str(path), error) from error


def check_existing(path: str, exchange: str, mode: str, account: str) -> None:
    """Everything that can be refused is refused through a read-only connection."""
    if os.path.getsize(path) == 0:
        return
    connection = open_read_only(path)
    try:
        schema.check_readable(connection, path)
        if schema.schema_version(connection) == 0:
            return
        meta = dict(connection.execute("SELECT key, value FROM meta"))
    except sqlite3.DatabaseError as error:
        raise schema.damaged(path, error) from error
    finally:
        connection.close()
    check_account(path, meta, exchange, mode, account)


def check_account(path: str, meta: Mapping[str, str], exchange: str, mode: str, account: str) -> None:
    """Raises JournalError if the journal is another account's."""
    for name, wanted in (("exchange", exchange), ("mode", mode), ("account", account)):
        if meta.get(name) != wanted:
            raise JournalError(
                f"the order journal {path} belongs to {meta.get('exchange')} {meta.get('mode')}, account "
                f"{meta.get('account')}; this store is {exchange} {mode}, account {account}. Give another path "
                "(journal=…), or the keys of that account"
            )


def open_read_only(path: str) -> sqlite3.Connection:
    """A connection that cannot write, also while another process does. Raises JournalError."""
    uri = Path(path).absolute().as_uri()
    try:
        connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=5.0)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error:
            connection.close()
            raise
    except sqlite3.OperationalError:
        # A write-ahead log cannot be set up beside a file on a read-only medium; nobody else can be writing either.
        try:
            connection = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error as error:
            raise trouble_with(path, error) from error
    except sqlite3.DatabaseError as error:
        raise schema.damaged(path, error) from error
    return connection


def connect(path: str, exchange: str, mode: str, account: str) -> sqlite3.Connection:
    if path != ":memory:":
        private_file(Path(path))  # before SQLite makes it as the umask says; its log files are made alike
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA fullfsync=ON")  # macOS: fsync alone leaves the ticket in the drive's cache
        schema.migrate(connection)
        schema.prepare_to_write(connection)
        # Written at every start: a read-only file or a full disk shows itself here, not with the first order.
        connection.execute("BEGIN IMMEDIATE")
        now_ms = time.time_ns() // 1_000_000
        for key, value in (
            ("exchange", exchange),
            ("mode", mode),
            ("account", account),
            ("tag", str(new_tag())),
            ("next_sequence", "1"),
            ("created_ms", str(now_ms)),
        ):
            connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('opened_ms', ?)", (str(now_ms),))
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def trouble_with(path: str, error: object) -> JournalError:
    if isinstance(error, JournalError):
        return error
    text = str(error)
    hint = "check the path, its permissions and the free space"
    if "readonly" in text or isinstance(error, PermissionError):
        hint = "the file or its directory is read-only; make it writable or give another path (journal=…)"
    elif "full" in text or "disk I/O" in text:
        hint = "free some space on the disk"
    elif "UNIQUE" in text:
        hint = "this client order id has been used before"
    return JournalError(f"the order journal {path} cannot be used ({text}): {hint}; nothing was sent")
