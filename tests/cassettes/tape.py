"""Cassettes: real HTTP exchanges on disk, without anything that signs or names an account.

vcrpy stands in aiohttp's ``ClientSession._request``, so ccxt's requests are recorded and replayed whatever the
connector. What is kept is an allow-list (one header each way); what is dropped from query and body is a list of names,
and after that no spelling of a planted secret may be left.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import vcr

FOLDER = Path(__file__).parents[2] / "cassettes"
PUBLIC_FOLDER = FOLDER / "public"
HIDDEN = "hidden"

# Signatures, stamps and keys: never kept, never compared.
_DROPPED = {
    "signature", "sign", "timestamp", "recvwindow", "recv_window", "nonce", "apikey", "api_key", "api-key", "accesskey",
    "accesskeyid", "signaturemethod", "signatureversion", "token", "listenkey", "passphrase", "otp",
}  # fmt: skip
_KEPT_HEADERS = {"content-type"}

logging.getLogger("vcr").setLevel(logging.WARNING)


def spellings(secrets: Iterable[str]) -> set[str]:
    """How a secret may look on the wire: plain, URL-encoded, in base64."""
    found = set()
    for secret in secrets:
        found |= {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
    return found


class Scrubber:
    """Takes out of requests and answers what must not be on disk."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted(spellings(secrets), key=len, reverse=True)

    def request(self, request: Any) -> Any:
        parts = urlsplit(request.uri)
        query = urlencode([pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _dropped(pair[0])])
        request.uri = self.text(urlunsplit((parts.scheme, parts.netloc, parts.path, query, "")))
        request.headers = {k: v for k, v in request.headers.items() if k.lower() in _KEPT_HEADERS}
        if request.body:
            body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
            request.body = self.text(_body(body)).encode()
        return request

    def response(self, response: Any) -> Any:
        headers = response["headers"]
        response["headers"] = {k: v for k, v in headers.items() if k.lower() in _KEPT_HEADERS}
        body = response["body"].get("string") or b""
        text = body.decode() if isinstance(body, bytes) else body
        response["body"]["string"] = self.text(_body(text)).encode()
        response.pop("url", None)
        return response

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _dropped(name: str) -> bool:
    return name.lower() in _DROPPED


def _body(text: str) -> str:
    """The same body without what is never kept; as compact JSON or as a form."""
    try:
        return json.dumps(_without(json.loads(text)), separators=(",", ":"))
    except ValueError:
        pass
    if "=" in text and "<" not in text:
        return urlencode([pair for pair in parse_qsl(text, keep_blank_values=True) if not _dropped(pair[0])])
    return text


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(each) for key, each in value.items() if not (_dropped(key) and isinstance(each, str))}
    if isinstance(value, list):
        return [_without(each) for each in value]
    return value


def tape(path: Path, *, record: bool, secrets: Iterable[str] = ()) -> Any:
    """A context in which aiohttp records to ``path``, or answers from it and from nothing else."""
    scrub = Scrubber(secrets)
    return vcr.VCR(
        record_mode="all" if record else "none",
        match_on=["method", "scheme", "host", "path", "query", "body"],
        before_record_request=scrub.request,
        before_record_response=scrub.response,
        decode_compressed_response=True,
    ).use_cassette(str(path))
