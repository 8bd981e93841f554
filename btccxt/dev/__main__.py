"""``python -m btccxt.dev test|portable|check|mutants|demo|release|compat|public``: what the Makefile runs.

From a checkout with the development tools: ``pip install -e .[dev]``. Further arguments go to the tool: ``python -m
btccxt.dev test tests/bars -x``.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from btccxt.dev import compat, mutants, public

_TOP = Path(__file__).resolve().parents[2]
# Most tests wait for sockets and clocks, most of the time: more workers than there are cores.
_PYTEST = ("pytest", "-n", str(2 * (os.cpu_count() or 1) + 1), "--dist", "worksteal", "-q")
# What needs neither sockets nor this machine's speed: the rooms where a mistake costs money.
_PORTABLE = (
    "tests/account", "tests/bars", "tests/bt", "tests/orders", "tests/resilience", "tests/test_config.py",
    "tests/test_public_names.py",
)  # fmt: skip
COMMANDS = ("test", "portable", "check", "mutants", "demo", "release", "compat", "public")


def main(arguments: Sequence[str]) -> int:
    """Run a command; its exit code."""
    name, further = (arguments[0] if arguments else ""), tuple(arguments[1:])
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
        return _say(f"python -m btccxt.dev knows no command {name!r}; {hint}", code=2)
    if not (_TOP / "pyproject.toml").is_file():
        return _say(f"python -m btccxt.dev {name} works on a checkout, and btccxt is installed in {_TOP}", code=2)
    if name == "release":
        return _release()
    if name == "mutants":
        command = _command("mutmut")
        return mutants.run(_TOP, command, _say) if command else _absent("mutmut")
    if name == "compat":
        return compat.judge(_TOP, further)
    if name == "public":
        return public.run(_TOP, further, _say)
    return _first_failure({
        "test": [(*_PYTEST, *further)],
        "portable": [(*_PYTEST, *further, *_PORTABLE)],
        "check": [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",)],
        "demo": [("btccxt", "demo", *further)],
    }[name])  # fmt: skip


def _release() -> int:
    """Build and check what an index takes. Signs nothing and uploads nothing."""
    folder = _TOP / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    failed = _run("build", "--no-isolation", "--outdir", str(folder))
    files = sorted(str(path.relative_to(_TOP)) for path in folder.glob("btccxt-*"))
    failed = failed or _run("twine", "check", "--strict", *files)
    if failed:
        return failed
    return _say(f"built and checked; not signed, not uploaded. To upload:\n  python -m twine upload {' '.join(files)}")


def _first_failure(commands: Sequence[Sequence[str]]) -> int:
    return next((code for command in commands if (code := _run(*command))), 0)


def _run(tool: str, *arguments: str) -> int:
    """The tool of this Python, whatever else is on the path."""
    command = _command(tool)
    if not command:
        return _absent(tool)
    return subprocess.run([*command, *arguments], cwd=_TOP, check=False).returncode


def _command(tool: str) -> list[str]:
    """How to start it; empty where it is not installed."""
    if find_spec(tool) is not None:
        return [sys.executable, "-m", tool]
    script = shutil.which(tool, path=str(Path(sys.executable).parent))  # its name is that of a script only
    return [script] if script else []


def _absent(tool: str) -> int:
    return _say(f"{tool} is not installed: pip install -e .[dev]", code=2)


def _say(text: str, code: int = 0) -> int:
    (sys.stderr if code else sys.stdout).write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
