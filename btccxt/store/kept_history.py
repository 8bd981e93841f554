"""What was read of an account's history, kept with the journal: a later process goes on where one ended.

It is a file of its own (``<journal>.history``): ``btccxt history`` writes it beside a running bot, and a writer that is
stopped within a page would hold up and then refuse the bot's orders, were it the journal.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from btccxt.exchange.history_pages import HistoryPages
from btccxt.model import Fill, FundingPayment, OrderUpdate, Transfer
from btccxt.orders.journal.codec import decode, encode
from btccxt.orders.journal.journal import MEMORY
from btccxt.resilience.files import private_file, private_folder

R = TypeVar("R", Fill, OrderUpdate, FundingPayment, Transfer)

_TABLES = """
CREATE TABLE IF NOT EXISTS readings (    -- one of the exchange's lists: what was read of it
    list     TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    state    TEXT                        -- where to go on; NULL: read to its end
);
CREATE TABLE IF NOT EXISTS rows (
    list     TEXT NOT NULL,
    key      TEXT NOT NULL,
    payload  TEXT NOT NULL,
    PRIMARY KEY (list, key)
) WITHOUT ROWID;
"""
_LISTED_WITHIN_MS = 600_000  # what happened may be listed so much later
_BUSY_S = 10.0


@dataclass(frozen=True, slots=True)
class Reading:
    """``state``: of pages that are not all read; None where all from ``since_ms`` to ``until_ms`` was."""

    since_ms: int
    until_ms: int
    state: str | None


class KeptHistory:
    """Each call opens the file for itself: several processes may write it. Raises sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def beside(cls, journal: str | Path | None) -> KeptHistory | None:
        """None for a journal that is not on disk."""
        if journal is None or str(journal) == MEMORY:
            return None
        return cls(Path(f"{Path(journal).expanduser().absolute()}.history"))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        private_folder(self._path.parent)
        private_file(self._path)
        connection = sqlite3.connect(self._path, timeout=_BUSY_S)
        try:
            # A kill loses nothing; what a power cut damages is read from the exchange again.
            connection.execute("PRAGMA synchronous=OFF")
            connection.executescript(_TABLES)
            with connection:
                yield connection
        finally:
            connection.close()

    def load(self, name: str, kind: type[R]) -> tuple[Reading | None, list[R]]:
        with self._open() as connection:
            row = connection.execute(
                "SELECT since_ms, until_ms, state FROM readings WHERE list = ?", (name,)
            ).fetchone()
            texts = connection.execute("SELECT payload FROM rows WHERE list = ?", (name,)).fetchall()
        return None if row is None else Reading(*row), [decode(kind, text) for (text,) in texts]

    def keep(self, name: str, rows: Sequence[R], reading: Reading | None) -> None:
        """One page's rows, and where that leads; None: the reading is as it was."""
        with self._open() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?,?,?)", [(name, _key(row), encode(row)) for row in rows]
            )
            if reading is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO readings VALUES (?,?,?,?)",
                    (name, reading.since_ms, reading.until_ms, reading.state),
                )


def _key(row: Fill | OrderUpdate | FundingPayment | Transfer) -> str:
    if isinstance(row, Fill) and row.trade_id:
        return f"{row.symbol} {row.trade_id} {row.side.value}"
    if isinstance(row, OrderUpdate) and row.order_id:
        return f"{row.symbol} {row.order_id}"
    return encode(row)


@dataclass(frozen=True, slots=True)
class ListName(Generic[R]):
    """``reused``: what was read to its end is not asked for again. Not where a row may still change: of orders."""

    text: str
    kind: type[R]
    reused: bool


@dataclass(slots=True)
class _Stage(Generic[R]):
    """Pages to read. ``goal``: what is known when all are; ``resumes``: another process may go on in between."""

    pages: HistoryPages[R]
    goal: Reading
    resumes: bool


class KeptPages(HistoryPages[R]):
    """What is kept of a list, as its first page, then what that lacks. Each page is kept before it is handed on."""

    def __init__(
        self,
        kept: KeptHistory,
        name: ListName[R],
        make: Callable[[int, int | None], HistoryPages[R]],
        since_ms: int,
        until_ms: int | None,
        now_ms: int,
    ) -> None:
        super().__init__((), None)
        self._kept = kept
        self._name: ListName[R] = name
        self._make: Callable[[int, int | None], HistoryPages[R]] = make
        self._since_ms, self._until_ms, self._now_ms = since_ms, until_ms, now_ms
        self._stages: list[_Stage[R]] | None = None
        self._count = 1
        self._told: list[str] = []
        self._trouble: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        return self._stages is not None and not self._stages

    @property
    def doubts(self) -> tuple[str, ...]:
        return (*self._told, *self._trouble)

    @property
    def reached(self) -> float:
        if self._stages is None:
            return 0.0
        return 1.0 if not self._stages else 1 - (len(self._stages) - self._stages[0].pages.reached) / self._count

    async def next(self) -> list[R]:
        if self._stages is None:
            return await self._begin()
        while self._stages and self._stages[0].pages.is_done:
            self._stages.pop(0)
        if not self._stages:
            return []
        stage = self._stages[0]
        rows = await stage.pages.next()
        is_done, doubts = stage.pages.is_done, stage.pages.doubts
        reading: Reading | None = None
        if is_done and not doubts:
            reading = stage.goal
        elif not is_done and stage.resumes:
            reading = Reading(stage.goal.since_ms, stage.goal.until_ms, stage.pages.state())
        try:
            await asyncio.to_thread(self._kept.keep, self._name.text, rows, reading)
        except (sqlite3.Error, OSError) as error:
            self._trouble = self._trouble or (f"the history is not kept: {error}",)
        if is_done:
            self._told += [doubt for doubt in doubts if doubt not in self._told]
            self._stages.pop(0)
        return rows

    async def _begin(self) -> list[R]:
        reading: Reading | None = None
        rows: list[R] = []
        try:
            reading, rows = await asyncio.to_thread(self._kept.load, self._name.text, self._name.kind)
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
            self._trouble = (f"what was kept of the history cannot be read: {error}",)
        self._stages = self._plan(reading)
        self._count = max(1, len(self._stages))
        return rows

    def _plan(self, known: Reading | None) -> list[_Stage[R]]:
        end_ms = self._now_ms if self._until_ms is None else min(self._until_ms, self._now_ms)
        if known is None or known.since_ms > self._since_ms:
            return [self._whole(end_ms)]
        stages: list[_Stage[R]] = []
        if known.state is not None:
            pages = self._make(known.since_ms, known.until_ms)
            if not pages.resume(known.state):
                return [self._whole(end_ms)]
            stages.append(_Stage(pages, Reading(known.since_ms, known.until_ms, None), resumes=True))
        elif not self._name.reused:
            return [self._whole(end_ms)]
        if end_ms > known.until_ms:
            since_ms = max(known.since_ms, known.until_ms - _LISTED_WITHIN_MS)
            goal = Reading(known.since_ms, end_ms, None)
            stages.append(_Stage(self._make(since_ms, self._until_ms), goal, resumes=False))
        return stages

    def _whole(self, end_ms: int) -> _Stage[R]:
        pages = self._make(self._since_ms, self._until_ms)
        return _Stage(pages, Reading(self._since_ms, end_ms, None), resumes=True)
