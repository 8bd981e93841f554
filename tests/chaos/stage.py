"""Where scenarios are played: a process prepared once, and a fork of it for every scenario.

So each begins in the very same state, whatever was played before it. ``python -m tests.chaos.stage`` is that process:
one job per line in, one outcome per line out. ``Stage`` starts and asks it.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.chaos.run import Outcome

_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Job:
    """``kill``: the bot's process is killed at the end of each of its ``lives``. ``wire``: its name, or the seed's.

    ``free``: with the machine's own threads and clock; then nothing replays. ``planted``: see ``planted.py``.
    """

    seed: int
    steps: int = 8
    kill: bool = False
    lives: int = 3
    wire: str = ""
    free: bool = False
    planted: str = ""


class StageLost(RuntimeError):
    """A scenario ended its process; the text is what that said."""


class Stage:
    """One scenario at a time."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the stage
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.stage"],
            cwd=_REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )  # fmt: skip

    def play(self, job: Job) -> Outcome:
        """Raises StageLost."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            self._errors.seek(0)
            said = self._errors.read()
            self._errors.seek(0)
            self._errors.truncate()
            raise StageLost(f"{job} ended its process:\n{said[-8000:]}")
        outcome: Outcome = pickle.loads(base64.b64decode(answer))
        return outcome

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ------------------------------------------------------------------ inside


def main() -> None:
    """Reads jobs until its input ends."""
    from tests.chaos import referee

    referee.install()
    _close_the_control_socket()
    out = os.dup(1)
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="btccxt-stage-") as prepared:
        _prepare(prepared)
        for line in sys.stdin:
            job = Job(**json.loads(line))
            reader, writer = os.pipe()
            child = os.fork()
            if not child:
                os.close(reader)
                _play(job, writer, prepared)
            os.close(writer)
            with os.fdopen(reader, "rb") as pipe:
                answer = pipe.read()
            os.waitpid(child, 0)
            os.write(out, answer + b"\n")


def _prepare(home: str) -> None:
    """What each play would do for itself, once: import what a store needs, read the table, check ccxt."""
    import asyncio
    import importlib

    from btccxt.exchange.profile.profile import load_profile
    from btccxt.exchange.proof.standing import standing
    from btccxt.sim.dialects import dialect_class
    from tests.chaos.wires import LINEAR, SPOT

    for name in ("ccxt.pro", "btccxt.exchange.ccxt.ccxt_exchange", "btccxt.store.venues", "tests.chaos.killed"):
        importlib.import_module(name)
    os.environ["XDG_STATE_HOME"] = home
    for wire in (SPOT, LINEAR):
        dialect_class(wire.exchange)
        asyncio.run(standing(load_profile(wire.exchange, wire.market_type), "live"))


def _play(job: Job, writer: int, prepared: str) -> Any:
    """In the fork; never returns."""
    try:
        from tests.chaos.referee import referee

        with tempfile.TemporaryDirectory(prefix="btccxt-stage-") as home:
            shutil.copytree(prepared, home, dirs_exist_ok=True)
            os.environ["XDG_STATE_HOME"] = home
            if not job.free:
                sys.modules["uvloop"] = None  # type: ignore[assignment]  # its loop cannot be told what time it is
            if not job.kill and not job.free:
                referee.begin(job.seed)
            outcome = perform(job)
            referee.end()
            answer = base64.b64encode(pickle.dumps(outcome))
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(answer)
    except BaseException:  # noqa: BLE001 - this process must end here, whatever happened
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def perform(job: Job) -> Outcome:
    """In this process."""
    from tests.chaos import wires
    from tests.chaos.killed import run_killed
    from tests.chaos.planted import plant
    from tests.chaos.run import run_scenario
    from tests.chaos.scenario import make_scenario

    if job.planted:
        plant(job.planted)
    wire = getattr(wires, job.wire) if job.wire else None
    if job.kill:
        return run_killed(job.seed, job.lives)
    return run_scenario(make_scenario(job.seed, job.steps, wire=wire))


def _close_the_control_socket() -> None:
    """Its thread waits for commands in the operating system, where no referee sees it. No play has commands."""
    from btccxt.store import operations

    class NoControl:
        def __init__(self, store: object, name: str) -> None:
            """Nobody can reach it."""

        def stop(self) -> None:
            """Nothing to end."""

    operations.ControlServer = NoControl  # type: ignore[misc,assignment]


if __name__ == "__main__":
    main()
