"""``make mutants`` shows what no test notices and nobody explained, and explanations that nothing needs any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from btccxt.dev.mutants import Explained, Mutant, explained_in, unnoticed, verdict

_RESULTS = """
    btccxt.bars.seam.xǁSeamǁ_hold__mutmut_3: survived
    btccxt.bars.seam.x_first_open__mutmut_1: timeout
    btccxt.orders.trigger.x_told__mutmut_12: survived
    btccxt.orders.trigger.x_told__mutmut_13: no tests
"""
_SHOWN = {
    "btccxt.bars.seam.xǁSeamǁ_hold__mutmut_3": "# it\n--- a\n+++ b\n@@ -1 +1 @@\n def _hold\n-    a = 1\n+    a = 2\n",
    "btccxt.orders.trigger.x_told__mutmut_12": "--- a\n+++ b\n-    say(\n-        b)\n+    say(c)\n",
    "btccxt.orders.trigger.x_told__mutmut_13": "--- a\n+++ b\n-    say(\n-        b)\n+    say(d)\n",
}  # fmt: skip
_HOLD = Mutant("btccxt.bars.seam.xǁSeamǁ_hold__mutmut_3", "bars.seam.Seam._hold", "a = 1 -> a = 2")
_TOLD = Mutant("btccxt.orders.trigger.x_told__mutmut_12", "orders.trigger.told", "say( b) -> say(c)")
_UNCALLED = Mutant("btccxt.orders.trigger.x_told__mutmut_13", "orders.trigger.told", "say( b) -> say(d)")


def _mutmut(*arguments: str) -> str:
    return _RESULTS if arguments == ("results",) else _SHOWN[arguments[1]]


def test_what_survived_or_was_not_called_by_any_test_is_read_with_its_place_and_its_change() -> None:
    assert unnoticed(_mutmut) == [_HOLD, _TOLD, _UNCALLED]


@pytest.mark.parametrize(
    ("explained", "wrong"),
    [
        ([], [_HOLD.name, _TOLD.name]),
        ([Explained("bars.seam.*", "-> a = 2$", "because")], [_TOLD.name]),
        ([Explained("*", "", "because")], []),
        ([Explained("bars.seam.Seam._hold", "a = 3", "because")], [_HOLD.name, _TOLD.name, "tests/mutants.yaml"]),
    ],
)
def test_an_explanation_covers_its_changes_and_one_that_covers_none_is_wrong(
    explained: list[Explained], wrong: list[str]
) -> None:
    lines = verdict([_HOLD, _TOLD], explained)
    assert [line.startswith(begin) for line, begin in zip(lines, wrong, strict=True)] == [True] * len(wrong)


def test_every_explanation_of_the_repository_has_a_reason() -> None:
    explained = explained_in(Path(__file__).parents[1] / "mutants.yaml")
    assert explained and all(len(each.why) > 10 and each.change for each in explained)
