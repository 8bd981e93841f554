"""What the risk limits (``orders/risk.py``) have to know of a broker's account, put together for one order."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from btccxt.account.contract_terms import notional_of, too_large
from btccxt.bt.orders import OrderStore
from btccxt.bt.ports import PlacingBroker
from btccxt.model import ZERO, OrderRequest, decimal_of
from btccxt.orders.risk import Proposal, RiskLimits, TradingState, reduces, refusals
from btccxt.orders.trading_state import TradingControl

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_DAY_OWNER = "risk: day and value"  # under which the journal keeps them


class RiskDesk:
    """Strategy's thread. One per run: a loss counts from the day's beginning (UTC), or from its first run's.

    What the account was worth then is in the journal, so a restart does not begin to count anew.
    """

    def __init__(self, broker: PlacingBroker, limits: RiskLimits, control: TradingControl) -> None:
        self._broker = broker
        self._limits = limits
        self._are_set = limits.are_set
        self._control = control
        self._sent_ms: deque[int] = deque()
        self._day = -1
        self._day_value = ZERO

    def sent(self) -> None:
        """An order has left."""
        if self._limits.max_orders_per_minute is not None:
            self._sent_ms.append(int(self._broker.store.now_ms()))

    def new_day(self) -> None:
        """Called with every loop: from what value the day's loss is counted. Waits for the disk once a run."""
        if self._limits.max_loss_per_day is None or (day := self._today()) == self._day:
            return
        store, owner = self._broker.store, f"{_DAY_OWNER} {self._broker.store.currency}"
        kept = store.variables(owner) if self._day < 0 else None
        kept_day, _, kept_value = (kept or "").partition(" ")
        self._day = day
        if kept_day == str(day):
            self._day_value = Decimal(kept_value)
        else:
            self._day_value = decimal_of(self._broker.getvalue())
            store.keep_variables(owner, f"{day} {self._day_value}")

    def refusals(self, request: OrderRequest, latest: Decimal | None, exits: bool, own: OrderStore) -> tuple[str, ...]:
        """Every reason why this order may not go."""
        beyond = () if exits else self._beyond_bracket(request, latest, own)
        return beyond + self._beyond_limits(request, latest, exits, own)

    def forbidden(self, request: OrderRequest, own: OrderStore) -> tuple[str, ...]:
        """What the trading state says of an order that was within the limits when it was asked for."""
        state, why = self._control.read()
        if state is TradingState.ACTIVE:
            return ()
        exits = reduces(request.side, request.amount, self._broker.ledger.holding(request.symbol).amount)
        proposal = self._proposal(request, None, exits, own, few=True)
        return refusals(self._limits, state, why, proposal, any_limit=False)

    def _beyond_bracket(self, request: OrderRequest, latest: Decimal | None, own: OrderStore) -> tuple[str, ...]:
        """A position that the leverage of the account does not allow would be refused by the exchange."""
        price, traded = request.price or request.trigger_price or latest, None
        if price is not None:
            traded = self._broker.store.contract_terms(request.symbol)
        if traded is None or price is None or not traded.brackets:
            return ()
        position = self._broker.ledger.holding(request.symbol).amount * request.side.sign
        amount = position + abs(own.resting(request.symbol, request.side)) + request.amount
        why = too_large(traded, self._broker.store.markets[request.symbol], amount, price) if amount > 0 else None
        return () if why is None else (why,)

    def _beyond_limits(
        self, request: OrderRequest, latest: Decimal | None, exits: bool, own: OrderStore
    ) -> tuple[str, ...]:
        state, why = self._control.read()
        limits = self._limits
        if not self._are_set:
            if state is TradingState.ACTIVE:
                return ()
            return refusals(limits, state, why, self._proposal(request, latest, exits, own, few=True), any_limit=False)
        return refusals(limits, state, why, self._proposal(request, latest, exits, own, few=False))

    def _proposal(
        self, request: OrderRequest, latest: Decimal | None, exits: bool, own: OrderStore, *, few: bool
    ) -> Proposal:
        ledger, market = self._broker.ledger, self._broker.store.markets[request.symbol]
        price = request.price or request.trigger_price or latest
        unit_value = None
        if price is not None and not few:
            unit_value = ledger.convert(notional_of(market, Decimal(1), price), market.settle or market.quote)
        resting = ZERO
        if self._limits.max_position is not None or self._limits.max_position_notional is not None:
            resting = own.resting(request.symbol, request.side)
        return Proposal(
            symbol=request.symbol,
            side=request.side,
            amount=request.amount,
            price=price,
            latest=latest,
            unit_value=unit_value,
            reduces=exits,
            position=ledger.holding(request.symbol).amount,
            resting=resting,
            open_orders=own.count,
            orders_last_minute=self._last_minute(),
            loss_today=ZERO if few or self._limits.max_loss_per_day is None else self._loss_today(),
        )

    def _last_minute(self) -> int:
        sent, from_ms = self._sent_ms, self._broker.store.now_ms() - _MINUTE_MS
        while sent and sent[0] <= from_ms:
            sent.popleft()
        return len(sent)

    def _loss_today(self) -> Decimal:
        self.new_day()
        return self._day_value - decimal_of(self._broker.getvalue())

    def _today(self) -> int:
        return int(self._broker.store.now_ms() // _DAY_MS)
