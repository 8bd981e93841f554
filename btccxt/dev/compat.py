"""Another ccxt judged: every proof and the tests of what ccxt says, in an environment beside; report in build/compat.

The environment has that ccxt, and everything else from the one this runs in.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

# What reads the answers of every profile, and what goes through ccxt's own sockets and caches.
TESTS = (
    "tests/exchange/ccxt", "tests/exchange/test_capture.py", "tests/exchange/test_edit_capture.py",
    "tests/orders/test_client_id_forms.py",
)  # fmt: skip
_PROVES = "import sys; from btccxt.cli import app; sys.exit(app(['selfcheck', '--json'], standalone_mode=False))"
_UNMET = """
import json
from importlib import metadata
from packaging.requirements import Requirement
found = []
for text in metadata.requires("ccxt") or ():
    wanted = Requirement(text)
    if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
        continue
    try:
        has = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        found.append(f"{wanted} (missing)")
        continue
    if not wanted.specifier.contains(has, prereleases=True):
        found.append(f"{wanted} (here: {has})")
print(json.dumps(found))
"""
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Report:
    """What another ccxt does otherwise."""

    ccxt: str
    proven_with: str
    took_s: int
    places: tuple[dict[str, Any], ...]
    failed_tests: tuple[str, ...] = ()
    tests_run: int = 0
    unmet: tuple[str, ...] = ()
    schema: int = 1
    trouble: tuple[str, ...] = field(default=())

    @property
    def good(self) -> bool:
        return not self.failed_tests and not self.trouble and all(place["good"] for place in self.places)

    def as_json(self) -> str:
        return json.dumps({**asdict(self), "good": self.good}, indent=1, ensure_ascii=False) + "\n"

    def as_markdown(self) -> str:
        """For a person who decides whether to move."""
        differing = [place for place in self.places if not place["good"]]
        lines = [
            f"# ccxt {self.ccxt}, judged by the proofs of ccxt {self.proven_with}", "",
            f"{len(self.places) - len(differing)} of {len(self.places)} places do all that was proven; "
            f"{len(self.failed_tests)} of {self.tests_run} tests fail. Took {self.took_s} s.", "",
        ]  # fmt: skip
        lines += [f"* **{each}**" for each in self.trouble]
        if self.unmet:
            lines += ["It wants other versions of what it stands on than are installed here:", ""]
            lines += [*(f"* `{each}`" for each in self.unmet), ""]
        if differing:
            lines += ["## What a store refuses", "", "| place | refused | differs | of |", "|---|---|--:|--:|"]
            lines += [
                f"| {_place(each)} | {', '.join(each['refused']) or 'nothing'} | {len(each['differences'])} | "
                f"{each['checked']} |"
                for each in differing
            ]
            lines += ["", "## What differs", ""]
            for what, titles, where in _by_change(differing):
                lines += [f"* **{what}**", f"  * {titles}", f"  * at {where}"]
            lines.append("")
        if self.failed_tests:
            lines += ["## Tests that fail", "", *(f"* `{each}`" for each in self.failed_tests), ""]
        return "\n".join(lines).rstrip() + "\n"


def _place(found: dict[str, Any]) -> str:
    return f"{found['exchange']} {found['market_type']} {found['environment']}"


def _by_change(places: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Each change once: what it is, what it is seen in, and where."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for place in places:
        for each in place["differences"]:
            change = each["text"].removeprefix(f"{each['title']}: ").replace("*", r"\*")
            titles, where = found.setdefault(change, ({}, {}))
            titles[each["title"]] = where[_place(place)] = None
    return [(what, _some(list(titles)), _some(list(where))) for what, (titles, where) in found.items()]


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


# ------------------------------------------------------------------ running


def judge(top: Path, arguments: Sequence[str]) -> int:
    """Build the environment, replay, test, write. 0: the same as proven; 1: something differs; 2: it could not be."""
    if len(arguments) != 1 or not re.fullmatch(r"\d+(\.\d+)+", arguments[0]):
        return _say("python -m btccxt.dev compat VERSION: one version of ccxt, such as 4.5.90", code=2)
    version, began_s = arguments[0], time.monotonic()
    folder = top / "build" / "compat"
    python = _environment(folder / version, version)
    if python is None:
        return _say(f"ccxt {version} could not be installed", code=2)
    _say(f"replaying every proof with ccxt {version}")
    proofs = _run(python, top, "-W", "ignore", "-c", _PROVES)
    trouble = []
    try:
        places = tuple(json.loads(proofs.stdout))
    except ValueError:
        places, trouble = (), [f"the self-check itself fails: {proofs.stderr.strip()[-600:]}"]
    _say("running the tests of what ccxt says")
    results = folder / f"ccxt-{version}.xml"
    results.unlink(missing_ok=True)
    tests = _run(
        python, top, "-m", "pytest", "-q", "-n", "2", "--timeout", "200", "-p", "no:cacheprovider",
        f"--junitxml={results}", *TESTS,
    )  # fmt: skip
    if not results.exists():
        trouble.append(f"the tests could not be run: {(tests.stdout + tests.stderr).strip()[-600:]}")
    run, failed = _outcomes(results)
    unmet = _run(python, top, "-c", _UNMET)
    report = Report(
        version,
        next((str(place["proven_with"]) for place in places if place["proven_with"]), "?"),
        round(time.monotonic() - began_s),
        places,
        failed,
        run,
        tuple(json.loads(unmet.stdout)) if unmet.returncode == 0 else (),
        trouble=tuple(trouble),
    )
    page = folder / f"ccxt-{version}.md"
    page.write_text(report.as_markdown(), encoding="utf-8")
    page.with_suffix(".json").write_text(report.as_json(), encoding="utf-8")
    differing = sum(not place["good"] for place in places)
    _say(f"{differing} of {len(places)} places differ, {len(failed)} of {run} tests fail: {page.relative_to(top)}")
    return 0 if report.good else 1


def _environment(folder: Path, version: str) -> Path | None:
    """Its interpreter; None where that ccxt cannot be had."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if (folder / "ready").exists():
        return python
    venv.EnvBuilder(with_pip=False, clear=True).create(folder)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "--no-deps", f"ccxt=={version}"], check=False).returncode != 0:
        return None
    own = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})["purelib"]
    Path(own, "beside.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    (folder / "ready").touch()
    return python


def _run(python: Path, top: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(top)}
    return subprocess.run(
        [str(python), *arguments], cwd=top, env=environment, check=False, capture_output=True, text=True
    )


def _outcomes(results: Path) -> tuple[int, tuple[str, ...]]:
    """How many tests were run, and which failed, with the first line of why."""
    if not results.exists():
        return 0, ()
    run, failed = 0, []
    for case in ElementTree.parse(results).iter("testcase"):
        run += 1
        for outcome in (*case.findall("failure"), *case.findall("error")):
            why = " ".join((outcome.get("message") or "").split())[:200]
            failed.append(f"{case.get('classname', '')}::{case.get('name', '')}: {why}".replace("`", "'"))
    return run, tuple(failed)


def _say(text: str, code: int = 0) -> int:
    (sys.stderr if code else sys.stdout).write(f"{text}\n")
    sys.stdout.flush()
    return code
