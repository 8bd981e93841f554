"""Funding of a contract position: where the exchange lists its payments they are no alarm, everything else still is."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt.bt.compat import bt
from btccxt.errors import Unsupported
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.model import Position
from btccxt.observe.log import EventName
from btccxt.orders.events import AlarmKind
from tests.e2e.stage import PERP, Player, Step, Venue, play
from tests.e2e.test_drift import alarms, buy, ended, reconcile

PRICE = D(60_000)


def fund(venue: Venue, rate: str = "0.0001") -> None:
    """Longs pay shorts, if the rate is positive."""
    venue.call(lambda exchange: exchange.dialects["binanceusdm"].fund(PERP, D(rate)))


def counted(venue: Venue):
    """Until the broker has the exchange's cash."""
    return lambda player: player.broker.ledger.cash == venue.balances()["USDT"]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Funding payments as they were logged."""
    from btccxt.account import explain as funding

    lines: list[dict[str, object]] = []

    class Log:
        def info(self, event: EventName, **fields: object) -> None:
            if event is EventName.FUNDING:
                lines.append(fields)

    monkeypatch.setattr(funding, "log", Log())
    return lines


def of(lines: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(line["symbol"], line["amount"]) for line in lines]


def test_funding_that_the_exchange_lists_is_booked_and_logged_and_no_alarm(tmp_path, logged):
    with Venue("binanceusdm") as venue:
        store = venue.store(tmp_path / "j")
        with store.kept_open():
            ran, _ = play(
                venue,
                store,
                [
                    Step(PRICE, buy(0.05)),
                    Step(PRICE, lambda player: fund(venue), until=counted(venue)),
                    Step(PRICE, lambda player: fund(venue, "-0.0002"), until=counted(venue)),
                    Step(PRICE, buy(0.01)),
                    Step(PRICE),
                ],
            )
            books = store.books_check()
        again, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE)])
    assert alarms(ran, AlarmKind.DRIFT) == alarms(again, AlarmKind.DRIFT) == []
    assert of(logged) == [(PERP, D("-0.3")), (PERP, D("0.6"))]
    assert all(ours == theirs for _, ours, theirs in books), books
    assert ended(ran, 0.01) == "Completed"
    told = [news for news in ran.store_news if getattr(news, "kind", None) == "account"]
    assert told == []


def test_funding_while_no_program_ran_is_no_alarm_either(tmp_path, logged):
    with Venue("binanceusdm") as venue:
        play(venue, venue.store(tmp_path / "j"), [Step(PRICE, buy(0.05)), Step(PRICE)])
        fund(venue)
        fund(venue)
        shown = reconcile(venue, tmp_path)
        assert "-0.6: funding explains it" in shown.output
        ran, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE)])
        assert ran.broker.ledger.cash == venue.balances()["USDT"]
    assert alarms(ran, AlarmKind.DRIFT) == []
    assert of(logged) == [(PERP, D("-0.3"))] * 2


@pytest.mark.parametrize("away", [False, True])
def test_what_funding_does_not_explain_is_alarmed_as_ever(tmp_path, logged, away):
    def both(player: Player | None = None) -> None:
        fund(venue)
        venue.slip("USDT", "500")

    with Venue("binanceusdm") as venue:
        steps = [Step(PRICE, buy(0.05)), Step(PRICE, None if away else both, until=None if away else counted(venue))]
        ran, _ = play(venue, venue.store(tmp_path / "j"), steps)
        if away:
            both()
            ran, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE), Step(PRICE)])
    (text,) = alarms(ran, AlarmKind.DRIFT)
    assert "USDT" in text
    assert logged == []


@pytest.mark.parametrize("away", [False, True])
def test_where_the_exchange_lists_no_payments_funding_is_alarmed(tmp_path, monkeypatch, away):
    async def none(*_: object) -> list[object]:
        raise Unsupported("lists no funding")

    monkeypatch.setattr(CCXTExchange, "fetch_funding", none)
    with Venue("binanceusdm") as venue:
        steps = [
            Step(PRICE, buy(0.05)),
            Step(PRICE, None if away else lambda player: fund(venue), until=None if away else counted(venue)),
        ]
        ran, _ = play(venue, venue.store(tmp_path / "j"), steps)
        if away:
            fund(venue)
            ran, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE), Step(PRICE)])
    (text,) = alarms(ran, AlarmKind.DRIFT)
    assert "USDT" in text


def test_funding_is_booked_into_the_trade_it_belongs_to_and_the_totals_are_the_ledgers(tmp_path):
    seen: list[Position] = []

    def look(player: Player) -> None:
        seen.extend(store.positions())
        player.close()

    with Venue("binanceusdm") as venue:
        store = venue.store(tmp_path / "j")
        before = venue.balances()["USDT"]
        ran, _ = play(
            venue,
            store,
            [
                Step(PRICE, buy(0.05)),
                Step(PRICE, lambda player: fund(venue), until=counted(venue)),
                Step(PRICE, lambda player: fund(venue, "-0.0002"), until=counted(venue)),
                Step(PRICE, buy(0.05)),
                Step(PRICE + 600, until=lambda player: store.positions()[0].margin is not None),
                Step(PRICE + 600, look),
                Step(PRICE + 600),
            ],
            fit=lambda cerebro: cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades"),
        )
        earned = venue.balances()["USDT"] - before
        fees = sum(fill.fee.cost for fill in venue.fills())
    (closed,) = [trade for trade in ran.trade_news if trade.isclosed]
    assert closed.pnlcomm == pytest.approx(float(earned))
    assert closed.commission == pytest.approx(float(fees) - 0.3)  # 0.3 paid, 0.6 received
    assert ran.analyzers.trades.get_analysis().pnl.net.total == pytest.approx(float(earned))
    (position,) = seen
    assert (position.amount, position.coins, position.leverage) == (D("0.1"), D("0.1"), 20)
    assert position.margin == pytest.approx(position.amount * position.mark_price / 20, rel=D("0.02"))
    assert position.unrealised_pnl == pytest.approx((position.mark_price - position.entry_price) / 10, abs=D("0.1"))
