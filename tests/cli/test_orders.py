"""``btccxt orders``: what the journal says, also while a bot writes it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal as D
from pathlib import Path

import pytest
from typer.testing import CliRunner

from btccxt.cli import app, orders
from btccxt.errors import JournalError
from btccxt.model import Fee, Fill, OrderKind, OrderRequest, OrderStatus, OrderUpdate, Origin, Side
from btccxt.orders.events import Journaled, Sent
from btccxt.orders.journal.journal import Journal
from btccxt.orders.lifecycle import apply
from btccxt.orders.live_order import LiveOrder
from btccxt.store import run_record

START_MS = 1_780_000_000_000  # 2026-05-28 20:26:40


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """An entry that filled in part, and its exit, which waits; the writer is still there."""
    file = tmp_path / "journal.sqlite3"
    journal = Journal.open(file, exchange="fake", mode="testnet", account="abc123")
    entry = OrderRequest("b1", "BTC/USDT", Side.BUY, OrderKind.LIMIT, D("1.5"), D("100"), params={"own": 1})
    stop = OrderRequest("b2", "BTC/USDT", Side.SELL, OrderKind.STOP, D("1.5"), trigger_price=D("90"))
    fill = Fill("t1", "BTC/USDT", Side.BUY, D(100), D("0.5"), START_MS + 2, fee=Fee("BNB", D("0.0001")))
    opened = OrderUpdate("BTC/USDT", OrderStatus.OPEN, Origin.CREATE, order_id="x1", filled=D("0E-8"))
    for request, events, held in ((entry, (Sent(1), opened, fill), False), (stop, (Journaled(),), True)):
        context = {"parent": "b1", "oco": "b2"} if held else {}
        order = LiveOrder(request, context, created_ms=START_MS, pending_release=held)
        journal.record_intent(order, 7)
        for number, event in enumerate(events):
            order, _ = apply(order, event, START_MS + number)
            journal.record(order, event, START_MS + number)
    journal.flush().result(60)
    yield file
    journal.close()


def shown(*arguments: str) -> str:
    answer = CliRunner().invoke(app, ["orders", *arguments], catch_exceptions=False)
    assert answer.exit_code == 0
    return answer.output


def test_orders_are_listed_newest_first_with_what_became_of_them(path):
    lines = [line for line in shown("--journal", str(path)).splitlines() if "│" in line]
    newest, oldest = ([cell.strip() for cell in line.split("│")[1:-1]] for line in lines)
    assert newest[1:] == ["b2", "BTC/USDT", "sell", "stop", "1.5", "90", "0", "waits here"]
    assert oldest == ["2026-05-28 20:26:40", "b1", "BTC/USDT", "buy", "limit", "1.5", "100", "0.5", "partially_filled"]


def test_the_list_as_json_has_every_figure(path):
    stop, entry = json.loads(shown("--journal", str(path), "--json"))
    assert (entry["client_order_id"], entry["side"], entry["amount"], entry["price"]) == ("b1", "buy", "1.5", "100")
    assert (entry["filled"], entry["order_id"], entry["params"], entry["held"]) == ("0.5", "x1", {"own": 1}, False)
    assert (stop["kind"], stop["trigger_price"], stop["held"]) == ("stop", "90", True)


def test_one_order_is_told_with_its_whole_life_by_either_id(path):
    for name in ("b1", "x1"):
        head, *life, root, entry, stop = shown("show", name, "--journal", str(path)).splitlines()
        assert "b1  buy 1.5 BTC/USDT limit  exchange id x1  partially_filled, filled 0.5" in head
        assert [line.split()[2] for line in life] == ["Intent", "Sent", "OrderUpdate", "Fill"]
        assert life[2].endswith("create open filled 0 id x1")
        assert life[0].split()[:2] == ["2026-05-28", "20:26:40.000"]
        assert "0.5 at 100, fee 0.0001 BNB, trade t1" in life[3]
        assert root == "its family"
        assert entry == "└── b1  buy 1.5 limit at 100: partially_filled, filled 0.5"
        assert stop == "    └── b2  sell 1.5 stop at 90: waits here, filled 0"


def test_the_journal_may_be_named_before_the_command_and_ties_are_told(path):
    ties = shown("--journal", str(path), "show", "b2").splitlines()[1]
    assert ties.strip() == "exit of b1"  # a pair is named after one of its orders: that one is not its own pair
    told = json.loads(shown("--journal", str(path), "show", "b2", "--json"))
    assert told["context"] == {"parent": "b1", "oco": "b2"} and told["life"][0]["what"] == "Intent"


def test_the_journal_of_the_newest_run_is_taken_wherever_it_lies(tmp_path, monkeypatch):
    monkeypatch.setattr(orders, "state_directory", lambda: tmp_path)
    monkeypatch.setattr(run_record, "state_directory", lambda: tmp_path)
    old, elsewhere = tmp_path / "runs" / "old.sqlite3", tmp_path / "bot" / "elsewhere.sqlite3"
    beside = tmp_path / "bot" / "elsewhere.sqlite3-wal"  # where a bot that runs writes
    for file in (old, elsewhere):
        file.parent.mkdir()
        file.touch()
    for name, journal in (("a", elsewhere), ("b", tmp_path / "gone.sqlite3"), ("c", ":memory:"), ("d", None)):
        header = {"t": "start", "schema": 1, "run": name, "journal": journal and str(journal)}
        (tmp_path / "runs" / f"{name}.run.jsonl").write_text(json.dumps(header) + "\n")
    os.utime(old, (1_000, 1_000))
    os.utime(elsewhere, (2_000, 2_000))
    assert orders._journal(None) == elsewhere
    os.utime(old, (3_000, 3_000))
    assert orders._journal(None) == old
    beside.touch()
    assert orders._journal(None) == elsewhere


def test_an_unknown_order_and_a_missing_journal_are_said(path, tmp_path, monkeypatch):
    for arguments, words in (
        (["show", "nobody", "--journal", str(path)], "no order 'nobody'"),
        (["--journal", str(tmp_path / "none.sqlite3")], "no order journal at"),
    ):
        with pytest.raises(JournalError, match=words):
            shown(*arguments)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(JournalError, match="name one with --journal"):
        shown()


def ticket(name, context, kind=OrderKind.LIMIT):
    return LiveOrder(OrderRequest(name, "BTC/USDT", Side.BUY, kind, D(1), D(100)), context, created_ms=START_MS)


def test_the_family_is_drawn_from_whichever_member_is_asked_for(tmp_path):
    file = tmp_path / "family.sqlite3"
    journal = Journal.open(file, exchange="fake", mode="testnet", account="abc123")
    for name, context in {
        "b10": {}, "b1": {}, "b2": {"parent": "b1", "oco": "b2"}, "b3": {"parent": "b1", "oco": "b2"},
        "b4": {"replaces": "b3", "parent": "b1", "oco": "b2"}, "b5": {"primary": "b2"},
    }.items():  # fmt: skip
        journal.record_intent(ticket(name, context))
    journal.flush().result(60)
    journal.close()
    for asked in ("b1", "b3", "b4", "b5"):
        text = shown("show", asked, "--journal", str(file))
        drawn = text[text.index("its family") :].splitlines()[1:]
        assert [(line.index("b"), line.split()[line.split().index("buy") - 1]) for line in drawn] == [
            (4, "b1"), (8, "b2"), (12, "b5"), (8, "b3"), (8, "b4"),
        ]  # fmt: skip
        assert sum("[one cancels the other: b2]" in line for line in drawn) == 3
    assert "its family" not in shown("show", "b10", "--journal", str(file))
