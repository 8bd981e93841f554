"""What an order can be paid with: now, once others have ended, or not at all."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt.model import OrderKind, OrderRequest, Side
from btccxt.orders.funds import Enough, Missing, OpenOrder, WaitFor, bound, judge, sellable
from tests.account.test_ledger import MARKETS

PRICE = D(50_000)


def request(name: str, side: Side, amount: str, kind: OrderKind = OrderKind.MARKET, **more) -> OrderRequest:
    return OrderRequest(name, more.pop("symbol", "BTC/USDT"), side, kind, D(amount), **more)


def resting(name: str, side: Side, amount: str, price: D | None = None, **how) -> OpenOrder:
    return OpenOrder(request(name, side, amount, OrderKind.LIMIT, price=price), D(amount), PRICE, **how)


def test_what_fits_is_paid_at_once():
    assert judge(request("a", Side.BUY, "1"), PRICE, {"USDT": D(50_000)}, (), MARKETS) == Enough()


def test_coins_of_an_order_that_is_being_cancelled_are_waited_for():
    ending = resting("stop", Side.SELL, "1", D(45_000), ending=True)
    verdict = judge(request("a", Side.SELL, "1"), PRICE, {"BTC": D(1)}, [ending], MARKETS)
    assert isinstance(verdict, WaitFor)
    assert verdict.client_order_ids == ("stop",)


def test_coins_of_an_order_that_stays_are_not():
    verdict = judge(request("a", Side.SELL, "1"), PRICE, {"BTC": D(1)}, [resting("s", Side.SELL, "1")], MARKETS)
    assert verdict == Missing("needs 1 BTC, 0 free; 1 bound by open orders (s): cancel those that are not wanted")


def test_proceeds_of_a_sale_that_fills_at_once_are_waited_for_less_the_most_that_fees_can_take():
    sale = OpenOrder(request("sale", Side.SELL, "1"), D(1), PRICE)
    assert isinstance(judge(request("a", Side.BUY, "0.9"), PRICE, {}, [sale], MARKETS), WaitFor)
    assert isinstance(judge(request("a", Side.BUY, "1"), PRICE, {}, [sale], MARKETS), Missing)


def test_a_sale_that_rests_brings_nothing_yet():
    verdict = judge(request("a", Side.BUY, "0.5"), PRICE, {}, [resting("s", Side.SELL, "1", D(60_000))], MARKETS)
    assert isinstance(verdict, Missing)


def test_only_as_many_orders_as_needed_are_waited_for():
    ending = [resting(name, Side.SELL, "1", D(45_000), ending=True) for name in "abc"]
    verdict = judge(request("x", Side.SELL, "2"), PRICE, {"BTC": D(3)}, ending, MARKETS)
    assert isinstance(verdict, WaitFor)
    assert verdict.client_order_ids == ("a", "b")


def test_what_waits_on_this_machine_and_contracts_bind_nothing():
    waits = resting("w", Side.BUY, "1", D(40_000), waits=True)
    contract = OpenOrder(request("c", Side.BUY, "1", symbol="BTC/USDT:USDT"), D(1), PRICE)
    assert bound("USDT", [waits, contract], MARKETS) == 0
    assert judge(request("c", Side.BUY, "9", symbol="BTC/USDT:USDT"), PRICE, {}, (), MARKETS) == Enough()


@pytest.mark.parametrize(
    ("amount", "held", "taken", "fees", "most"),
    [
        ("1", "1", "0", "0", None),  # all of it is there
        ("1", "0.999", "0", "0.001", "0.999"),
        ("1", "0.995", "0", "0", "0.995"),  # fees of a former run
        ("0.1", "0.095", "0", "0.005", "0.095"),  # of several buys, some sold since
        ("1", "0.5", "0", "0.001", None),  # no fee explains that
        ("1", "1", "0.5", "0.001", None),  # another order has them
        ("1", "0", "0", "1", None),
    ],
)
def test_a_sale_is_of_what_fees_have_left(amount, held, taken, fees, most):
    assert sellable(D(amount), D(held), D(taken), D(fees)) == (None if most is None else D(most))


def test_a_pair_binds_its_coins_once():
    stop, target = (resting(name, Side.SELL, "1", D(45_000), pair=7) for name in ("stop", "target"))
    alone = resting("alone", Side.SELL, "0.5", D(60_000), pair=8)
    assert bound("BTC", [stop, target, alone], MARKETS) == D("1.5")
    assert judge(request("a", Side.SELL, "1"), PRICE, {"BTC": D(2)}, [stop, target], MARKETS) == Enough()


def test_a_pair_that_is_cancelled_frees_its_coins_once():
    ending = [resting(name, Side.SELL, "1", D(45_000), ending=True, pair=7) for name in ("stop", "target")]
    verdict = judge(request("a", Side.SELL, "1"), PRICE, {"BTC": D(1)}, ending, MARKETS)
    assert verdict == WaitFor(("stop",), "waits until stop has ended: its BTC is bound or on its way")
    assert isinstance(judge(request("a", Side.SELL, "2"), PRICE, {"BTC": D(1)}, ending, MARKETS), Missing)
