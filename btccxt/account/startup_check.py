"""At a start: does what the account has follow from the journal, and if not, do its trades say why?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from btccxt.account.explain import FUNDING_SLACK_MS, expected, funding_that_explains, log_funding, told, unexplained
from btccxt.account.ledger import AccountSnapshot
from btccxt.account.transfers import explained
from btccxt.errors import StateMismatch
from btccxt.model import FundingPayment, Market, Transfer, TransferKind
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.journal.journal import Journal
from btccxt.orders.tracker import OrderTracker

CLOCK_SLACK_MS = 2_000
"""Trades are asked for from so much earlier: clocks differ a little."""
_TRIES = 3


async def agree_with_journal(
    tracker: OrderTracker,
    journal: Journal,
    markets: Mapping[str, Market],
    traded: Collection[str],
    figures: AccountSnapshot,
    fetch: Callable[[], Awaitable[AccountSnapshot]],
    fetch_funding: Callable[[Mapping[str, int]], Awaitable[tuple[FundingPayment, ...]]],
    fetch_transfers: Callable[[], Awaitable[tuple[Transfer, ...]]],
    alarm: Callable[[Alarm], None],
    on_money: Callable[[tuple[Transfer, ...]], None],
) -> AccountSnapshot:
    """Returns the figures to begin with, fresh ones where something filled while we looked.

    ``traded``: symbols whose trades may explain a difference. Raises StateMismatch for a position that nothing
    explains; ``alarm`` hears of a balance that nothing explains, ``on_money`` of one that deposits, withdrawals and
    transfers do.
    """
    for again in range(_TRIES):
        if again:  # something may have filled while we looked
            await tracker.reconcile()
            figures = await fetch()
        await asyncio.wrap_future(journal.flush())
        stored = await asyncio.wrap_future(journal.holdings())
        if stored is None:
            return figures
        ledger = expected(stored, markets)
        for symbol in traded:
            if symbol in markets:
                ledger.track(symbol)
        drift = unexplained(ledger, figures.balances, figures.positions)
        if not drift:
            return figures
        symbols = sorted(ledger.symbols_of(drift))
        funding = await fetch_funding(dict.fromkeys(symbols, stored.at_ms - FUNDING_SLACK_MS)) if symbols else ()
        if paid := funding_that_explains(ledger, figures.balances, figures.positions, funding, stored.at_ms):
            log_funding(journal.exchange, paid)
            return figures
        outside = [
            fill for symbol in symbols for fill in await tracker.foreign_fills(symbol, stored.at_ms - CLOCK_SLACK_MS)
        ]
        left = unexplained(ledger, figures.balances, figures.positions, outside, stored.at_ms, funding)
        if not left:
            return figures
    if any(item.what == "position" for item in left):
        raise StateMismatch(
            f"what the journal and its trades lead to is not what the exchange has: {told(left)}. "
            "'btccxt reconcile' shows both sides; put it right at the exchange, or 'btccxt reconcile --accept' "
            "takes the exchange's figures"
        )
    moved = explained(left, await fetch_transfers(), (), figures.asked_ms)
    if all(each.kind is not TransferKind.UNKNOWN for each in moved):
        on_money(moved)
        return figures
    text = f"while no program ran, something that was no trade changed the account: {told(left)}"
    alarm(Alarm(AlarmKind.DRIFT, text))
    return figures
