"""Backtrader's own books, kept right: execution bits, positions and trades, from fills in exact decimals.

Runs in the strategy's thread. Backtrader sums floats, so 0.1 + 0.2 - 0.3 leaves an order ``Partial`` and a trade open
for ever; here decimals decide what is left, and the floats handed to backtrader are chosen so that their running sum
meets the decimal one exactly.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from btccxt._bt import bt
from btccxt.account import AccountLedger, Booking
from btccxt.bt_order import CryptoBuyOrder, CryptoSellOrder
from btccxt.model import ZERO, Fill, decimal_of
from btccxt.orders.live_order import LiveOrder
from btccxt.stamps import num_of_ms


class Bookkeeper:
    """Applies fills to the ledger, to backtrader's positions and to backtrader's orders."""

    def __init__(self, ledger: AccountLedger) -> None:
        self.ledger = ledger
        self.fills_booked = 0
        self._views: dict[str, Any] = {}  # symbol -> backtrader Position
        self._datas: dict[str, list[Any]] = {}
        self._trade_sizes: dict[tuple[Any, str], tuple[float, Decimal]] = {}  # as backtrader's float sum, and exact
        self._seeded: set[str] = set()

    # -------------------------------------------------------------- datas, prices, positions

    def register(self, data: Any, symbol: str) -> bool:
        """Make a data known; True the first time its symbol is seen."""
        datas = self._datas.setdefault(symbol, [])
        if any(known is data for known in datas):
            return False
        datas.append(data)
        if data is not datas[0]:
            data.compensate(datas[0])  # one position per symbol: trades of all its datas belong together
            return False
        self.ledger.track(symbol)
        self.show(symbol)
        return True

    def first_data(self, symbol: str) -> Any | None:
        datas = self._datas.get(symbol)
        return datas[0] if datas else None

    def position(self, symbol: str) -> Any:
        """Backtrader's Position of a symbol; the object stays the same, its figures change."""
        if symbol not in self._views:
            self.show(symbol)
        return self._views[symbol]

    def show(self, symbol: str) -> None:
        holding = self.ledger.holding(symbol)
        view = self._views.setdefault(symbol, bt.Position())
        view.size = float(holding.amount)
        view.price = float(holding.price) if holding.price is not None and holding.amount else 0.0

    def show_all(self) -> None:
        for symbol in self._views:
            self.show(symbol)

    def take_prices(self) -> None:
        """Latest close of every symbol, from whichever of its datas is furthest."""
        for symbol, datas in self._datas.items():
            latest = max((data for data in datas if len(data)), key=lambda data: data.datetime[0], default=None)
            if latest is not None:
                price = latest.close[0]
                self.ledger.set_price(symbol, decimal_of(price))
                self.show(symbol)

    # -------------------------------------------------------------- fills

    def execute(self, order: Any, fill: Fill, amount: Decimal) -> None:
        """Book one fill of an order for ``amount``: one execution bit, with the position as it is after it."""
        self.fills_booked += 1
        self.take_prices()
        booking = self.ledger.apply(fill)
        self.show(fill.symbol)
        comminfo = order.comminfo
        closed, opened = self._trade_bits((order.tradeid, fill.symbol), booking)
        moved = abs(booking.closed) + abs(booking.opened)
        closed_share = float(abs(booking.closed) / moved) if moved else 0.0
        commission = float(booking.commission)
        price = float(fill.price)
        entry = float(booking.before.price) if booking.before.price is not None else price
        after = booking.after
        order.execute(
            dt=num_of_ms(fill.time_ms),
            size=float(fill.amount * fill.side.sign),
            price=price,
            closed=closed,
            closedvalue=comminfo.getvaluesize(closed, entry) if closed else 0.0,
            closedcomm=commission * closed_share,
            opened=opened,
            openedvalue=comminfo.getvaluesize(opened, price) if opened else 0.0,
            openedcomm=commission * (1.0 - closed_share),
            margin=comminfo.get_margin(price),
            pnl=float(booking.pnl),
            psize=float(after.amount),
            pprice=float(after.price) if after.price is not None else 0.0,
        )
        filled = order.info.get("filled_amount", ZERO) + fill.amount
        left = max(amount - filled, ZERO)
        order.executed.remsize = float(left) * fill.side.sign
        order.status = bt.Order.Partial if left else bt.Order.Completed
        order.addinfo(filled_amount=filled)
        if booking.commission_estimated:
            order.addinfo(commission_estimated=order.info.get("commission_estimated", ZERO) + booking.commission)

    def correct(self, order: Any, fill: Fill) -> None:
        """A fee that came after its fill takes the place of the estimate, in the order and in its open trade."""
        actual = self.ledger.correct_fee(fill)
        estimate = min(order.info.get("commission_estimated", ZERO), actual)
        self.show(fill.symbol)
        more = float(actual - estimate)
        order.executed.comm += more
        order.addinfo(commission_estimated=order.info.get("commission_estimated", ZERO) - estimate)
        owner = order.owner
        trades = owner._trades[order.data._compensate or order.data][order.tradeid] if owner is not None else ()
        if trades:
            trades[-1].commission += more
            trades[-1].pnlcomm -= more

    def resume(self, order: Any, live: LiveOrder) -> None:
        """Show on a restored order what a former run already booked; the ledger's start contains it."""
        filled, sign = live.filled, live.request.side.sign
        if filled and live.average is not None:
            order.executed.size = float(filled) * sign
            order.executed.price = float(live.average)
            order.executed.remsize = float(max(live.amount - filled, ZERO)) * sign
            order.status = bt.Order.Partial
            order.addinfo(filled_amount=filled)

    def _trade_bits(self, key: tuple[Any, str], booking: Booking) -> tuple[float, float]:
        as_float, exact = self._trade_sizes.get(key, (0.0, ZERO))
        bits = []
        for part in (booking.closed, booking.opened):
            exact += part
            bit = float(exact) - as_float if part else 0.0
            as_float += bit
            bits.append(bit)
        self._trade_sizes[key] = (as_float, exact)
        return bits[0], bits[1]

    # -------------------------------------------------------------- what was there before

    def seeds(self, commission_info_of: Any) -> list[Any]:
        """Orders that tell backtrader of positions it has not seen opened, so that selling them opens no short trade.

        They are ``Historical``: analyzers and trades see them, ``notify_order`` does not. Each symbol comes once, as
        soon as its data has a bar.
        """
        orders = []
        for symbol, datas in self._datas.items():
            if symbol in self._seeded or not len(datas[0]):
                continue
            self._seeded.add(symbol)
            self.take_prices()
            holding = self.ledger.holding(symbol)
            if not holding.amount or holding.price is None or (0, symbol) in self._trade_sizes:
                continue
            orders.append(self._seed(datas[0], symbol, holding.amount, float(holding.price), commission_info_of))
        return orders

    @property
    def all_seeded(self) -> bool:
        return len(self._seeded) == len(self._datas)

    def _seed(self, data: Any, symbol: str, amount: Decimal, price: float, commission_info_of: Any) -> Any:
        side = CryptoBuyOrder if amount > 0 else CryptoSellOrder
        size = float(amount)
        order = side(data=data, size=abs(size), price=price, exectype=bt.Order.Historical, simulated=True)
        order.addcomminfo(commission_info_of(data))
        order.addinfo(seed=True)
        order.submit()
        value = order.comminfo.getvaluesize(size, price)
        order.execute(
            dt=data.datetime[0], size=size, price=price, closed=0.0, closedvalue=0.0, closedcomm=0.0, opened=size,
            openedvalue=value, openedcomm=0.0, margin=None, pnl=0.0, psize=size, pprice=price,
        )  # fmt: skip
        self._trade_sizes[(0, symbol)] = (size, amount)
        return order
