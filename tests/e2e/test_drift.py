"""What somebody else did to the account: explained by its trades or not, in a run and over a restart; both sides."""

from __future__ import annotations

import json
from decimal import Decimal as D

import pytest
from typer.testing import CliRunner

from btccxt.account.explain import spot_positions
from btccxt.bt.compat import bt
from btccxt.cli import app
from btccxt.errors import JournalError, StateMismatch
from btccxt.matching.records import NewOrder
from btccxt.model import OrderKind, Side
from btccxt.orders.events import AlarmKind
from btccxt.orders.journal.journal import Journal
from tests.e2e.stage import Player, Step, Venue, play
from tests.still_market import START_MS

PRICE = D(60_000)


def trade_outside(venue: Venue, side: Side = Side.BUY, amount: str = "0.02") -> None:
    """Somebody sends an order by hand, into the same account."""
    order = NewOrder(venue.symbol, side, OrderKind.MARKET, D(amount))
    venue.call(lambda exchange: exchange.engine.submit("main", order, int(exchange.clock.now_ms())))


def break_position(venue: Venue, amount: str = "0.02") -> None:
    """The exchange has contracts that no trade tells of."""

    def go(exchange) -> None:
        (position,) = exchange.engine._accounts["main"].positions.values()
        position.amount += D(amount)
        position.cost += D(amount) * PRICE

    venue.call(go)


def alarms(player: Player, kind: AlarmKind) -> list[str]:
    found = [news.about for news in player.store_news if getattr(news, "kind", None) == "alarm"]
    return [alarm.text for alarm in found if alarm.kind is kind]


def same(venue: Venue):
    """Until the broker shows what the exchange has."""
    return lambda player: D(str(player.getposition().size)) == venue.position()


def buy(size: float):
    return lambda player: player.made.update({size: player.buy(size=size)})


def last(player: Player, name):
    heard = [news for news in player.order_news if news.ref == player.made[name].ref]
    return heard[-1] if heard else player.made[name]


def ended(player: Player, name) -> str:
    return last(player, name).getstatusname()


# ------------------------------------------------------------------ while it runs


@pytest.mark.parametrize("policy", ["ignore", "adopt", "alarm"])
def test_a_position_changed_by_an_order_made_outside_does_not_stop_trading(tmp_path, policy):
    with Venue("binanceusdm") as venue:
        store = venue.store(tmp_path / "j", external_orders=policy)
        with store.kept_open():
            ran, _ = play(
                venue,
                store,
                [
                    Step(PRICE, buy(0.05)),
                    Step(PRICE, lambda player: trade_outside(venue), until=same(venue)),
                    Step(PRICE, buy(0.01)),
                    Step(PRICE),
                ],
            )
            books = store.books_check()
        position = venue.position()
    assert position == D("0.08")
    assert ended(ran, 0.01) == "Completed"
    assert all(ours == theirs for _, ours, theirs in books), books
    assert alarms(ran, AlarmKind.MISMATCH) == alarms(ran, AlarmKind.DRIFT) == []
    assert len(alarms(ran, AlarmKind.EXTERNAL_ORDER)) == (1 if policy == "alarm" else 0)
    adopted = [news for news in ran.order_news if news.info.get("restored")]
    assert bool(adopted) is (policy == "adopt")


def test_a_position_that_nothing_explains_stops_new_orders_but_not_cancels_and_is_alarmed_once(tmp_path):
    def rest(player: Player) -> None:
        player.made["resting"] = player.buy(size=0.01, exectype=bt.Order.Limit, price=50_000.0)

    with Venue("binanceusdm") as venue:
        store = venue.store(tmp_path / "j")
        ran, _ = play(
            venue,
            store,
            [
                Step(PRICE, buy(0.05)),
                Step(PRICE, rest),
                Step(PRICE, lambda player: break_position(venue), until=same(venue)),
                Step(PRICE, buy(0.01), until=lambda player: ended(player, 0.01) == "Rejected"),
                Step(PRICE, lambda player: player.cancel(player.made["resting"])),
                Step(PRICE, lambda player: store.tell_drift("once more", explained=False, stop_trading=True)),
                Step(PRICE),
            ],
        )
    (text,) = alarms(ran, AlarmKind.MISMATCH)
    assert "BTC/USDT:USDT 0.05 -> 0.07" in text
    assert "btccxt reconcile" in text
    assert alarms(ran, AlarmKind.DRIFT) == []
    (why,) = last(ran, 0.01).info.reasons
    assert "trading is halted" in why
    assert "0.05 -> 0.07" in why
    assert ended(ran, "resting") == "Canceled"


def test_money_that_moved_without_a_trade_is_taken_over_and_alarmed_and_trading_goes_on(tmp_path):
    def deposit(player: Player) -> None:
        venue.slip("USDT", "500")

    def counted(player: Player) -> bool:
        return player.broker.ledger.cash == venue.balances()["USDT"]

    with Venue() as venue:
        store = venue.store(tmp_path / "j")
        ran, _ = play(
            venue,
            store,
            [Step(PRICE, buy(0.05)), Step(PRICE, deposit, until=counted), Step(PRICE, buy(0.01)), Step(PRICE)],
        )
        assert ended(ran, 0.01) == "Completed"
        (text,) = alarms(ran, AlarmKind.DRIFT)
        assert "no trade of this account explains" in text
        again, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE)])
    assert alarms(again, AlarmKind.DRIFT) == []  # it has been told


# ------------------------------------------------------------------ over a restart


def test_a_position_that_changed_unexplained_while_away_stops_the_start_until_it_is_accepted(tmp_path):
    with Venue("binanceusdm") as venue:
        play(venue, venue.store(tmp_path / "j"), [Step(PRICE, buy(0.05)), Step(PRICE)])
        break_position(venue)
        for _ in range(2):  # a second try changes nothing
            with pytest.raises(StateMismatch, match=r"BTC/USDT:USDT 0\.05 -> 0\.07.*reconcile --accept"):
                play(venue, venue.store(tmp_path / "j"), [Step(PRICE)])
        shown = reconcile(venue, tmp_path)
        assert shown.exit_code == 1
        assert "+0.02: nothing known explains it" in shown.output
        accepted = reconcile(venue, tmp_path, "--accept")
        assert accepted.exit_code == 0, accepted.output
        ran, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE, buy(0.01)), Step(PRICE)])
        assert ended(ran, 0.01) == "Completed"
        assert reconcile(venue, tmp_path).exit_code == 0


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm"])
def test_a_position_changed_by_trades_made_outside_while_away_does_not_stop_the_start(tmp_path, exchange):
    with Venue(exchange) as venue:
        play(venue, venue.store(tmp_path / "j"), [Step(PRICE, buy(0.05)), Step(PRICE)])
        play(venue, venue.store(tmp_path / "j"), [Step(PRICE)])  # the fills are in the figures of a start now
        trade_outside(venue)
        shown = reconcile(venue, tmp_path)
        assert shown.exit_code == 1
        assert "a trade that the journal does not know" in shown.output
        amount = "+0.02" if exchange == "binanceusdm" else "+0.01998"  # on spot its fee is taken from it
        assert f"{amount}: trades made outside explain it" in shown.output
        assert "nothing known explains it" not in shown.output
        ran, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE, buy(0.01)), Step(PRICE)])
    assert ended(ran, 0.01) == "Completed"
    assert alarms(ran, AlarmKind.MISMATCH) == alarms(ran, AlarmKind.DRIFT) == []


def test_money_that_moved_while_away_is_told_once_and_stops_nothing(tmp_path):
    with Venue() as venue:
        play(venue, venue.store(tmp_path / "j"), [Step(PRICE, buy(0.05)), Step(PRICE)])
        venue.slip("USDT", "500")
        second, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE), Step(PRICE)])
        third, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE), Step(PRICE)])
    (text,) = alarms(second, AlarmKind.DRIFT)
    assert "no trade changed the account: USDT" in text.replace("something that was ", "")
    assert alarms(third, AlarmKind.DRIFT) == []


# ------------------------------------------------------------------ both sides, shown


@pytest.mark.parametrize(("exchange", "fee_currency"), [("binance", None), ("binance", "BNB"), ("binanceusdm", None)])
def test_after_a_run_the_journal_alone_leads_to_the_exchanges_figures(tmp_path, exchange, fee_currency):
    """Nothing but its start was written down: what came after follows from the fills."""
    with Venue(exchange, fee_currency=fee_currency) as venue:
        steps = [
            Step(PRICE, buy(0.12)),
            Step(D(60_500), lambda player: player.sell(size=0.07)),
            Step(D(60_400), lambda player: player.buy(size=0.03, exectype=bt.Order.Limit, price=59_000.0)),
            Step(D(60_300)),
        ]
        play(venue, venue.store(tmp_path / "j"), steps)
        shown = reconcile(venue, tmp_path)
        assert shown.exit_code == 0, shown.output
        assert "both sides agree" in shown.output
        assert "buy 0.03 limit, open" in shown.output
        for coin, total in venue.balances().items():
            if total:
                assert shown.output.count(f"{total.normalize():f}") >= 2, (coin, shown.output)
        if exchange == "binanceusdm":
            assert shown.output.count(" 0.05 ") == 2


def test_reconcile_shows_orders_fills_and_balances_of_both_sides_where_they_differ(tmp_path):
    with Venue() as venue:
        play(venue, venue.store(tmp_path / "j"), [Step(PRICE, buy(0.05)), Step(PRICE)])
        trade_outside(venue)
        venue.slip("BNB", "1")
        order = NewOrder(venue.symbol, Side.BUY, OrderKind.LIMIT, D("0.01"), price=D(50_000))
        venue.call(lambda exchange: exchange.engine.submit("main", order, int(exchange.clock.now_ms())))
        shown = reconcile(venue, tmp_path)
    assert shown.exit_code == 1
    for text in (
        "the journal does not know it", "a trade that the journal does not know", "+1: nothing known explains it",
        "trades made outside explain it", "5 differences",
    ):  # fmt: skip
        assert text in shown.output, (text, shown.output)


def test_accepting_is_refused_while_a_bot_has_the_journal(tmp_path):
    with Venue() as venue:
        store = venue.store(tmp_path / "j")
        with store.kept_open():
            play(venue, store, [Step(PRICE)])
            result = reconcile(venue, tmp_path, "--accept")
            assert reconcile(venue, tmp_path).exit_code == 0  # looking is not
    assert isinstance(result.exception, JournalError)
    assert "in use by" in str(result.exception)


def test_a_journal_of_another_account_is_not_compared(tmp_path):
    with Venue() as venue:
        play(venue, venue.store(tmp_path / "j"), [Step(PRICE)])
        result = reconcile(venue, tmp_path, exchange="bybit")
    assert isinstance(result.exception, JournalError)
    assert "belongs to binance sim" in str(result.exception)


def reconcile(venue: Venue, folder, *options: str, exchange: str | None = None):
    config = folder / "btccxt.yaml"
    profile = {
        "exchange": exchange or venue.exchange_id, "mode": "sim", "sim_address": str(venue.address),
        "journal": str(folder / "j"),
    }  # fmt: skip
    config.write_text(json.dumps({"profiles": {"test": profile}}))
    return CliRunner().invoke(app, ["reconcile", "--config", str(config), "--profile", "test", *options])


def test_after_old_orders_were_taken_out_a_restart_has_all_it_needs(tmp_path):
    """Position and its price, open orders with their parent, new ids, and both sides that agree."""

    def bracket(player: Player) -> None:
        made = player.buy_bracket(size=0.05, price=60_100.0, limitprice=70_000.0, stopprice=50_000.0)
        player.made.update(zip(("entry", "stop", "limit"), made, strict=True))

    with Venue() as venue:
        steps = [
            Step(PRICE, buy(0.12)),
            Step(D(60_300), lambda player: player.sell(size=0.08)),
            Step(PRICE, bracket),
            Step(PRICE),
        ]
        play(venue, venue.store(tmp_path / "j"), steps)
        second, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE)])
        journal = Journal.open(tmp_path / "j", exchange="binance", mode="sim", account="nokey")
        pruned = journal.prune(START_MS + 86_400_000, spot_positions).result()
        journal.close()
        assert (pruned.orders, pruned.kept) == (2, 1)  # the entry stays: its exits live
        assert reconcile(venue, tmp_path).exit_code == 0
        third, _ = play(venue, venue.store(tmp_path / "j"), [Step(PRICE, look), Step(PRICE, buy(0.01)), Step(PRICE)])
        shown = reconcile(venue, tmp_path)
    assert third.made["position"].size == second.position.size
    assert third.made["position"].price == pytest.approx(second.position.price, rel=1e-12)
    assert {order.exectype for order in third.made["open"]} == {bt.Order.Stop, bt.Order.Limit}
    assert {order.parent.getstatusname() for order in third.made["open"]} == {"Completed"}
    assert ended(third, 0.01) == "Completed"
    assert shown.exit_code == 0, shown.output


def look(player: Player) -> None:
    player.made["open"] = list(player.broker.get_orders_open())
    player.made["position"] = player.getposition().clone()


def test_a_further_run_does_not_settle_what_stopped_trading(tmp_path):
    with Venue("binanceusdm") as venue:
        store = venue.store(tmp_path / "j")
        with store.kept_open():
            play(
                venue,
                store,
                [
                    Step(PRICE, buy(0.05)),
                    Step(PRICE, lambda player: break_position(venue), until=same(venue)),
                    Step(PRICE),
                ],
            )
            second, _ = play(
                venue,
                store,
                [Step(PRICE, buy(0.01), until=lambda player: ended(player, 0.01) == "Rejected"), Step(PRICE)],
            )
        assert "trading is halted" in last(second, 0.01).info.reasons[0]
        with pytest.raises(StateMismatch):
            play(venue, venue.store(tmp_path / "j"), [Step(PRICE)])
