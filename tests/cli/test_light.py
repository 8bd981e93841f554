"""Help, completion and the import of the store bring nothing along that they do not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from btccxt.cli import COMMANDS

HEAVY = (
    "ccxt", "backtrader", "aiohttp", "requests", "cryptography", "pyarrow", "apprise", "ray", "optuna", "pandas",
    "btccxt.store",
)  # fmt: skip


def modules_after(code: str, **environment: str) -> list[str]:
    import os

    shown = f"{code}\nimport sys; sys.stderr.write('modules ' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", shown], capture_output=True, text=True, timeout=280, check=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    return done.stderr.rpartition("modules ")[2].split()


def run_of(*words: str) -> str:
    line = ["btccxt", *words]
    return f"import sys; sys.argv = {line}\ntry:\n import btccxt.cli; btccxt.cli.main()\nexcept SystemExit: pass"


def test_help_imports_nothing_heavy():
    assert not set(HEAVY) & set(modules_after(run_of("--help")))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_completion_imports_nothing_heavy(command: str):
    words = f"btccxt {command} --" if command else "btccxt d"
    loaded = modules_after(
        run_of(), _BTCCXT_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1)
    )
    assert "btccxt.cli" in loaded
    assert not set(HEAVY) & set(loaded)


def test_completion_completes():
    done = subprocess.run(
        [sys.executable, "-c", run_of()], capture_output=True, text=True, timeout=280, check=True,
        env={
            **__import__("os").environ, "_BTCCXT_COMPLETE": "complete_bash", "COMP_WORDS": "btccxt exchanges --j",
            "COMP_CWORD": "2",
        },
    )  # fmt: skip
    assert done.stdout.split() == ["--json"]


def test_the_store_imports_neither_ccxt_nor_the_embedded_exchange():
    loaded = modules_after("from btccxt import CCXTStore; CCXTStore('binance', mode='sim')")
    assert "backtrader" in loaded
    assert not {"ccxt", "aiohttp", "cryptography", "requests", "btccxt.sim.server"} & set(loaded)
