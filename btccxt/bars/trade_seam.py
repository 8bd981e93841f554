"""Where the history of trades meets the live stream (pure; one instance per symbol).

Trades have ids, not a grid: a gap is closed when the exchange's answer begins with the last trade that was passed on.
What arrives live during a repair is held, then released behind the answer, each trade once.

An id is what a trade is known by only if REST and stream share their ids, which the profile says or which is learned:
else (other ids on each side, or none at all) a trade that came both ways is known by its time, price, amount and side,
as often as it came.

Many exchanges count their trades. Where the ids have been seen to do so, a live trade that does not follow the last one
means that one was lost on the way, or overtaken: it is held, and REST is asked, as after a cut.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from typing import Literal, TypeAlias

from btccxt.bars.aggregate import RecentIds
from btccxt.bars.seam import Hole, HoleCause
from btccxt.model import Side, Trade

TradeEvent = Trade | Hole
TradeIds: TypeAlias = Literal["common", "different", "learned"]
"""Whether the stream and REST give a trade one id."""
_Facts: TypeAlias = tuple[int, float, float, Side | None]
_COUNTED = 20  # ids in a row, each one more than the last, before they are believed to be counted
_UNEXPLAINED = 3  # jumps for which REST knows no trade either, before they are not believed any more


class TradeSeam:
    """Joins pages of trades with live trades.

    ``start_ms``: everything since then; ``last``: continue after that trade (restart); neither: from the first live
    trade on. ``trade_ids``: from the profile.
    """

    def __init__(
        self,
        *,
        start_ms: int | None = None,
        last: Trade | None = None,
        trade_ids: TradeIds = "learned",
        remember_ids: int = 20_000,
    ) -> None:
        self._rest_ids = RecentIds(remember_ids)  # of what REST told and is not to be passed on again
        self._passed_ids = RecentIds(remember_ids)  # of the stream's that were passed on
        self._stream = _Told(remember_ids)  # all of the stream
        self._learns_ids = trade_ids == "learned"
        self._shares_ids = trade_ids == "common"
        self._from_live = _Unmatched(remember_ids)  # came by the stream, not yet seen in an answer
        self._from_rest = _Unmatched(remember_ids)  # the other way round
        self._last = self._last_before = last
        if last is not None:
            self._rest_ids.add(last.trade_id)
            self._passed_ids.add(last.trade_id)
            self._from_live.add(last)
        self._start_ms = start_ms
        self._newest_ms = -1
        self._at_newest: Counter[_Facts] = Counter()  # trades without ids in the newest millisecond
        self._cut_ms = -1  # the newest millisecond at the last cut, and its trades without ids
        self._at_cut: Counter[_Facts] = Counter()
        self._held: list[Trade] = []
        self._joining = False  # an answer has to show the last released trade, or trades were lost
        self.repairing = start_ms is not None or last is not None
        """Whether live trades are being held until ``on_repaired``."""
        self._number: int | None = None  # of the last trade passed on
        self._counted = 0
        self._unexplained = 0

    @property
    def ask_from_ms(self) -> int | None:
        """Since when to ask the exchange; None while no trade was seen and none is asked for."""
        return self._last.time_ms if self._last is not None else self._start_ms

    @property
    def has_joined_live(self) -> bool:
        """Whether a held live trade has also come by REST: then nothing can be missing between them."""
        if self._shares_ids:
            return any(trade.trade_id in self._rest_ids for trade in self._held)
        return any(trade in self._from_rest for trade in self._held)

    def on_live(self, trade: Trade) -> Sequence[Trade]:
        """A trade from the stream."""
        if self._learns_ids and not self._shares_ids and trade.has_own_id:
            self._stream.add(trade)
        if self.repairing:
            self._held.append(trade)
            return ()
        if self._counted >= _COUNTED and self._is_out_of_turn(trade):
            self._held.append(trade)
            self.repairing = True
            return ()
        return (trade,) if self._pass_live(trade) else ()

    def _pass_live(self, trade: Trade) -> bool:
        if trade.has_own_id and (self._is_passed(trade) or not self._passed_ids.add(trade.trade_id)):
            return False
        self._pass_on(trade, _number_of(trade))
        if not self._shares_ids:
            self._from_live.add(trade)
        return True

    def _is_passed(self, trade: Trade) -> bool:
        """Whether this id of the stream's was passed on."""
        return trade.trade_id in self._passed_ids or (self._shares_ids and trade.trade_id in self._rest_ids)

    def _is_out_of_turn(self, trade: Trade) -> bool:
        if self._is_passed(trade):
            return False
        number = _number_of(trade)
        return number is not None and self._number is not None and number != self._number + 1

    def _pass_on(self, trade: Trade, number: int | None) -> None:
        if number is not None and self._number is not None:
            if number == self._number + 1:
                self._counted += 1
            elif self._counted >= _COUNTED:
                self._unexplained += 1
                self._counted = 0 if self._unexplained < _UNEXPLAINED else -(10**12)
            else:
                self._counted = min(self._counted, 0)
        self._last, self._number = trade, number
        if not trade.has_own_id:
            if trade.time_ms != self._newest_ms:
                self._newest_ms = trade.time_ms
                self._at_newest = Counter()
            self._at_newest[_facts(trade)] += 1

    def on_disconnected(self) -> None:
        """Trades may be missing from here on: hold what comes until the repair is done."""
        if self.ask_from_ms is not None:
            if not self.repairing:
                self._cut_ms, self._at_cut = self._newest_ms, self._at_newest.copy()
            self.repairing = True

    def begin_download(self) -> None:
        """The next page begins at ``ask_from_ms``."""
        self._joining = self._last is not None

    def on_page(self, trades: Sequence[Trade]) -> list[TradeEvent]:
        """An answer of the exchange, oldest first; pages of one download come in order."""
        events: list[TradeEvent] = []
        if self._learns_ids and not self._shares_ids:
            self._shares_ids = any(trade in self._stream for trade in trades)
        last = self._last
        if self._joining and last is not None and trades:
            known = next((place for place, trade in enumerate(trades) if self._is_same(trade, last)), None)
            if known is not None:
                if last is self._last_before:
                    for trade in trades[: known + 1]:  # those of the same millisecond: passed on before the restart
                        self._rest_ids.add(trade.trade_id)
                        self._from_live.take(trade)
                    trades = trades[known + 1 :]
                self._joining = False
            elif trades[-1].time_ms > last.time_ms:
                newer = next(trade for trade in trades if trade.time_ms > last.time_ms)
                events.append(Hole(last.time_ms, newer.time_ms, HoleCause.LOST))
                self._joining = False
        events.extend([trade for trade in trades if self._pass_asked(trade)])
        return events

    def _is_same(self, trade: Trade, last: Trade) -> bool:
        if self._shares_ids:
            return trade.trade_id == last.trade_id
        named_so = self._learns_ids and trade.trade_id == last.trade_id and _looks(trade) == _looks(last)
        return named_so or _are_alike(trade, last)

    def _pass_asked(self, trade: Trade) -> bool:
        known = trade.trade_id in self._rest_ids or (self._shares_ids and trade.trade_id in self._passed_ids)
        if known and (trade.has_own_id or not self._shares_ids):
            return False
        # One that was made counts too: it is numbered, and pages overlap.
        self._rest_ids.add(trade.trade_id)
        if self._shares_ids:
            self._pass_on(trade, _number_of(trade))
            return True
        if self._from_live.take(trade):
            return False
        self._from_rest.add(trade)
        self._pass_on(trade, None)  # numbers of another kind, perhaps
        return True

    def on_repaired(self) -> list[Trade]:
        """The download has reached the live stream: release what was held."""
        self.repairing = False
        held, self._held = self._held, []
        if self._counted >= _COUNTED:
            held.sort(key=lambda trade: _number_of(trade) or 0)
        return [
            trade
            for trade in held
            if not self._is_repeated(trade) and not self._came_by_rest(trade) and self._pass_live(trade)
        ]

    def _is_repeated(self, trade: Trade) -> bool:
        """Many streams begin with the last trades before them: those from before the cut were passed on."""
        if trade.has_own_id or trade.time_ms > self._cut_ms:
            return False
        if trade.time_ms < self._cut_ms:
            return True
        facts = _facts(trade)
        self._at_cut[facts] -= 1
        return self._at_cut[facts] >= 0

    def _came_by_rest(self, trade: Trade) -> bool:
        return not self._shares_ids and self._from_rest.take(trade)


class _Told:
    """Ids of the stream, each with what trade it was: two numberings may have a number in common."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._looks: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def add(self, trade: Trade) -> None:
        self._looks[trade.trade_id] = _looks(trade)
        if len(self._looks) > self._capacity:
            self._looks.popitem(last=False)

    def __contains__(self, trade: Trade) -> bool:
        return self._looks.get(trade.trade_id) == _looks(trade)


class _Unmatched:
    """Trades by what they are, as often as they came; the oldest are forgotten.

    One whose side was not told is matched with either.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._order: deque[_Facts] = deque()
        self._counts: Counter[_Facts] = Counter()

    def add(self, trade: Trade) -> None:
        facts = _facts(trade)
        self._order.append(facts)
        self._counts[facts] += 1
        if len(self._order) > self._capacity:
            self._forget(self._order.popleft())

    def take(self, trade: Trade) -> bool:
        """Whether there was one, which is then matched."""
        found = self._find(trade)
        if found is not None:
            self._forget(found)
        return found is not None

    def __contains__(self, trade: Trade) -> bool:
        return self._find(trade) is not None

    def _find(self, trade: Trade) -> _Facts | None:
        what = (trade.time_ms, trade.price, trade.amount)
        sides = (trade.side, None) if trade.side is not None else (None, Side.BUY, Side.SELL)
        return next(((*what, side) for side in sides if (*what, side) in self._counts), None)

    def _forget(self, facts: _Facts) -> None:
        if self._counts[facts] > 1:
            self._counts[facts] -= 1
        else:
            self._counts.pop(facts, None)


def _facts(trade: Trade) -> _Facts:
    return trade.time_ms, trade.price, trade.amount, trade.side


def _are_alike(one: Trade, other: Trade) -> bool:
    *what, side = _facts(one)
    *others, other_side = _facts(other)
    return what == others and (side is other_side or side is None or other_side is None)


def _looks(trade: Trade) -> tuple[float, float]:
    """What both sides write alike; times are rounded by some."""
    return trade.price, trade.amount


def _number_of(trade: Trade) -> int | None:
    return int(trade.trade_id) if trade.trade_id.isdecimal() else None
