"""Empty is not zero: what an answer does not name is gone only if the answer can be taken at its word. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from btccxt.errors import Unreadable
from btccxt.model import ZERO, Balance, Balances, Market, Position

PositionKey = tuple[str, str | None]
"""Symbol, and the side where both are held at once."""


def check_not_emptied(known: Mapping[str, Balance], answer: Balances) -> None:
    """Raises Unreadable for an account that is said to hold nothing, where a moment ago it held something.

    Exchanges leave out coins of which nothing is left, but an account that has traded is never without a coin.
    """
    if answer.complete and not answer.by_currency and any(balance.total for balance in known.values()):
        raise Unreadable("the account is said to hold no coin at all, a moment ago it did: not believed")


def unexplained_absences(
    held: Mapping[PositionKey, Position],
    told: Sequence[Position],
    moved: Collection[str],
    balances: Mapping[str, Balance],
    markets: Mapping[str, Market],
) -> list[Position]:
    """Positions that an answer without any position leaves out, though nothing says that they were closed.

    Closed they may be where a fill of ours moved them (``moved``: symbols), or where their coin backs nothing any more.
    An answer that names others is taken at its word: exchanges leave out what is flat.
    """
    if told:
        return []
    return [
        position
        for (symbol, _), position in held.items()
        if position.amount and symbol not in moved and _backs_something(symbol, balances, markets)
    ]


def _backs_something(symbol: str, balances: Mapping[str, Balance], markets: Mapping[str, Market]) -> bool:
    market = markets.get(symbol)
    balance = balances.get(market.settle or market.quote) if market is not None else None
    used: Decimal = balance.used if balance is not None else ZERO
    return used > ZERO
