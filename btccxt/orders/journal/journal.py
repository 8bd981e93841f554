"""The order journal: an intent is on disk, synced, before it is sent.

SQLite in WAL mode. One thread writes; what arrives while it syncs goes into the next transaction together (group
commit). A transaction with a ticket in it is synced to the disk (``synchronous=FULL``); one with only updates and fills
is left to the operating system (they survive a killed process, and after a power cut the exchange still has them).

One process writes a journal at a time; any number may read it meanwhile (``journal_reader.py``).
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from btccxt.errors import JournalError
from btccxt.model import Balances, Fill, OrderRequest, Position
from btccxt.orders.events import Alarm, LifecycleEvent
from btccxt.orders.journal import alarms as journal_alarms
from btccxt.orders.journal import schema as schema
from btccxt.orders.journal import variables as journal_variables
from btccxt.orders.journal.codec import encode
from btccxt.orders.journal.file import (
    account_fingerprint,
    check_existing,
    connect,
    default_journal_path,
    lock_account,
    take_lock,
    trouble_with,
)
from btccxt.orders.journal.holdings import StoredHoldings, keep_statement, load_holdings
from btccxt.orders.journal.paper import PaperChange, StoredPaper, load_paper, prune_paper
from btccxt.orders.journal.prune import Fold, Opening, Pruned, load_openings, prune
from btccxt.orders.journal.rows import (
    BEST_PRICE,
    EDIT,
    KNOWN_UNTIL,
    JournaledOrder,
    Statement,
    StoredOrder,
    handed_out,
    load,
    load_best_prices,
    load_edits,
    load_group_members,
    load_known_until_ms,
    load_one,
    load_order_names,
    load_past_fills,
    record_statements,
    ticket_statements,
)
from btccxt.orders.live_order import LiveOrder
from btccxt.resilience.files import FileLock

__all__ = ["Journal", "StoredOrder", "account_fingerprint", "default_journal_path"]

Answer = TypeVar("Answer")
MEMORY = ":memory:"
_SYNCED = "PRAGMA synchronous=FULL"  # the write-ahead log is synced at commit
_LEFT_TO_THE_SYSTEM = "PRAGMA synchronous=NORMAL"
_MAX_BATCH = 2_000
_MAX_BACKLOG = 100_000
_BACKLOG_PART = 500  # written at once when the disk takes writes again


@dataclass(slots=True)
class _Write:
    statements: Callable[[], list[Statement]]  # called in the journal's thread: encoding need not hold up an order
    done: Future[None] | None = None  # given: to be synced before it is resolved


@dataclass(slots=True)
class _Read:
    query: Callable[[sqlite3.Connection], Any]
    done: Future[Any]


class Journal:
    """Open with ``Journal.open``. All methods may be called from any thread; none waits for the disk but ``close``."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: str,
        locks: tuple[FileLock, ...],
        on_trouble: Callable[[JournalError], None] | None,
    ) -> None:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        self.path = path
        self.exchange: str = meta["exchange"]
        self.mode: str = meta["mode"]
        self.account: str = meta["account"]
        self.tag = int(meta["tag"])
        self.next_sequence = int(meta["next_sequence"])
        """Of the next client order id, as it was when the journal was opened."""
        self._connection = connection
        self._locks = locks
        self._on_trouble = on_trouble
        self._jobs: deque[_Write | _Read | None] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()  # rung when jobs should be done now
        self._backlog: deque[_Write] = deque()
        self._backlog_trouble = JournalError("")  # why it waits
        self._closed = False
        self._in_trouble = False
        self._synchronous = _SYNCED  # as ``connect`` leaves it
        self._thread = threading.Thread(target=self._run, name="btccxt-journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        exchange: str,
        mode: str,
        account: str,
        lock_whole_account: bool = False,
        on_trouble: Callable[[JournalError], None] | None = None,
    ) -> Journal:
        """Open or create the journal of one account, for writing.

        ``path`` may be ``':memory:'``. ``on_trouble`` is called in the journal's thread when writing fails later on.
        ``lock_whole_account``: refuse another journal of the same account, too, as long as this one is open.
        Raises JournalError, with what to do and without changing anything, if the file belongs to another account or
        exchange, is in use by another process, damaged, newer than this program, read-only, or the disk is full.
        """
        text = str(path)
        locks: list[FileLock] = []
        connection = None
        try:
            if text != MEMORY:
                file = Path(path).expanduser().absolute()
                text = str(file)
                locks.append(take_lock(file))
            if lock_whole_account:
                locks.append(lock_account(exchange, mode, account))
            if text != MEMORY and os.path.exists(text):
                check_existing(text, exchange, mode, account)
            connection = connect(text, exchange, mode, account)
            return cls(connection, text, tuple(locks), on_trouble)
        except BaseException as error:
            if connection is not None:
                connection.close()
            for lock in locks:
                lock.release()
            if isinstance(error, sqlite3.Error | OSError):
                raise trouble_with(text, error) from error
            raise

    # -------------------------------------------------------------- writing

    def record_intent(self, order: LiveOrder, next_sequence: int | None = None) -> Future[None]:
        """Put an intent on disk. The future resolves when it is synced, or holds a JournalError (nothing was kept)."""
        return self._write_durably(partial(ticket_statements, order, next_sequence))

    def record(self, order: LiveOrder, event: LifecycleEvent, at_ms: int, inferred: Collection[Fill] = ()) -> None:
        """Keep a piece of evidence that changed ``order`` (given as it is afterwards), and fills that follow from it.

        Not synced, and written with the next thing that is, or at the next ``write_now``: a thread woken for each piece
        takes the interpreter from the order or fill that is under way.
        """
        self._jobs.append(_Write(partial(record_statements, order, event, at_ms, inferred)))

    def write_now(self) -> None:
        """Write what ``record`` has gathered."""
        self._bell.put(None)

    def record_durably(self, order: LiveOrder, event: LifecycleEvent, at_ms: int) -> Future[None]:
        """Like ``record``; the future resolves when it is synced, or holds a JournalError (it was not kept)."""
        return self._write_durably(partial(record_statements, order, event, at_ms))

    def mark_told(self, client_order_id: str) -> None:
        """The strategy has heard of the end of this order; it need not be told after a restart."""
        self._write([("UPDATE tickets SET told=1 WHERE client_order_id=?", (client_order_id,))])

    def note(self, text: str, at_ms: int, client_order_id: str | None = None) -> None:
        self._write(
            [("INSERT INTO notes (client_order_id, at_ms, text) VALUES (?,?,?)", (client_order_id, at_ms, text))]
        )

    def fills_are_known_until(self, symbol: str, time_ms: int) -> None:
        """The exchange has been asked for all trades of ``symbol`` up to ``time_ms``."""
        self._write([("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KNOWN_UNTIL + symbol, str(time_ms)))])

    def keep_best_price(self, client_order_id: str, price: Decimal) -> None:
        self._write([("INSERT OR REPLACE INTO meta VALUES (?, ?)", (BEST_PRICE + client_order_id, str(price)))])

    def keep_holdings(self, at_ms: int, balances: Balances, positions: Iterable[Position]) -> None:
        """What the account has, at a moment when every fill that made it so has been recorded."""
        self._write([keep_statement(at_ms, balances, positions)])

    def keep_edit(self, client_order_id: str, request: OrderRequest, next_sequence: int) -> Future[None]:
        """An order is to become what ``request`` says, under an id that no other gets; resolves when that is synced."""
        return self._write_durably(
            lambda: [
                ("INSERT OR REPLACE INTO meta VALUES (?, ?)", (EDIT + client_order_id, encode(request))),
                handed_out(next_sequence),
            ]
        )

    def edit_ended(self, client_order_id: str) -> None:
        self._write([("DELETE FROM meta WHERE key = ?", (EDIT + client_order_id,))])

    def keep_alarm(self, alarm: Alarm, at_ms: int) -> None:
        """Call it before the evidence that raised the alarm is recorded: it is on disk no later than that."""
        self._write([journal_alarms.keep_statement(alarm, at_ms)])

    def alarm_told(self, alarm: Alarm) -> None:
        self._write([journal_alarms.told_statement(alarm)])

    def keep_variables(self, owner: str, text: str) -> None:
        """A strategy's own variables."""
        self._write([journal_variables.keep_statement(owner, text)])

    def keep_paper(self, change: PaperChange) -> None:
        """What a paper account's engine did; call it before anybody is told of it."""
        self._do(_Write(change.statements))

    def flush(self) -> Future[None]:
        """Resolves when everything before it is written."""
        return self._write_durably(list)

    def close(self) -> None:
        """Write what is queued, release the file. Waits for the disk (bounded); idempotent."""
        if self._closed:
            return
        self._closed = True
        self._do(None)
        self._thread.join(10.0)
        for lock in self._locks:
            lock.release()

    # -------------------------------------------------------------- reading (in the journal's thread)

    def load_unfinished(self) -> Future[list[StoredOrder]]:
        """Orders that are not final, and final ones whose end the strategy was not told of."""
        return self._read(lambda connection: load(connection, "t.final = 0 OR t.told = 0"))

    def load_order(
        self, *, client_order_id: str | None = None, order_id: str | None = None, symbol: str = ""
    ) -> Future[StoredOrder | None]:
        """One order, however old, by either id."""
        return self._read(lambda connection: load_one(connection, client_order_id, order_id, symbol))

    def fills_known_until_ms(self) -> Future[dict[str, int]]:
        """By symbol: up to when the exchange has been asked for all of the account's trades."""
        return self._read(load_known_until_ms)

    def best_prices(self) -> Future[dict[str, Decimal]]:
        """By client order id: the best price that a trailing order waiting here had seen."""
        return self._read(load_best_prices)

    def holdings(self) -> Future[StoredHoldings | None]:
        """The figures kept last, with the fills recorded since; None before the first."""
        return self._read(load_holdings)

    def edits(self) -> Future[dict[str, OrderRequest]]:
        """By client order id: edits that were under way when the last program ended."""
        return self._read(load_edits)

    def variables(self, owner: str) -> Future[str | None]:
        return self._read(lambda connection: journal_variables.load_variables(connection, owner))

    def paper(self, most: int) -> Future[StoredPaper | None]:
        """The paper account that lives here, of its past the newest ``most``; None before its first start."""

        def load_newest(connection: sqlite3.Connection) -> StoredPaper | None:
            prune_paper(connection, most)
            return load_paper(connection)

        return self._read(load_newest)

    def alarms(self) -> Future[list[journal_alarms.StoredAlarm]]:
        """Alarms that nobody was told of, and those that are told once."""
        return self._read(journal_alarms.load_alarms)

    def group_members(self, client_order_ids: Collection[str]) -> Future[set[str]]:
        """These orders and all others of their brackets and pairs."""
        return self._read(partial(load_group_members, client_order_ids=client_order_ids))

    def openings(self) -> Future[dict[str, Opening]]:
        """By spot symbol: position and average price that the fills taken out by ``prune`` had led to."""
        return self._read(load_openings)

    def prune(self, before_ms: int, fold: Fold) -> Future[Pruned]:
        """Take out orders that ended before ``before_ms`` and that nothing needs any more."""
        return self._read(lambda connection: prune(connection, before_ms, fold))

    def order_names(self) -> Future[list[JournaledOrder]]:
        """Which orders of the exchange are ours: all that the journal has."""
        return self._read(load_order_names)

    def past_fills(self) -> Future[list[Fill]]:
        """The latest fills (``rows.PAST_FILLS`` at most), oldest first, each once, with its fee where it is known."""
        return self._read(load_past_fills)

    # -------------------------------------------------------------- the thread

    def _do(self, job: _Write | _Read | None) -> None:
        self._jobs.append(job)
        self._bell.put(None)

    def _write(self, statements: list[Statement]) -> None:
        self._do(_Write(lambda: statements))

    def _write_durably(self, statements: Callable[[], list[Statement]]) -> Future[None]:
        done: Future[None] = _promise()
        if self._closed:
            done.set_exception(JournalError(f"the order journal {self.path} is closed"))
        elif self.path == MEMORY:  # nothing in it outlives the process, so there is nothing to wait for
            self._jobs.append(_Write(statements))
            done.set_result(None)
        else:
            self._do(_Write(statements, done))
        return done

    def _read(self, query: Callable[[sqlite3.Connection], Answer]) -> Future[Answer]:
        done: Future[Answer] = _promise()
        if self._closed:
            done.set_exception(JournalError(f"the order journal {self.path} is closed"))
        else:
            self._do(_Read(query, done))
        return done

    def _run(self) -> None:
        try:
            running = True
            while running:
                self._bell.get()
                while self._bell.qsize():  # rung again before it was heard: one answer does for all
                    self._bell.get()
                running = self._work_off()
        finally:
            self._connection.close()

    def _work_off(self) -> bool:
        """Everything queued, in its order; False if the end was among it."""
        batch: list[_Write] = []
        while self._jobs:
            job = self._jobs.popleft()
            if isinstance(job, _Write):
                batch.append(job)
                if len(batch) < _MAX_BATCH:
                    continue
            self._commit(batch)
            batch = []
            if isinstance(job, _Read):
                self._answer(job)
            elif job is None:
                return False
        self._commit(batch)
        return True

    def _answer(self, job: _Read) -> None:
        try:
            job.done.set_result(job.query(self._connection))
        except Exception as error:  # noqa: BLE001 - handed to whoever asked
            job.done.set_exception(trouble_with(self.path, error))

    def _commit(self, batch: list[_Write]) -> None:
        """One transaction. On failure tickets are given back, updates are kept for the next one, in their order."""
        if self._backlog and not self._commit_backlog():
            if batch:  # behind what still waits: a later update must not be overtaken by an earlier one
                self._keep(batch, self._backlog_trouble)
            return
        if not batch:
            return
        try:
            self._transaction(batch, synced=any(write.done is not None for write in batch))
        except sqlite3.OperationalError as error:  # the disk, not a row: the others would fare no better
            self._keep(batch, trouble_with(self.path, error))
            return
        except Exception as error:  # noqa: BLE001 - a journal that fails must not take its thread along
            if len(batch) > 1:  # one bad ticket (a client order id used twice) must not take the others along
                for write in batch:
                    self._commit([write])
                return
            self._give_back(batch[0], trouble_with(self.path, error))
            return
        self._in_trouble = False
        for write in batch:
            if write.done is not None:
                write.done.set_result(None)

    def _keep(self, batch: list[_Write], trouble: JournalError) -> None:
        """The disk refuses. Each write is tried once a call, however many wait: time stays in proportion to them."""
        self._backlog_trouble = trouble
        for write in batch:
            if write.done is not None:
                write.done.set_exception(trouble)
            elif len(self._backlog) < _MAX_BACKLOG:
                self._backlog.append(write)
        self._tell(trouble)

    def _give_back(self, write: _Write, trouble: JournalError) -> None:
        if write.done is not None:
            write.done.set_exception(trouble)
        self._tell(trouble)

    def _commit_backlog(self) -> bool:
        """Whether all that waited is on disk. Stops at the first part that the disk refuses."""
        while self._backlog:
            part = [self._backlog.popleft() for _ in range(min(_BACKLOG_PART, len(self._backlog)))]
            try:
                self._transaction(part, synced=False)
            except sqlite3.OperationalError as error:
                self._backlog.extendleft(reversed(part))
                self._backlog_trouble = trouble_with(self.path, error)
                return False  # still full or locked; whoever caused it has been told
            except Exception as error:  # noqa: BLE001 - as above: one bad row must not take the others along
                if len(part) > 1:
                    for write in part:
                        self._commit_alone(write)
                else:
                    self._tell(trouble_with(self.path, error))
        return True

    def _commit_alone(self, write: _Write) -> None:
        try:
            self._transaction([write], synced=False)
        except Exception as error:  # noqa: BLE001 - as above
            self._tell(trouble_with(self.path, error))

    def _tell(self, trouble: JournalError) -> None:
        """Once per trouble, not once per write; whoever waits for a ticket hears of it anyway."""
        if self._on_trouble is not None and not self._in_trouble:
            self._on_trouble(trouble)
        self._in_trouble = True

    def _transaction(self, writes: list[_Write], *, synced: bool) -> None:
        connection = self._connection
        statements = [each for write in writes for each in write.statements()]
        alone = synced and len(statements) == 1 and not connection.in_transaction
        if alone and self._synchronous == _SYNCED:  # a transaction by itself
            connection.execute(*statements[0])
            return
        self._set_synchronous(_SYNCED if synced else _LEFT_TO_THE_SYSTEM)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                connection.execute(statement, values)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            self._set_synchronous(_SYNCED)  # now, so that the next ticket need not wait for it

    def _set_synchronous(self, pragma: str) -> None:
        if pragma != self._synchronous:
            self._connection.execute(pragma)
            self._synchronous = pragma


def _promise() -> Future[Any]:
    """A future that whoever waits for it cannot cancel: the journal's thread keeps what it has promised."""
    promise: Future[Any] = Future()
    promise.set_running_or_notify_cancel()
    return promise
