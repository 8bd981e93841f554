"""Faults planted in the contingent orders are found by the model: it is not a test that passes whatever they do."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType

import pytest

from tests.orders import test_backstop as backstops
from tests.orders import test_closing as closes
from tests.orders import test_contingency as stories
from tests.orders import test_listed_pairs as lists
from tests.orders.contingent_world import PERP, SPOT
from tests.orders.test_contingency_model import play

Planted = tuple[str, str, str]  # module of btccxt.orders, what stands there, what stands there instead

BY_THE_MODEL: dict[str, Planted] = {
    "exits are armed when the entry has ended, not before": (
        "contingency", "if exposure < self.step:  #", "if exposure < self.step or not self.entry_is_over:  #",
    ),
    "exits do not grow with their entry": ("group", "self._grow(leg, standing, want, gap)", "pass"),
    "the whole is placed for each further fill": ("group", "self._place(leg, gap)", "self._place(leg, want)"),
    "what the other exit gave back is forgotten": ("group", "entered - self.exited", "entered"),
    "a fee taken in the coin is not counted": (
        "exposure", "return amount - order.fees.get(market.base, ZERO) - (", "return amount - 0 * (",
    ),
    "the stop does not come back from a wick": ("contingency", "self._has_stayed_unfilled(target)", "False"),
    "the end of the target ends the stop": (
        "leg_ends", "                leg.over = self._end_of_other(leg, order)\n            return",
        "                self.cancelled = True\n            return",
    ),
    "a stop that was taken off is not placed again": (
        "leg_ends", "self._taken_away(leg, order)\n", "leg.over = order.state\n",
    ),
    "what is left of a stop is left": (
        "leg_ends", "leg.at_market = leg.at_market or placement.is_executing", "leg.over = order.state",
    ),
    "the sibling is not cancelled": (
        "contingency", '_cancel(leg.open, "nothing is left for it to close")', "_cancel([], '')",
    ),
    "the stop that is hit leaves the target": (
        "contingency", 'self._clear(other, f"{leg.name} is being executed")', "pass",
    ),
    "our own cancel is taken for the strategy's after a kill": (
        "leg", "return any(note.startswith(MADE_WAY)", "return not any(note.startswith(MADE_WAY)",
    ),
    "a late fill is not protected": ("contingency", "            self._revive(exposure)\n", ""),
    "the price of an order that waits here is not heard": (
        "contingency", "if fires and not leg.fired:", "if False:",
    ),
    "both exits filled is not said": ("contingency", "len(filled) > 1 and together", "False and together"),
    "fills of spawned orders are not the exit's": (
        "leg", "filled = sum((order.filled for order in orders), ZERO)", "filled = primary.filled",
    ),
}  # fmt: skip
BY_A_STORY: dict[str, tuple[Planted, Callable[..., None], tuple[object, ...]]] = {
    "a refused stop is forgotten": (
        ("leg_ends", "self._refused(leg, order)\n", "pass\n"),
        stories.test_a_refused_stop_is_dealt_with_as_the_policy_says, (SPOT, "exit", (0, "filled"), "closed at market"),
    ),
    "both orders of a spot position are sent": (
        ("group", "return not self._market.is_contract and len(sides) == 1", "return False"),
        stories.test_on_spot_the_stop_rests_and_the_target_waits_here, (),
    ),
    "exits whose entry was never placed stay": (
        ("emulator", "    group.entry_never_came()\n        for event", "    pass\n        for event"),
        stories.test_exits_whose_entry_was_never_placed_end_after_a_restart, (SPOT,),
    ),
    "a stop-limit is left to rest": (
        ("contingency", "leg.at_market = True\n        self._cancel(", "pass\n        self._cancel("),
        stories.test_a_stop_limit_that_rests_unfilled_is_sold_at_market_in_time, (SPOT,),
    ),
    "a close is sent before the exits have made way": (
        ("group", "return bool(self.closing.pending) and (", "return False and ("),
        closes.test_on_a_contract_the_stop_stays_until_the_position_has_gone, (),
    ),
    "a backstop stays where the trailing stop sells": (
        (
            "group", "return any(each.cancelling for each in leg.open)\n        if backstop_of",
            "return False\n        if backstop_of",
        ),
        backstops.test_alone_too_it_is_taken_off_before_the_trailing_stop_sells, (PERP, 0),
    ),
    "the entry goes on when its stop was hit": (
        ("contingency", "            self._end_entry()\n", "            pass\n"),
        stories.test_a_stop_that_is_hit_ends_what_is_left_of_the_entry, (PERP,),
    ),
    "a cancelled exit leaves the entry": (
        ("contingency", "            return [self.entry_name]\n", "            return []\n"),
        stories.test_a_cancelled_exit_cancels_the_whole_bracket_as_in_backtrader, (SPOT, "stop"),
    ),
    "nobody measures": (
        ("contingency", "            self.unprotected_since_s = self._now_s\n", "            return\n"),
        stories.test_the_seconds_without_protection_are_counted_and_said, (),
    ),
    "an exit of a position that is gone is sent for ever": (
        ("leg_ends", "if leg.failures > 1 and self._was_closed_elsewhere(leg)", "if False"),
        stories.test_exits_of_a_position_that_somebody_else_closed_end, (PERP,),
    ),
    "an exit that never arrived counts as refused": (
        ("leg_ends", "if order.never_arrived and", "if False and"),
        stories.test_an_exit_that_was_not_sent_before_a_kill_is_placed_again, (SPOT, "stop"),
    ),
    "what a list has ended is called taken off": (
        ("listed_pair", "return filled or sibling.is_executing or sibling.cancelling", "return False"),
        lists.test_a_stop_that_its_target_has_ended_is_not_called_taken_off_however_late_that_is_heard, (),
    ),
    "a list that is refused is all there is": (
        ("listed_pair", "if self._lists_refused and (", "if False and ("),
        lists.test_a_list_that_is_refused_leaves_the_stop_there_and_the_target_here_and_that_is_said_once, (),
    ),
    "what a partly filled target leaves is made way for the stop": (
        ("listed_pair", "                    self._turn_to(leg)\n", ""),
        lists.test_what_a_partly_filled_target_leaves_is_guarded_at_once_and_a_list_again_in_time, (False,),
    ),
    "the exchange's own end of a list is asked for": (
        ("group", "return self._before(placement.left_since_s + LIST_ENDS_S)", "return False"),
        lists.test_the_target_fills_and_the_stop_ends_without_a_request_of_ours, (False,),
    ),
    "a list counts twice where an order closes the position": (
        ("group", "return twin is not None and not leg.is_protective and twin[1].is_open", "return False"),
        lists.test_after_a_partial_close_the_list_is_of_the_rest, (),
    ),
}  # fmt: skip
PLAYS = 600


def _mutated(module: ModuleType, old: str, new: str) -> ModuleType:
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"{old!r} is {source.count(old)} times in {module.__name__}"
    twin = ModuleType(module.__name__)
    twin.__file__ = module.__file__
    exec(compile(source.replace(old, new), str(module.__file__), "exec"), vars(twin))
    return twin


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Planted], None]:
    """Puts mutated functions in the place of the real ones."""

    def go(planted: Planted) -> None:
        name, old, new = planted
        module = importlib.import_module(f"btccxt.orders.{name}")
        for key, value in vars(_mutated(module, old, new)).items():
            if getattr(value, "__module__", None) != module.__name__:
                continue
            real = getattr(module, key)
            if inspect.isclass(value):
                for attribute, function in vars(value).items():
                    if inspect.isfunction(function) or isinstance(function, property | staticmethod):
                        monkeypatch.setattr(real, attribute, function)
            elif inspect.isfunction(value):
                monkeypatch.setattr(real, "__code__", value.__code__)

    return go


@pytest.mark.parametrize("fault", BY_THE_MODEL)
def test_the_model_finds_it(fault: str, plant: Callable[[Planted], None]) -> None:
    plant(BY_THE_MODEL[fault])
    with pytest.raises(AssertionError):
        for seed in range(PLAYS):
            play(seed)


@pytest.mark.parametrize("fault", BY_A_STORY)
def test_a_story_finds_it(fault: str, plant: Callable[[Planted], None]) -> None:
    planted, story, arguments = BY_A_STORY[fault]
    story(*arguments)
    plant(planted)
    with pytest.raises((AssertionError, LookupError)):
        story(*arguments)
