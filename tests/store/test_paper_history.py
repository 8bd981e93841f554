"""What a paper account has done is read from its journal by ``btccxt history``, with nobody connected."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal as D
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from btccxt.cli import app
from btccxt.model import OrderKind, OrderReference, OrderRequest, Side
from btccxt.orders.journal.journal import Journal
from btccxt.store.paper import PaperExchange
from btccxt.store.paper_funding import PaperFunding
from tests.store.test_paper_contracts import HOUR, START, SYMBOL, Clock, Perpetual, T


def history(what: str, config: Path, *more: str) -> Any:
    words = ["history", what, "--config", str(config), "--profile", "p", "--from", "2023-11-01", "--json", *more]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


async def test_trades_orders_and_the_ledger_of_a_paper_account_are_read_from_its_journal(tmp_path: Path) -> None:
    clock, exchange = Clock(), Perpetual({T + HOUR: D("0.001")})
    journal = Journal.open(tmp_path / "j", exchange="kraken", mode="paper", account="nokey")
    paper = PaperExchange(exchange, START, clock.now_ms)
    paper.journal = journal
    await paper.load_markets()
    await paper.create_order(OrderRequest("a", SYMBOL, Side.BUY, OrderKind.MARKET, D(5)))
    await paper.create_order(OrderRequest("b", SYMBOL, Side.BUY, OrderKind.LIMIT, D(5), D(50)))
    await paper.cancel_order(OrderReference(SYMBOL, "b"))
    await paper.create_order(OrderRequest("c", SYMBOL, Side.BUY, OrderKind.LIMIT, D(5), D(40)))
    clock.ms = T + HOUR + 20_000
    await PaperFunding(exchange, paper.engine, clock.now_ms).charge()
    journal.flush().result(10)
    config = tmp_path / "btccxt.yaml"
    config.write_text(f"profiles: {{p: {{exchange: kraken, mode: paper, journal: '{tmp_path / 'j'}'}}}}")
    (trade,) = await asyncio.to_thread(history, "trades", config)
    assert (trade["client_order_id"], trade["price"], trade["amount"]) == ("a", "100.01", "5")
    orders = {order["client_order_id"]: order for order in await asyncio.to_thread(history, "orders", config)}
    assert {name: order["status"] for name, order in orders.items()} == {"a": "filled", "b": "canceled"}
    assert orders["a"]["average"] == "100.01" and not await asyncio.to_thread(history, "orders", config, "-s", "X/Y")
    (paid,) = await asyncio.to_thread(history, "ledger", config)
    assert (paid["kind"], paid["currency"], paid["amount"]) == ("funding", "USD", "-0.50005000")
    await paper.close()
    journal.close()


def test_one_without_a_journal_or_without_a_paper_account_is_said(tmp_path: Path) -> None:
    config = tmp_path / "btccxt.yaml"
    config.write_text("profiles: {p: {exchange: kraken, mode: paper}}")
    told = CliRunner().invoke(app, ["history", "trades", "--config", str(config), "--profile", "p"])
    assert told.exit_code != 0 and "ended with its process" in told.output + str(told.exception)
