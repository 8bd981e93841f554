"""An order's client id has the form that this exchange wants for this kind of market, up to the request that leaves."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal as D
from typing import Any

import ccxt.pro
import pytest

from btccxt import CCXTStore
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import Profile
from btccxt.exchange.request import decode_request
from btccxt.model import Balances, MarketType, OrderKind, OrderRequest, Side
from btccxt.orders.policy import TrackerPolicy
from tests.exchange.capture import _KEYS, make_exchange, profiles, symbol_of
from tests.orders.conftest import eventually

IDS = [(profile.exchange, profile.market_type) for profile in profiles()]


def fits(profile: Profile, name: str) -> bool:
    rule = profile.client_id
    if rule.form == "integer":
        return name.isdecimal() and not name.startswith("0") and (rule.max_integer or 2**63) >= int(name)
    if rule.form == "uuid":
        return str(uuid.UUID(name)) == name
    if rule.form == "hex":
        return name.startswith("0x") and len(name) == 34 and int(name, 16) >= 0
    return name.isalnum() and len(name) <= rule.max_length and not name.isdecimal()


@pytest.mark.parametrize(("exchange", "kind"), IDS, ids=[f"{name}-{kind.value}" for name, kind in IDS])
@pytest.mark.parametrize("given", [None, TrackerPolicy(fills_wait_s=7.0)], ids=["defaults", "own numbers"])
def test_every_store_hands_its_market_types_form_to_the_orders_core(exchange, kind, given):
    """Also where the user gave numbers of his own: they say nothing about ids."""
    store = CCXTStore(exchange, mode="paper", market_type=kind, tracker=given)
    policy, rule = store._policy, store.profile.client_id
    assert (policy.client_id_form, policy.client_id_max_length) == (rule.form, rule.max_length)
    assert policy.query_by_client_id is (rule.lookup == "fetch_order")
    assert policy.infer_fills is (not store.profile.streams.fills)
    assert policy.visibility_delay_s == store.profile.visibility_delay_ms / 1000
    assert policy.fills_wait_s == (TrackerPolicy() if given is None else given).fills_wait_s


def test_what_the_user_says_of_an_exchange_stands_above_the_mapping_table():
    store = CCXTStore("htx", market_type="spot", tracker=TrackerPolicy(visibility_delay_s=9.0, infer_fills=True))
    assert (store._policy.visibility_delay_s, store._policy.infer_fills) == (9.0, True)
    assert store._policy.client_id_form == "text"


@pytest.mark.parametrize(
    ("exchange", "kind", "field"),
    [
        ("htx", MarketType.SPOT, "client-order-id"),
        ("htx", MarketType.LINEAR, "client_order_id"),
        ("bitfinex", MarketType.SPOT, "cid"),
        ("binance", MarketType.SPOT, "newClientOrderId"),
    ],
)
def test_the_request_of_a_running_store_carries_it(monkeypatch, exchange, kind, field):
    """The store, its tracker and ccxt are the real ones; nothing reaches a socket."""
    template, market = make_exchange(exchange, kind)
    caught: list[Any] = []

    async def fetch(self: Any, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        path, fields = decode_request(url, body)
        if method != "GET":
            caught.append((path, fields))
        raise ccxt.pro.ExchangeNotAvailable("nothing reaches a socket")

    async def load_markets(self: CCXTExchange) -> Any:
        self._rest.set_markets(list(template.markets.values()))
        self._rest.accounts, self._rest.accountsById = template.accounts, template.accountsById
        self._markets = {market.symbol: market}
        return self._markets

    async def nothing(self: Any, *_: Any, **__: Any) -> Any:
        return []

    async def no_money(self: Any) -> Balances:
        return Balances(0, {})

    async def no_time(self: Any) -> int:
        return self.clock.now_ms()

    async def silence(self: Any, *_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(getattr(ccxt.pro, exchange), "fetch", fetch)
    monkeypatch.setattr(CCXTExchange, "load_markets", load_markets)
    for name, fake in {
        "fetch_open_orders": nothing, "fetch_positions": nothing, "fetch_my_trades": nothing, "fetch_balance": no_money,
        "fetch_time": no_time, "stream": silence,
    }.items():  # fmt: skip
        monkeypatch.setattr(CCXTExchange, name, fake)
    store = CCXTStore(
        exchange, mode="live", market_type=kind, config=_KEYS, journal=":memory:", currency=market.quote,
        tracker=TrackerPolicy(stop_wait_s=0.05),
    )  # fmt: skip
    store.getbroker()
    with store.kept_open():
        store.start()
        name = store.next_client_order_id()
        request = OrderRequest(name, symbol_of(exchange, kind), Side.BUY, OrderKind.LIMIT, D(2), D("101.5"))
        store.order_desk().submit(request, {})

        async def sent() -> None:
            await eventually(lambda: any("order" in str(found).lower() for found in caught), lambda: str(caught))

        store._ask(sent())
    assert fits(store.profile, name)
    assert str(_pick(caught[0][1], field)) == name


def _pick(node: Any, path: str) -> Any:
    for key in path.split("."):
        node = node[int(key)] if isinstance(node, list | tuple) else node[key]
    return node
