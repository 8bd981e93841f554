"""From ``buy`` and ``sell`` to what is sent: native, waiting on this machine, or tied to other orders.

Runs in the strategy's thread and sends nothing. A ``Plan`` is one order ready to go; a bracket's plans are collected
until the order with ``transmit=True`` comes, as in backtrader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from btccxt.bt.closing import Guards
from btccxt.bt.compat import bt
from btccxt.bt.order_request import closing_ms, request_of
from btccxt.bt.order_words import Keywords
from btccxt.bt.ports import OrderDesk
from btccxt.errors import Refused
from btccxt.exchange.position_side import closes, split
from btccxt.model import (
    ZERO,
    Market,
    OrderFeature,
    OrderKind,
    OrderRequest,
    Side,
    TimeInForce,
    round_amount,
    round_price,
)
from btccxt.orders.backstop import REDUCE_ONLY
from btccxt.orders.closing import is_at_once, shares_text
from btccxt.orders.context import (
    BACKSTOP,
    CLOSES,
    EMULATED,
    ENTRY_PCT,
    EXPIRES,
    FIRES,
    ON_UNPROTECTED,
    SLICES,
    TRAILS_FROM,
)
from btccxt.orders.risk import reduces
from btccxt.orders.trigger import PROTECTIVE_KINDS, Trigger

_UNTIL_CLOSE = "waits on this machine, while the program runs, until the session of its data ends"
_NO_TRAILING_LIMIT = "no exchange lets a trailing stop end as a limit order"
_PRICED_FROM_ENTRY = frozenset(
    {OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.LIMIT, OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT}
)
_HERE = "waits on this machine, while the program runs: "


@dataclass(frozen=True, slots=True)
class Situation:
    """What planning has to know of the account and the market.

    ``price``: the latest, None before the first. ``position``: signed. ``entering``: whether an order that may still
    fill opens what a reduce-only order would close. ``sellable``: on spot, the most that a sale can be of (None: no
    limit). ``guards``: what exits guard that the order may close.
    """

    price: Decimal | None = None
    position: Decimal = ZERO
    entering: bool = False
    sellable: Decimal | None = None
    guards: Guards = field(default_factory=Guards)


@dataclass(frozen=True, slots=True)
class Plan:
    """One order ready to go. ``context`` is journaled with it and says what it waits for."""

    order: bt.Order
    request: OrderRequest
    context: Mapping[str, str]
    expires_here_ms: int | None = None
    shares: Mapping[str, Decimal] = field(default_factory=dict)  # by group: what it closes of what exits guard
    needs_way: bool = False  # it is sent when those exits have made way

    @property
    def waits(self) -> bool:
        """Not sent at once, so it binds no money yet."""
        if SLICES in self.context:
            return False
        return self.needs_way or EMULATED in self.context or "parent" in self.context or "oco" in self.context


class Planner:
    """Plans orders and collects brackets."""

    def __init__(self, rules: OrderDesk) -> None:
        self._rules = rules
        self._brackets: dict[int, list[Plan]] = {}  # ref of the bracket's parent -> plans so far
        self._broken: dict[int, str] = {}  # the same -> why it will not be sent

    def plan(
        self,
        order: bt.Order,
        market: Market,
        kwargs: dict[str, Any],
        leader: OrderRequest | None,
        situation: Situation,
        parent: OrderRequest | None,
        reasons: list[str],
    ) -> Plan | None:
        """Check and round one order. ``leader``: the request of the order given as ``oco``; ``parent``: of its parent
        where that has been sent already.

        Adds to ``reasons`` why it may not be sent; None where it is not even clear what it is.
        """
        keywords = Keywords.take_from(kwargs, reasons)
        order.addinfo(**kwargs)
        rules, now_ms = self._rules, self._rules.now_ms()
        request = request_of(order, market, keywords, rules.next_client_order_id(), now_ms, reasons)
        if request is None:
            return None
        request = _of_its_side(order, request, reasons)
        plan = self._plan(order, market, request, leader, situation, parent, now_ms, reasons)
        if keywords.entry_pct is not None:
            reasons.extend(_why_not_from_entry(order, request, keywords.entry_pct))
            plan = replace(plan, context={**plan.context, ENTRY_PCT: str(keywords.entry_pct)})
        if keywords.on_unprotected is not None:
            plan = replace(plan, context={**plan.context, ON_UNPROTECTED: keywords.on_unprotected})
        return plan

    def break_bracket(self, order: bt.Order, why: object) -> None:
        """The bracket to which the order belongs, if it belongs to one, is not sent."""
        if in_bracket(order):
            self._broken.setdefault(_root(order), f"another order of this bracket was refused: {why}")

    def _plan(
        self,
        order: bt.Order,
        market: Market,
        request: OrderRequest,
        leader: OrderRequest | None,
        situation: Situation,
        parent: OrderRequest | None,
        now_ms: int,
        reasons: list[str],
    ) -> Plan:
        rules = self._rules
        context = {"ref": str(order.ref), "tradeid": str(order.tradeid), "data": order.data._name}
        request, expires_here_ms = self._validity(order, request)
        if expires_here_ms is not None:
            context[EXPIRES] = str(expires_here_ms)
        if (fires_ms := closing_ms(order, now_ms)) is not None:
            context[EMULATED], context[FIRES] = _UNTIL_CLOSE, str(fires_ms)
        if request.limit_offset is not None:
            context[EMULATED] = _HERE + _NO_TRAILING_LIMIT
        if request.iceberg_amount is not None and request.kind is OrderKind.LIMIT:
            self._slice(order, request, leader, context, reasons)
        rule = rules.order_rule(request.kind)
        if (why := rule.why_emulated(request.side.value) or rule.out_of_range(request)) is not None:
            context[EMULATED] = _HERE + why
        if EMULATED in context and order.parent is None and _trails(request) and situation.price is not None:
            context[TRAILS_FROM] = str(situation.price)  # an exit trails from its entry on
        if leader is not None:
            reasons.extend(_why_no_pair(request, leader))
            context["oco"] = leader.client_order_id
        if order.parent is not None:
            if FIRES in context:
                reasons.append("exectype Close cannot be an exit of a bracket: it would not wait for the entry")
            entry = parent or self._collected(order.parent)
            if entry is not None:
                reasons.extend(_why_no_exit(request, entry, situation.price))
            if parent is not None:
                context["parent"] = parent.client_order_id
            if market.is_contract and rules.order_rule(OrderFeature.REDUCE_ONLY).is_native:
                request = self._reducing(request, EMULATED in context)
        else:
            reasons.extend(_why_at_once(request, situation.price))
            request = _capped(order, request, market, situation)
            if request.reduce_only:
                reasons.extend(_why_nothing_reduced(request, situation))
        if EMULATED in context and _trails(request) and (how := self._backstop(order, request, market, situation)):
            context[BACKSTOP] = how
            order.addinfo(backstop="a plain stop at the exchange follows it in steps")
        shares: dict[str, Decimal] = {}
        if situation.guards.groups and order.parent is None and leader is None and order.transmit:
            shares = situation.guards.shares(request, context, market, reasons)
        needs_way = False
        if shares:
            context[CLOSES] = shares_text(shares)
            at_once = is_at_once(request, context)
            needs_way = at_once or not market.is_contract
            if market.is_contract and at_once and reduces(request.side, request.amount, situation.position):
                request = self._reducing(request, False)
        waits_as = _as_sent(request, market, situation.price) if EMULATED in context else request
        if SLICES in context:
            waits_as = replace(request, amount=request.iceberg_amount or request.amount, iceberg_amount=None)
        reasons.extend(rules.order_refusals(waits_as))
        return Plan(order, request, context, expires_here_ms, shares, needs_way)

    def _reducing(self, request: OrderRequest, emulated: bool) -> OrderRequest:
        """An exit must never open the other side; where the exchange cannot say so of this kind, its size does."""
        sent_as = Trigger(request).fired().kind if emulated else request.kind
        kinds = self._rules.order_rule(OrderFeature.REDUCE_ONLY).kinds
        return replace(request, reduce_only=True) if not kinds or sent_as.value in kinds else request

    def _slice(
        self, order: bt.Order, request: OrderRequest, leader: OrderRequest | None, context: dict[str, str],
        reasons: list[str],
    ) -> None:  # fmt: skip
        """Where the exchange has no iceberg orders, slices are placed from here, one after the other."""
        rule = self._rules.order_rule(OrderFeature.ICEBERG)
        if rule.support != "emulated" or request.iceberg_amount is None:
            return
        context[EMULATED] = f"slices are placed from this machine, while the program runs: {rule.why}"
        context[SLICES] = str(request.iceberg_amount)
        order.addinfo(slices=f"{request.iceberg_amount:f} at a time")
        if request.iceberg_amount > request.amount:
            reasons.append(f"iceberg={request.iceberg_amount:f} is more than the size, {request.amount:f}")
        if leader is not None or order.parent is not None:
            reasons.append("iceberg= is kept here, in slices: such an order cannot be an exit, or one of a pair")
        if request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            reasons.append(f"iceberg= and tif={request.time_in_force.value} exclude each other: slices have to rest")

    def _backstop(self, order: bt.Order, request: OrderRequest, market: Market, situation: Situation) -> str | None:
        """How a plain stop at the exchange can stand behind a trailing one that closes a position; None: not at all."""
        stop, reduces_only = self._rules.order_rule(OrderKind.STOP), self._rules.order_rule(OrderFeature.REDUCE_ONLY)
        if stop.support != "native" or stop.why_emulated(request.side.value) is not None:
            return None
        if not market.is_contract:
            return "plain" if request.side is Side.SELL else None
        says = reduces_only.is_native and (not reduces_only.kinds or OrderKind.STOP.value in reduces_only.kinds)
        is_closing = order.parent is not None or reduces(request.side, request.amount, situation.position)
        return REDUCE_ONLY if says and (is_closing or request.reduce_only) else None

    def _collected(self, parent: bt.Order) -> OrderRequest | None:
        """The entry of a bracket that is still being put together."""
        plans = self._brackets.get(int(parent.ref), ())
        return next((plan.request for plan in plans if plan.order.ref == parent.ref), None)

    def _validity(self, order: bt.Order, request: OrderRequest) -> tuple[OrderRequest, int | None]:
        """Where the exchange has no good-till-date for this order, the broker cancels it when its time comes."""
        if request.expires_ms is None:
            return request, None
        rule = self._rules.order_rule(OrderFeature.GTD)
        far_enough = request.expires_ms >= self._rules.now_ms() + rule.min_ahead_s * 1000
        if request.kind is OrderKind.LIMIT and rule.is_native and far_enough:
            dated = replace(request, time_in_force=TimeInForce.GTD)
            if not self._contradicts(dated):
                order.addinfo(validity="native")
                return dated, None
        order.addinfo(validity="kept by btccxt: cancelled when the time comes, while the program runs")
        return replace(request, time_in_force=TimeInForce.GTC, expires_ms=None), request.expires_ms

    def _contradicts(self, dated: OrderRequest) -> bool:
        """Whether the exchange's way to say the date takes the place of something else that was asked for."""
        undated = replace(dated, time_in_force=TimeInForce.GTC, expires_ms=None)
        return bool(set(self._rules.order_refusals(dated)) - set(self._rules.order_refusals(undated)))

    # -------------------------------------------------------------- brackets

    def collect(self, plan: Plan) -> list[Plan]:
        """What is to be sent now: this order, a whole bracket (children first, held), or nothing yet."""
        order = plan.order
        if not in_bracket(order) or "parent" in plan.context:
            return [plan]
        root = _root(order)
        plans = self._brackets.setdefault(root, [])
        plans.append(plan)
        if not order.transmit:
            return []
        del self._brackets[root]
        return _tied(plans)

    def give_up(self, order: bt.Order) -> tuple[list[Plan], str]:
        """If the order of a bracket completes a broken one: its plans so far, and why none of them is sent."""
        root = _root(order)
        if not order.transmit or root not in self._broken:
            return [], ""
        return self._brackets.pop(root, []), self._broken.pop(root)

    def is_broken(self, order: bt.Order) -> bool:
        return bool(self._broken) and in_bracket(order) and _root(order) in self._broken

    def is_collecting(self, parent: bt.Order) -> bool:
        """Whether the bracket of this parent is being put together, or has failed to be."""
        ref = getattr(parent, "ref", None)
        return ref in self._brackets or ref in self._broken


def _of_its_side(order: bt.Order, request: OrderRequest, reasons: list[str]) -> OrderRequest:
    """In hedge mode what makes a position smaller can do nothing else, and what is to do so must not open it."""
    symbol, position_side = split(request.symbol)
    if position_side is None:
        return request
    if closes(request.side, position_side):
        return replace(request, reduce_only=True)
    if request.reduce_only or order.parent is not None:
        what = "an exit" if order.parent is not None else "reduce_only"
        reasons.append(f"{what}: a {request.side.value} opens the {position_side} position of {symbol}")
    return request


def _trails(request: OrderRequest) -> bool:
    return request.trailing_amount is not None or request.trailing_percent is not None


def _as_sent(request: OrderRequest, market: Market, price: Decimal | None) -> OrderRequest:
    """What goes to the exchange when a waiting order's price has come."""
    fired = Trigger(request, price).fired()
    return fired if fired.price is None else replace(fired, price=round_price(market, fired.price))


def _why_no_pair(request: OrderRequest, leader: OrderRequest) -> Iterator[str]:
    if request.kind is OrderKind.MARKET:
        yield "a market order cannot be one of a pair: it would end the other at once"
    if leader.symbol != request.symbol:
        yield f"oco: the other order is of {leader.symbol}, this one of {request.symbol}; a pair is of one symbol"


def _why_no_exit(request: OrderRequest, entry: OrderRequest, latest: Decimal | None) -> Iterator[str]:
    """An exit stands between the entry and the profit or the loss; on the wrong side it would fill with the entry."""
    if entry.symbol != request.symbol:
        yield f"parent: it is of {entry.symbol}, this order of {request.symbol}"
        return
    if entry.side is request.side:
        yield f"parent: both {entry.side.value}; an exit goes the other way"
        return
    price = entry.price if entry.kind is OrderKind.LIMIT else entry.trigger_price or latest
    if entry.kind is OrderKind.LIMIT and price is not None and latest is not None:
        price = min(price, latest) if entry.side is Side.BUY else max(price, latest)  # it may fill at once, and better
    yield from _why_at_once(request, price, "the entry's price")
    if request.kind is OrderKind.LIMIT and request.price is not None and price is not None:
        behind = request.price <= price if request.side is Side.SELL else request.price >= price
        if behind:
            yield _wrong_side(
                request, "target", request.price, price, "the entry's price", up=request.side is Side.SELL
            )


def _why_at_once(request: OrderRequest, price: Decimal | None, what: str = "the price") -> Iterator[str]:
    """A trigger that has been passed already: the exchange refuses it, or it would be a market order."""
    trigger = request.trigger_price
    if trigger is None or price is None:
        return
    up = (request.side is Side.BUY) == (request.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT))
    if trigger <= price if up else trigger >= price:
        yield _wrong_side(request, request.kind.value, trigger, price, what, up=up)


def _wrong_side(request: OrderRequest, name: str, level: Decimal, price: Decimal, what: str, *, up: bool) -> str:
    return (
        f"{request.side.value} {name} at {level:f} is on the wrong side: it must be {'above' if up else 'below'} "
        f"{what}, which is {price:f}"
    )


def _why_not_from_entry(order: bt.Order, request: OrderRequest, percent: Decimal) -> Iterator[str]:
    if order.parent is None or request.kind not in _PRICED_FROM_ENTRY:
        yield "entry_pct= is for exits of a bracket (parent=) with a price: Stop, StopLimit, Limit, TakeProfit"
    elif (percent < 0) is not ((request.side is Side.SELL) == (request.kind in PROTECTIVE_KINDS)):
        yield f"entry_pct={percent:f} is on the wrong side of the entry for a {request.side.value} {request.kind.value}"


def _why_nothing_reduced(request: OrderRequest, situation: Situation) -> Iterator[str]:
    if situation.position * request.side.sign >= 0 and not situation.entering:
        held = f"a position of {situation.position:f}" if situation.position else "no position"
        yield f"reduce_only: there is {held} in {request.symbol} that a {request.side.value} would reduce"


def _capped(order: bt.Order, request: OrderRequest, market: Market, situation: Situation) -> OrderRequest:
    """A fee taken in coins leaves less than was bought: a sale of all of it is of what is there."""
    if request.side is Side.BUY or situation.sellable is None or request.amount <= situation.sellable:
        return request
    amount = round_amount(market, situation.sellable)
    if not amount:
        return request
    order.addinfo(
        capped=f"size {request.amount.normalize():f} was asked for, {amount.normalize():f} is there: fees took the rest"
    )
    return replace(request, amount=amount)


def in_bracket(order: bt.Order) -> bool:
    """Whether it is of a bracket, or waits to be told to go."""
    return order.parent is not None or not order.transmit


def _root(order: bt.Order) -> int:
    return int(order.parent.ref if order.parent is not None else order.ref)


def _tied(plans: list[Plan]) -> list[Plan]:
    """Children know their parent and are a pair."""
    parents = [plan for plan in plans if plan.order.parent is None]
    if not parents:
        raise Refused("a bracket needs its parent: the order that the others name with parent=")
    parent, children = parents[0], [plan for plan in plans if plan.order.parent is not None]
    pair = len(children) > 1
    tied = []
    for plan in children:
        context = {**plan.context, "parent": parent.request.client_order_id}
        if pair:
            context["oco"] = children[0].request.client_order_id
        tied.append(replace(plan, context=context))
    return [*tied, *parents]
