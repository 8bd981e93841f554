"""The handover: whoever was rung begins before the ringer goes on."""

from __future__ import annotations

import queue
import threading
from collections import deque

import pytest

from btccxt.session.inbox import EventInbox, ThreadHandover


class Target:
    def __init__(self) -> None:
        self.arrivals = deque()


@pytest.fixture
def patient(monkeypatch):
    """A giver that waits for as long as a loaded machine needs."""
    monkeypatch.setattr("btccxt.session.inbox._PATIENCE_S", 60.0)


def test_the_giver_goes_on_when_the_taker_has_begun(patient):
    handover, bell, story = ThreadHandover(), queue.SimpleQueue(), []

    def taker() -> None:
        bell.get()
        story.append("taker begins")
        handover.taken()

    thread = threading.Thread(target=taker)
    thread.start()
    handover.offer()
    bell.put(None)
    assert handover.pass_on()
    story.append("giver goes on")
    thread.join(60)
    assert story == ["taker begins", "giver goes on"]


def test_a_taker_that_is_busy_elsewhere_is_not_waited_for():
    handover = ThreadHandover()
    handover.offer()
    assert not handover.pass_on()


def test_taking_without_an_offer_leaves_nothing_behind_for_the_next_giver():
    handover = ThreadHandover()
    handover.taken()
    handover.offer()
    assert not handover.pass_on()


def test_what_is_urgent_is_with_a_waiting_reader_before_the_writer_goes_on(patient):
    inbox, target, read = EventInbox(), Target(), []

    def reader() -> None:
        inbox.deliver(60.0)
        read.extend(target.arrivals)

    thread = threading.Thread(target=reader)
    thread.start()
    while not inbox._is_waiting:
        pass
    began = []
    taken = inbox._handover.taken
    inbox._handover = type("Told", (), {
        "offer": inbox._handover.offer, "pass_on": inbox._handover.pass_on,
        "taken": lambda self: (began.append(1), taken()),
    })()  # fmt: skip
    inbox.put_urgent(target, "fill")
    assert began == [1]
    thread.join(60)
    assert read == ["fill"]


def test_a_writer_does_not_wait_for_a_reader_that_is_busy(monkeypatch):
    inbox, target = EventInbox(), Target()
    monkeypatch.setattr(ThreadHandover, "pass_on", lambda self: pytest.fail("waited for somebody who does not listen"))
    inbox.put_urgent(target, "fill")
    assert inbox.deliver()
    assert list(target.arrivals) == ["fill"]
