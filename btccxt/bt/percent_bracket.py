"""``broker.bracket``: an entry with exits in per cent of what it is filled at, in one call, live and in a backtest.

Strategy's thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from btccxt.bt.compat import bt
from btccxt.bt.order_words import positive
from btccxt.model import decimal_of

_LEAST_PCT = decimal_of("0.05")  # nearer than the spread of most markets: a fraction was meant
_RUNNING: Any = object()


class BracketBroker(Protocol):
    """What places its orders."""

    cerebro: Any

    def buy(self, owner: Any, data: bt.AbstractDataBase, size: Any, **words: Any) -> Any: ...
    def sell(self, owner: Any, data: bt.AbstractDataBase, size: Any, **words: Any) -> Any: ...


class PercentBracket:
    """The method ``bracket`` of a broker."""

    def bracket(
        self: BracketBroker,
        data: bt.AbstractDataBase,
        size: float,
        *,
        price: float | None = None,
        stop_pct: float | None = None,
        target_pct: float | None = None,
        trail_pct: float | None = None,
        on_unprotected: str | None = None,
        owner: Any = _RUNNING,
        **entry_words: Any,
    ) -> list[Any]:
        """Buy (``size`` above zero) or sell short (below) with exits: returns [entry, stop, target] as ``buy_bracket``.

        ``stop_pct``, ``trail_pct`` and ``target_pct`` are per cent (2 is 2 %) of the average price that the entry is
        filled at; one of the first two at most, an exit that is not asked for is None. ``price``: of a limit entry;
        without it the entry goes at market. Exits are armed from the first partial fill; their prices are settled then,
        from what has been filled by then, rounded towards the entry, and journaled. Until then the orders show an
        estimate. ``entry_words`` are those of ``buy`` for the entry. ``owner``: the strategy, where several run.
        Returns at once. What is wrong rejects the entry with every reason, before anything is sent.
        """
        reasons: list[str] = []
        amount = _size(size, reasons)
        percents = {
            name: _percent(name, value, reasons)
            for name, value in (("stop_pct", stop_pct), ("target_pct", target_pct), ("trail_pct", trail_pct))
        }
        if stop_pct is not None and trail_pct is not None:
            reasons.append("stop_pct and trail_pct exclude each other: a position has one stop")
        if stop_pct is target_pct is trail_pct is None:
            reasons.append("give stop_pct, trail_pct or target_pct (2 is 2 %); without exits use buy() or sell()")
        near = decimal_of(float(price if price is not None else data.close[0])) if len(data) or price else None
        if near is None:
            reasons.append("the market has no price yet")
        is_buy = amount > 0
        if owner is _RUNNING:
            running = getattr(self.cerebro, "runningstrats", None)
            owner = running[0] if running else None
        enter, leave = (self.buy, self.sell) if is_buy else (self.sell, self.buy)
        if reasons or near is None:
            return [enter(owner, data, abs(amount), refused=tuple(reasons)), None, None]
        kind = {"exectype": bt.Order.Market} if price is None else {"exectype": bt.Order.Limit, "price": price}
        entry = enter(owner, data, abs(amount), **kind, transmit=False, **entry_words)
        exits: list[Any] = [None, None]
        words = _exit_words(percents, float(near), 1 if is_buy else -1)
        for place, each in words.items():
            last = place == max(words)
            said = {} if on_unprotected is None else {"on_unprotected": on_unprotected}
            exits[place] = leave(owner, data, abs(amount), parent=entry, transmit=last, **each, **said)
        return [entry, *exits]


def _exit_words(percents: Mapping[str, Any], near: float, sign: int) -> dict[int, dict[str, Any]]:
    """0: the stop, 1: the target, where they are asked for."""
    words: dict[int, dict[str, Any]] = {}
    stop, target, trail = percents["stop_pct"], percents["target_pct"], percents["trail_pct"]
    if stop is not None:
        words[0] = {"exectype": bt.Order.Stop, "price": near * (1 - sign * stop / 100), "entry_pct": -sign * stop}
    if trail is not None:
        words[0] = {"exectype": bt.Order.StopTrail, "trailpercent": trail / 100}
    if target is not None:
        words[1] = {"exectype": bt.Order.Limit, "price": near * (1 + sign * target / 100), "entry_pct": sign * target}
    return words


def _size(size: Any, reasons: list[str]) -> float:
    try:
        number = float(size)
    except (TypeError, ValueError):
        number = 0.0
    if isinstance(size, bool) or number == 0 or number != number:
        reasons.append(f"size {size!r}: above zero buys, below zero sells short")
        return 0.0
    return number


def _percent(name: str, value: Any, reasons: list[str]) -> float | None:
    if value is None:
        return None
    number = positive(value, name, reasons)
    if number is not None and number >= 100:
        reasons.append(f"{name}={value!r}: must be below 100 %")
    if number is not None and number < _LEAST_PCT:
        reasons.append(f"{name}={value!r} is {number.normalize():f} %: it is per cent, 2 % is 2")
    return None if number is None else float(number)
