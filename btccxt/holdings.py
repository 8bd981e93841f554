"""Both sides of an account: what the journal leads to expect, what the exchange has, and what explains a difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from btccxt.account import AccountLedger, Drift
from btccxt.model import ZERO, Balance, Balances, Fill, Market, Position
from btccxt.orders.journal_holdings import StoredHoldings

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


def told(drift: Iterable[Drift]) -> str:
    """'BTC 1 -> 0.5, …': ours, then the exchange's."""
    return ", ".join(f"{item.name} {item.ours.normalize():f} -> {item.theirs.normalize():f}" for item in drift)
