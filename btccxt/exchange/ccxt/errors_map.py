"""ccxt's exceptions -> btccxt's error tree: one table, read by one rule per kind of call.

Two of ccxt's habits make a plain table of classes wrong, so the facts of the call are looked at first:
HTTP 400/403/404/451 without a JSON code become ``ExchangeNotAvailable``, which is a NetworkError there
(ccxt/base/exchange.py: httpExceptions), and a connection cut inside the body becomes a bare ``ExchangeError``
(ccxt/async_support/base/exchange.py: fetch). What a *create* means is stricter than what a read means: whatever may
have reached the matching engine is ``OrderOutcomeUnknown``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import Enum, auto

import aiohttp
from ccxt.base import errors as ccxt_errors

from btccxt.errors import (
    AuthenticationFailed,
    BtccxtError,
    ClockSkew,
    ConfigError,
    ConnectionLost,
    ExchangeUnavailable,
    Fatal,
    NonceRefused,
    OrderNotFound,
    OrderOutcomeUnknown,
    RateLimited,
    Refused,
    Unreadable,
    Unsupported,
)


class Meaning(Enum):
    """What an answer says, before it is known what was asked."""

    LOST = auto()  # no answer, or half of one
    UNAVAILABLE = auto()  # the exchange is there but does not serve
    PAUSED = auto()  # maintenance, said by the exchange: the request was not taken
    SLOW_DOWN = auto()
    CLOCK = auto()
    KEYS = auto()
    UNKNOWN_ORDER = auto()
    DUPLICATE = auto()
    NOT_SUPPORTED = auto()
    ARGUMENTS = auto()  # the request is wrong
    REFUSED = auto()  # the exchange understood and declined
    FORBIDDEN = auto()  # this machine or place may not ask at all


# First match wins, so subclasses stand before their parents.
_TABLE: tuple[tuple[type[BaseException], Meaning], ...] = (
    (ccxt_errors.DDoSProtection, Meaning.SLOW_DOWN),
    (ccxt_errors.RateLimitExceeded, Meaning.SLOW_DOWN),
    (ccxt_errors.InvalidNonce, Meaning.CLOCK),
    (ccxt_errors.OnMaintenance, Meaning.PAUSED),
    (ccxt_errors.RequestTimeout, Meaning.LOST),
    (ccxt_errors.ExchangeNotAvailable, Meaning.UNAVAILABLE),
    (ccxt_errors.NetworkError, Meaning.LOST),
    (ccxt_errors.OperationFailed, Meaning.UNAVAILABLE),
    (ccxt_errors.RestrictedLocation, Meaning.FORBIDDEN),
    (ccxt_errors.AuthenticationError, Meaning.KEYS),
    (ccxt_errors.OrderNotCached, Meaning.NOT_SUPPORTED),  # ccxt's own cache does not know it; nobody asked the exchange
    (ccxt_errors.OrderNotFound, Meaning.UNKNOWN_ORDER),
    (ccxt_errors.DuplicateOrderId, Meaning.DUPLICATE),
    (ccxt_errors.NotSupported, Meaning.NOT_SUPPORTED),
    (ccxt_errors.InvalidProxySettings, Meaning.ARGUMENTS),
    (ccxt_errors.ArgumentsRequired, Meaning.ARGUMENTS),
    (ccxt_errors.BadRequest, Meaning.ARGUMENTS),
    (ccxt_errors.ExchangeClosedByUser, Meaning.LOST),
    (ccxt_errors.ExchangeError, Meaning.REFUSED),
)
_FORBIDDEN_HTTP = frozenset({451})
_DECLINED_HTTP = frozenset({400, 401, 403, 404, 405, 410})
_OF_ONE_ORDER = frozenset({"fetch_order", "cancel_order"})
_MAY_BE_REFUSED = frozenset({"cancel_order", "cancel_all_orders_after", "stream"})
_QUERY = re.compile(r"\?[^\s\"'<>]+")
_MAX_TEXT = 400


@dataclass(slots=True)
class CallFacts:
    """What is known of one call besides the exception; filled while it runs."""

    method: str
    counted: bool = False  # signatures count upwards
    not_found_texts: tuple[str, ...] = ()
    sent: bool = False  # a request that may have reached the exchange has left
    status: int | None = None  # of the last HTTP answer
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""  # of the last HTTP answer
    foreign: bool = False  # that is not the exchange's, as far as can be seen, whatever ccxt makes of it


def meaning_of(error: BaseException, facts: CallFacts) -> Meaning | None:
    """None for an exception that is not ccxt's: a fault in ccxt's parsing, or in ours."""
    if _cut_in_the_body(error):
        return Meaning.LOST
    if facts.status in _FORBIDDEN_HTTP:
        return Meaning.FORBIDDEN
    for kind, meaning in _TABLE:
        if isinstance(error, kind):
            if meaning is Meaning.UNAVAILABLE:
                if facts.status is None:
                    return Meaning.LOST
                if facts.status in _DECLINED_HTTP and type(error) is ccxt_errors.ExchangeNotAvailable:
                    return Meaning.REFUSED
            if meaning is Meaning.REFUSED and facts.status is not None and facts.status >= 500:
                # "System maintenance." comes as a code that ccxt does not know; the status says whose trouble it is.
                return Meaning.UNAVAILABLE
            return meaning
    return Meaning.LOST if isinstance(error, (OSError, TimeoutError, aiohttp.ClientError)) else None


def read_error(error: BaseException, exchange: str, facts: CallFacts, secrets: Iterable[str] = ()) -> BtccxtError:
    """Error of a call that changes nothing, and of a cancel: repeating it is harmless.

    An answer that nobody understands says nothing about what was asked: Unreadable.
    """
    if isinstance(error, BtccxtError):
        return error
    text = f"{exchange} {facts.method}: {describe(error, secrets)}"
    meaning = meaning_of(error, facts)
    if facts.foreign and meaning is not Meaning.LOST:
        return Unreadable(f"{text} (no answer of the exchange)")
    if facts.method in _OF_ONE_ORDER and any(each in str(error) for each in facts.not_found_texts):
        return OrderNotFound(text)
    match meaning:
        case Meaning.LOST:
            return ConnectionLost(f"{exchange} {facts.method}: {_why_lost(error, secrets)}")
        case Meaning.UNAVAILABLE | Meaning.PAUSED:
            return ExchangeUnavailable(text, retry_after_s(facts.headers))
        case Meaning.SLOW_DOWN:
            return RateLimited(text, retry_after_s(facts.headers))
        case Meaning.CLOCK:
            return _refused_signature(text, facts)
        case Meaning.KEYS:
            return AuthenticationFailed(text)
        case Meaning.UNKNOWN_ORDER if facts.method in _OF_ONE_ORDER:
            return OrderNotFound(text)
        case Meaning.NOT_SUPPORTED:
            return Unsupported(text)
        case Meaning.ARGUMENTS:
            return ConfigError(text)
        case Meaning.FORBIDDEN:
            return Fatal(f"{text} (the exchange does not serve this place or address)")
        case Meaning.REFUSED | Meaning.DUPLICATE if facts.method in _MAY_BE_REFUSED:
            return Refused(text)
        case Meaning.REFUSED | Meaning.DUPLICATE | Meaning.UNKNOWN_ORDER:
            return Unreadable(text)
        case _:
            return Unreadable(f"{exchange} {facts.method}: the answer could not be read: {describe(error, secrets)}")


def create_error(
    error: BaseException,
    exchange: str,
    facts: CallFacts,
    client_order_id: str,
    *,
    duplicate: bool = False,
    secrets: Iterable[str] = (),
) -> BtccxtError:
    """Error of a create or an edit. ``duplicate``: the profile recognised 'this client order id exists already'."""
    if isinstance(error, BtccxtError):
        return error
    text = f"{exchange} {facts.method} {client_order_id}: {describe(error, secrets)}"
    meaning = meaning_of(error, facts)
    if facts.foreign and facts.sent:
        return OrderOutcomeUnknown(f"{text} (no answer of the exchange: it may have been placed)", client_order_id)
    if duplicate or meaning is Meaning.DUPLICATE:
        return OrderOutcomeUnknown(f"{text} (an order with this id exists already)", client_order_id)
    if not facts.sent or _never_connected(error):
        if meaning in (Meaning.LOST, Meaning.UNAVAILABLE, Meaning.PAUSED):
            return ExchangeUnavailable(f"{text} (nothing was sent)", retry_after_s(facts.headers))
        if meaning is None:
            return Refused(f"{text} (ccxt could not build the request; nothing was sent)")
    match meaning:
        case Meaning.SLOW_DOWN:
            return RateLimited(text, retry_after_s(facts.headers))
        case Meaning.CLOCK:
            return _refused_signature(text, facts)
        case Meaning.PAUSED:
            return ExchangeUnavailable(text, retry_after_s(facts.headers))
        case None | Meaning.LOST | Meaning.UNAVAILABLE:
            return OrderOutcomeUnknown(f"{text} (it may have been placed)", client_order_id)
    if facts.status is not None and facts.status >= 500:
        return OrderOutcomeUnknown(f"{text} (HTTP {facts.status}: it may have been placed)", client_order_id)
    return Refused(text)


def _refused_signature(text: str, facts: CallFacts) -> ClockSkew:
    if facts.counted:
        return NonceRefused(
            f"{text} (a later request with this key came before it; if this goes on, another program uses the key or "
            "has used it with higher numbers: give each program a key of its own)"
        )
    return ClockSkew(text)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The exchange's own Retry-After, in seconds from now."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value)
        sent = next((value for name, value in headers.items() if name.lower() == "date"), None)
        return max(0.0, (until - parsedate_to_datetime(sent)).total_seconds()) if sent else None
    except ValueError:
        return None


def describe(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """Kind and text of an exception, short, without query strings (they carry signatures) and secrets."""
    text = _QUERY.sub("?…", " ".join(str(error).split()))
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _why_lost(error: BaseException, secrets: Iterable[str]) -> str:
    if _never_connected(error):
        cause = error.__cause__ or error
        host = getattr(cause, "host", None)
        return f"cannot reach {host or 'the exchange'} ({describe(cause, secrets)}); is this machine online?"
    return describe(error, secrets)


def _never_connected(error: BaseException) -> bool:
    """The connection was never made, so no byte of the request has left."""
    found = (error, error.__cause__, *error.args)
    return any(isinstance(each, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)) for each in found)


def _cut_in_the_body(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientError) and not isinstance(cause, aiohttp.ClientResponseError)
