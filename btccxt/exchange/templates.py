"""Placeholders of the mapping table filled in from an intent: ``{trigger_price}`` -> ``99.5``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from functools import lru_cache
from typing import Any

from btccxt.exchange.profile.order_rule import PLACEHOLDER, OrderRule
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.model import Market, OrderFeature, OrderKind, OrderRequest, Side, TimeInForce

_TIF_FEATURE = {
    TimeInForce.IOC: OrderFeature.IOC,
    TimeInForce.FOK: OrderFeature.FOK,
    TimeInForce.GTD: OrderFeature.GTD,
}

ABSENT = object()
"""What a template becomes whose value the intent does not have."""


# ------------------------------------------------------------------ what an intent asks for


def features_of(request: OrderRequest) -> tuple[OrderFeature, ...]:
    """What the request asks for besides its kind."""
    asked = {
        OrderFeature.POST_ONLY: request.post_only,
        OrderFeature.REDUCE_ONLY: request.reduce_only,
        OrderFeature.ICEBERG: request.iceberg_amount is not None,
        OrderFeature.ATTACHED_EXITS: request.stop_loss_price is not None or request.take_profit_price is not None,
        OrderFeature.MARKET_BY_COST: request.cost_quote is not None,
    }
    found = [feature for feature, wanted in asked.items() if wanted]
    tif = _TIF_FEATURE.get(request.time_in_force)
    # A market order is immediate-or-cancel by nature.
    if tif is not None and not (tif is OrderFeature.IOC and request.kind is OrderKind.MARKET):
        found.append(tif)
    return tuple(found)


def is_conditional(kind: OrderKind, profile: Profile) -> bool:
    """Whether orders of this kind wait for a trigger at this exchange."""
    return kind.value in profile.conditional.kinds


def rules_of(request: OrderRequest, profile: Profile) -> list[OrderRule]:
    """Native rules that shape the request: kind first, features after it (theirs win)."""
    kind = profile.orders[request.kind.value]
    # Some exchanges buy at market by cost only: an amount is then bought in another way.
    if kind.buy_rule is not None and request.side is Side.BUY and request.cost_quote is None:
        kind = kind.buy_rule
    rules = [kind, *(profile.orders[feature.value] for feature in features_of(request))]
    return [rule for rule in rules if rule.is_native]


# ------------------------------------------------------------------ its figures


class Values(dict[str, Any]):
    """Placeholder -> value, worked out when first asked for; None where the intent has no such figure."""

    def __init__(
        self,
        request: OrderRequest,
        profile: Profile,
        market: Market | None = None,
        reference_price: Decimal | None = None,
    ) -> None:
        super().__init__()
        self.request, self.profile, self.market = request, profile, market
        self["reference_price"] = reference_price

    def __missing__(self, name: str) -> Any:
        work_out = _WORKED_OUT.get(name)
        value = getattr(self.request, name) if work_out is None else work_out(self)
        self[name] = value
        return value


_WORKED_OUT: Mapping[str, Callable[[Values], Any]] = {
    "signed_amount": lambda values: values.request.amount * values.request.side.sign,
    "trailing_ratio": lambda values: None if (pct := values.request.trailing_percent) is None else pct / 100,
    "expires_s": lambda values: None if (ms := values.request.expires_ms) is None else ms // 1000,
    "expires_iso": lambda values: None if (ms := values.request.expires_ms) is None else _iso(ms),
    "expires_utc": lambda values: (
        None if (ms := values.request.expires_ms) is None else _iso(ms)[:19].replace("T", " ")
    ),
    "side": lambda values: values.request.side.value,
    "Side": lambda values: values.request.side.value.capitalize(),
    "SIDE": lambda values: values.request.side.value.upper(),
    "client_id": lambda values: values.request.client_order_id,
    "market_id": lambda values: None if values.market is None else values.market.id or None,
    "protected_price": lambda values: _protected_price(
        values.request.side, values.profile, values.market, values["reference_price"]
    ),
}


def _protected_price(
    side: Side, profile: Profile, market: Market | None, reference_price: Decimal | None
) -> Decimal | None:
    """Worst price that stands in for a market order: reference price plus (buy) or minus (sell) the slippage."""
    if reference_price is None:
        return None
    price = reference_price * (1 + side.sign * Decimal(repr(profile.market_slippage_pct)) / 100)
    step = market.price_step if market is not None else None
    if not step:
        return price
    return (price / step).to_integral_value(ROUND_DOWN if side is Side.BUY else ROUND_UP) * step


def _iso(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_ms % 1000:03d}Z"


def fill(template: Any, values: Mapping[str, Any], side: Side) -> Any:
    """Template with its placeholders filled in; keys whose value the intent does not have are left out."""
    value = filled(template, values, side)
    return None if value is ABSENT else value


def filled(template: Any, values: Mapping[str, Any], side: Side) -> Any:
    if isinstance(template, str):
        return _filled_text(template, values)
    if isinstance(template, Mapping):
        if template.keys() == {"buy", "sell"}:
            return filled(template[side.value], values, side)
        pairs = {key: filled(value, values, side) for key, value in template.items()}
        kept = {key: value for key, value in pairs.items() if value is not ABSENT}
        return kept if kept or not template else ABSENT
    if isinstance(template, list):
        items = [filled(item, values, side) for item in template]
        return [item for item in items if item is not ABSENT]
    return template


def _filled_text(template: str, values: Mapping[str, Any]) -> Any:
    name, cast, others = _parts(template)
    if name is None:
        if any(values[other] is None for other in others):
            return ABSENT
        return PLACEHOLDER.sub(lambda match: plain(values[match[1]]), template) if others else template
    value = values[name]
    if value is None:
        return ABSENT
    if cast is not None:
        return float(value) if cast == "float" else int(value)
    return plain(value) if isinstance(value, Decimal) else value


@lru_cache(maxsize=1024)
def _parts(template: str) -> tuple[str | None, str | None, tuple[str, ...]]:
    """A template that is one placeholder: its name and cast; else the names of the placeholders in the text."""
    whole = PLACEHOLDER.fullmatch(template)
    if whole is not None:
        return whole[1], whole[2], ()
    return None, None, tuple(name for name, _ in PLACEHOLDER.findall(template))


def plain(value: Any) -> str:
    """Number without exponent and without trailing zeros: ``0.0000100`` -> ``0.00001``."""
    if not isinstance(value, Decimal):
        return str(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
