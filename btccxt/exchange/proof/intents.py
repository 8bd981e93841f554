"""What a profile has to prove: every order it calls native, and how orders and the account are asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal, TypeAlias

from btccxt.errors import Unsupported
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.request import features_of, reference_params
from btccxt.model import (
    Market,
    MarketType,
    OrderFeature,
    OrderKind,
    OrderReference,
    OrderRequest,
    Side,
    StreamKey,
    StreamKind,
    TimeInForce,
)

EXPIRES_MS = 1_999_999_999_000
ORDER_ID = "987654321012"
REFERENCE_PRICE = Decimal("100")
ORDER_LIST = "order list"

Ask: TypeAlias = Callable[[], Awaitable[Any]]
About: TypeAlias = Literal["order", "book", "triggers", "account", "market", "stream"]
"""What a proof is about: one kind of order, all orders or trigger orders, the account, the market, one stream."""


@dataclass(frozen=True, slots=True)
class Read:
    """Something asked for: its title, what it is about, and the call."""

    title: str
    about: About
    ask: Ask


def client_id_for(profile: Profile) -> str:
    if profile.client_id.form == "hex":
        return "0x" + "ab" * 16
    if profile.client_id.form == "uuid":
        return "00b7e151-6280-4aed-a2a6-abf7158809cf"
    return "81985529" if profile.client_id.form == "integer" else "b7k2m9x0q4"


def plain_request(profile: Profile, kind: OrderKind, side: Side, symbol: str) -> OrderRequest:
    """An order of this kind with figures that cannot be mistaken for one another."""
    up = side is Side.BUY
    limits = {OrderKind.LIMIT, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT_LIMIT}
    trigger = None
    if kind in (OrderKind.STOP, OrderKind.STOP_LIMIT):
        trigger = Decimal("110.25") if up else Decimal("90.75")
    elif kind in (OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT):
        trigger = Decimal("90.75") if up else Decimal("110.25")
    return OrderRequest(
        client_order_id=client_id_for(profile),
        symbol=symbol,
        side=side,
        kind=kind,
        amount=Decimal(2),
        price=Decimal("101.5") if kind in limits else None,
        trigger_price=trigger,
        trailing_amount=Decimal("7.25") if kind is OrderKind.TRAILING_AMOUNT else None,
        trailing_percent=Decimal("1.5") if kind is OrderKind.TRAILING_PERCENT else None,
    )


def with_feature(request: OrderRequest, feature: OrderFeature) -> OrderRequest:
    """The same order, with one thing more asked for."""
    up = request.side is Side.BUY
    changes: dict[OrderFeature, dict[str, Any]] = {
        OrderFeature.POST_ONLY: {"post_only": True},
        OrderFeature.REDUCE_ONLY: {"reduce_only": True},
        OrderFeature.IOC: {"time_in_force": TimeInForce.IOC},
        OrderFeature.FOK: {"time_in_force": TimeInForce.FOK},
        OrderFeature.GTD: {"time_in_force": TimeInForce.GTD, "expires_ms": EXPIRES_MS},
        OrderFeature.ICEBERG: {"iceberg_amount": Decimal(1)},
        OrderFeature.ATTACHED_EXITS: {
            "stop_loss_price": Decimal("80.5") if up else Decimal("120.25"),
            "take_profit_price": Decimal("130.75") if up else Decimal("70.25"),
        },
        OrderFeature.MARKET_BY_COST: {"cost_quote": Decimal("250.5")},
    }
    return replace(request, **changes[feature])


def native_requests(profile: Profile, symbol: str) -> Iterator[tuple[str, OrderRequest]]:
    """Every intent that the profile calls native: each kind, and each feature with each kind it names; both sides."""
    for kind in OrderKind:
        rule = profile.orders[kind.value]
        if rule.is_native:
            for side in Side:
                if not rule.sides or side.value in rule.sides:
                    yield f"{kind.value} {side.value}", plain_request(profile, kind, side, symbol)
    for feature in OrderFeature:
        rule = profile.orders[feature.value]
        for kind_name in rule.kinds if rule.is_native else ():
            for side in Side:
                if not rule.sides or side.value in rule.sides:
                    request = with_feature(plain_request(profile, OrderKind(kind_name), side, symbol), feature)
                    assert feature in features_of(request)
                    yield f"{feature.value} {kind_name} {side.value}", request
    if profile.hedge is not None:
        yield from _hedge_requests(profile, symbol)


def _hedge_requests(profile: Profile, symbol: str) -> Iterator[tuple[str, OrderRequest]]:
    """Every native kind, to open and to close each of two positions."""
    for kind in OrderKind:
        rule = profile.orders[kind.value]
        for side in Side if rule.is_native else ():
            for position_side in ("long", "short"):
                request = plain_request(profile, kind, side, symbol)
                yield f"hedge {kind.value} {side.value} {position_side}", replace(request, position_side=position_side)


def native_lists(profile: Profile, symbol: str) -> Iterator[tuple[str, tuple[OrderRequest, OrderRequest]]]:
    """Every pair of a stop and a target that the profile takes as one list; both sides."""
    rule = profile.order_lists
    for stop_kind in rule.stop if rule is not None else ():
        for target_kind in rule.target if rule is not None else ():
            for side in Side:
                stop = plain_request(profile, OrderKind(stop_kind), side, symbol)
                target = plain_request(profile, OrderKind(target_kind), side, symbol)
                price = Decimal("88.5" if side is Side.BUY else "121.5")
                target = replace(target, client_order_id="b7k2m9x0q5", price=price)
                yield f"{ORDER_LIST} {stop_kind} {target_kind} {side.value}", (stop, target)


def environments(profile: Profile) -> tuple[str, ...]:
    """Where the exchange can be reached: ``live``, and what its profile has beside it."""
    return ("live", *(name for name in ("testnet", "demo") if getattr(profile, name) != "none"))


# ------------------------------------------------------------------ asking


def references(exchange: Any, market: Market, profile: Profile) -> Iterator[Read]:
    """Query, cancel and lists of orders as the product asks for them."""
    client_id, book = client_id_for(profile), profile.conditional
    books = [False, True] if book.separate_book or book.query_params or book.cancel_params else [False]
    for conditional in books:
        about: About = "triggers" if conditional else "book"
        title = " conditional" if conditional else ""
        for pointer in ("id", "client id"):
            reference = OrderReference(
                symbol=market.symbol,
                client_order_id=client_id,
                order_id=ORDER_ID if pointer == "id" else None,
                conditional=conditional,
            )
            for asked, ask in _query(exchange, profile, reference, f"{title} by {pointer}"):
                yield Read(asked, about, ask)
            for asked, ask in _cancel(exchange, profile, reference, f"{title} by {pointer}"):
                yield Read(asked, about, ask)
    of_triggers = [dict(params) for params in profile.conditional.open_params]
    for params in ({}, *of_triggers):
        words = " ".join(f"{name}={value}" for name, value in params.items()) or "plain"
        ask = partial(exchange.fetch_open_orders, market.symbol, None, None, dict(params))
        yield Read(f"open orders {words}", "triggers" if params in of_triggers else "book", ask)
    of_triggers = [dict(params) for params in profile.conditional.closed_params]
    for params in (*(dict(each) for each in profile.closed_lists if each), *of_triggers):
        words = " ".join(f"{name}={value}" for name, value in params.items())
        closed = getattr(exchange, _closed_method(exchange))
        ask = partial(closed, market.symbol, None, None, dict(params))
        yield Read(f"closed orders {words}", "triggers" if params in of_triggers else "book", ask)


def _query(exchange: Any, profile: Profile, reference: OrderReference, title: str) -> Iterator[tuple[str, Ask]]:
    order_id, params = reference_params(reference, profile, "query")
    if reference.conditional and not profile.conditional.fetch_order:
        return
    lookup = profile.client_id.lookup_for(reference.conditional)
    if reference.order_id is not None or lookup == "fetch_order":
        yield f"query{title}", partial(exchange.fetch_order, order_id, reference.symbol, params)
    elif lookup == "open_and_closed_orders":
        closed = getattr(exchange, _closed_method(exchange))
        yield f"query open{title}", partial(exchange.fetch_open_orders, reference.symbol, None, None, params)
        yield f"query closed{title}", partial(closed, reference.symbol, None, None, params)


def _cancel(exchange: Any, profile: Profile, reference: OrderReference, title: str) -> Iterator[tuple[str, Ask]]:
    try:
        order_id, params = reference_params(reference, profile, "cancel")
    except Unsupported:
        return
    yield f"cancel{title}", partial(exchange.cancel_order, order_id, reference.symbol, params)


def _closed_method(exchange: Any) -> str:
    canceled_too = exchange.has["fetchCanceledAndClosedOrders"] is True
    return "fetch_canceled_and_closed_orders" if canceled_too else "fetch_closed_orders"


def account_reads(exchange: Any, market: Market, profile: Profile) -> Iterator[Read]:
    """What is asked of the account beside its orders."""
    yield Read("balance", "account", partial(exchange.fetch_balance, dict(profile.balances.query_params)))
    yield Read("my trades", "account", partial(exchange.fetch_my_trades, market.symbol))
    if profile.market_type is not MarketType.SPOT:
        yield Read("positions", "account", partial(exchange.fetch_positions, [market.symbol]))


def market_reads(exchange: Any, market: Market, profile: Profile) -> Iterator[Read]:
    """Public data by REST."""
    timeframe, since_ms = _timeframe(profile, exchange), EXPIRES_MS - EXPIRES_MS % 60_000 - 3_600_000
    yield Read("candles", "market", partial(exchange.fetch_ohlcv, market.symbol, timeframe, since_ms, 100))
    yield Read("trades", "market", partial(exchange.fetch_trades, market.symbol))
    yield Read("ticker", "market", partial(exchange.fetch_ticker, market.symbol))


def stream_keys(profile: Profile, exchange: Any, market: Market) -> Iterator[StreamKey]:
    """A key of every kind of stream that the profile lists."""
    for kind in StreamKind:
        if not (profile.bars.stream if kind is StreamKind.BARS else profile.streams.has(kind)):
            continue
        of_market = kind in (StreamKind.BARS, StreamKind.TRADES, StreamKind.TICKER, StreamKind.ORDER_BOOK)
        timeframe = _timeframe(profile, exchange) if kind is StreamKind.BARS else None
        yield StreamKey(kind, market.symbol if of_market else None, timeframe)


def _timeframe(profile: Profile, exchange: Any) -> str:
    known = profile.bars.timeframes or tuple(exchange.timeframes or ())
    return "1m" if "1m" in known or not known else known[0]
