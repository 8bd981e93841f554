"""Runs on Ray's workers: one per core of this machine, or those of a cluster.

Bars are put into Ray's object store: once per machine, and all its workers look at them there. A run whose worker dies
is made again by another; the others are not touched.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from btccxt.errors import BtccxtError, ConfigError
from btccxt.sweep.backtest import Bars, Task, Worker
from btccxt.sweep.records import WORKER_DIED, RunSpec, StudyRun
from btccxt.sweep.runners import keep_out_of_collections

ATTEMPTS = 3
"""So often a run is begun; its worker died every time: it counts as failed."""
_WAITING_PER_CORE = 2
_LOOK_S = 1.0
_STORE_FLOOR = 256 * 1024 * 1024

_worker: tuple[str, Worker] | None = None  # of this process, when it is one of Ray's


def ray_module() -> Any:
    """Raises ConfigError where Ray is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told what runs here
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it prints advice about accelerators
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "a study on several cores needs Ray: pip install 'btccxt[study]' (workers=1 runs without it)"
        ) from None
    return ray


class RayRunner:
    """``address``: of a cluster ('auto', 'ray://host:10001'); None: a local one, of ``workers`` cores (None: all).

    A Ray session that is open already is used, and stays open. Raises ConfigError for a cluster that does not answer.
    """

    def __init__(self, task: Task, bars: Bars, *, address: str | None = None, workers: int | None = None) -> None:
        self._ray = ray = ray_module()
        self._ours = not ray.is_initialized()
        self._workers = workers
        self._under_way: dict[Any, RunSpec] = {}
        shipped = None
        if self._ours:
            shipped = self._connect(task, bars, address)
        elif address is not None:
            raise ConfigError("address: this process is connected to Ray already: leave it out, or call ray.shutdown()")
        source = task.source if shipped is None else replace(task.source, file=shipped, module=None)
        self._study = ray.put((os.urandom(8).hex(), replace(task, source=source)))
        self._keys = tuple(bars)
        self._bars = [ray.put(columns) for columns in bars.values()]
        self._make = ray.remote(num_cpus=1, max_retries=0)(_make_run)

    def _connect(self, task: Task, bars: Bars, address: str | None) -> str | None:
        """The strategy's file as the workers see it, where that is another."""
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if address is None:
            size = sum(48 * len(columns) for columns in bars.values())
            quiet["object_store_memory"] = max(_STORE_FLOOR, 3 * size)
            self._ray.init("local", num_cpus=self._workers, include_dashboard=False, **quiet)
            return None
        file = Path(task.source.file)
        with TemporaryDirectory(prefix="btccxt-study-") as code:
            shutil.copytree(file.parent, code, ignore=_no_code, dirs_exist_ok=True)
            try:
                self._ray.init(address=address, runtime_env={"working_dir": code}, **quiet)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise ConfigError(f"no Ray cluster at {address}: {str(error).splitlines()[0]}") from None
        return file.name

    def run(self, specs: Sequence[RunSpec]) -> Iterator[StudyRun]:
        errors = self._ray.exceptions
        waiting, begun = deque(specs), dict.fromkeys((spec.key for spec in specs), 0)
        under_way = self._under_way
        while waiting or under_way:
            while waiting and len(under_way) < self._most_under_way():
                spec = waiting.popleft()
                begun[spec.key] += 1
                under_way[self._make.remote(self._study, spec, self._keys, *self._bars)] = spec
            over, _ = self._ray.wait(list(under_way), num_returns=1, timeout=_LOOK_S)
            for made in over:
                spec = under_way.pop(made)
                try:
                    yield self._ray.get(made)
                except errors.RayTaskError as error:
                    raise BtccxtError(f"a worker of the study failed: {error.cause!r}") from error
                except errors.RayError as error:
                    if begun[spec.key] < ATTEMPTS:
                        waiting.append(spec)
                        continue
                    times = f"{ATTEMPTS} times ({type(error).__name__})"
                    why = f"{WORKER_DIED} {times}: out of memory, or ended by the strategy"
                    yield StudyRun(spec.window, spec.part, spec.params, error=why)

    def _most_under_way(self) -> int:
        """A few more than there are cores, so that none waits; a cluster may grow meanwhile."""
        cores = int(self._ray.cluster_resources().get("CPU", 1)) if self._workers is None else self._workers
        return _WAITING_PER_CORE * max(1, cores)

    def close(self) -> None:
        """What is under way is given up."""
        if self._ours:
            self._ours = False
            self._ray.shutdown()
        elif self._ray.is_initialized():
            for made in self._under_way:
                self._ray.cancel(made)
        self._under_way.clear()


def _no_code(folder: str, names: list[str]) -> set[str]:
    """What of a folder need not be sent: all but Python's files, and other people's packages."""
    path = Path(folder)
    return {
        name
        for name in names
        if name.startswith((".", "__pycache__"))
        or not (name.endswith(".py") or ((path / name).is_dir() and not (path / name / "pyvenv.cfg").exists()))
    }


def _make_run(study: tuple[str, Task], spec: RunSpec, keys: tuple[tuple[str, str], ...], *columns: Any) -> StudyRun:
    """In a worker process."""
    global _worker
    name, task = study
    if _worker is None or _worker[0] != name:
        _worker = name, Worker(task)
        keep_out_of_collections()
    return _worker[1].run(spec, dict(zip(keys, columns, strict=True)))
