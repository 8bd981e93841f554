"""Studies on Ray's workers, really: one local session for this file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import btccxt
from btccxt.sweep import ray_runner
from btccxt.sweep.ray_runner import ray_module
from btccxt.sweep.records import WORKER_DIED
from btccxt.sweep.study import StudyProgress, study
from tests.sweep.harness import CROSSING, SYMBOL, make_lake, write_strategy

GRID = {"fast": [3, 5], "slow": [15, 30]}


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    module = ray_module()
    module.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
    yield module
    module.shutdown()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return make_lake(tmp_path, 300)


def made(strategy: Path, lake: Path, workers: int = 2, **options: Any) -> btccxt.StudyResult:
    given: dict[str, Any] = {"grid": GRID, **options}
    return study(strategy, symbol=SYMBOL, timeframe="1h", lake=lake, workers=workers, **given)


@pytest.mark.slow
def test_workers_find_what_one_process_finds_bit_for_bit(ray: Any, lake: Path, tmp_path: Path):
    text = CROSSING.replace("> 0:", "> 0 and __import__('random').random() > 0.2:")
    strategy = write_strategy(tmp_path, text)
    options = {"grid": {"fast": range(2, 8), "slow": [15, 30]}, "walk_forward": "6d/3d", "analyzers": ["SQN"]}
    assert made(strategy, lake, **options) == made(strategy, lake, workers=1, **options)
    assert ray.is_initialized()  # it was open before


def test_a_killed_worker_costs_its_own_run_a_second_attempt(ray: Any, lake: Path, tmp_path: Path):
    begun = tmp_path / "begun"
    text = CROSSING.replace(
        "    def next(self):",
        f"""
    def start(self):
        import os
        with open({str(begun)!r}, "a") as file:
            print(self.p.fast, self.p.slow, file=file)
        dies = os.path.join({str(tmp_path)!r}, "died")
        if self.p.fast == 5 and self.p.slow == 15 and not os.path.exists(dies):
            open(dies, "w").close()
            os.kill(os.getpid(), 9)

    def next(self):""",
    )
    result = made(write_strategy(tmp_path, text), lake)
    assert result.failed == []
    assert sorted(begun.read_text().split("\n")) == ["", "3 15", "3 30", "5 15", "5 15", "5 30"]
    assert [run.params for run in result.runs][2] == {"fast": 5, "slow": 15}


def test_a_run_that_kills_every_worker_fails_alone(
    ray: Any, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ray_runner, "ATTEMPTS", 2)  # each costs a new worker
    text = CROSSING.replace(
        "    def next(self):", "    def next(self):\n        if self.p.fast == 5: __import__('os')._exit(1)"
    )
    told: list[StudyProgress] = []
    result = made(write_strategy(tmp_path, text), lake, grid={"fast": [3, 5]}, on_progress=told.append)
    assert [run.params for run in result.failed] == [{"fast": 5}]
    assert (result.failed[0].error or "").startswith(f"{WORKER_DIED} 2 times")
    assert (told[-1].done, told[-1].failed) == (2, 1)


def test_an_interrupted_study_goes_on_with_the_runs_that_are_missing(ray: Any, lake: Path, tmp_path: Path):
    strategy = write_strategy(tmp_path)
    out = tmp_path / "out"

    def interrupt(progress: StudyProgress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(strategy, lake, output=out, on_progress=interrupt)
    told: list[StudyProgress] = []
    result = made(strategy, lake, output=out, on_progress=told.append)
    assert told[-1] == StudyProgress(done=4, total=4, failed=0, found=2)
    assert result.runs == made(strategy, lake, workers=1).runs


def test_bars_are_looked_at_where_they_lie_and_not_copied_for_each_worker(ray: Any, lake: Path, tmp_path: Path):
    text = CROSSING.replace(
        "    def next(self):",
        """
    def stop(self):
        bars = self.data.source._columns[("BTC/USDT", "1h")]
        raise ValueError(f"{bars.close.flags.owndata} {bars.close.flags.writeable}")

    def next(self):""",
    )
    result = made(write_strategy(tmp_path, text), lake)
    assert {(run.error or "").rpartition(": ")[2] for run in result.runs} == {"False False"}


@pytest.mark.slow
def test_a_cluster_gets_the_code_and_the_bars(ray: Any, lake: Path, tmp_path: Path):
    folder = tmp_path / "bots"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "sizes.py").write_text("SIZE = 0.2\n")
    (folder / "secret.env").touch()
    text = CROSSING.replace(
        "    def next(self):",
        """
    def stop(self):
        import os
        if self.p.fast == 5:
            raise ValueError(sorted(set(os.listdir(".")) - {"__pycache__"}))

    def next(self):""",
    )
    strategy = write_strategy(folder, f"from lib.sizes import SIZE\n{text}")
    words = [
        str(strategy),
        "-s",
        SYMBOL,
        "-t",
        "1h",
        "-g",
        "fast=3,5",
        "--lake",
        str(lake),
        "-o",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "btccxt", "study", *words, "--address", ray.get_runtime_context().gcs_address],
        capture_output=True, text=True, timeout=100, check=False, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 of 2 runs failed" in done.stdout
    assert "ValueError: ['crossing.py', 'lib']" in done.stdout
