"""A journal that cannot be right is refused by the store before anything is traded, and stays byte for byte."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from contextlib import closing
from decimal import Decimal as D
from pathlib import Path

import pytest

from btccxt.bt.compat import bt
from btccxt.errors import JournalError
from btccxt.model import OrderKind, OrderRequest, Side
from btccxt.orders.journal import schema as journal_schema
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LiveOrder
from btccxt.store.build_config import build_config
from btccxt.store.startup import open_journal
from tests.e2e.stage import Player, Step, Venue, play

PRICE = D(60_000)


def fill(path: Path, **other: str) -> None:
    identity = {"exchange": "binance", "mode": "sim", "account": "nokey", **other}
    journal = Journal.open(path, **identity)
    for number in range(200):
        request = OrderRequest(f"b{number}", "BTC/USDT", Side.BUY, OrderKind.LIMIT, D(1), D(2))
        journal.record_intent(LiveOrder(request, {"x": "y" * 50}))
    journal.close()


def newer_schema(path: Path) -> None:
    fill(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {len(journal_schema.MIGRATIONS) + 1}")
    connection.close()


def corrupt(path: Path) -> None:
    fill(path)
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 6] = b"\x55" * 4096 * 4
    path.write_bytes(content)


CASES = {
    "another exchange's": (lambda path: fill(path, exchange="bybit"), "belongs to bybit sim.*Give another path"),
    "another account's": (lambda path: fill(path, account="abc123"), "account abc123.*or the keys of that account"),
    "another mode's": (lambda path: fill(path, mode="live"), "belongs to binance live.*Give another path"),
    "of a newer btccxt": (newer_schema, "newer btccxt.*upgrade btccxt, or give another path"),
    "damaged": (corrupt, "damaged.*nothing was changed. Restore it from a backup"),
    "no journal at all": (lambda path: path.write_bytes(b"my diary\n" * 300), "damaged.*not a database"),
}


@pytest.mark.parametrize("what", CASES)
def test_a_store_refuses_a_journal_that_is(tmp_path, what):
    """Twice: a refusal leaves nothing behind that would let the second start pass, no lock either."""
    make, says = CASES[what]
    path = tmp_path / "journal.sqlite3"
    make(path)
    before = path.read_bytes()
    traded: list[Player] = []
    with Venue() as venue:
        requests: list[str] = []
        venue.call(lambda exchange: exchange.on_request(lambda seen: requests.append(f"{seen.method} {seen.path}")))
        for _ in range(2):
            with pytest.raises(JournalError, match=rf"(?s){says}"):
                play(venue, venue.store(path), [Step(PRICE, traded.append)])
    assert traded == []
    assert not [request for request in requests if not request.startswith("GET")]
    assert path.read_bytes() == before
    assert [file.stat().st_size for file in tmp_path.glob("*-wal")] in ([], [0])  # nor written beside it


def open_for(mode: str, key: str, path: Path | None) -> Journal:
    given = {"exchange": "binance", "mode": mode, "config": {"apiKey": key}}
    settings = build_config(given if path is None else {**given, "journal": str(path)})
    return open_journal(settings, {"apiKey": key}, alarm=lambda alarm: None)


@pytest.mark.parametrize(("mode", "files"), [("sim", 0), ("paper", 0), ("testnet", 1), ("live", 1)])
def test_only_accounts_that_outlive_the_program_have_a_journal_on_disk_by_default(mode, files, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    open_for(mode, "my key", None).close()
    found = list((tmp_path / "btccxt").glob(f"binance-{mode}-*.sqlite3"))
    assert len(found) == files and "my key" not in str(found)


@pytest.mark.parametrize("mode", ["testnet", "live"])
def test_an_account_with_money_is_traded_by_one_program_whatever_journals_are_given(mode, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    first = open_for(mode, "my key", tmp_path / "one")
    try:
        with pytest.raises(JournalError, match=f"the binance {mode} account .* is traded by .*sub-account"):
            open_for(mode, "my key", tmp_path / "two")
        open_for(mode, "another key", tmp_path / "three").close()
    finally:
        first.close()
    open_for(mode, "my key", tmp_path / "two").close()


def test_after_a_refusal_another_path_is_all_it_takes(tmp_path):
    fill(tmp_path / "wrong", exchange="bybit")
    with Venue() as venue:
        with pytest.raises(JournalError):
            play(venue, venue.store(tmp_path / "wrong"), [Step(PRICE)])
        steps = [Step(PRICE, lambda player: player.buy(size=0.01)), Step(PRICE)]
        ran, _ = play(venue, venue.store(tmp_path / "right"), steps)
    assert ran.order_news[-1].status == bt.Order.Completed


_STORE = """
import os, resource, sys
import btccxt.store.venues  # else imported at start, by a user who may not read this Python
from btccxt import CCXTStore
from btccxt.errors import JournalError
store = CCXTStore("binance", mode="sim", journal=sys.argv[1], sim={{"symbols": ("BTC/USDT",)}})
store.getbroker()
{limit}
try:
    store.start()
except JournalError as error:
    print("REFUSED", error)
    print("STATE", store.state.value, store._session)
"""


def start_in_a_process(path: Path, limit: str) -> list[str]:
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_STORE.format(limit=limit)), str(path)],
        capture_output=True, text=True, check=False, timeout=280, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return [line for line in answer.stdout.splitlines() if line.startswith(("REFUSED", "STATE"))]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX file-size limit")
@pytest.mark.parametrize("exists", [True, False])
def test_a_store_refuses_to_start_on_a_full_disk(tmp_path, exists):
    path = tmp_path / "journal.sqlite3"
    if exists:
        fill(path)
    before = path.read_bytes() if exists else b""
    refused, state = start_in_a_process(path, "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))")
    assert "free some space" in refused
    assert state == "STATE stopped None"
    assert (path.read_bytes() if path.exists() else b"")[: len(before)] == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_a_store_refuses_a_read_only_journal():
    with tempfile.TemporaryDirectory(prefix="btccxt-read-only-") as folder:  # one that another user may enter
        path = Path(folder) / "journal.sqlite3"
        fill(path)
        before = path.read_bytes()
        for file in path.parent.iterdir():
            file.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        path.parent.chmod(0o555)
        try:
            refused, state = start_in_a_process(
                path, "os.getuid() == 0 and os.setuid(65534)  # root may write anything"
            )
        finally:
            path.parent.chmod(0o755)
        assert "read-only" in refused
        assert state == "STATE stopped None"
        assert path.read_bytes() == before
