"""Changing an order: natively where the exchange can, else by cancelling and placing the rest anew, said on it.

An edit is an intent: it is on disk before anything of it is sent, and so is the order that is to follow a cancel, held
until then. So a program that ends in between finds out, or goes on, at its next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from weakref import WeakValueDictionary

from btccxt.errors import Fatal, JournalError, OrderNotFound, Refused, Retryable, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import ZERO, OrderRequest, OrderUpdate
from btccxt.orders.events import Alarm, AlarmKind, Amended, Noted, Rejection
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.queries import Inquiry, find_order
from btccxt.orders.register import OrderRegister

Submit = Callable[[OrderRequest, Mapping[str, str]], None]
Release = Callable[[str, OrderRequest], None]
Withdraw = Callable[[str], None]
_OF_THE_FIRST_ALONE = frozenset({"parent", "watch"})  # what it waited for before it was sent


class Editing:
    """Lives in the session loop. ``submit`` journals an order and holds it, ``release`` sends, ``withdraw`` ends it.

    ``next_sequence()``: of the next client order id.
    """

    def __init__(
        self,
        exchange: ExchangeAPI,
        register: OrderRegister,
        journal: Journal,
        inquiry: Inquiry,
        policy: TrackerPolicy,
        now_ms: Callable[[], int],
        submit: Submit,
        release: Release,
        withdraw: Withdraw,
        next_sequence: Callable[[], int],
        alarm: Callable[[Alarm], None],
    ) -> None:
        self._exchange = exchange
        self._register = register
        self._journal = journal
        self._inquiry = inquiry
        self._policy = policy
        self._now_ms = now_ms
        self._submit = submit
        self._release = release
        self._withdraw = withdraw
        self._next_sequence = next_sequence
        self._alarm = alarm
        self._unfinished: dict[str, OrderRequest] = {}  # from before a restart
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def edit(self, client_order_id: str, request: OrderRequest, follows: bool = False) -> None:
        """Make the order what ``request`` says; its ``client_order_id`` is used where a new order has to be placed.

        ``request.amount`` is the whole amount, what is filled already included. Edits of one order are done one after
        the other: of two on their way the exchange would choose the last. ``follows``: as in ``OrderTracker.edit``.
        """
        async with self._turn_of(client_order_id):
            if await self._may_edit(client_order_id, request):
                await self._edit(client_order_id, request)
            elif follows:
                self.nothing_follows(request, f"order {client_order_id} could not be changed any more")

    def nothing_follows(self, request: OrderRequest, why: str) -> None:
        """The strategy waits for an order that will not be placed: told so."""
        now_ms = self._now_ms()
        self._register.add(LiveOrder(request=request, created_ms=now_ms, updated_ms=now_ms))
        self._register.apply(request.client_order_id, Rejection((f"edit not done: {why}",)))

    def _turn_of(self, client_order_id: str) -> asyncio.Lock:
        return self._turns.setdefault(client_order_id, asyncio.Lock())

    async def _may_edit(self, client_order_id: str, request: OrderRequest) -> bool:
        """Whether the order lives, and what it is to become is on disk; else the reason is noted on it."""
        register = self._register
        await register.wait(
            client_order_id, lambda live: live.acknowledged or live.is_final, self._policy.resolve_total_s
        )
        order = register[client_order_id]
        if order.is_final or not order.acknowledged:
            register.apply(client_order_id, Noted(f"edit not done: the order is {order.state.value}"))
            return False
        try:
            await asyncio.wrap_future(self._journal.keep_edit(client_order_id, request, self._next_sequence()))
        except JournalError as error:
            register.apply(client_order_id, Noted(f"edit not done: {error}"))
            return False
        return True

    async def _edit(self, client_order_id: str, request: OrderRequest) -> None:
        register = self._register
        register.alias(request.client_order_id, client_order_id)
        try:
            update = await self._exchange.edit_order(register[client_order_id].reference, request)
        except Unsupported:
            register.drop_alias(request.client_order_id)
            await self._replace(client_order_id, request)
        except (Refused, Retryable, Fatal) as error:
            self._end(client_order_id, f"edit refused, the order stands as it was: {error}")
        except Exception as error:  # noqa: BLE001 - it may have been done; the order itself tells
            await self._find_out(client_order_id, request, f"{type(error).__name__}: {error}")
        else:
            self._amended(client_order_id, request, update, "edited natively")

    # -------------------------------------------------------------- after a restart

    async def restore(self) -> None:
        """Before journal and exchange are compared: what the last life had begun to change is found out."""
        self._unfinished = await asyncio.wrap_future(self._journal.edits())
        for client_order_id, request in list(self._unfinished.items()):
            follows = await self._bring_back(request.client_order_id)
            if not await self._bring_back(client_order_id) or (
                follows and not self._register[request.client_order_id].pending_release
            ):
                del self._unfinished[client_order_id]  # it had come to its end
                self._journal.edit_ended(client_order_id)
            elif not follows:
                self._register.alias(request.client_order_id, client_order_id)
                await asyncio.sleep(self._policy.visibility_delay_s)
                if await self._look(client_order_id, request, _ENDED):
                    del self._unfinished[client_order_id]

    async def resume(self) -> None:
        """Once all is compared: go on with what is not finished."""
        for client_order_id, request in self._unfinished.items():
            async with self._turn_of(client_order_id):
                if request.client_order_id in self._register:
                    await self._finish_replacing(client_order_id, request)
                else:
                    await self._find_out(client_order_id, request, _ENDED)

    async def _bring_back(self, client_order_id: str) -> bool:
        if client_order_id in self._register:
            return True
        stored = await asyncio.wrap_future(self._journal.load_order(client_order_id=client_order_id))
        if stored is not None:
            self._register.restore(stored)
        return stored is not None

    # -------------------------------------------------------------- natively

    async def _find_out(self, client_order_id: str, request: OrderRequest, why: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._policy.resolve_total_s
        pause_s = max(self._policy.resolve_first_s, self._policy.visibility_delay_s)
        while loop.time() < deadline:
            await asyncio.sleep(pause_s)
            if await self._look(client_order_id, request, why):
                return
            pause_s = min(self._policy.max_backoff_s, max(pause_s, 0.05) * 2)
        order = self._register[client_order_id]
        text = (
            f"order {client_order_id} ({order.symbol}): it is not known whether the change to {request.amount} at "
            f"{request.price} was made, after asking for {self._policy.resolve_total_s:g} s; the next start "
            "asks again: look at the exchange"
        )
        self._register.apply(client_order_id, Noted(text))
        self._alarm(Alarm(AlarmKind.OUTCOME_UNKNOWN, text, client_order_id))

    async def _look(self, client_order_id: str, request: OrderRequest, why: str) -> bool:
        register = self._register
        try:
            update = await self._ask(client_order_id, request)
        except Exception as error:  # noqa: BLE001 - proves nothing; the next start asks again, if nobody does before
            text = f"it is not known whether the edit was done ({why}; asking: {type(error).__name__})"
            register.apply(client_order_id, Noted(text))
            return False
        if update.price == request.price and update.amount == request.amount:
            self._amended(client_order_id, request, update, f"edited natively (found out by asking: {why})")
        else:
            register.apply(client_order_id, update)
            self._end(client_order_id, f"edit not done ({why})")
        return True

    async def _ask(self, client_order_id: str, request: OrderRequest) -> OrderUpdate:
        """Some exchanges give an edited order the edit's client order id, some a new id of theirs, some keep both."""
        order = self._register[client_order_id]
        for known_as in (replace(order, request=request, order_id=None), replace(order, order_id=None)):
            try:
                return await find_order(self._exchange, known_as, self._policy)
            except OrderNotFound:
                continue
        return await find_order(self._exchange, order, self._policy)

    def _amended(self, client_order_id: str, request: OrderRequest, update: OrderUpdate, how: str) -> None:
        kept = replace(request, client_order_id=client_order_id)
        self._register.apply(client_order_id, Amended(kept, update.order_id, how))
        self._register.apply(client_order_id, update)
        self._journal.edit_ended(client_order_id)

    # -------------------------------------------------------------- by cancelling and placing anew

    async def _replace(self, client_order_id: str, request: OrderRequest) -> None:
        register = self._register
        follows = request.client_order_id
        how = f"edit: the exchange cannot change orders, so this one is cancelled and {follows} follows"
        context = {
            key: value for key, value in register[client_order_id].context.items() if key not in _OF_THE_FIRST_ALONE
        }
        self._submit(request, {**context, "replaces": client_order_id})
        await asyncio.sleep(0)  # in the next turn of the loop it is in the register
        await register.wait(
            follows, lambda live: live.state is not LifecycleState.INTENT, self._policy.fills_wait_s * 2
        )
        if register[follows].state is not LifecycleState.JOURNALED:
            self._end(
                client_order_id, f"edit not done: {follows}, which was to follow, is {register[follows].state.value}"
            )
            return
        register.apply(client_order_id, Noted(how))
        await self._finish_replacing(client_order_id, request)

    async def _finish_replacing(self, client_order_id: str, request: OrderRequest) -> None:
        register = self._register
        await self._inquiry.cancel(client_order_id)
        await register.wait(client_order_id, lambda live: live.is_final, self._policy.fills_wait_s * 2)
        order = register[client_order_id]
        rest = request.amount - order.filled
        if order.state is not LifecycleState.CANCELED or rest <= ZERO:
            self._withdraw(request.client_order_id)
            self._end(client_order_id, f"edit ends here: the order is {order.state.value}")
            return
        self._release(request.client_order_id, replace(request, amount=rest))
        self._journal.edit_ended(client_order_id)

    def _end(self, client_order_id: str, text: str) -> None:
        self._register.apply(client_order_id, Noted(text))
        self._journal.edit_ended(client_order_id)


_ENDED = "the program ended while it was done"
