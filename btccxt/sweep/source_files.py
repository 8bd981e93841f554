"""Which files a strategy is made of: its own, and those of its folder or package that it imports, and they."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

_OURS = Path(__file__).resolve().parents[1]


def files_of(file: Path) -> list[Path]:
    """In a fixed order, whatever else is loaded. Installed packages are not followed. Raises SyntaxError, OSError."""
    found: set[Path] = set()
    waiting = [file.resolve()]
    while waiting:
        path = waiting.pop()
        if path in found or _OURS in path.parents:
            continue
        found.add(path)
        for folder, name in _imports(path, file.resolve().parent):
            waiting += _files_named(folder, name)
    return sorted(found)


def _imports(file: Path, home: Path) -> Iterator[tuple[Path, str]]:
    """Dotted names, each with a folder it may be found in. ``home``: the strategy's, which is on Python's path."""
    roots = {home, file.parent, _above_package(file)}
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((root, each.name) for each in node.names for root in roots)
        elif isinstance(node, ast.ImportFrom):
            bases = roots if not node.level else {file.parents[node.level - 1]}
            beginning = f"{node.module}." if node.module else ""
            yield from ((base, beginning + each.name) for each in node.names for base in bases)


def _above_package(file: Path) -> Path:
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _files_named(folder: Path, name: str) -> Iterator[Path]:
    """The modules of ``a.b.c`` that are files here: ``a``, ``a.b``, ``a.b.c``."""
    path = folder
    for part in name.split("."):
        path = path / part
        for file in (path.with_name(f"{part}.py"), path / "__init__.py"):
            if file.is_file() and "site-packages" not in file.parts:
                yield file.resolve()
