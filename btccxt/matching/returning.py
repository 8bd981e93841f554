"""An account leaves the engine as records, and comes back from them."""

from __future__ import annotations

from collections import deque
from heapq import heappush

from btccxt.matching.clearing import Account
from btccxt.matching.entry import OrderEntry
from btccxt.matching.kept import (
    KeptAccount,
    KeptLeverage,
    KeptList,
    KeptOrder,
    KeptPast,
    KeptPrice,
    kept_order,
    kept_positions,
    totals_of,
    working_order,
)
from btccxt.matching.matching import OrderList
from btccxt.matching.records import TRAILING_KINDS, EngineReject, FundingPaid, RejectCode, SimStatus
from btccxt.model import TimeInForce


class Returning(OrderEntry):
    """Orders that wait for another's fill (``submit_with_pending``) are not among what comes back."""

    _fundings: list[FundingPaid]

    def kept_account(self, name: str) -> KeptAccount:
        account = self._account(name)
        positions = kept_positions(account)
        symbols = dict.fromkeys(each.symbol for each in positions)
        lasts = ((symbol, self._books[symbol].last) for symbol in symbols)
        return KeptAccount(
            totals_of((coin, balance.total) for coin, balance in account.ledger.balances().items()),
            positions,
            tuple(KeptLeverage(*each) for each in account.leverage.items()),
            tuple(sorted(account.isolated)),
            account.hedge_mode,
            tuple(
                KeptList(list_id, tuple(leg.order_id for leg in shared.legs), shared.coin, shared.reserved)
                for (owner, list_id), shared in self._lists.items()
                if owner == name
            ),
            tuple(KeptPrice(symbol, last) for symbol, last in lasts if last is not None),
            self._last_order_id,
            self._last_trade_id,
        )

    def kept_order(self, name: str, order_id: str) -> KeptOrder | None:
        """None for one that is forgotten already."""
        order = self._orders[name].get(order_id)
        return None if order is None else kept_order(order)

    def trailing(self, symbol: str) -> list[KeptOrder]:
        """Orders of a symbol that trail its price: they change without an event."""
        return [kept_order(order) for order in self._triggers[symbol].trailing()]

    def restore_account(self, name: str, kept: KeptAccount, past: KeptPast, fee_currency: str | None = None) -> None:
        """Open an account as another engine had it; of its past the latest is known, as far as ``ended_kept`` goes.

        No order fills before the market's next word. Raises EngineReject for a symbol that is not traded here.
        """
        if name in self._accounts:
            raise EngineReject(RejectCode.BAD_REQUEST, f"account {name!r} exists already")
        unknown = (past.symbols() | {each.symbol for each in kept.positions}) - self._markets.keys()
        if unknown:
            raise EngineReject(RejectCode.UNKNOWN_SYMBOL, f"unknown symbol {', '.join(sorted(unknown))}")
        account = self._accounts[name] = Account(name, fee_currency)
        account.hedge_mode, account.isolated = kept.hedge_mode, set(kept.isolated)
        account.leverage = {each.symbol: each.leverage for each in kept.leverage}
        self._last_order_id, self._last_trade_id = kept.last_order_id, kept.last_trade_id
        for price in kept.prices:
            self._books[price.symbol].last = price.price
        for total in kept.totals:
            account.ledger.move(total.coin, total.amount)
        self._restore_positions(account, kept)
        self._orders[name], self._ended[name] = {}, deque()
        self._fills[name] = deque(past.fills, maxlen=self._ended_kept)
        self._fundings += past.fundings
        for order in past.orders:
            self._restore_order(account, order)
        for each in kept.lists:
            legs = [self._orders[name][order_id] for order_id in each.order_ids]
            self._lists[name, each.list_id] = OrderList(legs, each.coin, each.reserved)
            account.ledger.reserve(each.coin, each.reserved)
        account.ledger.changed.clear()

    def _restore_positions(self, account: Account, kept: KeptAccount) -> None:
        for each in kept.positions:
            market = self._markets[each.symbol]
            position = account.position(market, each.side)
            position.amount, position.cost, position.margin = each.amount, each.cost, each.margin
            position.isolated, position.updated_ms = each.isolated, each.updated_ms
            account.ledger.reserve(market.settle or market.quote, each.margin)
            self._holders.setdefault(each.symbol, {})[account.name] = account

    def _restore_order(self, account: Account, kept: KeptOrder) -> None:
        order = working_order(account.name, kept)
        request = order.request
        self._orders[account.name][order.order_id] = order
        self._by_client_id[account.name, request.symbol, order.client_order_id] = order
        account.open_orders[order.order_id] = order
        if order.status.is_final:
            self._retire(account, order)
            return
        account.ledger.reserve(order.reserve_coin, order.reserved)
        if request.time_in_force is TimeInForce.GTD and request.expires_ms is not None:
            heappush(self._expiries, (request.expires_ms, int(order.order_id), order))
        if order.status is SimStatus.TRIGGER_WAITING:
            last = None if request.kind in TRAILING_KINDS else self._books[request.symbol].last
            self._triggers[request.symbol].add(order, last)
        else:
            self._books[request.symbol].side(request.side).add(order)
