"""What an account's other coins are worth: which prices are wanted, which have come, what cannot be valued."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from btccxt.bt.ports import BrokerBackend
from btccxt.bt.positions import PositionBook
from btccxt.notices import CoinsUnvalued, NoticeKind, StoreNotice

_STREAMED_SHARE = Decimal("0.001")  # of the account's value: what is worth less is asked for once a minute
_MOST_STREAMED = 20


class CoinDesk:
    """Strategy's thread. One per run."""

    def __init__(self, store: BrokerBackend, books: PositionBook, also: Collection[str] = ()) -> None:
        """``also``: coins whose price is followed whether or not there are any."""
        self._store = store
        self._also = also
        self._books = books
        self._ledger = books.ledger
        self._news = store.coin_prices
        self._told: frozenset[str] = frozenset()

    def begin(self, held: Collection[str]) -> None:
        """Ask once for the prices of what is held; ``held``: symbols that datas will follow. Blocks.

        Without them it would be worth nothing before the first bar, and that bar look like a profit.
        """
        wanted = {*held, *self._ledger.prices_wanted()}
        wanted |= {symbol for coin in self._also for symbol in self._ledger.prices_for(coin)}
        for symbol, price in self._store.latest_prices(sorted(wanted)).items():
            self._ledger.set_price(symbol, price, as_entry=False)
        self.follow()

    def take_prices(self) -> None:
        news = self._news
        while news:
            symbol, price = news.popitem()
            self._ledger.set_price(symbol, price, as_entry=False)

    def follow(self) -> None:
        """After the account's coins have changed: stream what is worth it, and say what has no price."""
        ledger, traded = self._ledger, set(self._books.symbols)
        ledger.coins_changed = False
        worth, least = ledger.coin_values(), abs(ledger.value) * _STREAMED_SHARE
        coins = [coin for coin, amount in ledger.totals.items() if amount and coin != ledger.currency]
        streamed = [symbol for coin in sorted(self._also) for symbol in ledger.prices_for(coin) if symbol not in traded]
        asked: list[str] = []
        for coin in sorted(coins, key=lambda coin: -abs(worth.get(coin, Decimal(0)))):
            symbols = [symbol for symbol in ledger.prices_for(coin) if symbol not in traded]
            large = abs(worth.get(coin, Decimal(0))) >= least and coin in worth
            (streamed if large and len(streamed) < _MOST_STREAMED else asked).extend(symbols)
        self._store.follow_prices(set(streamed), set(asked) - set(streamed))
        if unvalued := ledger.unvalued - self._told:
            self._told |= unvalued
            amounts = {coin: ledger.totals[coin] for coin in sorted(unvalued)}
            listed = ", ".join(f"{amount.normalize():f} {coin}" for coin, amount in amounts.items())
            text = f"not in the account's value, for want of a price in {ledger.currency}: {listed}"
            self._store.put_notification(StoreNotice(NoticeKind.ACCOUNT, text, CoinsUnvalued(amounts)))
