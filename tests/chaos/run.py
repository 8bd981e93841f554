"""One scenario, run and checked: unmodified ccxt.pro, real sockets, CCXTStore, a backtrader strategy."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from btccxt._bt import bt
from btccxt.exchange.profile import load_profile
from btccxt.model import MarketType
from btccxt.orders.policy import TrackerPolicy
from btccxt.store import CCXTStore, _tracker_policy
from tests.chaos.books import Books, compare
from tests.chaos.scenario import Scenario
from tests.chaos.strategy import ChaosStrategy, Conductor, data_of
from tests.chaos.venue import ChaosVenue

_AGREE_S = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """``problems``: broken promises, empty if all is well. ``digest``: what must be equal when a seed is replayed."""

    scenario: Scenario
    problems: tuple[str, ...]
    digest: tuple[str, ...]
    strikes: tuple[str, ...]
    story: tuple[str, ...]


def quick_policy() -> TrackerPolicy:
    """The tracker as Binance's profile has it, with the waits of a network that answers in a millisecond."""
    return replace(
        _tracker_policy(None, load_profile("binance", MarketType.SPOT)),
        visibility_delay_s=0.6, resolve_first_s=0.03, in_flight_check_s=0.3, open_orders_fast_s=0.5,
        open_orders_slow_s=1.5, private_stream_silent_s=2.0, fills_wait_s=3.0, fills_first_wait_s=0.03,
        send_backoff_s=0.03, cancel_push_wait_s=0.05, max_backoff_s=0.5, stop_wait_s=1.0,
    )  # fmt: skip


def make_store(address: str, journal: str | Path) -> CCXTStore:
    return CCXTStore(
        "binance", mode="sim", sim_address=address, journal=journal, tracker=quick_policy(), config={"timeout": 400}
    )


def run_scenario(scenario: Scenario) -> Outcome:
    """Play it to its end, let everything come to rest, compare with the exchange's own ledger."""
    venue = ChaosVenue(scenario.seed, scenario.start_price, scenario.fee_currency)
    with venue, tempfile.TemporaryDirectory(prefix="btccxt-chaos-") as folder:
        venue.watch()
        journal = Path(folder) / "journal.sqlite3"
        store = make_store(str(venue.address), journal)
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
            except AssertionError as error:
                problems.append(str(error))
            venue.faults.clear()
            if strategy is not None:
                books = _at_rest(venue, store, strategy)
                problems += books.problems
            story = tuple(_tell(store, strategy))
        strikes = tuple(f"{each.fault.kind.value} {each.target}" for each in venue.faults.log)
    return Outcome(scenario, tuple(problems), books.digest if books is not None else (), strikes, story)


def _at_rest(venue: ChaosVenue, store: CCXTStore, strategy: ChaosStrategy) -> Books:
    """Reconcile until both sides agree; what they do not agree on in time is a problem."""
    deadline = time.monotonic() + _AGREE_S
    while True:
        books = compare(venue, store, strategy)
        if not books.problems or time.monotonic() > deadline:
            return books
        time.sleep(0.2)


def _tell(store: CCXTStore, strategy: ChaosStrategy | None) -> list[str]:
    lines = [
        f"{order.client_order_id} {order.request.side.value} {order.request.kind.value} {order.request.amount} "
        f"{order.state.value} filled {order.filled} attempts {order.attempts} context {dict(order.context)} "
        f"reasons {order.reasons} notes {order.notes}"
        for order in store._tracker._register.orders.values()
    ]
    return lines + [f"told: {text}" for text in (strategy.said if strategy is not None else [])]
