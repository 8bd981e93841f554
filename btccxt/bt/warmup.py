"""Warm-up: no order leaves because of a bar that was history.

``next()`` runs over the backfill and over the bars of a repaired cut; an order decided there would meet today's price.
A bar is old by its age, its close against the exchange's clock, not by a word of its feed: one that is served by
polling goes on trading. Once a data has been live, an order that only reduces exposure is never held back.
"""

from __future__ import annotations

from typing import Any, Protocol

from btccxt.bt.compat import bt
from btccxt.bt.time import ms_of_num
from btccxt.bt.warmup_policy import WarmUpPolicy
from btccxt.notices import NoticeKind, StoreNotice, WarmUpEnded

_TF = bt.TimeFrame
_LENGTH_MS = {
    _TF.Seconds: 1_000, _TF.Minutes: 60_000, _TF.Days: 86_400_000, _TF.Weeks: 604_800_000,
    _TF.Months: 31 * 86_400_000, _TF.Years: 366 * 86_400_000,
}  # fmt: skip
_LEAST_AGE_MS = 10_000
_WAY_S = 1.0  # of this computer's time: from the close to the order, however fast the exchange's clock runs


class Clock(Protocol):
    """What is asked of the store."""

    def now_ms(self) -> float: ...
    def wall_s(self, exchange_ms: float) -> float: ...
    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None: ...


def feed_of(data: bt.AbstractDataBase) -> Any:
    """The feed whose bars a data shows, resampled and replayed ones included."""
    while not hasattr(data, "source") and hasattr(data, "data"):
        data = data.data
    return data


class BarAges:
    """Judges the newest bar of each data. Strategy's thread."""

    def __init__(self, policy: WarmUpPolicy, clock: Clock) -> None:
        self.policy = policy
        self._clock = clock
        self._been_live: set[int] = set()
        self._refused: dict[int, tuple[bt.AbstractDataBase, bool, list[int]]] = {}  # data -> itself, after a cut, refs

    def why_old(self, data: bt.AbstractDataBase) -> str | None:
        """Why an order on the newest bar of this data would come of history; None where it would not."""
        if not len(data):
            return None
        feed = feed_of(data)
        name = getattr(feed, "label", None) or data._name or str(data._dataname)
        begun = getattr(feed, "been_live", None)
        if begun is False:
            return f"warm-up: {name} has not been live yet, and no order leaves for bars of history"
        age_ms = self._clock.now_ms() - self._close_ms(data, feed)
        most_ms = self._most_ms(data)
        if age_ms <= most_ms:
            self._been_live.add(id(data))
            return None
        if not self.has_been_live(data):
            return f"warm-up: {name} has not been live yet, and no order leaves for bars of history"
        age, most = f"{age_ms / 1000:.1f} s", f"{most_ms / 1000:.1f} s"
        return f"the bar of {name} is old: it closed {age} ago, at most {most} count as now"

    def has_been_live(self, data: bt.AbstractDataBase) -> bool:
        return id(data) in self._been_live or getattr(feed_of(data), "been_live", False)

    def _most_ms(self, data: bt.AbstractDataBase) -> float:
        if self.policy.max_bar_age_s is not None:
            return float(self.policy.max_bar_age_s) * 1000
        bar_ms = _LENGTH_MS.get(data._timeframe, 0) * data._compression
        way_ms = _WAY_S / self._clock.wall_s(1.0)
        return max(bar_ms, _LEAST_AGE_MS) + way_ms

    @staticmethod
    def _close_ms(data: bt.AbstractDataBase, feed: Any) -> float:
        stamp_ms = ms_of_num(data.datetime[0])
        if getattr(feed, "stamps_begin", False) and not getattr(feed, "is_ticks", False):
            stamp_ms += _LENGTH_MS.get(data._timeframe, 0) * data._compression
        return stamp_ms

    # -------------------------------------------------------------- what the strategy is told

    def refused(self, order: bt.Order) -> None:
        """Count an order that was refused for the age of its bar."""
        data = order.data
        after_cut = self.has_been_live(data)
        self._refused.setdefault(id(data), (data, after_cut, []))[2].append(order.ref)

    @property
    def refused_so_far(self) -> dict[str, int]:
        """Of data that are not live (again) yet."""
        return {str(data._name or data._dataname): len(refs) for data, _, refs in list(self._refused.values())}

    def tell(self) -> None:
        """At the first bar that is not old: how many orders the old ones would have sent."""
        for key, (data, after_cut, refs) in list(self._refused.items()):
            if self.why_old(data) is not None:
                continue
            del self._refused[key]
            feed = feed_of(data)
            label = getattr(feed, "label", None) or data._name or str(data._dataname)
            what = "late bars of a repaired cut" if after_cut else "bars of the warm-up"
            count = f"{len(refs)} order{'s' if len(refs) > 1 else ''}"
            text = f"{label} is live: {count} that {what} asked for {'were' if len(refs) > 1 else 'was'} not sent"
            notice = WarmUpEnded(str(label), tuple(refs), after_cut)
            self._clock.put_notification(StoreNotice(NoticeKind.WARM_UP, text, notice))

    @property
    def has_to_tell(self) -> bool:
        return bool(self._refused)


def live_now(datas: list[bt.AbstractDataBase], ages: BarAges) -> bool:
    """Whether all of them have a bar of now."""
    return bool(datas) and all(len(data) and ages.why_old(data) is None for data in datas)
