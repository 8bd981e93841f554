"""The paper account lives in the journal: after a restart or a kill, balances, orders and fills are those it had."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path

import pytest

from btccxt import CCXTStore
from btccxt.errors import ConfigError
from btccxt.model import Market, MarketType, OrderKind, OrderRequest, Side, StreamKey
from btccxt.orders.journal.file import open_read_only
from btccxt.orders.journal.journal import Journal
from btccxt.orders.journal.paper import StoredPaper, load_paper
from btccxt.orders.journal.reader import JournalReader
from btccxt.store.paper import PaperExchange
from tests.store.paper_bot import COIN, START, SYMBOL, Walk, store_of

ROOT = Path(__file__).parents[2]
KILLS_AFTER_FILLS = (3, 10)


def on_disk(journal: Path) -> StoredPaper:
    connection = open_read_only(str(journal))
    try:
        stored = load_paper(connection)
    finally:
        connection.close()
    assert stored is not None
    return stored


def killed_after(journal: Path, fills: int) -> None:
    bot = subprocess.Popen(
        [sys.executable, "-m", "tests.store.paper_bot", str(journal)], cwd=ROOT, env={**os.environ},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert bot.stdout is not None
    try:
        for line in bot.stdout:
            if line.startswith("fill ") and int(line.split()[1]) >= fills:
                break
        else:
            pytest.fail("the bot ended by itself")
    finally:
        bot.kill()
        bot.wait(30)
        bot.stdout.close()


def totals(stored: StoredPaper) -> dict[str, D]:
    """What there was at the start and what the fills moved."""
    found = dict(START)
    for fill in stored.past.fills:
        base, quote = SYMBOL.split("/")
        found[base] = found.get(base, D(0)) + fill.side.sign * fill.amount
        found[quote] -= fill.side.sign * fill.amount * fill.price
        found[fill.fee.currency] -= fill.fee.cost
    return found


def check_money(stored: StoredPaper) -> None:
    assert {each.coin: each.amount for each in stored.account.totals} == totals(stored)
    filled: dict[str, D] = {}
    for fill in stored.past.fills:
        filled[fill.order_id] = filled.get(fill.order_id, D(0)) + fill.amount
    assert {each.order_id: each.filled for each in stored.past.orders if each.filled} == filled


def test_killed_again_and_again_it_is_one_account(tmp_path: Path) -> None:
    journal = tmp_path / "paper.sqlite3"
    known = 0
    for fills in KILLS_AFTER_FILLS:
        killed_after(journal, fills)
        stored = on_disk(journal)
        check_money(stored)
        with JournalReader(journal) as reader:
            heard = {(fill.trade_id, fill.side) for fill in reader.fills()}
        assert heard <= {(str(fill.trade_id), fill.side) for fill in stored.past.fills}, "a fill that was told is lost"
        assert len(stored.past.fills) > known
        known = len(stored.past.fills)
    store = store_of(journal, Walk(float(stored.past.fills[-1].price)))
    store.getbroker()
    store.start()
    try:
        expected = {coin: each for coin, each in totals(stored).items() if each}
        assert {coin: each.total for coin, each in store.balance().items() if each.total} == expected
        still_open = {each.client_order_id for each in stored.past.orders if not each.status.is_final}
        assert {each.client_order_id for each in store.open_orders()} <= still_open
        told = {fill.trade_id for fill in store.trade_history(since=1_600_000_000_000)}
        assert {str(fill.trade_id) for fill in stored.past.fills} <= told
    finally:
        store.stop()


class Still(Walk):
    """Its price stands until it is set."""

    def can_stream(self, key: StreamKey) -> bool:
        return False


class Process:
    """A paper account of one process."""

    def __init__(self, journal: Path, exchange: Still) -> None:
        self.journal = Journal.open(journal, exchange="walk", mode="paper", account="nokey")
        self.paper = PaperExchange(exchange, START, lambda: 1_700_000_000_000)
        self.paper.journal = self.journal

    async def __aenter__(self) -> PaperExchange:
        await self.paper.load_markets()
        return self.paper

    async def __aexit__(self, *_: object) -> None:
        await self.paper.close()
        self.journal.close()


async def test_a_restart_brings_balances_and_open_orders_back_and_they_fill(tmp_path: Path) -> None:
    async with Process(tmp_path / "j", Still()) as paper:
        assert not paper.came_back
        await paper.create_order(OrderRequest("a", SYMBOL, Side.BUY, OrderKind.MARKET, D(1)))
        await paper.create_order(OrderRequest("b", SYMBOL, Side.BUY, OrderKind.LIMIT, D(2), D(90)))
        before = await paper.fetch_balance()
    exchange = Still()
    async with Process(tmp_path / "j", exchange) as paper:
        assert paper.came_back
        assert (await paper.fetch_balance()).by_currency == before.by_currency
        assert before.by_currency["USD"].used == D(180)
        (waiting,) = await paper.fetch_open_orders()
        assert (waiting.client_order_id, waiting.side, waiting.price, waiting.amount) == ("b", Side.BUY, D(90), D(2))
        exchange.price = 89.0
        for _ in range(6_000):  # nobody has ordered, its prices are followed all the same
            if not await paper.fetch_open_orders():
                break
            await asyncio.sleep(0.01)
        fills = await paper.fetch_my_trades()
        assert [(fill.client_order_id, fill.price, fill.amount) for fill in fills] == [
            ("a", D("100.01"), D(1)), ("b", D(90), D(2)),
        ]  # fmt: skip


async def test_the_account_of_another_market_type_is_refused(tmp_path: Path) -> None:
    class Perpetual(Still):
        async def load_markets(self) -> dict[str, Market]:
            return {"COIN/USD:USD": replace(COIN, symbol="COIN/USD:USD", settle="USD", type=MarketType.LINEAR)}

    async with Process(tmp_path / "j", Still()) as paper:
        await paper.create_order(OrderRequest("a", SYMBOL, Side.BUY, OrderKind.MARKET, D(1)))
    process = Process(tmp_path / "j", Perpetual())
    with pytest.raises(ConfigError, match=r"of another market .*COIN/USD"):
        await process.paper.load_markets()
    process.journal.close()


def test_without_a_journal_on_disk_it_begins_anew_and_two_of_them_are_two_accounts(tmp_path: Path) -> None:
    stores = [CCXTStore(Still(), mode="paper", **given) for given in ({}, {}, {"journal": tmp_path / "a"})]
    CCXTStore.broker_of(*stores)
    same = [CCXTStore(Still(), mode="paper", journal=tmp_path / "a") for _ in range(2)]
    with pytest.raises(ConfigError, match="one account"):
        CCXTStore.broker_of(*same)
