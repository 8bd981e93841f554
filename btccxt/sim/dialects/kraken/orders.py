"""Kraken's private REST endpoints: orders, fills, balances. Requests in, engine calls, answers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from btccxt.matching.records import TRIGGER_KINDS, EngineReject, NewOrder, SimFill, SimOrder
from btccxt.model import ZERO, Market, OrderKind, Side, TimeInForce
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.kraken import format as fmt
from btccxt.sim.dialects.kraken.call import Call
from btccxt.sim.dialects.kraken.core import KrakenCore
from btccxt.sim.dialects.kraken.errors import error, invalid, refused

_KINDS = {
    "market": OrderKind.MARKET,
    "limit": OrderKind.LIMIT,
    "iceberg": OrderKind.LIMIT,
    "stop-loss": OrderKind.STOP,
    "stop-loss-limit": OrderKind.STOP_LIMIT,
    "take-profit": OrderKind.TAKE_PROFIT,
    "take-profit-limit": OrderKind.TAKE_PROFIT_LIMIT,
    "trailing-stop": OrderKind.TRAILING_AMOUNT,
}
_TWO_PRICES = frozenset({"stop-loss-limit", "take-profit-limit"})
_FLAGS = frozenset({"post", "fcib", "fciq", "nompp", "viqc"})
_ROWS = 50


# ------------------------------------------------------------------ reading an order


def read_order(call: Call, market: Market) -> NewOrder:
    """The order of AddOrder. Raises DialectError."""
    word = call.required("ordertype")
    if word not in _KINDS:
        raise invalid("ordertype")
    if call.flag("reduce_only") or call.text("leverage") is not None:
        raise error("EGeneral:Invalid arguments")  # no margin here
    flags = set((call.text("oflags") or "").split(",")) - {""}
    if flags - _FLAGS:
        raise invalid("oflags")
    volume, prices = call.positive("volume"), _prices(call, word, "price", "price2")
    validity = (call.text("timeinforce") or "GTC").upper()
    if validity not in ("GTC", "IOC", "FOK", "GTD"):
        raise invalid("timeinforce")
    by_cost = "viqc" in flags
    return replace(
        prices,
        symbol=market.symbol,
        side=_side(call),
        amount=None if by_cost else volume,
        cost_quote=volume if by_cost else None,
        time_in_force=TimeInForce(validity),
        post_only="post" in flags,
        iceberg_amount=call.positive("displayvol") if word == "iceberg" else None,
        client_order_id=call.client_id(),
        expires_ms=_expiry(call) if validity == "GTD" else None,
    )


def read_close(call: Call, order: NewOrder) -> NewOrder | None:
    """``close[ordertype]``, ``close[price]``, ``close[price2]``: the closing order, without its volume."""
    word = call.text("close[ordertype]")
    if word is None:
        return None
    if word not in _KINDS or word in ("market", "iceberg"):
        raise invalid("close[ordertype]")
    template = _prices(call, word, "close[price]", "close[price2]")
    return replace(template, symbol=order.symbol, side=order.side.opposite, fires_at_once=True)


def _prices(call: Call, word: str, first: str, second: str) -> NewOrder:
    """Kind and prices of an order; everything else is to be filled in. The first price is the trigger, if any."""
    kind, trailing, price, limit = _KINDS[word], None, None, None
    if kind is OrderKind.TRAILING_AMOUNT:
        kind, trailing = _trailing(call, first)
    elif kind is not OrderKind.MARKET:
        price = call.positive(first)
    if word in _TWO_PRICES:
        limit = call.positive(second)
    is_trigger = kind in TRIGGER_KINDS
    return NewOrder(
        "",
        Side.BUY,
        kind,
        price=limit if is_trigger else price,
        trigger_price=price if is_trigger else None,
        trailing_percent=trailing if kind is OrderKind.TRAILING_PERCENT else None,
        trailing_amount=trailing if kind is OrderKind.TRAILING_AMOUNT else None,
    )


def _side(call: Call) -> Side:
    word = call.required("type")
    if word not in ("buy", "sell"):
        raise invalid("type")
    return Side(word)


def _trailing(call: Call, name: str) -> tuple[OrderKind, Decimal]:
    """``+5`` or ``+1%``."""
    text = call.required(name)
    kind = OrderKind.TRAILING_PERCENT if text.endswith("%") else OrderKind.TRAILING_AMOUNT
    try:
        distance = Decimal(text.removeprefix("+").removesuffix("%"))
    except InvalidOperation:
        raise invalid(name) from None
    if not text.startswith("+") or distance <= 0:
        raise invalid(name)
    return kind, distance


def _expiry(call: Call) -> int:
    """``expiretm``: seconds since 1970, or ``+`` seconds from now."""
    text = call.required("expiretm")
    if not text.removeprefix("+").isdecimal():
        raise invalid("expiretm")
    until_ms = call.now_ms + int(text[1:]) * 1000 if text.startswith("+") else int(text) * 1000
    if until_ms <= call.now_ms:
        raise invalid("expiretm")
    return until_ms


# ------------------------------------------------------------------ orders in


def add_order(dialect: KrakenCore, call: Call) -> Any:
    _, market = dialect.market_of(call.required("pair"))
    order = read_order(call, market)
    close = read_close(call, order)
    user_ref = call.integer("userref") or 0
    if call.flag("validate"):
        return {"descr": {"order": f"{order.side.value} {order.amount} {fmt.pair_altname(market)}"}}
    try:
        placed = dialect.submit(call.owner, order, call.now_ms, user_ref, close)
    except EngineReject as reject:
        raise refused(reject) from None
    words = fmt.description(market, placed, close)
    described = {"order": words["order"], **({"close": words["close"]} if close is not None else {})}
    return {"descr": described, "txid": [fmt.order_txid(placed.order_id)]}


def amend_order(dialect: KrakenCore, call: Call) -> Any:
    order = _one(dialect, call)
    amount, price = call.optional_positive("order_qty"), call.optional_positive("limit_price")
    if amount is None and price is None:
        raise error("EGeneral:Invalid arguments")
    try:
        dialect.venue.engine.amend(
            call.owner, symbol=order.symbol, order_id=order.order_id, price=price, amount=amount, now_ms=call.now_ms
        )
    except EngineReject as reject:
        raise refused(reject) from None
    return {"amend_id": fmt.trade_txid(int(order.order_id), order.side)}


def cancel_order(dialect: KrakenCore, call: Call) -> Any:
    text = call.text("txid")
    if text is not None and text.lstrip("-").isdecimal():  # a user reference
        found = [order for order in _orders(dialect, call, True) if dialect.user_ref_of(order) == int(text)]
    else:
        found = [_one(dialect, call)]
    found = [order for order in found if order.is_open]
    if not found:
        raise error("EOrder:Unknown order")
    return {"count": _cancel(dialect, call.owner, found, call.now_ms)}


def cancel_all(dialect: KrakenCore, call: Call) -> Any:
    return {"count": _cancel(dialect, call.owner, _orders(dialect, call, True), call.now_ms)}


def _cancel(dialect: KrakenCore, owner: str, orders: list[SimOrder], now_ms: int) -> int:
    for order in orders:
        dialect.venue.engine.cancel(owner, symbol=order.symbol, order_id=order.order_id, now_ms=now_ms)
    return len(orders)


def cancel_all_after(dialect: KrakenCore, call: Call) -> Any:
    """Dead man's switch: 0 disarms it."""
    timeout_s = call.integer("timeout")
    if timeout_s is None or timeout_s > 86_400:
        raise invalid("timeout")
    due_ms = dialect.switches.arm(call.owner, timeout_s, call.now_ms)
    return {"currentTime": fmt.iso(call.now_ms), "triggerTime": fmt.iso(due_ms) if timeout_s else "0"}


# ------------------------------------------------------------------ orders out


def _orders(dialect: KrakenCore, call: Call, open_only: bool) -> list[SimOrder]:
    found = dialect.venue.engine.orders(call.owner, None, open_only=open_only)
    return [order for order in found if order.symbol in dialect.ids]


def _one(dialect: KrakenCore, call: Call) -> SimOrder:
    """By ``txid`` or ``cl_ord_id``, the newest first."""
    txid, client_id = call.text("txid"), call.text("cl_ord_id")
    if txid is None and client_id is None:
        raise error("EGeneral:Invalid arguments")
    for order in reversed(_orders(dialect, call, False)):
        if fmt.order_txid(order.order_id) == txid if txid is not None else order.request.client_order_id == client_id:
            return order
    raise error("EOrder:Unknown order")


def _states(dialect: KrakenCore, call: Call, orders: list[SimOrder]) -> dict[str, Any]:
    wants_trades = call.flag("trades")
    fills: dict[str, list[SimFill]] = {}
    for fill in dialect.venue.engine.fills(call.owner):
        fills.setdefault(fill.order_id, []).append(fill)
    answer = {}
    for order in orders:
        own = fills.get(order.order_id, [])
        trades = [fmt.trade_txid(fill.trade_id, fill.side) for fill in own] if wants_trades else None
        fee = sum((fill.fee.cost for fill in own), ZERO)
        market = dialect.venue.engine.markets[order.symbol]
        answer[fmt.order_txid(order.order_id)] = fmt.order_state(
            market, order, fee, dialect.user_ref_of(order), trades, dialect.closes.of(order.order_id)
        )
    return answer


def _matching(dialect: KrakenCore, call: Call, orders: list[SimOrder]) -> list[SimOrder]:
    client_id, user_ref = call.text("cl_ord_id"), call.integer("userref")
    return [
        order
        for order in orders
        if client_id in (None, order.request.client_order_id)
        and (user_ref is None or dialect.user_ref_of(order) == user_ref)
    ]


def open_orders(dialect: KrakenCore, call: Call) -> Any:
    found = _matching(dialect, call, _orders(dialect, call, True))
    return {"open": _states(dialect, call, found[::-1])}


def closed_orders(dialect: KrakenCore, call: Call) -> Any:
    """Fifty at a time, the last ended first."""
    since, until, offset = _window(call)
    found = [
        order
        for order in _matching(dialect, call, _orders(dialect, call, False))
        if not order.is_open and since < order.updated_ms and order.created_ms <= until
    ]
    found.sort(key=lambda order: (order.updated_ms, int(order.order_id)), reverse=True)
    return {"closed": _states(dialect, call, found[offset : offset + _ROWS]), "count": len(found)}


def query_orders(dialect: KrakenCore, call: Call) -> Any:
    txids = call.required("txid").split(",")
    found = [order for order in _orders(dialect, call, False) if fmt.order_txid(order.order_id) in txids]
    if not found:
        raise error("EOrder:Unknown order")
    return _states(dialect, call, found)


def _window(call: Call) -> tuple[int, int, int]:
    """(after, until, offset): the start is exclusive, the end inclusive."""
    since, until = call.decimal("start"), call.decimal("end")
    end = call.now_ms if until is None else int(until * 1000)
    return (0 if since is None else int(since * 1000)), end, call.integer("ofs") or 0


# ------------------------------------------------------------------ fills, balances


def trades_history(dialect: KrakenCore, call: Call) -> Any:
    """Fifty at a time, the latest first."""
    since, until, offset = _window(call)
    found = [fill for fill in _fills(dialect, call) if since < fill.time_ms <= until][::-1]
    return {"trades": _trade_rows(dialect, call, found[offset : offset + _ROWS]), "count": len(found)}


def query_trades(dialect: KrakenCore, call: Call) -> Any:
    txids = call.required("txid").split(",")
    return _trade_rows(
        dialect, call, [fill for fill in _fills(dialect, call) if fmt.trade_txid(fill.trade_id, fill.side) in txids]
    )


def _fills(dialect: KrakenCore, call: Call) -> list[SimFill]:
    return [fill for fill in dialect.venue.engine.fills(call.owner) if fill.symbol in dialect.ids]


def _trade_rows(dialect: KrakenCore, call: Call, fills: list[SimFill]) -> dict[str, Any]:
    engine, rows = dialect.venue.engine, {}
    for fill in fills:
        order = engine.order(call.owner, symbol=fill.symbol, order_id=fill.order_id)
        rows[fmt.trade_txid(fill.trade_id, fill.side)] = fmt.my_trade(
            engine.markets[fill.symbol], fill, fmt.order_type(order)
        )
    return rows


def balance_ex(dialect: KrakenCore, call: Call) -> Any:
    return fmt.rest_balances(dialect.venue.engine.balances(call.owner))


def balance(dialect: KrakenCore, call: Call) -> Any:
    return {name: row["balance"] for name, row in balance_ex(dialect, call).items()}


def open_positions(dialect: KrakenCore, call: Call) -> Any:
    """Margin positions: there is no margin trading here."""
    return []


def trade_volume(dialect: KrakenCore, call: Call) -> Any:
    chosen = dict(dialect.market_of(name) for name in (call.text("pair") or "").split(",") if name)

    def fees(rate: str) -> dict[str, Any]:
        return {own_id: {"fee": str(getattr(market, rate) * 100), "nextfee": None} for own_id, market in chosen.items()}

    return {"currency": "ZUSD", "volume": "0.0000", "fees": fees("taker_rate"), "fees_maker": fees("maker_rate")}


def websockets_token(dialect: KrakenCore, call: Call) -> Any:
    token, life_s = dialect.new_token(call.owner)
    return {"token": token, "expires": life_s}


# ``weight``: what a call adds to the account's counter.
ORDER_ROUTES: Mapping[str, Route] = {
    "POST /0/private/AddOrder": Route(add_order, 0, signed=True, is_order=True),
    "POST /0/private/AmendOrder": Route(amend_order, 0, signed=True, is_order=True),
    "POST /0/private/CancelOrder": Route(cancel_order, 0, signed=True),
    "POST /0/private/CancelAll": Route(cancel_all, 0, signed=True),
    "POST /0/private/CancelAllOrdersAfter": Route(cancel_all_after, 0, signed=True),
    "POST /0/private/OpenOrders": Route(open_orders, 1, signed=True),
    "POST /0/private/ClosedOrders": Route(closed_orders, 1, signed=True),
    "POST /0/private/QueryOrders": Route(query_orders, 1, signed=True),
    "POST /0/private/TradesHistory": Route(trades_history, 2, signed=True),
    "POST /0/private/QueryTrades": Route(query_trades, 1, signed=True),
    "POST /0/private/BalanceEx": Route(balance_ex, 1, signed=True),
    "POST /0/private/Balance": Route(balance, 1, signed=True),
    "POST /0/private/OpenPositions": Route(open_positions, 1, signed=True),
    "POST /0/private/TradeVolume": Route(trade_volume, 1, signed=True),
    "POST /0/private/GetWebSocketsToken": Route(websockets_token, 1, signed=True),
}
