"""Coinbase's keys: an EC private key instead of a secret, and tokens (JWT, ES256) that are signed with it.

An account's key is made from its secret, so that whoever knows the account can sign and the exchange can verify.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from btccxt.sim.dialects.base import SimAccount, decode

_PREFIX = "organizations/sim/apiKeys/"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve P-256


@dataclass(frozen=True, slots=True)
class Token:
    """What a token claims."""

    key_name: str
    issued_s: int
    expires_s: int
    uri: str


def key_name(account: SimAccount) -> str:
    return _PREFIX + account.api_key


def api_key_of(name: str) -> str:
    return name.removeprefix(_PREFIX)


@lru_cache(maxsize=64)
def _private_key(secret: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(hashlib.sha512(f"coinbase:{secret}".encode()).digest(), "big")
    return ec.derive_private_key(number % (_ORDER - 1) + 1, ec.SECP256R1())


def private_pem(account: SimAccount) -> str:
    """What a client has to sign with."""
    return (
        _private_key(account.secret)
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        .decode()
    )


def read(token: str) -> Token | None:
    """What it claims, not yet believed; None for what is no token."""
    try:
        claims: Any = decode(_bytes(token.split(".")[1]))
        return Token(str(claims["sub"]), int(claims["nbf"]), int(claims["exp"]), str(claims.get("uri", "")))
    except (ValueError, KeyError, TypeError, IndexError, binascii.Error):
        return None


def is_signed_by(token: str, account: SimAccount) -> bool:
    head, _, signature = token.rpartition(".")
    try:
        raw = _bytes(signature)
        numbers = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        public = _private_key(account.secret).public_key()
        public.verify(encode_dss_signature(*numbers), head.encode(), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
