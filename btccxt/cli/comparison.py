"""Both sides of an account, row by row. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from btccxt.account.explain import expected, funding_that_explains, unexplained
from btccxt.account.ledger import AccountLedger, Drift
from btccxt.cli.orders import utc
from btccxt.model import ZERO, Balances, Fill, FundingPayment, Market, OrderUpdate, Position
from btccxt.orders.journal.holdings import StoredHoldings
from btccxt.orders.journal.reader import OrderSummary


@dataclass(frozen=True, slots=True)
class Row:
    """One thing on both sides; None: that side does not have it."""

    symbol: str
    name: str
    ours: str | None
    theirs: str | None
    why: str  # '': both agree


def compare_orders(ours: Sequence[OrderSummary], theirs: Sequence[OrderUpdate]) -> list[Row]:
    """Orders that are open on at least one side."""
    listed = {update.client_order_id or update.order_id or "": update for update in theirs}
    rows = []
    for order in ours:
        request = order.request
        update = listed.pop(request.client_order_id, None) or listed.pop(order.order_id or "", None)
        if order.state.is_final and update is None:
            continue
        what = f"{request.side.value} {request.amount:f} {request.kind.value}, {order.state.value}"
        what += f", filled {order.filled:f}"
        rows.append(Row(request.symbol, request.client_order_id, what, _update(update), _why(order, update)))
    rows += [
        Row(update.symbol, name, None, _update(update), "the journal does not know it")
        for name, update in listed.items()
    ]
    return rows


def _why(order: OrderSummary, update: OrderUpdate | None) -> str:
    if update is None:
        waits_here = order.pending_release
        return "" if waits_here else "open here, not among the exchange's open orders"
    if order.state.is_final:
        return "ended here, open at the exchange"
    if update.filled is not None and update.filled != order.filled:
        return "filled by different amounts"
    return ""


def _update(update: OrderUpdate | None) -> str | None:
    if update is None:
        return None
    filled = "" if update.filled is None else f", filled {update.filled:f}"
    return f"{update.status.value}{filled}, id {update.order_id}"


def compare_fills(ours: Sequence[Fill], theirs: Sequence[Fill]) -> list[Row]:
    """Trades that only one side has."""
    others = {fill.key for fill in theirs}
    rows = [
        Row(fill.symbol, fill.trade_id, _fill(fill), None, "a trade that the exchange does not list")
        for fill in ours
        if fill.trade_id and fill.key not in others
    ]
    return rows + [
        Row(fill.symbol, fill.trade_id, None, _fill(fill), "a trade that the journal does not know")
        for fill in foreign(ours, theirs)
    ]


def foreign(ours: Sequence[Fill], theirs: Sequence[Fill]) -> list[Fill]:
    """Trades of the exchange's list that are not in the journal."""
    mine = {fill.key for fill in ours}
    return [fill for fill in theirs if fill.key not in mine]


def _fill(fill: Fill) -> str:
    return f"{fill.side.value} {fill.amount:f} at {fill.price:f}, {utc(fill.time_ms)}"


def compare_holdings(
    stored: StoredHoldings | None,
    markets: Mapping[str, Market],
    balances: Balances,
    positions: Sequence[Position],
    outside: Sequence[Fill],
    funding: Sequence[FundingPayment] = (),
) -> list[Row]:
    """Balances and positions on both sides; without ``stored`` the exchange's alone, which then agree with nothing."""
    theirs = {coin: balance.total for coin, balance in balances.by_currency.items()}
    contracts = {position.symbol: position for position in positions if position.amount}
    if stored is None:
        rows = [Row("", coin, None, _plain(total), "") for coin, total in sorted(theirs.items()) if total]
        return rows + [Row(symbol, symbol, None, _position(each), "") for symbol, each in sorted(contracts.items())]
    ledger = expected(stored, markets)
    for symbol in contracts.keys() & markets.keys():
        ledger.track(symbol)
    ledger.take_rounding(balances)
    by_funding = bool(funding_that_explains(ledger, balances, positions, funding, stored.at_ms))
    left = [] if by_funding else unexplained(ledger, balances, positions, outside, stored.at_ms, funding)
    reason = "funding" if by_funding else "trades made outside, and funding," if funding else "trades made outside"
    ours = ledger.totals
    rows = [
        _holding("", coin, ours.get(coin, ZERO), theirs.get(coin, ZERO), left, reason)
        for coin in sorted(ours.keys() | theirs.keys())
        if ours.get(coin) or theirs.get(coin)
    ]
    for symbol in sorted(_contracts(ledger, stored, markets) | contracts.keys()):
        amount = contracts[symbol].amount if symbol in contracts else ZERO
        rows.append(_holding(symbol, symbol, ledger.holding(symbol).amount, amount, left, reason))
    return rows


def _contracts(ledger: AccountLedger, stored: StoredHoldings, markets: Mapping[str, Market]) -> set[str]:
    symbols = set(stored.positions) | {fill.symbol for fill in stored.fills}
    return {symbol for symbol in symbols if symbol in markets and markets[symbol].is_contract}


def _holding(symbol: str, name: str, ours: Decimal, theirs: Decimal, left: Sequence[Drift], reason: str) -> Row:
    why = ""
    if ours != theirs:
        by = f"{(theirs - ours).normalize():+f}"
        explained = all(item.name != name for item in left)
        verb = "explains" if reason == "funding" else "explain"
        why = f"{by}: {reason} {verb} it" if explained else f"{by}: nothing known explains it"
    return Row(symbol, name, _plain(ours), _plain(theirs), why)


def _position(position: Position) -> str:
    entry = "?" if position.entry_price is None else f"{position.entry_price.normalize():f}"
    return f"{_plain(position.amount)} at {entry}"


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
