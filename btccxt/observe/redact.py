"""Takes secrets out of whatever is about to be written down: logs, alerts, error texts, cassettes.

Two nets: every value that was registered, wherever and however encoded it turns up; and whatever stands where a key or
a signature usually stands (field names, query strings, headers), registered or not.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "***"
_SHORTEST = 4  # replacing shorter values everywhere would shred every text; as fields they are hidden all the same
_DEEPEST = 12
_NAMES = (
    "apikey", "secret", "secretkey", "password", "passphrase", "passwd", "privatekey", "signature", "authorization",
    "listenkey", "accesskey", "accesssign", "accesstoken", "apisign", "apisecret", "mnemonic",
)  # fmt: skip
_WHOLE_NAMES = frozenset({"sign", "sig", "token"})  # as the end of a longer name they are something else: design
# name=value in queries and keyword arguments, "name": value in JSON and dicts, X-Name: value in headers.
_PLACED = re.compile(
    r"""(?P<head>(?<![\w-])(?:
            (?P<query>[A-Za-z][\w-]{0,60})=
          | (?P<field>[A-Za-z][\w-]{0,60})\\?["']\s*:\s*
          | (?P<header>[A-Za-z]+-[\w-]{1,60}|Authorization):\s*
        ))
        (?P<value>b?(?P<quote>\\?["']).*?(?P=quote) | (?:(?:Basic|Bearer)\s+)?[^\s"'&,;(){}\[\]\\]+)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


class Redactor:
    """A set of secrets and the net made of it. Thread-safe."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()
        self._net: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def register(self, secret: str) -> None:
        """From now on this value is hidden in every spelling an HTTP client, JSON or ``repr`` may give it."""
        # A PEM key is written over several lines, and a text may hold one of them.
        parts = [secret.strip(), *(line.strip() for line in secret.splitlines() if len(line.strip()) > 16)]
        with self._lock:
            for part in parts:
                if len(part) >= _SHORTEST:
                    self._spellings |= {spelling for spelling in _spellings(part) if len(spelling) >= _SHORTEST}
            longest_first = sorted(self._spellings, key=len, reverse=True)
            self._net = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """``text`` with registered values, and whatever stands in a secret's place, replaced by ``***``."""
        if self._net is not None:
            text = self._net.sub(HIDDEN, text)
        return _PLACED.sub(self._hide_placed, text)

    def _hide_placed(self, match: re.Match[str]) -> str:
        name = match["query"] or match["field"] or match["header"]
        if not _names_secret(name):
            return match["head"] + _PLACED.sub(self._hide_placed, match["value"])  # url=https://…?signature=…
        quote_mark = match["quote"] or ""
        return f"{match['head']}{quote_mark}{HIDDEN}{quote_mark}"

    def data(self, value: Any, depth: int = 0) -> Any:
        """A copy fit to be written: nested mappings and sequences cleaned; unknown objects become cleaned text."""
        if value is None or isinstance(value, (bool, int, float, Decimal)):
            return self._number(value)
        if isinstance(value, Enum):
            return self.data(value.value, depth)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (bytes, bytearray)):
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        if depth < _DEEPEST:
            if isinstance(value, Mapping):
                return {
                    self.text(str(name)): HIDDEN if _names_secret(name) and item else self.data(item, depth + 1)
                    for name, item in value.items()
                }
            if isinstance(value, (list, tuple, set, frozenset)):
                return [self.data(item, depth + 1) for item in value]
        if isinstance(value, BaseException):
            return self.text(f"{type(value).__name__}: {value}")
        return self.text(str(value))

    def _number(self, value: Any) -> Any:
        # A secret of digits only could come as a number.
        if self._net is not None and value is not None and self._net.fullmatch(str(value)):
            return HIDDEN
        return value


_default = Redactor()


def register_secret(secret: str) -> None:
    """Hide this value in everything btccxt writes from now on, in this process."""
    _default.register(secret)


def redact_text(text: str) -> str:
    return _default.text(text)


def redact(value: Any) -> Any:
    return _default.data(value)


def _names_secret(name: object) -> bool:
    letters = re.sub(r"[^a-z]", "", str(name).lower())
    return letters in _WHOLE_NAMES or letters.endswith(_NAMES)


def _spellings(secret: str) -> set[str]:
    raw = secret.encode()
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }
