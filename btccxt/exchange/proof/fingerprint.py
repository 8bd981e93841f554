"""What is loaded of ccxt for one exchange, and of btccxt to use it, as one hash.

Any other code, also one patched in memory, has another.
"""

from __future__ import annotations

import hashlib
import sys
from types import CodeType
from typing import Any

_MODULES = (
    "ccxt.base.exchange",
    "ccxt.base.decimal_to_precision",
    "ccxt.base.precise",
    "ccxt.base.errors",
    "ccxt.async_support.base.throttler",
    "ccxt.async_support.base.ws.client",
    "ccxt.async_support.base.ws.cache",
    "ccxt.async_support.base.ws.future",
    "ccxt.async_support.base.ws.functions",
    "ccxt.async_support.base.ws.order_book",
    "ccxt.async_support.base.ws.order_book_side",
    "btccxt.exchange.request",
    "btccxt.exchange.templates",
    "btccxt.exchange.order_list",
    "btccxt.exchange.ccxt.ccxt_instance",
    "btccxt.exchange.ccxt.push",
    "btccxt.exchange.ccxt.frames",
    "btccxt.exchange.ccxt.subscriptions",
    "btccxt.exchange.ccxt.translate",
    "btccxt.exchange.ccxt.statuses",
    "btccxt.exchange.ccxt.times",
    "btccxt.exchange.ccxt.errors_map",
    "btccxt.exchange.proof.intents",
    "btccxt.exchange.proof.offline",
    "btccxt.exchange.proof.seals",
    "btccxt.exchange.proof.replay",
    "btccxt.exchange.proof.streams",
    "btccxt.exchange.proof.answers",
    "btccxt.exchange.proof.tap",
    "btccxt.exchange.proof.internals",
    "btccxt.exchange.proof.examine",
    "btccxt.exchange.proof.differences",
)
_OURS = ("ccxt.", "btccxt.")  # fmt: skip


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
                if value.__module__.startswith(_OURS):
                    _add_class(value, found, done)
            else:
                _add(value, found)
    return found.hexdigest()


def _add_class(owner: type, into: Any, done: set[type]) -> None:
    if owner in done or owner is object:
        return
    done.add(owner)
    for name, value in list(vars(owner).items()):
        if name != name.lower() and hasattr(value, "__code__"):
            continue  # another spelling, which ccxt gives its class when the first instance is made
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
    elif type(value).__name__ == "Entry":  # an endpoint
        into.update(repr([getattr(value, name, None) for name in ("path", "api", "method", "config")]).encode())


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
