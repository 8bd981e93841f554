"""``python -m tests.chaos 17`` plays one seed and tells its story; ``python -m tests.chaos 1-3000`` plays many.

A seed replays exactly: every request, every switch between threads, every instant (``referee.py``). ``--kill`` plays
the scenarios in which the bot's process is killed. ``--twice`` plays every seed twice and compares all that is known.
``--free`` uses the machine's own threads and clock: nothing replays then. The story of a failing seed is written to
``FAILURES/SEED.txt``.
"""

from __future__ import annotations

import argparse
import platform
import queue
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from time import monotonic

from tests.chaos.run import Outcome
from tests.chaos.stage import Job, Stage, StageLost


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("seeds", help="one seed, or a range: 1-3000")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="scenarios at a time, each in a process of its own")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--free", action="store_true")
    parser.add_argument("--failures", type=Path, default=Path("chaos-failures"))
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    jobs = [
        Job(seed, options.steps, options.kill, free=options.free) for seed in range(int(first), int(last or first) + 1)
    ]
    failed: list[int] = []
    started = monotonic()
    for count, (job, outcomes, problems) in enumerate(_played(jobs, options.jobs, 1 + options.twice), 1):
        story = [command(job), *problems, *(line for outcome in outcomes for line in ("", *told(outcome)))]
        if len(jobs) == 1:
            print(*story, sep="\n")
        if problems:
            failed.append(job.seed)
            print(f"seed {job.seed}:", *problems, sep="\n  ", flush=True)
            options.failures.mkdir(parents=True, exist_ok=True)
            name = f"{'kill-' if job.kill else ''}{job.seed}.txt"
            (options.failures / name).write_text("\n".join(story) + "\n")
        if count % 50 == 0:
            print(f"{count}/{len(jobs)}, {len(failed)} failed, {monotonic() - started:.0f} s", flush=True)
    print(f"{len(jobs)} scenarios in {monotonic() - started:.0f} s, failed: {sorted(failed) or 'none'}")
    return 1 if failed else 0


def _played(jobs: Sequence[Job], at_a_time: int, times: int) -> Iterator[tuple[Job, Sequence[Outcome], list[str]]]:
    stages: queue.SimpleQueue[Stage] = queue.SimpleQueue()
    for _ in range(at_a_time):
        stages.put(Stage())

    def play(job: Job) -> Sequence[Outcome]:
        stage = stages.get()
        try:
            outcomes = [stage.play(job) for _ in range(times)]
        finally:
            stages.put(stage)
        return outcomes

    with ThreadPoolExecutor(at_a_time) as pool:
        running = {pool.submit(play, job): job for job in jobs}
        for future in as_completed(running):
            job = running.pop(future)
            try:
                outcomes = future.result()
            except StageLost as lost:
                yield job, [], [str(lost)]
                continue
            yield job, outcomes, [*(each for one in outcomes for each in one.problems), *differences(outcomes)]
    for _ in range(at_a_time):
        stages.get().close()


def command(job: Job) -> str:
    """What replays it; with another code, Python or ccxt the same seed is another play."""
    options = ["--kill"] * job.kill + ["--free"] * job.free + [f"--steps {job.steps}"] * (job.steps != 8)
    versions = f"Python {platform.python_version()}, ccxt {version('ccxt')}, aiohttp {version('aiohttp')}"
    return f"{' '.join(['python -m tests.chaos', str(job.seed), *options])}    ({versions})"


def differences(outcomes: Sequence[Outcome]) -> list[str]:
    """Whatever did not replay."""
    found = []
    for name in ("problems", "digest", "strikes", "story", "log"):
        for other in outcomes[1:]:
            pairs = zip(getattr(outcomes[0], name), getattr(other, name), strict=False)
            first = next((f"{one!r} and then {two!r}" for one, two in pairs if one != two), None)
            if first is not None or len(getattr(outcomes[0], name)) != len(getattr(other, name)):
                found.append(f"not replayed, {name}: {first or 'one goes on longer'}")
    return found


def told(outcome: Outcome) -> list[str]:
    scenario = outcome.scenario
    lines = [f"{scenario.wire.exchange} {scenario.wire.symbol}, fees in {scenario.fee_currency or 'what is received'}"]
    for number, step in enumerate(scenario.steps):
        lines.append(f"step {number}: price {step.price} ({step.when}){', cut' if step.cut else ''}")
        lines += [f"    {each}" for each in (*step.actions, *step.faults)]
    for title, some in (
        ("orders", outcome.story), ("what the exchange saw", outcome.log), ("digest", outcome.digest),
        ("BROKEN PROMISES", outcome.problems),
    ):  # fmt: skip
        lines += [f"{title}:", *(f"    {line}" for line in some or ("none",))]
    return lines


if __name__ == "__main__":
    sys.exit(main())
