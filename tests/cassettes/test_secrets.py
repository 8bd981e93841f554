"""No cassette shows a key: neither the committed ones nor one that is recorded now."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from vcr.request import Request

from tests.cassettes.record import KEYS, REELS, record
from tests.cassettes.scenario import AMOUNT
from tests.cassettes.tape import FOLDER, HIDDEN, Scrubber, spellings

# What signs or names an account, as the exchanges write it.
_SIGNING = re.compile(
    r"x-mbx-apikey|x-bapi|ok-access|api-key|api-sign|signature|recvwindow|nonce|timestamp=|listenkey", re.IGNORECASE
)


def _faults(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    faults = [f"the secret {secret!r}" for secret in spellings(KEYS.values()) if secret in text]
    for interaction in yaml.safe_load(text)["interactions"]:
        request, response = interaction["request"], interaction["response"]
        asked = json.dumps([request["uri"], request["headers"], str(request["body"])])
        faults += [f"{match.group()} in {request['uri']}" for match in _SIGNING.finditer(asked)]
        headers = {name.lower() for name in (*request["headers"], *response["headers"])}
        faults += [f"header {name}" for name in headers - {"content-type"}]
    return faults


def test_every_market_of_the_embedded_exchange_has_a_cassette() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {reel.name for reel in REELS}


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_committed_cassette_shows_what_signs(path: Path) -> None:
    assert _faults(path) == []


@pytest.mark.parametrize("reel", REELS, ids=lambda reel: reel.name)
def test_recording_with_planted_secrets_leaves_none_of_them(reel: Any, tmp_path: Path) -> None:
    path = tmp_path / "fresh.yaml"
    record(reel, path, tmp_path / "truth.json")
    assert _faults(path) == []
    assert str(AMOUNT) in path.read_text(), "the orders themselves must still be on it"


def test_the_search_finds_secrets_where_nothing_is_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scrubber, "request", lambda self, request: request)
    monkeypatch.setattr(Scrubber, "response", lambda self, response: response)
    record(REELS[0], tmp_path / "raw.yaml", tmp_path / "truth.json")
    faults = "\n".join(_faults(tmp_path / "raw.yaml"))
    assert KEYS["apiKey"] in faults and "signature" in faults and "header" in faults


@pytest.mark.parametrize(
    "body",
    [
        b'{"symbol":"X","sign":"abc","nested":{"apiKey":"k"},"note":"S3CR3T+/="}',
        b"symbol=X&nonce=1&signature=abc&note=S3CR3T%2B%2F%3D",
    ],
)
def test_secrets_are_taken_out_of_address_header_body_and_answer(body: bytes) -> None:
    scrub = Scrubber(["S3CR3T+/="])
    request = scrub.request(
        Request(
            "POST", "https://x.test/a?symbol=X&signature=abc&timestamp=1&note=S3CR3T%2B%2F%3D", body,
            {"X-KEY": "S3CR3T+/=", "Content-Type": "text/plain"},
        )
    )  # fmt: skip
    assert request.uri == f"https://x.test/a?symbol=X&note={HIDDEN}"
    assert dict(request.headers) == {"Content-Type": "text/plain"}
    assert b"abc" not in request.body and b"S3CR3T" not in request.body and HIDDEN.encode() in request.body
    answer = scrub.response(
        {"headers": {"Set-Cookie": ["s"]}, "body": {"string": b'{"listenKey":"L","echo":"S3CR3T+/="}'}, "status": {}}
    )
    assert answer["headers"] == {}
    assert json.loads(answer["body"]["string"]) == {"echo": HIDDEN}
