"""Regional twins have the other's profile but for what is written; names of yesterday lead to today's."""

from __future__ import annotations

from pathlib import Path

import ccxt.pro
import pytest

from btccxt.errors import ConfigError, Unsupported
from btccxt.exchange.profile import profile as loader
from btccxt.exchange.profile.profile import current_name, known_exchanges, load_profile, market_types
from btccxt.model import MarketType

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
TWINS = {
    "myokx": "okx", "okxus": "okx", "bybiteu": "bybit", "bybitid": "bybit", "gateeu": "gate",
    "kucoinfutures": "kucoin", "binanceus": "binance",
}  # fmt: skip

WRITTEN = {"binanceus": {"oco"}}  # nobody has proven that it takes order lists


@pytest.mark.parametrize(("twin", "other"), TWINS.items())
def test_a_twin_has_the_others_profile(twin: str, other: str) -> None:
    assert issubclass(getattr(ccxt.pro, twin), getattr(ccxt.pro, other))
    for market_type in market_types(twin):
        mine, theirs = load_profile(twin, market_type), load_profile(other, market_type)
        assert (mine.exchange, mine.same_as, mine.known) == (twin, other, True)
        differ = {kind for kind, rule in mine.orders.items() if rule != theirs.orders[kind]}
        assert (set(mine.orders), differ) == (set(theirs.orders), WRITTEN.get(twin, set()))
        assert (mine.statuses, mine.client_id, mine.rate, mine.wire) == (
            theirs.statuses,
            theirs.client_id,
            theirs.rate,
            theirs.wire,
        )


def test_a_twin_may_have_fewer_markets() -> None:
    assert market_types("kucoinfutures") == (LINEAR,)
    assert market_types("binanceus") == (SPOT,)
    assert market_types("myokx") == market_types("okx")
    with pytest.raises(Unsupported, match="binanceus has no linear markets in the mapping table; it has spot"):
        load_profile("binanceus", LINEAR)


def test_a_name_of_yesterday_leads_to_todays() -> None:
    assert current_name("huobi") == "htx"
    assert load_profile("huobi", SPOT).exchange == "htx"
    assert load_profile("huobi", SPOT).orders == load_profile("htx", SPOT).orders
    assert market_types("gateio") == market_types("gate")
    assert "huobi" not in known_exchanges()
    assert current_name("kraken") == "kraken"


def test_overrides_for_one_are_not_for_its_twin() -> None:
    overrides = {"okx": {"quote_currency": "EUR"}, "myokx": {"history": {"page_size": 50}}}
    assert load_profile("myokx", SPOT, overrides).quote_currency == "USDC"
    assert load_profile("myokx", SPOT, overrides).history.page_size == 50
    assert load_profile("okx", SPOT, overrides).quote_currency == "EUR"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("same_as: krakn", "there is no exchange 'krakn'; did you mean 'kraken'"),
        ("same_as: default", "there is no exchange 'default'"),
        ("same_as: mykraken", "there is no exchange 'mykraken'"),
        ("same_as: myokx", "myokx is a twin itself: name 'okx'"),
    ],
)
def test_a_twin_of_nobody_is_refused_with_its_place(
    line: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = loader.mapping_table_path().read_text(encoding="utf-8") + f"\nmykraken:\n  {line}\n"
    table = tmp_path / "exchanges.yaml"
    table.write_text(text, encoding="utf-8")
    monkeypatch.setattr(loader, "mapping_table_path", lambda: table)
    with pytest.raises(ConfigError) as caught:
        load_profile("kraken", SPOT)
    assert str(caught.value).startswith(f"exchanges.yaml:{len(text.splitlines())}: mykraken.same_as: {problem}")


def test_an_unknown_exchange_names_the_nearest_and_what_an_unlisted_one_can_do() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown exchange 'binanse'; did you mean 'binance'\?.*market and limit orders"
    ):
        load_profile("binanse", SPOT)
