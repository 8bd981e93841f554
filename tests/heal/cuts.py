"""Forced cuts of every kind, one after the other, while a strategy trades: is anything lost?

    python -m tests.heal.cuts --count 1000          # about 15 minutes; prints a table; exit code 1 if anything is wrong

Each cut is injected when the store is whole again after the last one. Afterwards every bar and every fill is compared
with the exchange's own history. ``test_cuts.py`` runs a short version.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from btccxt.bt.compat import bt
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.faults import Fault, FaultKind
from tests.heal.kit import SYMBOLS, Run, check_bars, check_fills, exchange, store_on

Lift = Callable[[], None]
_REST = {"method": "GET", "host": "api.*"}


@dataclass(frozen=True, slots=True)
class Cut:
    """``begin`` breaks something and returns how to end it. ``reconnects``: whether streams have to come back."""

    name: str
    begin: Callable[[BackgroundExchange], Lift]
    reconnects: bool = True


def _nothing() -> None:
    pass


def _abort(background: BackgroundExchange) -> Lift:
    background.call(lambda sim: sim.cut_connections())
    return _nothing


def _goodbye(background: BackgroundExchange) -> Lift:
    background.call(lambda sim: sim.cut_connections(close_code=1001))
    return _nothing


def _policy_violation(background: BackgroundExchange) -> Lift:
    background.call(lambda sim: sim.cut_connections(close_code=1008))
    return _nothing


_WITHOUT_FAULT = (_abort, _goodbye, _policy_violation)


def _fault(fault: Fault, *, abort: bool = False) -> Callable[[BackgroundExchange], Lift]:
    """Ends after its ``duration_s`` where it has one, else when it was noticed."""

    def begin(background: BackgroundExchange) -> Lift:
        number = background.faults.add(fault)
        if abort:
            _abort(background)

        def end() -> None:
            while fault.duration_s is not None and background.faults.stands(fault.kind):
                time.sleep(0.01)
            background.faults.remove(number)

        return end

    return begin


KINDS = (
    Cut("connection aborted", _abort),
    Cut("close frame 1001", _goodbye),
    Cut("close frame 1008", _policy_violation),
    Cut("half-open socket", _fault(Fault(FaultKind.HALF_OPEN))),
    Cut("bars silent, pings answered", _fault(Fault(FaultKind.SILENCE, stream="*@kline*"))),
    Cut("private stream silent, pings answered", _fault(Fault(FaultKind.SILENCE, stream="user"))),
    Cut("frame that breaks the connection", _fault(Fault(FaultKind.CUT, stream="*@kline*"))),
    Cut("malformed bars", _fault(Fault(FaultKind.MALFORMED, stream="*@kline*", times=6)), reconnects=False),
    Cut("malformed private news", _fault(Fault(FaultKind.MALFORMED, stream="user", times=2)), reconnects=False),
    Cut("lost bars", _fault(Fault(FaultKind.LOSE_FRAME, stream="*@kline*", times=12)), reconnects=False),
    Cut("lost private news", _fault(Fault(FaultKind.LOSE_FRAME, stream="user", times=2)), reconnects=False),
    Cut("doubled frames", _fault(Fault(FaultKind.DUPLICATE, times=12)), reconnects=False),
    Cut("reordered frames", _fault(Fault(FaultKind.REORDER, times=12)), reconnects=False),
    Cut("connections refused", _fault(Fault(FaultKind.REFUSE_CONNECTION, duration_s=0.4), abort=True)),
    Cut("429 while repairing", _fault(Fault(FaultKind.RATE_LIMIT, **_REST, times=2), abort=True)),
    Cut("502 while repairing", _fault(Fault(FaultKind.ERROR_BEFORE, **_REST, status=502, times=4), abort=True)),
    Cut("requests dropped while repairing", _fault(Fault(FaultKind.DROP_REQUEST, **_REST, times=4), abort=True)),
    Cut("answers cut while repairing", _fault(Fault(FaultKind.CUT_ANSWER, **_REST, times=4), abort=True)),
    Cut("maintenance", _fault(Fault(FaultKind.MAINTENANCE, duration_s=0.4), abort=True)),
    Cut("answer to an order lost", _fault(Fault(FaultKind.LOSE_ANSWER, method="POST", path="*/order")), False),
)


@dataclass(slots=True)
class Result:
    recovery_s: dict[str, list[float]] = field(default_factory=dict)
    bars: int = 0
    fills: int = 0
    strikes: int = 0
    trades: int = 0

    def table(self) -> str:
        lines = [f"{'cut':<40} {'times':>6} {'median s':>9} {'worst s':>9}"]
        for name, times in sorted(self.recovery_s.items()):
            lines.append(f"{name:<40} {len(times):>6} {statistics.median(times):>9.2f} {max(times):>9.2f}")
        lines.append(
            f"{self.bars} bars and {self.fills} fills are the exchange's, each once; {self.strikes} faults struck"
        )
        return "\n".join(lines)


def run_cuts(count: int, seed: int = 1, say: Callable[[str], None] = lambda text: None) -> Result:
    """Raises AssertionError if a cut is not recovered, or a bar or fill is lost, doubled, changed or out of order."""
    rng = random.Random(seed)
    order: list[Cut] = []
    while len(order) < count:
        order += rng.sample(KINDS, len(KINDS))
    result = Result()
    with exchange() as background:
        store = store_on(background)
        with store.kept_open():
            datas = [store.getdata(dataname=symbol, timeframe=bt.TimeFrame.Minutes) for symbol in SYMBOLS]
            run = Run(store, *datas)
            run.until_live(3)
            for number, cut in enumerate(order[:count], 1):
                began = time.monotonic()
                strike(background, run, cut)
                result.recovery_s.setdefault(cut.name, []).append(time.monotonic() - began)
                say(f"{number}/{count} {cut.name}: {result.recovery_s[cut.name][-1]:.2f} s")
            background.faults.clear()
            run.more_bars(3)
            diary = run.finish()
            result.bars = check_bars(background, diary)
            result.fills = check_fills(background, store)
            result.strikes = len(background.faults.log)
    return result


def strike(background: BackgroundExchange, run: Run, cut: Cut) -> None:
    """One cut, and the recovery from it."""
    reconnects, strikes = _reconnects(run), len(background.faults.log)
    end = cut.begin(background)
    if cut.begin not in _WITHOUT_FAULT:
        # A connection that was just being given up (for the cut before) may come back spared.
        run.until(lambda: len(background.faults.log) > strikes or _reconnects(run) > reconnects, f"{cut.name} strikes")
    if cut.reconnects:
        run.until(lambda: _reconnects(run) > reconnects, f"{cut.name} is noticed")
    end()
    run.until(run.healthy, f"recovery from {cut.name}")
    run.more_bars(1)


def _reconnects(run: Run) -> int:
    return sum(stream["reconnects"] for stream in run.store.health()["streams"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.heal.cuts", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quiet", action="store_true", help="only the table")
    given = parser.parse_args(arguments)
    result = run_cuts(given.count, given.seed, (lambda text: None) if given.quiet else print)
    print(result.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
