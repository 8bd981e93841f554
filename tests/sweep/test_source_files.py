"""The files that make a strategy: what it imports from its own folder or package, and nothing that merely is loaded."""

from __future__ import annotations

from pathlib import Path

from btccxt.sweep.source_files import files_of


def written(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(folder: Path, file: str) -> list[str]:
    return [path.relative_to(folder.resolve()).as_posix() for path in files_of(folder / file)]


def test_what_is_imported_is_followed(tmp_path: Path) -> None:
    written(
        tmp_path, bot="import os, sizes\nfrom lib import levels\nimport backtrader as bt\n", sizes="import json\n",
        lib__levels="def f():\n    import deep\n", deep="X = 1\n", other="import bot\n",
    )  # fmt: skip
    (tmp_path / "json.py").write_text("X = 2\n")
    assert names(tmp_path, "bot.py") == ["bot.py", "deep.py", "json.py", "lib/levels.py", "sizes.py"]
    assert names(tmp_path, "deep.py") == ["deep.py"]


def test_files_that_import_each_other_end(tmp_path: Path) -> None:
    written(tmp_path, one="import two\n", two="import one\n")
    assert names(tmp_path, "one.py") == ["one.py", "two.py"]


def test_packages_are_followed_from_their_root_and_by_dots(tmp_path: Path) -> None:
    init = "bots/__init__.py"
    written(
        tmp_path, bots__strategies__cross="from ..common import A\nfrom . import near\nimport bots.far.away\n",
        bots__strategies__near="", bots__common="", bots__far__away="",
    )  # fmt: skip
    for folder in ("bots", "bots/strategies", "bots/far"):
        (tmp_path / folder / "__init__.py").touch()
    assert names(tmp_path, "bots/strategies/cross.py") == [
        init, "bots/common.py", "bots/far/__init__.py", "bots/far/away.py", "bots/strategies/cross.py",
        "bots/strategies/near.py",
    ]  # fmt: skip


def test_btccxt_itself_is_not_followed(tmp_path: Path) -> None:
    import btccxt

    root = Path(btccxt.__file__).resolve().parents[1]
    example = root / "tests" / "sweep" / "harness.py"
    assert not [path for path in files_of(example) if (root / "btccxt") in path.parents]
