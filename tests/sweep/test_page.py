"""The page on studies: its commands and its code run as they stand there, in one process."""

from __future__ import annotations

import functools
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import btccxt
from btccxt.cli import app
from btccxt.cli.init import STRATEGY
from btccxt.sweep.study import study
from tests.sweep.harness import make_lake

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "study.md").read_text(encoding="utf-8")


def test_the_first_commands_end_in_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```\n(btccxt init.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines():
        words = shlex.split(line, comments=True)[1:]
        alone = ["--workers", "1"] if words[0] == "study" else []
        result = CliRunner().invoke(app, [*words, *alone])
        assert result.exit_code == 0, (line, result.output, result.exception)
    assert len(re.findall(r"^│ (?:5|10|20) +│ [3-6]0 ", result.output, re.MULTILINE)) == 12
    assert Path("study-strategy/results.parquet").is_file()


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BTCCXT_LAKE", str(make_lake(tmp_path, 45 * 24)))
    monkeypatch.setattr(btccxt, "study", functools.partial(study, workers=1), raising=False)
    (tmp_path / "averages.py").write_text(STRATEGY, encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found = {"__name__": "__main__"}
    exec(compile(code, "study.md", "exec"), found)
    assert len(capsys.readouterr().out.splitlines()) == 1 + 10
    assert len(found["frame"]) == 3 * 3 * 3 + 10  # type: ignore[arg-type]
