"""What a kept verdict rests on is told alike by every process."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from btccxt.exchange.ccxt.ccxt_instance import ccxt_class
from btccxt.exchange.proof import fingerprint as made
from btccxt.exchange.proof.standing import standing


@pytest.mark.parametrize("exchange", ["binance", "okx", "hyperliquid"])
def test_no_address_in_memory_goes_into_it(exchange: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else no verdict would be found again after a restart."""
    parts: list[bytes] = []
    recorder = SimpleNamespace(update=parts.append, hexdigest=lambda: "")
    monkeypatch.setattr(made, "hashlib", SimpleNamespace(blake2b=lambda digest_size: recorder))
    assert standing.__module__  # with all that it imports
    made.fingerprint(ccxt_class(exchange))
    assert len(parts) > 5_000
    assert not [part for part in parts if b" at 0x" in part]


def test_it_is_a_hash_of_all_parts() -> None:
    assert made.hashlib is hashlib
    assert made.fingerprint(ccxt_class("okx")) != made.fingerprint(ccxt_class("binance"))
