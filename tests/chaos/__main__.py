"""``python -m tests.chaos 17`` plays one seed and tells its story; ``python -m tests.chaos 1-3000`` plays many.

``--kill`` plays the scenarios in which the bot's process is killed. ``--twice`` plays every seed twice and compares.
What can be known of a failing seed is written to ``FAILURES/SEED.txt``.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from time import monotonic

from tests.chaos.killed import run_killed
from tests.chaos.run import Outcome, run_scenario
from tests.chaos.scenario import make_scenario


def play(seed: int, steps: int, kill: bool, twice: bool) -> tuple[Outcome, ...]:
    return tuple(run_killed(seed) if kill else run_scenario(make_scenario(seed, steps)) for _ in range(1 + twice))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("seeds", help="one seed, or a range: 1-3000")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="scenarios at a time, each in a process of its own")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--failures", type=Path, default=Path("chaos-failures"))
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    if len(seeds) == 1 and not options.twice:
        (outcome,) = play(seeds[0], options.steps, options.kill, twice=False)
        print(*told(outcome), sep="\n")
        return 1 if outcome.problems else 0
    failed: list[int] = []
    started = monotonic()
    with ProcessPoolExecutor(options.jobs) as pool:
        running = {pool.submit(play, seed, options.steps, options.kill, options.twice): seed for seed in seeds}
        for count, future in enumerate(as_completed(running), 1):
            seed = running[future]
            error = future.exception()
            outcomes = () if error is not None else future.result()
            problems = [repr(error)] if error is not None else [each for one in outcomes for each in one.problems]
            problems += differences(outcomes)
            if problems:
                failed.append(seed)
                print(f"seed {seed}:", *problems, sep="\n  ", flush=True)
                options.failures.mkdir(parents=True, exist_ok=True)
                text = "\n".join([*problems, *(line for outcome in outcomes for line in ("", *told(outcome)))])
                (options.failures / f"{'kill-' if options.kill else ''}{seed}.txt").write_text(text + "\n")
            if count % 50 == 0:
                print(f"{count}/{len(seeds)}, {len(failed)} failed, {monotonic() - started:.0f} s", flush=True)
    print(f"{len(seeds)} scenarios in {monotonic() - started:.0f} s, failed: {sorted(failed) or 'none'}")
    return 1 if failed else 0


def differences(outcomes: tuple[Outcome, ...]) -> list[str]:
    """Whatever did not replay."""
    if len(outcomes) < 2:
        return []
    pairs = [(outcomes[0].digest, outcomes[1].digest), (outcomes[0].strikes, outcomes[1].strikes)]
    return [
        f"not replayed: {sorted(set(one) - set(other))} and then {sorted(set(other) - set(one))}"
        for one, other in pairs
        if one != other
    ]


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
