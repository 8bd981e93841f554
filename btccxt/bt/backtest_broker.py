"""Backtrader's own broker with an exchange's rules: its commission, its steps, its smallest order."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.bt.commission import CryptoCommInfo
from btccxt.bt.compat import bt
from btccxt.bt.percent_bracket import PercentBracket
from btccxt.exchange.request import market_refusals
from btccxt.model import Market, MarketType, OrderKind, OrderRequest, Side, decimal_of, round_amount, round_price
from btccxt.orders.from_entry import priced_from

_WITHOUT_STEPS = Market("", "", "", None, MarketType.SPOT, active=True, price_step=None, amount_step=None)
_KINDS = {
    bt.Order.Limit: OrderKind.LIMIT,
    bt.Order.Stop: OrderKind.STOP,
    bt.Order.StopLimit: OrderKind.STOP_LIMIT,
    bt.Order.StopTrail: OrderKind.TRAILING_AMOUNT,
    bt.Order.StopTrailLimit: OrderKind.TRAILING_AMOUNT,
}


class BacktestBroker(PercentBracket, bt.brokers.BackBroker):
    """Made by ``store.backtest_broker()``: fills as ``BackBroker`` does.

    Sizes are floored to the exchange's amount step and prices rounded to its price step; an order that the exchange
    would refuse (too small, too cheap) is rejected, with the reasons in ``order.info.reasons``. The commission is the
    taker's rate. ``setcommission`` for a data goes before what the exchange says. A data whose symbol the exchange does
    not have is traded as ``BackBroker`` does.
    """

    params = (("markets", None),)

    def __init__(self, **_params: Any) -> None:  # backtrader's metaclass has taken them
        super().__init__()
        self.markets: Mapping[str, Market] = self.p.markets or {}
        self._of_exchange: dict[str, CryptoCommInfo] = {}

    def getcommissioninfo(self, data: bt.AbstractDataBase) -> bt.CommInfoBase:
        if data._name in self.comminfo:
            return self.comminfo[data._name]
        market = self._market(data)
        if market is None:
            return super().getcommissioninfo(data)
        known = self._of_exchange.get(market.symbol)
        if known is None:
            known = self._of_exchange[market.symbol] = CryptoCommInfo.for_market(market)
        return known

    def _market(self, data: bt.AbstractDataBase) -> Market | None:
        name = data._dataname
        return self.markets.get(name) if isinstance(name, str) else None

    def submit(self, order: bt.Order, check: bool = True) -> bt.Order:
        market = self._market(order.data)
        reasons = order.info.get("refused") or (_fit(order, market) if market is not None else ())
        if not reasons:
            return super().submit(order, check)
        order.addinfo(reasons=reasons)
        order.submit(self)
        order.reject(self)
        self.notify(order)
        self._ococheck(order)
        self._bracketize(order, cancel=True)
        return order

    def _bracketize(self, order: bt.Order, cancel: bool = False) -> None:
        """The entry is filled: exits that are so many per cent from it get their price."""
        if not cancel and order.parent is None:
            for child in self._pchildren[order.ref]:
                if "entry_pct" in child.info:
                    _take_price(child, order.executed.price, self._market(order.data))
        super()._bracketize(order, cancel)

    def _execute(self, order: bt.Order, ago: int | None = None, *args: Any, **kwargs: Any) -> float | None:
        market = self._market(order.data)
        if ago is not None and market is not None:
            data = order.data if order.data._compensate is None else order.data._compensate
            held, left = self.positions[data].size, order.executed.remsize
            if held and not round_amount(market, abs(decimal_of(held + left))):
                order.executed.remsize = -held  # floats: 0.1 + 0.2 - 0.3 would leave the trade open for ever
        return super()._execute(order, ago, *args, **kwargs)


def _fit(order: bt.Order, market: Market) -> tuple[str, ...]:
    """Round an order to the market's steps. The reasons why the exchange would not take it, if there are any."""
    amount = round_amount(market, abs(decimal_of(order.created.size)))
    created, kind = order.created, _KINDS.get(order.exectype, OrderKind.MARKET)
    trigger = created.price if kind in (OrderKind.STOP, OrderKind.STOP_LIMIT) else None
    limit = created.pricelimit if kind is OrderKind.STOP_LIMIT else created.price if kind is OrderKind.LIMIT else None
    request = OrderRequest(
        client_order_id="",
        symbol=market.symbol,
        side=Side.BUY if order.isbuy() else Side.SELL,
        kind=kind,
        amount=amount,
        price=_rounded(market, limit),
        trigger_price=_rounded(market, trigger),
    )
    size = float(amount) * (1 if order.isbuy() else -1)
    order.size = created.size = created.remsize = order.executed.remsize = size
    if request.trigger_price is not None:
        order.price = created.price = float(request.trigger_price)
    if request.price is not None and kind is OrderKind.LIMIT:
        order.price = created.price = float(request.price)
    elif request.price is not None:
        order.pricelimit = created.pricelimit = float(request.price)
    return tuple(market_refusals(request, market, decimal_of(float(order.data.close[0]))))


def _take_price(order: bt.Order, entry_price: float, market: Market | None) -> None:
    """``order.info.entry_pct`` per cent from its entry's fill."""
    created, is_limit = order.created, order.exectype == bt.Order.Limit
    price = decimal_of(float(created.price))
    limit = None if created.pricelimit is None else decimal_of(float(created.pricelimit))
    request = OrderRequest(
        "", order.data._name, Side.BUY if order.isbuy() else Side.SELL,
        OrderKind.LIMIT if is_limit else OrderKind.STOP, decimal_of(abs(order.size)),
        price=price if is_limit else limit, trigger_price=None if is_limit else price,
    )  # fmt: skip
    percent = decimal_of(order.info.entry_pct)
    priced = priced_from(request, decimal_of(float(entry_price)), percent, market or _WITHOUT_STEPS)
    order.price = created.price = float((priced.price if is_limit else priced.trigger_price) or price)
    if not is_limit and priced.price is not None:
        order.pricelimit = created.pricelimit = float(priced.price)


def _rounded(market: Market, price: float | None) -> Decimal | None:
    return None if price is None else round_price(market, decimal_of(float(price)))
