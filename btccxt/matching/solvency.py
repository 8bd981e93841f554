"""Contracts: positions that their accounts can no longer afford are closed, orders without money or position end."""

from __future__ import annotations

from decimal import Decimal

from btccxt.matching.book import WorkingOrder
from btccxt.matching.brackets import maintenance
from btccxt.matching.clearing import Account
from btccxt.matching.matching import Matching
from btccxt.matching.positions import PositionState
from btccxt.matching.records import LIQUIDATION, NewOrder, SimStatus
from btccxt.model import ZERO, OrderKind, Side


class Solvency(Matching):
    def _liquidate(self, symbol: str) -> None:
        """Close, at the last price, what its margin no longer carries: an isolated position by itself, the others of a
        coin together when the equity of the account has fallen to what they must keep.
        """
        for account in self._holders[symbol].values():
            for position in list(account.positions.values()):
                if position.symbol == symbol and position.amount and position.isolated:
                    equity = position.margin + position.unrealised_pnl(self._mark(symbol))
                    if equity <= self._maintenance(position):
                        self._force_close(account, position)
            coin = self._markets[symbol].settle or self._markets[symbol].quote
            held = self._held(account, coin)
            kept = sum((self._maintenance(position) for position in held), ZERO)
            if held and self._cross_wallet(account, coin) + self._unrealised(account, coin) <= kept:
                for position in held:
                    self._force_close(account, position)

    def _maintenance(self, position: PositionState) -> Decimal:
        value = abs(position.value(position.amount, self._mark(position.symbol)))
        return maintenance(self._brackets[position.symbol], value)

    def _cross_wallet(self, account: Account, coin: str) -> Decimal:
        """What an account has of a coin beside the margins of isolated positions."""
        return account.ledger.total(coin) - sum(
            (
                position.margin
                for position in account.positions.values()
                if position.isolated and self._clearing.coin_of(self._markets[position.symbol], Side.BUY) == coin
            ),
            ZERO,
        )

    def _force_close(self, account: Account, position: PositionState) -> None:
        symbol, price, margin = position.symbol, self._mark(position.symbol), position.margin
        for order in list(account.open_orders.values()):
            if order.request.symbol == symbol and not order.status.is_final:
                self._end(order, SimStatus.CANCELED, "canceled", "liquidation")
        side = Side.SELL if position.amount > 0 else Side.BUY
        request = NewOrder(
            symbol,
            side,
            OrderKind.MARKET,
            abs(position.amount),
            reduce_only=True,
            position_side=position.side,
            label=LIQUIDATION,
        )
        self._last_order_id += 1
        order = WorkingOrder(
            str(self._last_order_id), account.name, f"liquidation-{self._last_order_id}", request, self._now_ms
        )
        self._accept(account, order)
        self._last_trade_id += 1
        coin = self._clearing.coin_of(self._markets[symbol], Side.BUY)
        before = account.ledger.total(coin)
        self._fill(order, price, order.remaining, maker=False)
        lost = before - account.ledger.total(coin)
        if position.isolated and lost > margin:  # the exchange's insurance pays what the margin does not
            self._clearing.pay(account, coin, lost - margin)

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
