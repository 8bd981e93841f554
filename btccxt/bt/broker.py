"""CCXTBroker: what a backtrader strategy trades through.

Every method answers from memory at once; none waits for the network. Orders go to the store's ``OrderTracker``
(journal, then exchange); what comes back arrives as events in ``arrivals`` and is applied in ``next()``, in the
strategy's thread.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from btccxt.account.ledger import AccountLedger, AccountSnapshot
from btccxt.bt.commission import CryptoCommInfo
from btccxt.bt.compat import bt
from btccxt.bt.drift import DriftMonitor
from btccxt.bt.order_plan import Plan, Planner
from btccxt.bt.order_request import CryptoBuyOrder, CryptoSellOrder, edited, follower_of
from btccxt.bt.orders import OrderEventHandler, OrderStore
from btccxt.bt.ports import BrokerBackend
from btccxt.bt.positions import PositionBook
from btccxt.errors import ConfigError, Refused
from btccxt.model import ZERO, OrderRequest
from btccxt.orders.context import EMULATED
from btccxt.orders.tracker import OrderEvent


def source_of(data: Any) -> Any:
    """The store that a data, or the data whose bars it resamples, is of; None for those of others."""
    while not hasattr(data, "source") and hasattr(data, "data"):
        data = data.data
    return getattr(data, "source", None)


def why_elsewhere(data: Any) -> str:
    source = source_of(data)
    of = f" of {source.name}" if source is not None else ""
    name = data._name or getattr(data, "label", type(data).__name__)
    return f"{name} is data{of}: it can be watched, but is not of a market that this broker trades"


class _Positions(dict[Any, Any]):
    """Positions by data; a data that was never traded is flat, as in backtrader's own broker."""

    def __init__(self, broker: CCXTBroker) -> None:
        super().__init__()
        self._broker = broker

    def __missing__(self, data: Any) -> Any:
        return self._broker.getposition(data)


class CCXTBroker(bt.BrokerBase):
    """Broker on one account of one exchange. Made by ``store.getbroker()``.

    Sizes are base units on spot and contracts on swaps. ``getcash`` is the total of the account's currency, orders in
    the book included; ``getvalue`` adds every position at its latest price.
    """

    def __init__(self, store: BrokerBackend) -> None:
        super().__init__()
        self.store = store
        self.arrivals: deque[Any] = deque()
        self.notifs: deque[Any] = deque()
        self.orders: list[Any] = []
        self.positions = _Positions(self)
        self.startingcash = self.startingvalue = 0.0
        self._elsewhere: set[int] = set()  # ids of datas that can be watched here, not traded
        self._cerebro: Any = None
        self._books: PositionBook | None = None
        self._told: deque[str] = deque()
        self._forget_orders()

    # -------------------------------------------------------------- life

    @property
    def cerebro(self) -> Any:
        return self._cerebro

    @cerebro.setter
    def cerebro(self, cerebro: Any) -> None:
        """Set by ``cerebro.setbroker``: the store takes part in the run even where no data is its own."""
        self._cerebro = cerebro
        self.store.attach_broker(self)

    def traded_datas(self) -> list[Any]:
        """The first data of each symbol."""
        return [self.books.first_data(symbol) for symbol in self.books.symbols]

    def is_contract(self, data: Any) -> bool:
        return self.store.markets[data._dataname].is_contract

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols whose position is part of this broker's value."""
        return self.books.symbols

    def start(self) -> None:
        """Called by cerebro before the feeds start. The store is connected by then."""
        super().start()
        unacknowledged = self._end_former_run()
        ledger = AccountLedger(self.store.currency, self.store.markets)
        snapshot = self.store.account_snapshot(unacknowledged)
        ledger.reset(snapshot.balances, snapshot.positions)
        self._books = books = PositionBook(ledger)
        self._comparison = DriftMonitor(self.store, books, snapshot.asked_ms)
        self._elsewhere = {id(data) for data in self.cerebro.datas if not self._trades(data)}
        for data in self.cerebro.datas:
            if id(data) not in self._elsewhere:
                self._register(data)
        restored = self.store.restored_orders()
        for symbol, price in restored.entry_prices.items():
            if symbol in self.books.symbols and ledger.holding(symbol).amount:
                ledger.set_entry_price(symbol, price)
        # Without them what is held would be worth nothing before the first bar, and that bar look like a profit.
        held = [symbol for symbol in self.books.symbols if ledger.holding(symbol).amount]
        for symbol, price in self.store.latest_prices(held).items():
            ledger.set_price(symbol, price, as_entry=False)
        self.books.show_all()
        self._news.restore(restored, unacknowledged)
        self.startingcash = self.getcash()
        self.startingvalue = self.getvalue()

    def _end_former_run(self) -> dict[str, int]:
        """A store kept open serves several runs. Returns orders of whose end the last one was not told: id -> ref."""
        unacknowledged = self._own.open_refs()
        for order in self.notifs:
            if order is not None and not order.alive() and "client_order_id" in order.info:
                unacknowledged[order.info["client_order_id"]] = order.ref
        while self._told:
            self.store.order_told(self._told.popleft())
        self.notifs.clear()
        self.orders = []
        self._forget_orders()
        return unacknowledged

    def _forget_orders(self) -> None:
        self._own = OrderStore()
        self._news = OrderEventHandler(self, self._own)
        self._planner = Planner(self.store)
        self._unsent: list[Plan] = []  # orders of a bracket that is broken

    def stop(self) -> None:
        """Take what has arrived so far; the store ends the connections."""
        self.next()
        super().stop()

    def _trades(self, data: Any) -> bool:
        """Whether a data is of a market of this account: not another store's, nor a file, a frame ... of others."""
        source, symbol = source_of(data), data._dataname
        return (source is None or source is self.store) and isinstance(symbol, str) and symbol in self.store.markets

    def _register(self, data: Any) -> str:
        symbol = data._dataname
        if self.books.register(data, symbol):
            market = self.store.markets[symbol]
            if symbol not in self.comminfo:
                self.comminfo[symbol] = CryptoCommInfo.for_market(market, self.store.leverage(symbol))
            elif isinstance(self.comminfo[symbol], CryptoCommInfo):  # the user's; set before the markets were known
                self.comminfo[symbol].p.market = market
        return symbol

    @property
    def books(self) -> PositionBook:
        if self._books is None:
            raise ConfigError("the broker has not been started: run it in a Cerebro (cerebro.setbroker(broker))")
        return self._books

    @property
    def ledger(self) -> AccountLedger:
        """Cash, holdings and value in exact decimals."""
        return self.books.ledger

    # -------------------------------------------------------------- money

    def getcash(self) -> float:
        """Total of the account's currency, from memory."""
        return float(self.ledger.cash) if self._books is not None else 0.0

    get_cash = getcash

    def getvalue(self, datas: Any = None, mkt: bool = False, lever: bool = False) -> float:
        """Value of the account, or of the positions in ``datas`` only (what ``order_target_percent`` asks for)."""
        if self._books is None:
            return 0.0
        self._books.take_prices()
        if datas is None:
            return float(self.ledger.value)
        total = 0.0
        for data in datas:
            price = None if id(data) in self._elsewhere else self.ledger.price(self._register(data))
            if price is not None:
                total += self.getcommissioninfo(data).getvalue(self.getposition(data), float(price))
        return total

    get_value = getvalue

    def get_fundvalue(self) -> float:
        return self.getvalue()

    fundvalue = property(get_fundvalue)

    def getfree(self, currency: str | None = None) -> float:
        """What is left of a currency beyond our own open orders."""
        currency = currency or self.store.currency
        return float(self._own.free(currency, self.ledger.totals.get(currency, ZERO), self.store.markets))

    def getposition(self, data: Any, clone: bool = True) -> Any:
        """Backtrader position of a data's symbol: all of the account's, whoever opened it."""
        if id(data) in self._elsewhere:
            return bt.Position()
        view = self.books.position(data._dataname)
        return view.clone() if clone else view

    def getcommissioninfo(self, data: Any) -> Any:
        """By the data's name if the user set one, else by its symbol, else the default."""
        return self.comminfo.get(data._name) or self.comminfo.get(data._dataname) or self.comminfo[None]

    def add_cash(self, cash: float) -> None:
        """Real accounts are funded at the exchange."""
        raise ConfigError(
            "cash of an exchange account cannot be set; in paper and sim mode give CCXTStore(balance=...)"
        )

    set_cash = setcash = add_cash

    def setcommission(self, commission: float = 0.0, name: str | None = None, **kwargs: Any) -> None:
        """Overrule the rate of the market list for estimates; real fees come with each fill."""
        leverage, mult = kwargs.get("leverage", 1.0), kwargs.get("mult", 1.0)
        markets = self.store.markets if self._books is not None else {}
        self.comminfo[name] = CryptoCommInfo(
            commission=commission,
            mult=mult,
            leverage=leverage,
            stocklike=not kwargs.get("margin") and kwargs.get("stocklike", True),
            market=markets.get(name or ""),
        )

    # -------------------------------------------------------------- orders out

    def buy(
        self, owner, data, size, price=None, plimit=None, exectype=None, valid=None, tradeid=0, oco=None,
        trailamount=None, trailpercent=None, parent=None, transmit=True, histnotify=False, _checksubmit=True, **kwargs,
    ):  # fmt: skip
        """Place a buy order; returns it at once. See ``bt_order.Keywords`` for what btccxt adds."""
        order = CryptoBuyOrder(
            owner=owner, data=data, size=size, price=price, pricelimit=plimit, exectype=exectype, valid=valid,
            tradeid=tradeid, oco=oco, trailamount=trailamount, trailpercent=trailpercent, parent=parent,
            transmit=transmit, histnotify=histnotify,
        )  # fmt: skip
        return self._place(order, kwargs)

    def sell(
        self, owner, data, size, price=None, plimit=None, exectype=None, valid=None, tradeid=0, oco=None,
        trailamount=None, trailpercent=None, parent=None, transmit=True, histnotify=False, _checksubmit=True, **kwargs,
    ):  # fmt: skip
        """Place a sell order; returns it at once. See ``bt_order.Keywords`` for what btccxt adds."""
        order = CryptoSellOrder(
            owner=owner, data=data, size=size, price=price, pricelimit=plimit, exectype=exectype, valid=valid,
            tradeid=tradeid, oco=oco, trailamount=trailamount, trailpercent=trailpercent, parent=parent,
            transmit=transmit, histnotify=histnotify,
        )  # fmt: skip
        return self._place(order, kwargs)

    def _place(self, order: Any, kwargs: dict[str, Any]) -> Any:
        self.orders.append(order)
        order.addcomminfo(self.getcommissioninfo(order.data))
        order.submit(self)
        try:
            if id(order.data) in self._elsewhere:
                raise Refused(why_elsewhere(order.data))
            symbol = self._register(order.data)
            leader = self._leader(order)
            plan = self._planner.plan(order, self.store.markets[symbol], kwargs, leader)
            plans = [] if self._planner.is_broken(order) else self._planner.collect(plan)
        except Refused as refusal:
            self.notify(order)
            self._reject(order, refusal.reasons, "rules")
        else:
            if self._planner.is_broken(order) and not plans:
                self._unsent.append(plan)
            for each in plans:
                self._send(each)
        self._give_up_bracket(order)
        return order

    def _leader(self, order: Any) -> OrderRequest | None:
        """The intent of the order given as ``oco``."""
        if order.oco is None:
            return None
        if not isinstance(order.oco, bt.Order):
            raise Refused(f"oco={order.oco!r}: give the order that buy() or sell() returned")
        leader = self._own.request(order.oco)
        if leader is None:
            raise Refused(f"oco: order {order.oco.ref} has ended already, or was never sent")
        return leader

    def _send(self, plan: Plan) -> None:
        order, request = plan.order, plan.request
        missing = None
        if not plan.waits:
            missing = self._own.missing_funds(order, request, self.ledger.totals, self.store.markets)
        if missing is not None:
            self.notify(order)
            order.addinfo(reasons=(missing,))
            order.margin()
            self.store.order_refused("funds")
            self.notify(order)
            return
        order.addinfo(client_order_id=request.client_order_id)
        if EMULATED in plan.context:
            order.addinfo(emulated=plan.context[EMULATED])
        self._own.add(order, request, waits=plan.waits, expires_ms=plan.expires_here_ms)
        self.store.submit_order(request, plan.context)  # before all else that can wait
        self.notify(order)

    def _give_up_bracket(self, order: Any) -> None:
        plans, why = self._planner.give_up(order)
        for plan in (*plans, *(self._unsent if why else ())):
            self.notify(plan.order)
            self._reject(plan.order, (why,), "bracket")
        if why:
            self._unsent.clear()

    def cancel(self, order: Any) -> Any:
        """Ask for a cancel. The order stays alive until the exchange has confirmed; it may still fill."""
        if order is None or not order.alive():
            return None
        client_order_id = order.info.get("client_order_id")
        if not self._own.is_open(client_order_id):
            return None
        self.store.cancel_order(client_order_id)
        return order

    def edit(
        self, order: Any, size: float | None = None, price: float | None = None, plimit: float | None = None
    ) -> Any:
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
        self.orders.append(follower)
        self._own.add(follower, request, waits=True, expires_ms=self._own.expires_ms(order))
        self.store.edit_order(name, request, follows=True)
        self.notify(follower)
        return follower

    def _edited(self, order: Any, size: float | None, price: float | None, plimit: float | None) -> OrderRequest:
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
        if reasons := self.store.order_refusals(changed):
            raise Refused(reasons)
        return changed

    def orderstatus(self, order: Any) -> int:
        live = next((known for known in self.orders if known.ref == order.ref), order)
        return live.status

    def get_orders_open(self, safe: bool = False) -> list[Any]:
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
        if self._own.some_expire:
            self._expire()
        if self._books is not None and not self._books.all_seeded:
            for seed in self._books.seeds(self.getcommissioninfo):
                self.notify(seed)
        self.notifs.append(None)  # one loop's worth of notifications ends here

    def notify(self, order: Any) -> None:
        self.notifs.append(order.clone())

    def get_notification(self) -> Any:
        if not self.notifs:
            return None
        order = self.notifs.popleft()
        if order is not None and not order.alive() and "client_order_id" in order.info:
            self._told.append(order.info["client_order_id"])
        return order

    def _reject(self, order: Any, reasons: tuple[str, ...], kind: str) -> None:
        self.store.order_refused(kind)
        order.addinfo(reasons=tuple(reasons))
        order.reject(self)
        self.notify(order)

    def _expire(self) -> None:
        for client_order_id, order in self._own.take_expired(self.store.now_ms()):
            order.addinfo(expired_here=True)
            self.store.cancel_order(client_order_id)
