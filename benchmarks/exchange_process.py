"""The embedded exchange in a process of its own, with a benchmark's hand on it.

A pushed candle carries the instant of its sending as its volume (``stamp``), so that whoever receives it, over
whatever client, knows how long it was under way. Clocks agree: ``time.monotonic`` is the whole machine's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from benchmarks.market import HOUR_MS, NOON_MS, PRICE, TIMEFRAME, QuietMarket, symbols_of
from benchmarks.processes import Link
from btccxt.model import Bar
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.server import SimExchange

_NO_LIMITS = {"binance": {"REQUEST_WEIGHT": 10**9, "ORDERS_10S": 10**9, "ORDERS_1D": 10**9}}
_BALANCES = {"USDT": Decimal(10**12)}
_WATCH_S = 0.02


def stamp() -> float:
    """Microseconds; small enough for every client's float and text."""
    return time.monotonic_ns() // 1000


@dataclass(frozen=True, slots=True)
class PushPlan:
    """``frames`` candle frames, evenly paced. ``closes_every``: 1 closes a bar with every frame, 30 with every 30th."""

    group: str
    symbols: int
    frames: int
    per_s: float
    closes_every: int = 1
    shuffled: bool = False


def keys_of(group: str) -> dict[str, str]:
    """ccxt's names for the keys of this group's own account: nobody hears of another's orders."""
    names = {"api_key": "apiKey", "secret": "secret"}
    return {names[name]: value for name, value in _credentials(group).items()}


def _credentials(group: str) -> dict[str, str]:
    return {"api_key": f"key-{group}", "secret": f"secret-{group}"}


def serve(link: Link, groups: Mapping[str, int]) -> None:
    """A worker (``processes.py``)."""
    asyncio.run(_Exchange(link, groups).run())


class _Exchange:
    def __init__(self, link: Link, groups: Mapping[str, int]) -> None:
        self._link = link
        accounts = [SimAccount(group, **_credentials(group), balances=_BALANCES) for group in groups]
        self._sim = SimExchange(QuietMarket(groups), limits=_NO_LIMITS, accounts=accounts)
        self._next_open_ms: dict[str, int] = {}
        self._arrived_ns: dict[str, int] = {}
        self._sent_ns: dict[str, int] = {}
        self._questions: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self._filling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        sim, link = self._sim, self._link
        address = await sim.start()
        sim.on_request(lambda seen: self._note_request(seen.arrived_ns, seen.params))
        asyncio.get_running_loop().add_reader(link.fileno(), lambda: self._questions.put_nowait(link.question()))
        link.ready(address)
        try:
            while (question := await self._questions.get())[0] != "stop":
                action = getattr(self, f"do_{question[0]}")
                link.answer(await action(*question[1:]))
        finally:
            if self._filling is not None:
                self._filling.cancel()
            await sim.stop()

    # -------------------------------------------------------------- candles

    async def do_push(self, plan: PushPlan) -> int:
        """Answers how many bars were closed."""
        names = symbols_of(plan.group, plan.symbols)
        rng = random.Random(1)
        began_s, closed_bars = time.monotonic(), 0
        for number in range(plan.frames):
            await _until(began_s + number / plan.per_s)
            name = rng.choice(names) if plan.shuffled else names[number % plan.symbols]
            # Which frame closes its bar differs from symbol to symbol, so that bars do not close in one burst.
            turn, place = divmod(number, plan.symbols)
            closed = (turn + place) % plan.closes_every == plan.closes_every - 1
            open_ms = self._next_open_ms.setdefault(name, NOON_MS)
            price = float(PRICE)
            self._sim.push_candle(name, TIMEFRAME, Bar(open_ms, price, price, price, price, stamp()), closed)
            if closed:
                self._next_open_ms[name] = open_ms + HOUR_MS
                closed_bars += 1
        return closed_bars

    # -------------------------------------------------------------- orders

    def _note_request(self, arrived_ns: int, params: Mapping[str, Any]) -> None:
        client_order_id = params.get("newClientOrderId")
        if client_order_id is not None:
            self._arrived_ns[client_order_id] = arrived_ns

    async def do_arrivals(self) -> dict[str, int]:
        """Client order id -> when the request to create it arrived (``time.time_ns``); forgets them."""
        found, self._arrived_ns = self._arrived_ns, {}
        return found

    async def do_fill_orders(self, group: str) -> None:
        """From now on fill every resting order of the group's account a moment after it was placed."""
        self._filling = asyncio.get_running_loop().create_task(self._fill_forever(group))

    async def _fill_forever(self, group: str) -> None:
        engine, symbol = self._sim.engine, symbols_of(group, 1)[0]
        while True:
            await asyncio.sleep(_WATCH_S)
            for connection in self._sim.connections:
                self._time_fills_of(connection)
            for order in engine.orders(group, symbol, open_only=True):
                price = order.request.price
                if price is not None:
                    engine.print_trade(symbol, price, Decimal(1000), None, self._sim.venue.now_ms())

    def _time_fills_of(self, connection: Connection) -> None:
        """Note the instant at which a fill's frame is handed to the socket."""
        if "send_frame" in vars(connection):
            return
        send_frame = connection.send_frame

        def timed(frame: bytes, payload: bytes, topic: str) -> None:
            now_ns = time.time_ns()
            send_frame(frame, payload, topic)
            if b'"executionReport"' in payload:
                event = orjson.loads(payload)
                event = event.get("event", event)
                if event.get("x") == "TRADE":
                    self._sent_ns.setdefault(event["c"], now_ns)

        connection.send_frame = timed  # type: ignore[method-assign]

    async def do_fills_sent(self) -> dict[str, int]:
        """Client order id -> when its first fill was sent (``time.time_ns``); forgets them."""
        found, self._sent_ns = self._sent_ns, {}
        return found


async def _until(due_s: float) -> None:
    """Sleeps coarsely in the loop, finely outside of it: nothing else has to happen there meanwhile."""
    left_s = due_s - time.monotonic()
    await asyncio.sleep(max(0.0, left_s - 0.002))
    left_s = due_s - time.monotonic()
    if left_s > 0:
        time.sleep(left_s)  # noqa: ASYNC251 - on purpose
