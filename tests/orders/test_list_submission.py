"""A stop and a target as one order list: sent once, both or none, and after any failure in a known state."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from btccxt.errors import (
    AuthenticationFailed,
    ClockSkew,
    ExchangeUnavailable,
    OrderOutcomeUnknown,
    RateLimited,
    Refused,
)
from btccxt.model import OrderKind
from btccxt.orders.leg import NOT_LISTED
from btccxt.orders.live_order import LifecycleState
from tests.orders.conftest import Desk, StalledDisk, eventually
from tests.orders.fake_exchange import Script

OPEN, CANCELED, REJECTED = LifecycleState.OPEN, LifecycleState.CANCELED, LifecycleState.REJECTED


async def held(desk: Desk) -> tuple[str, str]:
    """Two orders that are in the journal, and wait."""
    stop = desk.request(kind=OrderKind.STOP, price=None, trigger_price=desk.request().price)
    names = desk.submit(stop, hold=True), desk.submit(desk.request(), hold=True)
    for name in names:
        await desk.until(name, LifecycleState.JOURNALED)
    return names


def release(desk: Desk, names: tuple[str, str]) -> None:
    desk.tracker.release_list(*(desk.order(name).request for name in names))


@dataclass(frozen=True)
class Case:
    name: str
    scripts: tuple[Script | BaseException, ...]
    state: LifecycleState
    requests: int
    why: str = ""


CASES = [
    Case("a clear answer opens both", (), OPEN, 1),
    Case("a refusal ends both before they were placed", (Refused(["too many lists"]),), CANCELED, 1, "too many lists"),
    Case("so do wrong keys", (AuthenticationFailed("no"),), CANCELED, 1, "AuthenticationFailed"),
    Case("a rate limit is waited for", (RateLimited("slow", 0.01),), OPEN, 2),
    Case("a clock error is sent again", (ClockSkew("-1021"),), OPEN, 2),
    Case("maintenance is sent again", (ExchangeUnavailable("a"), ExchangeUnavailable("b")), OPEN, 3),
    Case("rate limits without end give up", (RateLimited("a"),) * 4, CANCELED, 4, "given up after 4 attempts"),
    Case("a time-out after acceptance is found", (Script(after=OrderOutcomeUnknown("time-out")),), OPEN, 1),
    Case(
        "a time-out before acceptance is not resent", (OrderOutcomeUnknown("time-out"),), REJECTED, 1, "no such order"
    ),
    Case("an exception nobody expects is not a failure", (Script(after=KeyError("x")),), OPEN, 1),
    Case("an answer without an id is found", (Script(answer=lambda u: replace(u, order_id=None)),), OPEN, 1),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_an_answer_means(desk: Desk, case: Case) -> None:
    desk.exchange.script("create_order_list", *case.scripts)
    names = await held(desk)
    release(desk, names)
    for name in names:
        order = await desk.until(name, case.state)
        said = (*order.reasons, *order.notes)
        assert not case.why or any(case.why in text for text in said), said
        assert (case.state is CANCELED) == any(note.startswith(NOT_LISTED) for note in order.notes)
    assert (desk.exchange.count("create_order_list"), desk.exchange.sent()) == (case.requests, [])


async def test_nothing_leaves_before_both_are_on_disk(desk: Desk) -> None:
    names = await held(desk)
    with StalledDisk(desk.journal) as disk:
        release(desk, names)
        await asyncio.sleep(0.05)
        assert desk.exchange.count("create_order_list") == 0
        disk.release()
    for name in names:
        await desk.until(name, OPEN)


@pytest.mark.parametrize("which", [0, 1])
async def test_of_a_list_that_has_not_left_neither_is_sent_when_one_is_cancelled(desk: Desk, which: int) -> None:
    names = await held(desk)
    with StalledDisk(desk.journal) as disk:
        release(desk, names)
        await asyncio.sleep(0.01)
        desk.tracker.cancel(names[which])
        await asyncio.sleep(0.01)
        disk.release()
    for name in names:
        await desk.until(name, CANCELED)
    assert desk.exchange.count("create_order_list") == 0
    assert desk.alarms == []


@pytest.mark.parametrize("unsent", ["report", "resend"])
async def test_a_program_that_ends_before_the_list_has_left_places_neither_by_itself(make_desk, unsent: str) -> None:
    desk = await make_desk().start()
    names = await held(desk)
    with StalledDisk(desk.journal) as disk:
        release(desk, names)
        await asyncio.sleep(0.01)
        for task in desk.tracker.tasks.all():
            task.cancel()
        disk.release()
    after = await desk.restart(unsent_after_restart=unsent)
    for name in names:
        await eventually(lambda name=name: after.order(name).is_final)
        assert (after.order(name).state, after.order(name).listed) == (REJECTED, names[name == names[0]])
    assert after.exchange.sent() == []
