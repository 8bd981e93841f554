"""Numbers of the session for the metrics: bars and gaps per feed, outcomes of orders, the periodic gauges.

Nothing here is called per frame; bars, order events and a timer are what drives it.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Protocol

from btccxt.model import ConnectionState
from btccxt.observe.log import EventName, get_logger
from btccxt.observe.metrics import metrics
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.register import OrderEvent
from btccxt.session.events import BarsClosed, FeedEvent, FeedState, TicksArrived
from btccxt.session.stream_policy import StreamHealth
from btccxt.timeframe import Timeframe

log = get_logger(__name__)

_ORDERS_REMEMBERED = 1_000


class LagClock(Protocol):
    def now_ms(self) -> int: ...
    def wall_s(self, exchange_ms: float) -> float: ...


class FeedMeter:
    """Stands before a feed's sink. Bars count by what brought them; a feed's first history not at all."""

    def __init__(
        self, exchange: str, timeframe: Timeframe | None, clock: LagClock, sink: Callable[[FeedEvent], None]
    ) -> None:
        self._exchange = exchange
        self._timeframe = timeframe
        self._clock = clock
        self._sink = sink
        self._live = False
        self._was_live = False
        self._degraded = False
        self._repaired = 0

    def __call__(self, event: FeedEvent) -> None:
        if event.__class__ is BarsClosed or event.__class__ is TicksArrived:
            self._count(event)
        elif isinstance(event, FeedState):
            self._turn(event.state)
        self._sink(event)

    def _count(self, event: FeedEvent) -> None:
        if isinstance(event, TicksArrived):
            if self._was_live and not self._live:
                self._repaired += len(event.trades)
            return
        if not isinstance(event, BarsClosed):
            return
        if self._was_live:
            self._repaired += event.by_rest
            if self._live:  # the stream stands, and what it did not bring was asked for
                self._tell_repaired()
        if (self._was_live or self._degraded) and self._timeframe is not None:
            for source, count in (("rest", event.by_rest), ("websocket", len(event.bars) - event.by_rest)):
                if count:
                    metrics().bars(self._exchange, source, count)
            close_ms = self._timeframe.next_open(event.bars[-1].open_ms)
            lag_s = self._clock.wall_s(max(0, self._clock.now_ms() - close_ms))
            metrics().bar_lag(self._exchange, self._timeframe.name, lag_s)

    def _turn(self, state: ConnectionState) -> None:
        self._live = state is ConnectionState.LIVE
        self._degraded = state is ConnectionState.DEGRADED
        self._was_live = self._was_live or self._live
        if self._live:
            self._tell_repaired()

    def _tell_repaired(self) -> None:
        if self._repaired:
            kind = "trades" if self._timeframe is None else "bars"
            metrics().gap_repaired(self._exchange, kind, self._repaired)
            log.info(EventName.GAP_REPAIRED, exchange=self._exchange, kind=kind, items=self._repaired)
            self._repaired = 0


class MeteredJournal(Journal):
    """A journal that also tells how long a record_intent takes to be on disk."""

    def record_intent(self, order: LiveOrder, next_sequence: int | None = None) -> Future[None]:
        counting = metrics()
        if not counting.is_on:
            return super().record_intent(order, next_sequence)
        began_s = time.perf_counter()
        done = super().record_intent(order, next_sequence)
        done.add_done_callback(
            lambda _: counting.order_latency(self.exchange, "journaled", time.perf_counter() - began_s)
        )
        return done


class OrderMeter:
    """Counts how orders end, and how long the exchange takes to answer."""

    def __init__(self, exchange: str, clock: LagClock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._states: OrderedDict[str, LifecycleState] = OrderedDict()

    def __call__(self, event: OrderEvent) -> None:
        order = event.order
        before = self._states.get(order.client_order_id, LifecycleState.INTENT)
        if order.state is before:
            return
        self._states[order.client_order_id] = order.state
        if len(self._states) > _ORDERS_REMEMBERED:
            self._states.popitem(last=False)
        if order.state is LifecycleState.REJECTED and order.sent_ms is None:
            metrics().order_refused(self._exchange, "not sent")
        elif order.state.is_final and not before.is_final:
            metrics().order_outcome(self._exchange, order.state.value)
        elif order.state is LifecycleState.UNKNOWN:
            metrics().order_outcome(self._exchange, "unknown")
        if order.sent_ms is not None:
            if before.rank < LifecycleState.SENT.rank:
                self._latency("sent", order.sent_ms - order.created_ms)
            if before.rank <= LifecycleState.UNKNOWN.rank < order.state.rank:
                self._latency("acknowledged", order.updated_ms - order.created_ms)

    def _latency(self, stage: str, exchange_ms: int) -> None:
        metrics().order_latency(self._exchange, stage, self._clock.wall_s(max(0, exchange_ms)))


def gauge_streams(exchange: str, streams: Iterable[StreamHealth]) -> None:
    """How many streams are in each state, and the oldest data of each kind."""
    states: Counter[str] = Counter()
    ages: dict[str, float] = {}
    for health in streams:
        states[health.state.value] += 1
        if health.data_age_s is not None:
            kind = health.key.kind.value
            ages[kind] = max(ages.get(kind, 0.0), health.data_age_s)
    for state in ConnectionState:
        metrics().streams(exchange, state.value, states[state.value])
    for kind, age_s in ages.items():
        metrics().stream_age(exchange, kind, age_s)
