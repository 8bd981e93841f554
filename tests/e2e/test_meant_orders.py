"""Public reports of people who trade, each with the right end: what was meant is what stands at the exchange."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.config import OnStop
from btccxt.notices import StoreNotice, WarmUpEnded
from tests.e2e.kit import START, Witness, run
from tests.e2e.stage import Player, Step, Venue, play, quick_policy
from tests.patient_market import patient_market

D = Decimal
P = D(60_000)


def go(venue: Venue, steps, *, store=None, **kwargs) -> Player:
    with venue:
        player, _ = play(venue, store or venue.store(), steps, **kwargs)
        player.coins = venue.balances()
        player.contracts = venue.position()
    return player


def test_a_short_target_asked_for_each_bar_stays_what_it_is_and_reverses():
    sizes = []

    def short(s: Player) -> None:
        sizes.append(s.position.size)
        s.order_target_percent(target=-0.1)

    player = go(
        Venue("binanceusdm"), [Step(P, short)] * 3 + [Step(P, lambda s: s.order_target_percent(target=0.1)), Step(P)]
    )
    assert sizes[1:] == pytest.approx([-0.083, -0.083], abs=0.001)
    assert player.contracts > 0


def test_the_same_target_buys_the_same_before_and_after_a_restart(tmp_path):
    """Leverage is the account's; a target is an exposure."""
    with Venue("binanceusdm") as venue:
        bought = []
        for _ in range(2):
            store = venue.store(tmp_path / "journal.db")
            player, _ = play(
                venue,
                store,
                [Step(P), Step(P, lambda s: s.made.update(o=s.order_target_percent(target=0.05))), Step(P)],
            )
            bought.append(player.made["o"].size)
            player, _ = play(
                venue, venue.store(tmp_path / "journal.db"), [Step(P), Step(P, lambda s: s.close()), Step(P)]
            )
            play(venue, venue.store(tmp_path / "journal.db"), [Step(P, lambda s: s.buy(size=0.002)), Step(P)])
    assert bought[1] == pytest.approx(bought[0] - 0.002, abs=0.0011)


@pytest.mark.parametrize("closes", [False, True])
def test_cancel_and_replace_and_cancel_and_close_in_one_bar(closes):
    def again(s: Player) -> None:
        s.cancel(s.made["old"])
        stop = {"size": s.position.size, "exectype": bt.Order.Stop, "price": 59_000}
        s.made["new"] = s.close() if closes else s.sell(**stop)

    def protect(s: Player) -> None:
        s.made["old"] = s.sell(size=s.position.size, exectype=bt.Order.Stop, price=58_000)

    player = go(
        Venue(),
        [
            Step(P, lambda s: s.made.update(b=s.buy(size=0.1))),
            Step(P, protect),
            Step(D(60_500), again),
            Step(D(60_500)),
            Step(D(58_500)),
            Step(D(58_500)),
        ],
    )
    assert player.made["old"].status == bt.Order.Canceled
    assert player.made["new"].status == bt.Order.Completed
    assert player.position.size == 0
    assert "bound" in player.made["new"].info.waited_for


def test_sell_one_and_buy_the_other_in_one_bar():
    def rotate(s: Player) -> None:
        s.made["sell"] = s.order_target_percent(data=s.datas[1], target=0.0)
        s.made["buy"] = s.order_target_value(data=s.datas[0], target=100)

    venue = Venue(balances={"USDT": D(20), "BNB": D("0.2")})
    player = go(venue, [Step(P), Step(P, rotate), Step(P), Step(P)], with_bnb=True)
    assert [order.status for order in player.made.values()] == [bt.Order.Completed] * 2


def test_a_date_too_near_for_a_contract_is_kept_here():
    valid = dt.timedelta(minutes=2)
    player = go(
        Venue("binanceusdm"),
        [
            Step(P, lambda s: s.made.update(o=s.buy(size=0.1, exectype=bt.Order.Limit, price=59_000, valid=valid))),
            Step(P),
        ],
    )
    assert player.made["o"].alive()
    assert "kept by btccxt" in player.made["o"].info.validity


def test_flatten_says_what_a_thin_book_left(caplog):
    with Venue(balances={"USDT": D(50_000), "BTC": D(2)}) as venue:
        store = CCXTStore(
            "binance", mode="sim", sim_address=str(venue.address), journal=":memory:", on_stop=OnStop.FLATTEN,
            tracker=quick_policy("binance"),
        )  # fmt: skip
        play(venue, store, [Step(P), Step(P)])
        left = venue.balances()["BTC"]
    told = [record.getMessage() for record in caplog.records]
    assert left > 0
    assert any("NOT FLAT" in text and f"{float(left):g} is left" in text for text in told)


def test_the_order_that_follows_an_edit_keeps_remark_and_validity():
    limit = {"size": 0.4, "exectype": bt.Order.Limit, "price": 59_900, "valid": dt.timedelta(hours=3), "mark": "grid-1"}
    player = go(
        Venue(),
        [
            Step(P, lambda s: s.made.update(a=s.buy(**limit))),
            Step(P, lambda s: s.made.update(b=s.broker.edit(s.made["a"], price=59_000))),
            Step(P),
        ],
    )
    first, follower = player.made["a"], player.made["b"]
    assert first.ref != follower.ref
    assert (follower.info["mark"], follower.valid) == ("grid-1", first.valid)


def test_what_was_bought_can_be_sold_although_the_fee_was_taken_in_coins():
    player = go(
        Venue(fee_currency="BTC"),
        [Step(P, lambda s: s.buy(size=0.1)), Step(P, lambda s: s.made.update(o=s.sell(size=0.1))), Step(P)],
    )
    assert player.made["o"].status == bt.Order.Completed
    assert "is there" in player.made["o"].info.capped
    assert player.position.size == 0


# ------------------------------------------------------------------ warm-up

SIM = {"speed": 240.0, "seed": 5, "start": START, "symbols": ("BTC/USDT",)}


class Eager(Witness):
    """Buys and sells in turn on every bar, history or not."""

    most = 10_000

    def __init__(self) -> None:
        super().__init__()
        self.asked = []
        self.notices = []

    def notify_store(self, msg, *args, **kwargs) -> None:
        super().notify_store(msg)
        if isinstance(msg, StoreNotice) and isinstance(msg.about, WarmUpEnded):
            self.notices.append(msg.about)

    def next(self) -> None:
        live = self.data._laststatus == self.data.LIVE
        last = self.asked[-1][1] if self.asked else None
        # Live, a purchase that was refused is made before its sale: there is nothing to sell yet.
        buys = last is None or not last.isbuy() or (live and last.status == bt.Order.Rejected)
        if len(self.asked) < self.most:
            order = (self.buy if buys else self.sell)(size=0.01)
            self.asked.append((live, order, self.broker.warm_up_facts()["world"]))
        super().next()


class EagerOnce(Eager):
    most = 2


def eager(strategy: type[Eager] = Eager, **options) -> tuple[Eager, CCXTStore]:
    store = CCXTStore("binance", mode="sim", sim=SIM, balance=10_000, **options)
    data = store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes)
    with store.kept_open(), patient_market():
        witness = run(store, data, broker=True, live_bars=4, strategy=strategy)
        witness.health = store.health()
        witness.filled = list(store.trade_history("BTC/USDT"))
    return witness, store


def test_no_order_leaves_for_the_bars_of_the_warm_up_and_the_first_live_bar_says_how_many():
    witness, _ = eager()
    early = [order for live, order, _ in witness.asked if not live]
    assert len(early) > 20
    assert {order.status for order in early} == {bt.Order.Rejected}
    assert all("warm-up" in order.info.reasons[0] for order in early)
    late = [order for live, order, _ in witness.asked if live]
    assert late[0].status == bt.Order.Completed
    assert len(witness.filled) <= len(late)
    assert [(notice.refused, notice.after_cut) for notice in witness.notices] == [(len(early), False)]
    assert witness.health["warmup"]["world"] == "exchange"


def test_send_is_what_it_says():
    witness, _ = eager(EagerOnce, warmup="send")
    early = [order for live, order, _ in witness.asked if not live]
    assert any(order.status == bt.Order.Completed for order in early)


@pytest.mark.parametrize("then", ["flat", "adopt"])
def test_a_shadow_trades_the_warm_up_and_the_live_world_begins_where_it_was_said(then):
    witness, _ = eager(warmup="shadow", warmup_then=then)
    shadows = [order for _, order, _ in witness.asked if "shadow" in order.info]
    real = [order for _, order, _ in witness.asked if "shadow" not in order.info]
    assert len(shadows) > 20
    assert {order.status for order in shadows[:-2]} == {bt.Order.Completed}
    assert all("client_order_id" not in order.info for order in shadows)
    assert any(order.info.get("client_order_id") for order in real)
    ended = [world for _, order, world in witness.asked if "shadow" not in order.info]
    assert set(ended) == {"exchange"}
    assert [notice.world for notice in witness.notices] == ["exchange"]
    assert witness.asked[0][2] == "shadow"
    assert witness.health["warmup"]["world"] == "exchange"
    assert all(trade.status == trade.Closed for trade in witness.trade_news[:-1] if trade.isclosed)


def test_history_alone_and_a_broker_that_sends_orders_are_refused():
    from btccxt.errors import ConfigError

    store = CCXTStore("binance", mode="sim", sim=SIM)
    data = store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes, historical=True)
    with pytest.raises(ConfigError, match="backtest_broker"):
        run(store, data, broker=True, live_bars=1)


def test_a_trading_state_set_by_file_reaches_the_next_order(tmp_path):
    path = tmp_path / "state"
    with Venue() as venue:
        store = CCXTStore(
            "binance", mode="sim", sim_address=str(venue.address), journal=":memory:", trading_file=path,
            tracker=quick_policy("binance"), risk={"max_order_size": 1},
        )  # fmt: skip
        player, _ = play(
            venue,
            store,
            [
                Step(
                    P, lambda s: (s.made.update(a=s.buy(size=0.01), b=s.buy(size=2)), path.write_text("halted tests\n"))
                ),
                Step(P, lambda s: s.made.update(c=s.buy(size=0.01), h=store.health())),
                Step(P, lambda s: (store.set_trading_state("active"), s.made.update(d=s.buy(size=0.01)))),
                Step(P),
            ],
        )
    made = player.made
    assert [made[name].status for name in "abcd"] == [
        bt.Order.Completed, bt.Order.Rejected, bt.Order.Rejected, bt.Order.Completed,
    ]  # fmt: skip
    assert "max_order_size" in made["b"].info.reasons[0]
    assert made["h"]["trading"] == {"state": "halted", "why": "tests", "file": str(path)}
