"""The record of a run on disk, while it goes on: JSON lines beside the journals, for the page and for reports.

The first line is the header: what runs, where, since when, in which process. A thread of its own writes the rest, so
that a slow disk holds up nobody; if it cannot keep up, records are left out and counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btccxt.bt.compat import bt
from btccxt.bt.run_log import Log, Record, RunLog
from btccxt.notices import NoticeKind, StoreNotice
from btccxt.resilience.files import private_file, private_folder, state_directory

if TYPE_CHECKING:
    from btccxt.store.store import CCXTStore

SCHEMA = 1
ENDING = ".run.jsonl"
_WAITING = 50_000
_WRITE_EVERY_S = 0.25
_STOP_S = 3.0
_KEPT = 100
_LARGEST_BYTES = 256_000_000


def run_folder() -> Path:
    """Where the records of runs, and the journals of runs with simulated money, are kept."""
    return state_directory() / "runs"


class RunRecord:
    """Begins with a header; ``add`` never blocks and never raises; ``end`` writes what is left."""

    def __init__(
        self,
        run_id: str,
        header: Mapping[str, Any],
        report: Callable[[str, BaseException], None],
        largest_bytes: int = _LARGEST_BYTES,
    ) -> None:
        """``report`` is told of a disk that fails later. Raises OSError if the file cannot be made."""
        self.run_id = run_id
        self._report, self._largest_bytes = report, largest_bytes
        folder = private_folder(run_folder())
        _forget_old(folder)
        self.path = private_file(folder / f"{run_id}{ENDING}")
        self.header: Record = {"t": "start", "schema": SCHEMA, "run": run_id, "process": os.getpid(), **header}
        self._waiting: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._lost = 0
        self._file = self.path.open("a", encoding="utf-8")
        self._write([self.header])
        self._thread = threading.Thread(target=self._run, name="btccxt-run-record", daemon=True)
        self._thread.start()

    def add(self, record: Record) -> None:
        """Any thread."""
        if self._waiting.qsize() < _WAITING:
            self._waiting.put(record)
        else:
            self._lost += 1

    def end(self) -> None:
        """Idempotent; waits for the disk, a few seconds at most."""
        self._waiting.put(None)
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        is_over = False
        try:
            while not is_over:
                records, is_over = self._next_records()
                self._write(records)
                if self._file.tell() > self._largest_bytes:
                    self._halve()
        except (OSError, ValueError) as error:
            self._report("run record", error)
        finally:
            self._file.close()

    def _next_records(self) -> tuple[list[Record], bool]:
        """What has come within a moment, and whether it is the end."""
        found = [self._waiting.get()]
        if found[0] is not None:
            time.sleep(_WRITE_EVERY_S)  # in a thread of its own: what comes meanwhile goes in the same write
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._waiting.get_nowait())
        records: list[Record] = [each for each in found if each is not None]
        if self._lost:
            records.append({"t": "told", "at": 0, "kind": "trouble", "text": f"{self._lost} records were left out"})
            self._lost = 0
        is_over = None in found
        return [*records, *([{"t": "end", "wall_ms": int(time.time() * 1000)}] if is_over else [])], is_over

    def _write(self, records: Sequence[Record]) -> None:
        self._file.writelines(json.dumps(each, separators=(",", ":"), default=str) + "\n" for each in records)
        self._file.flush()

    def _halve(self) -> None:
        """A run of years keeps its newer half, and what bars and figures the older one had is gone."""
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        fresh = private_file(self.path.with_suffix(".new"))
        header = json.dumps(self.header, separators=(",", ":"), default=str) + "\n"
        fresh.write_text("".join([header, *lines[len(lines) // 2 :]]), encoding="utf-8")
        self._file.close()
        with contextlib.suppress(PermissionError):  # Windows, while somebody reads it
            os.replace(fresh, self.path)
        self._file = self.path.open("a", encoding="utf-8")


def _forget_old(folder: Path) -> None:
    """The oldest beyond a hundred; one that is being written is never among them."""
    kept = sorted(folder.glob(f"*{ENDING}"), key=lambda path: path.stat().st_mtime)
    for old in kept[: max(0, len(kept) - _KEPT + 1)]:
        old.unlink(missing_ok=True)


def record_run(
    cerebro: bt.Cerebro, store: CCXTStore, followers: Iterable[Callable[[Record], None]] = (), **facts: Any
) -> Callable[[], None]:
    """Keep a record of the next run of ``cerebro`` with this store's broker, for ``btccxt dashboard`` and ``report``.

    ``LiveEngine``, ``btccxt.run`` and ``btccxt run`` do it by themselves. ``followers`` get each record as well, the
    header first, in the strategy's thread, also where the disk fails. ``facts`` go into its header (JSON values).
    Where the state folder cannot be written the run goes on without, and that is told. The record ends with the run;
    what is returned ends it where the run has raised, and may be called twice.
    """
    records: list[RunRecord] = []

    def end() -> None:
        for record in records:
            record.end()

    def told(what: str, error: BaseException) -> None:
        store.put_notification(StoreNotice(NoticeKind.TROUBLE, f"{what}: {error}", error))

    def opened(strategy: bt.Strategy) -> Log:
        began = datetime.now(timezone.utc)
        header = {
            "wall_ms": int(began.timestamp() * 1000), "store": store.label, "exchange": store.name,
            "mode": store.mode.value, "market_type": store.profile.market_type.value, "currency": store.currency,
            "journal": store.journal_path, "symbols": [data._dataname for data in strategy.datas],
            "strategy": type(strategy).__name__, "params": _params(strategy), **facts,
        }  # fmt: skip
        begun: Record = {"t": "start", **header}
        sinks = [*followers]
        try:
            record = RunRecord(f"{store.label}-{began:%Y%m%d-%H%M%S-%f}", header, told)
        except OSError as error:
            told("the record of this run is not kept, and btccxt report will not have it", error)
        else:
            records.append(record)
            begun = record.header
            sinks.append(record.add)

        def add(each: Record) -> None:
            for sink in sinks:
                sink(each)

        for follow in followers:
            follow(begun)
        return Log(add, end)

    cerebro.addanalyzer(RunLog, _name="btccxt_run_log", opened=opened)
    return end


def _params(strategy: bt.Strategy) -> dict[str, Any]:
    names = [name for name in strategy.params._getkeys() if not name.startswith("_")]
    return {name: getattr(strategy.params, name) for name in names}
