"""``btccxt rehearse STRATEGY.py``: your strategy on the embedded exchange while things go wrong."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from btccxt.bt.compat import bt
from btccxt.cli.report import ProgressLine, RunRecorder, print_books, print_orders
from btccxt.errors import BtccxtError, ConfigError
from btccxt.notices import NoticeKind, StoreNotice
from btccxt.orders.lifecycle import LifecycleState
from btccxt.sim.faults import AppliedFault, Fault, FaultKind, FaultPlan
from btccxt.sim.options import SimOptions
from btccxt.store.live import stopped_by_signals
from btccxt.store.store import CCXTStore

_START = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
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


def rehearse(
    strategy: Annotated[Path, typer.Argument(help="a Python file with one bt.Strategy class")],
    faults: Annotated[str, typer.Option(help=f"what goes wrong: {', '.join(MIXES)}; several with commas")] = "all",
    seed: Annotated[int, typer.Option(help="of the market and of the faults")] = 1,
    exchange: Annotated[str, typer.Option(help="whose dialect the embedded exchange speaks")] = "binance",
    symbol: Annotated[list[str] | None, typer.Option(help="may be given several times")] = None,
    minutes: Annotated[int, typer.Option(help="length of a bar", min=1)] = 1,
    bars: Annotated[int, typer.Option(help="live bars before it ends", min=1)] = 100,
    history: Annotated[int, typer.Option(help="bars before the first live one", min=0)] = 200,
    speed: Annotated[float, typer.Option(help="exchange seconds per second", min=1.0, max=600.0)] = 120.0,
    balance: Annotated[float, typer.Option(help="what the account has at the start", min=0)] = 10_000.0,
    class_name: Annotated[str | None, typer.Option("--class", help="if the file has several")] = None,
    param: Annotated[list[str] | None, typer.Option(help="of the strategy: name=value")] = None,
) -> None:
    """Run a strategy against the embedded exchange with faults; exit code 1 if the books differ at the end."""
    ran = run_rehearsal(
        load_strategy(strategy, class_name), fault_mix(faults), seed=seed, exchange=exchange,
        symbols=symbol or ["BTC/USDT"], minutes=minutes, live_bars=bars, history_bars=history, speed=speed,
        balance=balance, params=_params(param or []),
    )  # fmt: skip
    if not ran:
        raise typer.Exit(1)


def fault_mix(names: str) -> tuple[Fault, ...]:
    """The faults of one or several named mixes. Raises ConfigError."""
    chosen: list[Fault] = []
    for name in (part.strip() for part in names.split(",")):
        if name not in MIXES:
            near = difflib.get_close_matches(name, MIXES, n=1)
            raise ConfigError(
                f"no fault mix {name!r}{f'; did you mean {near[0]!r}?' if near else ''} There are: {', '.join(MIXES)}"
            )
        chosen += MIXES[name]
    return tuple(chosen)


def load_strategy(path: Path, class_name: str | None = None) -> type[bt.Strategy]:
    """The strategy class defined in a file. Raises ConfigError if there is none, or more than one to choose from."""
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # backtrader looks a strategy's module up by its name
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, bt.Strategy) and value.__module__ == path.stem
    }
    if class_name is not None and class_name not in found:
        raise ConfigError(f"{path} has no strategy {class_name!r}; it has {', '.join(found) or 'none'}")
    if class_name is None and len(found) != 1:
        many = f"several strategies ({', '.join(found)}): choose one with --class" if found else "no bt.Strategy class"
        raise ConfigError(f"{path} has {many}")
    return found[class_name or next(iter(found))]


def _params(given: list[str]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--param {text!r}: write it as name=value")
        try:
            params[name] = int(value)
        except ValueError:
            try:
                params[name] = float(value)
            except ValueError:
                params[name] = value
    return params


class _Witness(bt.Analyzer):
    """Counts the bars since the first live one, tells of them, and ends the run."""

    params = (("live_bars", 100), ("say", None))

    def start(self) -> None:
        self.live_bars = 0
        self._length = 0

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        data = self.strategy.data
        if (not self.live_bars and data._laststatus != data.LIVE) or len(data) == self._length:
            return
        self._length = len(data)
        self.live_bars += 1
        broker = self.strategy.broker
        self.p.say(
            f"bar {self.live_bars}/{self.p.live_bars}  {data.close[0]:,.2f}  equity {broker.getvalue():,.2f}", True
        )
        if self.live_bars >= self.p.live_bars:
            self.strategy.env.runstop()


def run_rehearsal(
    strategy: type[bt.Strategy], faults: tuple[Fault, ...], *, seed: int, exchange: str, symbols: list[str],
    minutes: int, live_bars: int, history_bars: int, speed: float, balance: float, params: Mapping[str, Any],
    console: Console | None = None,
) -> bool:  # fmt: skip
    """Run it and print what happened; True when the books are equal and no order is in an unknown state."""
    console = console or Console(width=None if Console().is_terminal else 118)
    console.print(
        f"[bold]rehearsal[/] of {strategy.__name__} on the embedded exchange ({exchange}), {', '.join(symbols)}, "
        f"seed {seed}, {len(faults)} faults standing by"
    )
    store = CCXTStore(
        exchange, mode="sim", balance=balance, journal=":memory:",
        sim=SimOptions(speed=speed, seed=seed, start=_START, faults=FaultPlan(faults, seed)),
    )  # fmt: skip
    cerebro = bt.Cerebro(stdstats=False)
    begin = (_START - timedelta(minutes=minutes * history_bars)).replace(tzinfo=None)
    for symbol in symbols:
        cerebro.adddata(
            store.getdata(dataname=symbol, timeframe=bt.TimeFrame.Minutes, compression=minutes, fromdate=begin)
        )
    cerebro.setbroker(store.getbroker())
    cerebro.addanalyzer(RunRecorder, _name="run")
    cerebro.addstrategy(strategy, **params)
    with ProgressLine(console) as line, store.kept_open(), stopped_by_signals(cerebro):
        alarms: list[str] = []

        def hear(msg: Any, *args: Any, **kwargs: Any) -> None:
            if isinstance(msg, StoreNotice) and msg.kind is NoticeKind.ALARM:
                alarms.append(str(msg))
            line.say(str(msg))

        cerebro.addstorecb(hear)
        cerebro.addanalyzer(_Witness, _name="witness", live_bars=live_bars, say=line.say)
        ran = cerebro.run()[0]
        struck = _end_faults(store)
        books, unknown = _at_rest(store)
    print_orders(console, ran.analyzers.run, store.currency)
    _print_faults(console, struck)
    for alarm in alarms:
        console.print(f"[yellow]{alarm}[/]", highlight=False)
    for order in unknown:
        console.print(f"[red]outcome not known:[/] {order}", highlight=False)
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
