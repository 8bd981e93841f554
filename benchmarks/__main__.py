"""``python -m benchmarks [names] [--quick | --full]``: tables on the screen, everything as JSON in a file."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

from benchmarks import machine
from benchmarks.catalogue import BENCHMARKS
from benchmarks.report import as_text
from benchmarks.sizes import Size

_RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a quick look: fewer cases, shorter rounds")
    parser.add_argument("--full", action="store_true", help="also what takes an hour: 1,000 runs x 100,000 bars")
    parser.add_argument("--smoke", action="store_true", help="only see that everything runs; the figures mean nothing")
    parser.add_argument("--json", type=Path, help="where to write (default: a new file in benchmarks/results)")
    given = parser.parse_args(arguments)
    for name in given.names:
        if name not in BENCHMARKS:
            near = difflib.get_close_matches(name, BENCHMARKS, n=1, cutoff=0.0)
            parser.error(f"there is no benchmark {name!r}; did you mean {near[0]!r}?")
    size = Size.SMOKE if given.smoke else Size.QUICK if given.quick else Size.LONG if given.full else Size.FULL
    began = datetime.now(timezone.utc)
    facts = {"began": began.isoformat(timespec="seconds"), "size": size.value, "machine": machine.describe()}
    print(json.dumps(facts["machine"]), flush=True)
    reports = []
    for name in given.names or BENCHMARKS:
        report = BENCHMARKS[name](size)
        reports.append(report)
        print(f"\n{as_text(report)}", flush=True)
    path = given.json or _RESULTS / f"{began:%Y%m%d-%H%M%S}-{size.value}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts["reports"] = [report.to_json() for report in reports]
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    missed = [target for report in reports for target in report.targets if not target.reached]
    print(f"\n{sum(len(report.targets) for report in reports) - len(missed)} targets reached, {len(missed)} not")
    print(f"JSON: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
