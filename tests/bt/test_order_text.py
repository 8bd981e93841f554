from __future__ import annotations

import pytest

from btccxt.bt.compat import bt
from btccxt.bt.order_text import kind_name, order_text, reasons_text


class FakeOrder:
    def __init__(self, exectype, size=0.5):
        self.exectype, self.size = exectype, size
        self.data = type("Data", (), {"_dataname": "BTC/USDT"})()

    def isbuy(self):
        return True


@pytest.mark.parametrize(
    ("exectype", "name"),
    [(bt.Order.Limit, "Limit"), (0, "Market"), (77, "77"), (-1, "-1"), ("limit", "limit"), (None, "None")],
)
def test_a_kind_that_does_not_exist_is_named_as_it_was_given(exectype, name):
    assert kind_name(FakeOrder(exectype)) == name


@pytest.mark.parametrize(("size", "amount"), [(0.5, "0.5"), (-3, "3"), ("much", "much"), (None, "None")])
def test_so_is_a_size_that_is_none(size, amount):
    assert order_text(FakeOrder(0, size)) == f"buy {amount} BTC/USDT market"


def test_the_same_reason_of_two_orders_reads_the_same():
    orders = [FakeOrder(0), FakeOrder(0)]
    for number, order in enumerate(orders):
        order.info = {
            "client_order_id": f"b{number}",
            "reasons": (f"binance create_order b{number}: too small", "late"),
        }
    assert {reasons_text(order) for order in orders} == {"binance create_order: too small; late"}
    orders[0].info = {"client_order_id": None}
    assert reasons_text(orders[0]) == ""
