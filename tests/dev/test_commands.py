"""``python -m btccxt.dev``: what the Makefile runs, where there is no make."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from btccxt.dev import __main__ as dev

TOP = Path(__file__).parents[2]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The tools that would have been run; each succeeds."""
    ran: list[tuple[str, ...]] = []

    def run(*command: str) -> int:
        ran.append(command)
        return 0

    monkeypatch.setattr(dev, "_run", run)
    return ran


def test_a_command_that_there_is_not_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["chekc"]) == 2
    assert "'chekc'; did you mean check?" in capsys.readouterr().err
    assert dev.main([]) == 2
    assert "there are test, portable, check, mutants, demo, release" in capsys.readouterr().err


def test_an_installed_package_is_no_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "_TOP", tmp_path)
    assert dev.main(["release"]) == 2
    assert "works on a checkout" in capsys.readouterr().err


def test_further_arguments_go_to_the_tests(ran: list[tuple[str, ...]]) -> None:
    assert dev.main(["test", "tests/bars", "-x"]) == 0
    assert [command[0] for command in ran] == ["pytest"] and ran[0][-2:] == ("tests/bars", "-x")


def test_a_check_ends_with_the_first_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run(*command: str) -> int:
        ran.append(command[:2])
        return 7 if command[:2] == ("ruff", "format") else 0

    monkeypatch.setattr(dev, "_run", run)
    assert dev.main(["check"]) == 7
    assert ran == [("ruff", "check"), ("ruff", "format")]


def test_a_tool_that_is_not_there_says_how_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev._run("no-such-tool") == 2
    assert "no-such-tool is not installed: pip install -e .[dev]" in capsys.readouterr().err


def test_a_release_checks_what_it_built_and_says_what_to_upload(
    ran: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "btccxt-0.0.1.tar.gz").touch()  # of the last time

    def run(*command: str) -> int:
        ran.append(command)
        if command[0] == "build":
            (tmp_path / "dist").mkdir()
            (tmp_path / "dist" / "btccxt-0.1.0.tar.gz").touch()
        return 0

    monkeypatch.setattr(dev, "_TOP", tmp_path)
    monkeypatch.setattr(dev, "_run", run)
    assert dev.main(["release"]) == 0
    built = str(Path("dist", "btccxt-0.1.0.tar.gz"))
    assert ran[-1] == ("twine", "check", "--strict", built)
    told = capsys.readouterr().out
    assert f"twine upload {built}" in told and "not signed, not uploaded" in told


def test_the_makefile_has_the_same_commands() -> None:
    used = re.findall(r"^\t\$\(DEV\) (\w+)", (TOP / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert sorted(used) == sorted(dev.COMMANDS)


def test_the_portable_tests_are_there() -> None:
    assert all((TOP / path).exists() for path in dev._PORTABLE)


def test_windows_and_macs_run_commands_that_there_are() -> None:
    workflow = yaml.safe_load((TOP / ".github" / "workflows" / "portable.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["portable"]
    assert {"windows-latest", "macos-latest"} <= set(job["strategy"]["matrix"]["os"])
    versions = re.findall(r"Python :: (3\.\d+)", (TOP / "pyproject.toml").read_text(encoding="utf-8"))
    assert job["strategy"]["matrix"]["python"] == [versions[0], versions[-1]]
    asked = [step["run"].split()[3:] for step in job["steps"] if "btccxt.dev" in step.get("run", "")]
    assert asked and all(command in dev.COMMANDS for command, *_ in asked)
