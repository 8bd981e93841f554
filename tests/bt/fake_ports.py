"""A store without an exchange for tests of the broker: orders are recorded, news is written by the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal as D
from typing import Any

from btccxt.account.contract_terms import TradedTerms
from btccxt.account.ledger import AccountSnapshot
from btccxt.bt.broker import CCXTBroker
from btccxt.bt.compat import bt
from btccxt.bt.ports import OrderDesk
from btccxt.bt.time import num_of_ms
from btccxt.exchange.profile.order_rule import OrderRule
from btccxt.model import (
    Balance,
    Balances,
    Fee,
    Fill,
    OrderFeature,
    OrderKind,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
)
from btccxt.orders.context import FUNDS
from btccxt.orders.lifecycle import LifecycleState, LiveOrder, apply
from btccxt.orders.risk import RiskLimits
from btccxt.orders.tracker import OrderEvent, RestoredState
from btccxt.orders.trading_state import TradingControl
from tests.account.test_ledger import MARKETS

START_MS = 1_700_000_040_000


class FakeBackend:
    """Answers the broker as a store would; ``sent`` and ``cancelled`` hold what the broker asked for."""

    currency = "USDT"
    markets = MARKETS

    def __init__(self, balances: Mapping[str, str] | None = None, restored: RestoredState | None = None) -> None:
        self.balances = dict(balances or {"USDT": "100000"})
        self.restored = restored or RestoredState((), ())
        self.sent: list[OrderRequest] = []
        self.cancelled: list[str] = []
        self.held: list[OrderRequest] = []  # journaled, and waiting for their funds
        self.withdrawn: dict[str, str] = {}
        self.fired: list[str] = []
        self.edited: list[tuple[str, OrderRequest]] = []
        self.edits_natively = True
        self.told: list[str] = []
        self.notifications: list[str] = []
        self.refusals: tuple[str, ...] = ()
        self.clock_ms = START_MS
        self.prices: dict[str, D] = {}
        self.looked_again: list[tuple[set[str], int]] = []
        self.drifts: list[tuple[bool, bool]] = []
        self.funding: list[Any] = []
        self.native_gtd = False
        self.moved: list[Any] = []
        self.coin_prices: dict[str, D] = {}
        self.followed: list[tuple[set[str], set[str]]] = []
        self.traded_terms: dict[str, TradedTerms] = {}
        self.emulated: set[OrderKind | OrderFeature] = set()
        self.rules: dict[OrderKind | OrderFeature, OrderRule] = {}
        self.contexts: list[dict[str, str]] = []
        self.trading = TradingControl()
        self.risk_limits = RiskLimits()
        self.kept_variables: dict[str, str] = {}
        self._count = 0
        self._live: dict[str, LiveOrder] = {}
        self.broker = CCXTBroker(self)

    # -- what the broker asks

    def now_ms(self) -> int:
        return self.clock_ms

    def next_client_order_id(self) -> str:
        self._count += 1
        return f"b{self._count:05d}"

    def contract_terms(self, symbol: str) -> TradedTerms | None:
        return self.traded_terms.get(symbol)

    def order_refused(self, reason: str, order: str, reasons: Sequence[str]) -> None:
        pass

    def variables(self, owner: str) -> str | None:
        return self.kept_variables.get(owner)

    def keep_variables(self, owner: str, text: str) -> None:
        self.kept_variables[owner] = text

    def order_refusals(self, request: OrderRequest) -> tuple[str, ...]:
        return self.refusals

    def order_rule(self, key: OrderKind | OrderFeature) -> OrderRule:
        if key is OrderFeature.GTD and not self.native_gtd:
            return OrderRule(support="emulated", why="no GTD here")
        if key in self.emulated:
            return OrderRule(support="emulated", why="not native in this test")
        return self.rules.get(key) or OrderRule(support="native")

    def order_desk(self) -> OrderDesk:
        """What a test puts in the place of these methods counts."""
        return OrderDesk(
            self.markets, lambda: self.now_ms(), lambda: self.next_client_order_id(),
            lambda each: self.order_refusals(each), lambda key: self.order_rule(key),
            lambda *given: self.submit_order(*given), lambda request, context: self.funds_came(request),
            lambda name, why: self.withdrawn.update({name: why}),
        )  # fmt: skip

    def funds_came(self, request: OrderRequest) -> None:
        self.held.remove(request)
        self.sent.append(request)

    def reject_held(self, request: OrderRequest) -> None:
        """The journal does not take it."""
        self.broker.arrivals.append(OrderEvent(LiveOrder(request, state=LifecycleState.REJECTED)))

    def submit_order(self, request: OrderRequest, context: Mapping[str, str]) -> None:
        (self.held if FUNDS in context else self.sent).append(request)
        self.contexts.append(dict(context))
        self._live[request.client_order_id] = LiveOrder(request, context=dict(context), state=LifecycleState.SENT)

    def fire_order(self, client_order_id: str) -> None:
        self.fired.append(client_order_id)

    def cancel_order(self, client_order_id: str) -> None:
        self.cancelled.append(client_order_id)

    def edit_order(self, client_order_id: str, request: OrderRequest, *, follows: bool = False) -> None:
        assert follows is not self.edits_natively
        self.edited.append((client_order_id, request))

    def order_told(self, client_order_id: str) -> None:
        self.told.append(client_order_id)

    def account_snapshot(self, unacknowledged: Any = ()) -> AccountSnapshot:
        return self.snapshot(**self.balances)

    def latest_prices(self, symbols: Any) -> Mapping[str, D]:
        return {symbol: self.prices[symbol] for symbol in symbols if symbol in self.prices}

    @staticmethod
    def snapshot(**totals: str) -> AccountSnapshot:
        return AccountSnapshot(Balances(0, {coin: Balance(coin, D(total), D(0)) for coin, total in totals.items()}))

    def follow_prices(self, streamed: Any, asked: Any) -> None:
        self.followed.append((set(streamed), set(asked)))

    def restored_orders(self) -> RestoredState:
        return self.restored

    def wall_s(self, exchange_ms: float) -> float:
        return exchange_ms / 1000

    def attach_broker(self, broker: Any) -> None:
        pass

    def register(self, cerebro: Any) -> None:
        pass

    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.notifications.append(str(msg))

    def look_again(self, symbols: Any, since_ms: int) -> None:
        self.looked_again.append((set(symbols), since_ms))

    def tell_drift(self, text: str, *, explained: bool, stop_trading: bool) -> None:
        self.notifications.append(text)
        self.drifts.append((explained, stop_trading))

    def money_moved(self, moved: Any) -> None:
        self.moved.append(moved)

    def funding_booked(self, payments: Any) -> None:
        self.funding.extend(payments)

    # -- what a test lets the exchange say

    def accept(self, index: int = -1) -> None:
        self._tell(index, OrderUpdate("BTC/USDT", OrderStatus.OPEN, Origin.PUSH, order_id=f"x{len(self.sent)}"))

    def follow(self, request: OrderRequest) -> None:
        """The order that follows one which cannot be changed: journaled, and held."""
        self.sent.append(request)
        live = LiveOrder(request, state=LifecycleState.JOURNALED, pending_release=True)
        self._live[request.client_order_id] = live
        self.broker.arrivals.append(OrderEvent(live))

    def fill(self, amount: str, price: str, fee: tuple[str, str] | None = ("USDT", "0"), index: int = -1) -> None:
        request = self.sent[index]
        self._count += 1
        fill = Fill(
            f"t{self._count}", request.symbol, request.side, D(price), D(amount), self.clock_ms,
            client_order_id=request.client_order_id, fee=Fee(fee[0], D(fee[1])) if fee else None,
        )  # fmt: skip
        self._tell(index, fill, fills=(fill,))

    def end(self, status: OrderStatus, index: int = -1, reason: str | None = None) -> None:
        request = self.sent[index]
        update = OrderUpdate(
            request.symbol, status, Origin.PUSH, order_id="x", reject_reason=reason,
            filled=self._live[request.client_order_id].filled,
        )  # fmt: skip
        self._tell(index, update)

    def correct(self, fee: tuple[str, str], index: int = -1) -> None:
        request = self.sent[index]
        late_fee = Fee(fee[0], D(fee[1]))
        correction = Fill(
            f"t{self._count}", request.symbol, request.side, D(0), D(0), self.clock_ms, fee=late_fee
        )  # fmt: skip
        live = self._live[request.client_order_id]
        self.broker.arrivals.append(OrderEvent(live, (), (correction,)))

    def _tell(self, index: int, news: Any, fills: tuple[Fill, ...] = ()) -> None:
        client_order_id = self.sent[index].client_order_id
        self._live[client_order_id], _ = apply(self._live[client_order_id], news, self.clock_ms)
        self.broker.arrivals.append(OrderEvent(self._live[client_order_id], fills, ()))


class MinuteBars(bt.feed.DataBase):
    """A live-like feed of given closes, one minute apart."""

    def __init__(self, closes: list[float]) -> None:
        super().__init__()
        self._closes = list(closes)

    def islive(self) -> bool:
        return True

    def _load(self) -> bool:
        if not self._closes:
            return False
        price = self._closes.pop(0)
        self.lines.datetime[0] = num_of_ms(START_MS + 60_000 * len(self))
        for line in (self.lines.open, self.lines.high, self.lines.low, self.lines.close):
            line[0] = price
        self.lines.volume[0] = self.lines.openinterest[0] = 0.0
        return True


class Script(bt.Strategy):
    """Runs one step of the test per bar and writes down everything it is told."""

    params = (("steps", ()),)

    def __init__(self) -> None:
        self.heard: list[tuple[str, float, float, float]] = []
        self.closed_trades: list[Any] = []
        self.opened_trades: list[Any] = []
        self.orders: list[Any] = []

    def notify_order(self, order: Any) -> None:
        executed = order.executed
        self.heard.append((order.getstatusname(), executed.size, executed.price, executed.remsize))

    def notify_trade(self, trade: Any) -> None:
        (self.closed_trades if trade.isclosed else self.opened_trades).append(trade)

    def next(self) -> None:
        step = len(self) - 1
        if step < len(self.p.steps):
            order = self.p.steps[step](self)
            if isinstance(order, bt.Order):
                self.orders.append(order)


def run(backend: FakeBackend, *steps: Any, closes: list[float] | None = None, symbol: str = "BTC/USDT") -> Script:
    """One step per bar, two bars more to hear the news; returns the strategy."""
    cerebro = bt.Cerebro(stdstats=False, quicknotify=True)
    data = MinuteBars(closes or [50_000.0] * (len(steps) + 2))
    data.p.dataname = symbol
    cerebro.adddata(data)
    data._dataname = symbol
    cerebro.setbroker(backend.broker)
    cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades")
    cerebro.addstrategy(Script, steps=steps)
    return cerebro.run()[0]
