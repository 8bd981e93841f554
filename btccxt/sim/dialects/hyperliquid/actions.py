"""Hyperliquid's ``/exchange``: signed actions. Orders of one action are accepted or refused each by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from btccxt.matching.filters import check
from btccxt.matching.records import EngineReject, NewOrder, SimOrder, SimStatus
from btccxt.model import ZERO, Market, OrderKind, Side, TimeInForce
from btccxt.sim.dialects.attached_exits import exit_kind
from btccxt.sim.dialects.hyperliquid import format as fmt
from btccxt.sim.dialects.hyperliquid.core import FIRST_SPOT, HyperliquidCore
from btccxt.sim.dialects.hyperliquid.errors import GONE, NO_MATCH, ActionRefused, OrderRefused, refused

Fields = Mapping[str, Any]
Tell = Callable[[SimOrder, str], None]
_CLIENT_ID = re.compile(r"0x[0-9a-fA-F]{32}")
_SIGNIFICANT_DIGITS = 5
_MOST_DECIMALS = {True: 6, False: 8}  # of prices and sizes together: contracts, spot
_SOONEST_MS = 5_000  # that a cancel can be scheduled for


def perform(dialect: HyperliquidCore, owner: str, action: Fields, now_ms: int, tell: Tell) -> Any:
    """What ``response`` says. ``tell``: of an order that was refused, and its status. Raises ActionRefused."""
    kind = str(action.get("type"))
    try:
        if kind == "order":
            if action.get("grouping") != "na":
                raise ActionRefused("The embedded exchange has no TP/SL groupings.")
            orders = [_order(dialect, owner, fields, now_ms, tell) for fields in action["orders"]]
            return _statuses("order", orders)
        if kind in ("modify", "batchModify"):
            changes = action["modifies"] if kind == "batchModify" else [action]
            return _statuses("order", [_modify(dialect, owner, fields, now_ms, tell) for fields in changes])
        if kind == "cancel":
            gone = [_cancel(dialect, owner, fields["a"], fields["o"], now_ms) for fields in action["cancels"]]
            return _statuses("cancel", gone)
        if kind == "cancelByCloid":
            gone = [_cancel(dialect, owner, fields["asset"], fields["cloid"], now_ms) for fields in action["cancels"]]
            return _statuses("cancel", gone)
        if kind == "updateLeverage":
            return _update_leverage(dialect, owner, action, now_ms)
        if kind == "scheduleCancel":
            return _schedule_cancel(dialect, owner, action, now_ms)
    except (KeyError, TypeError, InvalidOperation) as error:
        raise ActionRefused(f"Failed to deserialize the action: {error}") from None
    raise ActionRefused(f"The embedded exchange has no action {kind}.")


def _statuses(kind: str, statuses: list[Any]) -> Any:
    return {"type": kind, "data": {"statuses": statuses}}


def _market(dialect: HyperliquidCore, asset: Any) -> Market:
    market = dialect.assets.get(int(asset))
    if market is None:
        raise ActionRefused(f"Asset {asset} does not exist.")
    return dialect.venue.engine.markets[market.symbol]


# ------------------------------------------------------------------ placing


def _order(dialect: HyperliquidCore, owner: str, fields: Fields, now_ms: int, tell: Tell) -> Any:
    order = _read(dialect, fields)
    try:
        return _status(fields, _submit(dialect, owner, order, int(fields["a"]), now_ms))
    except OrderRefused as refusal:
        tell(dialect.refuse(owner, order, refusal.status, now_ms), refusal.status)
        return {"error": refusal.text}


def _read(dialect: HyperliquidCore, fields: Fields) -> NewOrder:
    """Raises ActionRefused."""
    market = _market(dialect, fields["a"])
    side, price, amount = Side.BUY if fields["b"] else Side.SELL, Decimal(fields["p"]), Decimal(fields["s"])
    client_id, kind = fields.get("c"), fields["t"]
    if client_id is not None and not _CLIENT_ID.fullmatch(str(client_id)):
        raise ActionRefused("Failed to deserialize the action: cloid")
    trigger = kind.get("trigger")
    if trigger is not None:
        limit = None if trigger["isMarket"] else price
        return NewOrder(
            market.symbol,
            side,
            exit_kind(trigger["tpsl"] == "sl", limit),
            amount,
            limit,
            Decimal(trigger["triggerPx"]),
            reduce_only=bool(fields["r"]) and market.is_contract,
            client_order_id=client_id,
        )
    validity = str(kind["limit"]["tif"])
    if validity not in ("Gtc", "Ioc", "Alo"):
        raise ActionRefused(f"Failed to deserialize the action: tif {validity}")
    return NewOrder(
        market.symbol,
        side,
        OrderKind.LIMIT,
        amount,
        price,
        time_in_force=TimeInForce.IOC if validity == "Ioc" else TimeInForce.GTC,
        post_only=validity == "Alo",
        reduce_only=bool(fields["r"]) and market.is_contract,
        client_order_id=client_id,
    )


def _submit(dialect: HyperliquidCore, owner: str, order: NewOrder, asset: int, now_ms: int) -> SimOrder:
    """Raises OrderRefused."""
    engine = dialect.venue.engine
    market = engine.markets[order.symbol]
    for price in (order.price, order.trigger_price):
        if price is not None and not _fits(price, market):
            raise OrderRefused("tickRejected", f"Price must be divisible by tick size. asset={asset}")
    try:
        return engine.submit(owner, order, now_ms)
    except EngineReject as reject:
        bbo = "@".join(fmt.text(price) for price in engine.best(order.symbol))
        raise refused(reject, asset=asset, is_contract=market.is_contract, bbo=bbo) from None


def _fits(price: Decimal, market: Market) -> bool:
    """Five significant digits, or a whole number; and no more decimals than sizes leave."""
    digits, exponent = price.normalize().as_tuple()[1:]
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    most = _MOST_DECIMALS[market.is_contract] - fmt.decimals(market.amount_step)
    return places == 0 or (len(digits) <= _SIGNIFICANT_DIGITS and places <= most)


def _status(fields: Fields, placed: SimOrder) -> Any:
    order_id, named = int(placed.order_id), {"cloid": fields["c"]} if fields.get("c") is not None else {}
    if placed.status is SimStatus.EXPIRED and not placed.filled:
        return {"error": f"{NO_MATCH} asset={fields['a']}"}
    if placed.filled and not (placed.is_open and placed.filled < (placed.request.amount or ZERO)):
        average = (placed.cost_quote / placed.filled).quantize(Decimal("1e-10"))
        return {"filled": {"totalSz": fmt.text(placed.filled), "avgPx": fmt.text(average), "oid": order_id, **named}}
    return {"resting": {"oid": order_id, **named}}


# ------------------------------------------------------------------ changing


def _modify(dialect: HyperliquidCore, owner: str, fields: Fields, now_ms: int, tell: Tell) -> Any:
    """A new order, with a number of its own, in the place of the old one."""
    found = dialect.find(owner, fields["oid"])
    if found is None or not found[0].is_open:
        return {"error": "Cannot modify canceled or filled order"}
    order, engine = _read(dialect, fields["order"]), dialect.venue.engine
    old, asset = found[0], int(fields["order"]["a"])
    try:
        check(engine.markets[order.symbol], order, engine.last(order.symbol))  # what breaks a rule costs no old order
    except EngineReject as reject:
        return {"error": refused(reject, asset=asset, is_contract=asset < FIRST_SPOT, bbo="").text}
    engine.cancel(owner, symbol=old.symbol, order_id=old.order_id, now_ms=now_ms)
    return _order(dialect, owner, fields["order"], now_ms, tell)


def _cancel(dialect: HyperliquidCore, owner: str, asset: Any, wanted: Any, now_ms: int) -> Any:
    market, found = _market(dialect, asset), dialect.find(owner, wanted)
    if found is not None and found[0].is_open and found[0].symbol == market.symbol:
        order = found[0]
        dialect.venue.engine.cancel(owner, symbol=order.symbol, order_id=order.order_id, now_ms=now_ms)
        return "success"
    return {"error": f"{GONE} asset={asset}"}


def _update_leverage(dialect: HyperliquidCore, owner: str, action: Fields, now_ms: int) -> Any:
    market, engine = _market(dialect, action["asset"]), dialect.venue.engine
    if not market.is_contract:
        raise ActionRefused("Leverage is for perpetuals.")
    try:
        engine.set_isolated(owner, market.symbol, not action["isCross"])
        engine.set_leverage(owner, market.symbol, Decimal(action["leverage"]), now_ms)
    except EngineReject as reject:
        raise ActionRefused(f"Invalid leverage value. {reject.message}") from None
    return {"type": "default"}


def _schedule_cancel(dialect: HyperliquidCore, owner: str, action: Fields, now_ms: int) -> Any:
    """Dead man's switch; without a time it is disarmed."""
    time_ms = action.get("time")
    if time_ms is not None and int(time_ms) < now_ms + _SOONEST_MS:
        raise ActionRefused("Scheduled cancel time too early, must be at least 5 seconds from now.")
    dialect.switches.arm_until(owner, None if time_ms is None else int(time_ms))
    return {"type": "default"}
