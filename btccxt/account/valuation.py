"""How each coin is worth something in the account's currency: by one market, or by two. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from btccxt.model import Market, MarketType

_DATED = "-"


@dataclass(frozen=True, slots=True)
class Leg:
    """One market of a route. ``sells``: its base is given for its quote; else its quote for its base."""

    symbol: str
    sells: bool

    def convert(self, amount: Decimal, price: Decimal) -> Decimal:
        return amount * price if self.sells else amount / price


Route = tuple[Leg, ...]


class Routes:
    """Ways from each coin to one currency over an exchange's markets.

    Spot markets, and where an exchange's account knows contracts only, those without an end date: their price is the
    coin's but for a small premium.
    """

    def __init__(self, currency: str, markets: Mapping[str, Market]) -> None:
        self._currency = currency
        self._markets = markets
        self._known: dict[str, tuple[Route, ...]] = {}

    def of(self, coin: str) -> tuple[Route, ...]:
        """Every way of one market or two, the likelier ones first: one market, then over what most is traded in."""
        if coin not in self._known:
            self._known[coin] = self._find(coin)
        return self._known[coin]

    def _find(self, coin: str) -> tuple[Route, ...]:
        if coin == self._currency:
            return ((),)
        found: list[Route] = [(leg,) for leg in self._legs(coin, self._currency)]
        over = sorted(self._neighbours.get(coin, ()), key=lambda other: (-self._trades_in[other], other))
        for middle in over:
            for first in self._legs(coin, middle):
                found += [(first, second) for second in self._legs(middle, self._currency)]
        return tuple(found)

    def _legs(self, coin: str, into: str) -> list[Leg]:
        straight, back = self._by_pair.get((coin, into)), self._by_pair.get((into, coin))
        legs = [] if straight is None else [Leg(straight, True)]
        return legs if back is None else [*legs, Leg(back, False)]

    @cached_property
    def _by_pair(self) -> Mapping[tuple[str, str], str]:
        spot: dict[tuple[str, str], str] = {}
        contracts: dict[tuple[str, str], str] = {}
        for symbol, market in self._markets.items():
            if not market.active or market.type is MarketType.OPTION:
                continue
            if market.is_contract:
                if _DATED not in symbol.partition(":")[2]:
                    contracts.setdefault((market.base, market.quote), symbol)
            else:
                spot[market.base, market.quote] = symbol
        return contracts | spot

    @cached_property
    def _neighbours(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for base, quote in self._by_pair:
            found.setdefault(base, set()).add(quote)
            found.setdefault(quote, set()).add(base)
        return found

    @cached_property
    def _trades_in(self) -> Counter[str]:
        """How many markets each coin is the quote of."""
        return Counter(quote for _, quote in self._by_pair)


class Worths:
    """What an account's coins are worth, kept up to date: only what a new price or amount touches is counted again."""

    def __init__(self, routes: Routes, prices: Mapping[str, Decimal]) -> None:
        self._routes = routes
        self._prices = prices
        self._used: dict[str, Route | None] = {}
        self._by_symbol: dict[str, set[str]] = {}

    def touched_by(self, symbol: str) -> set[str]:
        """Coins whose worth follows this symbol's price."""
        return self._by_symbol.get(symbol, set())

    def new_symbol(self) -> None:
        """A price became known that was not: coins without a way may have one, others a shorter one."""
        self._used.clear()
        self._by_symbol.clear()

    def convert(self, amount: Decimal, coin: str) -> Decimal | None:
        """An amount of a coin in the account's currency; None where no way has all its prices."""
        if coin not in self._used:
            self._used[coin] = route = self._route(coin)
            for leg in route or ():
                self._by_symbol.setdefault(leg.symbol, set()).add(coin)
        chosen = self._used[coin]
        if chosen is None:
            return None
        for leg in chosen:
            amount = leg.convert(amount, self._prices[leg.symbol])
        return amount

    def _route(self, coin: str) -> Route | None:
        for route in self._routes.of(coin):
            if all(self._prices.get(leg.symbol) for leg in route):
                return route
        return None

    def wanted(self, coin: str) -> tuple[str, ...]:
        """Symbols whose prices would value this coin: those of a way that has them already, else of the likeliest."""
        routes = self._routes.of(coin)
        route = self._route(coin) or (routes[0] if routes else ())
        return tuple(leg.symbol for leg in route)
