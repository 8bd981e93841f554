"""Several accounts in one cerebro: each order goes to the account of its data, cash and value are of all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any

from btccxt.bt.broker import CCXTBroker
from btccxt.bt.broker_fund import FundCalls
from btccxt.bt.compat import bt
from btccxt.bt.data_source import source_of
from btccxt.bt.ports import BrokerBackend
from btccxt.bt.positions import PositionsByData
from btccxt.errors import ConfigError

_ONE = Decimal(1)


class RoutingBroker(FundCalls):
    """Made by ``CCXTStore.broker_of(store, …)``. ``accounts`` has each store's own broker by its exchange's name.

    Cash and value are in ``currency``; each account's own are in that of its store. Where these differ, they are
    converted at the latest price of a market, or two, of one of the exchanges. A data of no store belongs to the first
    account whose exchange has its symbol.
    """

    def __init__(self, accounts: Mapping[str, CCXTBroker], currency: str | None = None) -> None:
        super().__init__()
        self.accounts: Mapping[str, CCXTBroker] = MappingProxyType(dict(accounts))
        self._brokers: Sequence[CCXTBroker] = tuple(accounts.values())
        self.currency = currency or self._brokers[0].store.currency
        others = frozenset(broker.store.currency for broker in self._brokers) - {self.currency}
        for broker in self._brokers:
            is_other = broker.store.currency != self.currency
            broker.also_priced = frozenset({self.currency}) if is_other else others
        self.positions = PositionsByData(self.getposition)
        self.startingcash = self.startingvalue = 0.0
        self._cerebro: bt.Cerebro = None  # type: ignore[assignment]  # until ``cerebro.setbroker``
        self._told_by: Iterator[CCXTBroker] = iter(())

    # -------------------------------------------------------------- life

    @property
    def store(self) -> BrokerBackend:
        """Of the first account: where a strategy's own variables are kept."""
        return self._brokers[0].store

    @property
    def cerebro(self) -> bt.Cerebro:
        return self._cerebro

    @cerebro.setter
    def cerebro(self, cerebro: bt.Cerebro) -> None:
        self._cerebro = cerebro
        for broker in self._brokers:
            broker.cerebro = cerebro

    def start(self) -> None:
        """Called by cerebro when every store is connected."""
        super().start()
        for broker in self._brokers:
            broker.on_money = partial(self._money_moved, broker)
            broker.start()
        for broker in self._brokers:
            self.rate(broker)
        self.startingcash, self.startingvalue = self.getcash(), self.getvalue()
        self._fund.begin(self.startingvalue)
        self._told_by = iter(self._brokers)

    def stop(self) -> None:
        with contextlib.ExitStack() as stack:  # one that fails keeps none from stopping
            for broker in self._brokers:
                stack.callback(broker.stop)
        super().stop()

    # -------------------------------------------------------------- whose data it is

    def of(self, data: bt.AbstractDataBase) -> CCXTBroker | None:
        """The broker of a data's account; None for data that nobody here trades."""
        source = source_of(data)
        for broker in self._brokers:
            if source is broker.store or (source is None and data._dataname in broker.store.markets):
                return broker
        return None

    def _must_be_of(self, data: bt.AbstractDataBase) -> CCXTBroker:
        """Where nobody trades it, the first one refuses the order with the reason."""
        return self.of(data) or self._brokers[0]

    # -------------------------------------------------------------- money

    def rate(self, broker: CCXTBroker) -> float:
        """What one unit of an account's currency is worth in ``currency``. Raises ConfigError where nothing says so."""
        own = broker.store.currency
        if own == self.currency:
            return 1.0
        worth = broker.ledger.convert(_ONE, self.currency)
        if worth:
            return float(1 / worth)
        for other in self._brokers:
            if other.store.currency == self.currency and (worth := other.ledger.convert(_ONE, own)):
                return float(worth)
        raise ConfigError(f"no market of these exchanges says what {own} is worth in {self.currency}: give currency=")

    def getcash(self) -> float:
        return sum(broker.getcash() * self.rate(broker) for broker in self._brokers)

    get_cash = getcash

    def getvalue(
        self, datas: Sequence[bt.AbstractDataBase] | None = None, mkt: bool = False, lever: bool = False
    ) -> float:
        """Of all accounts, or the signed exposure of ``datas`` only."""
        if datas is None:
            return sum(broker.getvalue() * self.rate(broker) for broker in self._brokers)
        of_somebody = ((broker, data) for data in datas if (broker := self.of(data)) is not None)
        return sum(broker.getvalue([data]) * self.rate(broker) for broker, data in of_somebody)

    get_value = getvalue

    def _money_moved(self, broker: CCXTBroker, worth: Decimal) -> None:
        moved = float(worth) * self.rate(broker)
        self._fund.move(moved, self.getvalue() - moved)

    def getposition(self, data: bt.AbstractDataBase, clone: bool = True) -> bt.Position:
        broker = self.of(data)
        return bt.Position() if broker is None else broker.getposition(data, clone)

    def getcommissioninfo(self, data: bt.AbstractDataBase) -> Any:
        """The account's own; its ``getsize`` takes money in ``currency``, so that ``order_target_value`` is right."""
        broker = self._must_be_of(data)
        own = broker.getcommissioninfo(data)
        is_same = broker.store.currency == self.currency
        return own if is_same else _SizedInOtherMoney(own, partial(self.rate, broker))

    def setcommission(self, *args: Any, **kwargs: Any) -> None:
        """Of every account."""
        for broker in self._brokers:
            broker.setcommission(*args, **kwargs)

    def addcommissioninfo(self, comminfo: bt.CommInfoBase, name: str | None = None) -> None:
        for broker in self._brokers:
            broker.addcommissioninfo(comminfo, name)

    def add_cash(self, cash: float) -> None:
        self._brokers[0].add_cash(cash)

    set_cash = setcash = add_cash

    def set_coc(self, coc: bool) -> None:
        self._brokers[0].set_coc(coc)

    def set_coo(self, coo: bool) -> None:
        self._brokers[0].set_coo(coo)

    # -------------------------------------------------------------- orders

    def buy(self, owner: bt.Strategy | None, data: bt.AbstractDataBase, *args: Any, **kwargs: Any) -> bt.Order:
        """By the account of ``data``; see ``CCXTBroker.buy``."""
        return self._must_be_of(data).buy(owner, data, *args, **kwargs)

    def sell(self, owner: bt.Strategy | None, data: bt.AbstractDataBase, *args: Any, **kwargs: Any) -> bt.Order:
        """By the account of ``data``; see ``CCXTBroker.sell``."""
        return self._must_be_of(data).sell(owner, data, *args, **kwargs)

    def bracket(self, data: bt.feed.DataBase, size: float, **words: Any) -> list[Any]:
        """By the account of ``data``; see ``CCXTBroker.bracket``."""
        return self._must_be_of(data).bracket(data, size, **words)

    def cancel(self, order: bt.Order | None) -> bt.Order | bool | None:
        return None if order is None else self._must_be_of(order.data).cancel(order)

    def edit(self, order: bt.Order, *args: Any, **kwargs: Any) -> bt.Order:
        return self._must_be_of(order.data).edit(order, *args, **kwargs)

    def orderstatus(self, order: bt.Order) -> int:
        return self._must_be_of(order.data).orderstatus(order)

    @property
    def orders(self) -> list[bt.Order]:
        return [order for broker in self._brokers for order in broker.orders]

    def get_orders_open(self, safe: bool = False) -> list[bt.Order]:
        return [order for broker in self._brokers for order in broker.get_orders_open(safe)]

    # -------------------------------------------------------------- news

    @property
    def arrivals(self) -> bool:
        """Whether something has come that ``next`` would apply."""
        return any(broker.arrivals for broker in self._brokers)

    @property
    def notifs(self) -> bool:
        """Whether orders have news for the strategy."""
        return any(broker.notifs for broker in self._brokers)

    def next(self) -> None:
        for broker in self._brokers:
            broker.next()

    def get_notification(self) -> bt.Order | None:
        """One loop's news of each account in turn; None ends the loop's."""
        for broker in self._told_by:
            while (order := broker.get_notification()) is not None:
                self._told_by = _first(broker, self._told_by)
                return order
        self._told_by = iter(self._brokers)
        return None


class _SizedInOtherMoney:
    """A commission info whose sizes are asked for in another currency than that of its account."""

    def __init__(self, own: bt.CommInfoBase, rate: Callable[[], float]) -> None:
        self._own, self._rate = own, rate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def getsize(self, price: float, cash: float) -> float:
        return float(self._own.getsize(price, cash / self._rate()))


def _first(broker: CCXTBroker, rest: Iterator[CCXTBroker]) -> Iterator[CCXTBroker]:
    yield broker
    yield from rest


def check_accounts(
    brokers: Mapping[str, CCXTBroker], identities: Mapping[str, Any], currency: str | None = None
) -> None:
    """Raises ConfigError for none, for accounts in different coins without one to count in, and for one given twice."""
    if not brokers:
        raise ConfigError("broker_of(): give it the stores whose accounts are traded")
    currencies = {name: broker.store.currency for name, broker in brokers.items()}
    if currency is None and len(set(currencies.values())) > 1:
        told = ", ".join(f"{name} in {each}" for name, each in currencies.items())
        raise ConfigError(
            f"cash and value of several accounts need one currency, and these count {told}: give currency="
        )
    if currency is not None and currency not in currencies.values():
        counted = ", ".join(sorted(set(currencies.values())))
        raise ConfigError(f"broker_of(currency={currency!r}): the accounts count in {counted}: give one of them")
    seen: dict[Any, str] = {}
    for name, identity in identities.items():
        if identity in seen:
            raise ConfigError(
                f"{seen[identity]} and {name} are stores on one account, whose coins would count twice: give one"
            )
        seen[identity] = name


__all__ = ["RoutingBroker", "check_accounts"]
