"""Asking for one order until the answer means something, and cancelling one until it is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from btccxt.errors import ExchangeUnavailable, Fatal, OrderNotFound, RateLimited, Refused, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import OrderReference, OrderStatus, OrderUpdate, Origin
from btccxt.orders.events import Alarm, AlarmKind, Gone, Noted
from btccxt.orders.fills import FillFetcher
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.register import OrderRegister


async def find_order(exchange: ExchangeAPI, order: LiveOrder, policy: TrackerPolicy) -> OrderUpdate:
    """What the exchange says of ``order`` now.

    Raises OrderNotFound only after explicit answers: from the exchange itself, or from its complete lists where it
    cannot be asked for a client order id. Every other error passes through and proves nothing.
    """
    if order.order_id is not None or policy.query_by_client_id:
        try:
            return await _fetch(exchange, order)
        except Unsupported:
            pass  # not by this id; the lists remain
    return await _search_lists(exchange, order, policy)


async def _fetch(exchange: ExchangeAPI, order: LiveOrder) -> OrderUpdate:
    reference = order.reference
    try:
        return await exchange.fetch_order(reference)
    except OrderNotFound:
        if not reference.conditional:
            raise
        # A trigger that fired may have left the book of triggers; its child often keeps the client order id.
        return await exchange.fetch_order(replace(reference, conditional=False))


async def _search_lists(exchange: ExchangeAPI, order: LiveOrder, policy: TrackerPolicy) -> OrderUpdate:
    since_ms = (order.sent_ms or order.created_ms) - policy.fills_overlap_ms
    # Open first, closed second: an order that closes in between is in the second list. Then trades, which some
    # exchanges show before they show the order.
    for update in await exchange.fetch_open_orders(order.symbol):
        if _is(order, update.client_order_id, update.order_id):
            return update
    try:
        closed = await exchange.fetch_closed_orders(order.symbol, since_ms)
    except Unsupported:
        closed = []
    for update in closed:
        if _is(order, update.client_order_id, update.order_id):
            return update
    try:
        trades = await exchange.fetch_my_trades(order.symbol, since_ms)
    except Unsupported:
        trades = []
    fills = tuple(
        replace(fill, client_order_id=order.client_order_id)
        for fill in trades
        if _is(order, fill.client_order_id, fill.order_id)
    )
    if fills:
        return OrderUpdate(
            symbol=order.symbol,
            status=OrderStatus.UNKNOWN,
            origin=Origin.QUERY,
            order_id=fills[0].order_id,
            client_order_id=order.client_order_id,
            fills=fills,
        )
    raise OrderNotFound(f"{order.client_order_id} is in none of the exchange's lists for {order.symbol}")


def _is(order: LiveOrder, client_order_id: str | None, order_id: str | None) -> bool:
    return client_order_id == order.client_order_id or (order_id is not None and order_id == order.order_id)


_BELIEVE_FATAL_AFTER = 3  # in a row, of one cancel


class Inquiry:
    """Lives in the session loop."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        register: OrderRegister,
        fills: FillFetcher,
        policy: TrackerPolicy,
        alarm: Callable[[Alarm], None],
    ) -> None:
        self._exchange = exchange
        self._register = register
        self._fills = fills
        self._policy = policy
        self._alarm = alarm
        self._cancelling: set[str] = set()

    async def ask(self, client_order_id: str) -> OrderUpdate | None:
        """Apply what the exchange says of an order that it knew before, and return it; None if it says nothing.

        Some exchanges forget orders that ended without a trade. So "not found" ends the order, but only when it was
        said explicitly ``not_found_answers`` times, over no less than the exchange's visibility delay, and its trades
        have been asked for. Raises the exchange's errors.
        """
        register, policy = self._register, self._policy
        loop = asyncio.get_running_loop()
        began = loop.time()
        pause_s, answers = 0.1, 0
        while True:
            order = register[client_order_id]
            try:
                update = await find_order(self._exchange, order, policy)
            except OrderNotFound as error:
                answers += 1
                left_s = began + policy.visibility_delay_s - loop.time()
                if answers < policy.not_found_answers or left_s > 0:
                    last = answers >= policy.not_found_answers - 1  # one more answer, once the delay is over
                    if await register.wait(client_order_id, _is_closed, max(pause_s, left_s) if last else pause_s):
                        return None
                    pause_s *= 2
                    continue
                await self._fills.fetch(order.symbol, order.created_ms - policy.fills_overlap_ms)
                if not _is_closed(register[client_order_id]):
                    why = f"no longer known to the exchange ({answers} explicit answers: {error})"
                    register.apply(client_order_id, Gone(why))
                return None
            register.apply(client_order_id, update)
            return update

    async def take_off(self, client_order_id: str) -> bool:
        """Cancel an order at the exchange whatever is believed of it here; True when the exchange says it has ended."""
        register, policy = self._register, self._policy
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline = began + policy.cancel_total_s
        pause_s = policy.cancel_push_wait_s
        while loop.time() < deadline:
            if await self._request_cancel(client_order_id) is None:
                return False
            await asyncio.sleep(pause_s)
            pause_s = min(policy.max_backoff_s, max(pause_s, 0.05) * 2)
            try:
                update = await find_order(self._exchange, register[client_order_id], policy)
            except OrderNotFound:
                if loop.time() - began >= policy.visibility_delay_s:
                    return True
                continue
            except Exception as error:  # noqa: BLE001 - proves nothing; the next round asks again
                register.apply(client_order_id, Noted(f"confirming the cancel: {type(error).__name__}: {error}"))
                continue
            register.apply(client_order_id, update)
            if update.status.is_final:
                return True
        return False

    async def cancel(self, client_order_id: str) -> None:
        """Ask for a cancel and follow it until the order has ended, one way or the other; a fill may win the race.

        After ``cancel_total_s`` an alarm is raised and reconciliation goes on watching. One per order at a time.
        """
        if client_order_id in self._cancelling:
            return
        self._cancelling.add(client_order_id)
        try:
            await self._cancel(client_order_id)
        finally:
            self._cancelling.discard(client_order_id)

    async def _cancel(self, client_order_id: str) -> None:
        register, policy = self._register, self._policy
        loop = asyncio.get_running_loop()
        deadline = loop.time() + policy.cancel_total_s
        # What is not known to have arrived cannot be cancelled for certain; whoever sends it finds out.
        await register.wait(client_order_id, lambda order: order.acknowledged or order.is_final, policy.cancel_total_s)
        pause_s, fatal = policy.cancel_push_wait_s, 0
        while not _is_closed(register[client_order_id]) and loop.time() < deadline:
            try:
                wait_s, fatal = await self._request_cancel(client_order_id), 0
            except Fatal as error:  # believed when it is said again: one odd answer may look like anything
                fatal += 1
                text = f"order {client_order_id} cannot be cancelled: {error}"
                register.apply(client_order_id, Noted(text))
                if fatal == 1:
                    self._alarm(Alarm(AlarmKind.CANCEL_UNCONFIRMED, text, client_order_id))
                if fatal == _BELIEVE_FATAL_AFTER:
                    return
                wait_s = 0.0
            if await register.wait(client_order_id, _is_closed, max(pause_s, wait_s)):
                return
            pause_s = min(policy.max_backoff_s, max(pause_s, 0.05) * 2)
            try:
                await self.ask(client_order_id)
            except Exception as error:  # noqa: BLE001 - proves nothing; the next round asks again
                register.apply(client_order_id, Noted(f"confirming the cancel: {type(error).__name__}: {error}"))
        if not _is_closed(register[client_order_id]):
            order = register[client_order_id]
            text = (
                f"cancel of order {client_order_id} ({order.symbol}) is not confirmed after {policy.cancel_total_s:g} s"
            )
            register.apply(client_order_id, Noted(text))
            self._alarm(Alarm(AlarmKind.CANCEL_UNCONFIRMED, text, client_order_id))

    async def _send_cancel(self, reference: OrderReference) -> OrderUpdate:
        try:
            return await self._exchange.cancel_order(reference)
        except OrderNotFound:
            if not reference.conditional:
                raise
            # A trigger that has fired is an ordinary order by now, on many exchanges under the same id.
            return await self._exchange.cancel_order(replace(reference, conditional=False))

    async def _request_cancel(self, client_order_id: str) -> float:
        """Seconds to wait before asking. Raises Fatal where cancelling is said to be impossible."""
        register = self._register
        try:
            register.apply(client_order_id, await self._send_cancel(register[client_order_id].reference))
        except OrderNotFound:
            return 0.0  # ended already, or never there: asking tells
        except (RateLimited, ExchangeUnavailable) as error:
            return error.retry_after_s or 0.0
        except Fatal:
            raise
        except Refused as refused:
            register.apply(client_order_id, Noted(f"cancel refused: {refused}"))
        except Exception as error:  # noqa: BLE001 - the cancel may or may not have arrived; asking tells
            register.apply(client_order_id, Noted(f"no clear answer to the cancel: {type(error).__name__}: {error}"))
        return 0.0


def _is_closed(order: LiveOrder) -> bool:
    """Ended at the exchange, though trades may still be on their way."""
    return order.is_final or bool(order.reported_terminal)
