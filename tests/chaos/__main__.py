"""``python -m tests.chaos 17`` plays one seed and tells its story; ``python -m tests.chaos 1-3000 -j 2`` plays many."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from time import monotonic

from tests.chaos.run import Outcome, run_scenario
from tests.chaos.scenario import make_scenario


def play(seed: int, steps: int) -> Outcome:
    return run_scenario(make_scenario(seed, steps))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("seeds", help="one seed, or a range: 1-3000")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="scenarios at a time, each in a process of its own")
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    if len(seeds) == 1:
        return _tell(play(seeds[0], options.steps))
    failed: list[int] = []
    started = monotonic()
    with ProcessPoolExecutor(options.jobs) as pool:
        running = {pool.submit(play, seed, options.steps): seed for seed in seeds}
        for count, future in enumerate(as_completed(running), 1):
            seed = running[future]
            error = future.exception()
            problems = (repr(error),) if error is not None else future.result().problems
            if problems:
                failed.append(seed)
                print(f"seed {seed}:", *problems, sep="\n  ", flush=True)
            if count % 50 == 0:
                print(f"{count}/{len(seeds)}, {len(failed)} failed, {monotonic() - started:.0f} s", flush=True)
    print(f"{len(seeds)} scenarios in {monotonic() - started:.0f} s, failed: {sorted(failed) or 'none'}")
    return 1 if failed else 0


def _tell(outcome: Outcome) -> int:
    for number, step in enumerate(outcome.scenario.steps):
        print(f"step {number}: price {step.price} ({step.when}){', cut' if step.cut else ''}")
        for each in (*step.actions, *step.faults):
            print(f"    {each}")
    for title, lines in (
        ("orders", outcome.story), ("faults that struck", outcome.strikes), ("digest", outcome.digest),
        ("BROKEN PROMISES", outcome.problems),
    ):  # fmt: skip
        print(f"{title}:", *(lines or ("none",)), sep="\n    ")
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
