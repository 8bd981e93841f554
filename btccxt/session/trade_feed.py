"""One feed of public trades (ticks): stream, history and repair joined, each trade once, in order.

Lives in the session's loop beside ``feed.py``, with the same callbacks and the same events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing

from btccxt.bars.history import CallPolicy, direct, download_trades
from btccxt.bars.seam import Hole, HoleCause
from btccxt.bars.trade_seam import TradeIds, TradeSeam
from btccxt.errors import ConfigError, Retryable, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import ConnectionState, StreamEvent, StreamKey, StreamKind, Trade
from btccxt.session.bar_feed import FeedClock, Sink, back_off, pause
from btccxt.session.events import FeedState, TicksArrived

_IDLE_S = 30.0


class TradeFeed:
    """Every public trade of one symbol since ``start_ms`` (None: from the first live one on), or after ``last``.

    A repair ends when the answer has met a trade of the stream, or when the exchange was asked ``grace_ms`` after the
    subscription (its REST lags) without finding more. Where the exchange's history is too short to reach back to the
    last trade, or it lists no trades at all, a ``Hole`` with cause LOST says between which times trades are missing.
    Without a stream the exchange is polled every ``poll_ms``. ``trade_ids``: from the profile. ``end_ms``: later trades
    are not wanted, and ``run`` returns once all before are here.
    """

    def __init__(
        self,
        exchange: ExchangeAPI,
        clock: FeedClock,
        key: StreamKey,
        *,
        sink: Sink,
        start_ms: int | None = None,
        last: Trade | None = None,
        end_ms: int | None = None,
        page_limit: int = 1_000,
        grace_ms: int = 2_000,
        poll_ms: int = 1_000,
        trade_ids: TradeIds = "learned",
        call: CallPolicy = direct,
        on_deaf: Callable[[str], None] | None = None,
    ) -> None:
        if key.kind is not StreamKind.TRADES or key.symbol is None:
            raise ConfigError(f"a trade feed needs a trades key with a symbol, not {key}")
        self.key = self.stream_key = key
        self._exchange = exchange
        self._symbol = key.symbol
        self._clock = clock
        self._sink = sink
        self._page_limit = page_limit
        self._grace_ms = grace_ms
        self._poll_ms = poll_ms
        self._call = call
        self._trade_ids: TradeIds = trade_ids
        self._seam = TradeSeam(start_ms=start_ms, last=last, trade_ids=trade_ids)
        self._end_ms = end_ms
        self._on_deaf = on_deaf
        self._looking = False  # the stream is silent: ask whether it missed something
        self._complete_ms = -1  # every trade until then is here
        self._connected = False
        self._up_ms = 0
        self._down_reason = ""
        self._failures = 0
        self._wake = asyncio.Event()
        self._state: FeedState | None = None

    @property
    def state(self) -> FeedState | None:
        """The last state announced."""
        return self._state

    # -------------------------------------------------------------- the stream supervisor calls these

    def on_event(self, key: StreamKey, event: StreamEvent) -> None:
        """One frame of the stream. Never blocks."""
        if event.__class__ is Trade:
            was_repairing = self._seam.repairing
            self._emit(self._seam.on_live(event))
            if self._seam.repairing and not was_repairing:  # one was lost on the way, or overtaken
                self._up_ms = self._clock.now_ms()
                self._wake.set()

    def on_up(self, key: StreamKey) -> None:
        """The subscription is active, again or for the first time: what was missed is asked for."""
        self._seam.on_disconnected()
        self._connected = True
        self._up_ms = self._clock.now_ms()
        self._wake.set()

    def on_down(self, key: StreamKey, reason: str) -> None:
        """The stream does not serve: until ``on_up`` the exchange is polled."""
        self._connected = False
        self._down_reason = reason
        self._seam.on_disconnected()
        self._announce(ConnectionState.DEGRADED, reason)
        self._wake.set()

    def look_at_silence(self, key: StreamKey) -> bool:
        """The stream is silent for longer than it is used to. True: the exchange is asked whether anything was traded,
        and the stream is doubted only if it was.
        """
        live = self._connected and self._state is not None and self._state.state is ConnectionState.LIVE
        if self._on_deaf is None or not live or self._seam.repairing or self._seam.ask_from_ms is None:
            return False
        self._looking = True
        self._wake.set()
        return True

    # -------------------------------------------------------------- the task

    async def run(self) -> None:
        """Backfill, then repair or poll, until cancelled or ``end_ms``. Raises what repeating cannot help (Fatal)."""
        if self._state is None:
            self._announce(ConnectionState.CONNECTING, f"history of {self.key}")
        while self._end_ms is None or self._complete_ms < self._end_ms:
            self._wake.clear()
            if self._connected and not self._seam.repairing:
                self._complete_ms = self._clock.now_ms() - self._grace_ms
                self._announce(ConnectionState.LIVE, "")
                if self._looking:
                    await self._look()
                    continue
                await pause(self._wake, self._idle_s())
                continue
            if self._connected:
                self._announce(ConnectionState.CONNECTING, f"asking for trades since {self._seam.ask_from_ms}")
            try:
                await self._repair()
                self._failures = 0
            except Unsupported:
                if not self._exchange.can_stream(self.key):
                    raise
                await self._go_on_without_history()
            except Retryable as error:
                self._failures += 1
                if self._connected:
                    self._announce(ConnectionState.CONNECTING, f"{type(error).__name__}: {error}")
                await back_off(error, self._failures, self._wake)

    async def _look(self) -> None:
        self._looking = False
        since_ms, now_ms, up_ms = self._seam.ask_from_ms, self._clock.now_ms(), self._up_ms
        if since_ms is None or self._on_deaf is None:
            return
        ask = self._exchange.fetch_trades
        try:
            answer = await self._call(lambda: ask(self._symbol, since_ms=since_ms + 1, limit=self._page_limit))
        except (Retryable, Unsupported) as error:
            if self._serves_since(up_ms):
                self._on_deaf(f"silent, and it cannot be asked whether that is right: {error}")
            return
        missed = sum(since_ms < trade.time_ms <= now_ms - self._grace_ms for trade in answer)
        if missed and self._seam.ask_from_ms == since_ms and self._serves_since(up_ms):
            self._on_deaf(f"nothing of {missed} trades")

    def _serves_since(self, up_ms: int) -> bool:
        """Still the same connection: what was found out about another says nothing of this one."""
        return self._connected and self._up_ms == up_ms

    def _idle_s(self) -> float:
        if self._end_ms is None:
            return _IDLE_S
        left_ms = self._end_ms - self._complete_ms
        return min(max(self._clock.wall_s(left_ms), 0.001), _IDLE_S)

    async def _repair(self) -> None:
        """Ask once for everything since the last trade; end the repair if nothing can be missing any more."""
        asked_ms = self._clock.now_ms()
        up_ms, since_ms = self._up_ms, self._seam.ask_from_ms
        if since_ms is None:
            # Polling from nothing: begin now, as the stream would.
            self._seam = TradeSeam(start_ms=asked_ms, trade_ids=self._trade_ids)
            return
        self._seam.begin_download()
        batches = download_trades(
            self._exchange,
            self._symbol,
            since_ms,
            (asked_ms if self._end_ms is None else min(asked_ms, self._end_ms)) + 1,
            page_limit=self._page_limit,
            call=self._call,
        )
        async with aclosing(batches):
            async for batch in batches:
                self._emit(self._seam.on_page(batch))
        if self._end_ms is not None and asked_ms - self._grace_ms >= self._end_ms:
            self._complete_ms = self._end_ms
        elif self._connected and self._up_ms == up_ms:
            complete_ms = up_ms + self._grace_ms
            if self._seam.has_joined_live or asked_ms >= complete_ms:
                self._emit(self._seam.on_repaired())
            else:
                await pause(self._wake, self._clock.wall_s(min(complete_ms - asked_ms, self._poll_ms)))
        elif not self._connected:
            await pause(self._wake, self._clock.wall_s(self._poll_ms))
            if not self._connected and self._down_reason:
                self._announce(ConnectionState.DEGRADED, self._down_reason)

    async def _go_on_without_history(self) -> None:
        """Only the stream tells trades here: what was traded while it did not serve is lost, and that is said."""
        if not self._connected:
            await pause(self._wake, _IDLE_S)
            return
        since_ms = self._seam.ask_from_ms
        if since_ms is not None and since_ms < self._up_ms:
            self._sink(Hole(since_ms, self._up_ms, HoleCause.LOST))
        self._emit(self._seam.on_repaired())

    def _announce(self, state: ConnectionState, reason: str) -> None:
        if self._state is None or self._state.state != state:
            self._state = FeedState(state, reason)
            self._sink(self._state)

    def _emit(self, events: Iterable[Trade | Hole]) -> None:
        run: list[Trade] = []
        for event in events:
            if isinstance(event, Trade):
                if self._end_ms is None or event.time_ms <= self._end_ms:
                    run.append(event)
                continue
            if run:
                self._sink(TicksArrived(tuple(run)))
                run = []
            self._sink(event)
        if run:
            self._sink(TicksArrived(tuple(run)))
