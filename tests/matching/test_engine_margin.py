"""Brackets of leverage, margin of a position's own, inverse contracts: what they allow, cost, pay and when they end."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from btccxt.matching.brackets import INVERSE as INVERSE_BRACKETS
from btccxt.matching.brackets import LINEAR, Bracket, largest_value, maintenance
from btccxt.matching.engine import Engine, OrderChanged, RejectCode, SimStatus
from btccxt.matching.values import average_price, value_of
from btccxt.sim.markets import inverse_market, linear_market
from tests.sim.exchange_kit import BUY, INVERSE, PERP, SELL, D, Kit, refused


def kit_at(price: Any, symbol: str = PERP, fees: tuple[str, str] = ("0", "0"), **balances: int | str) -> Kit:
    kit = Kit(perp_fees=fees, **(balances or {"USDT": 10_000_000, "BTC": 100}))
    move(kit, price, symbol)
    return kit


def move(kit: Kit, price: Any, symbol: str = PERP) -> None:
    kit.depth([], [], symbol)
    kit.trade(price, symbol=symbol)
    kit.depth([(price, 10**9)], [(D(str(price)) + D("0.1"), 10**9)], symbol)


def only(kit: Kit) -> Any:
    (position,) = kit.engine.positions("ann")
    return position


# ------------------------------------------------------------------ brackets


def test_each_part_of_a_position_is_kept_at_the_rate_of_its_own_bracket() -> None:
    brackets = (Bracket(D(100), D(50), D("0.01")), Bracket(D(300), D(20), D("0.02")))
    assert maintenance(brackets, D(50)) == D("0.5")
    assert maintenance(brackets, D(200)) == 1 + 2
    assert maintenance(brackets, D(400)) == 1 + 4 + 2  # beyond the last one: at its rate
    assert [largest_value(brackets, D(leverage)) for leverage in (50, 51, 20, 1)] == [100, 0, 300, 300]


@pytest.mark.parametrize("brackets", [LINEAR, INVERSE_BRACKETS])
def test_larger_positions_have_less_leverage_and_keep_more(brackets: Any) -> None:
    assert [b.cap for b in brackets] == sorted(b.cap for b in brackets)
    assert [b.max_leverage for b in brackets] == sorted((b.max_leverage for b in brackets), reverse=True)
    assert [b.maintenance_rate for b in brackets] == sorted(b.maintenance_rate for b in brackets)
    assert all(b.maintenance_rate < 1 / b.max_leverage for b in brackets)


def test_leverage_beyond_the_first_bracket_is_refused() -> None:
    kit = kit_at(100)
    kit.engine.set_leverage("ann", PERP, D(125), kit.tick())
    with refused(RejectCode.LEVERAGE, says="125 at most"):
        kit.engine.set_leverage("ann", PERP, D(126), kit.tick())
    assert kit.engine.leverage("ann", PERP) == 125


def test_an_order_that_would_make_the_position_too_large_for_its_leverage_is_refused() -> None:
    kit = kit_at(100)
    kit.engine.set_leverage("ann", PERP, D(125), kit.tick())  # 50,000 at most
    kit.limit("ann", BUY, 300, 100, symbol=PERP)
    with refused(RejectCode.POSITION_LIMIT, says="worth 50000"):
        kit.limit("ann", BUY, 201, 100, symbol=PERP)  # with what rests it is too much
    kit.limit("ann", SELL, 400, 101, symbol=PERP)  # the other way counts by itself
    kit.engine.set_leverage("ann", PERP, D(100), kit.tick())
    kit.limit("ann", BUY, 201, 100, symbol=PERP)


def test_leverage_that_is_too_high_for_the_position_is_refused() -> None:
    kit = kit_at(100)
    kit.market("ann", BUY, 1_000, symbol=PERP)
    with refused(RejectCode.POSITION_LIMIT):
        kit.engine.set_leverage("ann", PERP, D(125), kit.tick())
    assert kit.engine.leverage("ann", PERP) == 20


def test_what_reduces_a_position_is_never_too_large() -> None:
    kit = kit_at(100)
    kit.market("ann", BUY, 400, symbol=PERP)
    kit.engine.set_leverage("ann", PERP, D(125), kit.tick())
    move(kit, 200)
    kit.market("ann", SELL, 400, symbol=PERP, reduce_only=True)
    assert kit.engine.positions("ann") == []


def test_brackets_may_be_given() -> None:
    engine = Engine([linear_market(PERP)], brackets={PERP: [Bracket(D(1_000), D(10), D("0.05"))]})
    engine.open_account("ann", {"USDT": D(1_000)})
    with refused(RejectCode.LEVERAGE, says="10 at most"):
        engine.set_leverage("ann", PERP, D(11), 1)


# ------------------------------------------------------------------ isolated margin


def test_an_isolated_position_loses_its_margin_and_nothing_else() -> None:
    kit = kit_at(100, USDT=1_000)
    kit.engine.set_isolated("ann", PERP, True)
    kit.market("ann", BUY, 20, symbol=PERP)  # 2,002 at 20 times: 100.1
    assert (only(kit).margin_mode, only(kit).margin) == ("isolated", D("100.1"))
    liquidation = only(kit).liquidation_price
    assert 95 < liquidation < 96
    move(kit, liquidation + 1)
    assert only(kit)
    move(kit, 80)  # far beyond: the exchange's insurance pays what the margin does not
    assert kit.engine.positions("ann") == []
    assert kit.engine.balances("ann")["USDT"].total == 1_000 - D("100.1")
    assert kit.engine.street["USDT"] == D("100.1")


def test_a_cross_position_is_carried_by_all_that_isolated_ones_leave() -> None:
    kit = kit_at(100, USDT=1_000)
    kit.market("ann", BUY, 20, symbol=PERP)
    cross = only(kit).liquidation_price
    assert cross < 60
    other = kit_at(100, USDT=1_000)
    other.engine.set_isolated("ann", PERP, True)
    other.market("ann", BUY, 20, symbol=PERP)
    assert only(other).liquidation_price > 90


def test_what_an_isolated_position_has_lost_on_paper_stays_free_for_others() -> None:
    kit = kit_at(100, USDT=1_000)
    kit.engine.set_isolated("ann", PERP, True)
    kit.market("ann", BUY, 20, symbol=PERP)
    move(kit, 97)
    assert kit.free("ann", "USDT") == 1_000 - D("100.1")
    kit.limit("ann", BUY, "8.99", 100)


def test_the_margin_mode_stands_while_there_is_a_position_or_an_order() -> None:
    kit = kit_at(100)
    resting = kit.limit("ann", BUY, 1, 90, symbol=PERP)
    with refused(RejectCode.POSITION_OPEN):
        kit.engine.set_isolated("ann", PERP, True)
    kit.cancel(resting)
    kit.engine.set_isolated("ann", PERP, True)
    kit.market("ann", BUY, 1, symbol=PERP)
    with refused(RejectCode.POSITION_OPEN):
        kit.engine.set_isolated("ann", PERP, False)
    kit.engine.set_isolated("ann", PERP, True)  # nothing to change


def test_liquidation_names_its_order() -> None:
    kit = kit_at(100, USDT=100)
    kit.market("ann", BUY, 15, symbol=PERP)
    move(kit, 93)
    forced = [e.order for e in kit.heard if isinstance(e, OrderChanged) and e.order.request.label == "liquidation"]
    assert forced[-1].status is SimStatus.FILLED


# ------------------------------------------------------------------ inverse contracts


def test_an_inverse_contract_is_worth_a_fixed_amount_of_dollars() -> None:
    market = inverse_market(INVERSE, contract_size="100")
    assert value_of(market, D(5), D(50_000)) == D("0.01")
    assert average_price(market, D(5), D("0.01")) == 50_000
    bought = value_of(market, D(1), D(100)) + value_of(market, D(1), D(200))
    assert average_price(market, D(2), bought) == pytest.approx(Decimal("133.333333"))  # the harmonic mean


def test_a_long_inverse_position_earns_coins_when_the_price_rises() -> None:
    kit = kit_at(50_000, INVERSE, fees=("0", "0.001"), BTC=1)
    kit.engine.set_leverage("ann", INVERSE, D(10), kit.tick())
    order = kit.market("ann", BUY, 10_000, symbol=INVERSE)  # at 50,000.1
    worth = D(10_000) / D("50000.1")
    fee = kit.fills_of(order)[0].fee
    assert fee.currency == "BTC" and fee.cost == pytest.approx(worth / 1000, abs=D("1e-8"))
    assert only(kit).entry_price == pytest.approx(D("50000.1"))
    assert kit.used("ann", "BTC") == pytest.approx(worth / 10, abs=D("1e-7"))
    move(kit, 55_000, INVERSE)
    gain = worth - D(10_000) / 55_000
    assert only(kit).unrealised_pnl == pytest.approx(gain, abs=D("1e-8"))
    closed = kit.market("ann", SELL, 10_000, symbol=INVERSE)
    assert kit.fills_of(closed)[0].realized_pnl == pytest.approx(gain, abs=D("1e-8"))
    paid = fee.cost + kit.fills_of(closed)[0].fee.cost
    assert kit.engine.balances("ann")["BTC"].total == 1 - paid + kit.fills_of(closed)[0].realized_pnl
    assert kit.used("ann", "BTC") == 0


def test_a_short_inverse_position_earns_when_it_falls_and_cannot_be_liquidated_with_its_worth_in_coins() -> None:
    kit = kit_at(50_000, INVERSE, BTC=1)
    kit.market("ann", SELL, 10_000, symbol=INVERSE)
    assert only(kit).liquidation_price is None  # 0.2 BTC short, a whole BTC behind it
    move(kit, 40_000, INVERSE)
    assert only(kit).unrealised_pnl == D("0.05")


def test_an_inverse_position_is_liquidated_at_about_the_estimated_price() -> None:
    kit = kit_at(50_000, INVERSE, BTC="0.1")
    kit.market("ann", BUY, 50_000, symbol=INVERSE)
    estimated = only(kit).liquidation_price
    assert 45_000 < estimated < 46_000
    move(kit, int(estimated) + 50, INVERSE)
    assert only(kit)
    move(kit, int(estimated) - 50, INVERSE)
    assert kit.engine.positions("ann") == []
    assert kit.engine.balances("ann")["BTC"].total >= 0


def test_funding_of_an_inverse_contract_is_paid_in_coins() -> None:
    kit = kit_at(50_000, INVERSE, BTC=1)
    kit.market("ann", BUY, 10_000, symbol=INVERSE)
    kit.engine.apply_funding(INVERSE, D("0.001"), kit.tick())
    (paid,) = kit.engine.fundings("ann")
    assert paid.received == D("-0.0002")
    assert kit.engine.funding_rate(INVERSE) == kit.engine.funding_history()[0].rate == D("0.001")


def test_positions_in_two_coins_do_not_carry_each_other() -> None:
    kit = kit_at(100, USDT=100, BTC="0.1")
    move(kit, 50_000, INVERSE)
    kit.market("ann", BUY, 50_000, symbol=INVERSE)
    kit.market("ann", BUY, 15, symbol=PERP)
    move(kit, 90, PERP)
    assert [position.symbol for position in kit.engine.positions("ann")] == [INVERSE]
