"""The shadow book: while the data warm up, the strategy trades in backtrader's own broker, with the exchange's rules.

Its indicators *and* its own variables are warm when live trading begins. Strategy's thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from btccxt.bt.backtest_broker import BacktestBroker
from btccxt.bt.compat import bt
from btccxt.bt.order_request import CryptoBuyOrder, CryptoSellOrder, TakeProfit, TakeProfitLimit
from btccxt.model import Market

_OF_THIS_BROKER = ("position_side", "post_only", "reduce_only", "tif", "iceberg", "on_unprotected", "params")


class ShadowBook:
    """Begins with the account's value as cash and holds nothing."""

    def __init__(
        self,
        cerebro: bt.Cerebro,
        markets: Mapping[str, Market],
        cash: float,
        comminfo: Mapping[str | None, bt.CommInfoBase],
    ) -> None:
        self.broker = BacktestBroker(markets=markets)
        self.broker.cerebro = cerebro
        self.broker.setcash(cash)
        self.broker.start()
        self.broker.comminfo.update({name: info for name, info in comminfo.items() if name is not None})
        self._datas = list(cerebro.datas)
        self._lengths: list[int] = []

    def place(self, is_buy: bool, kwargs: dict[str, Any]) -> bt.Order:
        """One order of the strategy; ``order.info.shadow`` tells it from those that leave."""
        for name in _OF_THIS_BROKER:
            kwargs.pop(name, None)
        if kwargs.get("exectype") in (TakeProfit, TakeProfitLimit):  # filled there as what it becomes
            kwargs["exectype"] = bt.Order.Limit
        return (self.broker.buy if is_buy else self.broker.sell)(**kwargs, shadow=True)

    def next(self) -> None:
        """Once for every loop that brought a bar; a second time on one bar would fill what was ordered on it."""
        lengths = [len(data) for data in self._datas]
        if lengths != self._lengths:
            self._lengths = lengths
            self.broker.next()

    def news(self) -> Iterator[bt.Order]:
        """Copies of orders that changed."""
        while self.broker.notifs:
            order = self.broker.notifs.popleft()
            if order is not None:
                yield order

    def held(self) -> list[tuple[bt.AbstractDataBase, float]]:
        """Datas and signed sizes of what the shadow holds."""
        return [(data, position.size) for data, position in self.broker.positions.items() if position.size]

    @property
    def is_flat(self) -> bool:
        return not self.held()

    def cancel_all(self) -> None:
        for order in [*self.broker.submitted, *self.broker.pending]:
            if order is not None and order.alive():
                self.broker.cancel(order)

    def closing_orders(self) -> Iterable[bt.Order]:
        """What ends the shadow's trades in the strategy's books: analyzers see it, ``notify_order`` does not."""
        for data, size in self.held():
            price, comminfo = data.close[0], self.broker.getcommissioninfo(data)
            entry = self.broker.positions[data].price
            side = CryptoSellOrder if size > 0 else CryptoBuyOrder
            order = side(data=data, size=abs(size), price=price, exectype=bt.Order.Historical, simulated=True)
            order.addcomminfo(comminfo)
            order.addinfo(shadow=True)
            order.submit()
            order.execute(
                dt=data.datetime[0], size=-size, price=price, closed=-size,
                closedvalue=comminfo.getvaluesize(-size, entry), closedcomm=0.0, opened=0.0, openedvalue=0.0,
                openedcomm=0.0, margin=None, pnl=comminfo.profitandloss(size, entry, price), psize=0.0, pprice=0.0,
            )  # fmt: skip
            yield order
