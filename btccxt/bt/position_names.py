"""Which of an account's positions an order is of: the data's, or the one of two (hedge mode) that it names.

Runs in the strategy's thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from btccxt.bt.compat import bt
from btccxt.bt.order_words import POSITION_SIDE
from btccxt.bt.positions import PositionBook
from btccxt.exchange.position_side import POSITION_SIDES, named, positions_of, split
from btccxt.model import Market


def position_of(
    order: bt.Order, words: dict[str, Any], markets: Mapping[str, Market], reasons: list[str]
) -> str | None:
    """The name under which the account knows the position; ``position_side`` is taken out of ``words``.

    Exits and members of a pair are of the position of their entry or pair. None (and a reason) where it is not clear.
    """
    given = words.pop(POSITION_SIDE, None)
    symbol, bound = split(order.data._dataname)
    if given is not None and given not in POSITION_SIDES:
        reasons.append(f"position_side={given!r}: write 'long' or 'short'")
        return None
    if bound is None and len(positions_of(symbol, markets)) == 1:
        if given is not None:
            reasons.append(
                f"position_side={given!r}: {symbol} is traded in one-way mode, with one position: leave it out, "
                "or give the store position_mode='hedge'"
            )
        return symbol
    side = given or bound or _of_tied(order.parent) or _of_tied(order.oco)
    if side is None:
        reasons.append(
            f"{symbol} has two positions in hedge mode: give position_side='long' or 'short', or bind the data to one: "
            "getdata(..., position_side=)"
        )
        return None
    if bound is not None and side != bound:
        reasons.append(f"position_side={side!r}: this data is bound to the {bound} position")
        return None
    order.addinfo(position_side=side)
    return named(symbol, side)


def _of_tied(other: Any) -> str | None:
    return other.info.get(POSITION_SIDE) if isinstance(other, bt.Order) else None


class ClosingBroker(Protocol):
    """What closing a position needs of its broker."""

    @property
    def books(self) -> PositionBook: ...
    def is_contract(self, data: bt.AbstractDataBase) -> bool: ...
    def buy(self, owner: bt.Strategy | None, data: bt.AbstractDataBase, size: float, **words: Any) -> bt.Order: ...
    def sell(self, owner: bt.Strategy | None, data: bt.AbstractDataBase, size: float, **words: Any) -> bt.Order: ...


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """A position that is not flat, and the data by which it can be closed. ``name``: as the account knows it."""

    data: bt.AbstractDataBase
    name: str
    size: float

    def close(self, broker: ClosingBroker) -> bt.Order:
        """At market, by nobody's strategy."""
        side = split(self.name)[1]
        words = {} if side is None else {POSITION_SIDE: side}
        close = broker.sell if self.size > 0 else broker.buy
        return close(None, self.data, abs(self.size), reduce_only=broker.is_contract(self.data), **words)


def held_positions(broker: ClosingBroker) -> Iterator[HeldPosition]:
    """Every position of the broker's datas that is not flat, each once."""
    books = broker.books
    for name in books.names:
        size, data = books.position(name).size, books.first_data(name)
        if size and data is not None:
            yield HeldPosition(data, name, size)
