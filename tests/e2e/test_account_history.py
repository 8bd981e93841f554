"""A long past is read whole from every dialect, also after an error in the middle of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from btccxt.bt.compat import bt
from btccxt.cli import app
from btccxt.errors import BtccxtError, ConfigError
from btccxt.matching.records import NewOrder
from btccxt.model import OrderKind, OrderStatus, Side
from btccxt.orders.journal.reader import JournalReader
from btccxt.sim.server import SimExchange
from tests.e2e.stage import BTC, PERP, START_MS, Player, Step, Venue, play

TRADES = 1_300


def fill_with_history(exchange: SimExchange, count: int = TRADES) -> None:
    """``count`` orders of one fill each, straight into the engine: by threes of one instant, over nine days."""
    engine, now_ms = exchange.engine, int(exchange.clock.now_ms())
    step_ms = 9 * 86_400_000 * 3 // count
    order = NewOrder(BTC, Side.BUY, OrderKind.MARKET, D("0.0002"))
    for number in range(count):
        at_ms = now_ms - 9 * 86_400_000 + (number // 3) * step_ms
        engine.submit("main", replace(order, side=Side.BUY if number % 2 == 0 else Side.SELL), at_ms)


@contextmanager
def opened(venue: Venue) -> Iterator[Any]:
    store = venue.store()
    with store.kept_open():
        store.getbroker()
        store.start()
        yield store


def venue_of(exchange_id: str) -> Venue:
    return Venue(exchange_id, balances={"USDT": D(50_000), "BTC": D(10)})


class Pages:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def __call__(self, progress: Any) -> None:
        self.told.append(progress)


@pytest.mark.parametrize("exchange_id", ["binance", "okx", "bybit", "kraken"])
def test_1300_trades_and_their_orders_are_read_whole(exchange_id: str) -> None:
    with venue_of(exchange_id) as venue:
        venue.call(fill_with_history)
        with opened(venue) as store:
            since = datetime.fromtimestamp((START_MS - 10 * 86_400_000) / 1000, timezone.utc)
            pages = Pages()
            trades = store.trade_history(BTC, since, progress=pages)
            there = venue.fills()
            assert len(trades) == len(there) == TRADES
            assert [fill.time_ms for fill in trades] == sorted(fill.time_ms for fill in there)
            assert len({fill.key for fill in trades}) == TRADES
            assert len(pages.told) >= 2 and pages.told[-1].reached == 1 and pages.told[-1].rows >= TRADES
            assert trades.doubts == ()
            orders = store.order_history(BTC, since)
            assert len(orders) == TRADES and {order.status for order in orders} == {OrderStatus.FILLED}
            assert {order.order_id for order in orders} == {fill.order_id for fill in trades}


def test_a_part_of_it_a_frame_and_files(tmp_path: Path) -> None:
    with venue_of("binance") as venue:
        venue.call(lambda exchange: fill_with_history(exchange, 90))
        with opened(venue) as store:
            since_ms = START_MS - 10 * 86_400_000
            trades = store.trade_history(BTC, since_ms)
            assert store.trade_history(BTC, since_ms, 77) == trades[:77]
            newest = store.trade_history(limit=40)  # no symbol: all that is held or journaled
            assert newest == trades[-40:] and "asked for BTC/USDT (" in newest.doubts[0]
            between = store.trade_history(BTC, trades[30].time_ms, until=trades[50].time_ms)
            assert trades[30] in between and trades[50] in between
            assert all(trades[30].time_ms <= fill.time_ms <= trades[50].time_ms for fill in between)
            frame = trades.to_frame()
            assert len(frame) == 90 and frame["price"].dtype == float and str(frame["time"].dt.tz) == "UTC"
        config = tmp_path / "btccxt.yaml"
        config.write_text(
            f"profiles: {{here: {{exchange: binance, mode: sim, sim_address: '{venue.address}', "
            f"journal: '{tmp_path / 'none.sqlite3'}'}}}}"
        )
        files = [tmp_path / "trades.csv", tmp_path / "trades.parquet"]
        words = ["history", "trades", "--config", str(config), "--profile", "here", "-s", BTC]
        written = CliRunner().invoke(app, [*words, "--csv", str(files[0]), "--parquet", str(files[1])])
        assert written.exit_code == 0, written.output
        rows = list(csv.DictReader(files[0].read_text().splitlines()))
        assert [row["trade_id"] for row in rows] == [fill.trade_id for fill in trades]
        assert D(rows[0]["price"]) == trades[0].price and rows[0]["time"].endswith("+00:00")
        assert parquet.read_table(files[1]).num_rows == 90
        told = CliRunner().invoke(app, [*words[:1], "orders", *words[2:], "--json"])
        assert len(json.loads(told.stdout)) == 90
        fees = CliRunner().invoke(app, ["history", "ledger", *words[2:6], "--json"])
        assert sum((D(each["amount"]) for each in json.loads(fees.stdout) if each["kind"] == "fee"), D(0)) == -sum(
            (fill.fee.cost for fill in trades), D(0)
        )
        shown = CliRunner().invoke(app, [*words, "--limit", "3"])
        assert "3 trades" in shown.output and "client order id" in shown.output


def test_the_ledger_has_fees_funding_and_transfers_in_their_order() -> None:
    def move(exchange: SimExchange) -> None:
        now_ms = int(exchange.clock.now_ms())
        exchange.engine.submit("main", NewOrder(PERP, Side.BUY, OrderKind.MARKET, D("0.01")), now_ms)
        exchange.engine.apply_funding(PERP, D("0.0001"), now_ms + 1)
        exchange.engine.deposit("main", "USDT", D(500), now_ms + 2)

    with Venue("binanceusdm") as venue:
        venue.call(move)
        with opened(venue) as store:
            entries = store.ledger(START_MS - 86_400_000)
            assert [entry.kind.value for entry in entries] == ["fee", "funding", "transfer"]
            assert entries[0].amount < 0 and entries[1].amount < 0 and entries[2].amount == 500
            assert entries[0].symbol == entries[1].symbol == PERP
            assert entries[0].amount + entries[1].amount + 500 == venue.balances()["USDT"] - 50_000
            assert any("may be missing" in doubt for doubt in entries.doubts)
            assert list(entries.to_frame()["currency"]) == ["USDT"] * 3


def test_after_an_error_in_the_middle_the_next_look_goes_on_from_the_page_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with venue_of("kraken") as venue:
        venue.call(fill_with_history)
        with opened(venue) as store:
            exchange = store._open_session.exchange
            asked: list[Any] = []
            real = exchange._page

            async def breaks_once(method: str, page: Any) -> Any:
                asked.append(page.params.get("ofs", 0))
                if len(asked) == 12:
                    raise BtccxtError("the line is cut")
                return await real(method, page)

            monkeypatch.setattr(exchange, "_page", breaks_once)
            trades = store.trade_history(BTC, START_MS - 10 * 86_400_000)
            with pytest.raises(BtccxtError, match="cut"):
                len(trades)
            assert len(trades) == TRADES
            assert asked == sorted(asked) and asked.count(asked[11]) == 2 and len(asked) == len(set(asked)) + 1


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, store: Any, most: int = 10_000) -> Iterator[list[str]]:
    """The pages that are asked for; after ``most`` of them the line is cut."""
    exchange, asked = store._open_session.exchange, []
    real = exchange._page

    async def page(method: str, request: Any) -> Any:
        if len(asked) == most:
            raise BtccxtError("the line is cut")
        asked.append(method)
        return await real(method, request)

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "_page", page)
        yield asked


@contextmanager
def opened_with(venue: Venue, journal: Path) -> Iterator[Any]:
    store = venue.store(journal)
    with store.kept_open():
        store.getbroker()
        store.start()
        yield store


@pytest.mark.parametrize("exchange_id", ["binance", "okx", "bybit", "kraken"])
def test_another_process_goes_on_from_the_page_where_one_ended_and_asks_for_nothing_twice(
    exchange_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    since_ms = START_MS - 10 * 86_400_000
    with venue_of(exchange_id) as venue:
        venue.call(fill_with_history)
        with opened_with(venue, tmp_path / "alone") as store, counted(monkeypatch, store) as asked:
            whole = store.trade_history(BTC, since_ms)
            assert len(whole) == len({fill.key for fill in whole}) == TRADES and whole.doubts == ()
            pages = len(asked)
        cut_at = (pages + 1) // 2
        with (
            opened_with(venue, tmp_path / "j") as store,
            counted(monkeypatch, store, most=cut_at),
            pytest.raises(BtccxtError, match="cut"),
        ):
            len(store.trade_history(BTC, since_ms))
        with opened_with(venue, tmp_path / "j") as store, counted(monkeypatch, store) as asked:
            trades = store.trade_history(BTC, since_ms)
            assert trades == whole and trades.doubts == ()
            assert cut_at + len(asked) <= pages + 2, "no page again but those that tell what has come since"
        with opened_with(venue, tmp_path / "j") as store, counted(monkeypatch, store) as asked:
            assert store.trade_history(BTC, since_ms) == whole
            assert store.trade_history(BTC, since_ms, 50) == whole[:50]
            part = store.trade_history(BTC, whole[100].time_ms, until=whole[200].time_ms)
            assert list(part) == [fill for fill in whole if whole[100].time_ms <= fill.time_ms <= whole[200].time_ms]
            assert len(asked) <= 4, "only what may have come since"
            longer = store.trade_history(BTC, since_ms - 86_400_000)
            assert longer == whole


def test_orders_are_asked_for_again_because_they_change_and_a_damaged_file_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    since_ms = START_MS - 10 * 86_400_000
    with venue_of("binance") as venue:
        venue.call(lambda exchange: fill_with_history(exchange, 30))
        with opened_with(venue, tmp_path / "j") as store, counted(monkeypatch, store) as asked:
            first = list(store.order_history(BTC, since_ms))
            once = len(asked)
            assert list(store.order_history(BTC, since_ms)) == first and len(asked) == 2 * once
            (tmp_path / "j.history").write_bytes(b"no database")
            trades = store.trade_history(BTC, since_ms)
            assert len(trades) == 30 and any("cannot be read" in doubt for doubt in trades.doubts)


def test_each_fill_leads_back_to_the_strategys_order(tmp_path: Path) -> None:
    def buy(player: Player) -> None:
        player.made["buy"] = player.buy(size=0.3)

    def sell(player: Player) -> None:
        player.made["sell"] = player.sell(size=0.1, exectype=bt.Order.Limit, price=59_000.0)

    with Venue() as venue:
        ran, _ = play(
            venue, venue.store(tmp_path / "j"), [Step(D(60_000), buy), Step(D(60_000), sell), Step(D(60_000))]
        )
        orders = {order.info.client_order_id: order for order in ran.made.values()}
        venue.call(  # by hand, past the program
            lambda exchange: exchange.engine.submit(
                "main", NewOrder(BTC, Side.BUY, OrderKind.MARKET, D("0.01")), int(exchange.clock.now_ms())
            )
        )
        for _ in range(2):  # the second process has the fills from what is kept
            with opened_with(venue, tmp_path / "j") as store:
                fills = store.trade_history(BTC, START_MS - 86_400_000)
                ours = [fill for fill in fills if fill.client_order_id in orders]
                assert len(fills) - len(ours) == 1
                for name, order in orders.items():
                    parts = [fill for fill in ours if fill.client_order_id == name]
                    assert sum(fill.amount for fill in parts) == D(str(abs(order.executed.size)))
                    assert len(parts) == len(order.executed.exbits)
                with JournalReader(store.journal_path) as reader:
                    refs = {fill.client_order_id: reader.story(fill.client_order_id).context["ref"] for fill in ours}
                assert refs == {name: str(order.ref) for name, order in orders.items()}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"since": 1_700_000_000}, "seconds"),
        ({"since": "yesterday"}, "datetime"),
        ({"limit": 0}, "limit 0"),
        ({"since": 1_700_000_000_000, "until": 1_600_000_000_000}, "lies before"),
        ({"symbol": "BTC/USTD"}, "BTC/USDT"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
    arguments: dict[str, Any], why: str, quiet_store: Any
) -> None:
    with pytest.raises(ConfigError, match=why):
        quiet_store.trade_history(**arguments)


@pytest.fixture(scope="module")
def quiet_store() -> Any:
    with venue_of("binance") as venue, opened(venue) as store:
        yield store
