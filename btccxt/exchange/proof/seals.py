"""Signatures over typed data (EIP-712). ccxt makes each with a hash in pure Python: milliseconds of work."""

from __future__ import annotations

from typing import Any


class Seals:
    """Which of ccxt's signatures are made. ``sparing``: the first over each kind of data alone.

    What the others would sign is compared all the same; how it is signed, the first shows.
    """

    def __init__(self, *, sparing: bool) -> None:
        self._sparing = sparing
        self._made: set[str] = set()
        self.latest_is_made = True

    def watch(self, instance: Any) -> None:
        encode = instance.eth_encode_structured_data

        def encode_once(domain: Any, types: Any, message: Any) -> Any:
            kind = repr((domain, types))
            self.latest_is_made = kind not in self._made
            self._made.add(kind)
            return encode(domain, types, message) if self.latest_is_made else b""

        if self._sparing:
            instance.eth_encode_structured_data = encode_once
