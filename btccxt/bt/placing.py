"""From ``buy()`` to the store: all that may keep an order from leaving is asked here, once, and all of it is told.

Rules of exchange and market, warm-up, risk limits, funds. An order whose funds are only being freed is journaled, held
for a bounded time, and then sent, or ends. Lives in the strategy's thread; waits for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from btccxt.bt.closing import Closing, Guards
from btccxt.bt.compat import bt
from btccxt.bt.order_plan import Plan, Planner, Situation, in_bracket
from btccxt.bt.order_request import write_back
from btccxt.bt.order_text import order_text
from btccxt.bt.orders import OrderStore
from btccxt.bt.ports import OrderDesk, PlacingBroker
from btccxt.bt.position_names import position_of
from btccxt.bt.risk_desk import RiskDesk
from btccxt.bt.warmup import BarAges
from btccxt.bt.warmup_policy import WarmUp
from btccxt.model import ZERO, Market, OrderRequest, Side, decimal_of
from btccxt.orders import funds, risk
from btccxt.orders.context import EMULATED, FIRES, FUNDS

FUNDS_WAIT_S = 60.0  # of this computer: as long as a cancel may take to be confirmed


@dataclass(slots=True)
class _Waiting:
    """Plans that go together once their funds are free."""

    plans: list[Plan]
    until_s: float


class OrderPlacement:
    """One per run of a broker."""

    def __init__(
        self, broker: PlacingBroker, own: OrderStore, ages: BarAges, desk: RiskDesk, orders_out: OrderDesk,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._broker = broker
        self._store = broker.store
        self._ledger = broker.ledger
        self._own = own
        self._ages = ages
        self._desk = desk
        self._monotonic = monotonic
        self._orders = orders_out
        self._markets = orders_out.markets
        self._planner = Planner(orders_out)
        self._closing = Closing(own)
        self._unsent: list[Plan] = []  # orders of a bracket that is broken
        self._waiting: list[_Waiting] = []

    # -------------------------------------------------------------- one order

    def place(self, order: bt.Order, kwargs: dict[str, Any], reasons: list[str]) -> bt.Order:
        """Check everything, and send what may go. ``reasons``: what is known to be wrong already."""
        broker = self._broker
        self._own.note(order)
        order.addcomminfo(broker.getcommissioninfo(order.data))
        order.submit(broker)
        plan, kind = None, "rules"
        if (why := broker.why_not_tradable(order.data)) is not None:
            reasons.append(why)
        elif (name := position_of(order, kwargs, self._markets, reasons)) is not None:
            market = self._markets[name]
            situation = self._situation(order, market)
            plan = self._plan(order, market, kwargs, situation, reasons)
            if plan is not None:
                kind = self._check_desk(order, plan.request, situation, kind if reasons else "risk", reasons)
        if plan is None or reasons:
            self._planner.break_bracket(order, "; ".join(reasons))
            broker.notify(order)
            self._reject(order, tuple(dict.fromkeys(reasons)), kind)
        else:
            write_back(order, plan.request)
            self._take(order, plan)
        if in_bracket(order):
            self._give_up_bracket(order)
        return order

    def _plan(
        self, order: bt.Order, market: Market, kwargs: dict[str, Any], situation: Situation, reasons: list[str]
    ) -> Plan | None:
        oco = order.oco
        leader = self._tied_to(oco, "oco", reasons) if oco is not None else None
        parent = None
        if order.parent is not None and not isinstance(order.parent, bt.Order):
            self._tied_to(order.parent, "parent", reasons)
            order.parent = None
        if order.parent is not None and not self._planner.is_collecting(order.parent):
            parent = self._tied_to(order.parent, "parent", reasons)
        if oco is not None and leader is not None and not market.is_contract and "closes" in oco.info:
            what = oco.info.closes.partition(":")[0]
            reasons.append(f"oco: order {oco.ref} shares coins ({what}), so it cannot be of a pair: cancel those first")
        return self._planner.plan(order, market, kwargs, leader, situation, parent, reasons)

    def _tied_to(self, other: bt.Order, word: str, reasons: list[str]) -> OrderRequest | None:
        """The intent of the order given as ``oco`` or ``parent``."""
        if not isinstance(other, bt.Order):
            reasons.append(f"{word}={other!r}: give the order that buy() or sell() returned")
            return None
        if (request := self._own.request(other)) is not None:
            return request
        what = "a bracket needs its parent" if word == "parent" else word
        reasons.append(f"{what}: order {other.ref} has ended already, or was never sent")
        return None

    def _situation(self, order: bt.Order, market: Market) -> Situation:
        symbol, ledger = market.symbol, self._ledger
        held = ledger.holding(symbol).amount
        side = Side.BUY if order.isbuy() else Side.SELL
        entering = self._own.some_open(symbol, side.opposite)
        sellable, guards = None, Guards()
        if order.parent is None and (side is Side.SELL or market.is_contract):
            total = ledger.totals.get(market.base, ZERO)
            guards = self._closing.guards(market, side, held, total, self._markets)
            if not market.is_contract and order.size:
                exits = {each.ref for each in self._closing.exits(market, side)} if guards.groups else ()
                others = self._own.open_orders(without_ending=True, without=exits)
                taken = funds.bound(market.base, others, self._markets)
                sellable = funds.sellable(_amount(order), total, taken, ledger.coin_fees(symbol))
        return Situation(self._broker.latest_price(order.data), held, entering, sellable, guards)

    def _check_desk(
        self, order: bt.Order, request: OrderRequest, situation: Situation, kind: str, reasons: list[str]
    ) -> str:
        """Warm-up, then risk limits. What was placed by hand (``owner=None``) comes of no bar."""
        reduces = risk.reduces(request.side, request.amount, situation.position)
        exits = order.parent is not None or request.reduce_only or reduces
        if self._ages.policy.warmup is not WarmUp.SEND and order.owner is not None:
            why = self._ages.why_old(order.data)
            if why is not None and not (exits and self._ages.has_been_live(order.data)):
                reasons.append(why)
                self._ages.refused(order)
                return "warmup"
        refusals = self._desk.refusals(request, situation.price, exits, self._own)
        reasons.extend(refusals)
        return kind if refusals or reasons else "rules"

    # -------------------------------------------------------------- brackets

    def _take(self, order: bt.Order, plan: Plan) -> None:
        if self._planner.is_broken(order):
            self._unsent.append(plan)
            return
        tied = {plan.context.get("parent"), plan.context.get("oco")} - {None}
        batch = self._batch_of(tied) if tied and self._waiting else None
        if batch is not None:  # what it hangs on waits for its funds
            batch.plans.append(self._hold(plan, batch.plans[0].context[FUNDS]))
            return
        plans = self._planner.collect(plan)
        if plans:
            self._pay(plans)

    def _batch_of(self, names: set[str | None]) -> _Waiting | None:
        return next((each for each in self._waiting if names & {p.request.client_order_id for p in each.plans}), None)

    def _give_up_bracket(self, order: bt.Order) -> None:
        plans, why = self._planner.give_up(order)
        for plan in (*plans, *(self._unsent if why else ())):
            self._broker.notify(plan.order)
            self._reject(plan.order, (why,), "bracket")
        if why:
            self._unsent.clear()

    # -------------------------------------------------------------- funds

    def _pay(self, plans: Sequence[Plan]) -> None:
        """Send plans that go together if they can be paid; all of them wait, or none is sent, where they cannot."""
        verdict = self._judge(plans, self._waiting)
        for plan in plans:
            plan.order.addinfo(**_what_is_special(plan))
        if isinstance(verdict, funds.Enough):
            self._send(plans)
            return
        if isinstance(verdict, funds.Missing):
            for plan in plans:
                self._broker.notify(plan.order)
            self._margin(plans, verdict.why)
            return
        held = [self._hold(plan, verdict.why) for plan in plans]
        self._waiting.append(_Waiting(held, self._monotonic() + FUNDS_WAIT_S))

    def _judge(self, plans: Sequence[Plan], before: Sequence[_Waiting]) -> funds.Enough | funds.WaitFor | funds.Missing:
        payer = _payer(plans)
        if payer is None:
            return funds.Enough()
        waiting = (_reserved(plan) for each in before for plan in each.plans)
        orders = [*self._own.open_orders(), *self._closing.reserved(), *waiting]
        price = decimal_of(payer.order.created.price)
        return funds.judge(payer.request, price, self._ledger.totals, orders, self._markets)

    def _send(self, plans: Sequence[Plan]) -> None:
        for plan in plans:
            self._hand_over(plan, waits=plan.waits)
            if plan.shares:
                self._closing.sent(plan.order, dict(plan.shares))
            self._desk.sent()
            self._broker.notify(plan.order)

    def _hold(self, plan: Plan, why: str) -> Plan:
        """In the journal, so that a life to come can tell what became of it; it is sent by this one alone."""
        plan = replace(plan, context={**plan.context, FUNDS: why})
        plan.order.addinfo(waits_for=why)
        self._hand_over(plan, waits=True)
        self._broker.notify(plan.order)
        return plan

    def _hand_over(self, plan: Plan, *, waits: bool) -> None:
        order, request = plan.order, plan.request
        order.addinfo(client_order_id=request.client_order_id)
        fires_ms = int(plan.context[FIRES]) if FIRES in plan.context else None
        self._own.add(order, request, waits=waits, expires_ms=plan.expires_here_ms, fires_ms=fires_ms)
        self._orders.submit(request, plan.context)  # before all else that can wait

    def _margin(self, plans: Sequence[Plan], why: str) -> None:
        """Whoever pays cannot; what hangs on it goes with it."""
        for plan in plans:
            said = why if not plan.waits else f"its entry was not sent: {why}"
            plan.order.addinfo(reasons=(said,))
            self._withdraw(plan, said)
            if plan.waits:
                plan.order.cancel()
            else:
                plan.order.margin()
            self._store.order_refused("funds", order_text(plan.order), (why,))
            self._broker.notify(plan.order)

    # -------------------------------------------------------------- what waits for its funds

    def look_at_waiting(self) -> None:
        """Send what can be paid by now; give up what cannot any more, or has waited for too long."""
        before, self._waiting = self._waiting, []
        for each in before:
            payer = _payer(each.plans)
            if payer is None or not payer.order.alive():  # its time was over, or the journal did not take it
                self._end_held(each.plans, "not sent: the order that it belongs to has ended", bt.Order.cancel)
                continue
            each.plans = [plan for plan in each.plans if plan.order.alive()]
            verdict = self._judge(each.plans, self._waiting)
            if isinstance(verdict, funds.Missing):
                self._margin(each.plans, verdict.why)
            elif isinstance(verdict, funds.Enough):
                self._let_go(each.plans, payer)
            elif self._monotonic() >= each.until_s:
                self._margin(each.plans, f"{verdict.why}; that had not come after {FUNDS_WAIT_S:g} s")
            else:
                self._waiting.append(each)

    def _let_go(self, plans: Sequence[Plan], payer: Plan) -> None:
        refusals = self._desk.forbidden(payer.request, self._own)
        if refusals:  # the trading state has changed meanwhile
            self._end_held(plans, "; ".join(refusals), lambda order: order.reject(self._broker))
            return
        for plan in plans:
            plan.order.addinfo(waited_for=plan.order.info.pop("waits_for", None))
            self._own.set_waiting(plan.order, plan.waits)
            self._orders.funds_came(plan.request, plan.context)
            self._desk.sent()

    def cancel_waiting(self, order: bt.Order) -> bool:
        """Take back an order that has not left, with what hangs on it. False if it does not wait here."""
        for each in self._waiting:
            if any(plan.order.ref == order.ref for plan in each.plans):
                self._waiting.remove(each)
                self._end_held(each.plans, "cancelled before it was sent", bt.Order.cancel)
                return True
        return False

    def give_up_waiting(self, why: str) -> None:
        """The run ends: what has not left does not leave any more."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self._end_held(each.plans, why, bt.Order.cancel)

    def _end_held(self, plans: Sequence[Plan], why: str, end: Callable[[bt.Order], object]) -> None:
        for plan in plans:
            if plan.order.alive():
                plan.order.addinfo(reasons=(why,))
                self._withdraw(plan, why)
                end(plan.order)
                self._broker.notify(plan.order)

    def _withdraw(self, plan: Plan, why: str) -> None:
        name = plan.request.client_order_id
        if self._own.is_open(name):
            self._own.end(plan.order, name)
            self._orders.withdraw(name, why)

    # -------------------------------------------------------------- refusing

    def _reject(self, order: bt.Order, reasons: tuple[str, ...], kind: str) -> None:
        self._store.order_refused(kind, order_text(order), reasons)
        order.addinfo(reasons=reasons)
        order.reject(self._broker)
        self._broker.notify(order)


def _payer(plans: Sequence[Plan]) -> Plan | None:
    """What binds money at once, of orders that go together."""
    return next((plan for plan in plans if not plan.waits), None)


def _amount(order: bt.Order) -> Decimal:
    return decimal_of(abs(order.size))


def _reserved(plan: Plan) -> funds.OpenOrder:
    """An order that waits for its funds takes them from those that come after it."""
    price = decimal_of(plan.order.created.price)
    return funds.OpenOrder(plan.request, plan.request.amount, price, waits=plan.waits)


def _what_is_special(plan: Plan) -> dict[str, str]:
    """For ``order.info``."""
    said = {"emulated": plan.context[EMULATED]} if EMULATED in plan.context else {}
    if plan.shares:
        parts = ", ".join(f"{amount.normalize():f} of {group}" for group, amount in plan.shares.items())
        said["closes"] = f"{parts}: the exits of what it closes make way for it"
    return said
