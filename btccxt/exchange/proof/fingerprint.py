"""What is loaded of ccxt for one exchange, as one hash: any other code, also one patched in memory, has another."""

from __future__ import annotations

import hashlib
import sys
from types import CodeType
from typing import Any

_MODULES = (
    "ccxt.base.exchange", "ccxt.base.decimal_to_precision", "ccxt.base.precise", "ccxt.base.errors",
    "ccxt.async_support.base.throttler", "ccxt.async_support.base.ws.client", "ccxt.async_support.base.ws.cache",
    "ccxt.async_support.base.ws.future", "ccxt.async_support.base.ws.functions",
    "ccxt.async_support.base.ws.order_book", "ccxt.async_support.base.ws.order_book_side",
)  # fmt: skip


def fingerprint(exchange_class: type) -> str:
    """Milliseconds of work: every method of the class and those above it, and the modules that all exchanges share."""
    found = hashlib.blake2b(digest_size=16)
    done: set[type] = set()
    for owner in exchange_class.__mro__:
        _add_class(owner, found, done)
    for name in _MODULES:
        module = sys.modules.get(name)
        for value in vars(module).values() if module is not None else ():
            if isinstance(value, type):
                _add_class(value, found, done)
            else:
                _add(value, found)
    return found.hexdigest()


def _add_class(owner: type, into: Any, done: set[type]) -> None:
    if owner in done or owner is object:
        return
    done.add(owner)
    for name, value in list(vars(owner).items()):
        into.update(name.encode())
        _add(value, into)


def _add(value: Any, into: Any) -> None:
    value = getattr(value, "__func__", value)  # of static and class methods
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        _add_code(code, into)
        into.update(repr(getattr(value, "__defaults__", None)).encode())
    elif isinstance(value, (str, int, float, bool)):
        into.update(repr(value).encode())


def _add_code(code: CodeType, into: Any) -> None:
    into.update(code.co_code)
    into.update(repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add_code(constant, into)
        elif isinstance(constant, frozenset):  # its order differs from process to process
            into.update(repr(sorted(map(repr, constant))).encode())
        else:
            into.update(repr(constant).encode())
