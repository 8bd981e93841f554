"""btccxt's books beside the exchange's own: every order, fill, fee and coin, to the last digit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from btccxt.errors import BtccxtError
from btccxt.exchange.position_side import positions_of, split
from btccxt.matching.records import SimFill, SimOrder, SimStatus
from btccxt.model import ZERO, OrderKind
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.lifecycle import LifecycleState as S
from btccxt.orders.live_order import LiveOrder
from btccxt.store.store import CCXTStore
from tests.chaos.strategy import on_the_way
from tests.chaos.told import as_told, name_of
from tests.chaos.venue import ChaosVenue
from tests.chaos.wires import HttpSession

_SAME = {
    SimStatus.NEW: {S.OPEN},
    SimStatus.TRIGGER_WAITING: {S.OPEN},
    SimStatus.PARTIALLY_FILLED: {S.PARTIALLY_FILLED},
    SimStatus.FILLED: {S.FILLED},
    SimStatus.CANCELED: {S.CANCELED},
    SimStatus.EXPIRED: {S.EXPIRED},
    SimStatus.REJECTED: {S.REJECTED},
}


@dataclass(frozen=True, slots=True)
class Books:
    problems: tuple[str, ...]
    digest: tuple[str, ...]


def compare(venue: ChaosVenue, store: CCXTStore, strategy: Any) -> Books:
    """Reconciles first."""
    problems: list[str] = []
    try:
        store.books_check()
    except BtccxtError as error:
        problems.append(f"reconciliation: {error}")
    ours: dict[str, LiveOrder] = dict(store._tracker._register.orders)
    problems += _made(ours, strategy)
    problems += differences(venue, store, strategy, ours)
    problems += naked(store, {notice.about.client_order_id for notice in alarms(strategy)})
    return Books(tuple(problems), tuple(digest(venue, ours.values())))


def digest(venue: ChaosVenue, orders: Iterable[LiveOrder]) -> list[str]:
    """Every intent with its end, in the order of the intents, and the account: equal whenever a seed is replayed."""
    in_order = sorted(orders, key=lambda each: each.client_order_id)
    lines = [_line(number, order) for number, order in enumerate(in_order)]
    lines += [f"{coin} {total.normalize():f}" for coin, total in sorted(venue.totals().items())]
    held = venue.positions() or {"position": ZERO}
    return [*lines, *(f"{name} {amount.normalize():f}" for name, amount in sorted(held.items()))]


def differences(venue: ChaosVenue, store: CCXTStore, strategy: Any, ours: dict[str, LiveOrder]) -> list[str]:
    """Whatever of ``ours`` is not what the exchange's own ledger says."""
    problems: list[str] = []
    theirs, fills, balances = venue.orders(), venue.fills(), venue.totals()
    alarmed = {notice.about.client_order_id for notice in alarms(strategy)}

    problems += _once(ours, theirs) + _edited(ours, strategy.edits, venue.wire.amount_step)
    problems += [f"not at rest: {each}" for each in on_the_way(store)]
    by_id = {order.client_order_id: order for order in theirs}
    for name, order in ours.items():
        problems += _one(venue.wire, order, by_id.get(name), alarmed)
        problems += _fills(order, [fill for fill in fills if fill.client_order_id == name])
    totals = store.getbroker().ledger.totals
    for coin in sorted(set(totals) | set(balances)):
        actual = balances.get(coin, ZERO)
        if totals.get(coin, ZERO) != actual:
            problems.append(f"{coin}: btccxt has {totals.get(coin, ZERO)}, the exchange {actual}")
    problems += [f"drift was taken over: {notice}" for notice in alarms(strategy, AlarmKind.DRIFT)]
    problems += [f"a task failed: {notice}" for notice in alarms(strategy, AlarmKind.FAULT)]
    problems += _backtraders_own(venue, store, fills, ours)
    return problems


def naked(store: CCXTStore, alarmed: Collection[str | None]) -> list[str]:
    """Positions whose strategy asked for a stop, that have none, and of which nobody was told."""
    problems = []
    for group in store._open_session.emulator._groups.by_name.values():
        lacking = group.exposure - group.protected
        wanted = group.are_exits and not group.cancelled and any(leg.is_protective for leg in group.legs.values())
        if wanted and lacking > group.step and not {group.entry_name, *group.legs} & set(alarmed):
            problems.append(f"group {group.name}: {group.exposure} is open, {group.protected} protected")
    return problems


def alarms(strategy: Any, kind: AlarmKind | None = None) -> list[Any]:
    notices = [said for said in strategy.said if isinstance(getattr(said, "about", None), Alarm)]
    return [notice for notice in notices if kind is None or notice.about.kind is kind]


def _once(ours: dict[str, LiveOrder], theirs: list[SimOrder]) -> list[str]:
    """No ticket twice at the exchange, and nothing there without one."""
    problems = []
    names = [order.client_order_id for order in theirs]
    problems += [f"{name} is {names.count(name)} times at the exchange" for name in set(names) if names.count(name) > 1]
    problems += [f"the exchange has {name}, which no ticket explains" for name in set(names) - set(ours)]
    return problems


def _made(ours: dict[str, LiveOrder], strategy: Any) -> list[str]:
    """The strategy's orders and the tickets are the same set: no intent twice, none lost."""
    problems = []
    intended = [order.info["client_order_id"] for order in strategy.made if "client_order_id" in order.info]
    problems += [f"{name} stands for two intents" for name in set(intended) if intended.count(name) > 1]
    problems += [
        f"ticket {name} belongs to no intent" for name in {name_of(each) for each in ours.values()} - set(intended)
    ]
    ended = {order.info["client_order_id"] for order in strategy.made if "follows" in order.info and not order.alive()}
    problems += [f"intent {name} has no ticket" for name in set(intended) - set(ours) - ended]
    return problems


def _one(wire: HttpSession, order: LiveOrder, actual: SimOrder | None, alarmed: set[str | None]) -> list[str]:
    name, state = order.client_order_id, order.state
    if actual is None:
        never_placed = state in (S.REJECTED, S.CANCELED) or (state is S.JOURNALED and order.pending_release)
        return [] if never_placed and not order.filled else [f"{name} is {state.value}, the exchange never saw it"]
    same = _SAME[actual.status]
    if actual.status is SimStatus.EXPIRED and not wire.says_expired:
        same = _SAME[SimStatus.CANCELED]
    if state not in same and not (name in alarmed and state.is_final):
        return [f"{name} is {state.value} here and {actual.status.name} at the exchange"]
    ours, theirs = order.request, actual.request
    if ours.kind is OrderKind.LIMIT and (ours.price, ours.amount) != (theirs.price, theirs.amount):
        return [f"{name} is {ours.amount} at {ours.price} here, {theirs.amount} at {theirs.price} at the exchange"]
    return []


def _edited(ours: dict[str, LiveOrder], edits: Mapping[str, Decimal], step: Decimal) -> list[str]:
    """An order that was to be cancelled and placed anew: one of the two lives, or none."""
    problems = []
    for name, order in ours.items():
        before = ours.get(order.context.get("replaces", ""))
        if before is None:
            continue
        if order.attempts and before.state is not S.CANCELED:
            problems.append(f"{name} was sent, and {before.client_order_id}, which it follows, is {before.state.value}")
        wanted = edits.get(name, ZERO) // step * step
        if order.attempts and wanted and order.request.amount + before.filled != wanted:
            problems.append(f"{name} is {order.request.amount} after {before.filled}; {wanted} was asked for")
        if order.pending_release and not order.is_final:
            problems.append(f"{name} waits for {before.client_order_id}, which is {before.state.value}")
    return problems


def _fills(order: LiveOrder, actual: list[SimFill]) -> list[str]:
    def row(trade_id: Any, price: Decimal, amount: Decimal, fee: Any) -> tuple[Any, ...]:
        # Bybit's trade ids are UUIDs, which the embedded exchange makes of its own numbers.
        number = UUID(trade_id).int if "-" in str(trade_id) else int(trade_id)
        return number, price, amount, (fee.currency, fee.cost) if fee is not None else None

    ours = sorted(row(fill.trade_id, fill.price, fill.amount, fill.fee) for fill in order.fills.values())
    theirs = sorted(row(fill.trade_id, fill.price, fill.amount, fill.fee) for fill in actual)
    if ours == theirs:
        return []
    return [f"{order.client_order_id}: fills here {ours}, at the exchange {theirs}"]


def _backtraders_own(
    venue: ChaosVenue, store: CCXTStore, fills: list[SimFill], ours: dict[str, LiveOrder]
) -> list[str]:
    """What the strategy sees: one execution bit per fill, its position, its cash."""
    broker = store.getbroker()
    problems = []
    told = as_told(store, ours)
    for name, order in broker._own.known.items():
        live = told[name]
        if order.info.get("restored") and abs(order.executed.size) == float(live.filled):
            continue
        bits = [bit for bit in order.executed.exbits if bit.size]
        carriers = {each.client_order_id for each in ours.values() if name_of(each) == name}
        mine = [fill for fill in fills if fill.client_order_id in carriers]
        if sorted(abs(bit.size) for bit in bits) != sorted(float(fill.amount) for fill in mine):
            problems.append(f"{name}: {len(bits)} execution bits for {len(mine)} fills")
        if live.is_final == order.alive():
            problems.append(f"{name} is {live.state.value}, backtrader's order {order.getstatusname()}")
        if abs(order.executed.size) != float(live.filled):
            problems.append(f"{name}: backtrader's order executed {order.executed.size}, filled {live.filled}")
    wire, actual = venue.wire, venue.positions()
    for name in broker.books.names:
        if name not in positions_of(wire.symbol, store.markets):
            continue
        held = broker.ledger.holding(name).amount
        expected = _sum_of_fills(wire, name, fills)
        if held != expected:
            problems.append(f"{name}: position {held}, the fills add up to {expected}")
        if wire.is_contract and held != actual.get(name, ZERO):
            problems.append(f"{name}: position {held}, the exchange has {actual.get(name, ZERO)}")
    if broker.getcash() != float(broker.ledger.cash):
        problems.append(f"getcash() says {broker.getcash()}, the ledger {broker.ledger.cash}")
    return problems


def _sum_of_fills(wire: HttpSession, name: str, fills: list[SimFill]) -> Decimal:
    symbol, position_side = split(name)
    mine = [fill for fill in fills if fill.symbol == symbol and fill.position_side == position_side]
    bought = sum((fill.amount * fill.side.sign for fill in mine), ZERO)
    if wire.is_contract:
        return bought
    fees = sum((fill.fee.cost for fill in mine if fill.fee.currency == "BTC"), ZERO)
    return wire.funds.get("BTC", ZERO) + bought - fees


def _line(number: int, order: LiveOrder) -> str:
    """Without ids and times, which differ from run to run."""
    fees = ",".join(f"{coin} {cost.normalize():f}" for coin, cost in sorted(order.fees.items()))
    request = order.request
    at = request.trigger_price or request.price
    return (
        f"{number} {request.side.value} {request.kind.value} {request.amount.normalize():f}"
        f"{f' at {at.normalize():f}' if at else ''} {order.state.value} "
        f"{order.filled.normalize():f} {order.cost.normalize():f} {fees}"
    )
