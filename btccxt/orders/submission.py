"""Sending an order once, and finding out what became of it.

What an answer to ``create_order`` means (``research``: ccxt's error classes, measured):

=================================================  =====================================================
Refused, any Fatal                                 not placed, for good -> REJECTED with the reasons
RateLimited, ClockSkew, ExchangeUnavailable        not placed -> wait, send again under the same id
anything else, or an answer without an id          may have been placed -> UNKNOWN -> ask until known
=================================================  =====================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from btccxt.errors import (
    ClockSkew,
    ExchangeUnavailable,
    Fatal,
    JournalError,
    NonceRefused,
    OrderNotFound,
    RateLimited,
    Refused,
)
from btccxt.exchange.api import ExchangeAPI
from btccxt.orders.events import (
    Alarm,
    AlarmKind,
    NeverArrived,
    NotPlaced,
    OutcomeUnknown,
    Rejection,
    Sent,
    Withdrawn,
)
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.queries import find_order
from btccxt.orders.register import OrderRegister

HALTED = "trading is halted: "


async def until_durable(ticket: Future[None]) -> None:
    """Returns when it is on disk. Raises JournalError if it never will be."""
    if not ticket.done():  # in memory it always is
        await asyncio.wrap_future(ticket)
    ticket.result()


class NotWanted(Refused):
    """Raised at the last moment before a request leaves: the order was cancelled, or heard of, meanwhile."""


class PreparedLongAgo(Refused):
    """Raised at the last moment before a request leaves: its stamp and its place in the rate limit are stale."""


class Submission:
    """Carries orders from the journal to a known state. One coroutine per order; lives in the session loop."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        register: OrderRegister,
        policy: TrackerPolicy,
        alarm: Callable[[Alarm], None],
        halted: Callable[[], str | None],
        measure_clock: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._exchange = exchange
        self._register = register
        self._policy = policy
        self._alarm = alarm
        self._halted = halted
        self._measure_clock = measure_clock

    async def send(self, client_order_id: str, ticket: Future[None] | None = None) -> None:
        """Send an order. Returns when its outcome is known, or was announced as unknown.

        No request leaves before ``ticket`` has resolved (the order is on disk); until then it is only prepared.
        """
        policy, register = self._policy, self._register
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        for attempt in range(1, policy.max_send_attempts + 1):
            order = register[client_order_id]
            if order.is_final or order.acknowledged:
                return
            if order.cancel_requested:
                self._withdraw(client_order_id)
                return
            why_not_placed = await self._create(client_order_id, ticket)
            if why_not_placed is None:
                break
            if register[client_order_id].is_final:
                return
            wait_s = self._pause_s(why_not_placed, attempt)
            # From the first answer on: the time that the disk takes is not the exchange's.
            deadline = loop.time() + policy.send_total_s if deadline is None else deadline
            if attempt == policy.max_send_attempts or loop.time() + wait_s > deadline:
                reason = f"given up after {attempt} attempts, none of which was placed: {why_not_placed}"
                self._reject(client_order_id, reason)
                return
            register.apply(client_order_id, NotPlaced(f"attempt {attempt} was not placed: {why_not_placed}"))
            if isinstance(why_not_placed, ClockSkew) and not isinstance(why_not_placed, NonceRefused):
                await self._measure(client_order_id)
            await register.wait(client_order_id, lambda live: live.is_final or live.cancel_requested, wait_s)
        if register[client_order_id].state is LifecycleState.UNKNOWN:
            await self.resolve(client_order_id)

    async def _create(
        self, client_order_id: str, ticket: Future[None] | None
    ) -> RateLimited | ClockSkew | ExchangeUnavailable | None:
        """One request. Returns the error if it proves that nothing was placed and another try makes sense."""
        register = self._register
        before = register[client_order_id]
        try:
            update = await self._exchange.create_order_when(
                before.request, lambda: self._leaves(client_order_id, ticket)
            )
        except NotWanted:
            self._withdraw(client_order_id)
        except PreparedLongAgo:
            return await self._create(client_order_id, None)
        except Refused as refused:
            self._reject(client_order_id, *refused.reasons)
        except (RateLimited, ClockSkew, ExchangeUnavailable) as error:
            return error
        except Fatal as error:
            self._reject(client_order_id, f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it was, once it has left the order may be live
            what = f"{type(error).__name__}: {error}"
            if register[client_order_id].attempts == before.attempts:
                self._reject(client_order_id, f"not sent: {what}")
            else:
                register.apply(client_order_id, OutcomeUnknown(f"no clear answer: {what}"))
        else:
            if update.order_id is None:
                register.apply(client_order_id, OutcomeUnknown("the exchange's answer carries no order id"))
            else:
                register.apply(client_order_id, update)
        return None

    async def _leaves(self, client_order_id: str, ticket: Future[None] | None) -> None:
        """Returns when the request may leave, and it does so at once. Raises Refused if it must not."""
        loop = asyncio.get_running_loop()
        prepared_s = loop.time()
        trouble: JournalError | None = None
        if ticket is not None:
            try:
                await until_durable(ticket)
            except JournalError as error:
                trouble = error
        order = self._register[client_order_id]
        if order.is_final or order.acknowledged or order.cancel_requested:  # heard of while the request was prepared
            raise NotWanted("not wanted any more")
        if trouble is not None:
            raise Refused(f"not sent: {trouble}") from trouble
        if (why := self._halted()) is not None:
            raise Refused(HALTED + why)
        if ticket is not None and loop.time() - prepared_s > self._policy.stale_request_s:
            raise PreparedLongAgo("the disk took too long")
        self._register.apply(client_order_id, Sent(order.attempts + 1))

    def _withdraw(self, client_order_id: str) -> None:
        order = self._register[client_order_id]
        # Of an order that never left the tracker says so, when the cancel is on disk.
        if not order.is_final and not order.acknowledged and not order.state.is_unsent:
            self._register.apply(client_order_id, Withdrawn("cancelled before it was placed"))

    def _reject(self, client_order_id: str, *reasons: str) -> None:
        if not self._register[client_order_id].is_final:  # else withdrawn while the request was prepared
            self._register.apply(client_order_id, Rejection(reasons))

    async def _measure(self, client_order_id: str) -> None:
        if self._measure_clock is None:
            return
        try:
            await self._measure_clock()
        except Exception as error:  # noqa: BLE001 - the next attempt tells whether the clock is right now
            self._register.apply(client_order_id, NotPlaced(f"the clock could not be measured: {error}"))

    def _pause_s(self, error: RateLimited | ClockSkew | ExchangeUnavailable, attempt: int) -> float:
        backoff_s = min(self._policy.max_backoff_s, self._policy.send_backoff_s * 2.0 ** (attempt - 1))
        asked_s: float | None = None if isinstance(error, ClockSkew) else error.retry_after_s
        return max(backoff_s, asked_s or 0.0)

    # -------------------------------------------------------------- finding out

    async def resolve(self, client_order_id: str, age_s: float = 0.0) -> None:
        """Ask until the outcome is known, for ``resolve_total_s``; then raise an alarm and leave it to reconciliation.

        "Not found" is believed only after the exchange's visibility delay, and only when it was said explicitly
        ``not_found_answers`` times; errors of the network say nothing. ``age_s`` is how long ago the last request can
        have left (after a restart the visibility delay may be over already).
        """
        policy, register = self._policy, self._register
        loop = asyncio.get_running_loop()
        started = loop.time()
        pause_s = policy.resolve_first_s
        not_found = 0
        while True:
            if await register.wait(client_order_id, _is_known, pause_s):
                return  # a push told
            pause_s = min(policy.max_backoff_s, max(pause_s, 0.05) * 2)
            asked_s = loop.time() - started
            try:
                update = await find_order(self._exchange, register[client_order_id], policy)
            except OrderNotFound as error:
                if age_s + asked_s >= policy.visibility_delay_s:
                    not_found += 1
                    pause_s = min(pause_s, 0.5)
                if not_found >= policy.not_found_answers:
                    await self._never_arrived(client_order_id, str(error))
                    return
            except Exception as error:  # noqa: BLE001 - proves nothing; asked again
                register.apply(client_order_id, OutcomeUnknown(f"asking failed: {type(error).__name__}"))
            else:
                register.apply(client_order_id, update)
                if _is_known(register[client_order_id]):
                    return
            if loop.time() - started >= policy.resolve_total_s:
                self._still_unknown(client_order_id)
                return

    async def _never_arrived(self, client_order_id: str, why: str) -> None:
        policy, register = self._policy, self._register
        order = register[client_order_id]
        never_sent = order.attempts == 0
        choice = policy.unsent_after_restart if never_sent else policy.on_not_found
        may_resend = policy.refuses_duplicates and order.attempts < policy.max_send_attempts
        may_resend = may_resend and order.listed is None  # it is not to be placed without the other one
        if choice == "resend" and may_resend and not order.cancel_requested:
            register.apply(
                client_order_id, NotPlaced(f"the exchange never saw it ({why}); sent again under the same id")
            )
            await self.send(client_order_id)
            return
        text = (
            "the program ended before it was sent, and the exchange does not know it"
            if never_sent
            else f"its outcome was unknown; the exchange said {policy.not_found_answers} times: no such order ({why})"
        )
        if choice == "resend" and not policy.refuses_duplicates:
            text += "; not sent again, because the exchange might take both"
        self._alarm(  # before the conclusion is in the journal, which is drawn once
            Alarm(
                AlarmKind.OUTCOME_UNKNOWN,
                f"order {client_order_id} ({order.symbol}): {text}",
                client_order_id,
                once=f"never arrived {client_order_id}",
            )
        )
        register.apply(client_order_id, NeverArrived(text))

    def _still_unknown(self, client_order_id: str) -> None:
        order = self._register[client_order_id]
        text = (
            f"order {client_order_id} ({order.symbol} {order.request.side.value} {order.amount}): it is not known "
            f"whether it was placed, after asking for {self._policy.resolve_total_s:g} s; still asking"
        )
        self._register.apply(client_order_id, OutcomeUnknown("OrderOutcomeUnknown: " + text))
        self._alarm(Alarm(AlarmKind.OUTCOME_UNKNOWN, text, client_order_id))


def _is_known(order: LiveOrder) -> bool:
    return order.acknowledged or order.is_final
