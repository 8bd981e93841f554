"""What every coin is worth: by one market or two, kept up to date by what changes, never guessed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btccxt.account.ledger import AccountLedger
from btccxt.account.valuation import Routes
from btccxt.model import Market
from btccxt.sim.markets import linear_market, spot_market
from tests.account.test_ledger import balances, fill

SPOT = {
    symbol: spot_market(symbol)
    for symbol in ("BTC/USDT", "ETH/USDT", "ETH/BTC", "BNB/USDT", "BNB/ETH", "USDT/TRY", "XYZ/BTC", "ABC/XYZ")
}
PERP = linear_market("BTC/USDT:USDT", contract_size="0.01")


def ledger(markets: dict[str, Market] = SPOT, /, **totals: str) -> AccountLedger:
    made = AccountLedger("USDT", markets)
    made.reset(balances(**totals))
    return made


def test_coins_without_a_data_count_at_their_own_prices() -> None:
    made = ledger(USDT="100", ETH="10", BNB="5")
    assert made.value == 100
    assert made.unvalued == {"ETH", "BNB"}
    assert made.prices_wanted() == {"ETH/USDT", "BNB/USDT"}
    made.set_price("ETH/USDT", D(3000), as_entry=False)
    made.set_price("BNB/USDT", D(600), as_entry=False)
    assert made.value == 100 + 30_000 + 3_000
    assert made.unvalued == frozenset()
    assert made.coin_values() == {"USDT": D(100), "ETH": D(30_000), "BNB": D(3_000)}


def test_a_coin_that_is_quoted_in_another_goes_over_two_markets_and_one_quoted_backwards_is_divided() -> None:
    made = ledger(XYZ="4", TRY="80")
    assert made.prices_wanted() == {"XYZ/BTC", "BTC/USDT", "USDT/TRY"}
    for symbol, price in (("XYZ/BTC", "0.5"), ("BTC/USDT", "60000"), ("USDT/TRY", "40")):
        made.set_price(symbol, D(price))
    assert made.value == 4 * D("0.5") * 60_000 + 2


def test_three_markets_away_is_not_guessed() -> None:
    made = ledger(USDT="1", ABC="5")
    for symbol in SPOT:
        made.set_price(symbol, D(2))
    assert made.value == 1
    assert made.unvalued == {"ABC"}
    assert made.prices_wanted() == set()


def test_a_way_whose_prices_are_there_is_taken_until_the_straight_one_has_its_price() -> None:
    made = ledger(ETH="1")
    made.set_price("ETH/BTC", D("0.05"))
    made.set_price("BTC/USDT", D(60_000))
    assert made.value == 3_000
    made.set_price("ETH/USDT", D(3_100))
    assert made.value == 3_100


def test_a_market_that_is_closed_values_nothing() -> None:
    markets = {**SPOT, "BNB/USDT": replace(SPOT["BNB/USDT"], active=False)}
    assert Routes("USDT", markets).of("BNB")[0][0].symbol == "BNB/ETH"


def test_an_account_that_knows_contracts_only_values_its_coins_by_those_without_an_end() -> None:
    dated = replace(PERP, symbol="BTC/USDT:USDT-261225")
    made = ledger({dated.symbol: dated, PERP.symbol: PERP}, USDT="10", BTC="0.5")
    assert made.prices_wanted() == {PERP.symbol}
    made.set_price(PERP.symbol, D(60_000))
    assert made.value == 30_010


def test_a_new_coin_is_noticed_once() -> None:
    made = ledger(USDT="10000")
    made.coins_changed = False
    made.apply(fill("BTC/USDT", "buy", "1", "5000"))
    assert made.coins_changed
    made.coins_changed = False
    made.apply(fill("BTC/USDT", "sell", "0.4", "5000"))
    assert not made.coins_changed
    made.apply(fill("BTC/USDT", "sell", "0.6", "5000"))
    assert made.coins_changed


MIXED = {**SPOT, PERP.symbol: PERP}
amounts = st.integers(1, 50).map(lambda number: D(number) / 10)
prices = st.integers(1, 900).map(D)
steps = st.one_of(
    st.tuples(st.just("price"), st.sampled_from(sorted(MIXED)), prices),
    st.tuples(st.just("fill"), st.sampled_from(["BTC/USDT", "ETH/BTC", PERP.symbol]), st.sampled_from(["buy", "sell"]),
              amounts, prices, st.sampled_from([None, "USDT", "BNB"])),
    st.tuples(st.just("reset"), st.sampled_from(["USDT", "XYZ", "TRY"]), amounts),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=25))
def test_what_is_kept_up_to_date_is_what_counting_everything_anew_gives(history: list[tuple]) -> None:
    made = ledger(MIXED, USDT="10000", BTC="3", BNB="2")
    made.track("BTC/USDT")
    for step in history:
        if step[0] == "price":
            made.set_price(step[1], step[2])
        elif step[0] == "fill":
            fee = None if step[5] is None else (step[5], "0.01")
            made.apply(fill(step[1], step[2], str(step[3]), str(step[4]), fee))
        else:
            made.reset(balances(**{**{coin: str(total) for coin, total in made.totals.items()}, step[1]: str(step[2])}))
        kept, unvalued = made.value, made.unvalued
        anew = made.copy()
        assert (kept, unvalued) == (pytest.approx(anew.value, abs=D("1e-12")), anew.unvalued)


def test_the_open_profit_of_a_contract_follows_its_price() -> None:
    made = ledger({PERP.symbol: PERP}, USDT="1000")
    made.apply(fill(PERP.symbol, "buy", "100", "50000"))
    assert made.value == 1_000
    made.set_price(PERP.symbol, D(51_000))
    assert made.value == 2_000
    made.set_price(PERP.symbol, D(49_500))
    assert made.value == 500
