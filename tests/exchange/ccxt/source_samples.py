"""Order samples that ccxt's authors left in their source comments, read from the installed package when a test runs."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import ccxt.async_support
import ccxt.pro

_COMMENT = re.compile(r"^\s*#\s?(.*)$")
_NOTE = re.compile(r"(?<=[,{\[\]}\"0-9a-z])\s*//.*$|\s+#\s.*$")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")


def samples(exchange_id: str, *methods: str, pro: bool = False) -> Iterator[tuple[str, Any]]:
    """``(method, sample)`` for every JSON object or array in the comments of these methods."""
    owner = getattr(ccxt.pro if pro else ccxt.async_support, exchange_id)
    for method in methods:
        for block in _blocks(inspect.getsource(getattr(owner, method))):
            for sample in _objects(block):
                yield method, sample


def _blocks(source: str) -> Iterator[str]:
    lines: list[str] = []
    for line in source.splitlines():
        found = _COMMENT.match(line)
        if found:
            lines.append(_NOTE.sub("", found[1]))
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _objects(block: str) -> Iterator[Any]:
    """Outermost balanced brackets of a comment block that are JSON after small repairs."""
    start, depth = None, 0
    for position, letter in enumerate(block):
        if letter in "{[":
            start = position if depth == 0 else start
            depth += 1
        elif letter in "}]" and depth:
            depth -= 1
            if depth == 0 and start is not None:
                text = _TRAILING_COMMA.sub(r"\1", block[start : position + 1])
                text = text.replace("'", '"').replace("None", "null").replace("True", "true").replace("False", "false")
                try:
                    yield json.loads(text)
                except ValueError:
                    continue
