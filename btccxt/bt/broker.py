"""CCXTBroker: what a backtrader strategy trades through.

Every method answers from memory at once; none waits for the network. Orders go to the store's ``OrderTracker``
(journal, then exchange); what comes back arrives as events in ``arrivals`` and is applied in ``next()``, in the
strategy's thread.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from btccxt.account.ledger import AccountLedger, AccountSnapshot, RunBegins
from btccxt.bt.broker_commission import CommissionBroker
from btccxt.bt.coins import CoinDesk
from btccxt.bt.commission import CryptoCommInfo
from btccxt.bt.compat import bt
from btccxt.bt.data_source import source_of, why_elsewhere
from btccxt.bt.drift import DriftMonitor
from btccxt.bt.former_calls import FormerCalls
from btccxt.bt.fund import measure_shares
from btccxt.bt.order_request import CryptoBuyOrder, CryptoSellOrder, edited, follower_of
from btccxt.bt.order_words import make_plain
from btccxt.bt.orders import OrderEventHandler, OrderStore
from btccxt.bt.percent_bracket import PercentBracket
from btccxt.bt.placing import OrderPlacement
from btccxt.bt.ports import BrokerBackend
from btccxt.bt.positions import PositionBook, PositionsByData
from btccxt.bt.risk_desk import RiskDesk
from btccxt.bt.shadow import ShadowBook
from btccxt.bt.warmup import BarAges, feed_of, live_now
from btccxt.bt.warmup_policy import Then, WarmUp, WarmUpPolicy
from btccxt.errors import ConfigError, Refused
from btccxt.model import ZERO, FundingPayment, OrderRequest, decimal_of
from btccxt.notices import NoticeKind, StoreNotice, WarmUpEnded
from btccxt.orders.risk import reduces
from btccxt.orders.tracker import OrderEvent

_NOT_STARTED = "the broker has not been started: run it in a Cerebro (cerebro.setbroker(broker))"


class CCXTBroker(PercentBracket, FormerCalls, CommissionBroker):
    """Broker on one account of one exchange. Made by ``store.getbroker()``.

    Sizes are base units on spot and contracts on swaps. ``getcash`` is the total of the account's currency, orders in
    the book included; ``getvalue`` adds every position at its latest price.
    """

    def __init__(self, store: BrokerBackend) -> None:
        super().__init__(store)
        self.arrivals: deque[OrderEvent | AccountSnapshot | RunBegins] = deque()
        self.notifs: deque[bt.Order | None] = deque()
        self.on_money: Callable[[Decimal], None] | None = None
        """Hears what came (or, negative, went), in the account's currency."""
        self.positions = PositionsByData(self.getposition)
        self.startingcash = self.startingvalue = 0.0
        self._policy = WarmUpPolicy()
        self._shadow: ShadowBook | None = None
        self._placement: OrderPlacement | None = None
        self._tradable: set[int] = set()  # ids of datas of this account's markets
        self._elsewhere: set[int] = set()  # ids of datas that can be watched here, not traded
        self._cerebro: bt.Cerebro = None  # type: ignore[assignment]  # until ``cerebro.setbroker``
        self._told: deque[str] = deque()
        self._forget_orders()

    # -------------------------------------------------------------- life

    @property
    def cerebro(self) -> bt.Cerebro:
        return self._cerebro

    @cerebro.setter
    def cerebro(self, cerebro: bt.Cerebro) -> None:
        """Set by ``cerebro.setbroker``: the store takes part in the run even where no data is its own."""
        self._cerebro = cerebro
        self.store.attach_broker(self)

    def traded_datas(self) -> list[bt.AbstractDataBase]:
        """The first data of each symbol."""
        firsts = (self.books.first_data(symbol) for symbol in self.books.symbols)
        return [data for data in firsts if data is not None]

    def is_contract(self, data: bt.AbstractDataBase) -> bool:
        return self.store.markets[data._dataname].is_contract

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols whose position is part of this broker's value."""
        return self.books.symbols

    def start(self) -> None:
        """Called by cerebro before the feeds start. The store is connected by then."""
        super().start()
        unacknowledged = self._end_former_run()
        self._markets = self.store.markets
        ledger = AccountLedger(self.store.currency, self._markets)
        snapshot = self.store.account_snapshot(unacknowledged)
        ledger.reset(snapshot.balances, snapshot.positions)
        self._books = books = PositionBook(ledger)
        self._comparison = DriftMonitor(self.store, books, snapshot.asked_ms, self._money_moved, self._funding_paid)
        self._tradable = set()
        self._elsewhere = {id(data) for data in self.cerebro.datas if not self._trades(data)}
        for data in self.cerebro.datas:
            if id(data) not in self._elsewhere:
                self._register(data)
        self._refuse_history()
        restored = self.store.restored_orders()
        for symbol, price in restored.entry_prices.items():
            if symbol in self.books.symbols and ledger.holding(symbol).amount:
                ledger.set_entry_price(symbol, price)
        self._coins = CoinDesk(self.store, books, self.also_priced)
        self._coins.begin([name for name in self.books.names if ledger.holding(name).amount])
        self.books.show_all()
        self._news.restore(restored, unacknowledged)
        self._placement = OrderPlacement(self, self._own, self._ages, self._desk, self.store.order_desk())
        self._shadow = None
        self.startingcash = self.getcash()
        self.startingvalue = self.getvalue()
        self._fund.begin(self.startingvalue)
        if self._policy.warmup is WarmUp.SHADOW:
            self._shadow = ShadowBook(self.cerebro, self.store.markets, self.startingvalue, self.comminfo)

    def _refuse_history(self) -> None:
        """Raises ConfigError where there is nothing live of what would be traded."""
        datas = [data for data in self.cerebro.datas if id(data) not in self._elsewhere]
        past = [data for data in datas if getattr(feed_of(data).p, "historical", False)]
        if past and len(past) == len(datas):
            raise ConfigError(
                f"{past[0]._dataname}: historical=True and a broker that sends orders: history would be traded at "
                "today's price. For a backtest use cerebro.setbroker(store.backtest_broker()); to trade, "
                "leave historical out"
            )

    def warm_up(self, policy: WarmUpPolicy) -> None:
        """How orders of old bars are treated, from the next run on."""
        self._policy = policy
        self._forget_orders()

    def warm_up_facts(self) -> dict[str, Any]:
        """For ``health()``: which world counts."""
        facts: dict[str, Any] = {
            "mode": self._policy.warmup.value, "world": "exchange" if self._shadow is None else "shadow",
            "refused": self._ages.refused_so_far,
        }  # fmt: skip
        if self._shadow is not None:
            facts["shadow_positions"] = {data._dataname: size for data, size in self._shadow.held()}
        return facts

    def _end_former_run(self) -> dict[str, int]:
        """A store kept open serves several runs. Returns orders of whose end the last one was not told: id -> ref."""
        unacknowledged = self._own.open_refs()
        for order in self.notifs:
            if order is not None and not order.alive() and "client_order_id" in order.info:
                unacknowledged[order.info["client_order_id"]] = order.ref
        while self._told:
            self.store.order_told(self._told.popleft())
        self.notifs.clear()
        self._forget_orders()
        return unacknowledged

    def _forget_orders(self) -> None:
        self._own = OrderStore()
        self._news = OrderEventHandler(self, self._own)
        self._ages = BarAges(self._policy, self.store)
        self._desk = RiskDesk(self, self.store.risk_limits, self.store.trading)
        self._placement = None

    def stop(self) -> None:
        """Take what has arrived so far; the store ends the connections."""
        if self._placement is not None:
            self._placement.give_up_waiting("the run has ended, and it had not been sent")
        self.next()
        self._shadow = None
        super().stop()

    def _trades(self, data: bt.AbstractDataBase) -> bool:
        """Whether a data is of a market of this account: not another store's, nor a file, a frame ... of others."""
        source, symbol = source_of(data), data._dataname
        return (source is None or source is self.store) and isinstance(symbol, str) and symbol in self._markets

    def _register(self, data: bt.AbstractDataBase) -> str:
        symbol: str = data._dataname
        if self.books.register(data, symbol):
            own = self.comminfo.get(symbol)
            if isinstance(own, CryptoCommInfo) and own.p.market is None:  # set before the markets were known
                own.p.market = self._markets[symbol]
        return symbol

    def why_not_tradable(self, data: bt.AbstractDataBase) -> str | None:
        """None for a data of a market of this account, which is registered then."""
        if id(data) in self._tradable:
            return None
        if id(data) in self._elsewhere or not self._trades(data):
            return why_elsewhere(data)
        self._register(data)
        self._tradable.add(id(data))
        return None

    def latest_price(self, data: bt.AbstractDataBase) -> Decimal | None:
        """The close of its newest bar, else the last price known."""
        if len(data) and math.isfinite(data.close[0]):
            return decimal_of(data.close[0])
        return self.ledger.price(data._dataname)

    @property
    def books(self) -> PositionBook:
        if self._books is None:
            raise ConfigError(_NOT_STARTED)
        return self._books

    @property
    def ledger(self) -> AccountLedger:
        """Cash, holdings and value in exact decimals."""
        return self.books.ledger

    # -------------------------------------------------------------- money

    def getcash(self) -> float:
        """Total of the account's currency, from memory."""
        if self._shadow is not None:
            return float(self._shadow.broker.getcash())
        return float(self._books.ledger.cash) if self._books is not None else 0.0

    get_cash = getcash

    def getvalue(
        self, datas: Sequence[bt.AbstractDataBase] | None = None, mkt: bool = False, lever: bool = False
    ) -> float:
        """Value of the account, or the signed exposure of ``datas`` only (what ``order_target_percent`` asks for)."""
        if self._books is None:
            return 0.0
        if self._shadow is not None:
            return float(self._shadow.broker.getvalue(datas))
        self._books.take_prices()
        self._coins.take_prices()
        if datas is None:
            return float(self._books.ledger.value)
        total = 0.0
        for data in datas:
            price = None if id(data) in self._elsewhere else self.ledger.price(self._register(data))
            if price is not None:
                position = self.getposition(data)
                value = self.getcommissioninfo(data).getvalue(position, float(price))
                total += math.copysign(value, position.size)  # a short contract counts against the value
        return total

    get_value = getvalue

    def _funding_paid(self, payments: Sequence[FundingPayment]) -> None:
        for payment in payments:
            self.books.pay_into_trades(payment, self.cerebro.runningstrats)

    def _money_moved(self, worth: Decimal, value_before: Decimal) -> None:
        """It is no profit: the shares change, returns are of a share from now on, the strategy hears of its cash."""
        self._fund.move(float(worth), float(value_before))
        if self.on_money is not None:
            self.on_money(worth)
        for strategy in self.cerebro.runningstrats:
            measure_shares([*strategy.analyzers, *strategy._slave_analyzers])
            strategy.notify_cashvalue(strategy.broker.getcash(), strategy.broker.getvalue())

    def getfree(self, currency: str | None = None) -> float:
        """What is left of a currency beyond our own open orders."""
        currency = currency or self.store.currency
        return float(self._own.free(currency, self.ledger.totals.get(currency, ZERO), self.store.markets))

    def getposition(self, data: bt.AbstractDataBase, clone: bool = True) -> bt.Position:
        """Backtrader position of a data's symbol: all of the account's, whoever opened it."""
        if id(data) in self._elsewhere:
            return bt.Position()
        if self._shadow is not None:
            return self._shadow.broker.getposition(data)
        view = self.books.position(data._dataname)
        return view.clone() if clone else view

    def add_cash(self, cash: float) -> None:
        """Real accounts are funded at the exchange."""
        raise ConfigError(
            "cash of an exchange account cannot be set; in paper and sim mode give CCXTStore(balance=...)"
        )

    set_cash = setcash = add_cash

    def set_coc(self, coc: bool) -> None:
        """Cheat-on-close. Raises ConfigError for True: nobody sells a price that is past."""
        if coc:
            raise ConfigError(
                "set_coc(True): the closing price is past when next() sees it; use Market, or Limit at it"
            )

    def set_coo(self, coo: bool) -> None:
        """Cheat-on-open. Raises ConfigError for True."""
        if coo:
            raise ConfigError(
                "set_coo(True): the opening price is not known before the bar opens; use Market in next()"
            )

    # -------------------------------------------------------------- orders out

    def buy(
        self, owner: bt.Strategy | None, data: bt.AbstractDataBase, size: float, price: float | None = None,
        plimit: float | None = None, exectype: int | None = None, valid: Any = None, tradeid: int = 0,
        oco: bt.Order | None = None, trailamount: float | None = None, trailpercent: float | None = None,
        parent: bt.Order | None = None, transmit: bool = True, histnotify: bool = False, _checksubmit: bool = True,
        **kwargs: Any,
    ) -> bt.Order:  # fmt: skip
        """Place a buy order; returns it at once. See ``bt_order.Keywords`` for what btccxt adds."""
        given = {
            "owner": owner, "data": data, "size": size, "price": price, "pricelimit": plimit, "exectype": exectype,
            "valid": valid, "tradeid": tradeid, "oco": oco, "trailamount": trailamount, "trailpercent": trailpercent,
            "parent": parent, "transmit": transmit, "histnotify": histnotify,
        }  # fmt: skip
        return self._place(True, given, kwargs)

    def sell(
        self, owner: bt.Strategy | None, data: bt.AbstractDataBase, size: float, price: float | None = None,
        plimit: float | None = None, exectype: int | None = None, valid: Any = None, tradeid: int = 0,
        oco: bt.Order | None = None, trailamount: float | None = None, trailpercent: float | None = None,
        parent: bt.Order | None = None, transmit: bool = True, histnotify: bool = False, _checksubmit: bool = True,
        **kwargs: Any,
    ) -> bt.Order:  # fmt: skip
        """Place a sell order; returns it at once. See ``bt_order.Keywords`` for what btccxt adds."""
        given = {
            "owner": owner, "data": data, "size": size, "price": price, "pricelimit": plimit, "exectype": exectype,
            "valid": valid, "tradeid": tradeid, "oco": oco, "trailamount": trailamount, "trailpercent": trailpercent,
            "parent": parent, "transmit": transmit, "histnotify": histnotify,
        }  # fmt: skip
        return self._place(False, given, kwargs)

    def _place(self, is_buy: bool, kwargs: dict[str, Any], own_words: dict[str, Any]) -> bt.Order:
        reasons = make_plain(kwargs)
        if self._shadow is not None and kwargs["owner"] is not None:
            kwargs["plimit"] = kwargs.pop("pricelimit")
            return self._shadow.place(is_buy, kwargs | own_words)
        order = (CryptoBuyOrder if is_buy else CryptoSellOrder)(**kwargs)
        if self._placement is None:
            raise ConfigError(_NOT_STARTED)
        return self._placement.place(order, own_words, [*reasons, *own_words.pop("refused", ())])

    def cancel(self, order: bt.Order | None) -> bt.Order | bool | None:
        """Ask for a cancel. The order stays alive until the exchange has confirmed; it may still fill."""
        if order is None or not order.alive():
            return None
        if self._shadow is not None and "shadow" in order.info:
            return self._shadow.broker.cancel(order)
        if self._placement is not None and self._placement.cancel_waiting(order):
            return order
        client_order_id = order.info.get("client_order_id")
        if not self._own.is_open(client_order_id):
            return None
        self._own.is_ending(order)
        self.store.cancel_order(client_order_id)
        return order

    def edit(
        self, order: bt.Order, size: float | None = None, price: float | None = None, plimit: float | None = None
    ) -> bt.Order:
        """Change an order that rests at the exchange. ``size`` is the whole size, what is filled included.

        Returns the order that counts from now on: the same one where the exchange can change orders (its figures change
        when that is confirmed, and it is notified), else a new one for the rest, which is sent when the end of the
        first is confirmed. What cannot be done leaves the order as it is; ``order.info.notes`` says what was done.
        """
        try:
            request = self._edited(order, size, price, plimit)
        except Refused as refusal:
            order.addinfo(notes=(*(order.info.get("notes") or ()), f"edit not done: {refusal}"))
            self.notify(order)
            return order
        name = order.info["client_order_id"]
        if self.store.edits_natively:
            self.store.edit_order(name, request)
            return order
        follower = follower_of(order, request)
        follower.addcomminfo(self.getcommissioninfo(order.data))
        follower.submit(self)
        follower.addinfo(client_order_id=request.client_order_id, follows=order.ref)
        order.addinfo(followed_by=follower.ref)
        self._own.note(follower)
        self._own.add(follower, request, waits=True, expires_ms=self._own.expires_ms(order))
        self.store.edit_order(name, request, follows=True)
        self.notify(follower)
        return follower

    def _edited(self, order: bt.Order, size: float | None, price: float | None, plimit: float | None) -> OrderRequest:
        """Raises Refused with every reason."""
        request = self._own.request(order)
        if request is None or not order.alive():
            raise Refused("the order has ended, or was never sent")
        if self._own.waits(order) or not order.info.get("exchange_order_id"):
            raise Refused("the order is not at the exchange; cancel it and place another")
        followed_by = order.info.get("followed_by")
        if any(other.ref == followed_by and other.alive() for other in self.orders):
            raise Refused(f"order {followed_by} is to follow it already")
        if self._own.is_tied(order) and (size is not None or not self.store.edits_natively):
            raise Refused("the order is tied to others (bracket, oco); cancel them and place them anew")
        market = self.store.markets[request.symbol]
        changed = edited(
            order, request, market, self.store.next_client_order_id(), size=size, price=price, plimit=plimit
        )
        position = self.ledger.holding(request.symbol).amount
        exits = order.parent is not None or request.reduce_only or reduces(request.side, changed.amount, position)
        reasons = self.store.order_refusals(changed)
        reasons += self._desk.refusals(changed, self.latest_price(order.data), exits, self._own)
        if reasons:
            raise Refused(reasons)
        return changed

    @property
    def orders(self) -> list[bt.Order]:
        """Every order of this run, oldest first; of those that ended long ago the latest ten thousand at least."""
        return self._own.orders

    def orderstatus(self, order: bt.Order) -> int:
        live = next((known for known in self.orders if known.ref == order.ref), order)
        return live.status

    def get_orders_open(self, safe: bool = False) -> list[bt.Order]:
        """Orders that may still fill; with ``safe`` copies that cannot change."""
        alive = [order for order in self.orders if order.alive()]
        return [order.clone() for order in alive] if safe else alive

    # -------------------------------------------------------------- news in

    def next(self) -> None:
        """Apply everything that arrived. Called by cerebro in every loop, bar or not."""
        while self._told:  # notified in an earlier loop, so the strategy has heard of these ends
            self.store.order_told(self._told.popleft())
        while self.arrivals:
            event = self.arrivals.popleft()
            if isinstance(event, OrderEvent):
                self._news.apply(event)
            elif isinstance(event, AccountSnapshot):
                self._comparison.compare(event)
        if self._books is not None and self._books.ledger.coins_changed:
            self._coins.follow()
        if self._own.some_expire:
            self._expire()
        if self._own.some_fire:
            for name in self._own.take_fired(self.store.now_ms()):
                self.store.fire_order(name)
        if self._own.trailing:
            self._own.follow_prices()
        if self._placement is not None:
            self._desk.new_day()
            self._placement.look_at_waiting()
        if self._ages.has_to_tell:
            self._ages.tell()
        if self._shadow is not None:
            self._next_in_shadow(self._shadow)
        elif self._books is not None and not self._books.all_seeded:
            for seed in self._books.seeds(self.getcommissioninfo):
                self.notify(seed)
        self.notifs.append(None)  # one loop's worth of notifications ends here

    def _next_in_shadow(self, shadow: ShadowBook) -> None:
        """Backtrader's own broker goes on by a bar; where the time has come, orders count from now on."""
        shadow.next()
        if live_now(self.traded_datas(), self._ages):
            adopts = self._policy.then is Then.ADOPT
            if adopts or shadow.is_flat:
                shadow.cancel_all()
                held = shadow.held() if adopts else []
                self.notifs.extend(shadow.news())
                for order in shadow.closing_orders():
                    self.notify(order)
                self._shadow = None
                self._begin_live(held)
                return
        self.notifs.extend(shadow.news())

    def _begin_live(self, held: list[tuple[bt.AbstractDataBase, float]]) -> None:
        owner = self.cerebro.runningstrats[0] if self.cerebro.runningstrats else None
        orders = []
        for data, size in held:
            if missing := size - self.getposition(data).size:
                orders.append((self.buy if missing > 0 else self.sell)(owner, data, abs(missing), adopted=True))
        bought = f"; its position is bought: orders {', '.join(str(order.ref) for order in orders)}" if orders else ""
        text = f"the shadow book is left, orders count at the exchange from now on{bought}"
        notice = WarmUpEnded(self.store.currency, tuple(order.ref for order in orders))
        self.store.put_notification(StoreNotice(NoticeKind.WARM_UP, text, notice))

    def notify(self, order: bt.Order) -> None:
        self.notifs.append(order.clone())

    def get_notification(self) -> bt.Order | None:
        if not self.notifs:
            return None
        order = self.notifs.popleft()
        if order is not None and not order.alive() and "client_order_id" in order.info:
            self._told.append(order.info["client_order_id"])
        return order

    def _expire(self) -> None:
        for client_order_id, order in self._own.take_expired(self.store.now_ms()):
            order.addinfo(expired_here=True)
            self.store.cancel_order(client_order_id)
