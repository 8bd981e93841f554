"""Both sides of an account: what the journal leads to expect, what the exchange has, and what explains a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from btccxt.account.ledger import AccountLedger, Drift
from btccxt.errors import BtccxtError, Retryable, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import ZERO, Balance, Balances, Fill, FundingPayment, Market, MarketType, Position
from btccxt.observe.log import EventName, get_logger
from btccxt.orders.journal.holdings import StoredHoldings
from btccxt.orders.journal.prune import Opening

_CLOCK_SLACK_MS = 2_000
FUNDING_SLACK_MS = 15 * 60_000
"""A payment bears the time at which it was due, and is booked a while after it."""
_SLACKS_MS = ((0, 0), (_CLOCK_SLACK_MS, _CLOCK_SLACK_MS), (0, FUNDING_SLACK_MS), (_CLOCK_SLACK_MS, FUNDING_SLACK_MS))


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
    funding: Iterable[FundingPayment] = (),
) -> list[Drift]:
    """Differences that remain when trades made outside and funding after ``agreed_ms`` are counted too.

    ``ledger`` stays as it is. Clocks differ a little: trades of the last seconds before ``agreed_ms``, and payments of
    the last minutes, are counted where only that explains all.
    """
    trades, payments = sorted(outside, key=lambda fill: fill.time_ms), tuple(funding)
    first: list[Drift] | None = None
    for trades_slack_ms, funding_slack_ms in _SLACKS_MS:
        trial = ledger.copy()
        for fill in trades:
            if fill.time_ms > agreed_ms - trades_slack_ms:
                trial.apply(fill)
        for payment in payments:
            if payment.time_ms > agreed_ms - funding_slack_ms:
                trial.receive(payment)
        trial.take_rounding(balances)
        left = trial.differences(balances, positions)
        if not left:
            return []
        first = left if first is None else first
    return first or []


def funding_that_explains(
    ledger: AccountLedger,
    balances: Balances,
    positions: Sequence[Position],
    funding: Iterable[FundingPayment],
    agreed_ms: int,
) -> tuple[FundingPayment, ...]:
    """The payments that alone make all of the difference; none where they do not."""
    payments = sorted(funding, key=lambda payment: payment.time_ms)
    for first in range(len(payments)):
        late = payments[first:]
        if late[0].time_ms > agreed_ms - FUNDING_SLACK_MS and not unexplained(ledger, balances, positions, (), 0, late):
            return tuple(late)
    return ()


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


log = get_logger(__name__)


async def funding_since(
    exchange: ExchangeAPI,
    markets: Mapping[str, Market],
    since_ms: Mapping[str, int],
    trouble: Callable[[str, BaseException], None],
) -> list[FundingPayment]:
    """Payments of these contracts since then; none where the exchange lists none or refuses to.

    Raises only errors that another try may not meet.
    """
    found: list[FundingPayment] = []
    for symbol in sorted(since_ms):
        if symbol not in markets or not markets[symbol].is_contract:
            continue
        try:
            found += await exchange.fetch_funding(symbol, since_ms[symbol])
        except Unsupported:
            return []
        except Retryable:
            raise
        except BtccxtError as error:  # a key without the right to read it, say: what it would explain is alarmed
            trouble("funding payments", error)
            return []
    return found


def log_funding(exchange: str, payments: Iterable[FundingPayment]) -> None:
    """They explain what the account has, so nobody need be alarmed."""
    for payment in payments:
        log.info(
            EventName.FUNDING, exchange=exchange, symbol=payment.symbol, currency=payment.currency,
            amount=payment.amount, time_ms=payment.time_ms,
        )  # fmt: skip
