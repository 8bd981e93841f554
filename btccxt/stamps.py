"""Backtrader's day numbers (floats) from and to milliseconds since the epoch, exact to the millisecond.

``days + rest / day`` is bit-identical to ``backtrader.date2num``; one division of the whole number is not, and an ulp
of difference (10 µs) breaks backtrader's equality tests between feeds.
"""

from __future__ import annotations

_EPOCH_NUM = 719163  # 1970-01-01 in backtrader's (matplotlib's old) day numbers
_DAY_MS = 86_400_000


def num_of_ms(time_ms: int) -> float:
    """Day number of an instant."""
    days, rest_ms = divmod(time_ms, _DAY_MS)
    return _EPOCH_NUM + days + rest_ms / _DAY_MS


def ms_of_num(num: float) -> int:
    """Milliseconds since the epoch; ``backtrader.num2date`` truncates and is off by one half the time."""
    return round((num - _EPOCH_NUM) * _DAY_MS)
