"""SIGKILL at the moments that count for the next life: a ticket that was never sent, a pair that filled twice."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal as D
from pathlib import Path

import pytest

from btccxt.errors import JournalError
from btccxt.model import OrderKind
from btccxt.orders.events import AlarmKind
from btccxt.orders.journal.file import open_read_only
from btccxt.orders.journal.reader import JournalReader
from btccxt.orders.live_order import LifecycleState
from btccxt.sim.faults import Fault, FaultKind
from tests.chaos.books import alarms
from tests.chaos.pair_bot import run
from tests.chaos.scenario import START_PRICE
from tests.chaos.venue import ChaosVenue
from tests.chaos.wires import LINEAR

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

_PATIENCE_S = 60.0
_REPOSITORY = Path(__file__).parents[2]


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come about"
        time.sleep(0.02)


@contextmanager
def _bot(venue: ChaosVenue, journal: Path, life: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.pair_bot", str(venue.address), str(journal), life],
        cwd=_REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        assert process.stdin is not None
        process.stdin.close()


def _ends_told(journal: Path) -> set[str]:
    """Kinds of orders of whose end the strategy was told, and it is in the journal."""
    try:
        connection = open_read_only(str(journal))
    except (sqlite3.Error, JournalError):
        return set()
    try:
        rows = connection.execute("SELECT json_extract(request, '$.kind') FROM tickets WHERE told = 1").fetchall()
    except sqlite3.Error:  # the bot has only begun
        return set()
    finally:
        connection.close()
    return {kind for (kind,) in rows}


def _overfills_told(venue: ChaosVenue, journal: Path) -> list[str]:
    """What one more life hears of pairs that filled too much."""
    strategy, _ = run(str(venue.address), journal, lambda bars: bars >= 5)
    return [str(notice) for notice in alarms(strategy, AlarmKind.OVERFILL)]


@contextmanager
def _both_filled(journal: Path) -> Iterator[ChaosVenue]:
    """The limit order fills, its end is told, the cancel of the stop is lost, SIGKILL; then the stop fills as well."""
    with ChaosVenue(LINEAR, 1, START_PRICE, None) as venue:
        with _bot(venue, journal, "trade"):
            _wait_for(lambda: len(venue.orders()) == 3 and venue.positions() == {LINEAR.symbol: D("0.02")})
            venue.faults.add(Fault(FaultKind.DROP_REQUEST, *LINEAR.cancel, times=None))
            venue.move(D(61_050))
            _wait_for(lambda: OrderKind.LIMIT.value in _ends_told(journal))
        venue.faults.clear()
        venue.move(D(58_900))
        assert venue.positions() == {LINEAR.symbol: D("-0.02")}
        yield venue


def test_a_pair_that_filled_twice_around_a_kill_is_told_once_in_all_lives_to_come(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite3"
    with _both_filled(journal) as venue:
        (told,) = _overfills_told(venue, journal)
        assert "together 0.04, at most 0.02 was wanted" in told
        assert _overfills_told(venue, journal) == []
        with closing(sqlite3.connect(journal)) as connection, connection:  # a journal that never heard of alarms
            connection.execute("DELETE FROM alarms")
        connection.close()
        assert _overfills_told(venue, journal) == [], "both ended long ago"


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["raising", "telling"])
def test_a_kill_between_the_second_end_and_the_telling_of_the_alarm_does_not_silence_it(
    tmp_path: Path, moment: str
) -> None:
    journal = tmp_path / "journal.sqlite3"
    with _both_filled(journal) as venue:
        with _bot(venue, journal, moment) as process:
            assert process.wait(_PATIENCE_S) == -signal.SIGKILL
        (told,) = _overfills_told(venue, journal)
        assert "together 0.04, at most 0.02 was wanted" in told
        assert _overfills_told(venue, journal) == []


def test_a_ticket_on_disk_whose_request_never_left_is_known_to_the_next_life_and_told(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite3"
    with ChaosVenue(LINEAR, 1, START_PRICE, None) as venue:
        with _bot(venue, journal, "ticket") as process:
            assert process.wait(_PATIENCE_S) == -signal.SIGKILL
        with JournalReader(journal) as reader:
            tickets = {order.request.client_order_id: order.state for order in reader.orders()}
        assert set(tickets.values()) == {LifecycleState.JOURNALED}
        strategy, _ = run(str(venue.address), journal, lambda bars: bars >= 5)
        assert {order.info.client_order_id: order.getstatusname() for order in strategy.ends} == dict.fromkeys(
            tickets, "Rejected"
        )
        said = [notice.about for notice in alarms(strategy, AlarmKind.OUTCOME_UNKNOWN)]
        assert {alarm.client_order_id for alarm in said} == set(tickets)
        assert all("the program ended before it was sent" in alarm.text for alarm in said)
        again, _ = run(str(venue.address), journal, lambda bars: bars >= 5)
        assert (again.ends, alarms(again)) == ([], [])
        assert venue.orders() == []
