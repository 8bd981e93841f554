"""Changing an order: natively where the exchange can, else by cancelling and placing the rest anew, said on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from btccxt.errors import Fatal, Refused, Retryable, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import ZERO, OrderRequest, OrderUpdate
from btccxt.orders.events import Amended, Noted
from btccxt.orders.inquiry import Inquiry
from btccxt.orders.live_order import LifecycleState
from btccxt.orders.lookup import find_order
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.register import OrderRegister

Submit = Callable[[OrderRequest, Mapping[str, str]], None]


class Editing:
    """Lives in the session loop."""

    def __init__(
        self, exchange: ExchangeAPI, register: OrderRegister, inquiry: Inquiry, policy: TrackerPolicy, submit: Submit
    ) -> None:
        self._exchange = exchange
        self._register = register
        self._inquiry = inquiry
        self._policy = policy
        self._submit = submit

    async def edit(self, client_order_id: str, request: OrderRequest) -> None:
        """Make the order what ``request`` says; its ``client_order_id`` is used where a new order has to be placed.

        ``request.amount`` is the whole amount, what is filled already included.
        """
        register = self._register
        await register.wait(client_order_id, lambda live: live.seen or live.is_final, self._policy.resolve_total_s)
        order = register[client_order_id]
        if order.is_final or not order.seen:
            register.apply(client_order_id, Noted(f"edit not done: the order is {order.state.value}"))
            return
        register.alias(request.client_order_id, client_order_id)
        try:
            update = await self._exchange.edit_order(order.reference, request)
        except Unsupported:
            register.drop_alias(request.client_order_id)
            await self._replace(client_order_id, request)
        except (Refused, Retryable, Fatal) as error:
            register.apply(client_order_id, Noted(f"edit refused, the order stands as it was: {error}"))
        except Exception as error:  # noqa: BLE001 - it may have been done; the order itself tells
            await self._look(client_order_id, request, f"{type(error).__name__}: {error}")
        else:
            self._amended(client_order_id, request, update, "edited natively")

    async def _look(self, client_order_id: str, request: OrderRequest, why: str) -> None:
        register = self._register
        try:
            update = await find_order(self._exchange, register[client_order_id], self._policy)
        except Exception as error:  # noqa: BLE001 - reconciliation goes on looking
            text = f"it is not known whether the edit was done ({why}; asking: {type(error).__name__})"
            register.apply(client_order_id, Noted(text))
            return
        if update.price == request.price and update.amount == request.amount:
            self._amended(client_order_id, request, update, f"edited natively (found out by asking: {why})")
        else:
            register.apply(client_order_id, update)
            register.apply(client_order_id, Noted(f"edit not done ({why})"))

    def _amended(self, client_order_id: str, request: OrderRequest, update: OrderUpdate, how: str) -> None:
        kept = replace(request, client_order_id=client_order_id)
        self._register.apply(client_order_id, Amended(kept, update.order_id, how))
        self._register.apply(client_order_id, update)

    async def _replace(self, client_order_id: str, request: OrderRequest) -> None:
        register = self._register
        how = f"edit: the exchange cannot change orders, so this one is cancelled and {request.client_order_id} follows"
        register.apply(client_order_id, Noted(how))
        await self._inquiry.cancel(client_order_id)
        await register.wait(client_order_id, lambda live: live.is_final, self._policy.fills_wait_s * 2)
        order = register[client_order_id]
        rest = request.amount - order.filled
        if order.state is not LifecycleState.CANCELED or rest <= ZERO:
            register.apply(client_order_id, Noted(f"edit ends here: the order is {order.state.value}"))
            return
        self._submit(replace(request, amount=rest), {**order.context, "replaces": client_order_id})
