from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.observe.redact import HIDDEN, Redactor

SECRET = "pl4nted S3cret/+key=="
PEM = (
    "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk5\n"
    "oAoGCCqGSM49AwEHoUQDQgAE\n-----END EC PRIVATE KEY-----"
)


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.register(SECRET)
    return redactor


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        urlencode({"x": SECRET})[2:],
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_registered_value_is_hidden_in_every_spelling_and_place(redactor: Redactor, spelling: str) -> None:
    clean = redactor.text(f"before{spelling}after")
    assert spelling.rstrip("=") not in clean
    assert HIDDEN in clean
    assert clean.startswith("before") and clean.endswith("after")


@pytest.mark.parametrize(
    "written", [PEM, PEM.replace("\n", "\\n"), repr(PEM), json.dumps({"k": PEM}), PEM.split("\n")[1]]
)
def test_a_key_of_several_lines_is_hidden_whole_and_in_parts(written: str) -> None:
    redactor = Redactor()
    redactor.register(PEM)
    clean = redactor.text(f"key {written} end")
    for line in PEM.split("\n")[1:3]:
        assert line not in clean


@pytest.mark.parametrize(
    "text",
    [
        "GET https://api.x.com/v3/order?symbol=BTC&timestamp=1&signature=aabbccdd11",
        "url=https://api.x.com/order?apiKey=aabbccdd11&side=BUY",
        '{"apiKey": "aabbccdd11", "symbol": "BTC/USDT"}',
        "{'secret': 'aabbccdd11', 'password': 'aabbccdd11'}",
        '{\\"passphrase\\": \\"aabbccdd11\\"}',
        "headers {'X-MBX-APIKEY': 'aabbccdd11'}",
        "X-MBX-APIKEY: aabbccdd11",
        "OK-ACCESS-SIGN: aabbccdd11\nOK-ACCESS-PASSPHRASE: aabbccdd11",
        "Authorization: Bearer aabbccdd11",
        "CCXT(api_key='aabbccdd11', secret=b'aabbccdd11')",
        "wss://stream.x.com/ws?listenKey=aabbccdd11",
        '{"privateKey": "has spaces aabbccdd11 and, commas"}',
        "API-Sign: aabbccdd11",
        "X-BAPI-SIGN: aabbccdd11",
    ],
)
def test_what_stands_in_the_place_of_a_key_or_signature_is_hidden_though_nobody_registered_it(text: str) -> None:
    clean = Redactor().text(text)
    assert "aabbccdd11" not in clean
    assert HIDDEN in clean


@pytest.mark.parametrize(
    "text",
    [
        "order refused: amount 0.001 is below the minimum of 0.01 BTC",
        "GET https://api.x.com/v3/klines?symbol=BTCUSDT&interval=1m&limit=1000",
        '{"symbol": "BTC/USDT", "side": "buy", "design": "x", "clientOrderId": "x-1"}',
        "key of the stream: bars BTC/USDT 1m",
        "apiKey is missing: set BTCCXT_BINANCE_API_KEY",
        "password: see the manual",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Redactor().text(text) == text


@dataclass
class Carrier:
    note: str


def test_nested_data_is_cleaned_by_value_and_by_field_name_and_the_original_is_untouched(redactor: Redactor) -> None:
    data = {
        "exchange": "binance",
        "config": {"apiKey": "unregistered1", "options": [{"note": f"uses {SECRET}"}], "timeout": 10_000},
        "error": ValueError(f"bad {SECRET}"),
        "object": Carrier(SECRET),
        "bytes": SECRET.encode(),
        "price": Decimal("1.10"),
        "nothing": None,
        "tuple": (1, SECRET),
        SECRET: 1,
        "secret": {"deep": "unregistered2"},
    }
    clean = redactor.data(data)
    assert "unregistered" not in repr(clean)
    assert SECRET not in repr(clean)
    assert clean["config"]["timeout"] == 10_000
    assert clean["price"] == Decimal("1.10")
    assert clean["error"] == f"ValueError: bad {HIDDEN}"
    assert clean["nothing"] is None
    assert data["config"]["apiKey"] == "unregistered1"  # type: ignore[index]


def test_an_empty_key_field_stays_visibly_empty() -> None:
    assert Redactor().data({"apiKey": "", "secret": None}) == {"apiKey": "", "secret": None}


def test_a_structure_that_contains_itself_ends(redactor: Redactor) -> None:
    loop: dict[str, object] = {"secret_note": SECRET}
    loop["again"] = loop
    assert SECRET not in repr(redactor.data(loop))


def test_a_secret_of_digits_is_hidden_even_as_a_number() -> None:
    redactor = Redactor()
    redactor.register("48151623")
    assert redactor.data({"pin": 48151623, "n": 4}) == {"pin": HIDDEN, "n": 4}


def test_values_too_short_to_be_secrets_do_not_shred_the_text() -> None:
    redactor = Redactor()
    redactor.register("a")
    redactor.register("")
    assert redactor.text("a banana") == "a banana"


def test_a_secret_inside_another_does_not_leave_the_rest_of_the_longer_one() -> None:
    redactor = Redactor()
    redactor.register("abcdef")
    redactor.register("abcdefghij")
    assert redactor.text("abcdefghij") == HIDDEN


@given(st.text(max_size=300))
def test_cleaning_is_idempotent_and_never_fails(text: str) -> None:
    redactor = Redactor()
    redactor.register(SECRET)
    once = redactor.text(text)
    assert redactor.text(once) == once


@given(
    secret=st.text(min_size=4, max_size=40).filter(str.strip), before=st.text(max_size=20), after=st.text(max_size=20)
)
def test_no_registered_value_survives_anywhere(secret: str, before: str, after: str) -> None:
    secret = secret.strip()
    redactor = Redactor()
    redactor.register(secret)
    if len(secret) >= 4 and secret not in before + HIDDEN + after:
        assert secret not in redactor.text(f"{before} {secret} {after}")
