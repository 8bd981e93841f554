"""From ``buy`` and ``sell`` to what is sent: native, waiting on this machine, or tied to other orders.

Runs in the strategy's thread and sends nothing. A ``Plan`` is one order ready to go; a bracket's plans are collected
until the order with ``transmit=True`` comes, as in backtrader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from btccxt.bt.order_request import Keywords, request_of
from btccxt.errors import Refused
from btccxt.model import Market, OrderFeature, OrderKind, OrderRequest, TimeInForce
from btccxt.orders.context import EMULATED, EXPIRES
from btccxt.orders.trigger import Trigger

_HERE = "waits on this machine, while the program runs: "


class Rules(Protocol):
    """What planning asks of the store; all from memory."""

    def now_ms(self) -> int: ...
    def next_client_order_id(self) -> str: ...
    def order_refusals(self, request: OrderRequest) -> tuple[str, ...]: ...
    def order_rule(self, key: OrderKind | OrderFeature) -> Any: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """One order ready to go. ``context`` is journaled with it and says what it waits for."""

    order: Any
    request: OrderRequest
    context: Mapping[str, str]
    expires_here_ms: int | None = None

    @property
    def waits(self) -> bool:
        """Not sent at once, so it binds no money yet."""
        return EMULATED in self.context or "parent" in self.context or "oco" in self.context


class Planner:
    """Plans orders and collects brackets."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._brackets: dict[int, list[Plan]] = {}  # ref of the bracket's parent -> plans so far
        self._broken: dict[int, str] = {}  # the same -> why it will not be sent

    def plan(self, order: Any, market: Market, kwargs: dict[str, Any], leader: OrderRequest | None) -> Plan:
        """Check and round one order. ``leader``: the request of the order given as ``oco``.

        Raises Refused with every reason; a bracket to which the order belongs is then broken.
        """
        try:
            return self._plan(order, market, kwargs, leader)
        except Refused as refusal:
            if _in_bracket(order):
                self._broken.setdefault(_root(order), f"another order of this bracket was refused: {refusal}")
            raise

    def _plan(self, order: Any, market: Market, kwargs: dict[str, Any], leader: OrderRequest | None) -> Plan:
        rules = self._rules
        keywords = Keywords.take_from(kwargs)
        order.addinfo(**kwargs)
        request = request_of(order, market, keywords, rules.next_client_order_id(), rules.now_ms())
        context = {"ref": str(order.ref), "tradeid": str(order.tradeid), "data": order.data._name}
        request, expires_here_ms = self._validity(order, request)
        if expires_here_ms is not None:
            context[EXPIRES] = str(expires_here_ms)
        rule = rules.order_rule(request.kind)
        if (why := rule.why_emulated(request.side.value) or rule.out_of_range(request)) is not None:
            context[EMULATED] = _HERE + why
        if leader is not None:
            if request.kind is OrderKind.MARKET:
                raise Refused("a market order cannot be one of a pair: it would end the other at once")
            context["oco"] = leader.client_order_id
        if order.parent is not None and market.is_contract and rules.order_rule(OrderFeature.REDUCE_ONLY).is_native:
            request = replace(request, reduce_only=True)  # an exit must never open the other side
        waits_as = Trigger(request).fired() if EMULATED in context else request
        if reasons := rules.order_refusals(waits_as):
            raise Refused(reasons)
        return Plan(order, request, context, expires_here_ms)

    def _validity(self, order: Any, request: OrderRequest) -> tuple[OrderRequest, int | None]:
        """Where the exchange has no good-till-date for this order, the broker cancels it when its time comes."""
        if request.expires_ms is None:
            return request, None
        rule = self._rules.order_rule(OrderFeature.GTD)
        far_enough = request.expires_ms >= self._rules.now_ms() + rule.min_ahead_s * 1000
        if request.kind is OrderKind.LIMIT and rule.is_native and far_enough:
            order.addinfo(validity="native")
            return replace(request, time_in_force=TimeInForce.GTD), None
        order.addinfo(validity="kept by btccxt: cancelled when the time comes, while the program runs")
        return replace(request, time_in_force=TimeInForce.GTC, expires_ms=None), request.expires_ms

    # -------------------------------------------------------------- brackets

    def collect(self, plan: Plan) -> list[Plan]:
        """What is to be sent now: this order, a whole bracket (children first, held), or nothing yet."""
        order = plan.order
        if not _in_bracket(order):
            return [plan]
        root = _root(order)
        plans = self._brackets.setdefault(root, [])
        plans.append(plan)
        if not order.transmit:
            return []
        del self._brackets[root]
        return _tied(plans)

    def give_up(self, order: Any) -> tuple[list[Plan], str]:
        """If the order completes a bracket that is broken: its plans so far, and why none of them is sent."""
        root = _root(order)
        if not _in_bracket(order) or not order.transmit or root not in self._broken:
            return [], ""
        return self._brackets.pop(root, []), self._broken.pop(root)

    def is_broken(self, order: Any) -> bool:
        return _root(order) in self._broken


def _in_bracket(order: Any) -> bool:
    return order.parent is not None or not order.transmit


def _root(order: Any) -> int:
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
