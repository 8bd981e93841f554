"""One scenario, run and checked: unmodified ccxt.pro, real sockets, CCXTStore, a backtrader strategy."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from btccxt.bt.compat import bt
from btccxt.exchange.profile.profile import load_profile
from btccxt.orders.journal.reader import JournalReader
from btccxt.orders.policy import TrackerPolicy
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.breaker import BreakerPolicy
from btccxt.session.stream_policy import StreamPolicy
from btccxt.store.startup import tracker_policy_of
from btccxt.store.store import CCXTStore
from tests.chaos.books import Books, compare
from tests.chaos.referee import patience_s
from tests.chaos.scenario import Scenario
from tests.chaos.strategy import ChaosStrategy, Conductor, data_of
from tests.chaos.venue import ChaosVenue
from tests.chaos.wires import HttpSession

_AGREE_S = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """``problems``: broken promises, empty if all is well.

    ``digest`` and ``strikes`` are equal whenever a seed is replayed: the intents with their ends, fills, costs and
    fees, the coins, and which placing requests were struck by what. ``story`` is for people: every order, everything
    the strategy was told, and ``log``, what the exchange saw and did with times.
    """

    scenario: Scenario
    problems: tuple[str, ...]
    digest: tuple[str, ...]
    strikes: tuple[str, ...]
    story: tuple[str, ...]
    log: tuple[str, ...]


def quick_policy(wire: HttpSession) -> TrackerPolicy:
    """The tracker as the exchange's profile has it, with the waits of a network that answers in a millisecond."""
    return replace(
        tracker_policy_of(TrackerPolicy(), load_profile(wire.exchange, wire.market_type)),
        visibility_delay_s=0.5, resolve_first_s=0.03, in_flight_check_s=0.3, open_orders_fast_s=0.5,
        open_orders_slow_s=1.5, private_stream_silent_s=2.0, fills_wait_s=3.0, fills_first_wait_s=0.03,
        send_backoff_s=0.03, cancel_push_wait_s=0.05, max_backoff_s=0.2, stop_wait_s=1.0,
    )  # fmt: skip


def make_store(wire: HttpSession, address: str, journal: str | Path) -> CCXTStore:
    """It asks ten times as often as a user's, so its rate limits are wider; and calm may be shorter."""
    profile = load_profile(wire.exchange, wire.market_type)
    wide = {name: {**pool.model_dump(), "capacity": pool.capacity * 50} for name, pool in profile.rate.pools.items()}
    streams = StreamPolicy(
        keys_per_connection=profile.websocket.keys_per_connection, backoff=Backoff(0.05, 0.05, 1.5, 0.3),
        proven_after_s=0.1, recover_after_s=0.1, check_every_s=0.1, told_within_s=1.0,
    )  # fmt: skip
    return CCXTStore(
        wire.exchange, mode="sim", market_type=wire.market_type, sim_address=address, journal=journal,
        position_mode="hedge" if wire.hedge else None,
        tracker=quick_policy(wire), config={"timeout": 1000 * patience_s(0.4)}, overrides={"rate": {"pools": wide}},
        breaker=BreakerPolicy(open_s=0.2, max_open_s=0.4), streams=streams,
    )  # fmt: skip


def run_scenario(scenario: Scenario) -> Outcome:
    """Play it to its end, let everything come to rest, compare with the exchange's own ledger."""
    venue = ChaosVenue(scenario.wire, scenario.seed, scenario.start_price, scenario.fee_currency)
    with venue, tempfile.TemporaryDirectory(prefix="btccxt-chaos-") as folder:
        journal = Path(folder) / "journal.sqlite3"
        store = make_store(scenario.wire, str(venue.address), journal)
        conductor = Conductor(scenario, venue, store)
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(data_of(conductor))
        cerebro.setbroker(store.getbroker())
        cerebro.addstrategy(ChaosStrategy, conductor=conductor)
        problems: list[str] = []
        strategy: Any = None
        books: Books | None = None
        with store.kept_open():
            try:
                strategy = cerebro.run()[0]
                venue.faults.clear()
                books = _at_rest(venue, store, strategy)
                problems += books.problems
            except Exception as error:  # noqa: BLE001 - whatever ends a play is a broken promise, with its story
                problems.append(f"{type(error).__name__}: {error}")
            story = (*_tell(store, strategy), *lives_of(journal))
    placed = " ".join(scenario.wire.place)
    strikes = tuple(
        f"{each.fault.kind.value} {each.match}" for each in venue.faults.log if fnmatchcase(each.target, placed)
    )
    digest = books.digest if books is not None else ()
    return Outcome(scenario, tuple(problems), digest, strikes, story, venue.story())


def lives_of(journal: Path) -> list[str]:
    """Every order's whole life, as the journal has it."""
    lines = []
    with JournalReader(journal) as reader:
        for order in reversed(reader.orders(limit=1_000)):
            story = reader.story(order.request.client_order_id)
            name = order.request.client_order_id
            lines += (
                [f"journal: {name} {line.at_ms} {line.what} {line.details}" for line in story.lines] if story else []
            )
    return lines


def _at_rest(venue: ChaosVenue, store: CCXTStore, strategy: ChaosStrategy) -> Books:
    """Reconcile until both sides agree; what they do not agree on in time is a problem."""
    deadline = time.monotonic() + patience_s(_AGREE_S)
    while True:
        books = compare(venue, store, strategy)
        if not books.problems or time.monotonic() > deadline:
            return books
        time.sleep(1.0)  # the exchange limits how often it may be asked


def _tell(store: CCXTStore, strategy: ChaosStrategy | None) -> list[str]:
    lines = [
        f"{order.client_order_id} {order.request.side.value} {order.request.kind.value} {order.request.amount} "
        f"{order.state.value} filled {order.filled} attempts {order.attempts} context {dict(order.context)} "
        f"reasons {order.reasons} notes {order.notes}"
        for order in store._tracker._register.orders.values()
    ]
    return lines + [f"told: {text}" for text in (strategy.said if strategy is not None else [])]
