"""What ``btccxt rehearse`` does: a strategy on the embedded exchange while things go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from btccxt.bt.compat import bt
from btccxt.cli.run_tables import print_books, print_orders
from btccxt.cli.screen import RunScreen
from btccxt.config import nearest
from btccxt.errors import BtccxtError, ConfigError
from btccxt.orders.lifecycle import LifecycleState
from btccxt.runs.state import RunState
from btccxt.sim.faults import AppliedFault, Fault, FaultKind, FaultPlan
from btccxt.sim.options import SimOptions
from btccxt.sim.recorded import RecordedBars, RecordedTrades
from btccxt.store.engine import LiveEngine
from btccxt.store.store import CCXTStore

_START = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
_TRADES = "trades"
_TIME = "%Y-%m-%d %H:%M"
_REST_S = 30.0
_LOOK_S = 0.2
_ON_THE_WAY = {LifecycleState.INTENT.name, LifecycleState.SENT.name, LifecycleState.UNKNOWN.name}


def _now_and_then(*kinds: FaultKind, probability: float = 0.02, delay_s: float = 0.0) -> tuple[Fault, ...]:
    return tuple(Fault(kind, probability=probability, times=None, delay_s=delay_s) for kind in kinds)


def _answers(*kinds: FaultKind, status: int = 503) -> tuple[Fault, ...]:
    """A quarter of all requests that place or cancel something, split among the kinds."""
    return tuple(
        Fault(kind, method=method, probability=0.25 / len(kinds), times=None, status=status)
        for kind in kinds
        for method in ("POST", "DELETE")
    )


_LOST = _answers(FaultKind.LOSE_ANSWER, FaultKind.CUT_ANSWER, FaultKind.DROP_REQUEST)
_ERRORS = _answers(FaultKind.ERROR_BEFORE, FaultKind.ERROR_AFTER, FaultKind.HTML_ANSWER, FaultKind.EMPTY_ANSWER)
_STREAMS = (
    *_now_and_then(FaultKind.LOSE_FRAME, FaultKind.DUPLICATE, FaultKind.REORDER, FaultKind.MALFORMED),
    *_now_and_then(FaultKind.CUT, probability=0.004),
)
MIXES: Mapping[str, tuple[Fault, ...]] = {
    "none": (),
    "lost-answers": _LOST,
    "errors": _ERRORS,
    "rate-limits": _now_and_then(FaultKind.RATE_LIMIT),
    "streams": _STREAMS,
    "slow": _now_and_then(FaultKind.DELAY_REQUEST, FaultKind.DELAY_ANSWER, probability=0.25, delay_s=0.3),
    "all": (*_LOST, *_ERRORS, *_STREAMS),
}


def fault_mix(names: str) -> tuple[Fault, ...]:
    """The faults of one or several named mixes. Raises ConfigError."""
    chosen: list[Fault] = []
    for name in (part.strip() for part in names.split(",")):
        if name not in MIXES:
            raise ConfigError(f"no fault mix {name!r}{nearest(name, MIXES)}")
        chosen += MIXES[name]
    return tuple(chosen)


@dataclass(frozen=True, slots=True)
class Recording:
    """Bars of a file, or trades where ``timeframe`` is 'trades'."""

    path: Path
    symbol: str
    timeframe: str

    def after_history(self, minutes: int, history_bars: int, live_bars: int) -> datetime:
        """When playing begins, so that ``history_bars`` lie before. Raises ConfigError where it is too short."""
        if not self.path.is_file():
            raise ConfigError(f"no file {self.path}; `btccxt data export csv {self.symbol}` writes one from your lake")
        try:
            source = (
                RecordedTrades(self.path, self.symbol)
                if self.timeframe == _TRADES
                else RecordedBars(self.path, self.symbol, self.timeframe)
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
        first, last = (_utc(at_ms) for at_ms in (source.start_ms, source.end_ms or 0))
        start = first + timedelta(minutes=minutes * history_bars)
        end = start + timedelta(minutes=minutes * live_bars)
        if end > last:
            raise ConfigError(
                f"{self.path} ends at {last:{_TIME}}: {history_bars} bars of history and {live_bars} live ones of "
                f"{minutes} min from {first:{_TIME}} on need it until {end:{_TIME}}; fewer --bars or --history"
            )
        return start


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc)


def run_rehearsal(
    strategy: type[bt.Strategy], faults: tuple[Fault, ...], *, seed: int, exchange: str, symbols: list[str],
    minutes: int, live_bars: int, history_bars: int, speed: float, balance: float, params: Mapping[str, Any],
    recording: Recording | None = None, console: Console | None = None,
) -> bool:  # fmt: skip
    """Run it and print what happened; True when the books are equal and no order is in an unknown state.

    ``recording``: played from its bar number ``history_bars`` on, in place of the market that ``seed`` draws. Raises
    ConfigError.
    """
    console = console or Console(width=None if Console().is_terminal else 118)
    start = _START if recording is None else recording.after_history(minutes, history_bars, live_bars)
    sim = SimOptions(speed=speed, seed=seed, start=start, faults=FaultPlan(faults, seed))
    if recording is not None:
        timeframe = None if recording.timeframe == _TRADES else recording.timeframe
        sim = replace(sim, market=recording.path, symbol=recording.symbol, timeframe=timeframe)
    console.print(
        f"[bold]rehearsal[/] of {strategy.__name__} on the embedded exchange ({exchange}), {', '.join(symbols)}, "
        f"{f'seed {seed}' if recording is None else recording.path}, {len(faults)} faults standing by"
    )
    store = CCXTStore(exchange, mode="sim", balance=balance, journal=":memory:", sim=sim)
    begin = (start - timedelta(minutes=minutes * history_bars)).replace(tzinfo=None)
    engine = LiveEngine(
        strategy, store=store, symbol=symbols, timeframe=f"{minutes}m", params=params, data_options={"fromdate": begin}
    )
    run = RunState(bars_kept=1)
    engine.every_record.append(run.apply)
    screen = RunScreen(engine, console, live_bars)
    with screen.shown(), store.kept_open():
        if engine.run(bars=live_bars) is None:
            raise ConfigError("interrupted before the first bar")
        struck = _end_faults(store)
        books, unknown = _at_rest(store)
    print_orders(console, run, store.currency)
    _print_faults(console, struck)
    for alarm in screen.alarms:
        console.print(f"[yellow]{escape(alarm)}[/]", highlight=False)
    for order in unknown:
        console.print(f"[red]outcome not known:[/] {escape(order)}", highlight=False)
    print_books(console, books)
    return not unknown and all(ours == theirs for _, ours, theirs in books)


def _end_faults(store: CCXTStore) -> tuple[AppliedFault, ...]:
    assert store.sim is not None
    struck = store.sim.faults.log
    store.sim.faults.clear()
    return struck


def _at_rest(store: CCXTStore) -> tuple[list[tuple[str, Decimal, Decimal]], list[str]]:
    """Our books beside the exchange's, and orders whose outcome is unknown, as soon as nothing is on its way."""
    deadline = monotonic() + _REST_S
    while True:
        try:
            books = store.books_check()
        except BtccxtError:  # a breaker that faults have opened lets through again after a while
            if monotonic() > deadline:
                raise
            sleep(_LOOK_S)
            continue
        unknown = [
            f"{order.info.get('client_order_id')} {order.info.get('lifecycle')}"
            for order in store.getbroker().get_orders_open()
            if order.info.get("lifecycle") in _ON_THE_WAY
        ]
        if (not unknown and all(ours == theirs for _, ours, theirs in books)) or monotonic() > deadline:
            return books, unknown
        sleep(_LOOK_S)


def _print_faults(console: Console, struck: tuple[AppliedFault, ...]) -> None:
    table = Table(title=f"Faults that struck: {len(struck)}", header_style="bold", title_justify="left")
    for name in ("fault", "where", "times"):
        table.add_column(name, justify="right" if name == "times" else "left")
    for (kind, target), count in sorted(Counter((each.fault.kind.value, each.target) for each in struck).items()):
        table.add_row(kind, target, str(count))
    if struck:
        console.print(table)
