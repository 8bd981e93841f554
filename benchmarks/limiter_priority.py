"""(h) An order while 20 pages of history wait for the rate limit, beside an order while nothing does.

btccxt's limit is set so low that the pages need seconds; ccxt's throttler, first come first served, keeps its own (a
page takes 20 ms).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from benchmarks.clients.orders_ours import FAR_PRICE
from benchmarks.clients.peers import ccxt_pro, close_ccxt, run_in_loop
from benchmarks.exchange_process import keys_of, serve
from benchmarks.market import NOON_MS, TIMEFRAME, symbols_of
from benchmarks.processes import Link, Worker, WorkerFailed, worker
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType, OrderKind, OrderRequest, Side, TimeInForce
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.sim.tls import SimAddress, connector_for

NAME = "limiter_priority"
TITLE = "an order while 20 history pages are queued"

_IDLE, _BUSY = "idle p50 ms", "pages queued p50 ms"
_ADDED = "added ms"
_PAGES = 20
_MS_PER_NS = 1e-6
_HISTORY_MS = NOON_MS - 1_000 * 3_600_000
# Without the header: the exchange counts per minute, and its figure would fill this second of ours.
_SLOW = {"rate": {"pools": {"weight": {"capacity": 20, "window_ms": 1_000, "header": None}}}}

Place = Callable[[str], Awaitable[Any]]
FetchPage = Callable[[], Awaitable[Any]]


def run(size: Size) -> Report:
    orders = size.pick(9, 5, 1)
    rows = []
    with worker(serve, {"A": 1, "B": 1}) as exchange:
        for who, client, group in (("btccxt", _ours, "A"), ("ccxt throttler", _bare, "B")):
            with worker(client, exchange.ready, group) as running:
                idle, busy = [], []
                for _ in range(orders):
                    idle.append(_late_ms(exchange, running, 0, who))
                    busy.append(_late_ms(exchange, running, _PAGES, who))
            values = {_IDLE: median(idle), _BUSY: median(busy)}
            rows.append(Row("limit order", who, {**values, _ADDED: values[_BUSY] - values[_IDLE]}))
    added_ms = rows[0].values[_ADDED]
    targets = (Target(f"what {_PAGES} queued pages add to an order (ms)", added_ms, 5.0),)
    columns = (Column(_IDLE, 2), Column(_BUSY, 2), Column(_ADDED, 2))
    return Report(NAME, TITLE, columns, _BUSY, tuple(rows), targets)


def _late_ms(exchange: Worker, running: Worker, pages: int, who: str) -> float:
    client_order_id, began_ns, waiting = running.ask("order", pages)
    arrived_ns = exchange.ask("arrivals")[client_order_id]
    if pages and not waiting and who == "btccxt":  # elsewhere the order waits for them
        raise WorkerFailed(f"{running.name}: no page was waiting when the order had been sent")
    return (arrived_ns - began_ns) * _MS_PER_NS


# ------------------------------------------------------------------ the clients


def _ours(link: Link, address: SimAddress, group: str) -> None:
    run_in_loop(link, _run_ours(link, address, group))


async def _run_ours(link: Link, address: SimAddress, group: str) -> None:
    profile = load_profile("binance", MarketType.SPOT, {"binance": {"markets": {"spot": _SLOW}}})
    exchange = CCXTExchange(
        profile, keys_of(group), clock=ExchangeClock(WallTime()), connector=lambda: connector_for(address)
    )
    symbol = symbols_of(group, 1)[0]
    await exchange.open()
    await exchange.measure_clock()
    await exchange.load_markets()

    async def place(client_order_id: str) -> None:
        await exchange.create_order(
            OrderRequest(
                client_order_id, symbol, Side.BUY, OrderKind.LIMIT, Decimal(1), price=Decimal(str(FAR_PRICE)),
                time_in_force=TimeInForce.IOC,
            )
        )  # fmt: skip

    async def fetch_page() -> None:
        await exchange.fetch_ohlcv(symbol, TIMEFRAME, _HISTORY_MS, 100)

    await _serve(link, place, fetch_page, "o")
    await exchange.close()


def _bare(link: Link, address: SimAddress, group: str) -> None:
    run_in_loop(link, _run_bare(link, address, group))


async def _run_bare(link: Link, address: SimAddress, group: str) -> None:
    exchange = await ccxt_pro(address, group, throttled=True)
    symbol = symbols_of(group, 1)[0]

    async def place(client_order_id: str) -> None:
        params = {"timeInForce": "IOC", "newClientOrderId": client_order_id}
        await exchange.create_order(symbol, "limit", "buy", 1.0, FAR_PRICE, params)

    async def fetch_page() -> None:
        await exchange.fetch_ohlcv(symbol, TIMEFRAME, _HISTORY_MS, 100)

    await _serve(link, place, fetch_page, "b")
    await close_ccxt(exchange)


async def _serve(link: Link, place: Place, fetch_page: FetchPage, prefix: str) -> None:
    """``("order", pages)``: send one order while so many pages are on their way; answers when it has been sent."""
    loop = asyncio.get_running_loop()
    questions: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
    loop.add_reader(link.fileno(), lambda: questions.put_nowait(link.question()))
    numbers = itertools.count()
    link.ready()
    while (question := await questions.get())[0] != "stop":
        await asyncio.sleep(1.2)  # the limit's window of the order before is over
        pages = [loop.create_task(fetch_page()) for _ in range(question[1])]
        await asyncio.sleep(0.1)
        client_order_id, began_ns = f"{prefix}{next(numbers)}", time.time_ns()
        await place(client_order_id)
        waiting = sum(not page.done() for page in pages)
        for page in pages:
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)
        link.answer((client_order_id, began_ns, waiting))
    loop.remove_reader(link.fileno())
