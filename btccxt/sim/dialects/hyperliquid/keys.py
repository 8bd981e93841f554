"""Hyperliquid's keys: a wallet signs what it orders; there is no API key. What is signed, and whose signature it is.

An action is packed (MessagePack), hashed with its nonce, and the hash is signed as typed data (EIP-712) of an "Agent".
An account's wallet is made from its secret, so that whoever knows the account can sign and the exchange can verify.
"""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.dialects.hyperliquid.keccak import keccak256

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of the curve secp256k1
_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_AGENT_TYPE = b"Agent(string source,bytes32 connectionId)"
_CHAIN_ID = 1337


@lru_cache(maxsize=64)
def _number(secret: str) -> int:
    digest = hashlib.sha512(f"hyperliquid:{secret}".encode()).digest()
    return int.from_bytes(digest, "big") % (_ORDER - 1) + 1


@lru_cache(maxsize=64)
def _public_key(secret: str) -> ec.EllipticCurvePublicKey:
    return ec.derive_private_key(_number(secret), ec.SECP256K1()).public_key()


def private_key(account: SimAccount) -> str:
    return f"0x{_number(account.secret):064x}"


@lru_cache(maxsize=64)
def _address(secret: str) -> str:
    numbers = _public_key(secret).public_numbers()
    return "0x" + keccak256(numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big"))[-20:].hex()


def address(account: SimAccount) -> str:
    """Of the account's wallet, in small letters."""
    return _address(account.secret)


@lru_cache(maxsize=1)
def _domain() -> bytes:
    name, version = keccak256(b"Exchange"), keccak256(b"1")
    return keccak256(keccak256(_DOMAIN_TYPE) + name + version + _CHAIN_ID.to_bytes(32, "big") + bytes(32))


def digest(action: Any, nonce: int, vault: str | None, expires_ms: int | None, *, testnet: bool) -> bytes:
    """What the signature of an action signs."""
    data = pack(action) + nonce.to_bytes(8, "big")
    data += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x"))
    if expires_ms is not None:
        data += b"\x00" + expires_ms.to_bytes(8, "big")
    source = keccak256(b"b" if testnet else b"a")
    return keccak256(b"\x19\x01" + _domain() + keccak256(keccak256(_AGENT_TYPE) + source + keccak256(data)))


def is_signed_by(signed: bytes, signature: Any, account: SimAccount) -> bool:
    try:
        numbers = int(str(signature["r"]), 16), int(str(signature["s"]), 16)
        verifier = _public_key(account.secret)
        verifier.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(Prehashed(hashes.SHA256())))
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True


# ------------------------------------------------------------------ MessagePack


def pack(value: Any) -> bytes:
    """JSON values as MessagePack. Raises ValueError for what JSON has not."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _pack_integer(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        raw = value.encode()
        return _head(len(raw), 0xA0, 32, (0xD9, 0xDA, 0xDB)) + raw
    if isinstance(value, list):
        return _head(len(value), 0x90, 16, (None, 0xDC, 0xDD)) + b"".join(pack(item) for item in value)
    if isinstance(value, dict):
        items = b"".join(pack(str(name)) + pack(item) for name, item in value.items())
        return _head(len(value), 0x80, 16, (None, 0xDE, 0xDF)) + items
    raise ValueError(f"{type(value).__name__} cannot be packed")


def _head(length: int, small: int, limit: int, wide: tuple[int | None, int, int]) -> bytes:
    if length < limit:
        return bytes([small | length])
    if wide[0] is not None and length < 1 << 8:
        return bytes([wide[0], length])
    if length < 1 << 16:
        return bytes([wide[1]]) + length.to_bytes(2, "big")
    return bytes([wide[2]]) + length.to_bytes(4, "big")


def _pack_integer(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes([value])
    if -32 <= value < 0:
        return struct.pack(">b", value)
    if value > 0:
        code, size = next((0xCC + n, 1 << n) for n in range(4) if value < 1 << (8 << n))
        return bytes([code]) + value.to_bytes(size, "big")
    code, size = next((0xD0 + n, 1 << n) for n in range(4) if value >= -(1 << ((8 << n) - 1)))
    return bytes([code]) + value.to_bytes(size, "big", signed=True)
