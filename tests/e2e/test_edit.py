"""A strategy changes a resting order: natively where the exchange can, else by cancelling it and placing the rest."""

from __future__ import annotations

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from tests.e2e.kit import START, Witness, run

pytestmark = pytest.mark.usefixtures("patient_market")


@pytest.mark.parametrize(("exchange", "natively"), [("bybit", True), ("okx", True), ("binance", False)])
def test_an_edited_order_is_what_the_exchange_has_and_fills_at_its_new_price(exchange, natively):
    """Bought far below the market, then moved above it: it fills, once, and the books agree."""
    store = CCXTStore(
        exchange, mode="sim", market_type="spot", journal=":memory:", sim={"speed": 240.0, "seed": 3, "start": START}
    )
    seen = {}

    def act(strategy: Witness) -> None:
        close = strategy.data.close[0]
        if strategy.live == 1:
            strategy.first = strategy.buy(size=0.02, exectype=bt.Order.Limit, price=close * 0.8)
        elif strategy.live == 3:
            strategy.second = strategy.broker.edit(strategy.first, size=0.03, price=close * 0.9)
            seen["price"] = round(close * 0.9, 1)
        elif strategy.live == 7:
            seen["open"] = [(order.amount, order.price) for order in store.open_orders()]
            strategy.last = strategy.broker.edit(strategy.second, price=close * 1.02)

    with store.kept_open():
        witness = run(store, store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes), broker=True,
                      live_bars=12, act=act)  # fmt: skip
        books = store.books_check()
        left = store.open_orders()
    ((amount, price),) = seen["open"]
    assert float(amount) == 0.03 and float(price) == pytest.approx(seen["price"], abs=0.2)
    assert (witness.second is witness.first) is (witness.last is witness.first) is natively
    assert (witness.last.status, witness.last.executed.size) == (bt.Order.Completed, pytest.approx(0.03))
    assert witness.last.executed.price > float(price)
    how = witness.first.info.notes[-1]
    assert "edited natively" in how if natively else f"{witness.second.info.client_order_id} follows" in how
    if not natively:
        assert witness.first.status == witness.second.status == bt.Order.Canceled
    assert left == [] and all(ours == theirs for _, ours, theirs in books), books
