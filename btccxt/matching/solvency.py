"""Contracts: positions that their accounts can no longer afford are closed, orders without money or position end."""

from __future__ import annotations

from btccxt.matching.book import WorkingOrder
from btccxt.matching.clearing import Account
from btccxt.matching.matching import Matching
from btccxt.matching.positions import MAINTENANCE_RATE, PositionState
from btccxt.matching.records import NewOrder, SimStatus
from btccxt.model import ZERO, OrderKind, Side


class Solvency(Matching):
    def _liquidate(self, symbol: str) -> None:
        """Close, at the last price, the positions of accounts whose equity fell to the maintenance margin."""
        for account in self._holders[symbol].values():
            coin = self._markets[symbol].settle or self._markets[symbol].quote
            held = self._held(account, coin)
            maintenance = ZERO
            for position in held:
                mark = self._books[position.symbol].last or ZERO
                maintenance += abs(position.amount) * position.contract_size * mark * MAINTENANCE_RATE
            if held and account.ledger.total(coin) + self._unrealised(account, coin) <= maintenance:
                for position in held:
                    self._force_close(account, position)

    def _force_close(self, account: Account, position: PositionState) -> None:
        symbol, price = position.symbol, self._books[position.symbol].last
        assert price is not None
        for order in list(account.open_orders.values()):
            if order.request.symbol == symbol and not order.status.is_final:
                self._end(order, SimStatus.CANCELED, "canceled", "liquidation")
        side = Side.SELL if position.amount > 0 else Side.BUY
        request = NewOrder(
            symbol, side, OrderKind.MARKET, abs(position.amount), reduce_only=True, position_side=position.side
        )
        self._last_order_id += 1
        order = WorkingOrder(
            str(self._last_order_id), account.name, f"liquidation-{self._last_order_id}", request, self._now_ms
        )
        self._accept(account, order)
        self._last_trade_id += 1
        self._fill(order, price, order.remaining, maker=False)

    def _stay_solvent(self, account: Account) -> None:
        """After contract trades: expire orders that only reduce and have no position, and orders without money."""
        for symbol in account.changed_positions:
            for order in list(account.open_orders.values()):
                if order.request.symbol != symbol or order.status.is_final:
                    continue
                if order.is_resting and self._allowed(order) <= 0:
                    self._end(order, SimStatus.EXPIRED, "expired", "reduce-only: no position left")
                elif order.request.closes_position and not account.reducible(order.request):
                    self._end(order, SimStatus.EXPIRED, "expired", "the position is closed")
        for coin in {self._clearing.coin_of(self._markets[symbol], Side.BUY) for symbol in account.changed_positions}:
            for order in reversed(list(account.open_orders.values())):
                if not account.ledger.shortfall(coin):
                    break
                if order.reserve_coin == coin and not order.status.is_final:
                    self._end(order, SimStatus.CANCELED, "canceled", "insufficient margin")
            if account.ledger.total(coin) < 0:  # bankrupt: the exchange's insurance pays
                self._clearing.pay(account, coin, -account.ledger.total(coin))
