"""Backtrader's own books, kept right: execution bits, positions and trades, from fills in exact decimals.

Runs in the strategy's thread. Backtrader sums floats, so 0.1 + 0.2 - 0.3 leaves an order ``Partial`` and a trade open
for ever; here decimals decide what is left, and the floats handed to backtrader are chosen so that their running sum
meets the decimal one exactly.

What backtrader sees of a position is what can be traded: whole amount steps, and after a sale nothing if the rest is
worth less than the exchange's minimum. Such dust (a fee taken in coins leaves some with every trade) stays in the
ledger and in the value, but ``if self.position`` is false and the trade is closed.

In hedge mode a data that is bound to one of its symbol's two positions shows that one; a data that is not shows both as
one: the long less the short one, at the price at which both together are worth what they cost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from math import isfinite

from btccxt.account.ledger import AccountLedger, Booking
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.kept import KEPT
from btccxt.bt.order_request import CryptoBuyOrder, CryptoSellOrder
from btccxt.bt.time import num_of_ms
from btccxt.exchange.position_side import positions_of, symbol_of
from btccxt.model import ZERO, Fill, FundingPayment, Market, Side, decimal_of, round_amount
from btccxt.orders.live_order import LiveOrder


class PositionBook:
    """Applies fills to the ledger, to backtrader's positions and to backtrader's orders."""

    def __init__(self, ledger: AccountLedger) -> None:
        self.ledger = ledger
        self.fills_booked = 0
        self._views: dict[str, bt.Position] = {}  # symbol -> backtrader Position
        self._visible: dict[str, Decimal] = {}  # the same size, exact
        self._names: dict[str, tuple[str, ...]] = {}
        self._datas: dict[str, list[bt.AbstractDataBase]] = {}
        self._trade_sizes: dict[tuple[int, str], tuple[float, Decimal]] = {}
        """By trade id and symbol: as backtrader's float sum, and exact."""
        self._estimates: dict[tuple[str, str, Side], Decimal] = {}  # fee not known yet -> assumed commission
        self._seeded: set[str] = set()
        self._cerebro_loop: CerebroLoop | None = None
        self._look_at_all = True  # set by whatever else changes prices or holdings in the ledger
        self._unheard: set[str] = set()  # symbols of others' datas (CSV files ...), which do not tell that they moved

    # -------------------------------------------------------------- datas, prices, positions

    def register(self, data: bt.AbstractDataBase, symbol: str) -> bool:
        """Make a data known; True the first time its symbol is seen."""
        datas = self._datas.setdefault(symbol, [])
        if any(known is data for known in datas):
            return False
        datas.append(data)
        self._look_at_all = True
        if (cerebro_loop := getattr(data, "_cerebro_loop", None)) is not None:
            self._cerebro_loop = cerebro_loop
        else:
            self._unheard.add(symbol)
        if data is not datas[0]:
            data.compensate(datas[0])  # one position per symbol: trades of all its datas belong together
            return False
        for name in self._names_of(symbol):
            self.ledger.track(name)
        self.show(symbol)
        return True

    def _names_of(self, symbol: str) -> tuple[str, ...]:
        """Of the positions that a data shows: two in hedge mode, where the data is bound to none."""
        names = self._names.get(symbol)
        if names is None:
            names = self._names[symbol] = positions_of(symbol, self.ledger.markets)
        return names

    @property
    def names(self) -> tuple[str, ...]:
        """Of every position that a data shows, as the ledger knows it."""
        return tuple(dict.fromkeys(name for symbol in self._datas for name in self._names_of(symbol)))

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self._datas)

    def first_data(self, symbol: str) -> bt.AbstractDataBase | None:
        """Of one of two positions: the data bound to it, else one that shows both."""
        datas = self._datas.get(symbol) or self._datas.get(symbol_of(symbol))
        return datas[0] if datas else None

    def position(self, symbol: str) -> bt.Position:
        """Backtrader's Position of a symbol; the object stays the same, its figures change."""
        if symbol not in self._views:
            self.show(symbol)
        return self._views[symbol]

    def show(self, symbol: str) -> None:
        """Take size and price from the ledger; whether a small rest is dust is judged here."""
        amount = ZERO
        for name in self._names_of(symbol):
            holding = self.ledger.holding(name)
            price = self.ledger.price(name) or holding.price
            amount += tradable(self.ledger.market(name), holding.amount, price)
        self._visible[symbol] = amount
        entry = self.ledger.entry_price(self._names_of(symbol))
        view = self._views.setdefault(symbol, bt.Position())
        view.size = float(amount)
        view.price = float(entry) if entry is not None and amount else 0.0

    def _show_changed(self, name: str) -> None:
        """A position has changed: whatever shows it follows."""
        self.show(name)
        if (symbol := symbol_of(name)) != name and symbol in self._datas:
            self.show(symbol)

    def show_all(self) -> None:
        self._look_at_all = True
        for symbol in self._views:
            self.show(symbol)

    def take_prices(self) -> None:
        """Latest close of every symbol, from whichever of its datas is furthest."""
        cerebro_loop = self._cerebro_loop
        if cerebro_loop is not None and not (self._look_at_all or self._unheard or cerebro_loop.some_moved):
            return
        for symbol in self._symbols_to_look_at():
            datas = self._datas[symbol]
            latest = datas[0] if len(datas) == 1 else max(datas, key=_last_stamp)
            if len(latest) and isfinite(latest.close[0]):  # a bar that was begun and never filled has none
                price = decimal_of(latest.close[0])
                self.ledger.set_price(symbol, price)
                for name in self._names_of(symbol_of(symbol)):
                    if name != symbol:
                        self.ledger.set_price(name, price)
                self._show_entry_price(symbol)

    def _symbols_to_look_at(self) -> Collection[str]:
        """Those with a new bar. Asked for twice per bar, and with 200 symbols 199 have none."""
        cerebro_loop = self._cerebro_loop
        if cerebro_loop is None:
            return self._datas.keys()
        moved = {data._dataname for data in cerebro_loop.take_moved()}
        if self._look_at_all or not cerebro_loop.is_live:
            self._look_at_all = False
            return self._datas.keys()
        return self._datas.keys() & (moved | self._unheard)

    def _show_entry_price(self, symbol: str) -> None:
        """A position that was there before us is taken to have cost what the first bar says."""
        view = self._views[symbol]
        if view.size and not view.price and (entry := self.ledger.entry_price(self._names_of(symbol))) is not None:
            view.price = float(entry)

    # -------------------------------------------------------------- fills

    def execute(self, order: bt.Order, fill: Fill, amount: Decimal) -> None:
        """Book one fill of an order for ``amount``: one execution bit, with the position as it is after it."""
        self.fills_booked += 1
        self.take_prices()
        shown = fill.symbol if fill.symbol in self._datas else symbol_of(fill.symbol)
        before = self._visible[shown]
        booking = self.ledger.apply(fill)
        self._look_at_all = True
        self._show_changed(fill.symbol)
        after = self._visible[shown]
        comminfo = order.comminfo
        closed, opened = self._trade_bits((order.tradeid, shown), before, after)
        moved = abs(closed) + abs(opened)
        closed_share = abs(closed) / moved if moved else 0.0
        commission = float(booking.commission)
        price = float(fill.price)
        entry = float(booking.before.price) if booking.before.price is not None else price
        order.execute(
            dt=num_of_ms(fill.time_ms),
            size=float(fill.amount * fill.side.sign),
            price=self._price_of_bit(booking, price),
            closed=closed,
            closedvalue=comminfo.getvaluesize(closed, entry) if closed else 0.0,
            closedcomm=commission * closed_share,
            opened=opened,
            openedvalue=comminfo.getvaluesize(opened, price) if opened else 0.0,
            openedcomm=commission * (1.0 - closed_share),
            margin=comminfo.get_margin(price),
            pnl=float(booking.pnl),
            psize=float(after),
            pprice=self._views[shown].price,
        )
        filled, cost = getattr(order, "booked", (ZERO, ZERO))
        self._set_executed(order, filled + fill.amount, cost + fill.amount * fill.price, amount)
        if booking.commission_estimated:
            self._estimates[fill.key] = booking.commission
            if len(self._estimates) > KEPT:  # this exchange may never tell
                del self._estimates[next(iter(self._estimates))]
            order.addinfo(commission_estimated=True)

    def _price_of_bit(self, booking: Booking, price: float) -> float:
        """The fill's; where an inverse position grows, the one that makes backtrader's average the entry price.

        Its trades average prices by size, and the entry price of an inverse contract is the harmonic mean.
        """
        before, after = booking.before, booking.after
        if not booking.inverse or booking.closed or not before.amount or before.price is None or after.price is None:
            return price
        return float((after.price * after.amount - before.price * before.amount) / booking.opened)

    def _set_executed(self, order: bt.Order, filled: Decimal, cost: Decimal, amount: Decimal) -> None:
        vars(order)["booked"] = (filled, cost)  # with the order, for as long as it is kept
        sign, left = (1 if order.isbuy() else -1), max(amount - filled, ZERO)
        order.executed.size = float(filled) * sign
        order.executed.price = float(cost / filled)
        order.executed.remsize = float(left) * sign
        order.status = bt.Order.Partial if left else bt.Order.Completed

    def correct(self, order: bt.Order, fill: Fill) -> None:
        """A fee that came after its fill takes the place of the estimate, in the order and in its open trade."""
        actual = self.ledger.correct_fee(fill)
        self._look_at_all = True
        self._show_changed(fill.symbol)
        more = float(actual - self._estimates.pop(fill.key, ZERO))
        order.executed.comm += more
        order.addinfo(commission_estimated=False)
        owner = order.owner
        trades = owner._trades[order.data._compensate or order.data][order.tradeid] if owner is not None else ()
        if trades:
            trades[-1].commission += more
            trades[-1].pnlcomm -= more

    def pay_into_trades(self, payment: FundingPayment, strategies: Iterable[bt.Strategy]) -> None:
        """Funding belongs to the trades that are open on its symbol, each in proportion to its size.

        It is in their commission, from which backtrader counts ``pnlcomm`` with every further fill. Of two positions
        each has the share of its signed size; where they are of one size, nobody can tell them apart.
        """
        cost = self.ledger.convert(-payment.amount, payment.currency)
        if cost is None:
            return
        if (data := self.first_data(payment.symbol)) is not None:
            self._pay(data, cost, strategies)
            return
        amounts = {name: self.ledger.holding(name).amount for name in self._names_of(payment.symbol)}
        for name, amount in amounts.items():
            if (data := self.first_data(name)) is not None and (net := sum(amounts.values(), ZERO)):
                self._pay(data, cost * amount / net, strategies)

    @staticmethod
    def _pay(data: bt.AbstractDataBase, cost: Decimal, strategies: Iterable[bt.Strategy]) -> None:
        last = [trades[-1] for each in strategies for trades in each._trades[data].values() if trades]
        open_trades = [trade for trade in last if trade.isopen]
        whole = sum(abs(trade.size) for trade in open_trades)
        for trade in open_trades:
            part = float(cost) * abs(trade.size) / whole
            trade.commission += part
            trade.pnlcomm -= part

    def resume(self, order: bt.Order, live: LiveOrder) -> None:
        """Show on a restored order what a former run already booked; the ledger's start contains it."""
        if live.filled:
            self._set_executed(order, live.filled, live.cost, live.amount)

    def _trade_bits(self, key: tuple[int, str], before: Decimal, after: Decimal) -> tuple[float, float]:
        """What a move of the position closes and opens, as floats whose running sum meets the decimal sum exactly."""
        if before * after < 0:
            parts = (-before, after)
        elif abs(after) < abs(before):
            parts = (after - before, ZERO)
        else:
            parts = (ZERO, after - before)
        as_float, exact = self._trade_sizes.get(key, (0.0, ZERO))
        bits = []
        for part in parts:
            exact += part
            bit = float(exact) - as_float if part else 0.0
            as_float += bit
            bits.append(bit)
        self._trade_sizes[key] = (as_float, exact)
        return bits[0], bits[1]

    # -------------------------------------------------------------- what was there before

    def seeds(self, commission_info_of: Callable[[bt.AbstractDataBase], bt.CommInfoBase]) -> list[bt.Order]:
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
            self.show(symbol)
            amount, price = self._visible[symbol], self._views[symbol].price
            if not amount or (0, symbol) in self._trade_sizes:
                continue
            orders.append(self._seed(datas[0], symbol, amount, price, commission_info_of))
        return orders

    @property
    def all_seeded(self) -> bool:
        return len(self._seeded) == len(self._datas)

    def _seed(
        self,
        data: bt.AbstractDataBase,
        symbol: str,
        amount: Decimal,
        price: float,
        commission_info_of: Callable[[bt.AbstractDataBase], bt.CommInfoBase],
    ) -> bt.Order:
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


class PositionsByData(dict[bt.AbstractDataBase, bt.Position]):
    """What a broker calls ``positions``; a data that was never traded is flat, as in backtrader's own broker."""

    def __init__(self, position_of: Callable[[bt.AbstractDataBase], bt.Position]) -> None:
        super().__init__()
        self._position_of = position_of

    def __missing__(self, data: bt.AbstractDataBase) -> bt.Position:
        return self._position_of(data)


def _last_stamp(data: bt.AbstractDataBase) -> float:
    return data.datetime[0] if len(data) else float("-inf")


def tradable(market: Market, amount: Decimal, price: Decimal | None) -> Decimal:
    """The part of a position that an order could close: whole steps, and nothing below the exchange's minimums."""
    whole = round_amount(market, abs(amount))
    too_small = market.min_amount is not None and whole < market.min_amount
    if not market.is_contract and price is not None and market.min_cost is not None:
        too_small = too_small or whole * price < market.min_cost
    return ZERO if too_small else whole.copy_sign(amount)
