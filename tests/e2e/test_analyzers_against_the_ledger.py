"""Backtrader's analyzers and observers beside the exchange's own ledger: the same counts, profits, fees and equity."""

from __future__ import annotations

from decimal import Decimal as D
from itertools import pairwise
from math import isnan

import pytest

from btccxt.bt.compat import bt
from tests.e2e.stage import BNB_PRICE, Player, Step, Venue, play


def fit(cerebro: bt.Cerebro) -> None:
    cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades")
    cerebro.addanalyzer(bt.analyzers.DrawDown, _name="drawdown")
    cerebro.addanalyzer(bt.analyzers.TimeReturn, _name="returns", timeframe=bt.TimeFrame.Minutes)
    cerebro.addanalyzer(bt.analyzers.TimeReturn, _name="whole", timeframe=bt.TimeFrame.NoTimeFrame)
    cerebro.addanalyzer(bt.analyzers.PyFolio, _name="pyfolio", timeframe=bt.TimeFrame.Minutes)
    cerebro.addobserver(bt.observers.Broker)
    cerebro.addobserver(bt.observers.Trades)
    cerebro.addobserver(bt.observers.BuySell)


def buy(size: float, **more):
    def act(player: Player) -> None:
        player.buy(size=size, **more)

    return act


def sell_all(player: Player) -> None:
    player.close()


def sell(size: float, **more):
    def act(player: Player) -> None:
        player.sell(size=size, **more)

    return act


# Bought in parts and sold in parts; the first trade wins, the second loses, the third is built up and down in steps.
LONG_ONLY = [
    Step(D(60_000)),
    Step(D(60_000), buy(0.12)),
    Step(D(61_000), sell_all),
    Step(D(61_500), buy(0.17)),
    Step(D(60_200), sell_all),
    Step(D(60_100), buy(0.06)),
    Step(D(59_900), buy(0.11)),
    Step(D(60_900), sell(0.07)),
    Step(D(60_950), sell(0.04)),
    Step(D(60_950), buy(0.01)),
    Step(D(60_980), sell_all),
    Step(D(60_950)),
]
WINS = [True, False, True]

# From short to long and back, each time in one order whose fills walk the book across the turning point.
REVERSALS = [
    Step(D(60_000)),
    Step(D(60_000), buy(0.12)),
    Step(D(60_600), sell(0.3)),
    Step(D(61_000), buy(0.26)),
    Step(D(60_700), sell(0.04)),
    Step(D(60_700), buy(0.01)),
    Step(D(60_900), sell_all),
    Step(D(60_900)),
]


def lines(observer, name):
    line = getattr(observer.lines, name)
    return [line[-ago] for ago in range(len(line) - 1, -1, -1)]


def commission_in_usdt(fill) -> D:
    rate = {"USDT": D(1), "BTC": fill.price, "BNB": BNB_PRICE}[fill.fee.currency]
    return fill.fee.cost * rate


def check_orders(player: Player, fills) -> None:
    """One bit per fill, with its price, size, commission and profit; the order sums up its bits."""
    orders = {order.info.client_order_id: order for order in player.order_news}
    by_order: dict[str, list] = {}
    for fill in fills:
        by_order.setdefault(fill.client_order_id, []).append(fill)
    assert orders.keys() == by_order.keys()
    assert any(len(parts) > 1 for parts in by_order.values())
    for name, parts in by_order.items():
        executed = orders[name].executed
        bits = list(executed.exbits)
        assert len(bits) == len(parts)
        for bit, fill in zip(bits, parts, strict=True):
            assert bit.price == float(fill.price)
            assert bit.size == float(fill.amount * fill.side.sign)
            assert bit.comm == pytest.approx(float(commission_in_usdt(fill)), rel=1e-9)
        amount = sum(fill.amount for fill in parts)
        assert executed.size == float(amount * parts[0].side.sign)
        assert executed.price == pytest.approx(float(sum(f.amount * f.price for f in parts) / amount), rel=1e-12)
        assert executed.comm == pytest.approx(float(sum(map(commission_in_usdt, parts))), rel=1e-9)
        assert executed.remsize == 0
        assert executed.pnl == pytest.approx(sum(bit.pnl for bit in bits))


def check_equity(ran: Player, game) -> None:
    """Broker, observer, drawdown and returns at each bar are the exchange's equity at that bar."""
    worth = [float(value) for value in game.equity]
    assert game.values == pytest.approx(worth, rel=1e-12)
    broker = ran.observers.broker
    assert lines(broker, "value") == pytest.approx(worth, rel=1e-12)
    assert game.cash == lines(broker, "cash") == [float(cash) for cash in game.wallet]
    returns = list(ran.analyzers.returns.get_analysis().values())
    expected = [now / before - 1 for before, now in zip([worth[0], *worth], worth, strict=False)]
    assert returns == pytest.approx(expected, abs=1e-12)
    assert list(ran.analyzers.whole.get_analysis().values()) == pytest.approx([worth[-1] / worth[0] - 1])
    peak, worst = 0.0, 0.0
    for value in worth:
        peak = max(peak, value)
        worst = max(worst, peak - value)
    drawdown = ran.analyzers.drawdown.get_analysis()
    assert worst > 0
    assert drawdown.max.moneydown == pytest.approx(worst)
    assert drawdown.moneydown == pytest.approx(peak - worth[-1])


def check_buys_and_sells(ran: Player, fills) -> None:
    """What is drawn at a bar is the mean of the average prices notified since the last one: backtrader's own sum.

    For an order filled at once that is its price; for one filled in parts it lies between the prices of its fills.
    """
    drawn = ran.observers.buysell
    for name, sign in (("buy", 1), ("sell", -1)):
        prices = [price for price in lines(drawn, name) if not isnan(price)]
        by_order: dict[str, list[D]] = {}
        for fill in fills:
            if fill.side.sign == sign:
                by_order.setdefault(fill.client_order_id, []).append(fill)
        expected = []
        for parts in by_order.values():
            upto = [parts[: n + 1] for n in range(len(parts))]
            averages = [sum(f.price * f.amount for f in some) / sum(f.amount for f in some) for some in upto]
            expected.append(float(sum(averages) / len(averages)))
        assert any(len(parts) == 1 for parts in by_order.values())
        assert prices == pytest.approx(expected, rel=1e-12)
    assert sum(abs(order.executed.size) for order in final_orders(ran)) == pytest.approx(
        float(sum(fill.amount for fill in fills))
    )


def final_orders(ran: Player):
    return list({order.ref: order for order in ran.order_news}.values())


def check_trades(ran: Player, flat: list[D], fees: D, held_before: int = 0) -> None:
    """``flat``: the exchange's equity each time the account was flat: before the first trade and after each one.

    ``held_before``: other positions that were there at the start, and stay.
    """
    nets = [float(after - before) for before, after in pairwise(flat)]
    closed = [trade for trade in ran.trade_news if trade.isclosed]
    assert [trade.pnlcomm for trade in closed] == pytest.approx(nets, abs=1e-6)
    assert sum(trade.commission for trade in closed) == pytest.approx(float(fees), rel=1e-9)
    assert sum(trade.pnl for trade in closed) == pytest.approx(sum(nets) + float(fees))
    found = ran.analyzers.trades.get_analysis()
    assert (found.total.total, found.total.closed, found.total.get("open", 0)) == (
        len(nets) + held_before, len(nets), held_before
    )  # fmt: skip
    won = [net for net in nets if net > 0]
    assert (found.won.total, found.lost.total) == (len(won), len(nets) - len(won))
    assert found.pnl.net.total == pytest.approx(sum(nets))
    assert found.pnl.gross.total == pytest.approx(sum(nets) + float(fees))
    assert found.won.pnl.total == pytest.approx(sum(won))
    drawn = [v for name in ("pnlplus", "pnlminus") for v in lines(ran.observers.trades, name) if not isnan(v)]
    assert sorted(drawn) == pytest.approx(sorted(nets))


def check_pyfolio(ran: Player, game, fills, moved: D) -> None:
    """Its tables: what was traded at what value, what was held, and returns that lead from first to last equity.

    ``moved``: what the trades' own amounts, fees left out, did to the ledger's cash. What is held of other datas at
    the start counts as bought then.
    """
    found = ran.analyzers.pyfolio.get_analysis()
    traded = [row for rows in found["transactions"].values() for row in rows if row[2] == 0]
    assert sum(row[0] for row in traded) == pytest.approx(float(sum(f.amount * f.side.sign for f in fills)), abs=1e-12)
    assert sum(row[4] for row in traded) == pytest.approx(float(moved), rel=1e-12)
    worth = 1.0
    for change in found["returns"].values():
        worth *= 1 + change
    assert worth == pytest.approx(float(game.equity[-1] / game.equity[0]), rel=1e-12)
    held = [row for moment, row in found["positions"].items() if moment != "Datetime"]
    assert [row[-1] for row in held] == game.cash


@pytest.mark.parametrize("fee_currency", [None, "quote", "BNB"])
def test_on_spot_all_figures_equal_the_exchanges_with_fees_in_base_quote_or_a_third_coin(fee_currency):
    with Venue(fee_currency=fee_currency) as venue:
        store = venue.store()
        with store.kept_open():
            ran, game = play(venue, store, LONG_ONLY, with_bnb=True, fit=fit)
            books = store.books_check()
        fills = venue.fills()
    assert all(ours == theirs for _, ours, theirs in books), books
    coins = {fill.fee.currency for fill in fills}
    assert coins == {None: {"BTC", "USDT"}, "quote": {"USDT"}, "BNB": {"BNB"}}[fee_currency]
    check_orders(ran, fills)
    check_equity(ran, game)
    check_buys_and_sells(ran, fills)
    assert [trade.pnlcomm > 0 for trade in ran.trade_news if trade.isclosed] == WINS
    flat = [game.equity[bar] for bar in (1, 3, 5, 11)]
    check_trades(ran, flat, sum(map(commission_in_usdt, fills)), held_before=1)  # the BNB
    in_cash = sum((fill.fee.cost for fill in fills if fill.fee.currency == "USDT"), D(0))
    check_pyfolio(ran, game, fills, game.wallet[-1] - game.wallet[0] + in_cash)


def test_on_a_contract_all_figures_equal_the_exchanges_through_reversals_in_one_order():
    with Venue("binanceusdm") as venue:
        store = venue.store()
        with store.kept_open():
            ran, game = play(venue, store, REVERSALS, fit=fit)
            books = store.books_check()
        fills = venue.fills()
    assert all(ours == theirs for _, ours, theirs in books), books
    check_orders(ran, fills)
    check_equity(ran, game)
    check_buys_and_sells(ran, fills)
    assert sum(bit.pnl for order in final_orders(ran) for bit in order.executed.exbits) == pytest.approx(
        float(sum(fill.realized_pnl for fill in fills))
    )
    nets = _round_trips(fills)
    assert len(nets) == 3
    flat = [D(0)]
    for net in nets:
        flat.append(flat[-1] + net)
    check_trades(ran, flat, sum(fill.fee.cost for fill in fills))
    won = game.wallet[-1] - game.wallet[0]  # it ends flat, so all that was won or lost is in the cash
    check_pyfolio(ran, game, fills, won + sum(fill.fee.cost for fill in fills))


def _round_trips(fills) -> list[D]:
    """Net result of each position from flat to flat; a fill that crosses zero is split, and its fee with it."""
    nets, net, position = [], D(0), D(0)
    for fill in fills:
        left = fill.amount * fill.side.sign
        while left:
            crosses = position * left < 0 and abs(left) > abs(position)
            part = -position if crosses else left
            net -= part * fill.price + fill.fee.cost * abs(part) / fill.amount
            position += part
            left -= part
            if not position:
                nets.append(net)
                net = D(0)
    assert not position
    return nets
