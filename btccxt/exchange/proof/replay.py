"""Doing again, with the ccxt that is installed, all that was proven of a market."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from btccxt.exchange.ccxt.errors_map import CallFacts, meaning_of
from btccxt.exchange.order_list import list_request
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.intents import (
    REFERENCE_PRICE,
    About,
    Read,
    account_reads,
    market_reads,
    native_lists,
    native_requests,
    references,
    stream_keys,
)
from btccxt.exchange.proof.offline import Captured, capture, make_offline, rewinder
from btccxt.exchange.proof.record import MarketProof
from btccxt.exchange.proof.seals import Seals
from btccxt.exchange.proof.streams import capture_stream
from btccxt.exchange.request import CcxtCall, build_call, needs_reference_price
from btccxt.model import Market, OrderRequest

# What the product reads of ccxt's own list of what an exchange can do.
_HAS = (
    "fetchTime", "fetchOHLCV", "fetchOrder", "fetchOrders", "fetchOpenOrders", "fetchCanceledAndClosedOrders",
    "fetchCanceledOrders", "fetchClosedOrders", "fetchMyTrades", "fetchFundingHistory", "fetchPositionMode",
    "fetchDeposits", "fetchWithdrawals", "fetchTransfers", "fetchLeverage", "fetchBorrowInterest", "watchOHLCV",
    "watchTrades", "watchTicker", "watchBidsAsks", "watchOrderBook", "watchOrders", "watchMyTrades", "watchBalance",
    "watchPositions", "createOrder", "editOrder", "cancelOrder",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Replayed:
    """One thing done again: what it is about, and how it looks now (``!! why`` where it could not be done)."""

    title: str
    about: About
    line: str


async def capture_call(exchange: Any, call: CcxtCall, profile: Profile) -> Captured:
    """What ``create_order`` with this call would send."""

    def is_order(found: Captured) -> bool:
        return any(known in f"{found.method} {found.path}" for known in profile.order_requests)

    async def create() -> None:
        await exchange.create_order(call.symbol, call.type, call.side, call.amount, call.price, call.params)

    return await capture(exchange, create, is_order)


async def capture_order(exchange: Any, market: Market, profile: Profile, request: OrderRequest) -> Captured:
    """The whole way of the product: intent -> build_call -> unmodified ccxt -> HTTP request."""
    if profile.leverage_param is not None:
        request = replace(request, params={profile.leverage_param: 3})  # the account's own
    price = REFERENCE_PRICE if needs_reference_price(request, profile) else None
    return await capture_call(exchange, build_call(request, market, profile, reference_price=price), profile)


async def capture_list(
    exchange: Any, market: Market, profile: Profile, pair: tuple[OrderRequest, OrderRequest]
) -> Captured:
    """Two intents -> list_request -> unmodified ccxt -> HTTP request."""
    assert profile.order_lists is not None
    fields = list_request(*pair, market, profile)
    return await capture(exchange, partial(getattr(exchange, profile.order_lists.call), fields))


async def capture_read(exchange: Any, read: Read) -> Captured:
    return await capture(exchange, read.ask, lambda found: found.fields.get("type") != "userAbstraction")


async def replay(
    profile: Profile, keys: Mapping[str, str], proof: MarketProof, environment: str, seals: Seals | None = None
) -> AsyncIterator[Replayed]:
    """Every request and subscription of a profile in one environment."""
    exchange, market = make_offline(profile, keys, proof.market, environment, seals=seals)
    for title, request in native_requests(profile, market.symbol):
        yield Replayed(title, "order", await _line(capture_order(exchange, market, profile, request)))
    for title, pair in native_lists(profile, market.symbol):
        yield Replayed(title, "order", await _line(capture_list(exchange, market, profile, pair)))
    for reads in (references, account_reads, market_reads):
        for read in reads(exchange, market, profile):
            yield Replayed(read.title, read.about, await _line(capture_read(exchange, read)))
    streaming, _ = make_offline(profile, keys, proof.market, environment, for_streams=True, seals=seals)
    rewind = rewinder(streaming)
    for key in stream_keys(profile, exchange, market):
        rewind()
        line = await _line(capture_stream(streaming, key, profile))
        yield Replayed(f"stream {key.kind.value}", "stream", line)


async def _line(asked: Awaitable[Captured | str]) -> str:
    try:
        found = await asked
    except Exception as error:  # noqa: BLE001 - whatever ccxt raises is what is told
        return failure(error)
    return found if isinstance(found, str) else found.line()


def failure(error: BaseException) -> str:
    """What stands in the place of something that could not be done."""
    text = " ".join(str(error).split())
    return f"!! {type(error).__name__}: {text}"[:300].rstrip(": ")


def facts_of(exchange: Any, profile: Profile) -> dict[str, Any]:
    """What ccxt says of the exchange, and the product relies on."""
    return {
        "precision mode": exchange.precisionMode,
        "padding mode": exchange.paddingMode,
        "has": sorted(name for name in _HAS if exchange.has.get(name)),
        "timeframes": dict(exchange.timeframes or {}),
        "rate limit": round(float(exchange.rateLimit), 3),
        "status": {word: _status(exchange, word) for word in profile.statuses.raw},
        "caches": {name: exchange.options.get(name) for name in ("OHLCVLimit", "tradesLimit", "ordersLimit")},
    }


def _status(exchange: Any, word: str) -> str | None:
    """ccxt's own word for a status of the exchange, where it has one for the word alone."""
    try:
        return str(exchange.parse_order_status(word))
    except Exception:  # noqa: BLE001 - it has none: on some exchanges it takes more than the word
        return None


def errors_of(exchange: Any) -> dict[str, str]:
    """What each code or phrase that ccxt knows of this exchange means to us."""
    found: dict[str, str] = {}
    for group, words in _groups(exchange.exceptions):
        for word, kind in words.items():
            if isinstance(kind, type):
                meaning = meaning_of(kind(""), CallFacts("create_order", status=200))
                found[f"{group} {word}"] = "unread" if meaning is None else meaning.name.lower()
    return found


def _groups(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if any(isinstance(value, type) for value in node.values()):
        yield path or "any", node
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _groups(value, f"{path}.{name}".strip("."))
