"""Where the exchange names no trades, the journal's fills add up to what its orders filled all the same."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path

import pytest
from typer.testing import CliRunner

from btccxt.cli import app
from btccxt.errors import Unsupported
from btccxt.model import ZERO, Balances, Fee, Fill, OrderStatus, Origin, Position, Side
from btccxt.orders.journal import schema as journal_schema
from btccxt.orders.journal.fills import StoredFill, booked
from btccxt.orders.journal.reader import JournalReader
from btccxt.orders.lifecycle import LifecycleState as S
from tests.orders.conftest import Desk, eventually
from tests.orders.fake_exchange import FakeExchange


def _told(desk: Desk, name: str, filled: str, average: str, **more: object) -> None:
    update = desk.exchange.update(desk.placed(name), Origin.PUSH, filled=D(filled), average=D(average), **more)
    desk.tracker.on_update(update)


def _booked(desk: Desk) -> list[tuple[D, D]]:
    with JournalReader(desk.journal.path) as reader:
        return [(fill.amount, fill.price) for fill in reader.booked_fills()]


async def _without_trades(make_desk: Callable[..., Desk]) -> tuple[Desk, str]:
    desk = await make_desk(infer_fills=True).start()
    desk.exchange.script("fetch_my_trades", *[Unsupported("no trades")] * 50)
    name = await desk.opened()
    _told(desk, name, "0.4", "100")
    desk.placed(name).status = OrderStatus.FILLED
    _told(desk, name, "1", "106")
    await desk.until(name, S.FILLED)
    await desk.quiet()
    return desk, name


async def test_inferred_fills_are_shown_and_add_up_to_the_orders_amount(make_desk: Callable[..., Desk]) -> None:
    desk, name = await _without_trades(make_desk)
    assert _booked(desk) == [(D("0.4"), D(100)), (D("0.6"), D(110))]
    assert [(fill.amount, fill.price) for fill in desk.fills(name)] == _booked(desk)
    with JournalReader(desk.journal.path) as reader:
        assert reader.fills() == []  # trades that the exchange named
    shown = CliRunner().invoke(app, ["orders", "show", name, "--journal", desk.journal.path])
    lines = [" ".join(line.split()[2:]) for line in shown.output.splitlines() if " Fill " in line]
    assert lines == [
        "Fill buy 0.4 at 100, inferred: the exchange named no trade",
        "Fill buy 0.6 at 110, inferred: the exchange named no trade",
    ]


async def test_a_restart_changes_nothing_of_them(make_desk: Callable[..., Desk]) -> None:
    desk, name = await _without_trades(make_desk)
    before = _booked(desk)
    for _ in range(2):
        desk = await desk.stopped_and_reopened()
        desk.exchange.script("fetch_my_trades", *[Unsupported("no trades")] * 50)
        await desk.start()
        _told(desk, name, "1", "106")
        await desk.quiet()
        assert _booked(desk) == before
        assert desk.order(name).filled == D(1)
        assert desk.order(name).traded == ZERO


async def test_what_the_account_should_have_follows_from_them(make_desk: Callable[..., Desk]) -> None:
    """Or a start on a contract would find a position that nothing explains."""
    desk = await make_desk(infer_fills=True).start()
    desk.exchange.script("fetch_my_trades", *[Unsupported("no trades")] * 50)
    name = await desk.opened()
    _told(desk, name, "0.4", "100")
    await desk.quiet()
    desk.journal.keep_holdings(1, Balances(1, {}), [Position("BTC/USDT", D("0.4"), D(100), 1)])
    _told(desk, name, "0.7", "100")
    await desk.quiet()
    stored = desk.journal.holdings().result(60)
    assert stored is not None
    assert [fill.amount for fill in stored.fills] == [D("0.3")]
    assert [fill.amount for fill in desk.journal.past_fills().result(60)] == [D("0.4"), D("0.3")]


async def test_trades_that_turn_up_later_bring_their_fees_and_only_what_is_more(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk(FakeExchange(fees=Fee("BNB", D("0.01"))), infer_fills=True).start()
    name = await desk.opened()
    placed = desk.placed(name)
    _told(desk, name, "0.4", "100")
    first, rest = desk.exchange.trade(placed, "0.5"), desk.exchange.trade(placed, "0.5")
    desk.tracker.on_fill(first)
    desk.tracker.on_fill(rest)
    await desk.until(name, S.FILLED)
    await eventually(lambda: dict(desk.order(name).fees) == {"BNB": D("0.02")})
    await desk.quiet()
    assert _booked(desk) == [(D("0.4"), D(100)), (D("0.1"), D(100)), (D("0.5"), D(100))]
    shown = CliRunner().invoke(app, ["orders", "show", name, "--journal", desk.journal.path]).output
    assert "trade t1, 0.1 of it new: the rest was inferred before" in " ".join(shown.split())
    order = desk.order(name)
    desk = await desk.restart()
    found = desk.tracker.order(name) or order
    assert (found.filled, found.traded, dict(found.fees)) == (D(1), D(1), {"BNB": D("0.02")})


@pytest.mark.parametrize("seed", range(30))
async def test_in_whatever_order_news_come_the_journals_sums_are_the_orders(
    make_desk: Callable[..., Desk], seed: int
) -> None:
    """Amounts cumulated and trades, twice and shuffled; the figures of a start are written somewhere in between."""
    chance = random.Random(seed)
    exchange = FakeExchange(fees=Fee("USDT", D("0.05")))
    desk = await make_desk(exchange, infer_fills=True).start()
    exchange.script("fetch_my_trades", *[Unsupported("no trades")] * 200)
    name = await desk.opened()
    placed = desk.placed(name)
    trades = [exchange.trade(placed, amount) for amount in ("0.1", "0.3", "0.2", "0.4")]
    placed.status, news = OrderStatus.OPEN, [*trades, *trades, D("0.1"), D("0.4"), D("0.6"), D(1)]
    chance.shuffle(news)
    news = news[: chance.randint(3, len(news))]
    cut, before = chance.randrange(len(news)), ZERO
    for number, each in enumerate(news):
        if number == cut:
            await desk.quiet()
            desk.journal.keep_holdings(1, Balances(1, {}), [])
            before = desk.order(name).filled
        if isinstance(each, Fill):
            desk.tracker.on_fill(each)
        else:
            _told(desk, name, str(each), "100", status=OrderStatus.OPEN)
    await desk.quiet()
    filled = desk.order(name).filled
    assert sum(amount for amount, _ in _booked(desk)) == filled
    assert sum(fill.amount for fill in desk.fills(name)) == filled
    stored = desk.journal.holdings().result(60)
    assert stored is not None
    assert sum(fill.amount for fill in stored.fills) == filled - before
    with JournalReader(desk.journal.path) as reader:
        fees = sum((fill.fee.cost for fill in reader.booked_fills() if fill.fee is not None), ZERO)
    assert fees == desk.order(name).fees.get("USDT", ZERO)


def test_what_the_figures_of_a_start_contain_is_not_counted_again_when_its_trade_or_fee_is_learned() -> None:
    """The exchange had taken the fee by then."""

    def row(number: int, trade_id: str, amount: str, *, inferred: bool = False, fee: str | None = None) -> StoredFill:
        paid = None if fee is None else Fee("USDT", D(fee))
        return StoredFill(
            number, "b1", inferred, 1, Fill(trade_id, "BTC/USDT", Side.BUY, D(100), D(amount), 1, fee=paid)
        )

    inferred, known = row(1, "cumulative-0.4", "0.4", inferred=True), row(1, "t1", "0.4")
    named = [row(2, "t1", "0.4", fee="1"), row(3, "t2", "0.6", fee="2")]
    for before in (inferred, known):
        assert [(fill.amount, fill.fee) for fill in booked(named, [before])] == [(D("0.6"), Fee("USDT", D(2)))]
    late_fee = [fill.amount for fill in booked([named[1], named[0]], [known])]
    assert late_fee == [D("0.6")]
    assert [(fill.amount, fill.fee) for fill in booked([inferred, *named])] == [
        (D("0.4"), None), (ZERO, Fee("USDT", D(1))), (D("0.6"), Fee("USDT", D(2))),
    ]  # fmt: skip


async def test_a_fee_that_is_learned_later_is_no_second_trade(make_desk: Callable[..., Desk]) -> None:
    desk = await make_desk().start()
    name = await desk.opened()
    trade = desk.exchange.trade(desk.placed(name), "1")
    desk.tracker.on_fill(trade)
    desk.tracker.on_fill(replace(trade, fee=Fee("USDT", D(1))))
    await desk.quiet()
    shown = CliRunner().invoke(app, ["orders", "show", name, "--journal", desk.journal.path]).output
    assert [line.endswith("counted before: its fee is learned") for line in shown.splitlines() if "Fill" in line] == [
        False, True,
    ]  # fmt: skip
    assert _booked(desk) == [(D(1), D(100))]


def test_a_journal_from_before_they_were_kept_is_read_and_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.orders.conftest import open_journal

    path = tmp_path / "j.sqlite3"
    with monkeypatch.context() as old:
        old.setattr(journal_schema, "MIGRATIONS", journal_schema.MIGRATIONS[:2])
        open_journal(path).close()
    fill = '{"trade_id":"t1","symbol":"BTC/USDT","side":"buy","price":"100","amount":"1","time_ms":1}'
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO fills (client_order_id, symbol, trade_id, time_ms, at_ms, payload) VALUES (?,?,?,?,?,?)",
            ("b1", "BTC/USDT", "t1", 1, 1, fill),
        )
    connection.close()
    with JournalReader(path) as reader:
        assert [each.amount for each in reader.booked_fills()] == [D(1)]
    journal = open_journal(path)
    assert [each.amount for each in journal.past_fills().result(60)] == [D(1)]
    journal.close()


async def test_of_a_trade_with_itself_the_account_counts_both_sides(make_desk: Callable[..., Desk]) -> None:
    """Both have one trade id; a start that counted only one would find that the account has changed."""
    desk = await make_desk().start()
    bought, sold = await desk.opened(), await desk.opened(desk.request(side=Side.SELL))
    fill = desk.exchange.trade(desk.placed(bought), "0.4")
    desk.tracker.on_fill(fill)
    other = replace(fill, side=Side.SELL, client_order_id=sold, order_id=desk.placed(sold).order_id)
    desk.tracker.on_fill(other)
    await desk.quiet()
    assert sorted(_booked(desk)) == [(D("0.4"), fill.price)] * 2
    with JournalReader(desk.journal.path) as reader:
        assert {told.side for told in reader.fills()} == {Side.BUY, Side.SELL}
