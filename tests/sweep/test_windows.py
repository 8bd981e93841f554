"""Where a study searches, and where it tests."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.bars.segments import Range
from btccxt.errors import ConfigError
from btccxt.sweep.windows import Window, out_of_sample, walk_forward

DAY = 86_400_000
YEAR = Range(0, 365 * DAY)


@pytest.mark.parametrize(("kept", "split"), [(0.2, 292), ("0.2", 292), ("73d", 292)])
def test_the_end_is_kept(kept: str | float, split: int):
    assert out_of_sample(YEAR, kept) == (Window(0, Range(0, split * DAY), Range(split * DAY, 365 * DAY)),)


def test_windows_walk_by_the_length_of_the_test():
    windows = walk_forward(Range(0, 130 * DAY), "90d/15d")
    assert [(each.train.from_ms // DAY, each.train.to_ms // DAY, each.test.to_ms // DAY) for each in windows] == [
        (0, 90, 105), (15, 105, 120),
    ]  # fmt: skip


@given(st.integers(1, 400), st.integers(1, 100), st.integers(1, 100))
def test_no_test_overlaps_its_search_or_another_test_and_all_lie_within(days: int, train: int, test: int):
    span = Range(7, 7 + days * DAY)
    if train + test > days:
        with pytest.raises(ConfigError, match="does not fit"):
            walk_forward(span, f"{train}d/{test}d")
        return
    windows = walk_forward(span, f"{train}d/{test}d")
    tests = [each.test for each in windows]
    assert all(each.train.to_ms == each.test.from_ms for each in windows)
    assert all(one.to_ms == other.from_ms for one, other in pairwise(tests))
    assert windows[0].train.from_ms == span.from_ms
    assert span.to_ms - test * DAY < tests[-1].to_ms <= span.to_ms


@pytest.mark.parametrize("kept", [0, 1, 1.5, "-3", "400d", "nan", "soon"])
def test_what_leaves_nothing_is_said(kept: str | float):
    with pytest.raises(ConfigError):
        out_of_sample(YEAR, kept)


@pytest.mark.parametrize("lengths", ["90d", "90d/", "0d/5d", "a/b", "364d/1d12h", "10s/1s"])
def test_what_is_no_walk_is_said(lengths: str):
    with pytest.raises(ConfigError, match=r"walk forward|length of time"):
        walk_forward(YEAR, lengths)
