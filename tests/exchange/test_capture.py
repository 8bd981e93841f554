"""Every order kind that the mapping table calls native is proven: real ccxt builds the request, the intent is in it.

Three proofs that do not share a source: the captured request is the one a person has read
(``btccxt/exchange/proof/proven``); the figures of the intent stand in it, whatever their fields are called; the guard,
which reads the table's ``wire`` entries, accepts it - and refuses it when any of the fields it looks at is taken away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import pytest

from btccxt.errors import Refused
from btccxt.exchange.proof.differences import same, what_differs
from btccxt.exchange.proof.intents import account_reads, environments, market_reads, stream_keys
from btccxt.exchange.request import needs_reference_price
from btccxt.model import OrderKind, OrderRequest, Side
from tests.exchange.capture import (
    ORDER_ID,
    Captured,
    capture_list,
    capture_reference,
    capture_request,
    check,
    check_list,
    client_id_for,
    make_exchange,
    native_lists,
    native_requests,
    profiles,
    proven,
    references,
)

_PROFILES = {f"{profile.exchange} {profile.market_type.value}": profile for profile in profiles()}
_each_profile = pytest.mark.parametrize("name", _PROFILES)
_LISTS = [(name, title) for name, profile in _PROFILES.items() for title, _ in native_lists(profile)]
_each_list = pytest.mark.parametrize(("name", "title"), _LISTS)


@cache
def _captures(name: str) -> list[tuple[str, OrderRequest, Captured]]:
    profile = _PROFILES[name]
    return [(title, request, capture_request(profile, request)) for title, request in native_requests(profile)]


@_each_profile
def test_every_native_request_is_the_one_that_was_proven(name: str) -> None:
    for title, _, found in _captures(name):
        proof = proven(_PROFILES[name]).get(title)
        assert proof is not None, f"{title}: native without a proof: python -m tests.exchange.prove --write"
        assert same(proof, found.line()), f"{title}: {what_differs(proof, found.line())}"


@_each_profile
def test_the_figures_of_the_intent_are_in_the_request(name: str) -> None:
    for title, intent, found in _captures(name):
        values = [value for _, value in _leaves(found.fields)]
        for figure in _figures(intent, by_protected_price=needs_reference_price(intent, _PROFILES[name])):
            assert any(_number(value) == figure for value in values), f"{title}: {figure} is not in {found.text()}"
        assert any(str(value).endswith(intent.client_order_id) for value in values), f"{title}: no client order id"
        assert _side_of(found) is intent.side, f"{title}: cannot read the side in {found.text()}"


@_each_profile
def test_the_guard_accepts_the_request_and_refuses_it_without_any_field_it_needs(name: str) -> None:
    for title, intent, found in _captures(name):
        check(_PROFILES[name], intent, found)
        needed = set()
        for field in {field for field, _ in _leaves(found.fields)}:
            maimed = Captured(found.method, found.path, _without(found.fields, field))
            try:
                check(_PROFILES[name], intent, maimed)
            except Refused:
                needed.add(field)
        try:
            check(_PROFILES[name], intent, Captured(found.method, "/nowhere", found.fields))
        except Refused:
            needed.add("path")
        # At least: how much, which client id, and what makes this kind this kind.
        assert len(needed) >= 3, f"{title}: the guard looks at {needed} only"
        for figure in _figures(intent, by_protected_price=False):
            carriers = {field for field, value in _leaves(found.fields) if _number(value) == figure}
            assert not carriers or carriers & needed, f"{title}: the guard does not miss {carriers}"


@_each_profile
def test_the_guard_refuses_the_request_for_another_market(name: str) -> None:
    profile = _PROFILES[name]
    market = make_exchange(profile.exchange, profile.market_type)[1]
    for title, intent, found in _captures(name):
        other = Captured(found.method, found.path.replace(market.id, "other"), _renamed(found.fields, market.id))
        assert other != found, f"{title}: {market.id} is not in {found.text()}"
        with pytest.raises(Refused, match=re.escape(market.id)):
            check(profile, intent, other)


@_each_profile
def test_query_cancel_and_open_orders_name_the_order_and_nothing_else(name: str) -> None:
    profile = _PROFILES[name]
    for title, call in references(profile):
        found = capture_reference(profile, call)
        assert same(proven(profile)[title], found.line()), title
        words = [found.path, *(str(value) for _, value in _leaves(found.fields))]
        wanted = client_id_for(profile) if title.endswith("by client id") else ORDER_ID
        if title.endswith(("by client id", "by id")):
            assert any(word.endswith(wanted) or f"/{wanted}/" in word for word in words), f"{title}: {found.text()}"
        assert not any(re.search(r"(^|/|=)None($|/)", word) for word in words), f"{title}: {found.text()}"


@_each_list
def test_every_order_list_is_the_one_that_was_proven_and_has_the_figures_of_both(name: str, title: str) -> None:
    profile = _PROFILES[name]
    pair = dict(native_lists(profile))[title]
    found = capture_list(profile, pair)
    assert same(proven(profile)[title], found.line()), "python -m tests.exchange.prove --write"
    leaves = list(_leaves(found.fields))
    for intent in pair:
        for figure in _figures(intent, by_protected_price=False):
            assert any(_number(value) == figure for _, value in leaves), f"{figure} is not in {found.text()}"
        assert any(str(value) == intent.client_order_id for _, value in leaves)
        assert _side_of(found) is intent.side


@_each_list
def test_the_guard_refuses_an_order_list_without_any_field_of_either_order(name: str, title: str) -> None:
    profile = _PROFILES[name]
    pair = dict(native_lists(profile))[title]
    found = capture_list(profile, pair)
    check_list(profile, pair, found)
    of_no_order = {"timestamp", "recvWindow", "signature"}
    for field, value in _leaves(found.fields):
        if field in of_no_order:
            continue
        for wrong in (_without(found.fields, field), {**found.fields, field: "7" + str(value)}):
            with pytest.raises(Refused, match=field):
                check_list(profile, pair, Captured(found.method, found.path, wrong))
    with pytest.raises(Refused, match="nowhere"):
        check_list(profile, pair, Captured(found.method, "/nowhere", found.fields))
    swapped = (replace(pair[0], client_order_id="b9"), pair[1]), (pair[0], replace(pair[1], amount=Decimal(3)))
    for other in swapped:
        with pytest.raises(Refused):
            check_list(profile, other, found)


@_each_profile
def test_no_proof_outlives_its_entry(name: str) -> None:
    profile = _PROFILES[name]
    exchange, market = make_exchange(profile.exchange, profile.market_type)
    listed = {title for title, _, _ in _captures(name)} | {title for title, _ in references(profile)}
    listed |= {title for title, _ in native_lists(profile)}
    listed |= {read.title for reads in (account_reads, market_reads) for read in reads(exchange, market, profile)}
    listed |= {f"stream {key.kind.value}" for key in stream_keys(profile, exchange, market)}
    for environment in environments(profile):
        assert set(proven(profile, environment)) == listed, environment


# ------------------------------------------------------------------ reading a request without the table


def _leaves(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    elif isinstance(node, list):
        for item in node:
            yield from _leaves(item, name)
    else:
        yield name, node


def _renamed(node: Any, market_id: str) -> Any:
    """The same request for another market."""
    if isinstance(node, Mapping):
        return {key: _renamed(value, market_id) for key, value in node.items()}
    if isinstance(node, list):
        return [_renamed(item, market_id) for item in node]
    return "999" if str(node) == market_id and not isinstance(node, bool) else node


def _without(node: Any, name: str) -> Any:
    head, _, rest = name.partition(".")
    if isinstance(node, list):
        return [_without(item, name) for item in node]
    if not isinstance(node, Mapping):
        return node
    if head not in node and "" in node:  # a body that is a list
        return {"": _without(node[""], name)}
    if not rest:
        return {key: value for key, value in node.items() if str(key) != head or isinstance(value, (dict, list))}
    return {key: _without(value, rest) if str(key) == head else value for key, value in node.items()}


def _figures(request: OrderRequest, *, by_protected_price: bool) -> Iterator[Decimal]:
    figures = [request.trigger_price, request.trailing_amount, request.iceberg_amount]
    figures += [request.stop_loss_price, request.take_profit_price]
    figures.append(request.cost_quote if request.cost_quote is not None else request.amount)
    if request.kind is not OrderKind.MARKET or not by_protected_price:
        figures.append(request.price)
    else:
        figures.append(Decimal(105) if request.side is Side.BUY else Decimal(95))
    if request.trailing_percent is not None:
        figures.append(request.trailing_percent)
    return (figure for figure in figures if figure is not None)


def _number(value: Any) -> Decimal | None:
    """Figure of a field: unsigned, '1.5 %' as 1.5, and OKX's ratio 0.015 as 1.5."""
    if isinstance(value, bool):
        return None
    try:
        number = abs(Decimal(str(value).strip("+%")))
    except InvalidOperation:
        return None
    return number * 100 if number == Decimal("0.015") else number


def _side_of(found: Captured) -> Side | None:
    fields = dict(_leaves(found.fields))
    for value in (*fields.values(), *found.path.split("/")):
        word = {"bid": "buy", "ask": "sell"}.get(str(value).lower(), str(value).lower())
        if word in ("buy", "sell") or word.startswith(("buy-", "sell-", "buy_", "sell_")):
            return Side(word.replace("_", "-").partition("-")[0])
    if "action.orders.b" in fields:
        first = found.fields["action"]["orders"][0]
        return Side.BUY if first["b"] else Side.SELL
    for name in ("amount", "size", "initial.size"):  # the sign is the side
        if name in fields:
            return Side.BUY if Decimal(str(fields[name])) > 0 else Side.SELL
    return {1: Side.BUY, 2: Side.BUY, 3: Side.SELL, 4: Side.SELL}.get(fields.get("side", 0))
