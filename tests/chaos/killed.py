"""SIGKILL at random instants: the bot is killed again and again, then one more life looks at what is left."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from btccxt._bt import bt
from btccxt.model import ZERO
from btccxt.orders.desk import WATCH
from btccxt.orders.journal_file import open_read_only
from btccxt.orders.journal_rows import load
from btccxt.orders.lifecycle import LifecycleState as S
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.register import rebuild
from btccxt.store import CCXTStore
from tests.chaos.books import differences
from tests.chaos.run import Outcome, make_store
from tests.chaos.scenario import Scenario, Step, make_scenario
from tests.chaos.strategy import ChaosStrategy, Conductor, data_of
from tests.chaos.venue import FUNDS, ChaosVenue

_REPOSITORY = Path(__file__).resolve().parents[2]
_START_S = 40.0


@contextmanager
def bot(address: str, journal: Path, plan: str) -> Iterator[subprocess.Popen[str]]:
    """A running bot; killed on leaving, if it was not killed before."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.bot", address, str(journal), plan],
        cwd=_REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def run_killed(seed: int, lives: int = 3) -> Outcome:
    """``lives`` bots trade one scenario, each killed at a random instant; the last life looks at the books."""
    rng = random.Random(f"kill {seed}")
    scenario = make_scenario(seed, steps=40, kills=True)
    venue = ChaosVenue(seed, scenario.start_price, scenario.fee_currency)
    with venue, tempfile.TemporaryDirectory(prefix="btccxt-kill-") as folder:
        journal = Path(folder) / "journal.sqlite3"
        step = 0
        for _ in range(lives):
            for fault in scenario.steps[step].faults:
                venue.faults.add(fault)
            step = _one_life(venue, journal, scenario, seed, step, rng)
            for _ in range(rng.randint(0, 2)):  # the market goes on without us
                venue.move(scenario.steps[rng.randrange(len(scenario.steps))].price)
        venue.faults.clear()
        return last_life(venue, journal, scenario)


def _one_life(venue: ChaosVenue, journal: Path, scenario: Scenario, seed: int, step: int, rng: random.Random) -> int:
    """Returns the step after the last one that the bot spoke of."""
    with bot(str(venue.address), journal, f"{seed}:{step}") as process:
        assert process.stdout is not None
        for _ in range(rng.randint(1, 7)):
            line = process.stdout.readline()
            if line.startswith("step"):
                step = int(line.split()[1])
                venue.move(scenario.steps[step].price)
        time.sleep(rng.random() * 0.06)  # not to synchronise: any instant is as good
    return min(step + 1, len(scenario.steps) - 1)


def last_life(
    venue: ChaosVenue, journal: Path, scenario: Scenario, steps: tuple[Step, ...] = (), until: Any = None
) -> Outcome:
    """Start once more on the same journal, in this process; make no new orders; compare everything."""
    prices = scenario.start_price
    quiet = Scenario(scenario.seed, scenario.fee_currency, prices, steps)
    store = make_store(str(venue.address), journal)
    conductor = Conductor(quiet, venue, store, until)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(data_of(conductor))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(ChaosStrategy, conductor=conductor)
    with store.kept_open():
        strategy = cerebro.run()[0]
        deadline = time.monotonic() + 20.0
        while (problems := _problems(venue, store, strategy, journal)) and time.monotonic() < deadline:
            time.sleep(0.2)
        orders = journaled(store, journal)
        story = tuple(
            f"{order.client_order_id} {order.request.side.value} {order.request.kind.value} {order.state.value} "
            f"filled {order.filled}/{order.amount} {dict(order.context)} {order.reasons} {order.notes}"
            for order in orders.values()
        )
        told = tuple(f"told {each.info.get('client_order_id')} {each.getstatusname()}" for each in strategy.news)
    return Outcome(quiet, tuple(problems), (), (), (*story, *told))


def journaled(store: CCXTStore, journal: Path) -> dict[str, LiveOrder]:
    """Every order that the journal has ever heard of."""
    assert store._journal is not None
    store._journal.flush().result(10)
    connection = open_read_only(str(journal))
    try:
        orders = [rebuild(stored, infer_fills=False) for stored in load(connection, "1 = 1")]
    finally:
        connection.close()
    return {order.client_order_id: order for order in orders}


def _problems(venue: ChaosVenue, store: CCXTStore, strategy: ChaosStrategy, journal: Path) -> list[str]:
    store.books_check()
    ours = journaled(store, journal)
    problems = differences(venue, store, strategy, ours)
    balances = venue.call(lambda exchange: dict(exchange.engine.balances("main")))
    for coin, start in FUNDS.items():
        by_fills = start + _change(ours, coin)
        if balances[coin].total != by_fills:
            problems.append(
                f"{coin}: the journal's fills add up to {by_fills}, the exchange has {balances[coin].total}"
            )
    alive = {order.info["client_order_id"] for order in store.getbroker().get_orders_open()}
    unended = {name for name, order in ours.items() if not order.is_final}
    if alive != unended:
        problems.append(f"the strategy has {sorted(alive)} open, the journal {sorted(unended)}")
    return problems + _ties(store, ours)


def _change(ours: dict[str, LiveOrder], coin: str) -> Decimal:
    change = ZERO
    for order in ours.values():
        sign = order.request.side.sign
        if coin == "BTC":
            change += order.filled * sign
        elif coin == "USDT":
            change -= order.cost * sign
        change -= order.fees.get(coin, ZERO)
    return change


def _ties(store: CCXTStore, ours: dict[str, LiveOrder]) -> list[str]:
    """Brackets and pairs are whole: nobody waits for nothing, no position lost its exits, no pair filled twice."""
    problems = []
    desk = store._open_runtime.desk
    for name, order in ours.items():
        if order.is_final:
            continue
        parent = ours.get(order.context.get("parent", ""))
        if parent is not None and parent.is_final and order.held and WATCH not in order.context:
            problems.append(f"{name} waits for its entry {parent.client_order_id}, which is {parent.state.value}")
        waits_here = order.held and WATCH in order.context and (parent is None or parent.is_final)
        if waits_here and name not in desk._triggers:
            problems.append(f"{name} should watch the price, and does not")
    groups: dict[str, list[LiveOrder]] = {}
    for order in ours.values():
        if leader := order.context.get("oco"):
            groups.setdefault(leader, [ours[leader]] if leader in ours and leader != order.client_order_id else [])
            groups[leader].append(order)
    for leader, members in groups.items():
        states = {member.client_order_id: member.state for member in members}
        if sum(state is S.FILLED for state in states.values()) > 1:
            problems.append(f"pair {leader}: more than one filled: {states}")
        if S.FILLED in states.values() and any(not state.is_final for state in states.values()):
            problems.append(f"pair {leader}: one filled, another lives: {states}")
        parent = ours.get(members[-1].context.get("parent", ""))
        if parent is None or not (parent.is_final and parent.filled):
            continue
        refused = any(member.state is S.REJECTED or member.reasons for member in members)
        if not refused and all(state is S.CANCELED for state in states.values()):
            problems.append(f"entry {parent.client_order_id} filled, and both its exits are cancelled")
    return problems
