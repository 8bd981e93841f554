"""OrderTracker: takes intents from the strategy's thread, and makes everything known of them one stream of events.

The parts: ``register`` (all orders, applies and journals), ``list_submission`` (sends once), ``inquiry`` (asks, ends),
``unclear_status`` (asks again), ``editing``, ``fills`` (asks for trades), ``reconcile`` (compares). Here they meet, and
here the threads meet: ``submit``, ``cancel``, ``edit`` and ``release`` return at once, the session loop does it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from btccxt.errors import BtccxtError, JournalError, Refused, StateMismatch, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import ZERO, Fill, OrderRequest, OrderUpdate
from btccxt.observe.log import EventName, get_logger
from btccxt.orders.client_ids import ClientIds
from btccxt.orders.editing import Editing
from btccxt.orders.events import (
    Alarm,
    AlarmKind,
    Amended,
    AskAgain,
    CancelGhost,
    CancelRequested,
    FetchFills,
    Journaled,
    NeverSent,
    Noted,
    Rejection,
    Released,
    Withdrawn,
)
from btccxt.orders.external_orders import ExternalOrders
from btccxt.orders.fills import FillFetcher
from btccxt.orders.journal.journal import Journal
from btccxt.orders.list_submission import ListSubmission
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.policy import ClientIdForm, TrackerPolicy
from btccxt.orders.queries import Inquiry
from btccxt.orders.reconcile import Contradiction, Reconciler, open_orders_interval_s
from btccxt.orders.register import FollowUp, OrderEvent, OrderRegister
from btccxt.orders.restart import Restart, RestoredState
from btccxt.orders.submission import HALTED, until_durable
from btccxt.orders.unclear_status import UnclearStatuses
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.supervised import TaskFailed, TaskListener, TaskNews, Tasks

log = get_logger(__name__)

__all__ = ["OrderEvent", "OrderTracker", "RestoredState", "TrackerPolicy"]

_CLOSE_S = 5.0
UNSENT = "changed before it was sent"


class OrderTracker:
    """All orders of one account. See ``docs/architecture.md`` for who calls what from which thread."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        journal: Journal,
        clock: ExchangeClock,
        publish: Callable[[OrderEvent], None],
        policy: TrackerPolicy | None = None,
        *,
        alarm: Callable[[Alarm], None] | None = None,
        private_stream_age_s: Callable[[], float | None] | None = None,
        measure_clock: Callable[[], Awaitable[None]] | None = None,
        on_task: TaskListener | None = None,
    ) -> None:
        """``publish``, ``alarm`` and ``on_task`` are called in the session loop and must not block."""
        self.policy = policy = policy or TrackerPolicy()
        self.halted: str | None = None
        """Why no new orders are sent; None while all is well. Cancels still go out."""
        self._journal = journal
        self._clock = clock
        self._alarm_callback = alarm
        self._private_stream_age_s = private_stream_age_s
        self._ids = ClientIds(journal.tag, journal.next_sequence)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.tasks = Tasks(self._task_news)
        self._on_task = on_task
        self._compared_at = 0.0  # when all was compared last, by the loop's time
        self._sending: set[str] = set()
        self._cancel_again_s: dict[str, float] = {}  # not before that, by the loop's time
        self._stopping = False
        self._register = register = OrderRegister(
            journal, clock.now_ms, publish, self._alarm, self._follow_up, infer_fills=policy.infer_fills,
            final_orders_kept=policy.final_orders_kept,
        )  # fmt: skip
        self._fills = FillFetcher(exchange, register, journal, clock.now_ms, policy, self.on_fill)
        self._submission = ListSubmission(exchange, register, policy, self._alarm, lambda: self.halted, measure_clock)
        self._inquiry = Inquiry(exchange, register, self._fills, policy, self._alarm)
        self._unclear = UnclearStatuses(register, self._inquiry, policy, self._alarm)
        self._editing = Editing(
            exchange, register, journal, self._inquiry, policy, clock.now_ms, self._submit_held, self._release,
            self._cancel, lambda: self._ids.next_sequence, self._alarm,
        )  # fmt: skip
        self._external = ExternalOrders(
            exchange, register, journal, self._ids, clock.now_ms, policy, self._alarm, self._spawn, self._halt
        )
        register.on_id_known = self._external.release
        self._reconciler = Reconciler(
            exchange, register, self._fills, self._inquiry, clock.now_ms, policy, _find_update(register),
            self._external.hear_listed,
        )  # fmt: skip
        self._restart = Restart(
            register, journal, self._fills, self._submission, self._reconciler, clock, policy, self._editing.restore,
            self._spawn,
        )  # fmt: skip

    # -------------------------------------------------------------- any thread

    def next_client_order_id(self, form: ClientIdForm | None = None, max_length: int | None = None) -> str:
        """A new id; no I/O. Form and length default to the policy's; markets of one account may differ in them."""
        policy = self.policy
        return self._ids.new(form or policy.client_id_form, max_length or policy.client_id_max_length)

    def submit(
        self,
        request: OrderRequest,
        context: Mapping[str, str] | None = None,
        *,
        hold: bool = False,
        begins: Callable[[OrderRequest, Mapping[str, str]], None] | None = None,
    ) -> None:
        """Journal an order and send it; with ``hold`` only journal it, to be sent by ``release``.

        ``begins`` is called in the session loop before anything else is known of the order. Returns at once; everything
        else arrives as ``OrderEvent``. Raises Refused if the client order id is in use.
        """
        loop = self._running_loop()
        client_order_id = request.client_order_id
        if client_order_id in self._register:
            raise Refused(f"client order id {client_order_id} is in use; take a new one from next_client_order_id()")
        now_ms = self._clock.now_ms()
        order = LiveOrder(
            request=request,
            context=MappingProxyType(dict(context or {})),
            created_ms=now_ms,
            updated_ms=now_ms,
            pending_release=hold,
            infer_fills=self.policy.infer_fills,
        )
        # The disk starts to work here and now, while the session thread is still being woken.
        ticket = None if self.halted else self._journal.record_intent(order, self._ids.next_sequence)
        loop.call_soon_threadsafe(self._begin, order, ticket, begins)  # one call: each wakes the other thread

    def release(self, client_order_id: str, request: OrderRequest | None = None) -> None:
        """Send a held order, perhaps changed (its client order id stays)."""
        self._running_loop().call_soon_threadsafe(self._release, client_order_id, request)

    def release_list(self, stop: OrderRequest, target: OrderRequest) -> None:
        """Send two held orders as one order list (see ``list_submission.py``)."""
        self._running_loop().call_soon_threadsafe(self._release_list, stop, target)

    def cancel(self, client_order_id: str) -> None:
        """Cancel, and confirm. An order that was not sent yet is not sent any more."""
        self._running_loop().call_soon_threadsafe(self._cancel, client_order_id)

    def withdraw(self, client_order_id: str, why: str) -> None:
        """End a held order, which is not sent any more."""
        self._running_loop().call_soon_threadsafe(self._end_held, client_order_id, why)

    def edit(self, client_order_id: str, request: OrderRequest, *, follows: bool = False, why: str = UNSENT) -> None:
        """Make an order what ``request`` says (see ``editing.py``); a held one is changed where it is, ``why`` noted.

        ``follows``: the strategy has an order of its own for ``request``, and is told if nothing comes of it.
        """
        self._running_loop().call_soon_threadsafe(self._edit, client_order_id, request, follows, why)

    def order(self, client_order_id: str) -> LiveOrder | None:
        """As it stands now; None if unknown or long ended."""
        return self._register.orders.get(client_order_id)

    def open_orders(self) -> tuple[LiveOrder, ...]:
        """Every order that has not ended, held ones included, oldest first."""
        return tuple(sorted(self._register.unfinished(), key=lambda order: order.created_ms))

    @property
    def is_at_rest(self) -> bool:
        """No order is being sent, looked up or cancelled, and no trade is known to be missing. Session loop."""
        return not self._register.lacks_trades and not any(
            order.state is LifecycleState.INTENT
            or order.state.is_in_flight
            or (order.state is LifecycleState.JOURNALED and not order.pending_release)
            or order.cancel_requested
            for order in self._register.unfinished()
        )

    def confirm_told(self, client_order_id: str) -> None:
        """The strategy has been notified of the end of this order: a restart need not tell it again.

        Written two turns of the loop later: what follows from the end (an alarm, and in the next turn a release or a
        cancel) is in the journal first, however quick the strategy is.
        """
        loop, mark = self._loop, self._journal.mark_told
        if loop is None or loop.is_closed():
            mark(client_order_id)
        else:
            loop.call_soon_threadsafe(loop.call_soon, mark, client_order_id)

    def note(self, client_order_id: str, text: str) -> Future[None]:
        """Write something into an order's life; resolves when it is on disk. Session loop."""
        return self._register.apply_durably(client_order_id, Noted(text))

    def keep_best_price(self, client_order_id: str, price: Decimal) -> None:
        """How far a trailing order that waits here has come, for a restart."""
        self._journal.keep_best_price(client_order_id, price)

    def halt(self, why: str) -> None:
        """Stop new orders, cancels excepted, until a restart. Told once."""
        self._running_loop().call_soon_threadsafe(self._halt, why)

    # -------------------------------------------------------------- session loop

    async def start(self) -> RestoredState:
        """Bring back what the journal knows, compare it with the exchange, and start watching.

        Raises StateMismatch if both cannot be true, JournalError, and the exchange's errors once ``start_total_s`` is
        over.
        """
        self._loop = asyncio.get_running_loop()
        try:
            restored, contradictions = await self._restart.run()
            self._halt_on(contradictions)
            if self.halted:
                raise StateMismatch(self.halted)
        except BaseException:
            await self.stop()
            raise
        log.info(
            EventName.JOURNAL_RESTORED, open_orders=len(restored.open_orders), changed_meanwhile=len(restored.changes)
        )
        self._spawn(self._editing.resume(), "edit")
        self._compared_at = self._loop.time()
        self.tasks.every(self.policy.in_flight_check_s, self._watch_in_flight, "orders in flight")
        self.tasks.every(self.policy.in_flight_check_s, self._watch_open, "open orders")
        return restored

    async def state_now(self, unacknowledged: Collection[str]) -> RestoredState:
        """What a further run on this connection begins with; ``unacknowledged`` as in ``Restart.state_now``."""
        return await self._restart.state_now(unacknowledged)

    async def stop(self) -> None:
        """End the background work (bounded by ``stop_wait_s``). Orders stay as they are at the exchange.

        A request on its way is given time to be answered; if it is not, the next start finds out what became of it.
        """
        self._stopping = True
        sending = [task for task in self.tasks.all() if task.get_name() == "send"]
        if sending:
            await asyncio.wait(sending, timeout=self.policy.stop_wait_s)
        await self.tasks.close(self.policy.stop_wait_s + _CLOSE_S)
        self._loop = None

    def on_update(self, update: OrderUpdate) -> None:
        """News of an order, from a push or a query."""
        client_order_id = _find_update(self._register)(update)
        if client_order_id is None:
            self._external.hear(update)
        else:
            self._register.apply(client_order_id, update)

    def on_fill(self, fill: Fill) -> None:
        """A trade of the account, from a push or a query."""
        client_order_id = self._register.find(fill.symbol, fill.client_order_id, fill.order_id)
        if client_order_id is None:
            self._external.hear(fill)
        else:
            self._register.apply(client_order_id, fill)

    async def reconcile(self) -> None:
        """Compare with the exchange now; called after every (re)connect. Raises the exchange's errors."""
        self._halt_on(await self._reconciler.run())

    async def foreign_fills(self, symbol: str, since_ms: int) -> list[Fill]:
        """Trades since then that are not of our orders; the policy for such orders has been applied.

        Empty where the exchange names no trades. Raises the exchange's errors.
        """
        try:
            seen = await self._fills.fetch(symbol, since_ms)
        except Unsupported:
            return []
        return await self._external.foreign_among(seen)

    # -------------------------------------------------------------- inside the loop

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._stopping:
            raise BtccxtError("the order tracker is not running: start the store first")
        return self._loop

    def _begin(
        self,
        order: LiveOrder,
        ticket: Future[None] | None,
        begins: Callable[[OrderRequest, Mapping[str, str]], None] | None,
    ) -> None:
        if begins is not None:
            begins(order.request, order.context)
        self._register.add(order)
        if ticket is None:
            self._register.apply(order.client_order_id, Rejection((HALTED + str(self.halted),)))
            return
        carry = self._keep if order.pending_release else self._carry  # now: it may be released before the task begins
        self._spawn(carry(order.client_order_id, ticket), "send")

    async def _carry_list(self, stop: str, target: str, tickets: Sequence[Future[None]]) -> None:
        self._sending.update((stop, target))
        try:
            await self._submission.send_list(stop, target, tickets)
        finally:
            self._sending.difference_update((stop, target))

    async def _carry(self, client_order_id: str, ticket: Future[None]) -> None:
        self._sending.add(client_order_id)
        try:
            await self._submission.send(client_order_id, ticket)
        finally:
            self._sending.discard(client_order_id)

    async def _keep(self, client_order_id: str, ticket: Future[None]) -> None:
        """A held order: journaled, and no more."""
        register = self._register
        try:
            await until_durable(ticket)
        except JournalError as error:
            register.apply(client_order_id, Rejection((f"not sent: {error}",)))
        else:
            register.apply(client_order_id, Journaled())

    def _submit_held(self, request: OrderRequest, context: Mapping[str, str]) -> None:
        self.submit(request, context, hold=True)

    def _release(self, client_order_id: str, request: OrderRequest | None) -> None:
        order = self._register.orders.get(client_order_id)
        if order is None or not order.pending_release or order.is_final:
            return
        if self.halted:
            self._register.apply(client_order_id, Rejection((HALTED + self.halted,)))
            return
        request = replace(request or order.request, client_order_id=client_order_id)
        self._spawn(
            self._carry(client_order_id, self._register.apply_durably(client_order_id, Released(request))), "send"
        )

    def _release_list(self, stop: OrderRequest, target: OrderRequest) -> None:
        names, tickets = (stop.client_order_id, target.client_order_id), []
        for request, other in ((stop, names[1]), (target, names[0])):
            order = self._register.orders[request.client_order_id]
            if order.pending_release and not order.is_final:
                tickets.append(self._register.apply_durably(order.client_order_id, Released(request, other)))
        self._spawn(self._carry_list(*names, tickets), "send")

    def _cancel(self, client_order_id: str) -> None:
        register = self._register
        order = register.orders.get(client_order_id)
        if order is None or order.is_final:
            return
        asked = register.apply_durably(client_order_id, CancelRequested())
        if order.state.is_unsent:  # and from now on it does not leave
            self._spawn(self._withdraw(client_order_id, asked), "cancel")
        else:
            self._follow_cancel(client_order_id)

    async def _withdraw(self, client_order_id: str, asked: Future[None]) -> None:
        """Told when it is on disk: else a kill could leave an order that was told to be cancelled, and is sent."""
        with contextlib.suppress(JournalError):  # of which people are told; in this life it does not leave
            await until_durable(asked)
        order = self._register.orders.get(client_order_id)
        if order is not None and order.state.is_unsent:
            self._register.apply(client_order_id, Withdrawn("cancelled before it was sent"))

    def _end_held(self, client_order_id: str, why: str) -> None:
        order = self._register.orders.get(client_order_id)
        if order is not None and order.pending_release and not order.is_final:
            self._register.apply_durably(client_order_id, NeverSent(why))

    def _follow_cancel(self, client_order_id: str) -> None:
        self._cancel_again_s[client_order_id] = asyncio.get_running_loop().time() + self.policy.cancel_total_s
        self._spawn(self._inquiry.cancel(client_order_id), "cancel")

    def _edit(self, client_order_id: str, request: OrderRequest, follows: bool, why: str) -> None:
        order = self._register.orders.get(client_order_id)
        if order is None or order.is_final:
            if follows:
                self._editing.nothing_follows(request, f"order {client_order_id} had ended")
            return
        if order.pending_release:
            kept = replace(request, client_order_id=client_order_id)
            self._register.apply(client_order_id, Amended(kept, None, why))
        else:
            self._spawn(self._editing.edit(client_order_id, request, follows), "edit")

    def _follow_up(self, order: LiveOrder, effect: FollowUp) -> None:
        client_order_id = order.client_order_id
        match effect:
            case FetchFills(missing) if missing == ZERO:  # what came was not believed: the true ones may be there
                self._spawn(self._fetch_trades(order.symbol), "fills")
            case FetchFills():
                self._spawn(self._fills.complete(client_order_id), "fills")
            case AskAgain():
                if self._unclear.take(order):
                    self._spawn(self._unclear.ask_again(client_order_id), "ask")
            case CancelGhost():
                self._spawn(self._take_off(client_order_id), "ghost")

    async def _fetch_trades(self, symbol: str) -> None:
        with contextlib.suppress(BtccxtError):  # the next reconciliation asks as well
            await self._fills.fetch(symbol)

    async def _take_off(self, client_order_id: str) -> None:
        """It was reported as never placed, so nobody else will cancel it."""
        if await self._inquiry.take_off(client_order_id):
            return
        text = f"order {client_order_id} counted as never placed, lives, and could not be cancelled: cancel it by hand"
        self._alarm(Alarm(AlarmKind.CANCEL_UNCONFIRMED, text, client_order_id))

    async def _watch_in_flight(self) -> None:
        """Orders whose outcome or end is not known are looked at often."""
        self._external.expire()
        now_s = asyncio.get_running_loop().time()
        self._cancel_again_s = {name: at_s for name, at_s in self._cancel_again_s.items() if at_s > now_s}
        for order in list(self._register.unfinished()):
            if order.state.is_in_flight and order.client_order_id not in self._sending:
                self._spawn(self._look_again(order.client_order_id), "look")
            # Asked for before a restart, while the outcome was unknown, or not confirmed in its time:
            elif order.cancel_requested and order.acknowledged and order.client_order_id not in self._cancel_again_s:
                self._follow_cancel(order.client_order_id)

    async def _watch_open(self) -> None:
        """Open orders are compared as the private stream's age demands. Raises the exchange's errors."""
        now_s = asyncio.get_running_loop().time()
        age_s = self._private_stream_age_s() if self._private_stream_age_s is not None else None
        if now_s - self._compared_at < open_orders_interval_s(age_s, self.policy):
            return
        self._compared_at = now_s
        try:
            await self.reconcile()
        except BtccxtError as error:
            self._journal.note(f"reconciliation failed: {type(error).__name__}: {error}", self._clock.now_ms())
            raise

    async def _look_again(self, client_order_id: str) -> None:
        self._sending.add(client_order_id)
        try:
            await self._submission.resolve(client_order_id)
        finally:
            self._sending.discard(client_order_id)

    def _halt_on(self, contradictions: tuple[Contradiction, ...]) -> None:
        for contradiction in contradictions:
            order = self._register[contradiction.client_order_id]
            self._halt(
                f"order {order.client_order_id} has ended here ({order.state.value}), but the exchange has it open"
            )

    def _halt(self, why: str) -> None:
        if self.halted is None:
            self.halted = (
                f"journal and exchange disagree: {why}. No new orders are sent. "
                "'btccxt reconcile' shows both sides; put it right at the exchange, or take its balances and positions "
                "as they are with 'btccxt reconcile --accept'; then restart"
            )
            self._journal.note(self.halted, self._clock.now_ms())
            self._alarm(Alarm(AlarmKind.MISMATCH, self.halted))

    def _alarm(self, alarm: Alarm) -> None:
        if self._alarm_callback is not None:
            self._alarm_callback(alarm)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        if self._loop is None:
            work.close()
            return None
        return self.tasks.start(work, name)

    def _task_news(self, news: TaskNews) -> None:
        if isinstance(news, TaskFailed) and news.again_in_s is None:
            self._alarm(Alarm(AlarmKind.FAULT, f"{news.name} failed: {type(news.error).__name__}: {news.error}"))
        elif self._on_task is not None:
            self._on_task(news)


def _find_update(register: OrderRegister) -> Callable[[OrderUpdate], str | None]:
    return lambda update: register.find(update.symbol, update.client_order_id, update.order_id, update.child_order_id)
