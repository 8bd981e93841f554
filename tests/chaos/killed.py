"""SIGKILL at random instants: the bot is killed again and again, then one more life looks at what is left."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from btccxt.bt.compat import bt
from btccxt.model import ZERO
from btccxt.orders.journal.file import open_read_only
from btccxt.orders.journal.reader import JournalReader
from btccxt.orders.journal.rows import load
from btccxt.orders.lifecycle import LifecycleState as S
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.register import rebuild
from btccxt.store.store import CCXTStore
from tests.chaos.books import differences, digest, naked
from tests.chaos.bot import lead_a_life
from tests.chaos.forked import ForkedBot
from tests.chaos.referee import patience_s, referee
from tests.chaos.run import Outcome, lives_of, make_store
from tests.chaos.scenario import Scenario, Step, make_scenario
from tests.chaos.strategy import ChaosStrategy, Conductor, Unsettled, data_of
from tests.chaos.told import as_told
from tests.chaos.venue import ChaosVenue

_REPOSITORY = Path(__file__).resolve().parents[2]
_START_S = 40.0


KillKind = Literal["request", "cancel", "edit", "accepted", "edited", "fill", "read", "before", "after"]


@dataclass(frozen=True, slots=True)
class Kill:
    """When a bot dies: at the ``nth`` event of its life, so that a seed kills it at the same place again.

    'request', 'cancel', 'edit': one has arrived, and is not accepted. 'accepted', 'edited', 'fill': it happened, and no
    answer or frame has left. 'read': the exchange is asked for something, in the course of the start. 'before', or
    'after': the journal makes a write durable. If it never comes to that, it dies after ``steps`` steps.
    """

    kind: KillKind
    nth: int
    steps: int


def make_kill(rng: random.Random) -> Kill:
    kinds: tuple[KillKind, ...] = get_args(KillKind)
    kind = rng.choices(kinds, weights=(4, 2, 2, 4, 2, 4, 2, 4, 4))[0]
    most = {"read": 7, "cancel": 1, "edit": 1, "edited": 1, "before": 10, "after": 10}.get(kind, 4)
    return Kill(kind, rng.randint(1, most), rng.randint(2, 6))


@contextmanager
def bot(venue: ChaosVenue, journal: Path) -> Iterator[subprocess.Popen[str]]:
    """A running bot with real threads and clocks; killed on leaving."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.bot", venue.wire.name, str(venue.address), str(journal)],
        cwd=_REPOSITORY, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)
        if process.stdin is not None:
            process.stdin.close()


def run_killed(seed: int, lives: int = 3) -> Outcome:
    """``lives`` bots trade one scenario, each killed at an instant of its own; the last life looks at the books.

    Takes over the process: it needs the referee (``stage.py``), and nothing else may have started a thread.
    """
    rng = random.Random(f"kill {seed}")
    scenario = make_scenario(seed, steps=40, kills=True)
    bots: list[ForkedBot] = []
    for _ in range(lives):
        bots.append(ForkedBot(lead_a_life, bots))
    referee.begin(f"kill {seed}")
    venue = ChaosVenue(scenario.wire, seed, scenario.start_price, scenario.fee_currency)
    with venue, tempfile.TemporaryDirectory(prefix="btccxt-kill-") as folder:
        journal = Path(folder) / "journal.sqlite3"
        try:
            step = 0
            for bot in bots:
                kill = make_kill(rng)
                venue.note(f"a life begins at step {step}; it is to end at {kill}")
                step = _one_life(venue, bot, journal, scenario, step, kill)
                for _ in range(rng.randint(0, 2)):  # the market goes on without us
                    venue.move(scenario.steps[rng.randrange(len(scenario.steps))].price)
            venue.faults.clear()
            return last_life(venue, journal, scenario)
        except Exception as error:  # noqa: BLE001 - whatever ends a play is a broken promise, with its story
            story = tuple(lives_of(journal)) if journal.exists() else ()
            return Outcome(scenario, (f"{type(error).__name__}: {error}",), (), (), story, venue.story())
        finally:
            for bot in bots:
                bot.kill()


def _one_life(venue: ChaosVenue, bot: ForkedBot, journal: Path, scenario: Scenario, first: int, kill: Kill) -> int:
    """Returns the step that the next life begins with."""
    step = first - 1
    left = kill.nth

    def at_moment(what: str) -> None:  # in the exchange's thread: it goes on when the bot is dead
        nonlocal left
        left -= what == kill.kind
        if what == kill.kind and not left:
            venue.note(f"SIGKILL at {what} {kill.nth}")
            bot.kill()

    venue.on_moment = at_moment
    bot.begin(
        {
            "life": f"{scenario.seed} from {first}", "seed": scenario.seed, "first": first, "wire": venue.wire.name,
            "address": str(venue.address), "journal": str(journal),
            "die_at": (kill.nth, kill.kind) if kill.kind in ("before", "after") else None,
        }
    )  # fmt: skip
    lead = _Lead(venue, bot)
    alive = lead.settles()
    for _ in range(kill.steps):
        if not alive:
            break
        step += 1
        venue.note(f"step {step}: {', '.join(action.kind for action in scenario.steps[step].actions)}")
        venue.begin_faults(scenario.steps[step].faults)
        bot.lead.say({"next": step})
        if not lead.settles():
            break
        venue.move(scenario.steps[step].price)
        venue.end_standing_faults()
        alive = lead.settles()
    venue.on_moment = lambda what: None
    bot.kill()
    venue.note("the bot is dead")
    venue.faults.clear()
    return min(step + 1, len(scenario.steps) - 1)


class _Lead:
    """Leads a bot through its steps."""

    def __init__(self, venue: ChaosVenue, bot: ForkedBot) -> None:
        self._venue = venue
        self._bot = bot
        self._number = 0

    def settles(self) -> bool:
        """Until the bot knows all that the exchange does, and rests. False: it has been killed."""
        deadline = time.monotonic() + _START_S
        lead = self._bot.lead
        while time.monotonic() < deadline:
            self._number += 1  # asked anew until it answers in time: what it does changes what there is to know
            lead.say({"know": self._venue.known(), "price": str(self._venue.last()), "number": self._number})
            while lead.has_line(0.5):
                try:
                    said = lead.hear()
                except EOFError:
                    self._bot.kill()
                    if not self._bot.was_killed:
                        raise Unsettled("the bot ended by itself") from None
                    return False
                if "unsettled" in said:
                    raise Unsettled(f"the bot is unsettled: {said}")
                if said == {"settled": self._number}:
                    return True
        raise Unsettled(f"the bot has not come to rest in {_START_S:g} s")


def last_life(
    venue: ChaosVenue, journal: Path, scenario: Scenario, steps: tuple[Step, ...] = (), until: Any = None
) -> Outcome:
    """Start once more on the same journal, in this process; make no new orders; compare everything."""
    quiet = replace(scenario, steps=steps)
    store = make_store(scenario.wire, str(venue.address), journal)
    conductor = Conductor(quiet, venue, store, until)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(data_of(conductor))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(ChaosStrategy, conductor=conductor)
    with store.kept_open():
        strategy = cerebro.run()[0]
        deadline = time.monotonic() + patience_s(20.0)
        while (problems := _problems(venue, store, strategy, journal)) and time.monotonic() < deadline:
            time.sleep(1.0)  # the exchange limits how often it may be asked
        orders = journaled(store, journal)
        story = tuple(
            f"{order.client_order_id} {order.request.side.value} {order.request.kind.value} {order.state.value} "
            f"filled {order.filled}/{order.amount} {dict(order.context)} {order.reasons} {order.notes}"
            for order in orders.values()
        )
        told = tuple(f"told {each.info.get('client_order_id')} {each.getstatusname()}" for each in strategy.news)
    return Outcome(
        quiet, tuple(problems), tuple(digest(venue, orders.values())), (), (*story, *told, *lives_of(journal)),
        venue.story(),
    )  # fmt: skip


def journaled(store: CCXTStore, journal: Path) -> dict[str, LiveOrder]:
    """Every order that the journal has ever heard of."""
    assert store._journal is not None
    store._journal.flush().result(60)
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
    balances = venue.totals()
    for coin, start in venue.wire.funds.items() if not venue.wire.is_contract else ():
        by_fills = start + _change(ours, coin)
        if balances[coin] != by_fills:
            problems.append(f"{coin}: the journal's fills add up to {by_fills}, the exchange has {balances[coin]}")
    alive = {order.info["client_order_id"] for order in store.getbroker().get_orders_open()}
    unended = {name for name, order in as_told(store, ours).items() if not order.is_final}
    if alive != unended:
        problems.append(f"the strategy has {sorted(alive)} open, the journal {sorted(unended)}")
    with JournalReader(journal) as reader:  # an alarm is said once, perhaps in a life before this one
        alarmed = {name for name in ours if any("of a pair" in text for text in _alarms_of(reader, name))}
    return problems + _ties(store, ours, alarmed)


def _alarms_of(reader: JournalReader, client_order_id: str) -> list[str]:
    story = reader.story(client_order_id)
    return [str(line.details) for line in story.lines if line.what == "Alarm"] if story is not None else []


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


def _ties(store: CCXTStore, ours: dict[str, LiveOrder], alarmed: set[str | None]) -> list[str]:
    """Brackets and pairs are whole: nobody waits for nothing, no position lost its exits, no pair filled twice unsaid.

    Where both legs of a pair rest at the exchange, and it has no pairs itself, both may fill while nobody is there.
    """
    problems = naked(store, alarmed)
    for group in store._open_session.emulator._groups.by_name.values():
        for leg in group.legs.values():
            if leg.over is None and group.entry_is_over and not group.exposure:
                problems.append(f"{leg.name} waits for nothing")
            if leg in group.watched and group.symbol not in store._open_session.emulator._watching:
                problems.append(f"{leg.name} should watch the price, and does not")
    told = as_told(store, ours)
    groups: dict[str, list[LiveOrder]] = {}
    for order in told.values():
        if leader := order.context.get("oco"):
            groups.setdefault(leader, [told[leader]] if leader in told and leader != order.client_order_id else [])
            groups[leader].append(order)
    for leader, members in groups.items():
        states = {member.client_order_id: member.state for member in members}
        said = any(member.client_order_id in alarmed for member in members)
        if sum(state is S.FILLED for state in states.values()) > 1 and not said:
            problems.append(f"pair {leader}: more than one filled: {states}")
        if S.FILLED in states.values() and any(not state.is_final for state in states.values()):
            problems.append(f"pair {leader}: one filled, another lives: {states}")
        parent = told.get(members[-1].context.get("parent", ""))
        if parent is None or not (parent.is_final and parent.filled):
            continue
        refused = any(member.state is S.REJECTED or member.reasons for member in members)
        closed = any(member.filled for member in members)  # by orders that stood in for them, in a former life
        if not refused and not closed and all(state is S.CANCELED for state in states.values()):
            problems.append(f"entry {parent.client_order_id} filled, and both its exits are cancelled")
    return problems
