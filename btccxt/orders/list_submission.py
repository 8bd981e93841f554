"""Sending a stop and a target as one order list: once, both or none, and finding out what became of them.

An answer means what it means for one order (``submission.py``). A list that is not taken ends both orders before they
were placed, with a note that says why: nobody's exit has failed, and they are placed one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future

from btccxt.errors import ClockSkew, ExchangeUnavailable, Fatal, JournalError, RateLimited, Refused
from btccxt.orders.events import NotPlaced, OutcomeUnknown, Sent, Withdrawn
from btccxt.orders.leg import NOT_LISTED
from btccxt.orders.live_order import LifecycleState
from btccxt.orders.submission import HALTED, NotWanted, PreparedLongAgo, Submission, until_durable

Tickets = Sequence[Future[None]]


class ListSubmission(Submission):
    """Carries the two orders of a list from the journal to a known state."""

    async def send_list(self, stop: str, target: str, tickets: Tickets) -> None:
        """Send both. Returns when their outcome is known, or was announced as unknown.

        No request leaves before all ``tickets`` have resolved (both orders are on disk).
        """
        policy, register, names = self._policy, self._register, (stop, target)
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        for attempt in range(1, policy.max_send_attempts + 1):
            if not self._are_wanted(names):
                self._end(names, "the other one was not wanted any more")
                return
            why_not_placed = await self._create_list(stop, target, tickets)
            if why_not_placed is None:
                break
            wait_s = self._pause_s(why_not_placed, attempt)
            deadline = loop.time() + policy.send_total_s if deadline is None else deadline
            if attempt == policy.max_send_attempts or loop.time() + wait_s > deadline:
                self._end(names, f"given up after {attempt} attempts: {why_not_placed}")
                return
            for name in names:
                register.apply(name, NotPlaced(f"attempt {attempt} was not placed: {why_not_placed}"))
            if isinstance(why_not_placed, ClockSkew) and self._measure_clock is not None:
                await self._measure(stop)
            await register.wait(stop, lambda live: live.is_final or live.cancel_requested, wait_s)
        unknown = [name for name in names if register[name].state is LifecycleState.UNKNOWN]
        await asyncio.gather(*(self.resolve(name) for name in unknown))

    async def _create_list(
        self, stop: str, target: str, tickets: Tickets
    ) -> RateLimited | ClockSkew | ExchangeUnavailable | None:
        """One request. Returns the error if it proves that nothing was placed and another try makes sense."""
        register, names = self._register, (stop, target)
        first, second = register[stop], register[target]
        try:
            updates = await self._exchange.create_order_list(
                first.request, second.request, lambda: self._list_leaves(names, tickets)
            )
        except NotWanted:
            self._end(names, "the other one was not wanted any more")
        except PreparedLongAgo:
            return await self._create_list(stop, target, ())
        except Refused as refused:
            self._end(names, "; ".join(refused.reasons))
        except (RateLimited, ClockSkew, ExchangeUnavailable) as error:
            return error
        except Fatal as error:
            self._end(names, f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it was, once it has left both may be live
            what = f"{type(error).__name__}: {error}"
            if register[stop].attempts == first.attempts:
                self._end(names, f"not sent: {what}")
            else:
                for name in names:
                    register.apply(name, OutcomeUnknown(f"no clear answer: {what}"))
        else:
            for name, update in zip(names, updates, strict=True):
                nameless = OutcomeUnknown("the exchange's answer carries no order id")
                register.apply(name, nameless if update.order_id is None else update)
        return None

    async def _list_leaves(self, names: tuple[str, str], tickets: Tickets) -> None:
        """Returns when the request may leave, and it does so at once. Raises Refused if it must not."""
        loop = asyncio.get_running_loop()
        prepared_s = loop.time()
        trouble: JournalError | None = None
        for ticket in tickets:
            try:
                await until_durable(ticket)
            except JournalError as error:
                trouble = error
        if not self._are_wanted(names):
            raise NotWanted("not wanted any more")
        if trouble is not None:
            raise Refused(f"not sent: {trouble}") from trouble
        if (why := self._halted()) is not None:
            raise Refused(HALTED + why)
        if tickets and loop.time() - prepared_s > self._policy.stale_request_s:
            raise PreparedLongAgo("the disk took too long")
        for name in names:
            self._register.apply(name, Sent(self._register[name].attempts + 1))

    def _are_wanted(self, names: tuple[str, str]) -> bool:
        orders = [self._register[name] for name in names]
        return not any(order.is_final or order.acknowledged or order.cancel_requested for order in orders)

    def _end(self, names: tuple[str, str], why: str) -> None:
        """Of one whose cancel was asked for the tracker says so, when that is on disk."""
        for name in names:
            order = self._register[name]
            if order.is_final or order.acknowledged or (order.state.is_unsent and order.cancel_requested):
                continue
            self._register.apply(name, Withdrawn(NOT_LISTED + why))
