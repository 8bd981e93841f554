"""The account as the strategy sees it: cash, positions and value, in exact decimals, from memory.

``AccountLedger`` starts from the exchange's balances and positions, applies every fill once, and is compared with the
exchange's own figures after each reconciliation. It has no clock, no lock and no I/O: the strategy's thread owns it.

Spot: the position of ``BTC/USDT`` is the account's BTC; a fee taken in BTC makes it smaller. Where two traded symbols
share a base coin, what was there at the start belongs to the first one. Contracts: the position is signed
contracts, cash changes by realised profit and fees. A fee in a third coin (BNB) leaves the cash alone, is converted to
the account's currency for commission and profit, and the value shows it because that coin became less.

Value: cash, every coin of the account at the latest price, and the open profit of contracts. What has no price is not
guessed; ``unvalued`` names it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal

from btccxt.account.contract_terms import notional_of
from btccxt.account.valuation import Routes, Worths
from btccxt.model import (
    ZERO,
    Balances,
    Fill,
    FundingPayment,
    Market,
    MarketType,
    Position,
    Transfer,
)

_MONEY_STEP = Decimal("0.00000001")  # to which exchanges round what a closed part of a contract position cost
_ROUNDING = Decimal("0.000001")


def agree(ours: Decimal, theirs: Decimal) -> bool:
    """Whether a balance is ours as far as it was told: ccxt hands on floats, whose last digit means nothing."""
    return abs(ours - theirs) <= 2 * Decimal(math.ulp(float(theirs)))


@dataclass(frozen=True, slots=True)
class Holding:
    """One symbol's position: signed amount (base units or contracts) and average entry price (None: unknown)."""

    amount: Decimal = ZERO
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """What one fill did. ``closed`` and ``opened`` are signed like the fill; money is in the account's currency."""

    before: Holding
    after: Holding
    closed: Decimal
    opened: Decimal
    pnl: Decimal
    commission: Decimal
    commission_estimated: bool  # no fee in the fill, or no rate to convert its coin
    inverse: bool = False


@dataclass(frozen=True, slots=True)
class Drift:
    """A figure on which ledger and exchange disagree."""

    what: str  # 'balance' or 'position'
    name: str  # currency or symbol
    ours: Decimal
    theirs: Decimal


class AccountLedger:
    """Cash, holdings and value of one account in one currency."""

    def __init__(self, currency: str, markets: Mapping[str, Market], routes: Routes | None = None) -> None:
        self.currency = currency
        self._markets = markets
        self._totals: dict[str, Decimal] = {}
        self._holdings: dict[str, Holding] = {}
        self._costs: dict[str, Decimal] = {}  # contract symbol -> signed value its position was entered at, exact
        self._base_owner: dict[str, str] = {}  # base coin -> the spot symbol whose position it is
        self._prices: dict[str, Decimal] = {}
        self._routes = Routes(currency, markets) if routes is None else routes
        self._worths = Worths(self._routes, self._prices)
        self._coin_values: dict[str, Decimal] = {}
        self._profits: dict[str, Decimal] = {}
        self._stale_coins: set[str] = set()
        self._stale_contracts: set[str] = set()
        self._all_stale = False
        self._value = ZERO
        self.unvalued: frozenset[str] = frozenset()
        """Coins of the account that nothing known gives a price; as of the last ``value``."""
        self.coins_changed = True
        """The account has a coin that it had not, or the other way round, since somebody last looked and said False."""
        self._coin_fees: dict[str, Decimal] = {}  # spot symbol -> coins taken as fees since the position was opened

    # -------------------------------------------------------------- start and comparison

    def reset(self, balances: Balances, positions: Iterable[Position] = ()) -> None:
        """Take the exchange's figures as they are. Entry prices that are already known survive."""
        self._totals = {currency: balance.total for currency, balance in balances.by_currency.items()}
        self._count_all_again()
        for symbol, holding in list(self._holdings.items()):
            market = self._markets[symbol]
            if market.is_contract:
                self._hold(symbol, Holding())
                self._costs.pop(symbol, None)
            elif self._base_owner.get(market.base) == symbol:
                others = self._held_by_others(market.base, symbol)
                self._set_amount(symbol, self._totals.get(market.base, ZERO) - others, holding.price)
        for position in _net(positions):
            if position.symbol in self._holdings or position.amount:
                self._hold(position.symbol, Holding(position.amount, position.entry_price))

    def track(self, symbol: str) -> Holding:
        """Make a symbol part of the account's value; its coins count from now on."""
        if symbol not in self._holdings:
            market = self._markets[symbol]
            amount = ZERO
            if market.type is MarketType.SPOT and market.base != self.currency:
                owner = self._base_owner.setdefault(market.base, symbol)
                if owner == symbol:
                    amount = self._totals.get(market.base, ZERO)
            self._hold(symbol, Holding(amount))
        return self._holdings[symbol]

    def open_with(self, symbol: str, amount: Decimal, price: Decimal | None) -> None:
        """Begin with a position, for a sum of fills that does not start from nothing."""
        self._hold(symbol, Holding(amount, price))

    def set_entry_price(self, symbol: str, price: Decimal) -> None:
        """Average price of a position that was there before us."""
        self._hold(symbol, replace(self._holdings[symbol], price=price))

    def differences(self, balances: Balances, positions: Iterable[Position] = ()) -> list[Drift]:
        """Where the exchange's figures are not ours. Coins absent from a partial push are not compared."""
        found: list[Drift] = []
        for currency in sorted(set(balances.by_currency) | (set(self._totals) if balances.complete else set())):
            balance = balances.by_currency.get(currency)
            theirs = balance.total if balance is not None else ZERO
            ours = self._totals.get(currency, ZERO)
            if not agree(ours, theirs):
                found.append(Drift("balance", currency, ours, theirs))
        by_symbol = {position.symbol: position.amount for position in _net(positions)}
        for symbol, holding in sorted(self._holdings.items()):
            if self._markets[symbol].is_contract and by_symbol.get(symbol, ZERO) != holding.amount:
                found.append(Drift("position", symbol, holding.amount, by_symbol.get(symbol, ZERO)))
        return found

    def symbols_of(self, drift: Iterable[Drift]) -> set[str]:
        """Tracked symbols whose trades could explain these differences."""
        found: set[str] = set()
        for item in drift:
            markets = [self._markets[symbol] for symbol in self._holdings]
            coins = {market.symbol for market in markets if item.name in (market.base, market.quote, market.settle)}
            found |= {item.name} if item.what == "position" else coins or set(self._holdings)
        return found

    def copy(self) -> AccountLedger:
        """To try something out on."""
        other = AccountLedger(self.currency, self._markets, self._routes)
        other._totals, other._holdings, other._costs = dict(self._totals), dict(self._holdings), dict(self._costs)
        other._base_owner = dict(self._base_owner)
        other._prices.update(self._prices)
        other._count_all_again()
        return other

    # -------------------------------------------------------------- fills

    def apply(self, fill: Fill) -> Booking:
        """Book one fill. The caller guarantees that each fill comes once (``orders/lifecycle.py``)."""
        market = self._markets[fill.symbol]
        before = self.track(fill.symbol)
        signed = fill.amount * fill.side.sign
        worth = notional_of(market, fill.amount, fill.price)
        commission, estimated = self._commission(fill, market)
        change = signed
        if market.is_contract:
            settle = market.settle or market.quote
        else:
            self._add(market.base, signed)
            self._spend(market.quote, worth * fill.side.sign)
        if fill.fee is not None:
            if fill.fee.currency == market.base and not market.is_contract:
                self._add(market.base, -fill.fee.cost)
                change -= fill.fee.cost
                self._coin_fees[fill.symbol] = self._coin_fees.get(fill.symbol, ZERO) + fill.fee.cost
            else:
                self._spend(fill.fee.currency, fill.fee.cost)
        after, closed, opened = _move(before, change, fill.price)
        pnl = ZERO
        if market.is_contract:
            after, pnl = self._move_contract(market, before, after, closed, opened, fill.price)
            self._add(settle, pnl)
        elif closed and before.price is not None:
            pnl = -closed * (fill.price - before.price)
        self._hold(fill.symbol, after)
        self._price_is(fill.symbol, fill.price)
        if after.amount <= 0:
            self._coin_fees.pop(fill.symbol, None)
        return Booking(before, after, closed, opened, pnl, commission, estimated, market.type is MarketType.INVERSE)

    def _move_contract(
        self, market: Market, before: Holding, after: Holding, closed: Decimal, opened: Decimal, price: Decimal
    ) -> tuple[Holding, Decimal]:
        """Entry value kept exactly, rounded where exchanges do: an average price has no end of digits."""
        symbol, inverse = market.symbol, market.type is MarketType.INVERSE
        entry = before.price if before.price is not None else price
        cost = self._costs.get(symbol, _signed_value(market, before.amount, entry))
        pnl = ZERO
        if closed:
            share = cost if closed == -before.amount else cost * -closed / before.amount
            pnl = _signed_value(market, -closed, price)
            if inverse:
                pnl = _round_money(pnl - share)
            else:
                share = share if closed == -before.amount else _round_money(share)
                pnl -= share
            cost -= share
        cost += _signed_value(market, opened, price)
        if not after.amount:
            self._costs.pop(symbol, None)
            return after, pnl
        self._costs[symbol] = cost
        size = after.amount * market.contract_size
        return Holding(after.amount, -size / cost if inverse else cost / size), pnl

    def take_rounding(self, balances: Balances) -> None:
        """Where contracts are settled exchanges round in ways of their own: a millionth off is no difference."""
        for symbol in self._holdings:
            market = self._markets[symbol]
            currency = market.settle or market.quote
            if market.is_contract and currency in balances.by_currency:
                theirs = balances.by_currency[currency].total
                if abs(theirs - self._totals.get(currency, ZERO)) < _ROUNDING:
                    self._totals[currency] = theirs
                    self._stale_coins.add(currency)

    def correct_fee(self, fill: Fill) -> Decimal:
        """Book a fee that was learned after its fill; returns it in the account's currency. No position closes."""
        if fill.fee is None:
            return ZERO
        market = self._markets[fill.symbol]
        commission, _ = self._commission(fill, market)
        if fill.fee.currency == market.base and not market.is_contract:
            self._add(market.base, -fill.fee.cost)
            self._coin_fees[fill.symbol] = self._coin_fees.get(fill.symbol, ZERO) + fill.fee.cost
            holding = self.track(fill.symbol)
            self._set_amount(fill.symbol, holding.amount - fill.fee.cost, holding.price)
        else:
            self._spend(fill.fee.currency, fill.fee.cost)
        return commission

    def receive(self, payment: FundingPayment) -> None:
        """Book what a position cost or brought at a funding time."""
        self._add(payment.currency, payment.amount)

    def _commission(self, fill: Fill, market: Market) -> tuple[Decimal, bool]:
        if fill.fee is None:
            rate = market.maker_rate if fill.maker else market.taker_rate
            worth = notional_of(market, fill.amount, fill.price)
            return self.convert(worth * rate, market.settle or market.quote) or ZERO, True
        if fill.fee.currency == market.base and not market.is_contract:
            return self.convert(fill.fee.cost * fill.price, market.quote) or ZERO, False
        converted = self.convert(fill.fee.cost, fill.fee.currency)
        return (ZERO, True) if converted is None else (converted, False)

    # -------------------------------------------------------------- reading

    @property
    def cash(self) -> Decimal:
        """Total of the account's currency, orders in the book included."""
        return self._totals.get(self.currency, ZERO)

    @property
    def totals(self) -> dict[str, Decimal]:
        return dict(self._totals)

    def market(self, symbol: str) -> Market:
        return self._markets[symbol]

    @property
    def markets(self) -> Mapping[str, Market]:
        return self._markets

    def entry_price(self, names: tuple[str, ...]) -> Decimal | None:
        """Of positions of one contract together: the price at which they are worth what they cost; None: unknown."""
        if len(names) == 1:
            return self.holding(names[0]).price
        market = self._markets[names[0]]
        held = [holding for name in names if (holding := self.holding(name)).amount]
        amount = sum((holding.amount for holding in held), ZERO)
        if not amount or any(not holding.price for holding in held):
            return None
        worth = sum((_signed_value(market, each.amount, each.price) for each in held if each.price), ZERO)
        size = amount * market.contract_size
        if not worth:
            return None
        return -size / worth if market.type is MarketType.INVERSE else worth / size

    def coin_fees(self, symbol: str) -> Decimal:
        """What the exchange took as fees, in the base coin, while the position was built."""
        return self._coin_fees.get(symbol, ZERO)

    def holding(self, symbol: str) -> Holding:
        return self._holdings.get(symbol, Holding())

    def set_price(self, symbol: str, price: Decimal, *, as_entry: bool = True) -> None:
        """Latest price, for value and conversion; also the entry price of a holding that has none."""
        self._price_is(symbol, price)
        holding = self._holdings.get(symbol)
        if as_entry and holding is not None and holding.amount and holding.price is None:
            self._hold(symbol, replace(holding, price=price))

    def price(self, symbol: str) -> Decimal | None:
        return self._prices.get(symbol)

    def convert(self, amount: Decimal, currency: str) -> Decimal | None:
        """Amount of ``currency`` in the account's currency at the latest prices; None without a price."""
        return amount if currency == self.currency or not amount else self._worths.convert(amount, currency)

    def prices_wanted(self) -> set[str]:
        """Symbols whose prices value the coins that the account has."""
        coins = [coin for coin, amount in self._totals.items() if amount and coin != self.currency]
        return {symbol for coin in coins for symbol in self.prices_for(coin)}

    def prices_for(self, coin: str) -> tuple[str, ...]:
        """Symbols whose prices value a coin; none where no market or two lead to the account's currency."""
        return self._worths.wanted(coin)

    def coin_values(self) -> dict[str, Decimal]:
        """What each coin is worth; those without a price are left out."""
        self._bring_up_to_date()
        return dict(self._coin_values)

    def open_profit(self, symbol: str) -> Decimal:
        """Of a contract position at the latest price, in the coin that settles it."""
        holding = self.holding(symbol)
        price = self._prices.get(symbol)
        if not holding.amount or price is None or holding.price is None:
            return ZERO
        market = self._markets[symbol]
        return _signed_value(market, holding.amount, price) - _signed_value(market, holding.amount, holding.price)

    @property
    def value(self) -> Decimal:
        """Cash, every coin and the open profit of every contract; ``unvalued`` is left out."""
        if self._all_stale or self._stale_coins or self._stale_contracts:
            self._bring_up_to_date()
        return self._value

    def _bring_up_to_date(self) -> None:
        if self._all_stale:
            self._all_stale = False
            self._stale_coins = {*self._totals, *self._coin_values}
            self._stale_contracts = {symbol for symbol in self._holdings if self._markets[symbol].is_contract}
        missing = set(self.unvalued)
        for coin in self._stale_coins:
            amount = self._totals.get(coin, ZERO)
            worth = self.convert(amount, coin)
            (missing.discard if worth is not None else missing.add)(coin)
            if worth:
                self._coin_values[coin] = worth
            else:
                self._coin_values.pop(coin, None)
        for symbol in self._stale_contracts:
            market = self._markets[symbol]
            profit = self.convert(self.open_profit(symbol), market.settle or market.quote)
            if profit:
                self._profits[symbol] = profit
            else:
                self._profits.pop(symbol, None)
        self._stale_coins.clear()
        self._stale_contracts.clear()
        self.unvalued = frozenset(missing)
        self._value = sum(self._coin_values.values(), ZERO) + sum(self._profits.values(), ZERO)

    # -------------------------------------------------------------- inside

    def _add(self, currency: str, amount: Decimal) -> None:
        before = self._totals.get(currency, ZERO)
        self._totals[currency] = after = before + amount
        self._stale_coins.add(currency)
        if (not before) is not (not after):
            self.coins_changed = True

    def _hold(self, symbol: str, holding: Holding) -> None:
        self._holdings[symbol] = holding
        if self._markets[symbol].is_contract:
            self._stale_contracts.add(symbol)

    def _price_is(self, symbol: str, price: Decimal) -> None:
        known = self._prices.get(symbol)
        self._prices[symbol] = price
        if known is None:
            self._worths.new_symbol()
            self._count_all_again()
            return
        coins = self._worths.touched_by(symbol)
        self._stale_coins |= coins
        market = self._markets[symbol]
        if market.is_contract and symbol in self._holdings:
            self._stale_contracts.add(symbol)
        if coins:
            self._stale_contracts |= {each for each in self._profits if self._markets[each].settle in coins}

    def _count_all_again(self) -> None:
        self._all_stale = self.coins_changed = True

    def _spend(self, currency: str, amount: Decimal) -> None:
        """Take coins that may themselves be a tracked position."""
        self._add(currency, -amount)
        owner = self._base_owner.get(currency)
        if owner is not None:
            holding = self._holdings[owner]
            self._set_amount(owner, holding.amount - amount, holding.price)

    def _held_by_others(self, base: str, symbol: str) -> Decimal:
        return sum(
            (
                holding.amount
                for other, holding in self._holdings.items()
                if other != symbol and self._markets[other].base == base and not self._markets[other].is_contract
            ),
            ZERO,
        )

    def _set_amount(self, symbol: str, amount: Decimal, price: Decimal | None) -> None:
        self._hold(symbol, Holding(amount, price if amount else None))


def _net(positions: Iterable[Position]) -> list[Position]:
    """One position a symbol: in hedge mode long and short are added up, at no price of their own."""
    by_symbol: dict[str, Position] = {}
    for position in positions:
        other = by_symbol.get(position.symbol)
        if other is not None and other.amount and position.amount:
            position = replace(position, amount=other.amount + position.amount, entry_price=None)
        elif other is not None and not position.amount:
            continue
        by_symbol[position.symbol] = position
    return list(by_symbol.values())


def _signed_value(market: Market, amount: Decimal, price: Decimal) -> Decimal:
    """In the coin that settles; of an inverse contract minus its worth, which rises with the price as well, so that
    profit is always value now less value at entry."""
    worth = notional_of(market, amount, price)
    return -worth if market.type is MarketType.INVERSE else worth


def _round_money(amount: Decimal) -> Decimal:
    return amount.quantize(_MONEY_STEP, ROUND_HALF_EVEN)


def _move(before: Holding, change: Decimal, price: Decimal) -> tuple[Holding, Decimal, Decimal]:
    """Position after a signed change, and how much of the change closed and opened."""
    amount = before.amount + change
    if not before.amount or before.amount * change > 0:
        known = before.price if before.price is not None else price
        average = (known * before.amount + price * change) / amount if amount else None
        return Holding(amount, average), ZERO, change
    if abs(change) <= abs(before.amount):
        return Holding(amount, before.price if amount else None), change, ZERO
    return Holding(amount, price), -before.amount, amount


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """Balances and positions as REST told them, after a reconciliation."""

    balances: Balances
    positions: tuple[Position, ...] = ()
    certain: bool = True
    """No order was on its way meanwhile: what is not explained by known fills has another cause."""
    asked_ms: int = 0
    """When it was asked for: what happened before is in the figures."""
    looked: bool = True
    """What may explain a difference was looked for, as ``look_again`` asked."""
    outside: tuple[Fill, ...] = ()
    """Trades of orders that are not ours, of the symbols and the time that ``look_again`` named."""
    transfers: tuple[Transfer, ...] | None = None
    """Of the last day; None: nobody asked."""
    funding: tuple[FundingPayment, ...] = ()
    """Of the same symbols and time, and of every position."""


class RunBegins:
    """Comes between what belongs to the former run of a store that is kept open and what belongs to this one."""


RUN_BEGINS = RunBegins()
