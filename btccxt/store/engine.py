"""``LiveEngine`` and ``btccxt.run``: cerebro, store, datas and strategy in one call, in this thread or beside it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

from typing_extensions import Self

from btccxt.bt.compat import bt
from btccxt.bt.run_log import Record
from btccxt.bt.time import arguments_of
from btccxt.config import Mode, StoreConfig
from btccxt.errors import BtccxtError, ConfigError
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import MarketType
from btccxt.resilience.files import is_held, private_folder
from btccxt.store.build_config import build_config
from btccxt.store.config_file import load_options
from btccxt.store.run_record import record_run, run_folder
from btccxt.store.store import CCXTStore
from btccxt.store.strategy_file import check_params, check_trades, load_strategy
from btccxt.timeframe import duration_ms

T = TypeVar("T")
Duration = float | str | timedelta
"""Seconds, or text as '90s', '15m', '1h30m', '2d'."""
Analyzers = Iterable[type[bt.Analyzer]]

_STOP_S = 30.0
_RUNS_KEPT = 100


class _Progress(bt.Analyzer):
    """Tells its engine that the strategy has started, and of every bar."""

    params = (("engine", None),)

    def start(self) -> None:
        self._length = 0
        self.p.engine._started(self.strategy)

    def prenext(self) -> None:
        self.next()

    def nextstart(self) -> None:
        self.next()

    def next(self) -> None:
        data = self.strategy.data
        if len(data) != self._length:  # another data's bar may have come
            self._length = len(data)
            self.p.engine._bar(data._laststatus == data.LIVE)


class LiveEngine:
    """One strategy on one store.

    ``strategy``: a class, or ``"file.py:Class"``. ``symbol``: one or several; default BTC against the account's
    currency. ``timeframe`` as ccxt writes it ('1m', '4h', 'ticks'). ``params``: of the strategy. The store is
    ``store``, or made of ``exchange``, a profile of ``config_file``, and ``options`` of ``CCXTStore``. In modes sim
    and paper its journal is kept in the state folder, unless ``journal`` says otherwise. ``data_options`` go to
    ``store.getdata``. ``cerebro`` can be added to before the start.

    ``run()`` blocks. ``start()`` runs it in a thread of its own; ``wait()`` and ``stop()`` follow. Inside a running
    event loop these three return awaitables. Raises ConfigError for wrong arguments, before anything is sent.
    """

    def __init__(
        self,
        strategy: type[bt.Strategy] | str | Path,
        exchange: str | ExchangeAPI | None = None,
        *,
        store: CCXTStore | None = None,
        symbol: str | Sequence[str] | None = None,
        timeframe: str = "1m",
        params: Mapping[str, Any] | None = None,
        config_file: str | Path | None = None,
        profile: str | None = None,
        analyzers: Analyzers = (),
        data_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        chosen, params = _strategy(strategy, params)
        timed = arguments_of(timeframe)
        self.store = store if store is not None else make_store(exchange, config_file, profile, **options)
        if store is not None and (exchange is not None or config_file is not None or options):
            raise ConfigError("store= is given: exchange, config_file and options belong to that store")
        self.symbols = _symbols(symbol, self.store)
        self.timeframe = timeframe
        self.strategy: bt.Strategy | None = None
        """The running strategy, from its start on."""
        self.live_bars = 0
        """Bars of the first symbol since it became live."""
        self.cerebro = bt.Cerebro(stdstats=False)
        for each in self.symbols:
            self.cerebro.adddata(self.store.getdata(dataname=each, **timed, **(data_options or {})))
        self.cerebro.setbroker(self.store.getbroker())
        for analyzer in analyzers:
            self.cerebro.addanalyzer(analyzer)
        self.cerebro.addanalyzer(_Progress, _name="btccxt_progress", engine=self)
        self.every_record: list[Callable[[Record], None]] = []
        """Called with each record of the run (``btccxt.bt.run_log``) in the strategy's thread. Add before the start."""
        self._end_record = record_run(self.cerebro, self.store, self.every_record, timeframe=timeframe)
        self.cerebro.addstrategy(chosen, **params)
        self._changed = threading.Condition()
        self._bells: list[Callable[[], None]] = []  # of event loops that wait
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._has_ended = self._stop_asked = self._is_running_here = False
        self._last_bar: int | None = None
        self._length_ms: int | None = None
        self._timer: threading.Timer | None = None

    # -------------------------------------------------------------- in this thread

    def run(self, *, duration: Duration | None = None, bars: int | None = None) -> bt.Strategy | None:
        """Blocks until ``duration`` of the exchange's time or ``bars`` live bars are over, ``stop()``, or a signal.

        Returns the strategy; None where a signal came before it was made.
        """
        self._limit(duration, bars)
        self._is_running_here = True
        try:
            ran = self.cerebro.run()
        finally:
            self._end()
        return ran[0] if ran else None

    # -------------------------------------------------------------- in a thread of its own

    def start(self, *, duration: Duration | None = None, bars: int | None = None) -> Self | Awaitable[Self]:
        """Begin in another thread; returns when the strategy has started. Raises what the start raised."""
        self._limit(duration, bars)
        self._thread = threading.Thread(target=self._run_beside, name="btccxt-strategy", daemon=True)
        self._thread.start()
        return self._when(lambda: self.strategy is not None or self._has_ended, None, lambda _: self)

    def wait(self, *, duration: Duration | None = None, bars: int | None = None) -> bool | Awaitable[bool]:
        """Until so much of the exchange's time or so many further live bars are over, or the run has ended.

        Whether it still runs. Raises what the strategy raised.
        """
        if self._thread is None and not self._has_ended:
            raise ConfigError("this engine was not started: call start() first, or run() instead of both")
        last = None if bars is None else self.live_bars + bars
        timeout_s = None if duration is None else self.store.wall_s(_length_ms(duration))

        def over() -> bool:
            return self._has_ended or (last is not None and self.live_bars >= last)

        return self._when(over, timeout_s, lambda _: not self._has_ended)

    def stop(self) -> Awaitable[None] | None:
        """End the run in order, from any thread; waits for its thread, half a minute at most. Idempotent."""
        self._stop_asked = True
        self.cerebro.runstop()

        def ended(is_over: bool) -> None:
            if not is_over:
                raise BtccxtError(f"the strategy did not end within {_STOP_S:g} s: its next() may be waiting")

        if self._thread is None or self._thread is threading.current_thread():
            return None
        return self._when(lambda: self._has_ended, _STOP_S, ended)

    @property
    def is_running(self) -> bool:
        return self.strategy is not None and not self._has_ended

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        started = self.start()
        assert not isinstance(started, LiveEngine)
        return await started

    async def __aexit__(self, *exc_info: object) -> None:
        stopped = self.stop()
        if stopped is not None:
            await stopped

    # -------------------------------------------------------------- inside

    def _limit(self, duration: Duration | None, bars: int | None) -> None:
        if self._thread is not None or self._is_running_here or self._has_ended:
            raise ConfigError("this engine was started already; make a new one for another run")
        if bars is not None and (isinstance(bars, bool) or not isinstance(bars, int) or bars < 1):
            raise ConfigError(f"bars={bars!r}: give the number of live bars to run for, as in bars=100")
        self._last_bar = bars
        self._length_ms = None if duration is None else _length_ms(duration)

    def _run_beside(self) -> None:
        try:
            self.cerebro.run()
        except BaseException as error:  # noqa: BLE001 - raised to whoever waits
            self._error = error
        finally:
            self._end()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._end_record()
        self._has_ended = True
        self._tell()

    def _started(self, strategy: bt.Strategy) -> None:
        self.strategy = strategy
        self._tell()
        if self._stop_asked:  # cerebro forgets what was asked before its run
            self.cerebro.runstop()
        if self._length_ms is not None:
            self._timer = threading.Timer(self.store.wall_s(self._length_ms), self.cerebro.runstop)
            self._timer.daemon = True
            self._timer.start()

    def _bar(self, is_live: bool) -> None:
        if not is_live and not self.live_bars:
            return
        self.live_bars += 1
        self._tell()
        if self._last_bar is not None and self.live_bars >= self._last_bar:
            self.cerebro.runstop()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
        for ring in tuple(self._bells):
            with contextlib.suppress(RuntimeError):  # that loop has been closed
                ring()

    def _when(
        self, ready: Callable[[], bool], timeout_s: float | None, answer: Callable[[bool], T]
    ) -> T | Awaitable[T]:
        """``answer`` of whether it was ready in time: by waiting, or inside a running loop awaitable."""

        def told(is_over: bool) -> T:
            error, self._error = self._error, None
            if error is not None:
                raise error
            return answer(is_over)

        async def awaited() -> T:
            changed, loop = asyncio.Event(), asyncio.get_running_loop()

            async def until_ready() -> None:
                while not ready():
                    changed.clear()
                    await changed.wait()

            def ring() -> None:
                loop.call_soon_threadsafe(changed.set)

            self._bells.append(ring)
            try:
                await asyncio.wait_for(until_ready(), timeout_s)
            except asyncio.TimeoutError:
                return told(False)
            finally:
                self._bells.remove(ring)
            return told(True)

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            with self._changed:
                is_over = self._changed.wait_for(ready, timeout_s)
            return told(is_over)
        return awaited()


def run(
    strategy: type[bt.Strategy] | str | Path,
    exchange: str | ExchangeAPI | None = None,
    *,
    duration: Duration | None = None,
    bars: int | None = None,
    **options: Any,
) -> bt.Strategy | None:
    """Run a strategy until it calls ``env.runstop()``, ``duration`` or ``bars`` are over, or a signal comes. Blocks.

    ``btccxt.run(MyStrategy, "binance", mode="sim", symbol="BTC/USDT", timeframe="1m", bars=60)``: ``options`` are those
    of ``LiveEngine`` and of ``CCXTStore``. Returns the strategy with its analyzers.
    """
    return LiveEngine(strategy, exchange, **options).run(duration=duration, bars=bars)


def run_backtest(
    strategy: type[bt.Strategy] | str | Path,
    exchange: str | None = None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    symbol: str | Sequence[str] | None = None,
    timeframe: str = "1m",
    params: Mapping[str, Any] | None = None,
    config_file: str | Path | None = None,
    profile: str | None = None,
    cash: float = 10_000.0,
    analyzers: Analyzers = (),
    **options: Any,
) -> bt.Strategy:
    """The same set-up over the past: bars of the store's lake, what it lacks fetched; the exchange's fees and steps.

    Raises ConfigError, LakeError.
    """
    chosen, params = _strategy(strategy, params)
    timed = arguments_of(timeframe)
    if start is not None and end is not None and start >= end:
        raise ConfigError(f"the backtest begins at {start} and ends at {end}: nothing lies between")
    store = make_store(exchange, config_file, profile, **options)
    cerebro = bt.Cerebro(stdstats=False)
    for each in _symbols(symbol, store):
        cerebro.adddata(store.getdata(dataname=each, historical=True, fromdate=start, todate=end, **timed))
    try:
        cerebro.setbroker(store.backtest_broker(cash=cash))
        for analyzer in analyzers:
            cerebro.addanalyzer(analyzer)
        cerebro.addstrategy(chosen, **params)
        ran: list[bt.Strategy] = cerebro.run()
    finally:
        store.stop()
    if not ran:
        raise BtccxtError("the backtest was interrupted before its first bar")
    return ran[0]


def make_store(
    exchange: str | ExchangeAPI | None, config_file: str | Path | None, profile: str | None, **options: Any
) -> CCXTStore:
    """A store of the keywords, over a profile of the file. Raises ConfigError."""
    given = {name: value for name, value in {"exchange": exchange, **options}.items() if value is not None}
    if config_file is not None:
        given = load_options(config_file, profile, given)
    elif profile is not None:
        raise ConfigError(f"profile={profile!r} is a profile of a config file: give config_file= as well")
    elif exchange is None:
        raise ConfigError("no exchange: name one, or give config_file=")
    named = {"exchange": exchange.id} if isinstance(exchange, ExchangeAPI) else {}
    settings = build_config({name: value for name, value in {**given, **named}.items() if name != "decide"})
    if settings.mode in (Mode.SIM, Mode.PAPER) and settings.journal is None:
        given["journal"] = _run_journal(settings)
    return CCXTStore(**given)


def _run_journal(settings: StoreConfig) -> Path:
    """A new file for this run; the oldest beyond a hundred go. Raises ConfigError where there is no place for it."""
    try:
        folder = private_folder(run_folder())
    except OSError as error:
        raise ConfigError(
            f"{run_folder()} cannot be written ({error.strerror or error}), where the order journal of this run would "
            "be: give journal= (--journal) a path of yours, or ':memory:'"
        ) from None
    kept = sorted(folder.glob("*.sqlite3"), key=lambda path: path.stat().st_mtime)
    for old in kept[: max(0, len(kept) - _RUNS_KEPT)]:
        if not is_held(old.with_name(f"{old.name}.lock")):  # a bot may run for longer than a hundred others
            for part in folder.glob(f"{old.name}*"):
                part.unlink(missing_ok=True)
    began = f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S-%f}"
    return folder / f"{settings.exchange}-{settings.mode.value}-{began}.sqlite3"


def _strategy(
    given: type[bt.Strategy] | str | Path, params: Mapping[str, Any] | None
) -> tuple[type[bt.Strategy], dict[str, Any]]:
    if isinstance(given, (str, Path)):
        given = load_strategy(given)
    if not (isinstance(given, type) and issubclass(given, bt.Strategy)):
        raise ConfigError(f"strategy={given!r}: give a bt.Strategy class, or 'file.py:Class'")
    check_trades(given)
    check_params(given, params or {})
    return given, dict(params or {})


def _symbols(given: str | Sequence[str] | None, store: CCXTStore) -> tuple[str, ...]:
    if given is None:
        coin = store.profile.settle_currency or store.currency
        return (f"BTC/{store.currency}" if store.profile.market_type is MarketType.SPOT else f"BTC/{coin}:{coin}",)
    symbols = (given,) if isinstance(given, str) else tuple(given)
    twice = {each for each in symbols if symbols.count(each) > 1}
    if not symbols or twice:
        raise ConfigError(f"symbol: {', '.join(twice)} is given twice" if twice else "symbol: give at least one")
    return symbols


def _length_ms(duration: Duration) -> int:
    if isinstance(duration, timedelta):
        length_ms = int(duration.total_seconds() * 1000)
    elif isinstance(duration, str):
        length_ms = duration_ms(duration)
    else:
        length_ms = int(duration * 1000)
    if length_ms <= 0:
        raise ConfigError(f"duration={duration!r}: must be longer than nothing")
    return length_ms
