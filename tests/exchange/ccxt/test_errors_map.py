"""What a ccxt exception means depends on the call, on what HTTP said, and on whether anything left the machine."""

from __future__ import annotations

import aiohttp
import pytest
from ccxt.base import errors as ccxt_errors

from btccxt.errors import (
    AuthenticationFailed,
    BtccxtError,
    ClockSkew,
    ConfigError,
    ConnectionLost,
    ExchangeUnavailable,
    Fatal,
    OrderNotFound,
    OrderOutcomeUnknown,
    RateLimited,
    Refused,
    Unreadable,
    Unsupported,
)
from btccxt.exchange.ccxt.errors_map import CallFacts, create_error, read_error, retry_after_s


def caused_by(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def all_ccxt_errors() -> list[type[BaseException]]:
    kinds = [kind for kind in vars(ccxt_errors).values() if isinstance(kind, type) and issubclass(kind, BaseException)]
    return [kind for kind in kinds if kind not in (ccxt_errors.BaseError, ccxt_errors.UnsubscribeError)]


REFUSED_CONNECTION = aiohttp.ClientConnectorError(
    aiohttp.client_reqrep.ConnectionKey("host", 443, True, True, None, None, None), OSError(111, "refused")
)


@pytest.mark.parametrize(
    ("error", "status", "read", "create"),
    [
        (ccxt_errors.RequestTimeout("x"), None, ConnectionLost, OrderOutcomeUnknown),
        (ccxt_errors.NetworkError("x"), None, ConnectionLost, OrderOutcomeUnknown),
        (ccxt_errors.ExchangeNotAvailable("x"), None, ConnectionLost, OrderOutcomeUnknown),
        (ccxt_errors.ExchangeNotAvailable("x"), 503, ExchangeUnavailable, OrderOutcomeUnknown),
        (ccxt_errors.ExchangeNotAvailable("x"), 404, Unreadable, Refused),
        (ccxt_errors.ExchangeNotAvailable("x"), 451, Fatal, Refused),
        (ccxt_errors.OperationFailed("x"), 200, ExchangeUnavailable, OrderOutcomeUnknown),
        (ccxt_errors.BadResponse("x"), 200, ExchangeUnavailable, OrderOutcomeUnknown),
        (
            caused_by(ccxt_errors.ExchangeError("x"), aiohttp.ClientPayloadError()),
            200,
            ConnectionLost,
            OrderOutcomeUnknown,
        ),
        (ccxt_errors.ExchangeError("x"), 200, Unreadable, Refused),
        (ccxt_errors.ExchangeError("x"), 500, ExchangeUnavailable, OrderOutcomeUnknown),
        (ccxt_errors.OnMaintenance("x"), 503, ExchangeUnavailable, ExchangeUnavailable),
        (ccxt_errors.DDoSProtection("x"), 418, RateLimited, RateLimited),
        (ccxt_errors.RateLimitExceeded("x"), 429, RateLimited, RateLimited),
        (ccxt_errors.InvalidNonce("x"), 400, ClockSkew, ClockSkew),
        (ccxt_errors.AuthenticationError("x"), 401, AuthenticationFailed, Refused),
        (ccxt_errors.PermissionDenied("x"), 403, AuthenticationFailed, Refused),
        (ccxt_errors.InsufficientFunds("x"), 400, Unreadable, Refused),
        (ccxt_errors.InvalidOrder("x"), 400, Unreadable, Refused),
        (ccxt_errors.OrderNotFound("x"), 400, Unreadable, Refused),
        (ccxt_errors.OrderNotCached("x"), None, Unsupported, Refused),
        (ccxt_errors.DuplicateOrderId("x"), 400, Unreadable, OrderOutcomeUnknown),
        (ccxt_errors.BadSymbol("x"), 400, ConfigError, Refused),
        (ccxt_errors.NotSupported("x"), None, Unsupported, Refused),
        (KeyError("x"), 200, Unreadable, OrderOutcomeUnknown),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, BaseException) else None,
)
def test_each_exception_is_named_by_the_table(error, status, read, create):
    facts = CallFacts("call", sent=True, status=status)
    assert type(read_error(error, "ex", facts)) is read
    assert type(create_error(error, "ex", facts, "id1")) is create


@pytest.mark.parametrize(
    ("error", "method", "read"),
    [
        (ccxt_errors.OrderNotFound("x"), "fetch_order", OrderNotFound),
        (ccxt_errors.OrderNotFound("x"), "cancel_order", OrderNotFound),
        (ccxt_errors.OrderNotFound("x"), "fetch_balance", Unreadable),
        (ccxt_errors.ExchangeError("x"), "fetch_order", Unreadable),
        (ccxt_errors.ExchangeError("x"), "cancel_order", Refused),
        (ccxt_errors.ExchangeError("x"), "stream", Refused),
    ],
)
def test_only_what_can_be_refused_or_missing_is_taken_for_it(error, method, read):
    assert type(read_error(error, "ex", CallFacts(method, sent=True, status=200))) is read


def test_no_exception_of_ccxt_is_left_without_a_meaning():
    for kind in all_ccxt_errors():
        assert type(read_error(kind("x"), "ex", CallFacts("call"))) is not BtccxtError, kind


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), ccxt_errors.NetworkError("x")])
def test_what_fails_before_anything_was_sent_was_not_placed(error):
    assert type(create_error(error, "ex", CallFacts("create_order"), "id1")) in (Refused, ExchangeUnavailable)


def test_a_connection_that_was_never_made_carried_no_order():
    error = caused_by(ccxt_errors.ExchangeNotAvailable("x"), REFUSED_CONNECTION)
    facts = CallFacts("create_order", sent=True)
    assert type(create_error(error, "ex", facts, "id1")) is ExchangeUnavailable
    assert "cannot reach host" in str(read_error(error, "ex", facts))


def test_a_duplicate_that_the_profile_recognises_is_looked_up():
    facts = CallFacts("create_order", sent=True, status=400)
    error = create_error(ccxt_errors.InvalidOrder("Duplicate order sent."), "ex", facts, "id1", duplicate=True)
    assert isinstance(error, OrderOutcomeUnknown)
    assert error.client_order_id == "id1"


def test_neither_signatures_nor_secrets_are_repeated():
    error = ccxt_errors.RequestTimeout("binance GET https://api/x?timestamp=1&signature=abcdef apiKey=planted failed")
    text = str(read_error(error, "binance", CallFacts("fetch_order"), ["planted", ""]))
    assert "signature" not in text
    assert "planted" not in text
    assert "https://api/x?" in text


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"Retry-After": "Wed, 01 Jan 2025 00:00:30 GMT", "Date": "Wed, 01 Jan 2025 00:00:00 GMT"}, 30.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(headers, expected):
    assert retry_after_s(headers) == expected
