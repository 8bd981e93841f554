"""Promise 2 and 4: what the journal took is on disk; what cannot be trusted is refused before trading, unchanged."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from btccxt.errors import JournalError
from btccxt.model import (
    Fee,
    Fill,
    OrderKind,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
    Side,
    TimeInForce,
)
from btccxt.orders.client_ids import ClientIds
from btccxt.orders.events import (
    Amended,
    CancelRequested,
    FillsOverdue,
    Gone,
    Journaled,
    LifecycleEvent,
    NeverArrived,
    Noted,
    NotPlaced,
    OutcomeUnknown,
    Rejection,
    Released,
    Sent,
    Withdrawn,
)
from btccxt.orders.journal import schema as journal_schema
from btccxt.orders.journal.codec import EVENT_KINDS, decode, encode
from btccxt.orders.journal.file import connect
from btccxt.orders.journal.journal import Journal, account_fingerprint, default_journal_path
from btccxt.orders.journal.reader import JournalReader
from btccxt.orders.lifecycle import LifecycleState, LiveOrder, apply
from btccxt.orders.register import rebuild
from tests.orders.conftest import open_journal

D = Decimal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = open_journal(path)
    yield journal
    journal.close()


def an_order(client_order_id: str = "b1", created_ms: int = 1_000, **changes: object) -> LiveOrder:
    request = OrderRequest(client_order_id, "BTC/USDT", Side.BUY, OrderKind.LIMIT, D("1.50"), D("100"))
    return replace(LiveOrder(request, created_ms=created_ms, updated_ms=created_ms), **changes)


def a_fill(trade_id: str = "t1", amount: str = "0.5") -> Fill:
    fee = Fee("BNB", D("0.00010"))
    return Fill(trade_id, "BTC/USDT", Side.BUY, D("100"), D(amount), 1_500, "x1", "b1", fee, True)


def tell(journal: Journal, order: LiveOrder, *events: LifecycleEvent) -> LiveOrder:
    for at_ms, event in enumerate(events, 2_000):
        order, _ = apply(order, event, at_ms)
        journal.record(order, event, at_ms)
    return order


FULL_REQUEST = OrderRequest(
    "b9",
    "BTC/USDT:USDT",
    Side.SELL,
    OrderKind.STOP_LIMIT,
    D("0.10"),
    price=D("1E+2"),
    trigger_price=D("99.5"),
    trailing_amount=D("1"),
    trailing_percent=D("2"),
    time_in_force=TimeInForce.GTD,
    expires_ms=5,
    post_only=True,
    reduce_only=True,
    iceberg_amount=D("0.01"),
    stop_loss_price=D("1"),
    take_profit_price=D("2"),
    cost_quote=D("3"),
    params={"tdMode": "cross", "nested": {"a": [1, 2.5, None]}},
)
FULL_UPDATE = OrderUpdate(
    "BTC/USDT",
    OrderStatus.TRIGGERED,
    Origin.PUSH,
    "x1",
    "b1",
    Side.BUY,
    OrderKind.STOP,
    D("1"),
    D("2"),
    D("3"),
    D("0.10"),
    D("5"),
    6,
    "effective",
    "why",
    "x2",
    True,
    (a_fill(),),
)
EVERY_EVENT: list[LifecycleEvent] = [
    Journaled(),
    Released(FULL_REQUEST),
    NotPlaced("429"),
    OutcomeUnknown("time-out"),
    Rejection(("a", "b")),
    NeverArrived("no"),
    Gone("no"),
    Withdrawn("no"),
    CancelRequested(),
    FillsOverdue(),
    Amended(FULL_REQUEST, None, "native"),
    Amended(FULL_REQUEST, "x2", "native"),
    Noted("ünïcode"),
    FULL_UPDATE,
]


# ------------------------------------------------------------------ what goes in comes out


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: type(event).__name__)
def test_every_event_comes_back_as_it_went_in(event: LifecycleEvent) -> None:
    assert decode(EVENT_KINDS[type(event).__name__], encode(event)) == event


def test_decimals_keep_every_digit() -> None:
    fill = replace(a_fill(), price=D("0.000000001234567890123456789"), amount=D("1.50"))
    back = decode(Fill, encode(fill))
    assert (str(back.price), str(back.amount)) == (str(fill.price), "1.50")


def test_an_order_is_rebuilt_from_its_evidence(path: Path) -> None:
    journal = open_journal(path)
    order = an_order(context={"ref": "7", "oco": "b2"})
    journal.record_intent(order).result(60)
    order = tell(
        journal,
        replace(order, state=LifecycleState.JOURNALED),
        Sent(1),
        OutcomeUnknown("time-out"),
        OrderUpdate("BTC/USDT", OrderStatus.OPEN, Origin.QUERY, "x1", filled=D("0.5"), raw_status="NEW"),
        a_fill(),
        CancelRequested(),
    )
    journal.close()

    journal = open_journal(path)
    (stored,) = journal.load_unfinished().result(60)
    journal.close()
    back = rebuild(stored, infer_fills=False)
    assert back == replace(order, context={"ref": "7", "oco": "b2"}, updated_ms=back.updated_ms)
    assert back.state is LifecycleState.PARTIALLY_FILLED


def test_ended_orders_come_back_until_the_strategy_was_told(journal: Journal) -> None:
    for name in ("b1", "b2"):
        order = an_order(name)
        journal.record_intent(order)
        tell(journal, order, Rejection(("no",)))
    journal.mark_told("b1")
    assert [stored.request.client_order_id for stored in journal.load_unfinished().result(60)] == ["b2"]


def test_an_order_is_found_by_either_id_however_old(journal: Journal) -> None:
    order = an_order()
    journal.record_intent(order)
    tell(journal, order, OrderUpdate("BTC/USDT", OrderStatus.CANCELED, Origin.PUSH, "x1"))
    journal.mark_told("b1")
    for found in (
        journal.load_order(client_order_id="b1").result(60),
        journal.load_order(order_id="x1", symbol="BTC/USDT").result(60),
    ):
        assert found is not None
        assert found.state is LifecycleState.CANCELED
    assert journal.load_order(order_id="x1", symbol="ETH/USDT").result(60) is None


def test_ids_go_on_behind_the_last_one_on_disk(path: Path) -> None:
    journal = open_journal(path)
    ids = ClientIds(journal.tag, journal.next_sequence)
    first = [ids.new() for _ in range(3)]
    journal.record_intent(an_order(first[2]), ids.next_sequence).result(60)
    journal.record_intent(an_order(first[0]), 2).result(60)  # an older counter never winds it back
    journal.close()

    journal = open_journal(path)
    again = ClientIds(journal.tag, journal.next_sequence).new()
    journal.close()
    assert again not in first
    assert ids.is_ours(again)


def test_a_client_order_id_used_before_is_refused_and_the_others_of_its_batch_are_kept(journal: Journal) -> None:
    journal.record_intent(an_order("b1")).result(60)
    futures = [journal.record_intent(an_order(name)) for name in ("b2", "b1", "b3")]
    with pytest.raises(JournalError, match="has been used before"):
        futures[1].result(60)
    assert futures[0].result(60) is None
    assert futures[2].result(60) is None
    assert len(journal.load_unfinished().result(60)) == 3


def test_a_memory_journal_works_without_a_file() -> None:
    journal = Journal.open(":memory:", exchange="fake", mode="paper", account="nokey")
    journal.record_intent(an_order()).result(60)
    assert len(journal.load_unfinished().result(60)) == 1
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.record_intent(an_order()).result(60)


def test_what_was_queued_is_written_when_the_journal_closes(path: Path) -> None:
    journal = open_journal(path)
    order = an_order()
    journal.record_intent(order)
    for number in range(500):
        journal.record(order, replace(a_fill(), trade_id=str(number)), 1)
    journal.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM fills").fetchone() == (500,)


def test_the_file_is_written_ahead_and_every_commit_is_synced(path: Path) -> None:
    """FULL: a ticket that counts as durable survives the loss of power, not only the end of the process."""
    connection = connect(str(path), "fake", "testnet", "abc")
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    finally:
        connection.close()


# ------------------------------------------------------------------ reading beside the writer


def test_a_ticket_keeps_its_ties(journal: Journal, path: Path) -> None:
    context = {"ref": "7", "oco": "a", "parent": "b", "replaces": "c", "data": "BTC"}
    journal.record_intent(replace(an_order("b1"), context=context), 5).result(60)
    with closing(sqlite3.connect(path)) as connection, connection:
        ties = set(connection.execute("SELECT client_order_id, kind, other FROM ties"))
    assert ties == {("b1", "ref", "7"), ("b1", "oco", "a"), ("b1", "parent", "b"), ("b1", "replaces", "c")}


def test_a_ticket_in_a_transaction_that_somebody_left_open_is_refused(journal: Journal) -> None:
    journal._read(lambda connection: connection.execute("BEGIN")).result(60)
    with pytest.raises(JournalError, match="transaction"):
        journal.record_intent(an_order("b1")).result(60)
    journal.record_intent(an_order("b2")).result(60)
    assert [stored.request.client_order_id for stored in journal.load_unfinished().result(60)] == ["b2"]


def test_a_ticket_is_synced_also_after_evidence_that_need_not_be(journal: Journal) -> None:
    ran: list[str] = []
    journal._read(lambda connection: connection.set_trace_callback(ran.append)).result(60)
    order = an_order("b1")
    journal.record_intent(order).result(60)
    journal.record(order, a_fill(), 1)
    journal.load_unfinished().result(60)  # the evidence is written by now
    journal.record_intent(an_order("b2")).result(60)
    journal.record(order, replace(a_fill(), trade_id="2"), 1)
    journal.record_intent(an_order("b3")).result(60)  # one transaction with the evidence before it
    level = "FULL"
    tickets: list[str] = []
    commits: list[str] = []
    for statement in ran:
        if statement.startswith("PRAGMA synchronous="):
            level = statement.removeprefix("PRAGMA synchronous=")
        elif statement.startswith("INSERT INTO tickets_in"):
            tickets.append(level)
        elif statement == "COMMIT":
            commits.append(level)
    assert (len(tickets) >= 3, set(tickets)) == (True, {"FULL"})
    assert commits == ["NORMAL", "FULL"]


def test_another_process_reads_an_orders_whole_life_while_it_is_written(journal: Journal, path: Path) -> None:
    order = an_order(context={"parent": "b0"})
    journal.record_intent(order).result(60)
    tell(
        journal,
        order,
        Sent(1),
        OrderUpdate("BTC/USDT", OrderStatus.OPEN, Origin.CREATE, "x1", raw_status="NEW"),
        a_fill(),
        OrderUpdate("BTC/USDT", OrderStatus.CANCELED, Origin.PUSH, "x1", filled=D("0.5")),
    )
    journal.note("looked at by hand", 3_000, "b1")
    journal.flush().result(60)
    script = f"""
        import json
        from btccxt.orders.journal.reader import JournalReader
        with JournalReader({str(path)!r}) as reader:
            story = reader.story("x1")
            print(json.dumps([[line.at_ms, line.what, line.details] for line in story.lines]))
            print(story.order.state.value, story.order.filled, dict(story.context), len(reader.orders(only_open=True)))
    """
    lines, summary = run_python(script).stdout.splitlines()
    assert json.loads(lines) == [
        [1_000, "Intent", "buy 1.50 BTC/USDT limit price 100"],
        [2_000, "Sent", "attempt 1"],
        [2_001, "OrderUpdate", "create open (NEW) id x1"],
        [2_002, "Fill", "buy 0.5 at 100, fee 0.00010 BNB, trade t1"],
        [2_003, "OrderUpdate", "push canceled filled 0.5 id x1"],
        [3_000, "Note", "looked at by hand"],
    ]
    assert summary == "canceled 0.5 {'parent': 'b0'} 0"


def test_a_reader_changes_nothing_and_names_what_is_not_there(tmp_path: Path, path: Path) -> None:
    with pytest.raises(JournalError, match="no order journal at"):
        JournalReader(tmp_path / "none.sqlite3")
    open_journal(path).close()
    before = path.read_bytes()
    with JournalReader(path) as reader:
        assert reader.orders() == []
        assert reader.story("b1") is None
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._connection.execute("DELETE FROM tickets")
    assert path.read_bytes() == before


# ------------------------------------------------------------------ refusals


def unchanged_after_refusal(path: Path, match: str, **identity: str) -> None:
    before = path.read_bytes()
    wanted = {"exchange": "fake", "mode": "testnet", "account": "abc123", **identity}
    with pytest.raises(JournalError, match=match):
        Journal.open(path, **wanted)
    assert path.read_bytes() == before


@pytest.mark.parametrize("other", [{"exchange": "kraken"}, {"mode": "live"}, {"account": "ffff"}])
def test_a_journal_of_another_exchange_mode_or_account_is_refused(path: Path, other: dict[str, str]) -> None:
    open_journal(path).close()
    unchanged_after_refusal(path, "belongs to fake testnet, account abc123.*Give another path", **other)


def test_a_newer_schema_is_refused(path: Path) -> None:
    open_journal(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {len(journal_schema.MIGRATIONS) + 1}")
    connection.close()
    unchanged_after_refusal(path, "newer btccxt.*upgrade btccxt")


def test_another_programs_database_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    unchanged_after_refusal(path, "another program's database")


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"my diary\n" * 200)
    unchanged_after_refusal(path, "damaged")


def test_a_damaged_journal_is_refused(path: Path) -> None:
    journal = open_journal(path)
    for number in range(300):
        journal.record_intent(an_order(f"b{number}"))
    journal.close()
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 6] = b"\x55" * 4096 * 4
    path.write_bytes(content)
    unchanged_after_refusal(path, r"damaged.*nothing was changed")


def test_a_truncated_journal_is_refused(path: Path) -> None:
    journal = open_journal(path)
    for number in range(300):
        journal.record_intent(an_order(f"b{number}"))
    journal.close()
    path.write_bytes(path.read_bytes()[: 4096 * 3])
    unchanged_after_refusal(path, "damaged")


def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    path.touch()
    open_journal(path).close()
    with JournalReader(path) as reader:
        assert reader.meta["exchange"] == "fake"


def test_a_second_writer_is_refused_and_told_who_has_it(journal: Journal, path: Path) -> None:
    answer = run_python(
        f"""
        from btccxt.orders.journal.journal import Journal
        try:
            Journal.open({str(path)!r}, exchange="fake", mode="testnet", account="abc123")
        except Exception as error:
            print(type(error).__name__, error)
        """
    ).stdout
    assert answer.startswith("JournalError")
    assert f"in use by process {os.getpid()}" in answer
    with pytest.raises(JournalError, match="in use"):
        open_journal(path)


def test_a_killed_writer_leaves_no_lock_and_its_tickets(path: Path) -> None:
    script = f"""
        import os, signal
        from decimal import Decimal
        from btccxt.model import *
        from btccxt.orders.journal.journal import Journal
        from btccxt.orders.live_order import LiveOrder
        journal = Journal.open({str(path)!r}, exchange="fake", mode="testnet", account="abc123")
        for number in range(20):
            request = OrderRequest(f"b{{number}}", "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal(1), Decimal(2))
            future = journal.record_intent(LiveOrder(request, created_ms=number))
        future.result(60)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run_python(script, check=False).returncode == -signal.SIGKILL
    journal = open_journal(path)
    assert len(journal.load_unfinished().result(60)) == 20
    journal.close()


def test_an_older_schema_is_brought_up_to_date_and_keeps_its_orders(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal(path)
    journal.record_intent(an_order()).result(60)
    journal.close()
    step = "ALTER TABLE tickets ADD COLUMN strategy TEXT"
    monkeypatch.setattr(journal_schema, "MIGRATIONS", [*journal_schema.MIGRATIONS, step])
    journal = open_journal(path)
    assert len(journal.load_unfinished().result(60)) == 1
    journal.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        assert journal_schema.schema_version(connection) == len(journal_schema.MIGRATIONS)
        assert connection.execute("SELECT strategy FROM tickets").fetchall() == [(None,)]


def test_a_migration_that_fails_leaves_the_journal_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_journal(path).close()
    step = "ALTER TABLE tickets ADD COLUMN strategy TEXT; SELECT nonsense FROM nowhere"
    monkeypatch.setattr(journal_schema, "MIGRATIONS", [*journal_schema.MIGRATIONS, step])
    with pytest.raises(JournalError):
        open_journal(path)
    monkeypatch.undo()
    open_journal(path).close()


# ------------------------------------------------------------------ disks that refuse (each in a process of its own)

_OPEN = """
import os, sys, resource, signal
from decimal import Decimal
from btccxt.errors import JournalError
from btccxt.model import *
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LiveOrder
def trouble(error):
    print("TROUBLE")
def open_journal(path):
    return Journal.open(path, exchange="fake", mode="testnet", account="abc123", on_trouble=trouble)
def order(name):
    request = OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal(1), Decimal(2))
    return LiveOrder(request, {"x": "y" * 500})
"""


def run_python(script: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        cwd=Path(__file__).parents[3],
    )
    assert not check or answer.returncode == 0, answer.stderr
    return answer


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX file-size limit")
def test_a_full_disk_refuses_the_start(path: Path) -> None:
    answer = run_python(
        _OPEN
        + f"""
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    open_journal({str(path)!r})
except JournalError as error:
    print("REFUSED", error)
"""
    ).stdout
    assert answer.startswith("REFUSED")
    assert "free some space" in answer


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX file-size limit")
def test_a_disk_that_fills_up_refuses_tickets_keeps_updates_and_recovers(path: Path) -> None:
    answer = run_python(
        _OPEN
        + f"""
journal = open_journal({str(path)!r})
journal.record_intent(order("first")).result(60)
limit = os.path.getsize({str(path)!r} + "-wal") + 300_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
refused = 0
for number in range(60):
    try:
        journal.record_intent(order(f"b{{number}}")).result(60)
        kept = number
    except JournalError as error:
        refused += 1
        text = str(error)
assert refused, "the limit never bit"
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
journal.note("said while the disk was full", 1)
journal.flush().exception(10)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.record_intent(order("last")).result(60)
print(len(journal.load_unfinished().result(60)), kept + 3)
print(journal._read(lambda c: c.execute("SELECT text FROM notes").fetchall()).result(60))
journal.close()
print(text)
"""
    ).stdout
    lines = [line for line in answer.splitlines() if line != "TROUBLE"]
    assert "TROUBLE" in answer
    stored, expected = lines[0].split()
    assert stored == expected
    assert lines[1] == "[('said while the disk was full',)]"
    assert "free some space" in lines[2]
    assert "nothing was sent" in lines[2]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_a_read_only_journal_is_refused() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.sqlite3"
        open_journal(path).close()
        before = path.read_bytes()
        for file in Path(directory).iterdir():
            file.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        Path(directory).chmod(0o555)
        answer = run_python(
            _OPEN
            + f"""
if os.getuid() == 0:
    os.setuid(65534)  # root may write anything
try:
    open_journal({str(path)!r})
except JournalError as error:
    print("REFUSED", error)
"""
        ).stdout
        Path(directory).chmod(0o755)
        assert answer.startswith("REFUSED")
        assert "read-only" in answer
        assert path.read_bytes() == before


# ------------------------------------------------------------------ where it lies


def test_the_fingerprint_tells_accounts_apart_and_does_not_hold_the_key() -> None:
    key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
    fingerprint = account_fingerprint("binance", key)
    assert fingerprint == account_fingerprint("binance", key)
    assert fingerprint != account_fingerprint("binance", key[:-1])
    assert fingerprint != account_fingerprint("bybit", key)
    assert not any(key[i : i + 4] in fingerprint for i in range(len(key) - 4))
    assert account_fingerprint("binance", None) == account_fingerprint("binance", "") == "nokey"


def test_the_default_path_names_exchange_mode_and_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_journal_path("binance", "live", "abc") == tmp_path / "btccxt" / "binance-live-abc.sqlite3"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert default_journal_path("binance", "live", "abc").parts[-4:-1] == (".local", "state", "btccxt")


def test_missing_directories_are_made(tmp_path: Path) -> None:
    path = tmp_path / "state" / "btccxt" / "fake.sqlite3"
    open_journal(path).close()
    assert path.exists()


# ------------------------------------------------------------------ a disk that goes on refusing


def _refusing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], Callable[[], None]]:
    """Sizes of the transactions that are tried from now on, and what makes the disk take writes again."""
    tried: list[int] = []
    full = [True]
    transaction = journal._transaction

    def refuse(writes: Sequence[Any], *, synced: bool) -> None:
        tried.append(len(writes))
        if full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        transaction(list(writes), synced=synced)

    monkeypatch.setattr(journal, "_transaction", refuse)
    return tried, lambda: full.__setitem__(0, False)


def test_what_waits_for_a_full_disk_costs_in_proportion_and_keeps_its_order(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, make_room = _refusing(journal, monkeypatch)
    for number in range(3_000):
        journal.note(f"note {number}", number)
    journal.flush().exception(10)
    for number in range(3_000, 3_100):  # one at a time, each finds the disk full
        journal.note(f"note {number}", number)
        journal.flush().exception(10)
    assert sum(tried) <= 3_000 + 101 * 500  # each call tries one part of what waits, never all of it
    make_room()
    journal.flush().result(60)
    texts = journal._read(lambda connection: connection.execute("SELECT text FROM notes ORDER BY rowid").fetchall())
    assert [text for (text,) in texts.result(60)] == [f"note {number}" for number in range(3_100)]


def test_a_bad_row_among_what_waited_takes_no_other_along(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    _, make_room = _refusing(journal, monkeypatch)
    journal.note("before", 1)
    journal._write([("INSERT INTO meta VALUES ('tag', 'twice')", ())])
    journal.note("after", 2)
    journal.flush().exception(10)
    make_room()
    journal.flush().result(60)
    texts = journal._read(lambda connection: connection.execute("SELECT text FROM notes ORDER BY rowid").fetchall())
    assert [text for (text,) in texts.result(60)] == ["before", "after"]
