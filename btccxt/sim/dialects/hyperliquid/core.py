"""Hyperliquid's accounts behind its endpoints: markets by number and by coin, orders, what was refused, fills."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.records import NewOrder, SimFill, SimOrder, SimStatus
from btccxt.model import ZERO, Market
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import Dialect, SimAccount, Venue
from btccxt.sim.dialects.dead_man import DeadMansSwitches
from btccxt.sim.dialects.hyperliquid import format as fmt
from btccxt.sim.dialects.hyperliquid import keys

SETTLE = "USDC"
FIRST_SPOT = 10_000  # asset numbers of spot markets begin here
_REFUSED_IDS = 10**15  # ids of orders that the engine never had


class HyperliquidCore(Dialect):
    """State of the accounts, and what endpoints and streams ask for."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        for own_id, market in list(self.markets.items()):
            if market.is_contract and market.settle != SETTLE:  # its contracts know no other coin
                del self.markets[own_id], self.ids[market.symbol]
        self.perpetuals = [market for market in self.markets.values() if market.is_contract]
        self.spots = [market for market in self.markets.values() if not market.is_contract]
        self.assets = dict(enumerate(self.perpetuals))
        self.assets |= {FIRST_SPOT + n: market for n, market in enumerate(self.spots)}
        coins = [SETTLE, *(coin for market in self.spots for coin in (market.base, market.quote))]
        self.tokens = {coin: number for number, coin in enumerate(dict.fromkeys(coins))}
        self._by_address = {keys.address(account): account for account in venue.accounts.values()}
        self.switches = DeadMansSwitches()
        self._refused: dict[str, list[tuple[SimOrder, str]]] = {}  # by account: orders and their status
        self._positions: dict[tuple[str, str], Decimal] = {}  # as the last fill has left them
        self._before: dict[tuple[str, int, str], Decimal] = {}  # what a fill found: account, trade, order

    @abstractmethod
    def post(self, connection: Connection, number: Any, asked: Mapping[str, Any]) -> None:
        """A question or an action over the socket; its answer carries ``number``."""

    def market_id(self, market: Market) -> str:
        """The coin: the base of a contract, a number of a spot market."""
        if market.is_contract:
            return market.base if market.settle == SETTLE else f"{market.base}:{market.settle}"
        spots = [each for each in self.venue.engine.markets.values() if not each.is_contract]
        return f"@{[each.symbol for each in spots].index(market.symbol)}"

    def account_at(self, address: object) -> SimAccount | None:
        return self._by_address.get(str(address).lower())

    def market_at(self, coin: object) -> Market | None:
        found = self.markets.get(str(coin))
        return None if found is None else self.venue.engine.markets[found.symbol]

    # -------------------------------------------------------------- orders

    def orders(self, owner: str, *, open_only: bool = False) -> list[SimOrder]:
        """Oldest first."""
        found = self.venue.engine.orders(owner, None, open_only)
        return [order for order in found if order.symbol in self.ids]

    def find(self, owner: str, wanted: object) -> tuple[SimOrder, str] | None:
        """By number or client id (the newest with it), with its status."""
        known = [(order, fmt.status(order)) for order in self.orders(owner)] + self._refused.get(owner, [])
        known.sort(key=lambda pair: pair[0].created_ms)
        for order, status in reversed(known):
            if wanted in (order.client_order_id, order.order_id) or str(wanted) == order.order_id:
                return order, status
        return None

    def refuse(self, owner: str, order: NewOrder, status: str, now_ms: int) -> SimOrder:
        """A refused order is an order: it has a number and can be asked for."""
        before = self._refused.setdefault(owner, [])
        order_id = str(_REFUSED_IDS + len(before))
        link = order.client_order_id or f"sim-{order_id}"
        ended = SimOrder(order_id, owner, link, order, SimStatus.REJECTED, ZERO, ZERO, now_ms, now_ms)
        before.append((ended, status))
        return ended

    def history(self, owner: str) -> list[tuple[SimOrder, str]]:
        """Newest first."""
        found = [(order, fmt.status(order)) for order in self.orders(owner)] + self._refused.get(owner, [])
        return sorted(found, key=lambda pair: (pair[0].updated_ms, int(pair[0].order_id)), reverse=True)

    def cancel_all(self, owner: str, now_ms: int) -> None:
        for order in self.orders(owner, open_only=True):
            self.venue.engine.cancel(owner, symbol=order.symbol, order_id=order.order_id, now_ms=now_ms)

    # -------------------------------------------------------------- fills and balances

    def note_fill(self, fill: SimFill) -> None:
        """Remember what position it found."""
        held = self._positions.get((fill.account, fill.symbol), ZERO)
        self._before[fill.account, fill.trade_id, fill.order_id] = held
        self._positions[fill.account, fill.symbol] = held + fill.side.sign * fill.amount

    def fill_row(self, fill: SimFill) -> dict[str, Any]:
        engine = self.venue.engine
        order = engine.order(fill.account, symbol=fill.symbol, order_id=fill.order_id)
        address = keys.address(self.venue.accounts[fill.account])
        before = self._before.get((fill.account, fill.trade_id, fill.order_id), ZERO)
        return fmt.fill(self.ids[fill.symbol], fill, order, engine.markets[fill.symbol], address, before)

    def fills(self, owner: str) -> list[SimFill]:
        """Oldest first."""
        return [fill for fill in self.venue.engine.fills(owner) if fill.symbol in self.ids]

    def spot_state(self, owner: str) -> dict[str, Any]:
        return {"balances": fmt.spot_balances(self.venue.engine.balances(owner).values(), self.tokens)}

    def clearinghouse_state(self, owner: str) -> dict[str, Any]:
        engine = self.venue.engine
        held = [position for position in engine.positions(owner) if position.symbol in self.ids]
        rows = [
            fmt.position(engine.markets[each.symbol], each, engine.brackets(each.symbol)[0].max_leverage)
            for each in held
        ]
        return fmt.clearinghouse(engine.balances(owner).get(SETTLE), held, rows, self.venue.now_ms())
