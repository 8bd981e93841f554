"""News of orders that are not in memory: overtaking an answer, long ended, or made by somebody else."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from btccxt.errors import BtccxtError, OrderNotFound
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import Fill, OrderKind, OrderReference, OrderRequest, OrderUpdate
from btccxt.orders.client_ids import ClientIds
from btccxt.orders.events import Alarm, AlarmKind, Journaled
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.queries import find_order
from btccxt.orders.register import OrderRegister

News = OrderUpdate | Fill


class PendingUpdates:
    """By (symbol, exchange order id). Time is passed in, in any unit that ``keep_for`` shares."""

    def __init__(self, keep_for: float, limit: int) -> None:
        self._keep_for = keep_for
        self._limit = limit
        self._held: OrderedDict[tuple[str, str], tuple[float, list[News]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def hold(self, news: News, now: float) -> list[News]:
        """Keep it until its order is known. Returns what had to make room (oldest first), or cannot be held at all."""
        if news.order_id is None:
            return [news]
        _, items = self._held.setdefault((news.symbol, news.order_id), (now, []))
        if news not in items:
            items.append(news)
            self._count += 1
        evicted: list[News] = []
        while self._count > self._limit:
            evicted += self._drop_oldest()
        return evicted

    def take(self, symbol: str, order_id: str | None) -> list[News]:
        """All news of this order, in order of arrival; forgotten here."""
        if order_id is None:
            return []
        _, items = self._held.pop((symbol, order_id), (0.0, []))
        self._count -= len(items)
        return items

    def expired(self, now: float) -> list[News]:
        """What has been held for too long; forgotten here."""
        out: list[News] = []
        while self._held and now - next(iter(self._held.values()))[0] >= self._keep_for:
            out += self._drop_oldest()
        return out

    def _drop_oldest(self) -> list[News]:
        _, (_, items) = self._held.popitem(last=False)
        self._count -= len(items)
        return items


_REMEMBERED = 10_000


def _has_fired(order: LiveOrder) -> bool:
    return order.child_order_id is not None or order.is_final


class ExternalOrders:
    """Decides what becomes of such news: held, given to an old order, adopted, announced or dropped. Session loop."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        register: OrderRegister,
        journal: Journal,
        ids: ClientIds,
        now_ms: Callable[[], int],
        policy: TrackerPolicy,
        alarm: Callable[[Alarm], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
        on_lost: Callable[[str], None],
    ) -> None:
        self._exchange = exchange
        self._register = register
        self._journal = journal
        self._ids = ids
        self._now_ms = now_ms
        self._policy = policy
        self._alarm = alarm
        self._held = PendingUpdates(policy.held_news_s, policy.held_news_limit)
        self._met: OrderedDict[tuple[str, str | None], None] = OrderedDict()
        self._spawn = spawn
        self._on_lost = on_lost

    def hear(self, news: News) -> None:
        """Take news whose order is not in memory; returns at once."""
        if not self._wait_with(news):
            self._spawn(self.settle(news), "outsider")

    async def hear_listed(self, update: OrderUpdate) -> None:
        """The same for an entry of the exchange's list of open orders; returns when it is settled."""
        if not self._wait_with(update):
            await self.settle(update)

    def _wait_with(self, news: News) -> bool:
        """Hold what may belong to an order whose exchange id is not known yet."""
        awaiting_id = any(
            order.state.is_in_flight and order.order_id is None and order.symbol == news.symbol
            for order in self._register.unfinished()
        )
        if not awaiting_id or news.client_order_id is not None or news.order_id is None:
            return False
        for evicted in self._held.hold(news, time.monotonic()):
            self._spawn(self.settle(evicted), "outsider")
        return True

    def release(self, order: LiveOrder) -> None:
        """An order's id at the exchange has become known: what was held for it is applied."""
        for order_id in (order.order_id, order.child_order_id):
            for news in self._held.take(order.symbol, order_id):
                self._register.apply(order.client_order_id, news)

    def expire(self) -> None:
        for news in self._held.expired(time.monotonic()):
            self._spawn(self.settle(news), "outsider")

    async def settle(self, news: News) -> None:
        """Find out whose news it is: the journal knows every order of ours, however old."""
        if self._apply_if_known(news):
            return
        stored = await asyncio.wrap_future(
            self._journal.load_order(client_order_id=news.client_order_id, order_id=news.order_id, symbol=news.symbol)
        )
        if stored is not None:
            order = self._register.restore(stored)
            if isinstance(news, OrderUpdate) and not news.status.is_final and order.is_final:
                await self._contradicted(order)
                return
        if self._apply_if_known(news):
            return
        if isinstance(news, OrderUpdate) and self._ids.is_ours(news.client_order_id) and not news.status.is_final:
            self._on_lost(
                f"the exchange has order {news.client_order_id} ({news.symbol}) open, whose id this journal handed "
                "out, but which it does not know (was it restored from an older copy?)"
            )
            return
        await self._ask_triggers(news)
        if not self._apply_if_known(news):
            await self._meet(news)

    async def _ask_triggers(self, news: News) -> None:
        """A trigger of ours that has just fired makes an order under a new id, and its news may overtake that id."""
        if (news.symbol, news.order_id or news.client_order_id) in self._met:
            return
        waiting = [
            order
            for order in self._register.unfinished()
            if order.is_conditional and order.symbol == news.symbol and order.acknowledged and not order.child_order_id
        ]
        for order in waiting:
            if news.side not in (None, order.request.side):
                continue
            name = order.client_order_id
            if await self._register.wait(name, _has_fired, self._policy.cancel_push_wait_s):
                continue
            try:
                self._register.apply(name, await find_order(self._exchange, self._register[name], self._policy))
            except BtccxtError:
                continue  # proves nothing; then it is announced, which is the safe side

    async def foreign_among(self, fills: Iterable[Fill]) -> list[Fill]:
        """Those of orders that are not ours, after the policy has had its say: adopted ones are ours now."""
        foreign = []
        for fill in sorted(fills, key=lambda fill: fill.time_ms):
            await self.settle(fill)
            if self._register.find(fill.symbol, fill.client_order_id, fill.order_id) is None:
                foreign.append(fill)
        return foreign

    async def _contradicted(self, order: LiveOrder) -> None:
        """It ended long ago, and is said to be open: lists lag behind, the order itself does not."""
        try:
            update = await self._exchange.fetch_order(order.reference)
        except OrderNotFound:
            return
        self._register.apply(order.client_order_id, update)
        if not update.status.is_final and not order.never_arrived:
            self._on_lost(
                f"order {order.client_order_id} ({order.symbol}) has ended here ({order.state.value}), but the "
                "exchange has it open"
            )

    def _apply_if_known(self, news: News) -> bool:
        child = news.child_order_id if isinstance(news, OrderUpdate) else None
        client_order_id = self._register.find(news.symbol, news.client_order_id, news.order_id, child)
        if client_order_id is None:
            return False
        self._register.apply(client_order_id, news)
        return True

    async def _meet(self, news: News) -> None:
        """Somebody else's order: ignore, adopt or alarm."""
        policy = self._policy.external_orders
        key = (news.symbol, news.order_id or news.client_order_id)
        if policy == "ignore" or (key in self._met and policy == "alarm"):
            return
        self._met[key] = None
        if len(self._met) > _REMEMBERED:
            self._met.popitem(last=False)
        if policy == "adopt":
            await self._adopt(news)
        elif isinstance(news, Fill) or not news.status.is_final:
            self._alarm(
                Alarm(
                    AlarmKind.EXTERNAL_ORDER,
                    f"order {news.order_id} on {news.symbol} was not made by this program; it is left alone "
                    "(external_orders='adopt' takes such orders over)",
                )
            )

    async def _adopt(self, news: News) -> None:
        update = news
        if isinstance(update, Fill) or update.side is None or update.amount is None:
            try:
                update = await self._exchange.fetch_order(
                    OrderReference(news.symbol, news.client_order_id, news.order_id)
                )
            except BtccxtError as error:
                self._alarm(
                    Alarm(
                        AlarmKind.EXTERNAL_ORDER, f"order {news.order_id} on {news.symbol} cannot be adopted: {error}"
                    )
                )
                return
        if self._apply_if_known(news):  # another piece of its news was quicker
            return
        if update.side is None or update.amount is None:
            text = f"order {news.order_id} on {news.symbol} cannot be adopted: the exchange does not say what it is"
            self._alarm(Alarm(AlarmKind.EXTERNAL_ORDER, text))
            return
        kind = update.kind or (OrderKind.MARKET if update.price is None else OrderKind.LIMIT)
        now_ms = self._now_ms()
        order = LiveOrder(
            request=OrderRequest(
                client_order_id=update.client_order_id or f"external-{update.order_id}",
                symbol=update.symbol,
                side=update.side,
                kind=kind,
                amount=update.amount,
                price=update.price,
                trigger_price=update.trigger_price,
            ),
            created_ms=update.time_ms or now_ms,
            updated_ms=now_ms,
            external=True,
            order_id=update.order_id,
            infer_fills=self._policy.infer_fills,
        )
        self._register.add(order)
        await asyncio.wrap_future(self._journal.record_intent(order))
        self._register.apply(order.client_order_id, Journaled())
        self._register.apply(order.client_order_id, update)
        if news is not update:
            self._register.apply(order.client_order_id, news)
