"""Examples of what is round about a strategy: alerts, tests of one's own, a notebook."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.examples.load import EXAMPLES, example

START = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)


@pytest.mark.usefixtures("patient_market")
def test_alerts_arrive_where_apprise_was_told_to_send_them() -> None:
    module = example("alerts")
    module.main("sim", bars=20, speed=240, start=START)
    bought, sold = module.received
    assert "Buy 0.01 at" in bought and "Sell 0.00999 at" in sold


@pytest.mark.slow
def test_the_tests_of_ones_own_strategy_pass(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-c", "/dev/null",
         str(EXAMPLES / "test_my_strategy.py")],
        capture_output=True, text=True, timeout=280, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout


@pytest.mark.usefixtures("patient_market")
def test_the_notebook_runs_from_top_to_bottom_and_trades(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {"__name__": "notebook"}
    monkeypatch.setitem(sys.modules, "notebook", type(sys)("notebook"))  # backtrader looks strategies up there

    async def play() -> None:
        for number, cell in enumerate(cells):
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # as a notebook's kernel does it
            answer = eval(compile(cell, f"cell {number}", "exec", flags=flags), names)
            if inspect.isawaitable(answer):
                await answer
            if "SIM" in names and "engine" not in names:
                names["SIM"] = {"speed": 480, "seed": 1, "start": START}

    asyncio.run(play())
    assert not names["engine"].is_running
    assert names["strategy"].fills
    told = capsys.readouterr().out
    assert re.search(r"^3\d live bars", told)
    assert " at " in told and "LIVE" in told


def test_the_notebook_holds_no_output() -> None:
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text("utf-8"))
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook["cells"])
