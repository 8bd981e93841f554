"""Short words for engine tests: a fresh engine with two accounts, orders in one line, what the listeners heard."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from btccxt.matching.engine import Engine, EngineReject, Event, NewOrder, OrderChanged, RejectCode, SimFill, SimOrder
from btccxt.model import OrderKind, Side, TimeInForce
from btccxt.sim.markets import inverse_market, linear_market, spot_market

D = Decimal
BTC = "BTC/USDT"
PERP = "BTC/USDT:USDT"
INVERSE = "BTC/USD:BTC"
BUY, SELL = Side.BUY, Side.SELL
RICH = {"USDT": D(1_000_000), "BTC": D(100), "BNB": D(50)}


class Kit:
    """Accounts ``ann`` and ``bob``; time moves on by one millisecond with each call."""

    def __init__(
        self, fee_currency: str | None = None, perp_fees: tuple[str, str] = ("0", "0"), **balances: int | str
    ) -> None:
        markets = [
            spot_market(BTC, price_step="0.01", amount_step="0.001", min_cost="5", maker="0.0005"),
            spot_market("BNB/USDT", amount_step="0.001"),
            linear_market(PERP, price_step="0.1", amount_step="0.001", maker=perp_fees[0], taker=perp_fees[1]),
            inverse_market(INVERSE, maker=perp_fees[0], taker=perp_fees[1]),
        ]
        self.engine = Engine(markets, third_coin_fees={"BNB": D("0.25")})
        funds = {coin: D(amount) for coin, amount in balances.items()} or RICH
        self.deposits: dict[str, Decimal] = {}
        for name in ("ann", "bob"):
            self.engine.open_account(name, funds, fee_currency)
            for coin, amount in funds.items():
                self.deposits[coin] = self.deposits.get(coin, D(0)) + amount
        self.heard: list[Event] = []
        self.engine.listen(self.heard.append)
        self.now_ms = 1_000

    def tick(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def order(self, account: str, side: Side, kind: OrderKind, amount: Any = None, **more: Any) -> SimOrder:
        return self.engine.submit(account, new(side, kind, amount, **more), self.tick())

    def limit(self, account: str, side: Side, amount: Any, price: Any, **more: Any) -> SimOrder:
        return self.order(account, side, OrderKind.LIMIT, amount, price=price, **more)

    def market(self, account: str, side: Side, amount: Any = None, **more: Any) -> SimOrder:
        return self.order(account, side, OrderKind.MARKET, amount, **more)

    def depth(self, bids: list[tuple[Any, Any]], asks: list[tuple[Any, Any]], symbol: str = BTC) -> None:
        as_decimals = [[(D(str(p)), D(str(a))) for p, a in side] for side in (bids, asks)]
        self.engine.set_depth(symbol, *as_decimals, now_ms=self.tick())

    def trade(self, price: Any, amount: Any = 1, taker: Side | None = SELL, symbol: str = BTC) -> None:
        self.engine.print_trade(symbol, D(str(price)), D(str(amount)), taker, self.tick())

    def now(self, order: SimOrder) -> SimOrder:
        """The order as it is now."""
        return self.engine.order(order.account, symbol=order.symbol, order_id=order.order_id)

    def cancel(self, order: SimOrder) -> SimOrder:
        return self.engine.cancel(order.account, symbol=order.symbol, order_id=order.order_id, now_ms=self.tick())

    def free(self, account: str, coin: str) -> Decimal:
        return self.engine.balances(account)[coin].free

    def used(self, account: str, coin: str) -> Decimal:
        return self.engine.balances(account)[coin].used

    def fills_of(self, order: SimOrder) -> list[SimFill]:
        return [fill for fill in self.engine.fills(order.account) if fill.order_id == order.order_id]

    def reasons(self, order: SimOrder) -> list[str]:
        """Why the order changed, in the order in which listeners were told."""
        changes = [event for event in self.heard if isinstance(event, OrderChanged)]
        return [event.reason for event in changes if event.order.order_id == order.order_id]


def new(side: Side, kind: OrderKind, amount: Any = None, *, symbol: str = BTC, **more: Any) -> NewOrder:
    """A NewOrder; numbers may be given as text, int or float."""
    for name, value in more.items():
        if isinstance(value, int | float | str) and not isinstance(value, bool) and name not in _NOT_NUMBERS:
            more[name] = D(str(value))
    if isinstance(more.get("time_in_force"), str):
        more["time_in_force"] = TimeInForce(more["time_in_force"])
    return NewOrder(symbol, side, kind, None if amount is None else D(str(amount)), **more)


_NOT_NUMBERS = {"time_in_force", "client_order_id", "position_side", "list_id", "expires_ms"}


class refused:
    """Expect an EngineReject with this code: ``with refused(RejectCode.MIN_COST): ...``"""

    def __init__(self, code: RejectCode, says: str | None = None) -> None:
        self._raises = pytest.raises(EngineReject, match=says)
        self._code = code

    def __enter__(self) -> None:
        self._caught = self._raises.__enter__()

    def __exit__(self, *problem: Any) -> bool:
        swallowed = bool(self._raises.__exit__(*problem))
        if swallowed:
            assert self._caught.value.code is self._code
        return swallowed
