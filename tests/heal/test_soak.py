"""The soak in short (see soak.py): enough to see that it runs and that no bar is missing."""

from __future__ import annotations

import sys

import pytest

from tests.heal.soak import soak


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_thousands_of_frames_and_some_cuts_leave_no_hole_and_no_pile():
    result = soak(frames=8_000, symbols=40, cuts=4, speed=120)
    assert result.cuts == 4
    assert result.bars > 40
    assert result.growth_mb < 30, "a leak per frame or per cut shows long before this"
