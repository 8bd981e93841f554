"""A study's folder: what it is of, the runs made so far, and the table of all of them.

<folder>/study.json              strategy, bars, windows: a study with the same facts goes on, another is refused
<folder>/runs/000001.parquet     runs as they ended, appended batch by batch, never changed
<folder>/results.parquet         one row a run, made of them
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from btccxt.bars.segments import Table, pyarrow
from btccxt.errors import ConfigError
from btccxt.observe.log import EventName, get_logger
from btccxt.sweep.records import WORKER_DIED, RunKey, StudyRun
from btccxt.sweep.table import result_tables, runs_of_table, table_of_runs
from btccxt.sweep.windows import Window

log = get_logger(__name__)

RESULTS = "results.parquet"
_MANIFEST, _RUNS = "study.json", "runs"
_FORMAT = 1
_SHOWN = 80
_DIGESTS = ("source", "bars_and_fees")


class StudyFolder:
    """``StudyFolder(path, facts)`` opens or makes it. One process at a time.

    Raises ConfigError for the folder of another study, saying which facts differ, and where another process has it.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self.path = path
        self._facts = {"format": _FORMAT, **facts}
        try:
            (path / _RUNS).mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path / ".lock", timeout=0)
            self._lock.acquire()
        except Timeout:
            raise ConfigError(f"{path}: another process is making this study") from None
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None
        try:
            self._check()
        except BaseException:
            self._lock.release()
            raise
        numbers = [int(file.stem) for file in (path / _RUNS).glob("*.parquet") if file.stem.isdigit()]
        self._next = max(numbers, default=0) + 1

    def _check(self) -> None:
        manifest = self.path / _MANIFEST
        try:
            found = json.loads(manifest.read_text(encoding="utf-8"))
        except FileNotFoundError:
            strangers = [file.name for file in self.path.iterdir() if file.name not in (_RUNS, ".lock")]
            if strangers:
                raise ConfigError(f"{self.path} has other files in it ({strangers[0]}): name a new folder") from None
            _publish(manifest, json.dumps(self._facts, indent=1).encode())
            return
        except (OSError, ValueError) as error:
            raise ConfigError(f"{manifest} cannot be read ({error}); name a new folder") from None
        wanted = json.loads(json.dumps(self._facts))
        differ = [name for name in wanted if found.get(name) != wanted[name]]
        if differ:
            told = "; ".join(_difference(name, found.get(name), wanted[name]) for name in differ)
            raise ConfigError(f"{self.path} holds another study ({told}): name a new folder, or delete it")

    def done(self) -> dict[RunKey, StudyRun]:
        """The runs that need not be made again. A file that cannot be read is left out, with a line in the log."""
        found: dict[RunKey, StudyRun] = {}
        for file in sorted((self.path / _RUNS).glob("*.parquet")):
            try:
                runs = list(runs_of_table(pyarrow().parquet.read_table(file)))
            except (OSError, ValueError, KeyError) as error:  # ArrowInvalid is a ValueError
                text = f"{file} cannot be read ({' '.join(str(error).split())}); its runs are made again"
                log.warning(EventName.CACHE_DAMAGED, text=text)
                continue
            found.update({run.key: run for run in runs if not (run.error or "").startswith(WORKER_DIED)})
        return found

    def append(self, runs: Sequence[StudyRun]) -> None:
        """A new file with these runs."""
        if runs:
            _write_tables(self.path / _RUNS / f"{self._next:06d}.parquet", iter([table_of_runs(runs)]))
            self._next += 1

    def publish(self, runs: Sequence[StudyRun], windows: Sequence[Window]) -> Path:
        """The table of all of them."""
        path = self.path / RESULTS
        _write_tables(path, result_tables(runs, windows))
        return path

    def close(self) -> None:
        self._lock.release()


def _write_tables(path: Path, tables: Iterator[Table]) -> None:
    fresh = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        first = next(tables)
        with pyarrow().parquet.ParquetWriter(fresh, first.schema) as writer:
            for table in (first, *tables):
                writer.write_table(table)
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)


def _publish(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _difference(name: str, there: object, now: object) -> str:
    shown = [json.dumps(value) for value in (there, now)]
    is_long = name in _DIGESTS or any(len(text) > _SHOWN for text in shown)
    return f"{name}: another" if is_long else f"{name}: {shown[0]} there, {shown[1]} now"
