"""What ``make mutants`` asks: is there a change of the pure cores that no test notices, and nobody has explained?

``mutmut`` changes them one line at a time and runs their tests (``[tool.mutmut]`` in ``pyproject.toml``). A change that
cannot be noticed stands in ``tests/mutants.yaml`` with its reason.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import yaml

_UNNOTICED = frozenset({"survived", "suspicious", "no tests"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """``where``: ``orders.lifecycle._add``. ``change``: the lines as they were and as they became, ``a -> b``."""

    name: str
    where: str
    change: str


@dataclass(frozen=True, slots=True)
class Explained:
    """Changes in functions like ``where`` (``*`` counts) that match the pattern ``change`` cannot be noticed."""

    where: str
    change: str
    why: str

    def covers(self, mutant: Mutant) -> bool:
        return fnmatch(mutant.where, self.where) and re.search(self.change, mutant.change) is not None


def explained_in(path: Path) -> tuple[Explained, ...]:
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tuple(Explained(each.get("where", "*"), each["change"], each["why"]) for each in entries)


def verdict(mutants: Sequence[Mutant], explained: Sequence[Explained]) -> list[str]:
    """What is wrong, a line for each: changes that nothing explains, and explanations that nothing needs."""
    open_ones = [each for each in mutants if not any(one.covers(each) for one in explained)]
    idle = [one for one in explained if not any(one.covers(each) for each in mutants)]
    return [
        *(f"{each.name}\n    {each.change}" for each in open_ones),
        *(f"tests/mutants.yaml explains what does not happen any more: {one.where} {one.change}" for one in idle),
    ]


def unnoticed(mutmut: Callable[..., str]) -> list[Mutant]:
    """After a run. ``mutmut(*arguments)`` gives what it prints."""
    rows = (line.strip().rpartition(": ") for line in mutmut("results").splitlines())
    return [_read(name, mutmut("show", name)) for name, _, status in rows if status in _UNNOTICED]


def _read(name: str, shown: str) -> Mutant:
    lines = [line for line in shown.splitlines() if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")]
    was, became = (" ".join(_lines_of(lines, sign)) for sign in "-+")
    function = re.sub(r"__mutmut_\d+$", "", name).removeprefix("btccxt.")
    room, _, function = function.rpartition(".")
    return Mutant(name, f"{room}.{re.sub('^x_|^xǁ', '', function).replace('ǁ', '.')}", f"{was} -> {became}")


def _lines_of(lines: Iterable[str], sign: str) -> list[str]:
    return [line[1:].strip() for line in lines if line[0] == sign]


def run(top: Path, command: Sequence[str], say: Callable[[str], object]) -> int:
    """Run ``mutmut`` in a checkout and say what is left; 0 where nothing is."""
    if code := subprocess.run([*command, "run"], cwd=top, check=False).returncode:
        return code

    def ask(*arguments: str) -> str:
        return subprocess.run([*command, *arguments], cwd=top, check=True, capture_output=True, text=True).stdout

    mutants = unnoticed(ask)
    wrong = verdict(mutants, explained_in(top / "tests" / "mutants.yaml"))
    for line in wrong:
        say(line)
    say(f"{len(mutants)} changes that no test notices, {len(wrong)} of them unexplained" if wrong else
        f"{len(mutants)} changes that no test notices, all of them explained")  # fmt: skip
    return 1 if wrong else 0
