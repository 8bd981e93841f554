"""A bot runs for years: whatever the store keeps of an order has an end, in every room and in backtrader itself.

The full run, two months of a thousand orders a day, is ``benchmarks/two_months.py``.
"""

from __future__ import annotations

import gc
import importlib
from collections import Counter, deque
from pathlib import Path

import pytest

from benchmarks.clients.busy_account import ORDERS_A_ROUND, Busy, trade

_MOST = 20  # of everything that is kept for later questions
_KEPT_FOR_LATER = {
    "btccxt.bt.kept": "KEPT",
    "btccxt.bt.orders": "KEPT",
    "btccxt.bt.positions": "KEPT",
    "btccxt.orders.alarm_log": "_REMEMBERED",
    "btccxt.orders.external_orders": "_REMEMBERED",
    "btccxt.orders.groups": "_KEPT",
    "btccxt.session.metrics": "_ORDERS_REMEMBERED",
    "btccxt.store.paper": "ENDED_KEPT",
}
_WARM, _LOOKS = 4, 8  # rounds; what is kept for later is full when they begin, and a look after each
_CONTAINERS = (dict, list, set, frozenset, deque, tuple)


def _sizes() -> Counter[str]:
    """Of each type of ours and of backtrader's, how many there are, and how much is in each attribute's containers."""
    found: Counter[str] = Counter()
    gc.unfreeze()  # a live run sets aside what is there when it begins, and that would not be listed
    gc.collect()
    for each in gc.get_objects():
        kind = type(each)
        if not str(getattr(kind, "__module__", "")).startswith(("btccxt", "backtrader")):
            continue
        found[kind.__name__] += 1
        slots = (name for one in kind.__mro__ for name in getattr(one, "__slots__", ()))
        for name in {*getattr(each, "__dict__", ()), *slots}:
            value = object.__getattribute__(each, name) if hasattr(each, name) else None
            if isinstance(value, _CONTAINERS):
                found[f"{kind.__name__}.{name}"] += len(value)
    return found


@pytest.mark.slow
def test_what_is_kept_of_orders_does_not_grow_with_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in _KEPT_FOR_LATER.items():
        monkeypatch.setattr(importlib.import_module(module), name, _MOST)
    monkeypatch.setattr("btccxt.orders.groups._ENTRY_WAIT_S", 0.2)
    looks: list[Counter[str]] = []

    def look(play: Busy) -> None:
        if play.done > _WARM:
            looks.append(_sizes())

    ended = trade(_WARM + _LOOKS, look, tmp_path / "journal.sqlite3", kept=_MOST)
    assert sum(ended.values()) == (_WARM + _LOOKS) * ORDERS_A_ROUND
    assert set(ended) == {"Completed", "Canceled", "Rejected"}
    before, after = looks[: _LOOKS // 2], looks[_LOOKS // 2 :]
    grown = {
        name: [each[name] for each in looks]
        for name in after[-1]
        if min(each[name] for each in after) > max(each[name] for each in before)
    }
    assert not grown
