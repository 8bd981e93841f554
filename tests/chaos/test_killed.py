"""Promise 4 through the store: after kill -9 open orders, brackets, pairs, trailing stops and positions are back."""

from __future__ import annotations

import random
import time
from decimal import Decimal as D
from pathlib import Path
from typing import get_args

import pytest

from btccxt.errors import JournalError
from btccxt.model import OrderRequest
from btccxt.orders.journal.file import open_read_only
from btccxt.orders.journal.reader import JournalReader
from btccxt.orders.lifecycle import LifecycleState as S
from tests.chaos.__main__ import told
from tests.chaos.killed import KillKind, bot, last_life, make_kill
from tests.chaos.scenario import START_PRICE, Scenario, Step
from tests.chaos.stage import Job, Stage
from tests.chaos.test_replay import JOBS as REPLAYED
from tests.chaos.venue import ChaosVenue
from tests.chaos.wires import SPOT

_PATIENCE_S = 60.0


def _wait_for(condition) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come about"
        time.sleep(0.02)


GONE = (S.CANCELED, S.EXPIRED)  # of a list, where the sibling has filled


def test_a_limit_order_a_bracket_a_trailing_stop_and_a_pair_survive_a_kill(tmp_path: Path):
    """While the bot is dead the bracket's entry fills, and the market falls through the trailing stop."""
    journal = tmp_path / "journal.sqlite3"
    with ChaosVenue(SPOT, 1, START_PRICE, None) as venue:

        def states() -> dict[str, S]:
            try:
                reader = JournalReader(journal)
            except JournalError:  # the bot has only begun
                return {}
            with reader:
                found = sorted(
                    reader.orders(), key=lambda order: not order.state.is_final
                )  # an order placed again counts
                return {_name(order.request): order.state for order in found}

        def trail_has_come_to(price: D) -> bool:
            connection = open_read_only(str(journal))
            try:
                rows = connection.execute("SELECT value FROM meta WHERE key LIKE 'best_price %'").fetchall()
            finally:
                connection.close()
            return [D(text) for (text,) in rows] == [price]

        with bot(venue, journal):
            _wait_for(
                lambda: list(states().values()).count(S.OPEN) == 5
            )  # the pair as a list, a stop behind the trailing one
            _wait_for(lambda: venue.move(D(60_600)) or trail_has_come_to(D(60_600)))  # until its price stream is up
        assert list(states().values()).count(S.JOURNALED) == 3

        venue.move(D(59_400))  # the entry fills, nobody looks

        def trail_has_sold(now: dict[str, S]) -> bool:
            """By itself, or by the stop that stood behind it at the exchange."""
            behind = [state for name, state in now.items() if name.startswith("stop 59")]
            return now["trailing_percent"].is_final and S.FILLED in (now["trailing_percent"], *behind)

        def came_about(step: int) -> bool:
            now = states()
            wanted = [
                trail_has_sold(now),
                now["limit 61000"] is S.FILLED and now["stop 58000"] in GONE,
                now["limit 61500"] is S.FILLED and now["stop 57000"] in GONE,
            ]
            return wanted[step]

        steps = tuple(Step((), D(price)) for price in (59_390, 61_050, 61_550))
        outcome = last_life(venue, journal, Scenario(1, SPOT, None, D(59_400), steps), steps, came_about)
        assert outcome.problems == (), outcome.story
        assert {name for name, state in states().items() if not state.is_final} == {"limit 50000"}
    told = [line for line in outcome.story if line.startswith("told")]
    assert sum(line.endswith("Completed") for line in told) == 4, (
        told
    )  # entry, trailing stop, limit of the pair, profit


def _name(request: OrderRequest) -> str:
    price = request.trigger_price or request.price
    return request.kind.value if price is None else f"{request.kind.value} {price.normalize():f}"


@pytest.mark.slow  # 9 is inverse, 12 in hedge mode
@pytest.mark.parametrize("seed", [seed for seed in (*range(1, 7), 9, 12) if Job(seed, kill=True) not in REPLAYED])
def test_a_bot_killed_again_and_again_loses_nothing(stage: Stage, seed: int):
    outcome = stage.play(Job(seed, kill=True))
    assert outcome.problems == (), "\n".join(told(outcome))
    assert sum("the bot is dead" in line for line in outcome.log) == 3


def test_the_kills_come_at_every_kind_of_instant():
    kinds = {make_kill(random.Random(seed)).kind for seed in range(60)}
    assert kinds == set(get_args(KillKind))
