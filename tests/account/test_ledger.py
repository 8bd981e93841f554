"""The ledger: what fills do to cash, positions and value, to the last digit."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.account.ledger import AccountLedger, Holding
from btccxt.model import Balance, Balances, Fee, Fill, Market, MarketType, Position, Side


def spot(pair: str, **changes) -> Market:
    base, quote = pair.split("/")
    fields = {
        "symbol": pair, "base": base, "quote": quote, "settle": None, "type": MarketType.SPOT, "active": True,
        "price_step": D("0.01"), "amount_step": D("0.0001"), "maker_rate": D("0.001"), "taker_rate": D("0.001"),
    }  # fmt: skip
    return Market(**(fields | changes))


MARKETS = {
    "BTC/USDT": spot("BTC/USDT"),
    "ETH/USDT": spot("ETH/USDT"),
    "ETH/BTC": spot("ETH/BTC"),
    "BNB/USDT": spot("BNB/USDT"),
    "BTC/USDT:USDT": spot("BTC/USDT", symbol="BTC/USDT:USDT", settle="USDT", type=MarketType.LINEAR,
                          contract_size=D("0.01")),
}  # fmt: skip


def balances(**totals: str) -> Balances:
    return Balances(0, {coin: Balance(coin, D(total), D(0)) for coin, total in totals.items()})


def fill(symbol: str, side: str, amount: str, price: str, fee: tuple[str, str] | None = None) -> Fill:
    return Fill("1", symbol, Side(side), D(price), D(amount), 0, fee=Fee(fee[0], D(fee[1])) if fee else None)


@pytest.fixture
def ledger() -> AccountLedger:
    ledger = AccountLedger("USDT", MARKETS)
    ledger.reset(balances(USDT="10000", BNB="2"))
    ledger.track("BTC/USDT")
    return ledger


def test_a_fee_in_the_base_coin_makes_the_position_smaller_and_not_the_cash(ledger):
    booking = ledger.apply(fill("BTC/USDT", "buy", "1", "5000", ("BTC", "0.001")))
    assert ledger.cash == D("5000")
    assert ledger.holding("BTC/USDT") == Holding(D("0.999"), D("5000"))
    assert booking.opened == D("0.999")
    assert booking.commission == D("5.000")
    assert ledger.value == D("9995.000")


def test_a_fee_in_the_quote_coin_is_taken_from_the_cash(ledger):
    ledger.apply(fill("BTC/USDT", "buy", "1", "5000", ("USDT", "5")))
    booking = ledger.apply(fill("BTC/USDT", "sell", "1", "6000", ("USDT", "6")))
    assert booking.pnl == D("1000")
    assert booking.closed == D("-1")
    assert ledger.cash == D("10989")
    assert ledger.holding("BTC/USDT") == Holding(D(0), None)
    assert ledger.value == D("10989")


def test_a_fee_in_a_third_coin_leaves_the_cash_alone_but_shows_in_the_value(ledger):
    ledger.set_price("BNB/USDT", D("500"))
    assert ledger.value == D("10000") + 2 * 500
    booking = ledger.apply(fill("BTC/USDT", "buy", "1", "5000", ("BNB", "0.0075")))
    assert ledger.cash == D("5000")
    assert ledger.totals["BNB"] == D("1.9925")
    assert booking.commission == D("3.7500")
    assert ledger.value == D("11000") - D("3.75")


def test_a_third_coin_that_is_itself_a_position_is_not_counted_twice(ledger):
    ledger.track("BNB/USDT")
    ledger.set_price("BNB/USDT", D("500"))
    ledger.apply(fill("BTC/USDT", "buy", "1", "5000", ("BNB", "0.0075")))
    assert ledger.holding("BNB/USDT").amount == D("1.9925")
    assert ledger.value == D("10000") + D("1.9925") * 500


def test_without_a_rate_for_the_fee_coin_the_commission_is_marked_as_estimated(ledger):
    assert ledger.apply(fill("BTC/USDT", "buy", "1", "5000", ("XYZ", "1"))).commission_estimated


def test_a_fill_without_a_fee_is_estimated_from_the_markets_rate(ledger):
    booking = ledger.apply(fill("BTC/USDT", "buy", "1", "5000"))
    assert (booking.commission, booking.commission_estimated) == (D("5.000"), True)


def test_a_reversal_of_a_contract_closes_and_opens_in_one_fill(ledger):
    ledger.apply(fill("BTC/USDT:USDT", "buy", "50", "5000"))
    booking = ledger.apply(fill("BTC/USDT:USDT", "sell", "80", "6000"))
    assert (booking.closed, booking.opened) == (D("-50"), D("-30"))
    assert booking.pnl == D("500.00")
    assert ledger.holding("BTC/USDT:USDT") == Holding(D("-30"), D("6000"))
    assert ledger.cash == D("10500.00")
    ledger.set_price("BTC/USDT:USDT", D("5900"))
    assert ledger.value == D("10530.00")


def test_a_contract_position_closed_in_parts_leaves_the_cash_exact_to_the_last_digit(ledger):
    """An average price of thirds has no end of digits; what the exchange books has eight decimals."""
    symbol = "BTC/USDT:USDT"
    for price in ("5000", "5000.1", "5000.3"):
        ledger.apply(fill(symbol, "buy", "1", price, ("USDT", "0")))
    before = ledger.cash
    size = MARKETS[symbol].contract_size
    booked = [ledger.apply(fill(symbol, "sell", part, "5001", ("USDT", "0"))).pnl for part in ("1", "1", "1")]
    whole = size * (3 * D("5001") - D("5000") - D("5000.1") - D("5000.3"))
    assert sum(booked) == whole
    assert ledger.cash == before + whole
    assert all(pnl == round(pnl, 8) for pnl in booked)


def test_a_millionth_in_the_coin_that_settles_contracts_is_the_exchanges_rounding_and_no_difference(ledger):
    ledger.apply(fill("BTC/USDT:USDT", "buy", "5", "5000", ("USDT", "0")))
    theirs = balances(USDT=str(ledger.cash - D("0.0000009")))
    ledger.take_rounding(theirs)
    assert ledger.cash == theirs.by_currency["USDT"].total
    more = balances(USDT=str(ledger.cash - D("0.000001")), BNB="2")
    ledger.take_rounding(more)
    assert [drift.name for drift in ledger.differences(more) if drift.what == "balance"] == ["USDT"]


def test_on_spot_no_difference_is_too_small(ledger):
    ledger.apply(fill("BTC/USDT", "buy", "1", "5000", ("USDT", "0")))
    theirs = balances(USDT=str(ledger.cash - D("0.00000001")), BTC="1", BNB="2")
    ledger.take_rounding(theirs)
    assert [drift.name for drift in ledger.differences(theirs)] == ["USDT"]


def test_a_coin_shared_by_two_symbols_is_counted_once():
    ledger = AccountLedger("USDT", MARKETS)
    ledger.reset(balances(USDT="0", ETH="3", BTC="1"))
    for symbol in ("ETH/USDT", "ETH/BTC", "BTC/USDT"):
        ledger.track(symbol)
    ledger.set_price("ETH/USDT", D("2000"))
    ledger.set_price("ETH/BTC", D("0.05"))
    ledger.set_price("BTC/USDT", D("40000"))
    assert ledger.value == D("46000")
    ledger.apply(fill("ETH/BTC", "buy", "2", "0.05"))
    assert ledger.holding("ETH/USDT").amount == D("3")
    assert ledger.holding("ETH/BTC").amount == D("2")
    assert ledger.holding("BTC/USDT").amount == D("0.90")
    assert ledger.value == D("46000")


def test_the_average_price_of_an_old_position_is_the_first_price_seen():
    ledger = AccountLedger("USDT", MARKETS)
    ledger.reset(balances(USDT="0", BTC="1"))
    assert ledger.track("BTC/USDT").price is None
    ledger.set_price("BTC/USDT", D("5000"))
    ledger.set_price("BTC/USDT", D("6000"))
    assert ledger.holding("BTC/USDT").price == D("5000")


def test_the_last_digits_of_a_great_balance_are_lost_in_ccxts_floats_and_are_no_difference(ledger):
    ledger.reset(balances(USDT="98000000.12345678"))
    assert ledger.differences(balances(USDT="98000000.12345677")) == []
    (drift,) = ledger.differences(balances(USDT="98000000.12345"))
    assert drift.name == "USDT"


def test_differences_name_every_figure_that_the_exchange_sees_otherwise(ledger):
    ledger.apply(fill("BTC/USDT:USDT", "buy", "5", "5000", ("USDT", "0")))
    theirs = balances(USDT="9990", BTC="0.5", BNB="2")
    found = {(drift.what, drift.name): (drift.ours, drift.theirs) for drift in ledger.differences(theirs)}
    assert found == {
        ("balance", "USDT"): (D("10000.00"), D("9990")),
        ("balance", "BTC"): (D(0), D("0.5")),
        ("position", "BTC/USDT:USDT"): (D("5"), D(0)),
    }
    ledger.reset(theirs, [Position("BTC/USDT:USDT", D("5"), D("5000"), 0)])
    assert ledger.differences(theirs, [Position("BTC/USDT:USDT", D("5"), D("5000"), 0)]) == []
    assert ledger.holding("BTC/USDT").amount == D("0.5")


@given(
    st.lists(
        st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 500), st.integers(1, 9000),
                  st.sampled_from(["BTC", "USDT", "BNB", None])),
        max_size=30,
    )
)  # fmt: skip
def test_cash_and_coins_equal_the_sum_of_all_fills_whatever_their_order(rows):
    ledger = AccountLedger("USDT", MARKETS)
    ledger.reset(balances(USDT="1000000", BTC="100", BNB="10"))
    ledger.track("BTC/USDT")
    expected = {"USDT": D(1000000), "BTC": D(100), "BNB": D(10)}
    for side, steps, price, fee_coin in rows:
        amount, sign = D(steps) * D("0.0001"), 1 if side == "buy" else -1
        fee = (fee_coin, str(amount * D("0.001"))) if fee_coin else None
        ledger.apply(fill("BTC/USDT", side, str(amount), str(price), fee))
        expected["BTC"] += amount * sign
        expected["USDT"] -= amount * price * sign
        if fee:
            expected[fee_coin] -= D(fee[1])
    assert {coin: ledger.totals[coin] for coin in expected} == expected
    assert ledger.holding("BTC/USDT").amount == expected["BTC"]


def test_the_first_price_of_each_of_many_symbols_does_not_look_at_all_others():
    class Asked(dict):
        count = 0

        def __getitem__(self, symbol):
            Asked.count += 1
            return super().__getitem__(symbol)

    symbols = [f"C{number}/USDT" for number in range(300)]
    ledger = AccountLedger("USDT", Asked({symbol: spot(symbol) for symbol in symbols}))
    ledger.reset(balances(USDT="10000", C7="2"))
    for symbol in symbols:
        ledger.track(symbol)
    before = Asked.count
    for number, symbol in enumerate(symbols):
        ledger.set_price(symbol, D(number))
    assert ledger.value == D("10014")
    assert Asked.count - before < 10 * len(symbols)
