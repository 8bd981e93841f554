"""Money that came or went without a trade: which of the exchange's records says so. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

from btccxt.account.ledger import Drift, agree
from btccxt.model import ZERO, Transfer, TransferKind

_MOST_TOGETHER = 3


def explained(
    drift: Iterable[Drift], listed: Sequence[Transfer], booked: Collection[str], now_ms: int
) -> tuple[Transfer, ...]:
    """One record or several for each balance that differs; of an unknown kind where the exchange lists none that fit.

    A deposit bears the time at which it was first seen, so what fits is found by its amount: the latest single record,
    else the latest two or three. ``booked``: ids that have explained something already.
    """
    found: list[Transfer] = []
    for item in drift:
        if item.what == "balance":
            moved = item.theirs - item.ours
            own = [each for each in listed if each.currency == item.name and each.transfer_id not in booked]
            own.sort(key=lambda each: -each.time_ms)
            fits = _that_sum_to(item, own[:12])
            found += fits or [Transfer(item.name, moved, now_ms, TransferKind.UNKNOWN)]
    return tuple(found)


def _that_sum_to(item: Drift, own: Sequence[Transfer]) -> list[Transfer]:
    for count in range(1, _MOST_TOGETHER + 1):
        for some in combinations(own, count):
            if agree(item.ours + sum((each.amount for each in some), ZERO), item.theirs):
                return sorted(some, key=lambda each: each.time_ms)
    return []
