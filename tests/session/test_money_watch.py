"""A balance that moves with a fill is a fill's; one that moves more often than fills come is money."""

from __future__ import annotations

import asyncio

import pytest

from btccxt.errors import AuthenticationFailed, ExchangeUnavailable, Unreadable, Unsupported
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.session import money_watch
from btccxt.session.money_watch import MoneyWatch


class Exchange:
    error: Exception | None = None

    async def fetch_transfers(self, since_ms: int) -> list:
        if self.error is not None:
            raise self.error
        return ["a transfer"]


@pytest.fixture
async def passes(monkeypatch):
    """Time passes in this test's loop only when it is told to."""
    loop = asyncio.get_running_loop()
    now_s = [loop.time()]
    monkeypatch.setattr(loop, "time", lambda: now_s[0])

    async def passes(seconds: float) -> None:
        now_s[0] += seconds
        for _ in range(3):  # what is due becomes ready, then runs
            await asyncio.sleep(0)

    return passes


@pytest.fixture
def watch():
    looked, troubled = [], []
    made = MoneyWatch(
        Exchange(), ExchangeClock(WallTime()), lambda: looked.append(1), lambda what, _: troubled.append(what)
    )
    made.looked, made.troubled = looked, troubled
    return made


@pytest.mark.parametrize(
    ("events", "looks"),
    [("m", True), ("mf", False), ("fm", False), ("fmm", True), ("ffmm", False), ("fm.m", True), ("ffm", False)],
)
async def test_what_no_fill_accounts_for_is_looked_for(watch, passes, events, looks) -> None:
    for event in events:
        if event == "m":
            watch.balance_moved()
        elif event == "f":
            watch.filled(1)
        else:
            await passes(3 * money_watch._FILL_NEAR_S)
    await passes(3 * money_watch._FILL_NEAR_S)
    assert (watch.is_due, bool(watch.looked)) == (looks, looks)


async def test_a_list_that_cannot_be_had_is_told_once_and_keeps_nothing_from_being_compared(watch) -> None:
    exchange = watch._exchange
    assert await watch.listed() == ("a transfer",)
    exchange.error = Unsupported("no lists")
    assert await watch.listed() == ()
    exchange.error = AuthenticationFailed("no right to read them")
    assert await watch.listed() == ()
    exchange.error = ExchangeUnavailable("404: this testnet has none")
    assert await watch.listed() == ()
    assert watch.troubled == ["deposits, withdrawals and transfers"]
    exchange.error = None
    assert await watch.listed() == ("a transfer",)
    exchange.error = Unreadable("an error that nobody knows")
    assert await watch.listed() == ()
    assert len(watch.troubled) == 2
