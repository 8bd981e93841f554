"""What a user must name can be imported from ``btccxt``, and costs nothing before it is used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import btccxt
from btccxt import errors


def test_every_public_name_is_there_and_known_to_type_checkers() -> None:
    tree = ast.parse(Path(btccxt.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    for_types = {name.name for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert for_types | {"__version__"} == set(btccxt.__all__) == set(dir(btccxt))
    assert [name for name in btccxt.__all__ if not hasattr(btccxt, name)] == []


def test_every_error_that_a_user_may_catch_is_public() -> None:
    tree = {name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, Exception)}
    assert tree <= set(btccxt.__all__)


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, btccxt; print(*sorted(m for m in sys.modules if m.startswith('btccxt')))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["btccxt"]
