"""Each limit holds exactly at its number; what reduces exposure passes where it should; the state is the last word."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest

from btccxt.errors import ConfigError
from btccxt.model import Side
from btccxt.orders.risk import Proposal, RiskLimits, TradingState, reduces, refusals
from btccxt.orders.trading_state import TradingControl
from btccxt.resilience.checks import policy_from

ORDER = Proposal(
    symbol="BTC/USDT", side=Side.BUY, amount=D(2), price=D(110), latest=D(100), unit_value=D(110), reduces=False,
    position=D(1), resting=D("0.5"), open_orders=3, orders_last_minute=4, loss_today=D(50),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "at", "below"),
    [
        ("max_order_size", 2, "1.99"),
        ("max_order_notional", 220, "219.9"),
        ("max_position", "3.5", "3.4"),
        ("max_position_notional", 385, 384),
        ("max_open_orders", 4, 3),
        ("max_price_distance_pct", 10, "9.9"),
        ("max_orders_per_minute", 5, 4),
        ("max_loss_per_day", "50.01", 50),
    ],
)
def test_a_limit_holds_exactly_at_its_number(name, at, below):
    assert refusals(RiskLimits(**{name: at}), TradingState.ACTIVE, "", ORDER) == ()
    (reason,) = refusals(RiskLimits(**{name: below}), TradingState.ACTIVE, "", ORDER)
    assert name in reason


def test_every_reason_is_told_at_once():
    limits = RiskLimits(max_order_size=1, max_open_orders=1, max_orders_per_minute=1)
    assert len(refusals(limits, TradingState.HALTED, "night", ORDER)) == 4


def test_what_reduces_exposure_passes_position_loss_and_reducing_but_not_halted():
    exits = replace(ORDER, side=Side.SELL, amount=D(1), reduces=True)
    limits = RiskLimits(max_position="0.1", max_position_notional=1, max_loss_per_day=1)
    assert refusals(limits, TradingState.REDUCING, "", exits) == ()
    assert refusals(RiskLimits(), TradingState.REDUCING, "", ORDER) != ()
    assert refusals(RiskLimits(), TradingState.HALTED, "why not", exits) == ("trading is HALTED: why not",)


def test_a_limit_in_money_without_a_price_refuses():
    unknown = replace(ORDER, price=None, latest=None, unit_value=None)
    assert refusals(RiskLimits(max_order_notional=1), TradingState.ACTIVE, "", unknown)


@pytest.mark.parametrize(("side", "amount", "position", "it_does"), [
    (Side.SELL, 1, 1, True), (Side.SELL, 2, 1, False), (Side.BUY, 1, 1, False), (Side.BUY, 1, -2, True),
    (Side.SELL, 1, 0, False),
])  # fmt: skip
def test_reducing_is_the_other_way_and_not_beyond_flat(side, amount, position, it_does):
    assert reduces(side, D(amount), D(position)) is it_does


@pytest.mark.parametrize("value", [0, -1, "many", True, float("nan"), float("inf")])
def test_a_limit_is_a_number_above_zero(value):
    with pytest.raises(ConfigError, match="max_order_size"):
        RiskLimits(max_order_size=value)


def test_a_misspelt_limit_names_the_nearest():
    with pytest.raises(ConfigError, match="max_order_size"):
        policy_from(RiskLimits, {"max_ordersize": 1})


# ------------------------------------------------------------------ trading state


def test_the_last_word_counts_whoever_said_it(tmp_path):
    path = tmp_path / "state"
    control = TradingControl(path)
    assert control.read() == (TradingState.ACTIVE, "")
    path.write_text("halted too wild\n")
    assert control.read() == (TradingState.HALTED, "too wild")
    control.set("reducing", "calmer")
    assert control.read() == (TradingState.REDUCING, "calmer")
    assert path.read_text() == "reducing calmer\n"
    assert TradingControl(path).read() == (TradingState.REDUCING, "calmer")  # the next program
    path.unlink()
    assert control.read() == (TradingState.ACTIVE, "")


def test_a_word_that_nobody_knows_halts(tmp_path):
    path = tmp_path / "state"
    path.write_text("stpo")
    state, why = TradingControl(path).read()
    assert state is TradingState.HALTED
    assert "'stpo'" in why


def test_a_wrong_word_in_the_program_is_an_error():
    with pytest.raises(ConfigError, match="active, reducing, halted"):
        TradingControl().set("paused")


def test_what_was_set_before_the_file_was_known_is_kept_and_a_passing_file_goes(tmp_path):
    path = tmp_path / "state"
    control = TradingControl()
    control.set("halted", "before the start")
    control.keep_in(path, lasting=False)
    assert TradingControl(path).read() == (TradingState.HALTED, "before the start")
    control.close()
    assert not path.exists()
    assert control.read()[0] is TradingState.HALTED
