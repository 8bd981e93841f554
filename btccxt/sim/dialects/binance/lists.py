"""Binance's order lists (OCO, OTO, OTOCO): their numbers, names, states and events, on top of the engine's lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from btccxt.matching.records import EngineReject, NewOrder, RejectCode, SimOrder, SimStatus
from btccxt.sim.dialects.base import Venue
from btccxt.sim.dialects.binance import order_format as fmt
from btccxt.sim.dialects.binance.errors import error, refused, wrong_relation
from btccxt.sim.dialects.binance.protocol import Call


@dataclass(slots=True)
class _OrderList:
    number: int
    client_id: str
    account: str
    symbol: str
    order_ids: tuple[str, ...]
    contingency: str  # 'OCO', or 'OTO' for all lists with pending orders
    done: bool = False


class OrderLists:
    """The engine names a list by text; Binance by a number and a client id."""

    def __init__(
        self,
        prefix: str,
        venue: Venue,
        ids: Mapping[str, str],
        new_client_id: Callable[[], str],
        tell: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        """``prefix`` of the engine's list ids; ``ids``: own ids by symbol; ``tell`` sends an account an event."""
        self._prefix = prefix
        self._venue = venue
        self._ids = ids
        self._new_client_id = new_client_id
        self._send = tell
        self._lists: dict[int, _OrderList] = {}
        self._numbers: dict[str, int] = {}  # by the engine's list id; lists of other dialects are not here
        self._by_order: dict[str, int] = {}
        self._last_number = 0
        self._placing = False

    def number_of(self, order: SimOrder) -> int:
        return -1 if order.list_id is None else self._numbers.get(order.list_id, -1)

    def number_of_id(self, order_id: str) -> int:
        return self._by_order.get(order_id, -1)

    def place(self, call: Call, own_id: str, legs: Sequence[NewOrder], response_type: str) -> dict[str, Any]:
        """An OCO list."""

        def submit(orders: Sequence[NewOrder]) -> tuple[SimOrder, ...]:
            return self._venue.engine.submit_list(call.owner, orders, call.now_ms)

        return self._place(call, own_id, "OCO", legs, response_type, submit)

    def place_with_pending(
        self, call: Call, own_id: str, orders: Sequence[NewOrder], response_type: str
    ) -> dict[str, Any]:
        """An OTO or OTOCO list: the working order comes first."""

        def submit(named: Sequence[NewOrder]) -> tuple[SimOrder, ...]:
            return self._venue.engine.submit_with_pending(call.owner, named[0], named[1:], call.now_ms)

        return self._place(call, own_id, "OTO", orders, response_type, submit)

    def _place(
        self,
        call: Call,
        own_id: str,
        contingency: str,
        orders: Sequence[NewOrder],
        response_type: str,
        submit: Callable[[Sequence[NewOrder]], tuple[SimOrder, ...]],
    ) -> dict[str, Any]:
        client_id = call.client_id("listClientOrderId") or self._new_client_id()
        number = self._last_number = self._last_number + 1
        list_id = f"{self._prefix}-{number}"
        self._numbers[list_id] = number  # known before the first report of an order
        self._placing = True
        try:
            placed = submit([replace(order, list_id=list_id) for order in orders])
        except EngineReject as reject:
            if contingency == "OCO" and reject.code in (RejectCode.WOULD_TAKE, RejectCode.WOULD_TRIGGER):
                raise wrong_relation() from None
            raise refused(reject) from None
        finally:
            self._placing = False
        ids = tuple(order.order_id for order in placed)
        known = _OrderList(number, client_id, call.owner, placed[0].symbol, ids, contingency)
        self._lists[number] = known
        self._by_order.update(dict.fromkeys(ids, number))
        self._tell(known, placed)
        answer = self._describe(known, placed)
        self.on_order(placed[0])
        reports = [fmt.order_placed(own_id, order, number, [], response_type) for order in placed]
        return {**answer, "orderReports": reports}

    def canceled(self, order: SimOrder, cancel_id: str) -> dict[str, Any]:
        """The answer to a cancel that took this leg and with it the list."""
        canceled = self._lists[self.number_of(order)]
        own_id, orders = self._ids[order.symbol], self._orders(canceled)
        gone = [each for each in orders if each.status is SimStatus.CANCELED]
        reports = [fmt.order_canceled(own_id, each, canceled.number, cancel_id) for each in gone]
        return {**self._describe(canceled, orders), "orderReports": reports}

    def state(self, account: str, number: int | None, client_id: str | None) -> dict[str, Any]:
        found = self._find(account, number, client_id)
        if found is None:
            raise error(-2013, "Order list does not exist.")
        return self._describe(found, self._orders(found))

    def states(self, account: str, open_only: bool) -> list[dict[str, Any]]:
        return [
            self._describe(known, self._orders(known))
            for known in self._lists.values()
            if known.account == account and not (open_only and known.done)
        ]

    def open_leg(self, account: str, number: int | None, client_id: str | None) -> SimOrder | None:
        found = self._find(account, number, client_id)
        if found is None:
            return None
        return next((order for order in self._orders(found) if order.is_open), None)

    def on_order(self, order: SimOrder) -> None:
        """After each change of an order: a list is done when its last leg is."""
        known = self._lists.get(self.number_of(order))
        if known is None or known.done or self._placing:
            return
        orders = self._orders(known)
        if not any(leg.is_open for leg in orders):
            known.done = True
            self._tell(known, orders)

    def _find(self, account: str, number: int | None, client_id: str | None) -> _OrderList | None:
        for known in reversed(self._lists.values()):
            if known.account == account and (known.number == number or known.client_id == client_id):
                return known
        return None

    def _orders(self, known: _OrderList) -> list[SimOrder]:
        engine = self._venue.engine
        return [engine.order(known.account, symbol=known.symbol, order_id=order_id) for order_id in known.order_ids]

    def _describe(self, known: _OrderList, orders: Sequence[SimOrder]) -> dict[str, Any]:
        return fmt.order_list(
            self._ids[known.symbol], known.number, known.contingency, known.client_id, orders, known.done
        )

    def _tell(self, known: _OrderList, orders: Sequence[SimOrder]) -> None:
        own_id, now_ms = self._ids[known.symbol], self._venue.now_ms()
        event = fmt.list_event(own_id, known.number, known.contingency, known.client_id, orders, known.done, now_ms)
        self._send(known.account, event)
