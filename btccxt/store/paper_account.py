"""The paper account's way into the journal and back: what the engine did is queued there before anybody hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

from btccxt.errors import ConfigError
from btccxt.matching.engine import (
    BalanceChanged,
    Engine,
    EngineReject,
    Event,
    FundingPaid,
    OrderChanged,
    PositionChanged,
    PublicTrade,
)
from btccxt.matching.kept import KeptOrder
from btccxt.orders.journal.journal import Journal
from btccxt.orders.journal.paper import PaperChange

ACCOUNT = "paper"
ENDED_KEPT = 10_000  # orders, and fills


class PaperAccount:
    def __init__(self, engine: Engine, journal: Journal) -> None:
        self._engine, self._journal = engine, journal
        self._trailed: dict[str, Decimal | None] = {}
        self.came_back = False
        """Whether it is the account that the journal's last program left."""

    async def open(self, balances: Mapping[str, Decimal]) -> None:
        """As the journal has it, else with ``balances``. Raises ConfigError for one of another market."""
        stored = await asyncio.wrap_future(self._journal.paper(ENDED_KEPT))
        if stored is None:
            self._engine.open_account(ACCOUNT, balances)
        else:
            try:
                self._engine.restore_account(ACCOUNT, stored.account, stored.past)
            except EngineReject as reject:
                raise ConfigError(
                    f"the paper account in {self._journal.path} is of another market ({reject.message}): give each "
                    "market type a journal of its own (journal=…)"
                ) from reject
            self.came_back = True
        self.keep()
        self._engine.record(self._on_call)

    def symbols(self) -> list[str]:
        """Of open orders and positions."""
        held = {position.symbol for position in self._engine.positions(ACCOUNT)}
        return sorted(held | {order.symbol for order in self._engine.orders(ACCOUNT, open_only=True)})

    def keep(self) -> None:
        """For what changed without an event: leverage, margin mode."""
        self._journal.keep_paper(PaperChange(self._engine.kept_account(ACCOUNT)))

    def _on_call(self, events: Sequence[Event]) -> None:
        """All that one call of the engine did is one transaction."""
        changed: dict[str, KeptOrder] = {}
        fills, fundings, touched = [], [], False
        for event in events:
            if isinstance(event, PublicTrade):
                self._trail(event.symbol, changed)
            elif isinstance(event, OrderChanged):
                touched = True
                order = self._engine.kept_order(ACCOUNT, event.order.order_id)
                if order is not None:
                    changed[order.order_id] = order
                if event.fill is not None:
                    fills.append(event.fill)
                if not event.order.is_open:
                    self._trailed.pop(event.order.order_id, None)
            elif isinstance(event, FundingPaid):
                fundings.append(event)
            touched = touched or isinstance(event, BalanceChanged | PositionChanged)
        if changed or touched:
            account = self._engine.kept_account(ACCOUNT) if touched else None
            self._journal.keep_paper(PaperChange(account, tuple(changed.values()), fills, fundings))

    def _trail(self, symbol: str, changed: dict[str, KeptOrder]) -> None:
        """A trailing order moves with the price, without an event of its own."""
        for order in self._engine.trailing(symbol):
            if self._trailed.get(order.order_id) != order.best_price:
                self._trailed[order.order_id] = order.best_price
                changed[order.order_id] = order
