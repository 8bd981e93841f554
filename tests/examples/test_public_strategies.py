"""Strategies that others published run unchanged: the list, the command that runs it, and those that pip installs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from btccxt.dev import public
from btccxt.dev.public import PublicStrategy, Shown, as_listed, classes_of, entries

TOP = Path(__file__).parents[2]


def test_the_list_names_the_source_of_each_and_what_it_showed() -> None:
    listed = entries(TOP)
    assert len({each.file for each in listed if each.repository}) >= 8
    assert len({each.name for each in listed}) == len(listed)
    for each in listed:
        assert bool(each.module) != bool(each.repository and each.file), each.name
        assert len(each.showed) > 20, each.name


@pytest.mark.parametrize("entry", [each for each in entries(TOP) if each.module], ids=lambda each: each.name)
def test_what_an_installed_package_ships_runs_to_its_end_with_equal_books(entry: PublicStrategy) -> None:
    path = Path(str(importlib.import_module(entry.module).__file__))
    shown = public.show(entry, path)
    assert as_listed(entry, shown), shown.output
    assert shown.figures is not None and shown.figures.fills > 0


def test_of_a_file_the_definitions_are_kept_and_what_it_does_is_left_out() -> None:
    text = (
        '"""Doc."""\nimport ccxt_store_that_is_absent\nimport backtrader as bt\nFAST = 5\n'
        "class A(bt.Strategy):\n    pass\ncerebro = bt.Cerebro()\ncerebro.run()\nclass B(bt.Strategy):\n    pass\n"
    )
    kept = classes_of(text)
    assert "class A" in kept and "FAST = 5" in kept and "import backtrader" in kept
    assert "absent" not in kept and "run()" not in kept and "class B" not in kept


def test_the_command_says_what_passed_what_failed_and_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "a.py").write_text("")
    shared: Any = {"strategy": "S", "showed": "", "params": {}, "repository": "one/samples", "file": "a.py"}
    listed = [PublicStrategy(name="good", **shared), PublicStrategy(name="bad", **shared)]
    listed.append(PublicStrategy(name="refused", ends_with="no such thing", **shared))
    listed.append(PublicStrategy(name="away", **{**shared, "repository": "one/other"}))
    monkeypatch.setattr(public, "entries", lambda top: listed)
    ended = {"good": (0, ""), "bad": (1, "ValueError: x"), "refused": (1, "error: no\n such thing")}
    monkeypatch.setattr(public, "show", lambda entry, path: Shown(*ended[entry.name], None, ()))
    told: list[str] = []

    def say(text: str, code: int) -> int:
        told.append(text)
        return code

    assert public.run(TOP, [str(tmp_path)], say) == 1
    assert [line[:6].strip() for line in told if line.startswith(("ok ", "FAILED "))] == ["ok", "FAILED", "ok"]
    assert told[-1] == "2 passed, 1 failed, 1 not cloned"
    assert public.run(TOP, [str(tmp_path), "good"], say) == 0
    assert public.run(TOP, [str(tmp_path / "none")], say) == 2 and "has none of" in told[-1]
    assert public.run(TOP, [], say) == 2 and "FOLDER" in told[-1]
