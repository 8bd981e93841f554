"""The ledger case by case: what a fill opens and closes, what a reset keeps, what is compared, what all is worth."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal as D

import pytest

from btccxt.account.ledger import AccountLedger, Booking, Drift, Holding, agree
from btccxt.model import Balances, FundingPayment, Market, Position
from btccxt.sim.markets import inverse_market
from tests.account.test_ledger import MARKETS, balances, fill, spot

PERP, INVERSE, FREE = "BTC/USDT:USDT", "BTC/USD:BTC", ("USDT", "0")
ALL: dict[str, Market] = {**MARKETS, INVERSE: inverse_market(INVERSE, contract_size="10")}


def ledger_of(currency: str = "USDT", **totals: str) -> AccountLedger:
    ledger = AccountLedger(currency, ALL)
    ledger.reset(balances(**totals))
    return ledger


def position(symbol: str, amount: str, price: str | None = None) -> Position:
    return Position(symbol, D(amount), None if price is None else D(price), 0)


# ------------------------------------------------------------------ fills


@pytest.mark.parametrize(
    ("trades", "after", "closed", "opened", "pnl"),
    [
        ("buy 2 100", "2 100", "0", "2", "0"),
        ("buy 2 100, buy 2 200", "4 150", "0", "2", "0"),
        ("buy 4 150, sell 1 350", "3 150", "-1", "0", "200"),
        ("buy 3 150, sell 3 100", "0 -", "-3", "0", "-150"),
        ("buy 1 100, sell 3 200", "-2 200", "-1", "-2", "100"),
    ],
)
def test_a_fill_opens_closes_or_turns_a_spot_position(
    trades: str, after: str, closed: str, opened: str, pnl: str
) -> None:
    ledger, before, booking = ledger_of(USDT="10000"), Holding(), None
    for trade in trades.split(", "):
        side, amount, price = trade.split()
        before = ledger.holding("BTC/USDT")
        booking = ledger.apply(fill("BTC/USDT", side, amount, price, FREE))
    held, at = after.split()
    expected = Holding(D(held), None if at == "-" else D(at))
    assert booking == Booking(before, expected, D(closed), D(opened), D(pnl), D(0), False)
    assert ledger.holding("BTC/USDT") == expected


@pytest.mark.parametrize("held", ["0", "3"])
def test_a_fee_that_eats_the_whole_fill_moves_nothing(held: str) -> None:
    ledger = ledger_of(USDT="100", BTC=held)
    before = ledger.track("BTC/USDT")
    booking = ledger.apply(fill("BTC/USDT", "buy", "1", "5", ("BTC", "1")))
    assert (booking.after, booking.closed, booking.opened) == (before, 0, 0)


def test_the_fees_in_the_coin_are_remembered_until_the_position_is_closed() -> None:
    ledger = ledger_of(USDT="10000")
    for _ in range(2):
        ledger.apply(fill("BTC/USDT", "buy", "0.5", "5000", ("BTC", "0.01")))
    assert ledger.coin_fees("BTC/USDT") == D("0.02")
    ledger.apply(fill("BTC/USDT", "sell", "0.5", "5000", FREE))
    assert ledger.coin_fees("BTC/USDT") == D("0.02")
    ledger.apply(fill("BTC/USDT", "sell", "0.48", "5000", FREE))
    assert ledger.coin_fees("BTC/USDT") == 0


@pytest.mark.parametrize(
    ("fee", "maker", "commission", "estimated"),
    [
        (None, True, "1", True),
        (None, False, "2", True),
        (("BTC", "0.001"), False, "1", False),
        (("BNB", "0.01"), False, "5", False),
        (("USDT", "3"), False, "3", False),
        (("XYZ", "3"), False, "0", True),
    ],
)
def test_the_commission_is_the_fee_in_the_accounts_currency_or_an_estimate(
    fee: tuple[str, str] | None, maker: bool, commission: str, estimated: bool
) -> None:
    ledger = AccountLedger("USDT", {**ALL, "BTC/USDT": spot("BTC/USDT", maker_rate=D("0.001"), taker_rate=D("0.002"))})
    ledger.reset(balances(USDT="10000", BNB="1"))
    ledger.set_price("BNB/USDT", D(500))
    booking = ledger.apply(replace(fill("BTC/USDT", "buy", "1", "1000", fee), maker=maker))
    assert (booking.commission, booking.commission_estimated) == (D(commission), estimated)


def test_a_fee_in_a_coin_that_is_held_leaves_its_entry_price_until_nothing_is_left() -> None:
    ledger = ledger_of(USDT="10000", BNB="2")
    ledger.track("BNB/USDT")
    ledger.set_price("BNB/USDT", D(500))
    ledger.apply(fill("BTC/USDT", "buy", "1", "5000", ("BNB", "0.5")))
    assert ledger.holding("BNB/USDT") == Holding(D("1.5"), D(500))
    ledger.apply(fill("BTC/USDT", "buy", "1", "5000", ("BNB", "1.5")))
    assert ledger.holding("BNB/USDT") == Holding(D(0), None)


def test_only_a_booking_of_an_inverse_contract_says_so() -> None:
    ledger = ledger_of(USDT="10000", BTC="1")
    assert [ledger.apply(fill(symbol, "buy", "1", "5000", FREE)).inverse for symbol in ("BTC/USDT", PERP, INVERSE)] == [
        False, False, True,
    ]  # fmt: skip


def test_a_contract_position_closed_as_a_whole_is_exact_beyond_the_exchanges_digits() -> None:
    ledger = ledger_of(USDT="10000")
    ledger.apply(fill(PERP, "buy", "1", "5000.0000001", FREE))
    assert ledger.apply(fill(PERP, "sell", "1", "5001", FREE)).pnl == D("0.009999999")


def test_the_entry_value_of_a_contract_position_is_kept_and_not_made_of_its_average_price() -> None:
    ledger = ledger_of(USDT="10000")
    for price in ("5000", "5000.1", "5000.3"):  # its average has no end of digits
        ledger.apply(fill(PERP, "buy", "1", price, FREE))
    assert ledger.apply(fill(PERP, "sell", "3", "5001", FREE)).pnl == D("0.026")
    ledger.apply(fill(PERP, "buy", "1", "7000", FREE))
    assert ledger.holding(PERP) == Holding(D(1), D(7000))


def test_the_entry_value_counts_to_the_last_digit_where_the_average_price_has_no_end() -> None:
    ledger = ledger_of(USDT="10000")
    for amount, price in (("1", "2000"), ("2", "3000")):
        ledger.apply(fill(PERP, "buy", amount, price, FREE))
    assert ledger.apply(fill(PERP, "sell", "3", "3000", FREE)).pnl == 10


def test_an_inverse_position_gains_in_its_coin_at_the_harmonic_mean_of_its_entries() -> None:
    ledger = ledger_of("BTC", BTC="10")
    for price in ("5000", "10000"):  # 10,000 USD each: 2 and 1 BTC
        ledger.apply(fill(INVERSE, "buy", "1000", price, ("BTC", "0")))
    held = ledger.holding(INVERSE)
    assert (held.amount, held.price) == (2000, D(20_000) / 3)
    assert ledger.apply(fill(INVERSE, "sell", "1000", "8000", ("BTC", "0"))).pnl == D("0.25")
    assert ledger.cash == D("10.25")


@pytest.mark.parametrize(("sold", "pnl", "left"), [("2", "20", "3 5000"), ("5", "50", "0 -")])
def test_a_contract_position_that_was_there_is_closed_against_its_entry_price(sold: str, pnl: str, left: str) -> None:
    ledger = ledger_of(USDT="10000")
    ledger.reset(balances(USDT="10000"), [position(PERP, "5", "5000")])
    assert ledger.apply(fill(PERP, "sell", sold, "6000", FREE)).pnl == D(pnl)
    amount, price = left.split()
    assert ledger.holding(PERP) == Holding(D(amount), None if price == "-" else D(price))


def test_coins_of_which_nobody_knows_the_entry_price_are_sold_without_a_profit() -> None:
    ledger = ledger_of(USDT="0", BTC="1")
    assert ledger.apply(fill("BTC/USDT", "sell", "1", "5000", FREE)).pnl == 0


def test_a_coin_that_the_account_had_not_or_has_no_more_is_told_until_somebody_has_looked() -> None:
    ledger = ledger_of(USDT="1000")
    told = []
    for side in ("buy", "buy", "sell", "sell"):
        ledger.coins_changed = False
        ledger.apply(fill("BTC/USDT", side, "1", "100", FREE))
        told.append(ledger.coins_changed)
    assert told == [True, False, False, True]
    ledger.coins_changed = False
    ledger.reset(balances(USDT="1000"))
    assert ledger.coins_changed is True


# ------------------------------------------------------------------ start and reset


def test_an_account_of_which_nothing_is_known_has_nothing_and_can_book() -> None:
    ledger = AccountLedger("USDT", ALL)
    assert (ledger.cash, ledger.value, ledger.coins_changed) == (0, 0, True)
    assert ledger.holding("BTC/USDT") == Holding()
    ledger.open_with(PERP, D(5), D(5000))
    assert ledger.apply(fill(PERP, "sell", "5", "6000", FREE)).pnl == 50
    assert ledger.cash == ledger.value == 50


def test_coins_belong_to_the_first_spot_symbol_and_never_to_a_contract_or_to_the_accounts_own_currency() -> None:
    ledger = AccountLedger("USDT", {**ALL, "USDT/USDC": spot("USDT/USDC")})
    ledger.reset(balances(USDT="100", BTC="2"))
    assert ledger.track(PERP).amount == 0
    assert ledger.track("USDT/USDC").amount == 0
    assert ledger.track("BTC/USDT").amount == 2


def test_a_reset_gives_the_owner_of_a_coin_what_the_others_do_not_hold_at_its_old_price() -> None:
    ledger = ledger_of(USDT="0", ETH="3", BTC="1")
    for symbol in ("ETH/USDT", "ETH/BTC", "BTC/USDT"):
        ledger.track(symbol)
    ledger.set_price("ETH/USDT", D(2000))
    ledger.apply(fill("ETH/BTC", "buy", "2", "0.05", ("BTC", "0")))
    ledger.reset(balances(USDT="0", ETH="6", BTC="0.9"))
    assert ledger.holding("ETH/USDT") == Holding(D(4), D(2000))
    assert ledger.holding("ETH/BTC").amount == 2


def test_a_reset_takes_positions_as_the_exchange_tells_them_and_what_it_does_not_tell_is_closed() -> None:
    ledger = ledger_of(USDT="10000")
    ledger.reset(balances(USDT="10000"), [position(PERP, "5", "5000"), position("NEW/USDT:USDT", "0")])
    assert ledger.holding(PERP) == Holding(D(5), D(5000))
    ledger.apply(fill(PERP, "buy", "5", "7000", FREE))
    ledger.reset(balances(USDT="10000"))
    assert ledger.holding(PERP) == Holding()
    ledger.apply(fill(PERP, "buy", "1", "9000", FREE))
    assert ledger.holding(PERP) == Holding(D(1), D(9000))


def test_a_reset_leaves_a_contract_that_was_never_traded_empty() -> None:
    ledger = ledger_of(USDT="10000")
    ledger.track(PERP)
    ledger.reset(balances(USDT="10000"))
    assert ledger.holding(PERP) == Holding()


@pytest.mark.parametrize(
    ("told", "held"),
    [
        (["5 5000"], Holding(D(5), D(5000))),
        (["5 5000", "-2 6000"], Holding(D(3), None)),
        (["0 -", "-2 6000"], Holding(D(-2), D(6000))),
        (["5 5000", "0 -"], Holding(D(5), D(5000))),
    ],
)
def test_in_hedge_mode_long_and_short_are_one_position(told: list[str], held: Holding) -> None:
    sides = [position(PERP, amount, None if price == "-" else price) for amount, price in map(str.split, told)]
    ledger = ledger_of(USDT="10000")
    ledger.reset(balances(USDT="10000"), [*sides, position(INVERSE, "7", "5000")])
    assert ledger.holding(PERP) == held
    assert ledger.holding(INVERSE).amount == 7  # whatever stood before it in the list


def test_what_is_tried_out_on_a_copy_leaves_the_ledger_alone() -> None:
    ledger = ledger_of(USDT="10000", BNB="2")
    ledger.track("BNB/USDT")
    ledger.set_price("BNB/USDT", D(500))
    trial = ledger.copy()
    assert (trial.cash, trial.value) == (10_000, 11_000)
    trial.apply(fill("BTC/USDT", "buy", "1", "5000", ("BNB", "1")))
    assert (trial.cash, trial.holding("BNB/USDT").amount) == (5_000, 1)
    assert (ledger.cash, ledger.value, ledger.holding("BNB/USDT").amount) == (10_000, 11_000, 2)


def test_coins_that_were_there_have_a_profit_once_their_entry_price_is_told() -> None:
    ledger = ledger_of(USDT="0", BTC="1")
    ledger.track("BTC/USDT")
    ledger.set_entry_price("BTC/USDT", D(4000))
    assert ledger.holding("BTC/USDT") == Holding(D(1), D(4000))
    assert ledger.apply(fill("BTC/USDT", "sell", "1", "5000", FREE)).pnl == 1000


# ------------------------------------------------------------------ what comes after its fill, or without one


def test_a_fee_in_the_coin_that_is_told_later_makes_the_position_smaller_and_closes_nothing() -> None:
    ledger = ledger_of(USDT="10000")
    ledger.apply(fill("BTC/USDT", "buy", "1", "5000"))
    told = [ledger.correct_fee(fill("BTC/USDT", "buy", "0", "5000", ("BTC", fee))) for fee in ("0.01", "0.02")]
    assert told == [50, 100]
    assert ledger.holding("BTC/USDT") == Holding(D("0.97"), D(5000))
    assert (ledger.totals["BTC"], ledger.cash, ledger.coin_fees("BTC/USDT")) == (D("0.97"), 5000, D("0.03"))


@pytest.mark.parametrize(
    ("symbol", "fee", "told", "left"),
    [
        ("BTC/USDT", None, "0", {"USDT": "1000", "BNB": "2", "BTC": "1"}),
        ("BTC/USDT", ("BNB", "0.5"), "250", {"USDT": "1000", "BNB": "1.5", "BTC": "1"}),
        (PERP, ("USDT", "3"), "3", {"USDT": "997", "BNB": "2", "BTC": "1"}),
        (INVERSE, ("BTC", "0.01"), "60", {"USDT": "1000", "BNB": "2", "BTC": "0.99"}),
    ],
)
def test_a_fee_that_is_told_later_is_taken_from_its_own_coin(
    symbol: str, fee: tuple[str, str] | None, told: str, left: dict[str, str]
) -> None:
    ledger = ledger_of(USDT="1000", BNB="2", BTC="1")
    ledger.set_price("BNB/USDT", D(500))
    ledger.set_price("BTC/USDT", D(6000))
    assert ledger.correct_fee(fill(symbol, "buy", "0", "5000", fee)) == D(told)
    assert ledger.totals == {coin: D(amount) for coin, amount in left.items()}
    assert ledger.coin_fees(symbol) == 0


def test_what_a_position_costs_or_brings_at_a_funding_time_counts_in_cash_and_value() -> None:
    ledger = ledger_of(USDT="1000")
    assert ledger.value == 1000
    ledger.receive(FundingPayment(PERP, "USDT", D("-1.5"), 0))
    assert ledger.cash == ledger.value == D("998.5")


# ------------------------------------------------------------------ comparison


def test_two_units_in_the_last_place_of_ccxts_float_agree_and_more_do_not() -> None:
    theirs = D(2**53)
    unit = D(math.ulp(float(theirs)))
    assert agree(theirs + 2 * unit, theirs) and agree(theirs - 2 * unit, theirs)
    assert not agree(theirs + 3 * unit, theirs) and not agree(theirs - 3 * unit, theirs)


def test_a_coin_that_a_whole_answer_leaves_out_is_gone_and_one_that_a_push_leaves_out_is_not_compared() -> None:
    ledger = ledger_of(USDT="100", BNB="2")
    whole = balances(USDT="100")
    assert ledger.differences(whole) == [Drift("balance", "BNB", D(2), D(0))]
    assert ledger.differences(Balances(0, whole.by_currency, complete=False)) == []


def test_a_position_differs_by_its_amount_and_a_closed_one_need_not_be_told() -> None:
    ledger = ledger_of(USDT="100")
    ledger.track(PERP)
    assert ledger.differences(balances(USDT="100")) == []
    theirs = [position(PERP, "3", "5000")]
    assert ledger.differences(balances(USDT="100"), theirs) == [Drift("position", PERP, D(0), D(3))]


@pytest.mark.parametrize(
    ("drift", "symbols"),
    [
        ("position BTC/USDT:USDT", {PERP}),
        ("balance ETH", {"ETH/BTC"}),
        ("balance BTC", {"ETH/BTC", INVERSE}),
        ("balance USDT", {"BNB/USDT", PERP}),
        ("balance XYZ", {"BNB/USDT", "ETH/BTC", PERP, INVERSE}),  # a fee perhaps, of any of them
        ("balance ETH, balance BNB", {"ETH/BTC", "BNB/USDT"}),
        ("position BTC/USDT:USDT, balance ETH", {PERP, "ETH/BTC"}),
    ],
)
def test_a_difference_is_explained_by_trades_of_the_symbols_that_touch_it(drift: str, symbols: set[str]) -> None:
    markets = {**ALL, PERP: replace(ALL[PERP], base="TBTC"), INVERSE: replace(ALL[INVERSE], base="TBTC")}
    ledger = AccountLedger("USDT", markets)
    for symbol in ("BNB/USDT", "ETH/BTC", PERP, INVERSE):
        ledger.track(symbol)
    found = [Drift(*each.split(" "), D(1), D(2)) for each in drift.split(", ")]
    assert ledger.symbols_of(found) == symbols


def test_rounding_is_taken_in_the_coin_that_settles_and_counts_in_the_value() -> None:
    ledger = ledger_of("BTC", USDT="0")
    ledger.track(INVERSE)
    assert ledger.value == 0
    ledger.take_rounding(balances(BTC="0.0000009"))
    assert ledger.cash == ledger.value == D("0.0000009")


# ------------------------------------------------------------------ worth


def test_coins_of_a_spot_position_count_once_whatever_its_profit() -> None:
    ledger = ledger_of(USDT="1000", BTC="1")
    ledger.track("BTC/USDT")
    for price in (5000, 6000):
        ledger.set_price("BTC/USDT", D(price))
        assert ledger.value == 1000 + price
        assert ledger.price("BTC/USDT") == price
    assert ledger.coin_values() == {"USDT": 1000, "BTC": 6000}
    assert ledger.price("ETH/USDT") is None


def test_nothing_of_any_coin_is_worth_nothing_and_the_own_currency_itself() -> None:
    ledger = ledger_of(USDT="100")
    assert ledger.convert(D(0), "XYZ") == 0
    assert ledger.convert(D(5), "USDT") == 5
    assert ledger.convert(D(5), "XYZ") is None


def test_prices_are_wanted_for_coins_that_the_account_has() -> None:
    assert ledger_of(USDT="100", ETH="0", BNB="2").prices_wanted() == {"BNB/USDT"}


def test_a_coin_that_is_gone_counts_no_more_and_is_not_missed() -> None:
    ledger = ledger_of(USDT="100", BNB="2", XYZ="1")
    ledger.set_price("BNB/USDT", D(500))
    assert (ledger.value, ledger.unvalued) == (1_100, {"XYZ"})
    ledger.reset(balances(USDT="100", XYZ="0"))
    assert (ledger.value, ledger.unvalued) == (100, frozenset())


@pytest.mark.parametrize(("entry", "price"), [(None, "6000"), ("5000", None)])
def test_without_a_price_at_entry_or_now_there_is_no_open_profit(entry: str | None, price: str | None) -> None:
    ledger = ledger_of(USDT="100")
    ledger.reset(balances(USDT="100"), [position(PERP, "5", entry)])
    if price is not None:
        ledger.set_price(PERP, D(price), as_entry=False)
    assert ledger.open_profit(PERP) == 0
    assert ledger.value == 100


def test_open_profit_comes_and_goes_with_the_price() -> None:
    ledger = ledger_of(USDT="100")
    ledger.reset(balances(USDT="100"), [position(PERP, "5", "5000")])
    values = []
    for price in (6000, 5000, 4000):
        ledger.set_price(PERP, D(price))
        values.append(ledger.value)
    assert values == [150, 100, 50]


def test_what_changes_between_two_looks_at_the_value_counts_in_the_second() -> None:
    ledger = ledger_of(USDT="100", BNB="2")
    ledger.reset(balances(USDT="100", BNB="2"), [position(PERP, "5", None)])
    ledger.set_price("BNB/USDT", D(10))
    ledger.set_price(PERP, D(6000), as_entry=False)
    assert ledger.value == 120
    ledger.set_entry_price(PERP, D(5000))
    assert ledger.value == 170
    ledger.receive(FundingPayment(PERP, "USDT", D(3), 0))
    ledger.set_price("BNB/USDT", D(20))
    assert ledger.value == 193


LONG, SHORT = "BTC/USDT:USDT long", "BTC/USDT:USDT short"


@pytest.mark.parametrize(
    ("positions", "price"),
    [
        (["5 5000"], "5000"),
        (["0 5000"], "5000"),
        (["2 5000", "6 7000"], "6500"),
        (["6 7000", "-2 5000"], "8000"),  # what both cost, over what both together are
        (["5 5000", "-5 6000"], None),  # nothing is held
        (["5 5000", "3 -"], None),
        (["5 5000", "0 -"], "5000"),
        (["6 1000", "-2 3000"], None),  # together they have cost nothing
    ],
)
@pytest.mark.parametrize("kind", [PERP, INVERSE])
def test_two_positions_of_one_contract_have_one_entry_price(kind: str, positions: list[str], price: str | None) -> None:
    names = (LONG, SHORT)[: len(positions)]
    ledger = AccountLedger("USDT", dict.fromkeys(names, ALL[kind]))
    for name, told in zip(names, positions, strict=True):
        amount, at = told.split()
        ledger.open_with(name, D(amount), None if at == "-" else D(at))
    if kind == PERP:
        assert ledger.entry_price(names) == (None if price is None else D(price))
    elif len(names) == 1:
        assert ledger.entry_price(names) == D(positions[0].split()[1])


def test_two_positions_of_an_inverse_contract_are_entered_at_the_harmonic_mean() -> None:
    ledger = AccountLedger("BTC", dict.fromkeys((LONG, SHORT), ALL[INVERSE]))
    ledger.open_with(LONG, D(1000), D(5000))  # 10,000 USD each: 2 and 1 BTC
    ledger.open_with(SHORT, D(1000), D(10_000))
    assert ledger.entry_price((LONG, SHORT)) == D(20_000) / 3


def test_open_profit_in_a_coin_follows_the_price_of_the_coin_and_forgets_no_other_contract() -> None:
    ledger = ledger_of(USDT="100")
    ledger.reset(balances(USDT="100"), [position(PERP, "5", "5000"), position(INVERSE, "1000", "5000")])
    ledger.set_price("BTC/USDT", D(6000))
    ledger.set_price(INVERSE, D(8000))  # 10000 / 5000 - 10000 / 8000 = 0.75 BTC
    ledger.set_price(PERP, D(5000))
    assert ledger.value == 100 + D("0.75") * 6000
    ledger.set_price(PERP, D(6000))
    ledger.set_price("BTC/USDT", D(7000))
    assert ledger.value == 100 + 50 + D("0.75") * 7000
