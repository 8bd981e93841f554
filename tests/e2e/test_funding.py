"""Funding of a contract position: where the exchange lists its payments they are no alarm, everything else still is."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt.errors import Unsupported
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
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
