"""Each example trades what it says, on the embedded exchange, and ends by itself."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.examples.load import EXAMPLES, example

pytestmark = pytest.mark.usefixtures("patient_market")

FAST: dict[str, Any] = {"speed": 480, "seed": 1, "start": datetime(2026, 1, 5, 12, tzinfo=timezone.utc)}


def played(name: str, bars: int, **sim: Any) -> Any:
    return example(name).main("sim", bars, **{**FAST, **sim})


def test_brackets_enter_and_are_left_by_one_of_their_exits(capsys: pytest.CaptureFixture[str]) -> None:
    strategy = played("brackets", bars=40)
    told = [line.split()[0] for line in capsys.readouterr().out.splitlines() if " at " in line]
    exits = told[1::2]
    assert strategy.trades_closed >= 2 and len(exits) >= strategy.trades_closed
    assert set(told[::2]) == {"entry"} and set(exits) <= {"stop", "target"}
    assert strategy.position.size < 0.01 + 1e-9


def test_of_a_pair_one_fills_and_the_other_is_cancelled(capsys: pytest.CaptureFixture[str]) -> None:
    strategy = played("oco", bars=40)
    told = capsys.readouterr().out
    assert strategy.pairs_done >= 2
    assert len(re.findall(r"^Completed (?:Stop|Limit) ", told, re.MULTILINE)) >= strategy.pairs_done
    assert len(re.findall(r"^Canceled +(?:Stop|Limit) ", told, re.MULTILINE)) >= strategy.pairs_done


def test_every_kind_of_order_is_placed_and_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    strategy = played("order_kinds", bars=90)
    told = capsys.readouterr().out
    assert strategy.left == [] and len(strategy.ends) == 13
    assert all(not order.alive() for orders in strategy.ends.values() for order in orders)
    assert not re.search("Rejected|Margin", told)
    assert abs(strategy.position.size) < 1e-9
    (sliced,) = strategy.ends["iceberg"]
    assert sliced.executed.size == pytest.approx(0.03)


def test_trailing_stops_close_positions_of_a_perpetual(capsys: pytest.CaptureFixture[str]) -> None:
    strategy = played("trailing_perpetual", bars=40)
    told = capsys.readouterr().out
    assert len(strategy.sides_closed) >= 2
    assert len(re.findall(r"^Completed StopTrail", told, re.MULTILINE)) >= len(strategy.sides_closed)
    assert "Rejected" not in told


@pytest.mark.slow
def test_ticks_become_bars_of_five_seconds_that_are_traded(capsys: pytest.CaptureFixture[str]) -> None:
    strategy = played("ticks_to_bars", bars=60, speed=60)
    stamps = [strategy.bars.datetime.datetime(-ago) for ago in range(50)]
    assert all(stamp.second % 5 == 0 and stamp.microsecond == 0 for stamp in stamps)
    assert min((later - sooner).total_seconds() for sooner, later in zip(stamps[1:], stamps, strict=False)) == 5
    assert "Completed Buy" in capsys.readouterr().out


def test_rotation_is_in_one_coin_after_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = example("rotation")

    class Thrice(module.Rotation):  # type: ignore[misc, name-defined]
        """The last change is long over when the run ends."""

        def next(self) -> None:
            if len(self.held) < 3:
                super().next()

    monkeypatch.setattr(module, "Rotation", Thrice)
    strategy = module.main("sim", 41, **FAST)
    told = capsys.readouterr().out
    assert len(set(strategy.held)) >= 2
    assert "Buy" in told and "Sell" in told and "refused" not in told
    *_, last = (data for data in strategy.datas if data._name == strategy.held[-1])
    assert strategy.getposition(last).size * last.close[0] > 8_000


def test_two_exchanges_have_their_own_prices_and_one_of_them_is_traded(capsys: pytest.CaptureFixture[str]) -> None:
    strategy = example("two_exchanges").main("sim", 40, speed=480, start=FAST["start"])
    told = capsys.readouterr().out
    assert strategy.prices["binance"] != strategy.prices["okx"]
    assert "Completed Buy  binance" in told and "Rejected" not in told and " okx " not in told
    assert strategy.getposition(strategy.there).size == 0


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_uses_what_is_public_only(path: Any) -> None:
    """``btccxt`` itself and its two rooms of plain records."""
    imported = re.findall(r"^\s*(?:from|import) (btccxt[\w.]*)", path.read_text("utf-8"), re.MULTILINE)
    assert imported and set(imported) <= {"btccxt", "btccxt.errors", "btccxt.model"}
