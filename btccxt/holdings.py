"""Both sides of an account: what the journal leads to expect, what the exchange has, and what explains a difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from btccxt.account import AccountLedger, Drift
from btccxt.model import ZERO, Balance, Balances, Fill, Market, MarketType, Position
from btccxt.orders.journal_holdings import StoredHoldings
from btccxt.orders.journal_prune import Opening

_CLOCK_SLACK_MS = 2_000


def expected(stored: StoredHoldings, markets: Mapping[str, Market]) -> AccountLedger:
    """The journal's side: its last agreed figures, and every fill of ours since then."""
    ledger = AccountLedger("", markets)
    totals = {coin: Balance(coin, total, ZERO) for coin, total in stored.balances.items()}
    positions = [
        Position(symbol, amount, entry, stored.at_ms)
        for symbol, (amount, entry) in stored.positions.items()
        if symbol in markets
    ]
    ledger.reset(Balances(stored.at_ms, totals), positions)
    for fill in stored.fills:
        if fill.symbol in markets:
            ledger.apply(fill)
    return ledger


def unexplained(
    ledger: AccountLedger,
    balances: Balances,
    positions: Sequence[Position],
    outside: Iterable[Fill] = (),
    agreed_ms: int = 0,
) -> list[Drift]:
    """Differences that remain when trades made outside after ``agreed_ms`` are counted too. ``ledger`` stays as it is.

    Clocks differ a little: trades of the last seconds before ``agreed_ms`` are counted where only that explains all.
    """
    trades = sorted(outside, key=lambda fill: fill.time_ms)
    first: list[Drift] | None = None
    for slack_ms in (0, _CLOCK_SLACK_MS):
        trial = ledger.copy()
        for fill in trades:
            if fill.time_ms > agreed_ms - slack_ms:
                trial.apply(fill)
        trial.take_rounding(balances)
        left = trial.differences(balances, positions)
        if not left:
            return []
        first = left if first is None else first
    return first or []


def spot_positions(
    openings: Mapping[str, Opening], fills: Iterable[Fill], markets: Mapping[str, Market] | None = None
) -> dict[str, Opening]:
    """What spot positions are and cost by our own fills, which no exchange tells. Contracts are left out.

    ``markets``: None where nobody can be asked; base and quote coin are then taken from the symbols.
    """
    trades = [fill for fill in fills if (":" not in fill.symbol if markets is None else _is_spot(fill, markets))]
    symbols = {fill.symbol for fill in trades} | set(openings)
    known = {symbol: _spot_market(symbol) for symbol in symbols} if markets is None else markets
    ledger = AccountLedger("", known)
    for symbol, (amount, price) in openings.items():
        if symbol in known:
            ledger.open_with(symbol, amount, price)
    for fill in sorted(trades, key=lambda fill: fill.time_ms):
        ledger.apply(fill)
    found = {symbol: ledger.holding(symbol) for symbol in symbols if symbol in known}
    return {symbol: (holding.amount, holding.price) for symbol, holding in found.items()}


def _is_spot(fill: Fill, markets: Mapping[str, Market]) -> bool:
    return fill.symbol in markets and not markets[fill.symbol].is_contract


def _spot_market(symbol: str) -> Market:
    base, _, quote = symbol.partition("/")
    return Market(symbol, base, quote, None, MarketType.SPOT, active=True, price_step=None, amount_step=None)


def told(drift: Iterable[Drift]) -> str:
    """'BTC 1 -> 0.5, …': ours, then the exchange's."""
    return ", ".join(f"{item.name} {item.ours.normalize():f} -> {item.theirs.normalize():f}" for item in drift)
