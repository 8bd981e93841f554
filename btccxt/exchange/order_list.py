"""A stop and a target as one order list of an exchange: which pairs go so, the request, and its guard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from btccxt.errors import Refused, Unsupported
from btccxt.exchange.guard import collect, fault_of
from btccxt.exchange.profile.order_list_rule import OrderListRule
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.request import refusals
from btccxt.exchange.templates import Values, features_of, fill
from btccxt.model import Market, OrderFeature, OrderRequest


def may_be_listed(stop: OrderRequest, target: OrderRequest, profile: Profile) -> bool:
    """Whether the exchange takes these two as one list, as they are."""
    rule = profile.order_lists
    if rule is None or stop.kind.value not in rule.stop or target.kind.value not in rule.target:
        return False
    if (stop.symbol, stop.side, stop.amount) != (target.symbol, target.side, target.amount):
        return False
    # A target of a list rests in the book, or the list is refused: post-only is what it is anyway.
    plain = not features_of(stop) and set(features_of(target)) <= {OrderFeature.POST_ONLY}
    return plain and stop.limit_offset is None and not stop.params and not target.params


def list_request(stop: OrderRequest, target: OrderRequest, market: Market, profile: Profile) -> dict[str, Any]:
    """The fields of the request. Raises Refused with every reason of both, Unsupported where there are no lists."""
    rule = _rule_of(profile)
    if not may_be_listed(stop, target, profile):
        raise Refused(f"{profile.exchange} takes no list of a {stop.kind.value} and a {target.kind.value} like these")
    reasons = dict.fromkeys((*refusals(stop, market, profile), *refusals(target, market, profile)))
    if reasons:
        raise Refused(list(reasons))
    fields: dict[str, Any] = {}
    for template, request in _parts(rule, stop, target):
        fields.update(fill(template, Values(request, profile, market), request.side))
    return fields


def guard_list(
    stop: OrderRequest,
    target: OrderRequest,
    profile: Profile,
    method: str,
    path: str,
    body: Mapping[str, Any],
    *,
    market: Market,
) -> None:
    """Check the HTTP request just before it is sent. Raises Refused when one of the two intents is not in it."""
    rule, line = _rule_of(profile), f"{method} {path}"
    reasons = [] if line.endswith(rule.request) else [f"it goes to {line}, not to {rule.request}"]
    if not may_be_listed(stop, target, profile):
        reasons.append("they are not of one symbol, side and amount, or of other kinds")
    sent: dict[str, list[Any]] = {}
    collect(body, (), sent)
    for template, request in _parts(rule, stop, target):
        values = Values(request, profile, market)
        for name, field in _of_side(template, request).items():
            if (fault := fault_of(name, field, sent.get(name, []), values, request.side)) is not None:
                reasons.append(fault)
    if reasons:
        raise Refused([f"{profile.exchange} would send {line} without the intent: {reason}" for reason in reasons])


def rows_of(answer: Any, profile: Profile) -> list[Any]:
    """The orders in the exchange's answer; none where it has none."""
    rows = answer.get(_rule_of(profile).orders) if isinstance(answer, Mapping) else None
    return rows if isinstance(rows, list) else []


def _rule_of(profile: Profile) -> OrderListRule:
    if profile.order_lists is None:
        raise Unsupported(f"{profile.exchange} {profile.market_type.value} has no order lists")
    return profile.order_lists


def _parts(
    rule: OrderListRule, stop: OrderRequest, target: OrderRequest
) -> Iterator[tuple[Mapping[str, Any], OrderRequest]]:
    yield rule.both, stop
    yield rule.stop[stop.kind.value], stop
    yield rule.target[target.kind.value], target


def _of_side(template: Mapping[str, Any], request: OrderRequest) -> Mapping[str, Any]:
    chosen: Mapping[str, Any] = template[request.side.value] if set(template) == {"buy", "sell"} else template
    return chosen
