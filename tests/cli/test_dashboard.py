"""``btccxt dashboard`` as a process: it ends with the bot that it stands beside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from btccxt.cli.dashboard_run import page_beside


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def test_the_page_of_a_bot_ends_when_the_bot_has_died_whatever_its_own_parent_is() -> None:
    words = [sys.executable, "-m", "btccxt", "dashboard", "--port", "0", "--until-input-ends"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline().startswith("page: http://127.0.0.1:")
            assert process.poll() is None
            process.stdin.close()  # what the system does when the bot is killed
            assert process.wait(240) == 0
        finally:
            process.kill()


def test_the_page_beside_a_run_is_there_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def kept(*args: object, **kwargs: object) -> subprocess.Popen[str]:
        started.append(popen(*args, **kwargs))  # type: ignore[call-overload]
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", kept)
    with page_beside(control=False) as address:
        assert address.startswith("http://127.0.0.1:") and "?token=" in address
        assert started[0].poll() is None
    assert started[0].poll() is not None
