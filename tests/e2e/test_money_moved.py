"""Deposits and withdrawals reach the strategy at once, as money that moved: no drift, no profit."""

from __future__ import annotations

import time
from decimal import Decimal as D

import pytest

from btccxt.bt.compat import bt
from btccxt.model import TransferKind
from btccxt.notices import MoneyMoved, NoticeKind
from tests.e2e.stage import Player, Step, Venue, play

PRICE = D(60_000)


def told(player: Player) -> list[MoneyMoved]:
    return [news.about for news in player.store_news if getattr(news, "kind", None) is NoticeKind.MONEY]


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm"])
def test_a_deposit_and_a_withdrawal_are_booked_as_such_and_leave_the_returns_right(tmp_path, exchange):
    def fit(cerebro: bt.Cerebro) -> None:
        cerebro.addanalyzer(bt.analyzers.TimeReturn, _name="whole", timeframe=bt.TimeFrame.NoTimeFrame)

    def move(amount: str):
        return lambda player: venue.call(lambda sim: sim.deposit("main", "USDT", D(amount)))

    def after_a_while():
        """What comes beside a fill is found by the next comparison, a minute later here."""
        began: list[float] = []

        def passed(player: Player) -> bool:
            began.append(time.monotonic())
            return began[-1] - began[0] > 0.6

        return passed

    def heard(times: int):
        return lambda player: len(told(player)) >= times

    with Venue(exchange, balances={"USDT": D(10_000)}) as venue:
        store = venue.store(tmp_path / "j", open_orders_slow_s=60.0)
        with store.kept_open():
            ran, _ = play(
                venue,
                store,
                [
                    Step(PRICE, lambda player: player.buy(size=0.1)),
                    Step(PRICE, until=after_a_while()),
                    Step(PRICE, move("5000"), until=heard(1)),
                    Step(D(66_000), move("-2000"), until=heard(2)),
                    Step(D(66_000), lambda player: player.close()),
                    Step(D(66_000)),
                ],
                fit=fit,
            )
            assert all(ours == theirs for _, ours, theirs in store.books_check())
        again, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE)])
    amounts = [(each.currency, each.amount) for news in told(ran) for each in news.transfers]
    assert amounts == [("USDT", 5_000), ("USDT", -2_000)]
    assert not any(each.kind is TransferKind.UNKNOWN for news in told(ran) for each in news.transfers)
    assert not any(getattr(news, "kind", None) == "alarm" for news in (*ran.store_news, *again.store_news))
    broker = store.getbroker()
    final = broker.getvalue()
    assert final == pytest.approx(13_600, abs=20)
    # 15,000 earned 600, then 13,600 stayed what they were.
    (whole,) = ran.analyzers.whole.get_analysis().values()
    assert whole == pytest.approx(0.04, abs=0.002)
    assert broker.fundvalue / broker.startingvalue == pytest.approx(1.04, abs=0.002)
