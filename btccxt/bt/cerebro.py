"""One loop per cerebro: where the strategy's thread waits, and what makes a live run end well.

Backtrader lets every feed sleep on its own, so ten feeds add up to seconds. Here nothing sleeps but the loop: cerebro
asks its stores for notifications once per loop, before it polls feeds and broker; the first of our stores to be asked
(the owner) waits there for all. Whatever arrives for any feed, broker or store of this cerebro ends the wait.
"""

from __future__ import annotations

import functools
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from btccxt.bt.compat import bt
from btccxt.bt.long_lived import LongLivedObjects
from btccxt.bt.signals import RunInterrupted, ended_by_signals, trading_set_by_signals
from btccxt.bt.time import backtrader_zone
from btccxt.observe.log import EventName, get_logger
from btccxt.orders.risk import TradingState
from btccxt.session.inbox import EventInbox

log = get_logger(__name__)

_LONGEST_WAIT_S = 0.5  # Windows notices Ctrl-C only when the wait ends
_SHORTEST_WAIT_S = 0.001
_FOREIGN_LIVE_WAIT_S = 0.01  # other people's live feeds cannot ring here
_HISTORY_PATIENCE_S = 30.0
_FIRST_BAR_PATIENCE_S = 10.0
_FIRST_BAR_LOOK_S = 1.0
_LOOP_FUNCTIONS = frozenset({"_runnext", "_runonce", "_runnext_old", "_runonce_old"})
_hubs: weakref.WeakKeyDictionary[bt.Cerebro, CerebroLoop] = weakref.WeakKeyDictionary()


class LoopStore(Protocol):
    """What the loop needs of a store."""

    cerebro_loop: CerebroLoop | None
    """The loop of the cerebro it takes part in, set by ``attach``; ``get_notifications`` pumps it."""

    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None: ...


class LoopFeed(Protocol):
    """What the loop needs of a live feed."""

    label: str

    def look(self) -> None:
        """Report ``history_progress`` of what has arrived."""

    def release(self) -> None:
        """Bars may be delivered now."""


class CerebroLoop:
    """``CerebroLoop.of(cerebro)`` makes it on first use. Only ``wake`` and ``inbox.put`` are for other threads."""

    @staticmethod
    def of(cerebro: bt.Cerebro) -> CerebroLoop:
        cerebro_loop = _hubs.get(cerebro)
        if cerebro_loop is None:
            cerebro_loop = _hubs[cerebro] = CerebroLoop(cerebro)
        return cerebro_loop

    def __init__(self, cerebro: bt.Cerebro) -> None:
        # Weak, or the mapping would keep every cerebro for ever.
        self._cerebro: Callable[[], Any] = weakref.ref(cerebro)
        self.inbox = EventInbox()
        self._long_lived = LongLivedObjects()
        self.has_work = True
        """Set by whatever leaves work for the next loop: a bar rewound, stacked or waiting. Then nobody waits."""
        self.has_notifications = True
        """Set by a data that has news for ``notify_data``."""
        self.is_live = False
        self.in_worker = False
        """Whether this is a copy in one of the processes of an optimisation."""
        self._begun = False
        self._thread = 0
        self.every_loop: list[Callable[[], None]] = []
        """Called once per loop in the strategy's thread, at least twice a second while live; must be quick."""
        self._forget()
        # The instance is changed, never the class: other cerebros of the process stay as they are.
        cerebro.runstrategies = functools.partial(_run_guarded, cerebro)
        cerebro._runonce = functools.partial(_tell_and_run_once, cerebro)
        cerebro.runstop = functools.partial(_stop_at_once, cerebro)
        cerebro._datanotify = functools.partial(_pass_on_news, cerebro, self)

    def __reduce__(self) -> tuple[Callable[..., CerebroLoop], tuple[bt.Cerebro]]:
        """An optimisation sends cerebro to its processes: there its loop is made anew."""
        return _loop_in_worker, (self._cerebro(),)

    def _forget(self) -> None:
        self.this_run: list[Callable[[], None]] = []
        """As ``every_loop``, until the run ends."""
        self._datas_judged, self._all_daily = -1, False
        self._moved: dict[int, bt.AbstractDataBase] = {}
        self._delivered = False
        self._owner: weakref.ref[LoopStore] | None = None
        self._alive: dict[int, LoopFeed] = {}
        self._held: dict[int, LoopFeed] = {}
        self._ready: set[int] = set()
        self._progress_s = 0.0
        self._surveyed = False
        self._foreign: list[bt.AbstractDataBase] = []
        self._foreign_lengths: list[int] = []
        self._clocked: list[Any] = []
        self._longest_wait_s = _LONGEST_WAIT_S
        self._started_s = 0.0
        self._next_gate_look_s = float("inf")
        self._gate_said: set[int] = set()

    @property
    def stamps_day_ends(self) -> bool:
        """Whether closes are stamped as backtrader ends its days, 10 µs early.

        That tells backtrader which day it was, but beside shorter bars it would show the day before its last hour. So
        only where all datas are of days or longer.
        """
        datas = self._cerebro().datas
        if self._datas_judged != len(datas):
            self._datas_judged = len(datas)
            self._all_daily = all(data._timeframe >= bt.TimeFrame.Days and not data.replaying for data in datas)
        return self._all_daily

    @property
    def leaves_it_to_workers(self) -> bool:
        """Whether other processes will load the datas, each for itself: this one need not."""
        cerebro = self._cerebro()
        return bool(cerebro._dooptimize) and cerebro.p.maxcpus != 1 and not self.in_worker

    @property
    def is_running(self) -> bool:
        """Whether a run has begun, and not ended. Any thread."""
        return self._begun

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is the strategy's thread."""
        return threading.get_ident() == self._thread

    @property
    def cerebro(self) -> Any:
        """None when it is gone."""
        return self._cerebro()

    # -------------------------------------------------------------- who takes part

    def attach(self, store: LoopStore) -> None:
        """Make cerebro poll this store (a store with a broker only would never be asked otherwise)."""
        store.cerebro_loop = self
        cerebro = self._cerebro()
        if not any(store is known for known in cerebro.stores):
            cerebro.addstore(store)

    def opened(self, feed: LoopFeed) -> None:
        """A feed will deliver live bars."""
        self._alive[id(feed)] = feed

    def hold(self, feed: LoopFeed, *, ready: bool = False) -> None:
        """This feed delivers nothing until every held feed has its history (``ready``: this one has it already).

        Histories arrive when they arrive; delivered like that, one feed's last week would meet another's first bar.
        Held until all are here, cerebro merges them by time, as in a backtest.
        """
        self._held[id(feed)] = feed
        self.history_progress(feed, ready)

    def closed(self, feed: LoopFeed) -> None:
        """Nothing more will come from this feed."""
        self._alive.pop(id(feed), None)
        self._held.pop(id(feed), None)

    def history_progress(self, feed: LoopFeed, complete: bool) -> None:
        """A held feed got events; ``complete`` says that its history is all here."""
        self._progress_s = time.monotonic()
        if complete:
            self._ready.add(id(feed))
            self.has_work = True

    def mark_updated(self, data: bt.AbstractDataBase) -> None:
        """This data has a new bar."""
        self._delivered = True
        self._moved[id(data)] = data

    @property
    def some_moved(self) -> bool:
        """Whether ``take_moved`` has something to tell; always where it would not be complete."""
        return bool(self._moved) or not self.is_live

    def take_moved(self) -> list[bt.AbstractDataBase]:
        """Our datas with a new bar since the last call: for the broker, so that 200 feeds are not all looked at.

        Complete only in a live run (``is_live``): a vectorised one moves datas by itself.
        """
        if not self._moved:
            return []
        moved = list(self._moved.values())
        self._moved.clear()
        return moved

    # -------------------------------------------------------------- the one wait

    def wake(self) -> None:
        """End a wait. Any thread."""
        self.inbox.wake()

    def poll(self, store: LoopStore) -> None:
        """Deliver what has arrived; wait for it if there is nothing else to do.

        Called by every store's ``get_notifications``; acts for the owner only.
        """
        if self._owner is None:
            self._owner = weakref.ref(store)
        elif self._owner() is not store:
            return
        cerebro = self._cerebro()
        if not self._surveyed:
            self._survey(cerebro)
        if self._held:
            self._release_held()
        has_work = self.has_work or (self._delivered and _next_left_work(cerebro))
        self.has_work = self._delivered = False
        may_wait = not has_work and self._alive and not cerebro._event_stop and not self._foreign_moved()
        self.inbox.deliver(self._patience_s() if may_wait else 0.0)
        if getattr(cerebro._broker, "arrivals", None):
            cerebro._brokernotify()  # cerebro does it only after asking every data for a bar, and there may be hundreds
        for each in (*self.every_loop, *self.this_run):
            each()
        if time.monotonic() >= self._next_gate_look_s:
            self._look_at_gate(cerebro)

    def _survey(self, cerebro: bt.Cerebro) -> None:
        """What kind of feeds run beside each other; asked once, when all have been started."""
        self._surveyed = True
        self._foreign = [data for data in cerebro.datas if not hasattr(data, "wakes_loop")]
        self._foreign_lengths = [-1] * len(self._foreign)
        self._clocked = [data for data in cerebro.datas if getattr(data, "seconds_to_edge", None) is not None]
        self._clocked = [data for data in self._clocked if data.has_resampler]
        waits_s = [data.p.qcheck for data in cerebro.datas if id(data) in self._alive]
        self._longest_wait_s = max(_SHORTEST_WAIT_S, min([_LONGEST_WAIT_S, *(wait for wait in waits_s if wait > 0)]))
        if any(data.islive() for data in self._foreign):
            self._longest_wait_s = min(self._longest_wait_s, _FOREIGN_LIVE_WAIT_S)
        self._started_s = time.monotonic()
        if self._alive:
            self._next_gate_look_s = self._started_s + _FIRST_BAR_LOOK_S
            self._long_lived.set_aside()

    @property
    def knows_all(self) -> bool:
        """Whether every data is one of ours, which say when they have news."""
        return self._surveyed and not self._foreign

    def _foreign_moved(self) -> bool:
        """Feeds of others (CSV files ...) do not stir the loop; as long as their length changes, nobody waits."""
        if not self._foreign:
            return False
        lengths = [len(data) for data in self._foreign]
        moved, self._foreign_lengths = lengths != self._foreign_lengths, lengths
        return moved

    def _patience_s(self) -> float:
        """Until the next resampled bar is due, at most half a second."""
        patience_s = self._longest_wait_s
        for data in self._clocked:
            patience_s = min(patience_s, data.seconds_to_edge())
        return max(patience_s, _SHORTEST_WAIT_S)

    def _release_held(self) -> None:
        for feed in list(self._held.values()):  # with oldsync=True cerebro asks the first data only
            feed.look()
        missing = [feed for key, feed in self._held.items() if key not in self._ready]
        if missing and len(self._held) > 1 and time.monotonic() - self._progress_s < _HISTORY_PATIENCE_S:
            return
        if missing and len(self._held) > 1:
            names = ", ".join(feed.label for feed in missing)
            self.say(
                f"no history of {names} for {_HISTORY_PATIENCE_S:.0f} s: the other feeds start without it; "
                "its bars will come later than theirs of the same time"
            )
        for feed in self._held.values():
            feed.release()
        self._held.clear()
        self.has_work = True

    # -------------------------------------------------------------- what a user should know

    def say(self, message: str, **details: Any) -> None:
        """Log, and tell ``notify_store``."""
        log.warning(EventName.NOTIFICATION, text=message)
        store = self._owner() if self._owner is not None else None
        if store is not None:
            store.put_notification(message, **details)

    def _look_at_gate(self, cerebro: bt.Cerebro) -> None:
        """Backtrader calls ``next`` only when *every* data has its bars: name the one that keeps all others waiting."""
        waited_s = time.monotonic() - self._started_s
        self._next_gate_look_s = time.monotonic() + _FIRST_BAR_LOOK_S
        someone_lacks = False
        for strategy in cerebro.runningstrats:
            needs = list(zip(strategy.datas, strategy._minperiods, strict=False))
            lacking = [(data, need) for data, need in needs if len(data) < need]
            someone_lacks = someone_lacks or bool(lacking)
            if not lacking or len(lacking) == len(needs):
                continue  # all may go, or all are still warming up together
            others_live = all(
                data._laststatus == data.LIVE for data, need in needs if len(data) >= need and id(data) in self._alive
            )
            if waited_s < _FIRST_BAR_PATIENCE_S and not others_live:
                continue
            for data, need in lacking:
                if id(data) not in self._gate_said:
                    self._gate_said.add(id(data))
                    self.say(_gate_message(strategy, data, need), data=data)
        if not someone_lacks:
            self._next_gate_look_s = float("inf")
            self._long_lived.set_aside()

    # -------------------------------------------------------------- a run

    def join_run(self) -> None:
        """A data inside another is met only when the run has begun already."""
        if not self._begun:
            self.begin_run()

    def begin_run(self) -> None:
        cerebro = self._cerebro()
        self._begun = True
        self._thread = threading.get_ident()
        self._forget()
        self.inbox.clear()
        self.has_work = self.has_notifications = True
        self.is_live = bool(cerebro._dolive)
        cerebro.p.tz = backtrader_zone(cerebro.p.tz) if not isinstance(cerebro.p.tz, int) else cerebro.p.tz
        # Without it notify_order waits for the next bar: up to a minute with 1m bars. A pure backtest stays as it was.
        if cerebro._dolive or hasattr(cerebro.broker, "arrivals"):
            cerebro.p.quicknotify = True

    def end_run(self) -> None:
        self._begun = False
        self._forget()
        self._long_lived.give_back()
        self.inbox.clear()  # what is left would keep feeds and cerebro in memory


def _next_left_work(cerebro: bt.Cerebro) -> bool:
    """Whether a strategy's ``next`` did what the coming loop has to carry on: its orders, its messages.

    Parts that are not ours cannot be asked, so with them the answer is yes: one loop more, as with stock feeds.
    """
    broker = cerebro._broker
    return (
        not hasattr(broker, "arrivals")
        or bool(broker.notifs)
        or any(getattr(store, "has_news", True) for store in cerebro.stores)
    )


def _gate_message(strategy: bt.Strategy, data: bt.AbstractDataBase, need: int) -> str:
    label = getattr(data, "label", None) or data._name or str(data._dataname)
    have = len(data)
    bars = "has no bar yet" if have == 0 else f"has {have} of {need} bars"
    return (
        f"{type(strategy).__name__} stays in prenext(): {label} {bars}, and backtrader calls next() only when every "
        "data has its own. Give it history (backfill_start=True, an earlier fromdate), or let prenext() call next()"
    )


# ------------------------------------------------------------------ guarding cerebro's run


def _stop_at_once(cerebro: bt.Cerebro) -> None:
    """``cerebro.runstop()``: as before, and the wait ends."""
    type(cerebro).runstop(cerebro)
    CerebroLoop.of(cerebro).wake()


def _tell_and_run_once(cerebro: bt.Cerebro, strategies: list[bt.Strategy]) -> None:
    """``cerebro._runonce``: as before, but first the strategies hear what stores said while loading."""
    cerebro._storenotify()
    type(cerebro)._runonce(cerebro, strategies)


def _pass_on_news(cerebro: bt.Cerebro, cerebro_loop: CerebroLoop) -> None:
    """``cerebro._datanotify``: as before, but datas are asked for news only when one has some.

    Cerebro asks all of them four times per loop, which with 200 feeds takes a third of a millisecond.
    """
    if cerebro_loop.has_notifications:
        cerebro_loop.has_notifications = not cerebro_loop.knows_all
        type(cerebro)._datanotify(cerebro)


def _run_guarded(cerebro: bt.Cerebro, iterstrat: Any, predata: bool = False) -> Any:
    """``cerebro.runstrategies``: as before, but an exception still stops strategies, broker, feeds and stores.

    Backtrader has no ``finally`` there: after an error in ``next()`` no ``stop()`` is called and threads and sockets
    stay open. Signals end the run in order; one that comes before its first bar leaves no strategy to return.
    """
    cerebro_loop = CerebroLoop.of(cerebro)
    cerebro_loop.begin_run()
    try:
        with ended_by_signals(cerebro.runstop), trading_set_by_signals(functools.partial(_ask_stores, cerebro)):
            try:
                if not predata:
                    return type(cerebro).runstrategies(cerebro, iterstrat)
                with _own_datas_loaded(cerebro):
                    return type(cerebro).runstrategies(cerebro, iterstrat, predata=True)
            except BaseException as error:
                _stop_all(cerebro, error)
                raise
    except RunInterrupted:
        return []
    finally:
        cerebro_loop.end_run()


@contextmanager
def _own_datas_loaded(cerebro: bt.Cerebro) -> Iterator[None]:
    """In a process of an optimisation backtrader takes all datas for loaded: stock ones came along with their bars."""
    own = [data for data in cerebro.datas if getattr(data, "wakes_loop", False)]
    for data in own:
        data.reset()
        if cerebro._exactbars < 1:
            data.extend(size=cerebro.p.lookahead)
        data._start()
        data.preload()
    yield
    for data in own:
        data.stop()


def _loop_in_worker(cerebro: bt.Cerebro) -> CerebroLoop:
    cerebro_loop = CerebroLoop.of(cerebro)
    cerebro_loop.in_worker = True
    return cerebro_loop


def _ask_stores(cerebro: bt.Cerebro, state: TradingState) -> None:
    for store in cerebro.stores:
        if (control := getattr(store, "trading", None)) is not None:
            control.ask(state)


def _stop_all(cerebro: bt.Cerebro, error: BaseException) -> None:
    steps: list[Any] = []
    if _raised_in_loop(error):  # otherwise the strategies had not started, or were being stopped already
        steps += [strategy._stop for strategy in cerebro.runningstrats]
    steps.append(cerebro._broker.stop)
    steps += [part.stop for parts in (cerebro.datas, cerebro.feeds, cerebro.stores) for part in parts]
    for stop in steps:
        try:
            stop()
        except Exception:  # one that cannot stop must not keep the others running
            log.exception(EventName.SESSION_ERROR, what="stopping", after=repr(error))


def _raised_in_loop(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name in _LOOP_FUNCTIONS:
            return True
        trace = trace.tb_next
    return False
