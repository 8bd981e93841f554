"""Testnets and demos: each native order kind and private read leaves for the right host, signed, as it does live."""

from __future__ import annotations

import pytest

from btccxt import CCXTStore
from btccxt.config import Mode
from btccxt.errors import ConfigError
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType
from btccxt.store.startup import ending
from tests.exchange.capture import (
    environments,
    native_requests,
    profiles,
    proven,
    references,
)

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
_PLACES = {
    f"{profile.exchange} {profile.market_type.value} {environment}": (profile, environment)
    for profile in profiles()
    for environment in environments(profile)
    if environment != "live"
}
# Where play money is, as the exchanges document it; what is None differs from live by a header.
_HOSTS = {
    "binance spot testnet": "testnet.binance.vision",
    "binance spot demo": "demo-api.binance.com",
    "binance linear testnet": "demo-fapi.binance.com",
    "binance linear demo": "demo-fapi.binance.com",
    "binanceusdm linear testnet": "demo-fapi.binance.com",
    "binanceusdm linear demo": "demo-fapi.binance.com",
    "bybit spot testnet": "api-testnet.bybit.com",
    "bybit linear testnet": "api-testnet.bybit.com",
    "bybit inverse testnet": "api-testnet.bybit.com",
    "bybit inverse demo": "api-demo.bybit.com",
    "bybit spot demo": "api-demo.bybit.com",
    "bybit linear demo": "api-demo.bybit.com",
    "bybiteu spot testnet": "api-testnet.bybit.eu",
    "bybitid spot testnet": "api-testnet.bybit.id",
    "bybitid linear testnet": "api-testnet.bybit.id",
    "bybitid inverse testnet": "api-testnet.bybit.id",
    "gate spot testnet": "api-testnet.gateapi.io",
    "gate linear testnet": "api-testnet.gateapi.io",
    "hyperliquid spot testnet": "api.hyperliquid-testnet.xyz",
    "hyperliquid linear testnet": "api.hyperliquid-testnet.xyz",
    "cryptocom spot testnet": "uat-api.3ona.co",
    "cryptocom linear testnet": "uat-api.3ona.co",
    "bingx linear testnet": "open-api-vst.bingx.com",
    "gemini spot testnet": "api.sandbox.gemini.com",
    "phemex linear testnet": "testnet-api.phemex.com",
    "woo spot testnet": "api.staging.woox.io",
    "woo linear testnet": "api.staging.woox.io",
    "deribit spot testnet": "test.deribit.com",
    "deribit linear testnet": "test.deribit.com",
}
_BY_HEADER = {"okx": ("x-simulated-trading", "1"), "bitget": ("PAPTRADING", "1")}


@pytest.mark.parametrize("place", _PLACES)
def test_orders_and_private_reads_were_proven_for_the_place_where_play_money_is(place: str) -> None:
    """That they are still sent so is asked in ``proof/test_examine.py``."""
    profile, environment = _PLACES[place]
    lines = proven(profile, environment)
    assert {title for title, _ in native_requests(profile)} < set(lines)
    assert {title for title, _ in references(profile)} < set(lines)
    assert {"balance", "my trades"} < set(lines)
    assert ("positions" in lines) == (profile.market_type is not SPOT)
    header = _BY_HEADER.get(profile.same_as or profile.exchange)
    private = {title for title, _ in native_requests(profile)} | {title for title, _ in references(profile)}
    for title in private | {"balance", "my trades"}:
        line = lines[title]
        if header is not None:
            assert f"{header[0]}={header[1]}" in line.split(" "), title
            assert line != proven(profile)[title], title
        else:
            assert line.split(" ")[1].split("/")[2] == _HOSTS[place], title


def test_a_place_that_is_gone_is_refused_with_what_is_known_of_it() -> None:
    with pytest.raises(ConfigError, match=r"no testnet that ccxt can reach .*2026-07-14.*mode='paper'"):
        load_profile("krakenfutures", LINEAR).switch_to("testnet")
    with pytest.raises(ConfigError, match=r"hyperliquid spot has no demo that ccxt can reach; use mode='testnet' or"):
        load_profile("hyperliquid", SPOT).switch_to("demo")


def test_what_an_exchange_has_announced_to_switch_off_is_said_beforehand() -> None:
    profile, day_ms = load_profile("krakenfutures", LINEAR), 86_400_000
    end_ms = 1_803_859_200_000  # 2027-03-01
    said = ending(profile, Mode.LIVE, end_ms - 10 * day_ms)
    assert said is not None
    assert "2027-03-01 (in 10 days)" in said
    assert "that is over" in str(ending(profile, Mode.PAPER, end_ms + day_ms))
    assert ending(profile, Mode.SIM, end_ms) is None
    assert ending(load_profile("binance", SPOT), Mode.LIVE, end_ms) is None


@pytest.mark.parametrize(
    ("name", "mode", "problem"),
    [
        ("kraken", "testnet", "kraken spot has no testnet that ccxt can reach; use mode='paper' or mode='sim'"),
        ("hyperliquid", "demo", "hyperliquid spot has no demo that ccxt can reach; use mode='testnet' or"),
    ],
)
def test_a_store_is_not_made_for_a_place_that_is_not(name: str, mode: str, problem: str) -> None:
    keys = {"apiKey": "k", "secret": "s", "walletAddress": "0x1", "privateKey": "0x2"}
    with pytest.raises(ConfigError, match=problem):
        CCXTStore(name, mode=mode, config=keys, journal=":memory:")


def test_a_former_name_makes_todays_store() -> None:
    store = CCXTStore("huobi", mode="paper")
    assert (store.name, store.profile.exchange, store.settings.exchange) == ("htx", "htx", "htx")


async def test_a_demo_is_another_place_than_live_and_testnet() -> None:
    hosts = set()
    for testnet, demo in ((False, False), (True, False), (False, True)):
        exchange = CCXTExchange(load_profile("bybit", SPOT), testnet=testnet, demo=demo)
        await exchange.open()
        hosts.add(exchange._rest.urls["api"]["private"])
        await exchange.close()
    assert len(hosts) == 3
