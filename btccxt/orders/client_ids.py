"""Client order ids: short, deterministic from the journal, valid on every exchange.

An id is made of two numbers: the journal's *tag* (drawn once, when the journal is created; it keeps the ids of two
journals on one account apart) and a *sequence* (one counter per journal). All forms derive from them:

* text: 16 characters, lower-case base 36, the first is always ``b`` (gate takes a leading ``t`` for its own prefix;
  kraken allows 18 characters, okx letters and digits only);
* integer: 15 bits of tag, then 30 bits of sequence (bitfinex: 45 bits, htx contracts: int64);
* hex: ``0x`` and 32 digits (hyperliquid).

No id is ever sent twice, not even after a crash: an id is sent only when its ticket is on disk, the ticket carries the
counter, and the next process starts behind the highest counter on disk.
"""

from __future__ import annotations

import secrets
import threading

from btccxt.errors import ConfigError
from btccxt.orders.policy import ClientIdForm

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TEXT_LENGTH = 16
_TAG_DIGITS = 7
_SHORTEST: dict[ClientIdForm, int] = {"text": 12, "integer": 10, "hex": 34, "uuid": 36}
_LONG_INTEGER = 14
_EXHAUSTED = "the counter of client order ids is exhausted; start a new journal"
_TAG_BITS, _SEQUENCE_BITS = 15, 30
_SMALL_TAG_BITS, _SMALL_SEQUENCE_BITS = 10, 20  # where ids have 32 bits: all below the smallest of the usual ones
TAG_LIMIT = 36**_TAG_DIGITS


def new_tag() -> int:
    """Drawn once per journal."""
    return secrets.randbelow(TAG_LIMIT)


def _base36(number: int, digits: int) -> str:
    out = []
    for _ in range(digits):
        number, digit = divmod(number, 36)
        out.append(_DIGITS[digit])
    if number:
        raise OverflowError(_EXHAUSTED)
    return "".join(reversed(out))


class ClientIds:
    """Hands out the ids of one journal. Any thread; no I/O."""

    def __init__(self, tag: int, next_sequence: int) -> None:
        self._tag = tag
        self._lock = threading.Lock()
        self._next = next_sequence

    @property
    def next_sequence(self) -> int:
        """Higher than the sequence of every id handed out so far."""
        return self._next

    def new(self, form: ClientIdForm = "text", max_length: int = 36) -> str:
        """The next id in the form that the exchange's profile asks for. Raises ConfigError where none can be valid."""
        with self._lock:
            sequence = self._next
            self._next += 1
        return self.format(sequence, form, max_length)

    def format(self, sequence: int, form: ClientIdForm = "text", max_length: int = 36) -> str:
        if max_length < _SHORTEST[form]:
            raise ConfigError(
                f"a client order id in the form {form!r} needs at least {_SHORTEST[form]} characters to be unique; "
                f"the profile allows {max_length}"
            )
        if form == "hex":
            return f"0x{self._tag:016x}{sequence:016x}"
        if form == "uuid":
            return self._uuid(sequence)
        if form == "integer":
            is_long = max_length >= _LONG_INTEGER
            tag, bits = (self._short_tag, _SEQUENCE_BITS) if is_long else (self._small_tag, _SMALL_SEQUENCE_BITS)
            if sequence >= 1 << bits:
                raise OverflowError(_EXHAUSTED)
            return str((tag << bits) | sequence)
        digits = min(_TEXT_LENGTH, max_length) - 1 - _TAG_DIGITS
        return f"b{_base36(self._tag, _TAG_DIGITS)}{_base36(sequence, digits)}"

    def is_ours(self, client_order_id: str | None) -> bool:
        """Whether this journal handed the id out: its tag is in it."""
        if not client_order_id:
            return False
        if client_order_id.startswith("0x"):
            return len(client_order_id) == 34 and client_order_id.startswith(f"0x{self._tag:016x}")
        if "-" in client_order_id:
            return len(client_order_id) == _SHORTEST["uuid"] and client_order_id.startswith(self._uuid(0)[:13])
        if client_order_id.isdecimal() and client_order_id.isascii():
            number = int(client_order_id)
            if number < 1 << _SEQUENCE_BITS:
                return number >> _SMALL_SEQUENCE_BITS == self._small_tag
            return number >> _SEQUENCE_BITS == self._short_tag
        prefix = f"b{_base36(self._tag, _TAG_DIGITS)}"
        return _SHORTEST["text"] <= len(client_order_id) <= _TEXT_LENGTH and client_order_id.startswith(prefix)

    def _uuid(self, sequence: int) -> str:
        """In the form of version 4: the tag, and the sequence around the version's and the variant's digit."""
        tag, digits = f"{self._tag:012x}", f"{sequence:018x}"
        return f"{tag[:8]}-{tag[8:]}-4{digits[:3]}-a{digits[3:6]}-{digits[6:]}"

    @property
    def _small_tag(self) -> int:
        return self._tag % ((1 << _SMALL_TAG_BITS) - 1) + 1

    @property
    def _short_tag(self) -> int:
        return self._tag % ((1 << _TAG_BITS) - 1) + 1  # never 0: the number keeps its length
