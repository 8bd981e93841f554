"""What a profile may not say at once: each part is valid, together they contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from btccxt.exchange.profile.order_rule import FEATURE_KEYS
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.model import MarketType

Contradiction: TypeAlias = tuple[tuple[tuple[str, ...], ...], str]
"""The paths of the keys that do not go together, and why."""


def contradictions(profile: Profile) -> Iterator[Contradiction]:
    """Every contradiction of one profile."""
    yield from _of_orders(profile)
    yield from _of_client_ids(profile)
    yield from _of_the_rest(profile)


def _of_orders(profile: Profile) -> Iterator[Contradiction]:
    for name, rule in profile.orders.items():
        here = ("orders", name)
        if not rule.is_native:
            continue
        if name in FEATURE_KEYS:
            if not rule.kinds and profile.known:
                yield (here,), f"{name} is native, but says with no order kind (with:)"
            for kind in rule.kinds:
                if not profile.orders[kind].is_native:
                    yield (here, ("orders", kind)), f"{name} goes with {kind} orders, which are not native here"
        elif rule.kinds:
            yield (here,), f"{name} is an order kind: with: belongs to features"
        if rule.needs_reference_price and rule.price is None:
            yield (here,), f"{name} needs a reference price, but has no price: made of one"
    both = [line for line in profile.order_requests if line in profile.harmless_requests]
    if both:
        paths = (("harmless_requests",), ("order_requests",))
        yield paths, f"{both[0]} is named both as one that places orders and as harmless"


def _of_client_ids(profile: Profile) -> Iterator[Contradiction]:
    ids, form = profile.client_id, ("client_id", "form")
    if ids.max_integer is not None and ids.form != "integer":
        yield (("client_id", "max_integer"), form), f"client_id: max_integer, but ids are of the form {ids.form}"
    if ids.wire_prefix and ids.form == "integer":
        yield (("client_id", "wire_prefix"), form), "client_id: a prefix makes no integer"
    if ids.form == "text" and len(ids.wire_prefix) >= ids.max_length:
        yield (("client_id", "wire_prefix"), ("client_id", "max_length")), "client_id: the prefix leaves no room"
    if profile.edit_client_id is not None and profile.edit == "no":
        yield (("edit_client_id",), ("edit",)), "edit_client_id, but orders cannot be edited (edit: no)"


def _of_the_rest(profile: Profile) -> Iterator[Contradiction]:
    switch, bars = profile.dead_mans_switch, profile.bars
    if switch.max_timeout_ms is not None and not switch.available:
        where = ("dead_mans_switch",)
        yield (
            ((*where, "max_timeout_ms"), (*where, "available")),
            "dead_mans_switch: a longest time, but none is available",
        )
    if bars.closed_flag is not None and not bars.stream:
        yield (("bars", "closed_flag"), ("bars", "stream")), "bars: a closed flag, but candles are not streamed"
    if not bars.stream and bars.without_stream == "trades" and not profile.streams.trades:
        paths = (("bars", "without_stream"), ("streams", "trades"), ("bars", "stream"))
        yield paths, "bars: built from trades, which are not streamed either"
    if profile.settle_currency is not None and profile.market_type is MarketType.SPOT:
        yield (("settle_currency",),), "settle_currency: spot settles in no currency of its own"
    if profile.streams.positions and profile.market_type is MarketType.SPOT:
        yield (("streams", "positions"),), "streams: positions, but spot has none"
    if profile.client_id.lookup_for(True) == "fetch_order" and not profile.conditional.fetch_order:
        paths = (("client_id", "lookup_conditional"), ("conditional", "fetch_order"), ("client_id", "lookup"))
        yield (
            paths,
            "client_id: trigger orders are looked up by fetch_order, which cannot find one (conditional.fetch_order)",
        )
