"""Kraken's names, numbers and REST JSON, as pure functions: engine records in, dicts out (frames: ``frames``).

Shapes: docs.kraken.com, Spot REST API. Decimals are text, times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from btccxt.matching.records import TRIGGER_KINDS, NewOrder, SimFill, SimOrder, SimStatus
from btccxt.model import ZERO, Balance, Bar, Market, OrderKind, Side, TimeInForce, Trade

Level = tuple[Decimal, Decimal]

_ASSETS = {"BTC": "XXBT", "DOGE": "XXDG", "ETH": "XETH", "LTC": "XLTC", "XRP": "XXRP", "USD": "ZUSD", "EUR": "ZEUR"}
_ALTNAMES = {"BTC": "XBT", "DOGE": "XDG"}
_TYPES = {
    OrderKind.MARKET: "market",
    OrderKind.LIMIT: "limit",
    OrderKind.STOP: "stop-loss",
    OrderKind.STOP_LIMIT: "stop-loss-limit",
    OrderKind.TAKE_PROFIT: "take-profit",
    OrderKind.TAKE_PROFIT_LIMIT: "take-profit-limit",
    OrderKind.TRAILING_AMOUNT: "trailing-stop",
    OrderKind.TRAILING_PERCENT: "trailing-stop",
}
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TAPE_IDS = "SIMKR"


# ------------------------------------------------------------------ names and numbers


def asset_id(currency: str) -> str:
    return _ASSETS.get(currency, currency)


def altname(currency: str) -> str:
    return _ALTNAMES.get(currency, currency)


def pair_altname(market: Market) -> str:
    return altname(market.base) + altname(market.quote)


def pair_id(market: Market) -> str:
    """``XXBTZUSD``, but ``XBTUSDT``: the long form only where both sides have one."""
    if market.base in _ASSETS and market.quote in _ASSETS:
        return _ASSETS[market.base] + _ASSETS[market.quote]
    return pair_altname(market)


def order_txid(order_id: str) -> str:
    """``17`` -> ``OSIMKR-00000-00000H``."""
    return txid("O", int(order_id))


def trade_txid(trade_id: int, side: Side) -> str:
    """Both sides of a trade have the engine's id; here each has one of its own."""
    return txid("T", 2 * trade_id + (side is Side.SELL))


def txid(letter: str, number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    digits = digits.rjust(11, "0")
    return f"{letter}{TAPE_IDS}-{digits[:5]}-{digits[5:]}"


def number_of_txid(txid: str) -> int | None:
    head, _, digits = txid.partition("-")
    digits = digits.replace("-", "")
    if head[1:] != TAPE_IDS or len(digits) != 11 or not all(digit in _DIGITS for digit in digits):
        return None
    return int(digits, 36)


def places(step: Decimal | None, default: int = 8) -> int:
    if not step:
        return default
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else default


def price_text(market: Market, price: Decimal | float | None) -> str:
    return f"{price or 0:.{places(market.price_step)}f}"


def amount_text(amount: Decimal | float | None) -> str:
    return f"{amount or 0:.8f}"


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, timezone.utc).isoformat(timespec="microseconds")[:-6] + "Z"


# ------------------------------------------------------------------ markets


def asset(currency: str) -> dict[str, Any]:
    return {
        "aclass": "currency",
        "altname": altname(currency),
        "decimals": 10 if currency not in ("USD", "EUR") else 4,
        "display_decimals": 5,
        "status": "enabled",
    }


def asset_pair(market: Market) -> dict[str, Any]:
    return {
        "altname": pair_altname(market),
        "wsname": f"{altname(market.base)}/{altname(market.quote)}",
        "aclass_base": "currency",
        "base": asset_id(market.base),
        "aclass_quote": "currency",
        "quote": asset_id(market.quote),
        "lot": "unit",
        "cost_decimals": 8,
        "pair_decimals": places(market.price_step),
        "lot_decimals": places(market.amount_step),
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, float(market.taker_rate * 100)]],
        "fees_maker": [[0, float(market.maker_rate * 100)]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": str(market.min_amount or market.amount_step or 0),
        "costmin": str(market.min_cost or 0),
        "tick_size": str(market.price_step or 0),
        "status": "online" if market.active else "cancel_only",
    }


def ohlc_row(market: Market, bar: Bar) -> list[Any]:
    """The volume-weighted price is estimated: bars do not carry it."""
    prices = [price_text(market, price) for price in (bar.open, bar.high, bar.low, bar.close, vwap(bar))]
    return [bar.open_ms // 1000, *prices, amount_text(bar.volume), 1 if bar.volume else 0]


def vwap(bar: Bar) -> float:
    return (bar.open + bar.high + bar.low + bar.close) / 4 if bar.volume else 0.0


def public_trade(market: Market, trade: Trade) -> list[Any]:
    side = "s" if trade.side is Side.SELL else "b"
    number = int(trade.trade_id) if trade.trade_id.isdecimal() else 0
    return [price_text(market, trade.price), amount_text(trade.amount), trade.time_ms / 1000, side, "m", "", number]


def ticker(market: Market, day: Bar, bid: Level | None, ask: Level | None, last_amount: float = 0.0) -> dict[str, Any]:
    def quote(level: Level | None) -> list[str]:
        price, amount = level or (ZERO, ZERO)
        return [price_text(market, price), str(int(amount)), f"{amount:.3f}"]

    average = price_text(market, vwap(day))
    return {
        "a": quote(ask),
        "b": quote(bid),
        "c": [price_text(market, day.close), amount_text(last_amount)],
        "v": [amount_text(day.volume)] * 2,
        "p": [average] * 2,
        "t": [1, 1],
        "l": [price_text(market, day.low)] * 2,
        "h": [price_text(market, day.high)] * 2,
        "o": price_text(market, day.open),
    }


def depth(market: Market, levels: Sequence[Level], now_ms: int) -> list[list[Any]]:
    return [[price_text(market, price), f"{amount:.3f}", now_ms // 1000] for price, amount in levels]


# ------------------------------------------------------------------ orders and fills, REST


def kind_name(kind: OrderKind) -> str:
    return _TYPES[kind]


def order_type(order: SimOrder) -> str:
    return "iceberg" if order.request.iceberg_amount is not None else _TYPES[order.request.kind]


def ws_status(order: SimOrder) -> str:
    """The WebSocket's word; REST has fewer of them."""
    if order.status is SimStatus.TRIGGER_WAITING:
        return "new"
    if order.status is SimStatus.EXPIRED:  # Kraken cancels what may not rest; only a date expires
        dated = order.request.time_in_force is TimeInForce.GTD
        return "expired" if dated and order.updated_ms >= (order.request.expires_ms or 0) else "canceled"
    return str(order.status.value)


def order_status(order: SimOrder) -> str:
    if order.is_open:
        return "open"
    return {"filled": "closed", "expired": "expired"}.get(ws_status(order), "canceled")


def _price_words(market: Market, request: NewOrder) -> tuple[str, str]:
    """``price`` and ``price2`` of a description: the trigger comes first."""
    if request.kind is OrderKind.TRAILING_PERCENT:
        return f"+{request.trailing_percent}%", "0"
    if request.kind is OrderKind.TRAILING_AMOUNT:
        return f"+{request.trailing_amount}", "0"
    if request.kind in TRIGGER_KINDS:
        return price_text(market, request.trigger_price), price_text(market, request.price) if request.price else "0"
    return price_text(market, request.price) if request.price else "0", "0"


def description(market: Market, order: SimOrder, close: NewOrder | None = None) -> dict[str, Any]:
    price, price2 = _price_words(market, order.request)
    kind, amount = order_type(order), amount_text(order.request.amount or order.request.cost_quote)
    return {
        "pair": pair_altname(market),
        "type": order.side.value,
        "ordertype": kind,
        "price": price,
        "price2": price2,
        "leverage": "none",
        "order": f"{order.side.value} {amount} {pair_altname(market)} @ {_at(kind, price, price2)}",
        "close": "" if close is None else close_words(market, close),
    }


def close_words(market: Market, close: NewOrder) -> str:
    """``close position @ stop loss 95.0 -> limit 94.0``."""
    return f"close position @ {_at(_TYPES[close.kind], *_price_words(market, close))}"


def _at(kind: str, price: str, price2: str) -> str:
    words = [kind.removesuffix("-limit").replace("-", " ")]
    if price != "0":
        words.append(price)
    if price2 != "0":
        words += ["->", "limit", price2]
    return " ".join(words)


def flags(order: SimOrder) -> str:
    found = ["fciq"]
    if order.request.post_only:
        found.append("post")
    if order.request.cost_quote is not None:
        found.append("viqc")
    return ",".join(found)


def _gtd_s(order: SimOrder) -> int:
    return (order.request.expires_ms or 0) // 1000


def order_state(
    market: Market,
    order: SimOrder,
    fee: Decimal,
    user_ref: int,
    trades: Sequence[str] | None,
    close: NewOrder | None = None,
) -> dict[str, Any]:
    """OpenOrders, ClosedOrders, QueryOrders. ``trades``: ids, where they were asked for."""
    request = order.request
    state: dict[str, Any] = {
        "refid": None if request.parent_id is None else order_txid(request.parent_id),
        "userref": user_ref,
        "status": order_status(order),
        "opentm": order.created_ms / 1000,
        "starttm": 0,
        "expiretm": _gtd_s(order),
        "descr": description(market, order, close),
        "vol": amount_text(request.amount if request.amount is not None else request.cost_quote),
        "vol_exec": amount_text(order.filled),
        "cost": amount_text(order.cost_quote),
        "fee": amount_text(fee),
        "price": amount_text(order.cost_quote / order.filled if order.filled else ZERO),
        "stopprice": price_text(market, order.trigger_price if request.kind in TRIGGER_KINDS else None),
        "limitprice": price_text(market, request.price if order.triggered else None),
        "misc": "",
        "oflags": flags(order),
    }
    if request.client_order_id is not None:
        state["cl_ord_id"] = request.client_order_id
    if request.kind in TRIGGER_KINDS:
        state["trigger"] = "last"
    if trades:
        state["trades"] = list(trades)
    if not order.is_open:
        state |= {
            "closetm": order.updated_ms / 1000,
            "reason": "User requested" if order.status is SimStatus.CANCELED else None,
        }
    return state


def my_trade(market: Market, fill: SimFill, kind: str) -> dict[str, Any]:
    return {
        "ordertxid": order_txid(fill.order_id),
        "postxid": "TKH2SE-M7IF5-CFI7LT",
        "pair": pair_id(market),
        "time": fill.time_ms / 1000,
        "type": fill.side.value,
        "ordertype": kind,
        "price": price_text(market, fill.price),
        "cost": amount_text(fill.price * fill.amount),
        "fee": amount_text(fill.fee.cost),
        "vol": amount_text(fill.amount),
        "margin": "0.00000000",
        "misc": "",
        "trade_id": fill.trade_id,
        "maker": fill.maker,
    }


# ------------------------------------------------------------------ balances


def rest_balances(balances: Mapping[str, Balance]) -> dict[str, Any]:
    """BalanceEx."""
    return {
        asset_id(coin): {"balance": amount_text(balance.total), "hold_trade": amount_text(balance.used)}
        for coin, balance in balances.items()
    }
