"""The mapping table: layers, places in errors, what it promises of every exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from btccxt.errors import ConfigError, Unsupported
from btccxt.exchange.profile import profile as loader
from btccxt.exchange.profile.order_rule import ORDER_KEYS
from btccxt.exchange.profile.profile import (
    Profile,
    known_exchanges,
    load_profile,
    mapping_table_path,
    market_types,
    supports,
    who_supports,
)
from btccxt.model import MarketType, OrderFeature, OrderKind, OrderStatus
from btccxt.store.config_file import load_config

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
TWINS = {"myokx", "okxus", "bybiteu", "bybitid", "gateeu", "kucoinfutures", "binanceus"}
FIFTEEN = {
    *("binance", "binanceusdm", "bybit", "okx", "kraken", "krakenfutures", "coinbase", "kucoin", "gate", "bitget"),
    *("mexc", "htx", "bitfinex", "hyperliquid", "deribit"),
}


def all_profiles() -> list[Profile]:
    return [load_profile(name, market_type) for name in known_exchanges() for market_type in market_types(name)]


# ------------------------------------------------------------------ what the table has


def test_fifteen_exchanges_have_an_entry_with_spot_and_linear_where_the_exchange_has_them() -> None:
    assert set(known_exchanges()) >= FIFTEEN
    both = {name for name in FIFTEEN if set(market_types(name)) >= {SPOT, LINEAR}}
    assert FIFTEEN - both == {"binanceusdm", "kraken", "krakenfutures"}


def test_every_order_kind_and_feature_is_native_emulated_or_refused_with_a_reason() -> None:
    for profile in all_profiles():
        assert set(profile.orders) == ORDER_KEYS, profile.exchange
        for key, rule in profile.orders.items():
            assert rule.is_native or rule.why, f"{profile.exchange} {key}"


def test_every_native_feature_names_the_kinds_it_goes_with_and_they_are_native() -> None:
    for profile in all_profiles():
        for feature in OrderFeature:
            rule = profile.orders[feature.value]
            if rule.is_native:
                assert rule.kinds, f"{profile.exchange} {feature.value}"
                assert all(profile.orders[kind].is_native for kind in rule.kinds), f"{profile.exchange} {feature.value}"


def test_every_exchange_guards_the_requests_that_create_orders() -> None:
    for profile in all_profiles():
        assert profile.order_requests, profile.exchange
        assert profile.client_id.wire, profile.exchange


def test_limit_is_native_everywhere_and_market_nearly_so() -> None:
    assert {name for name, _ in who_supports("limit")} == set(known_exchanges())
    assert {name for name, _ in who_supports(OrderKind.MARKET)} >= FIFTEEN


def test_another_exchange_of_ccxt_gets_market_and_limit_orders_and_nothing_else() -> None:
    profile = load_profile("poloniex", SPOT)
    native = {key for key, rule in profile.orders.items() if rule.is_native}
    assert native == {"market", "limit"}
    assert not profile.known
    assert profile.client_id.lookup == "list_and_filter"


def test_timeframes_are_those_of_ccxt() -> None:
    import ccxt

    for profile in all_profiles():
        known = getattr(ccxt, profile.exchange)().timeframes
        assert set(profile.bars.timeframes) <= set(known), profile.exchange


def test_ccxt_is_told_to_be_quiet_about_hyperliquids_fee_and_referrer() -> None:
    options = load_profile("hyperliquid", LINEAR).options
    assert (options["builderFee"], options["approvedBuilderFee"], options["refSet"]) == (False, True, True)


def test_supports_answers_for_a_kind_and_names_who_can() -> None:
    assert supports(OrderKind.TRAILING_AMOUNT, "kraken", SPOT).is_native
    assert supports("iceberg", "bybit", LINEAR).why
    assert ("okx", SPOT) in who_supports(OrderKind.TRAILING_AMOUNT, SPOT)
    assert ("okx", LINEAR) not in who_supports(OrderKind.TRAILING_AMOUNT, SPOT)
    with pytest.raises(ConfigError, match="did you mean 'stop_limit'"):
        supports("stoplimit", "kraken", SPOT)


# ------------------------------------------------------------------ layers


def test_the_market_type_wins_over_the_exchange_and_the_exchange_over_the_default() -> None:
    spot, linear = load_profile("binance", SPOT), load_profile("binance", LINEAR)
    assert spot.statuses.unified["closed"] is OrderStatus.FILLED  # default
    assert linear.client_id.wire == "newClientOrderId"  # exchange
    assert (spot.client_id.wire_conditional, linear.client_id.wire_conditional) == (None, "clientAlgoId")  # market type
    assert spot.options["recvWindow"] == linear.options["recvWindow"]
    assert spot.options["fetchMarkets"] != linear.options["fetchMarkets"]


def test_the_users_overrides_win_and_leave_others_alone() -> None:
    overrides = {"kraken": {"quote_currency": "EUR", "markets": {"spot": {"history": {"page_size": 100}}}}}
    changed = load_profile("kraken", SPOT, overrides)
    assert (changed.quote_currency, changed.history.page_size) == ("EUR", 100)
    assert changed.history.max_candles_back == 720
    assert load_profile("kraken", SPOT).quote_currency == "USD"
    assert load_profile("okx", SPOT, overrides).quote_currency == "USDT"


def test_overrides_of_one_store_need_no_exchange_name() -> None:
    changed = load_profile("okx", SPOT, {"history": {"page_size": 50}, "markets": {"spot": {"quote_currency": "USDC"}}})
    assert (changed.history.page_size, changed.quote_currency) == (50, "USDC")


def test_an_override_replaces_an_order_kind_as_a_whole() -> None:
    overrides = {"bybit": {"orders": {"stop": {"refused": "not in my account"}}}}
    assert load_profile("bybit", SPOT).orders["stop"].is_native
    # the table's market type is nearer than the exchange's own level, but the user comes last
    assert load_profile("bybit", SPOT, overrides).orders["stop"].support == "refused"


def test_a_profile_is_frozen_and_made_once() -> None:
    profile = load_profile("okx", SPOT)
    assert load_profile("okx", SPOT) is profile
    with pytest.raises(ValueError, match="frozen"):
        profile.quote_currency = "EUR"  # type: ignore[misc]


def test_a_market_type_that_the_exchange_lacks_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="kraken has no linear markets in the mapping table; it has spot"):
        load_profile("kraken", LINEAR)
    with pytest.raises(Unsupported, match="inverse"):
        load_profile("binance", MarketType.INVERSE)


def test_a_market_type_that_is_like_another_says_only_what_differs() -> None:
    linear, inverse = load_profile("okx", LINEAR), load_profile("okx", MarketType.INVERSE)
    assert inverse.orders == linear.orders
    assert (inverse.settle_currency, linear.settle_currency) == ("BTC", "USDT")
    assert inverse.streams.positions


# ------------------------------------------------------------------ bad input, with its place


def test_an_unknown_exchange_is_refused_naming_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown exchange 'binanc'; did you mean 'binance'"):
        load_profile("binanc", SPOT)
    with pytest.raises(ConfigError, match=r"overrides: 'bybitt' is neither .* nor an exchange; did you mean 'bybit'"):
        load_profile("bybit", SPOT, {"bybitt": {"quote_currency": "USDC"}})
    with pytest.raises(ConfigError, match=r"'histroy' is neither a key of a profile .*did you mean 'history'"):
        load_profile("bybit", SPOT, {"histroy": {"page_size": 5}})


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ({"quote_curency": "USDC"}, "quote_curency: unknown key 'quote_curency'; did you mean 'quote_currency'"),
        ({"history": {"page_sise": 5}}, "history.page_sise: unknown key 'page_sise'; did you mean 'page_size'"),
        ({"history": {"page_size": "many"}}, "history.page_size: .*integer.*'many'"),
        ({"orders": {"stopp": {"refused": "x"}}}, "orders.stopp: unknown key 'stopp'; did you mean 'stop'"),
        ({"orders": {"stop": {"native": {"tipe": "market"}}}}, "unknown key 'tipe'; did you mean 'type'"),
        ({"orders": {"stop": {"native": {}, "refused": "x"}}}, "orders.stop: .*both native and refused"),
        ({"orders": {"stop": {"refused": ""}}}, "orders.stop: .*says why"),
        ({"orders": {"stop": "native"}}, "orders.stop: .*must be one of"),
        ({"orders": {"stop": {"native": {"type": "market"}}}}, "orders.stop: .*needs `wire`"),
        ({"orders": {"ioc": {"native": {"with": ["limits"], "wire": {"a": "b"}}}}}, "did you mean 'limit'"),
        ({"orders": {"stop": {"native": {"wire": {"a": "{trigger}"}}}}}, "unknown placeholder {trigger}"),
        ({"orders": {"stop": {"native": {"wire": {"a": {"buy": 1}}}}}}, "exactly the keys buy and sell"),
        ({"statuses": {"raw": {"NEW": "opened"}}}, "statuses.raw.NEW: .*'opened'"),
        ({"rate": {"weights": {"other": {"nothing": 1}}}}, "rate: .*pool 'nothing'"),
        ({"markets": {"spott": {}}}, "unknown market type 'spott'; did you mean 'spot'"),
    ],
)
def test_a_wrong_override_is_refused_with_its_key_and_the_reason(override: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s)overrides for okx.*{reason}"):
        load_profile("okx", SPOT, {"okx": override})


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        load_profile("okx", SPOT, {"okx": {"quote": "EUR", "history": {"page_size": -1}}})
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("old", "new", "line_of", "reason"),
    [
        ("  quote_currency: USD\n", "  quote_curency: USD\n", "quote_curency", "unknown key 'quote_curency'"),
        ("page_size: 720,", "page_size: lots,", "page_size: lots", "integer"),
        ("{refused: spot has no positions to reduce}", "{refused: x, emulated: y}", "refused: x", "both"),
        ("      pending: open\n", "      pending: opened\n", "pending: opened", "'opened'"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_with_file_line_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, line_of: str, reason: str
) -> None:
    text = mapping_table_path().read_text(encoding="utf-8")
    start = text.index("\nkraken:")
    assert old in text[start:]
    wrong = text[:start] + text[start:].replace(old, new, 1)
    line = next(number for number, row in enumerate(wrong.splitlines(), 1) if line_of in row)
    _use(wrong, tmp_path, monkeypatch)
    with pytest.raises(ConfigError, match=f"(?s)exchanges.yaml:{line}: kraken: .*{reason}"):
        load_profile("kraken", SPOT)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("default: {\n", "not valid YAML"),
        ("- default\n", "must be a mapping"),
        ("binance: {}\n", "'default' is missing"),
        ("default: {}\nkraken: 5\n", "kraken must be a mapping"),
        ("default:\n  name: a\n  name: b\n", "exchanges.yaml:3: 'name' stands here a second time"),
        ("", "must be a mapping of exchange names"),
        ("default:\n\tname: a\n", "not valid YAML.*line 2"),
        ("default: {}\nkraken:\n", "exchanges.yaml:2: kraken must be a mapping"),
        ("default: {}\nkraken: {}\nkraken: {}\n", "exchanges.yaml:3: 'kraken' stands here a second time"),
        ("default: {}\nkraken:\n  markets: [spot]\n", "exchanges.yaml:3: kraken.markets must be a mapping"),
        ("default: {}\nkraken:\n  markets: {spot: yes}\n", "exchanges.yaml:3: kraken.markets.spot must be a mapping"),
        ("default: {}\nkraken:\n  markets: {spto: {}}\n", "exchanges.yaml:3: .*did you mean 'spot'"),
        ("default: {}\nkraken: *nobody\n", "exchanges.yaml:2: nothing above is named 'nobody'"),
        ("default: {}\n? [kraken]\n: {}\n", "exchanges.yaml:2: a key must be a word"),
        ("default: {}\n---\nkraken: {}\n", "exchanges.yaml:3: a second document"),
    ],
)
def test_a_table_that_is_no_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    _use(text, tmp_path, monkeypatch)
    with pytest.raises(ConfigError, match=reason):
        load_profile("kraken", SPOT)


def test_a_table_that_is_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exchanges.yaml").write_bytes(b"\xff\xfe\x00")
    monkeypatch.setattr(loader, "mapping_table_path", lambda: tmp_path / "exchanges.yaml")
    with pytest.raises(ConfigError, match=r"exchanges\.yaml: is not UTF-8 text"):
        load_profile("kraken", SPOT)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["kraken"], "overrides: must be a mapping"),
        ({"krakn": {}}, "'krakn' is neither .* did you mean 'kraken'"),
        ({"kraken": None}, "overrides for kraken: must be a mapping"),
        ({"kraken": {"markets": ["spot"]}}, "markets must be a mapping"),
        ({"markets": {"spot": "yes"}}, "markets.spot must be a mapping"),
        ({"okx": {"nam": "x"}}, "overrides for okx: unknown key 'nam'; did you mean 'name'"),
        ({"okx": "x"}, "overrides for okx: must be a mapping"),
        ({"kraken": {"exchange": "okx"}}, "overrides for kraken: unknown key 'exchange'"),
        ({"client_id": {"alphabet": "z-a"}}, "client_id.alphabet: not a set of characters"),
    ],
)
def test_overrides_that_cannot_be_meant_are_refused(overrides: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_profile("kraken", SPOT, overrides)


def test_a_wrong_override_in_a_file_is_refused_with_file_line_and_reason(tmp_path: Path) -> None:
    file = tmp_path / "btccxt.yaml"
    text = """profiles:
  a:
    exchange: kraken
    overrides:
      kraken:
        markets:
          spot:
            orders:
              stop: {native: {type: market, wire: {a: b}}, refused: no}
        visibility_delay_ms: soon
      krakn: {}
"""
    file.write_text(text, encoding="utf-8")
    settings = load_config(file)
    with pytest.raises(ConfigError, match=r"btccxt\.yaml:11: overrides: 'krakn' is neither"):
        load_profile("kraken", SPOT, settings.overrides, settings.overrides_at)
    file.write_text(text.replace("      krakn: {}\n", ""), encoding="utf-8")
    settings = load_config(file)
    with pytest.raises(ConfigError) as refused:
        load_profile("kraken", SPOT, settings.overrides, settings.overrides_at)
    first, second = sorted(str(refused.value).splitlines())
    assert "btccxt.yaml:10: overrides for kraken: kraken: visibility_delay_ms" in first
    assert "btccxt.yaml:9: overrides for kraken: kraken: orders.stop: says both native and refused" in second


def test_lines_are_looked_up_only_when_something_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes with lines cost more time than all profiles may take."""

    def compose(*_: Any, **__: Any) -> None:
        raise AssertionError("lines of a table that is right")

    _use(mapping_table_path().read_text(encoding="utf-8"), tmp_path, monkeypatch)
    monkeypatch.setattr("yaml.compose", compose)
    assert len(all_profiles()) >= 36


def test_a_missing_table_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "mapping_table_path", lambda: tmp_path / "nothing.yaml")
    with pytest.raises(ConfigError, match="cannot read the mapping table"):
        load_profile("kraken", SPOT)


def test_the_table_lies_where_an_editable_install_and_a_wheel_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mapping_table_path().name == "exchanges.yaml"
    package = tmp_path / "btccxt"
    (package / "exchange").mkdir(parents=True)
    monkeypatch.setattr(loader, "__file__", str(package / "exchange" / "profile" / "profile.py"))
    assert mapping_table_path() == tmp_path / "exchanges.yaml"  # editable: the top of the repository
    (package / "exchanges.yaml").write_text("default: {}\n", encoding="utf-8")
    assert mapping_table_path() == package / "exchanges.yaml"  # wheel: inside the package


def _use(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "exchanges.yaml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(loader, "mapping_table_path", lambda: path)
