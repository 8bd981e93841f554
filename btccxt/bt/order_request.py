"""Between backtrader's ``Order`` and an ``OrderRequest``: kinds, validity, rounding, and the news coming back.

Runs in the strategy's thread only: every clone of a backtrader order shares one list of executions.
"""

from __future__ import annotations

import difflib
import itertools
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from typing_extensions import Self

from btccxt.bt.compat import bt
from btccxt.bt.order_words import Keywords, positive
from btccxt.bt.time import ms_of_num
from btccxt.errors import Refused
from btccxt.model import ZERO, Market, OrderKind, OrderRequest, Side, TimeInForce, decimal_of, round_amount, round_price

Plain = TypeVar("Plain")
_DAY_MS = 86_400_000


class _TakeProfitNames:
    """Two order kinds that backtrader does not know, with names for logs."""

    TakeProfit = len(bt.Order.ExecTypes)
    TakeProfitLimit = len(bt.Order.ExecTypes) + 1
    ExecTypes: ClassVar[list[str]] = [*bt.Order.ExecTypes, "TakeProfit", "TakeProfitLimit"]


class _QuickOrder:
    """What of a backtrader order is slow, done quickly: each notification copies it and reads its parameters."""

    params: Any
    executed: bt.order.OrderData

    def __init__(self, **_params: Any) -> None:  # backtrader's metaclass has taken them
        super().__init__()
        values = vars(self)
        for name, value in vars(self.params).items():  # else found by ``__getattr__``, after a failed search
            values.setdefault(name, value)

    def clone(self) -> Self:
        twin = _copied(self)
        self.executed.markpending()
        twin.executed = _copied(self.executed)
        return twin


def _copied(original: Plain) -> Plain:
    """``copy.copy`` of a plain object."""
    twin: Plain = object.__new__(type(original))
    twin.__dict__.update(original.__dict__)
    return twin


class CryptoBuyOrder(_QuickOrder, bt.BuyOrder, _TakeProfitNames):
    """A buy order with the take-profit kinds."""

    ExecTypes = _TakeProfitNames.ExecTypes


class CryptoSellOrder(_QuickOrder, bt.SellOrder, _TakeProfitNames):
    """A sell order with the take-profit kinds."""

    ExecTypes = _TakeProfitNames.ExecTypes


TakeProfit = _TakeProfitNames.TakeProfit
TakeProfitLimit = _TakeProfitNames.TakeProfitLimit


def take_ref(order: bt.Order, former: int) -> None:
    """Give a restored order the number it had in the former run, unless this process has used that one already.

    Later orders of the process count on from it: a number never stands for two orders.
    """
    if former >= order.ref:
        order.ref = former
        bt.order.OrderBase.refbasis = itertools.count(former + 1)


_KINDS = {
    bt.Order.Market: OrderKind.MARKET,
    bt.Order.Limit: OrderKind.LIMIT,
    bt.Order.Stop: OrderKind.STOP,
    bt.Order.StopLimit: OrderKind.STOP_LIMIT,
    TakeProfit: OrderKind.TAKE_PROFIT,
    TakeProfitLimit: OrderKind.TAKE_PROFIT_LIMIT,
}
EXECTYPE_OF_KIND = {kind: exectype for exectype, kind in _KINDS.items()} | {
    OrderKind.TRAILING_AMOUNT: bt.Order.StopTrail,
    OrderKind.TRAILING_PERCENT: bt.Order.StopTrail,
}
_WITH_LIMIT_PRICE = {OrderKind.LIMIT, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT_LIMIT}
_WITH_TRIGGER = {OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT}


def order_of(request: OrderRequest, average: Decimal | None, tradeid: int, data: bt.AbstractDataBase) -> bt.Order:
    """A backtrader order for an intent that no strategy of this run asked for."""
    cls = CryptoBuyOrder if request.side is Side.BUY else CryptoSellOrder
    has_both = request.price is not None and request.trigger_price is not None
    amount, percent = request.trailing_amount, request.trailing_percent
    order = cls(
        data=data,
        size=float(request.amount),
        price=float(request.trigger_price or request.price or average or 0),
        pricelimit=float(request.price) if has_both and request.price is not None else None,
        exectype=EXECTYPE_OF_KIND[request.kind],
        trailamount=None if amount is None else float(amount),
        trailpercent=None if percent is None else float(percent / 100),
        simulated=True,
        tradeid=tradeid,
    )
    if order.exectype == bt.Order.StopTrail and request.limit_offset is not None:
        order.exectype = bt.Order.StopTrailLimit
        order._limitoffset = float(request.limit_offset)
    if order.exectype in (bt.Order.StopTrail, bt.Order.StopTrailLimit):
        order.created.price = float("inf" if order.isbuy() else "-inf")  # until a bar says where it stands
    return order


def expiry_ms(order: bt.Order, now_ms: int) -> int | None:
    """When the order ends by itself. Backtrader leaves ``valid=0`` (end of the day) for the broker to resolve."""
    if order.valid is None:
        return None
    if order.valid == 0:
        return now_ms - now_ms % _DAY_MS + _DAY_MS
    return ms_of_num(float(order.valid))


def request_of(
    order: bt.Order, market: Market, keywords: Keywords, client_order_id: str, now_ms: int, reasons: list[str]
) -> OrderRequest | None:
    """The intent that a backtrader order stands for, rounded to the market's steps; nothing is written to the order.

    Adds to ``reasons`` whatever rules it out; None where not even its kind or its amount is known.
    """
    kind = _kind_of(order, reasons)
    amount = _amount(order, market, reasons)
    limit_price = trigger_price = trail_amount = trail_percent = None
    if kind in _WITH_LIMIT_PRICE:
        limit_price = _price(
            order.created.pricelimit if kind in _WITH_TRIGGER else order.created.price, "limit price", market, reasons
        )
    if kind in _WITH_TRIGGER:
        trigger_price = _price(order.created.price, "trigger price", market, reasons)
    if kind is OrderKind.TRAILING_AMOUNT:
        trail_amount = _price(order.trailamount, "trailamount", market, reasons)
    elif kind is OrderKind.TRAILING_PERCENT:
        fraction = positive(order.trailpercent, "trailpercent", reasons)
        trail_percent = None if fraction is None else fraction * 100
        if fraction is not None and fraction >= 1:
            reasons.append(f"trailpercent={order.trailpercent} is {fraction * 100} %; it is a fraction: 2 % is 0.02")
    elif kind is not None and (order.trailamount or order.trailpercent):
        reasons.append("trailamount and trailpercent are for exectype=bt.Order.StopTrail")
    expires_ms = expiry_ms(order, now_ms)
    tif = keywords.time_in_force or TimeInForce.GTC
    if expires_ms is not None and expires_ms <= now_ms:
        reasons.append("valid lies in the past")
    if expires_ms is not None and tif in (TimeInForce.IOC, TimeInForce.FOK):
        reasons.append(f"valid= and tif={tif.value} exclude each other: {tif.value} ends at once")
    if expires_ms is not None and keywords.time_in_force is TimeInForce.GTC:
        reasons.append("valid= and tif=GTC exclude each other: leave one of them out")
    if expires_ms is not None and kind is OrderKind.MARKET:
        reasons.append("a market order fills at once: valid= has no meaning for it")
    if kind is OrderKind.MARKET and keywords.time_in_force in (TimeInForce.FOK, TimeInForce.GTD):
        reasons.append(f"a market order fills at once: tif={tif.value} has no meaning for it")
    if keywords.post_only and tif in (TimeInForce.IOC, TimeInForce.FOK):
        reasons.append(f"post_only and tif={tif.value} exclude each other")
    if kind is OrderKind.MARKET and keywords.post_only:
        reasons.append("a market order cannot be post_only")
    if tif is TimeInForce.GTD and expires_ms is None:
        reasons.append("tif='GTD' needs valid=")
    if keywords.iceberg_amount is not None and kind is OrderKind.MARKET:
        reasons.append("a market order has nothing that could be hidden: iceberg= is for limit orders")
    if kind is None or amount is None:
        return None
    return OrderRequest(
        client_order_id=client_order_id,
        symbol=market.symbol,
        side=Side.BUY if order.isbuy() else Side.SELL,
        kind=kind,
        amount=amount,
        price=limit_price,
        trigger_price=trigger_price,
        trailing_amount=trail_amount,
        trailing_percent=trail_percent,
        limit_offset=_limit_offset(order, market),
        time_in_force=tif,
        expires_ms=expires_ms,
        post_only=keywords.post_only,
        reduce_only=keywords.reduce_only,
        iceberg_amount=keywords.iceberg_amount,
        params=dict(keywords.params or {}),
    )


def _limit_offset(order: bt.Order, market: Market) -> Decimal | None:
    """Of a StopTrailLimit: how far its limit stands below its stop, as ``price`` and ``plimit`` were given."""
    if order.exectype != bt.Order.StopTrailLimit:
        return None
    return round_price(market, decimal_of(order._limitoffset))


def closing_ms(order: bt.Order, now_ms: int) -> int | None:
    """When an order with exectype Close is sent: at the end of its data's session (by default of the day)."""
    if order.exectype != bt.Order.Close:
        return None
    ends_ms = ms_of_num(order.dteos)
    return ends_ms if ends_ms > now_ms else None


def _kind_of(order: bt.Order, reasons: list[str]) -> OrderKind | None:
    if order.exectype == bt.Order.Close:
        return OrderKind.MARKET  # sent when the session ends
    if order.exectype in (bt.Order.StopTrail, bt.Order.StopTrailLimit):
        if order.trailamount and order.trailpercent:
            reasons.append("give trailamount or trailpercent, not both")
        elif order.trailamount:
            return OrderKind.TRAILING_AMOUNT
        elif order.trailpercent:
            return OrderKind.TRAILING_PERCENT
        else:
            reasons.append(f"{order.ExecTypes[order.exectype]} needs trailamount or trailpercent")
        return None
    kind = _KINDS.get(order.exectype)
    if kind is None:
        reasons.append(_no_kind(order))
    return kind


def _no_kind(order: bt.Order) -> str:
    exectype, names = order.exectype, order.ExecTypes
    if exectype in range(len(names)):
        return f"exectype {names[exectype]}: not supported"
    near = difflib.get_close_matches(str(exectype).capitalize(), names, n=1, cutoff=0.5)
    return f"exectype {exectype!r}: {f'write bt.Order.{near[0]}' if near else 'not supported'}"


def _amount(order: bt.Order, market: Market, reasons: list[str]) -> Decimal | None:
    asked = positive(abs(order.size), "size", reasons)
    if asked is None:
        return None
    amount = round_amount(market, asked)
    if not amount:
        reasons.append(f"size {asked} is below one step of {market.symbol} ({market.amount_step})")
        return None
    return amount


def _price(value: Any, what: str, market: Market, reasons: list[str]) -> Decimal | None:
    price = positive(value, what, reasons)
    if price is None:
        return None
    rounded = round_price(market, price)
    if not rounded:
        reasons.append(f"{what} {price} is below one step of {market.symbol} ({market.price_step})")
        return None
    return rounded


def write_back(order: bt.Order, request: OrderRequest) -> None:
    """Rounded size and prices, on the order as the exchange has them; what changed is in ``order.info.rounded``."""
    sign = 1 if order.isbuy() else -1
    kind, limit_price, trigger_price = request.kind, request.price, request.trigger_price
    rounded = {}
    size = float(request.amount) * sign
    if size != order.size:
        rounded["size"] = (order.size, size)
        order.size = order.created.size = size
    order.executed.remsize = size
    main = trigger_price if kind in _WITH_TRIGGER else limit_price
    if main is not None and float(main) != order.created.price:
        rounded["price"] = (order.created.price, float(main))
        order.created.price = float(main)
    if kind in _WITH_LIMIT_PRICE and limit_price is not None:
        order.created.pricelimit = float(limit_price)
    if rounded:
        order.addinfo(rounded=rounded)


# What ``order.info`` says of one order at the exchange; the rest of it is the strategy's own.
_OF_ONE_ORDER = frozenset(
    {
        "client_order_id", "exchange_order_id", "raw_status", "lifecycle", "emulated", "reasons", "notes", "rounded",
        "follows", "followed_by", "restored", "commission_estimated", "expired_here", "capped", "waited_for", "closes",
        "backstop", "slices",
    }
)  # fmt: skip
_BY_TRIGGER = {OrderKind.STOP, OrderKind.TAKE_PROFIT}
_BY_BOTH = {OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT_LIMIT}


def edited(
    order: bt.Order,
    request: OrderRequest,
    market: Market,
    client_order_id: str,
    *,
    size: float | None,
    price: float | None,
    plimit: float | None,
) -> OrderRequest:
    """The intent after the edit, rounded; None leaves a figure as it is. ``size`` is the whole size, signed or not.

    Raises Refused with every reason.
    """
    reasons: list[str] = []
    if (size, price, plimit) == (None, None, None):
        reasons.append("give size, price or plimit")
    if request.kind is not OrderKind.LIMIT and request.kind not in _BY_TRIGGER | _BY_BOTH:
        reasons.append(f"a {request.kind.value} order has nothing that could be changed; cancel it and place another")
    if "slices" in order.info:
        reasons.append("an iceberg order that is kept here in slices cannot be changed; cancel it and place the rest")
    if plimit is not None and request.kind not in _BY_BOTH:
        reasons.append(f"plimit is the limit of stop-limit orders; the price of a {request.kind.value} order is price")
    amount, filled = request.amount, decimal_of(abs(order.executed.size))
    if size is not None and (asked := positive(abs(size), "size", reasons)) is not None:
        amount = round_amount(market, asked)
        if amount <= filled:
            reasons.append(f"size {amount:f}: {filled:f} are filled already; cancel the rest instead")
    first = None if price is None else positive(price, "price", reasons)
    second = None if plimit is None else positive(plimit, "plimit", reasons)
    if reasons:
        raise Refused(reasons)
    changed = replace(request, client_order_id=client_order_id, amount=amount)
    if first is not None:
        rounded = round_price(market, first)
        by_trigger = request.kind in _BY_TRIGGER | _BY_BOTH
        changed = replace(changed, trigger_price=rounded) if by_trigger else replace(changed, price=rounded)
    return changed if second is None else replace(changed, price=round_price(market, second))


def take_figures(order: bt.Order, request: OrderRequest) -> None:
    """What became of the intent on the way: an edit, or an exit sized to what its entry filled."""
    sign = 1 if order.isbuy() else -1
    left = max(request.amount - decimal_of(abs(order.executed.size)), ZERO)
    order.size = order.created.size = float(request.amount) * sign
    order.executed.remsize = float(left) * sign
    _take_prices(order, request)


def _take_prices(order: bt.Order, request: OrderRequest) -> None:
    if order.exectype == bt.Order.Limit and request.price is not None:
        order.created.price = float(request.price)
    elif request.kind in _BY_TRIGGER | _BY_BOTH and request.trigger_price is not None:
        order.created.price = float(request.trigger_price)
    if request.kind in _BY_BOTH and request.price is not None:
        order.created.pricelimit = float(request.price)


def follower_of(order: bt.Order, request: OrderRequest) -> bt.Order:
    """The backtrader order that follows one which the exchange cannot change: for what that has not filled."""
    left: Decimal = request.amount - decimal_of(abs(order.executed.size))
    cls = CryptoBuyOrder if order.isbuy() else CryptoSellOrder
    first, second = request.trigger_price or request.price, request.price
    follower = cls(
        owner=order.owner, data=order.data, size=float(left), price=None if first is None else float(first),
        pricelimit=None if request.kind not in _BY_BOTH or second is None else float(second),
        exectype=order.exectype, tradeid=order.tradeid, simulated=order.p.simulated,
    )  # fmt: skip
    follower.valid = follower.p.valid = order.valid  # given to the constructor, a span would begin anew
    follower.addinfo(**{key: value for key, value in order.info.items() if key not in _OF_ONE_ORDER})
    return follower
