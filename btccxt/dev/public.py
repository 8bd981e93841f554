"""``python -m btccxt.dev public FOLDER``: strategies that others published, run unchanged on the embedded exchange.

``tests/examples/public_strategies.yaml`` names each one's repository, file and class, and what it showed. Their code
is not kept here: clone the repositories into FOLDER. Only classes run; what a file does by itself is left out.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from btccxt.runs.figures import RunFigures, figures_of
from btccxt.runs.records import find_runs
from btccxt.runs.report import read_run
from btccxt.runs.state import RunState

LIST = Path("tests/examples/public_strategies.yaml")
_LONGEST_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicStrategy:
    """An entry of the list. ``file`` lies in ``repository``, or ``module`` in an installed package."""

    name: str
    strategy: str
    showed: str
    repository: str = ""
    file: str = ""
    module: str = ""
    params: Mapping[str, Any]
    symbol: str = "BTC/USDT"
    exchange: str = "binance"
    balance: float = 10_000_000.0
    ends_with: str = ""
    """What the run is refused with, where it is right that it is."""

    def path_in(self, folder: Path) -> Path:
        return folder / self.repository.rpartition("/")[2] / self.file


@dataclass(frozen=True, slots=True)
class Shown:
    """How a run ended; ``figures`` is None where it did not begin."""

    code: int
    output: str
    figures: RunFigures | None
    reasons: tuple[str, ...]


def entries(top: Path) -> list[PublicStrategy]:
    """The list."""
    found = yaml.safe_load((top / LIST).read_text(encoding="utf-8"))
    return [PublicStrategy(**{"params": {}, **each}) for each in found]


def run(top: Path, arguments: Sequence[str], say: Callable[[str, int], int]) -> int:
    """Run those whose files lie in the folder; exit code 1 if one raised, or left books that differ."""
    if len(arguments) not in (1, 2):
        return say("python -m btccxt.dev public FOLDER [WORD]: the folder that the repositories were cloned into", 2)
    folder, word = Path(arguments[0]), "".join(arguments[1:])
    listed = [each for each in entries(top) if each.repository and word in each.name]
    chosen = [each for each in listed if each.path_in(folder).is_file()]
    if not chosen:
        return say(f"{folder} has none of: {', '.join(str(each.path_in(folder)) for each in listed)}", 2)
    failed = 0
    for entry in chosen:
        shown = show(entry, entry.path_in(folder))
        is_right = as_listed(entry, shown)
        failed += not is_right
        say(f"{'ok    ' if is_right else 'FAILED'} {entry.name}: {told(shown)}", 0)
        if not is_right:
            say("\n".join(shown.output.splitlines()[-25:]), 0)
    return say(f"{len(chosen) - failed} passed, {failed} failed, {len(listed) - len(chosen)} not cloned", bool(failed))


def as_listed(entry: PublicStrategy, shown: Shown) -> bool:
    """It ran to its end with equal books; or it was refused as the list says."""
    if entry.ends_with:
        return shown.code != 0 and entry.ends_with in " ".join(shown.output.split())
    return shown.code == 0


def told(shown: Shown) -> str:
    """In one line."""
    if shown.figures is None:
        return (shown.output.strip().splitlines() or ["nothing"])[-1]
    ran = shown.figures
    text = f"{ran.orders} orders, {ran.refused} refused, {ran.fills} fills, {ran.trades} closed trades"
    return text + "".join(f"; refused: {reason}" for reason in shown.reasons)


def show(entry: PublicStrategy, path: Path) -> Shown:
    """Run it in a process of its own: ``btccxt rehearse`` without faults."""
    with tempfile.TemporaryDirectory() as state:
        source = Path(state) / f"{path.stem.replace('-', '_')}.py"
        source.write_text(classes_of(path.read_text(encoding="utf-8")), encoding="utf-8")
        environment = {**os.environ, **dict.fromkeys(("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"), state)}
        given = [each for each in [os.environ.get("PYTHONPATH")] if each]
        environment["PYTHONPATH"] = os.pathsep.join([str(path.parent.absolute()), *given])
        command = [
            sys.executable, "-m", "btccxt", "rehearse", f"{source}:{entry.strategy}", "--faults", "none",
            "--exchange", entry.exchange, "--symbol", entry.symbol, "--balance", str(entry.balance),
            "--bars", "150", "--speed", "600", *(f"--param={key}={value}" for key, value in entry.params.items()),
        ]  # fmt: skip
        ran = subprocess.run(
            command, env=environment, cwd=state, check=False, timeout=_LONGEST_S, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        records = [each for folder in Path(state).rglob("runs") for each in find_runs(folder)]
        if not records:
            return Shown(ran.returncode, ran.stdout, None, ())
        state_of_run: RunState = read_run(records[0])
        reasons = {order.why for order in state_of_run.orders.values() if order.why}
        return Shown(ran.returncode, ran.stdout, figures_of(state_of_run), tuple(sorted(reasons)[:3]))


def classes_of(text: str) -> str:
    """Imports, definitions and constants up to where the file begins to do something by itself."""
    kept: list[ast.stmt] = []
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if all(_is_there(name) for name in _modules(node)):
                kept.append(node)
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.Assign)) or _is_text(node):
            kept.append(node)
        else:
            break
    return ast.unparse(ast.Module(kept, []))


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]


def _is_there(module: str) -> bool:
    """Of a module that is absent only what runs the strategy elsewhere is lost, as of ``ccxtbt``."""
    return module != "" and importlib.util.find_spec(module.partition(".")[0]) is not None
