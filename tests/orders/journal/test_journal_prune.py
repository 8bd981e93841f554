"""Old orders can be taken out of a journal, and nothing that somebody needs goes with them."""

from __future__ import annotations

import time
from decimal import Decimal as D
from pathlib import Path

import pytest
from typer.testing import CliRunner

from btccxt.account.explain import spot_positions
from btccxt.cli import app
from btccxt.errors import ConfigError, JournalError
from btccxt.model import Balances, Fee, Fill, OrderKind, OrderRequest, OrderStatus, OrderUpdate, Origin, Side
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.journal.journal import Journal
from btccxt.orders.journal.reader import JournalReader
from btccxt.orders.lifecycle import apply
from btccxt.orders.live_order import LiveOrder

DAY_MS = 86_400_000
NOW_MS = 2_000 * DAY_MS
IDENTITY = {"exchange": "fake", "mode": "testnet", "account": "abc123"}


class Book:
    """A journal that orders are written into as a tracker would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal.open(path, **IDENTITY)
        self._trades = 0

    def order(
        self, name: str, days_ago: float, *, fills=(), ended=True, told=True, context=None, now_ms: int = NOW_MS
    ) -> None:
        """``fills``: signed amounts and prices."""
        at_ms = int(now_ms - days_ago * DAY_MS)
        side = Side.SELL if fills and D(fills[0][0]) < 0 else Side.BUY
        amount = sum((abs(D(amount)) for amount, _ in fills), D(0)) or D(1)
        request = OrderRequest(name, "BTC/USDT", side, OrderKind.LIMIT, amount + (0 if ended and fills else 1), D(100))
        order = LiveOrder(request, context or {}, created_ms=at_ms)
        self.journal.record_intent(order, 7)
        for size, price in fills:
            self._trades += 1
            fee = Fee("BTC", abs(D(size)) / 1000)
            fill = Fill(f"t{self._trades}", "BTC/USDT", side, D(price), abs(D(size)), at_ms, fee=fee)
            order, _ = apply(order, fill, at_ms)
            self.journal.record(order, fill, at_ms)
        if ended and not order.is_final:
            update = OrderUpdate("BTC/USDT", OrderStatus.CANCELED, Origin.QUERY, order_id=f"x{name}")
            order, _ = apply(order, update, at_ms)
            self.journal.record(order, update, at_ms)
        if told:
            self.journal.mark_told(name)

    def start_of_a_program(self) -> None:
        self.journal.keep_holdings(NOW_MS, Balances(NOW_MS, {}), [])

    def prune(self, days: float = 90):
        return self.journal.prune(int(NOW_MS - days * DAY_MS), spot_positions).result()

    def position(self):
        fills, openings = self.journal.past_fills().result(), self.journal.openings().result()
        return spot_positions(openings, fills).get("BTC/USDT")

    def names(self) -> set[str]:
        self.journal.flush().result()
        with JournalReader(self.path) as reader:
            return {order.request.client_order_id for order in reader.orders()}


@pytest.fixture
def book(tmp_path):
    book = Book(tmp_path / "journal.sqlite3")
    yield book
    book.journal.close()


def test_only_old_orders_that_nothing_needs_are_taken_out(book):
    book.order("parent", 200)
    book.order("pair", 200)
    book.order("replaced", 200)
    book.order("gone", 200)
    book.order("unacknowledged", 200, told=False)
    book.order("open", 200, ended=False, told=False)
    book.order("young", 80)
    book.order(
        "child", 100, ended=False, told=False, context={"parent": "parent", "oco": "pair", "replaces": "replaced"}
    )
    book.start_of_a_program()
    pruned = book.prune()
    assert (pruned.orders, pruned.kept) == (1, 4)
    assert book.names() == {"parent", "pair", "replaced", "unacknowledged", "open", "young", "child"}
    with JournalReader(book.path) as reader:
        assert reader.story("gone") is None
        assert len(reader.story("parent").lines) == 2


def test_what_may_yet_be_said_of_a_pair_or_an_order_keeps_it(book):
    """The leg that ended is needed to see that both filled, whichever of the two names the other."""
    book.order("living", 200, ended=False, told=False)
    book.order("ended leg", 200, context={"oco": "living"})
    book.order("alarmed", 200)
    book.order("told", 200)
    alarms = [Alarm(AlarmKind.OVERFILL, "too much", name, once=f"overfill {name}") for name in ("alarmed", "told")]
    for alarm in alarms:
        book.journal.keep_alarm(alarm, NOW_MS)
    book.journal.alarm_told(alarms[1])
    assert book.prune().orders == 1
    assert book.names() == {"living", "ended leg", "alarmed"}
    assert [kept.alarm.client_order_id for kept in book.journal.alarms().result()] == ["alarmed"]
    with JournalReader(book.path) as reader:
        lines = [line.details for line in reader.story("alarmed").lines if line.what == "Alarm"]
    assert lines == ["too much (nobody was told yet)"]


def test_what_has_closed_a_part_of_a_living_bracket_stays(book):
    book.start_of_a_program()
    book.order("entry", 200)
    book.order("stop", 200, ended=False, context={"parent": "entry"})
    book.order("close", 150, context={"closes": "entry:0.4"})
    book.order("gone", 150, context={"closes": "another:0.4"})
    assert book.journal.group_members(["stop"]).result() == {"entry", "stop", "close"}
    book.prune()
    assert book.names() == {"entry", "stop", "close"}


def test_what_has_closed_a_part_of_what_an_order_of_its_own_guards_stays(book):
    """That order has made way, and the strategy has not been told of an end."""
    book.start_of_a_program()
    book.order("stop", 200, told=False)
    book.order("carries it on", 150, ended=False, context={"primary": "stop"})
    book.order("close", 150, context={"closes": "stop:0.4"})
    book.prune()
    assert book.names() == {"stop", "carries it on", "close"}


def test_what_a_position_cost_is_the_same_afterwards_and_goes_on_from_there(book):
    book.order("one", 300, fills=[("1", "100"), ("2", "130")])
    book.order("two", 200, fills=[("-1.5", "150")])
    book.order("three", 10, fills=[("1", "160")])
    book.start_of_a_program()
    before = book.position()
    assert before[0] == D("2.4945")
    assert book.prune().fills == 3
    assert book.position() == before
    assert book.prune().fills == 0
    assert book.prune(5).fills == 1
    assert book.journal.past_fills().result() == []
    assert book.position() == before
    book.order("four", 1, fills=[("-0.4945", "170")])
    amount, price = book.position()
    assert amount == D("1.9995055")
    assert price == before[1]


def test_fills_that_are_not_in_the_figures_of_a_start_stay(book):
    book.order("one", 300, fills=[("1", "100")])
    book.start_of_a_program()
    book.order("two", 200, fills=[("1", "110")])
    assert book.prune().orders == 1
    assert book.names() == {"two"}
    assert [fill.price for fill in book.journal.holdings().result().fills] == [D(110)]
    book.start_of_a_program()
    assert book.prune().orders == 1


def test_a_journal_without_figures_keeps_every_order_that_filled(book):
    book.order("one", 300, fills=[("1", "100")])
    book.order("unfilled", 300)
    assert book.prune().orders == 1
    assert book.names() == {"one"}


def test_an_old_order_that_lives_on_does_not_keep_what_came_after_it(book):
    """Sums of a position go through all fills in their order: those of the order that stays are summed up, too."""
    book.order("first", 300, fills=[("1", "100")])
    book.order("open", 250, fills=[("1", "110")], ended=False, told=False)
    book.order("later", 200, fills=[("-1.5", "120")])
    book.order("young", 10, fills=[("1", "130")])
    book.start_of_a_program()
    before = book.position()
    pruned = book.prune()
    assert (pruned.orders, pruned.kept) == (2, 0)
    assert book.names() == {"open", "young"}
    assert book.position() == before
    assert book.prune().orders == 0
    assert book.position() == before
    with JournalReader(book.path) as reader:
        assert [fill.price for fill in reader.fills()] == [D(110), D(130)]
    book.order("last", 1, fills=[("0.5", "140")])
    amount, price = book.position()
    assert amount > before[0]
    assert price > before[1]


def test_a_year_of_orders_beside_one_that_lives_can_be_taken_out(book):
    book.order("entry", 400, fills=[("1", "100")])
    book.order("stop", 399, ended=False, told=False, context={"parent": "entry"})
    for number in range(300):
        book.order(f"day {number}", 398 - number, fills=[("0.1" if number % 2 else "-0.1", "100")])
    book.start_of_a_program()
    before = book.position()
    assert book.prune(30).orders == 300
    assert book.names() == {"entry", "stop"}
    assert book.position() == before


def test_what_was_summed_up_and_stays_does_not_hide_fills_that_come_under_its_row_numbers(book):
    book.order("open", 250, fills=[("1", "110")], ended=False, told=False)
    book.order("gone", 200, fills=[("1", "120"), ("1", "120")])
    book.start_of_a_program()
    book.prune()
    book.order("new", 1, fills=[("1", "130"), ("1", "130")])
    assert book.position()[0] == D("4.995")


def test_fills_after_a_pruning_count_as_new(book):
    """Row numbers of what was taken out are given out again."""
    book.order("one", 300, fills=[("1", "100"), ("1", "101"), ("1", "102")])
    book.start_of_a_program()
    book.prune()
    book.order("two", 1, fills=[("1", "110")])
    assert [fill.price for fill in book.journal.holdings().result().fills] == [D(110)]


def test_ids_go_on_and_the_file_gets_smaller(book):
    for number in range(400):
        book.order(f"old{number}", 200, context={"note": "x" * 300})
    book.start_of_a_program()
    book.journal.close()
    size = book.path.stat().st_size
    book.journal = Journal.open(book.path, **IDENTITY)
    tag, sequence = book.journal.tag, book.journal.next_sequence
    assert book.prune().orders == 400
    book.journal.close()
    assert book.path.stat().st_size < size / 3
    book.journal = Journal.open(book.path, **IDENTITY)
    assert (book.journal.tag, book.journal.next_sequence) == (tag, sequence)


# ------------------------------------------------------------------ the command


def test_the_command_says_what_went_and_what_stays(book):
    now_ms = int(time.time() * 1000)
    book.order("gone", 100, now_ms=now_ms)
    book.order("unacknowledged", 100, told=False, now_ms=now_ms)
    book.order("young", 80, now_ms=now_ms)
    book.journal.close()
    answer = CliRunner().invoke(app, ["orders", "prune", "--older-than", "90d", "--journal", str(book.path)])
    assert answer.exit_code == 0, answer.output
    assert "1 orders that ended before" in answer.output
    assert "1 older ones stay" in answer.output
    with JournalReader(book.path) as reader:
        assert {order.request.client_order_id for order in reader.orders()} == {"unacknowledged", "young"}


@pytest.mark.parametrize("age", ["90", "0d", "3 months", "-5d", ""])
def test_an_age_without_sense_is_refused(book, age):
    answer = CliRunner().invoke(app, ["orders", "prune", f"--older-than={age}", "--journal", str(book.path)])
    assert isinstance(answer.exception, ConfigError)
    assert "90d, 26w" in str(answer.exception)


def test_nothing_is_taken_out_under_a_running_bot(book):
    book.order("old", 5_000)
    answer = CliRunner().invoke(app, ["orders", "prune", "--older-than", "1d", "--journal", str(book.path)])
    assert isinstance(answer.exception, JournalError)
    assert "in use by" in str(answer.exception)
    assert book.names() == {"old"}
