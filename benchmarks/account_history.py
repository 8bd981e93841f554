"""The account's trades read to their end and kept, beside what the rate limit itself allows: OKX, a hundred a page."""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path

from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from btccxt.config import Mode, StoreConfig
from btccxt.exchange.profile.profile import load_profile
from btccxt.matching.records import NewOrder
from btccxt.model import Fill, MarketType, OrderKind, Side
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.markets import spot_market
from btccxt.sim.participants import ParticipantsSource
from btccxt.sim.server import SimExchange
from btccxt.store.kept_history import KeptHistory, KeptPages, ListName
from btccxt.store.venues import connect

NAME = "account_history"
TITLE = "the account's trades, 100 a page, in a process with the exchange"

_WALL, _PAGES = "seconds", "pages"
_SYMBOL = "BTC/USDT"
_START_MS = 1_735_689_600_000  # 2025-01-01
_SPAN_MS = 20 * 86_400_000


def run(size: Size) -> Report:
    trades = size.pick(10_000, 4_000, 150)
    ours_s, pages, limit_s = _measured(trades)
    case = f"{trades:,} trades"
    rows = (
        Row(case, "btccxt", {_WALL: ours_s, _PAGES: float(pages)}),
        Row(case, "the rate limit alone", {_WALL: limit_s, _PAGES: float(pages)}),
    )
    targets = (Target("trades of an account beside what the rate limit allows (ratio)", ours_s / limit_s, 1.2),)
    return Report(NAME, TITLE, (Column(_WALL, 2), Column(_PAGES, 0)), _WALL, rows, targets)


def _measured(trades: int) -> tuple[float, int, float]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(trades, folder))


async def _measure(trades: int, folder: str) -> tuple[float, int, float]:
    """Seconds and pages of ours, and the seconds that so many pages take at least."""
    account = SimAccount(balances={"USDT": Decimal(10**9), "BTC": Decimal(10**6)})
    sim = SimExchange(ParticipantsSource([spot_market(_SYMBOL)], _START_MS), ("okx",), accounts=[account])
    async with sim:
        begin_ms = _fill(sim, trades)
        profile = load_profile("okx", MarketType.SPOT)
        settings = StoreConfig(exchange="okx", mode=Mode.SIM, sim_address=str(sim.address))
        venue = await asyncio.to_thread(
            connect, Mode.SIM, profile, _keys(account), balances={}, settings=settings, report=_ignore,
            sends_orders=False,
        )  # fmt: skip
        try:
            await venue.exchange.open()
            await venue.exchange.load_markets()
            pool = profile.rate.pools["requests"]
            await asyncio.sleep(1.1 * pool.window_ms / 1_000)  # what the opening used up comes free
            kept, name = KeptHistory(Path(folder) / "history"), ListName("trades", Fill, reused=True)
            make = partial(venue.exchange.trade_pages, _SYMBOL)
            pages = KeptPages(kept, name, make, begin_ms, None, venue.clock.now_ms())
            if await pages.next():
                raise AssertionError("nothing was kept before")
            began_s = time.perf_counter()
            found, asked = len(await pages.next()), 1
            answer_s = time.perf_counter() - began_s
            while not pages.is_done:
                found += len(await pages.next())
                asked += 1
            ours_s = time.perf_counter() - began_s
        finally:
            await venue.exchange.close()
            await asyncio.to_thread(venue.stop)
    if found != trades:
        raise AssertionError(f"{found} of {trades} trades were read")
    windows = math.ceil(asked / pool.capacity) - 1
    return ours_s, asked, windows * pool.window_ms / 1_000 + answer_s


def _fill(sim: SimExchange, trades: int) -> int:
    """Straight into the engine; when the first of them was, ms."""
    now_ms = int(sim.clock.now_ms())
    begin_ms = now_ms - _SPAN_MS
    sim.engine.set_depth(_SYMBOL, [(Decimal(99), Decimal(10**6))], [(Decimal(101), Decimal(10**6))], now_ms)
    for number in range(trades):
        order = NewOrder(_SYMBOL, Side.BUY if number % 2 == 0 else Side.SELL, OrderKind.MARKET, Decimal("0.5"))
        sim.engine.submit("main", order, begin_ms + number * (_SPAN_MS // trades))
    return begin_ms


def _keys(account: SimAccount) -> Mapping[str, str]:
    return {"apiKey": account.api_key, "secret": account.secret, "password": account.password}


def _ignore(what: str, error: BaseException) -> None:
    """Repeated requests cost time, which is measured."""
