"""CCXTBroker: what a backtrader strategy trades through.

Every method answers from memory at once; none waits for the network. Orders go to the store's ``OrderTracker``
(journal, then exchange); what comes back arrives as events in ``arrivals`` and is applied in ``next()``, in the
strategy's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from btccxt._bt import bt
from btccxt.account import AccountLedger, Drift
from btccxt.bookkeeping import Bookkeeper
from btccxt.broker_backend import AccountSnapshot, BrokerBackend
from btccxt.bt_edit import edited, follower_of, take_figures
from btccxt.bt_order import CryptoBuyOrder, CryptoSellOrder, order_of, take_ref
from btccxt.commission import CryptoCommInfo
from btccxt.errors import BtccxtError, ConfigError, Refused
from btccxt.holdings import funding_that_explains, told, unexplained
from btccxt.model import ZERO, Market, OrderRequest, Side, decimal_of
from btccxt.orders.desk import WATCH
from btccxt.orders.lifecycle import LifecycleState, LiveOrder
from btccxt.orders.tracker import OrderEvent, RestoredState
from btccxt.placing import EXPIRES, Plan, Planner

_FINAL_STATUS = {
    LifecycleState.FILLED: bt.Order.Completed,
    LifecycleState.CANCELED: bt.Order.Canceled,
    LifecycleState.EXPIRED: bt.Order.Expired,
    LifecycleState.REJECTED: bt.Order.Rejected,
}
_ON_EXCHANGE = {LifecycleState.OPEN, LifecycleState.PARTIALLY_FILLED}


class _Positions(dict):
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
        self._books: Bookkeeper | None = None
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
        untold = self._end_former_run()
        ledger = AccountLedger(self.store.currency, self.store.markets)
        snapshot = self.store.account_snapshot(untold)
        ledger.reset(snapshot.balances, snapshot.positions)
        self._agreed_ms = snapshot.asked_ms
        self._books = Bookkeeper(ledger)
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
        self._restore(restored, untold)
        self.startingcash = self.getcash()
        self.startingvalue = self.getvalue()

    def _end_former_run(self) -> dict[str, int]:
        """A store kept open serves several runs. Returns orders of whose end the last one was not told: id -> ref."""
        untold = {name: order.ref for name, order in self._open.items()}
        for order in self.notifs:
            if order is not None and not order.alive() and "client_order_id" in order.info:
                untold[order.info["client_order_id"]] = order.ref
        while self._told:
            self.store.order_told(self._told.popleft())
        self.notifs.clear()
        self.orders = []
        self._forget_orders()
        return untold

    def _forget_orders(self) -> None:
        self._known: dict[str, Any] = {}  # client order id -> backtrader order, ended ones too: late fills count
        self._open: dict[str, Any] = {}  # those of them that may still fill
        self._requests: dict[int, OrderRequest] = {}  # ref -> intent of every order that is not final
        self._expiries: dict[int, int] = {}  # ref -> ms, for orders whose validity is kept here
        self._planner = Planner(self.store)
        self._unsent: list[Plan] = []  # orders of a bracket that is broken
        self._waiting: set[int] = set()  # refs of orders that wait on this machine and bind no money
        self._drift: tuple[Drift, ...] = ()
        self._fills_at_drift = 0
        self._agreed_ms = 0  # when both sides had the same figures last

    def stop(self) -> None:
        """Take what has arrived so far; the store ends the connections."""
        self.next()
        super().stop()

    def _trades(self, data: Any) -> bool:
        """Whether a data is of a market of this account: not another store's, nor a file, a frame ... of others."""
        source, symbol = _source(data), data._dataname
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
    def books(self) -> Bookkeeper:
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
        return float(self._free(currency or self.store.currency))

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
                raise Refused(_why_elsewhere(order.data))
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
        leader = self._requests.get(order.oco.ref)
        if leader is None:
            raise Refused(f"oco: order {order.oco.ref} has ended already, or was never sent")
        return leader

    def _send(self, plan: Plan) -> None:
        order, request = plan.order, plan.request
        missing = None if plan.waits else self._missing_funds(request, self.store.markets[request.symbol], order)
        if missing is not None:
            self.notify(order)
            order.addinfo(reasons=(missing,))
            order.margin()
            self.store.order_refused("funds")
            self.notify(order)
            return
        order.addinfo(client_order_id=request.client_order_id)
        if WATCH in plan.context:
            order.addinfo(emulated=plan.context[WATCH])
        if plan.waits:
            self._waiting.add(order.ref)
        if plan.expires_here_ms is not None:
            self._expiries[order.ref] = plan.expires_here_ms
        self._known[request.client_order_id] = self._open[request.client_order_id] = order
        self._requests[order.ref] = request
        self.store.submit_order(request, plan.context)  # before all else that can wait
        self.notify(order)

    def _give_up_bracket(self, order: Any) -> None:
        plans, why = self._planner.give_up(order)
        for plan in (*plans, *(self._unsent if why else ())):
            self.notify(plan.order)
            self._reject(plan.order, (why,), "bracket")
        if why:
            self._unsent.clear()

    def _missing_funds(self, request: OrderRequest, market: Market, order: Any) -> str | None:
        """The shortfall that the exchange would refuse, or None. Contracts follow the exchange's own margin rules."""
        if market.is_contract:
            return None
        if request.side is Side.SELL:
            needed, currency = request.amount, market.base
        else:
            price = request.price or request.trigger_price or decimal_of(order.created.price)
            needed, currency = request.amount * price, market.quote
        free = self._free(currency)
        if needed <= free:
            return None
        bound = self.ledger.totals.get(currency, ZERO) - free
        tail = f"; {bound.normalize():f} bound by open orders" if bound else ""
        return f"needs {needed.normalize():f} {currency}, {max(free, ZERO).normalize():f} free{tail}"

    def _free(self, currency: str) -> Decimal:
        free = self.ledger.totals.get(currency, ZERO)
        for order in self._open.values():
            request = self._requests.get(order.ref)
            if request is None or order.ref in self._waiting:
                continue
            market = self.store.markets[request.symbol]
            if market.is_contract:
                continue
            rest = decimal_of(abs(order.executed.remsize))
            if request.side is Side.SELL and market.base == currency:
                free -= rest
            elif request.side is Side.BUY and market.quote == currency:
                price = request.price or request.trigger_price or decimal_of(order.created.price)
                free -= rest * price
        return free

    def cancel(self, order: Any) -> Any:
        """Ask for a cancel. The order stays alive until the exchange has confirmed; it may still fill."""
        if order is None or not order.alive():
            return None
        client_order_id = order.info.get("client_order_id")
        if client_order_id is None or client_order_id not in self._open:
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
        self._waiting.add(follower.ref)
        if order.ref in self._expiries:
            self._expiries[follower.ref] = self._expiries[order.ref]
        self.orders.append(follower)
        self._known[request.client_order_id] = self._open[request.client_order_id] = follower
        self._requests[follower.ref] = request
        self.store.edit_order(name, request)
        self.notify(follower)
        return follower

    def _edited(self, order: Any, size: float | None, price: float | None, plimit: float | None) -> OrderRequest:
        """Raises Refused with every reason."""
        request = self._requests.get(order.ref)
        if request is None or not order.alive():
            raise Refused("the order has ended, or was never sent")
        if order.ref in self._waiting or not order.info.get("exchange_order_id"):
            raise Refused("the order is not at the exchange; cancel it and place another")
        tied = order.parent is not None or order.oco is not None
        tied = tied or any(other.parent is order or other.oco is order for other in self._open.values())
        if tied and (size is not None or not self.store.edits_natively):
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
                self._apply(event)
            elif isinstance(event, AccountSnapshot):
                self._compare(event)
        if self._expiries:
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

    def _apply(self, event: OrderEvent) -> None:
        live = event.order
        order = self._known.get(live.request.client_order_id)
        if order is None and live.external and self.books.first_data(live.symbol) is None:
            return  # somebody else's, in a market that this cerebro does not look at
        order = order or self._adopt(live)
        known, noted = self._requests.get(order.ref), order.info.get("notes") or ()
        self._copy_info(order, live)
        if known is not live.request and known is not None:
            self._requests[order.ref] = live.request
            if known != live.request:
                take_figures(order, live.request)
        if live.notes and any(note.startswith("edit") and note not in noted for note in live.notes):
            self.notify(order)
        waits_here = live.held and live.state is LifecycleState.JOURNALED
        if not live.held:
            self._waiting.discard(order.ref)
        if order.status == bt.Order.Submitted and (live.state in _ON_EXCHANGE or event.fills or waits_here):
            order.accept(self)
            self.notify(order)
        for fill in event.fills:
            self.books.execute(order, fill, live.request.amount)
            self.notify(order)
        for correction in event.corrections:
            self.books.correct(order, correction)
        final = _FINAL_STATUS.get(live.state)
        if final is not None and live.request.client_order_id in self._open:
            self._finish(order, live, final, notified=bool(event.fills) and order.status == final)

    def _finish(self, order: Any, live: LiveOrder, status: int, notified: bool) -> None:
        if status == bt.Order.Canceled and order.info.get("expired_here"):
            status = bt.Order.Expired
        client_order_id = live.request.client_order_id
        changed = order.status != status
        self._open.pop(client_order_id, None)
        self._requests.pop(order.ref, None)
        self._expiries.pop(order.ref, None)
        if changed:
            order.status = status
            if not order.p.simulated and len(order.data):
                order.executed.dt = order.executed.dt or order.data.datetime[0]
        if changed or not notified:
            self.notify(order)

    @staticmethod
    def _copy_info(order: Any, live: LiveOrder) -> None:
        news: dict[str, Any] = {
            "exchange_order_id": live.order_id,
            "raw_status": live.raw_status,
            "lifecycle": live.state.name,
            "emulated": live.context.get(WATCH),
        }
        if live.reasons:
            news["reasons"] = tuple(live.reasons)
        if live.notes:
            news["notes"] = tuple(dict.fromkeys((*(order.info.get("notes") or ()), *live.notes)))
        order.addinfo(**{key: value for key, value in news.items() if value is not None})

    def _reject(self, order: Any, reasons: tuple[str, ...], kind: str) -> None:
        self.store.order_refused(kind)
        order.addinfo(reasons=tuple(reasons))
        order.reject(self)
        self.notify(order)

    def _expire(self) -> None:
        now_ms = self.store.now_ms()
        for ref, expires_ms in list(self._expiries.items()):
            if now_ms >= expires_ms:
                del self._expiries[ref]
                request = self._requests.get(ref)
                if request is not None:
                    self._open[request.client_order_id].addinfo(expired_here=True)
                    self.store.cancel_order(request.client_order_id)

    # -------------------------------------------------------------- what was there before

    def _restore(self, restored: RestoredState, refs: Mapping[str, int]) -> None:
        """Orders of a former run. The account's start already contains their fills, so nothing is booked.

        ``refs``: the numbers they had if that run was in this process.
        """
        changed = (event.order for event in restored.changes)
        lives = {live.client_order_id: live for live in (*restored.ended_ties, *changed, *restored.open_orders)}
        told = {live.client_order_id for live in restored.ended_ties}
        for live in sorted(lives.values(), key=lambda live: int(live.context.get("ref", 0))):
            if live.is_final and self.books.first_data(live.symbol) is None:
                self._tell_without_data(live, told)
                continue
            order = self._adopt(live, refs.get(live.client_order_id))
            order.accept(self)
            self.books.resume(order, live)
            self._copy_info(order, live)
            final = _FINAL_STATUS.get(live.state)
            if final is None:
                self.notify(order)
            elif live.client_order_id in told:
                order.status = final
                self._open.pop(live.client_order_id)
                self._requests.pop(order.ref)
                self._expiries.pop(order.ref, None)
            else:
                self._finish(order, live, final, notified=False)

    def _tell_without_data(self, live: LiveOrder, told: Collection[str]) -> None:
        """An order that ended needs no data any more; the strategy hears of it where there is no backtrader order."""
        if live.client_order_id not in told:
            self.store.put_notification(
                f"order {live.client_order_id} for {live.symbol}, of which there is no data here, ended meanwhile: "
                f"{live.state.value}, filled {live.filled}"
            )
            self.store.order_told(live.client_order_id)

    def _adopt(self, live: LiveOrder, ref: int | None = None) -> Any:
        """A backtrader order for one that a former run, or somebody else, placed. ``ref``: its number here so far."""
        request = live.request
        data = self.books.first_data(request.symbol)
        if data is None:
            raise BtccxtError(
                f"order {request.client_order_id} is for {request.symbol}, of which this cerebro has no data; "
                f"add it with store.getdata(dataname={request.symbol!r})"
            )
        order = order_of(request, live.average, int(live.context.get("tradeid", 0)), data)
        if ref is not None:
            order.ref = ref
        else:
            take_ref(order, int(live.context.get("ref", 0)))
        order.parent = self._known.get(live.context.get("parent", ""))
        order.oco = self._known.get(live.context.get("oco", ""))
        order.addcomminfo(self.getcommissioninfo(data))
        order.submit(self)
        order.addinfo(client_order_id=request.client_order_id, restored=True)
        if live.held:
            self._waiting.add(order.ref)
        if EXPIRES in live.context:
            self._expiries[order.ref] = int(live.context[EXPIRES])
        self.orders.append(order)
        self._known[request.client_order_id] = self._open[request.client_order_id] = order
        self._requests[order.ref] = request
        return order

    def _compare(self, snapshot: AccountSnapshot) -> None:
        """Take over the exchange's figures when a difference lasts while nothing of ours is under way."""
        if not snapshot.certain:
            return
        self.ledger.take_rounding(snapshot.balances)
        drift = tuple(self.ledger.differences(snapshot.balances, snapshot.positions))
        lasting = drift and drift == self._drift and self.books.fills_booked == self._fills_at_drift
        self._drift, self._fills_at_drift = drift, self.books.fills_booked
        if not drift:
            self._agreed_ms = snapshot.asked_ms
        elif not lasting or not snapshot.looked:
            self.store.look_again(self.ledger.symbols_of(drift), self._agreed_ms)
        else:
            self._take_over(snapshot, drift)

    def _take_over(self, snapshot: AccountSnapshot, drift: tuple[Drift, ...]) -> None:
        """The exchange is right. Who changed the account is told, if its trades say so; funding is no news."""
        balances, positions, agreed_ms = snapshot.balances, snapshot.positions, self._agreed_ms
        funding = funding_that_explains(self.ledger, balances, positions, snapshot.funding, agreed_ms)
        left = unexplained(self.ledger, balances, positions, snapshot.outside, agreed_ms, snapshot.funding)
        self.ledger.reset(balances, positions)
        self.books.show_all()
        self._drift, self._agreed_ms = (), snapshot.asked_ms
        if funding:
            self.store.funding_booked(funding)
            return
        why = "no trade of this account explains" if left else "orders made outside this program explain"
        self.store.tell_drift(
            f"{why} what the exchange has; its figures were taken: {told(left or drift)}",
            explained=not left,
            stop_trading=any(item.what == "position" for item in left),
        )


def _source(data: Any) -> Any:
    """The store that a data, or the data whose bars it resamples, is of; None for those of others."""
    while not hasattr(data, "source") and hasattr(data, "data"):
        data = data.data
    return getattr(data, "source", None)


def _why_elsewhere(data: Any) -> str:
    source = _source(data)
    of = f" of {source.name}" if source is not None else ""
    name = data._name or getattr(data, "label", type(data).__name__)
    return f"{name} is data{of}: it can be watched, but is not of a market that this broker trades"
