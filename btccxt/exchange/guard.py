"""The guard: reads an order's HTTP request just before it leaves and stops it when the intent is not in it.

Driven by the mapping table's ``wire`` entries; the request is what ccxt really built, not what it was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from btccxt.errors import Refused
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.templates import ABSENT, Values, features_of, filled, is_conditional, rules_of
from btccxt.model import Market, OrderRequest, Side


def decode_request(url: str, body: Any = None) -> tuple[str, dict[str, Any]]:
    """Path and fields of an HTTP request as ccxt hands it to ``fetch``: query string, form body or JSON body."""
    parts = urlsplit(url)
    fields: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True)) if parts.query else {}
    if isinstance(body, (bytes, bytearray)):
        body = body.decode()
    if isinstance(body, str) and body:
        if body[0] in "{[":
            decoded = json.loads(body)
            fields.update(decoded if isinstance(decoded, dict) else {"": decoded})
        else:
            fields.update(parse_qsl(body, keep_blank_values=True))
    elif isinstance(body, Mapping):
        fields.update(body)
    return parts.path, fields


def may_place(profile: Profile, method: str, path: str) -> bool:
    """Whether this HTTP request of a ``create_order`` may be the one that places the order.

    Where the profile does not say which one does, a GET may, too: some exchanges place orders so.
    """
    line = f"{method} {path}"
    if _names(profile.order_requests, line):
        return True
    if _names(profile.harmless_requests, line):
        return False
    return method != "GET" or not profile.order_requests


def _names(requests: Iterable[str], line: str) -> bool:
    return any(known in line for known in requests)


def guard(
    request: OrderRequest,
    profile: Profile,
    method: str,
    path: str,
    body: Mapping[str, Any],
    *,
    reference_price: Decimal | None = None,
    market: Market | None = None,
) -> None:
    """Check one HTTP request of a ``create_order`` just before it is sent. Raises Refused when the intent is not in it.

    ``market``: that of the request, whose own name at the exchange has to be in it.

    Requests that only read, and those the profile lists as harmless, pass.
    """
    line = f"{method} {path}"
    if not _names(profile.order_requests, line):
        if method == "GET" or _names(profile.harmless_requests, line):
            return
        if profile.order_requests:
            raise Refused(
                f"{profile.exchange} would send {line} for a {request.kind.value} order; nobody has proven that"
            )
    reasons = list(_missing(Values(request, profile, market, reference_price), path, body))
    if reasons:
        raise Refused([f"{profile.exchange} would send {line} without the intent: {reason}" for reason in reasons])


@dataclass(frozen=True, slots=True)
class _Plan:
    """What requests of one kind, side and set of features have to carry."""

    paths: tuple[Any, ...]
    fields: tuple[tuple[str, Any], ...]
    anywhere: tuple[str, ...]


def _plan(request: OrderRequest, profile: Profile) -> _Plan:
    key = (request.kind, request.side, request.position_side, features_of(request))
    plan = profile.plans.get(key)
    if plan is None:
        plan = profile.plans[key] = _make_plan(request, profile)
    return plan


def _make_plan(request: OrderRequest, profile: Profile) -> _Plan:
    rules = rules_of(request, profile)
    expected: dict[str, Any] = dict(profile.wire)
    for rule in rules:
        expected.update(rule.wire)
    if profile.hedge is not None and request.position_side is not None:
        expected[profile.hedge.field] = profile.hedge.word(request.position_side)
    ids = profile.client_id
    id_field = (ids.wire_conditional if is_conditional(request.kind, profile) else None) or ids.wire
    if id_field and id_field not in expected:
        expected[id_field] = ids.wire_prefix + "{client_id}"
    anywhere = tuple(expected.pop("?", ()))
    paths = tuple(path for path in (profile.path, *(rule.path for rule in rules)) if path is not None)
    return _Plan(paths, tuple(expected.items()), anywhere)


def _missing(values: Values, path: str, body: Mapping[str, Any]) -> Iterator[str]:
    plan, side = _plan(values.request, values.profile), values.request.side
    for template in plan.paths:
        fragment = filled(template, values, side)
        if fragment is not ABSENT and fragment not in path:
            yield f"path has no {fragment}"
    sent: dict[str, list[Any]] = {}
    collect(body, (), sent)
    for name, template in plan.fields:
        if (fault := fault_of(name, template, sent.get(name, []), values, side)) is not None:
            yield fault
    for template in plan.anywhere:
        value = filled(template, values, side)
        if value is not ABSENT and not any(_same(value, actual) for found in sent.values() for actual in found):
            yield f"no field carries {value}"


def fault_of(name: str, template: Any, found: list[Any], values: Mapping[str, Any], side: Side) -> str | None:
    """What is wrong with one field of the request; ``found`` are the values under its name."""
    if template is None:
        return f"{name}={found[0]} must not be there" if found else None
    value = filled(template, values, side)
    if value is ABSENT:
        return None
    if not found:
        return f"{name} is missing (should be {value})"
    return None if any(_matches(value, actual) for actual in found) else f"{name}={found[0]} (should be {value})"


def collect(node: Any, path: tuple[str, ...], into: dict[str, list[Any]]) -> None:
    """Leaves by name, by ``parent.name`` and by ``grandparent.parent.name``; list positions do not count."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, (dict, list)) or path:
                collect(value, (*path[-2:], str(key)), into)
            elif value is not None:
                into.setdefault(key, []).append(value)
    elif isinstance(node, list):
        for item in node:
            collect(item, path, into)
    elif node is not None:
        for start in range(len(path)):
            into.setdefault(".".join(path[start:]), []).append(node)


def _matches(expected: Any, actual: Any) -> bool:
    if isinstance(expected, list):
        return any(_same(option, actual) for option in expected)
    return expected == "*" or _same(expected, actual)


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return str(expected).lower() == str(actual).lower()
    if str(expected) == str(actual):
        return True
    try:
        return Decimal(str(expected)) == Decimal(str(actual))
    except InvalidOperation:
        return False
