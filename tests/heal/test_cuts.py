"""A strategy trades three symbols while every kind of cut comes once and again; nothing is lost (see cuts.py)."""

from __future__ import annotations

import pytest

from tests.heal.cuts import KINDS, run_cuts


@pytest.mark.slow
def test_no_bar_and_no_fill_is_lost_doubled_or_out_of_order_through_every_kind_of_cut():
    result = run_cuts(30, seed=7)
    assert set(result.recovery_s) == {cut.name for cut in KINDS}
    assert result.strikes > 30
    assert result.fills > 10
    assert result.bars > 3_000
