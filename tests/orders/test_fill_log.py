"""A log of fills never changes for whoever holds it, and one more fill copies nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

from hypothesis import given
from hypothesis import strategies as st

from btccxt.model import Fill, OrderKind, OrderRequest, Side
from btccxt.orders.lifecycle import LiveOrder, apply
from btccxt.orders.live_order import FillLog


def fill(trade_id: str, amount: int = 1) -> Fill:
    return Fill(trade_id, "BTC/USDT", Side.BUY, D(100), D(amount), 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3), st.integers(0, 99)), max_size=40))
def test_every_log_ever_made_stays_what_it_was_whichever_of_them_grows(steps):
    made: list[tuple[FillLog, dict[str, Fill]]] = [(FillLog(), {})]
    for name, amount, base in steps:
        log, model = made[base % len(made)]  # not always the newest one
        more = fill(f"t{name}", amount)
        made.append((log.with_fill(more), {**model, more.trade_id: more}))
        for each, expected in made:
            assert dict(each) == expected
            assert list(each.values()) == list(expected.values())
            assert len(each) == len(expected)
            assert all((each.get(f"t{n}") is None) == (f"t{n}" not in expected) for n in range(10))


def test_ten_thousand_fills_of_one_order_share_one_list():
    request = OrderRequest("b1", "BTC/USDT", Side.BUY, OrderKind.LIMIT, D(10_000), D(100))
    order = LiveOrder(request)
    orders = []
    for number in range(10_000):
        order, _ = apply(order, fill(f"t{number}"), number)
        orders.append(order)
    assert order.filled == 10_000
    assert order.cost == 1_000_000
    assert {id(each.fills._trades) for each in orders} == {id(order.fills._trades)}
    assert [len(each.fills) for each in orders[:3]] == [1, 2, 3]
    assert "t1" not in orders[0].fills


def test_a_log_can_be_read_while_it_grows_elsewhere():
    log = FillLog([fill("t0"), fill("t1")])
    seen = []
    for trade_id in log:
        log.with_fill(fill(f"t{len(seen) + 2}"))
        seen.append(trade_id)
    assert seen == ["t0", "t1"]


def test_a_trade_whose_fee_comes_later_keeps_its_place():
    log = FillLog([fill("t0"), fill("t1")])
    corrected = log.with_fill(replace(fill("t0"), maker=True))
    assert list(corrected) == ["t0", "t1"]
    assert corrected["t0"].maker
    assert log["t0"].maker is None
