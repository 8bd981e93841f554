"""Profiles: what btccxt knows of an exchange, read from the mapping table ``exchanges.yaml``.

Four layers, the later one wins: ``default`` -> the exchange -> its market type -> the user's own overrides. An entry
under ``orders`` is replaced as a whole, everything else is merged key by key. A wrong table is refused with file,
line and reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from btccxt.errors import ConfigError, Unsupported
from btccxt.exchange.profile.coherence import contradictions
from btccxt.exchange.profile.order_rule import ORDER_KEYS, OrderRule, UnknownKey
from btccxt.exchange.profile.overrides import in_ccxt, layers_of, override_layers
from btccxt.exchange.profile.paging_rule import NextPage, PagingRule
from btccxt.exchange.profile.profile_schema import (
    BarRule,
    ClientIdRule,
    ConditionalRule,
    HistoryRule,
    Pool,
    Profile,
    RateRule,
    StatusRule,
    StreamRule,
    WebSocketRule,
)
from btccxt.exchange.profile.profile_table import DEFAULT, TABLE_WORDS, Layer, Locate, Table, nearest, read_table
from btccxt.model import MarketType, OrderFeature, OrderKind

__all__ = [
    "BarRule",
    "ClientIdRule",
    "ConditionalRule",
    "HistoryRule",
    "NextPage",
    "OrderRule",
    "PagingRule",
    "Pool",
    "Profile",
    "RateRule",
    "StatusRule",
    "StreamRule",
    "WebSocketRule",
    "current_name",
    "custom_profile",
    "known_exchanges",
    "load_profile",
    "mapping_table_path",
    "market_types",
    "nearest",
    "supports",
    "who_supports",
]

_UNLISTED = (
    "(the mapping table lists what it knows: btccxt exchanges; any other exchange of ccxt can do market and limit "
    "orders, and candles by REST: all else is refused until it is proven)"
)
_DEFAULT_MARKETS = (MarketType.SPOT, MarketType.LINEAR)


@lru_cache(maxsize=4)
def _package(this_file: str) -> Path:
    return Path(this_file).resolve().parents[2]


def mapping_table_path() -> Path:
    """Where the mapping table lies: in the package (wheel) or at the top of the repository (editable install)."""
    package = _package(__file__)
    shipped = package / "exchanges.yaml"
    return shipped if shipped.exists() else package.parent / "exchanges.yaml"


# ------------------------------------------------------------------ the public face


def known_exchanges() -> tuple[str, ...]:
    """Exchanges that have an entry of their own; every other ccxt exchange gets the conservative default."""
    return read_table(mapping_table_path()).exchanges


def current_name(exchange_id: str) -> str:
    """What an exchange is called today: ``huobi`` is ``htx``."""
    return read_table(mapping_table_path()).current(exchange_id)


def market_types(exchange_id: str) -> tuple[MarketType, ...]:
    """Market types that the table knows of this exchange."""
    table = read_table(mapping_table_path())
    name = table.current(exchange_id)
    return tuple(map(MarketType, table.markets(name))) if name in table.exchanges else _DEFAULT_MARKETS


def load_profile(
    exchange_id: str,
    market_type: MarketType,
    overrides: Mapping[str, Any] | None = None,
    locate: Locate | None = None,
) -> Profile:
    """The profile of an exchange's market type. ``overrides``: profile keys, or exchange -> profile keys;
    ``locate`` tells where in a file a key of theirs stands.

    Raises ConfigError for an unknown exchange or a wrong table or override (every fault, each with its place), and
    Unsupported for a market type that the table does not list for this exchange.
    """
    if overrides:
        return _build(read_table(mapping_table_path()), exchange_id, market_type, overrides, locate)
    return _cached(mapping_table_path(), exchange_id, market_type)


def custom_profile(
    exchange_id: str,
    market_type: MarketType,
    described: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    locate: Locate | None = None,
) -> Profile:
    """The profile of an exchange that somebody wrote himself: default -> what it says of itself -> ``overrides``.

    Its name may be any, also one of the table: nothing is taken from there. Raises ConfigError for wrong keys.
    """
    orders = described.get("orders")
    if isinstance(orders, Mapping):
        # No HTTP request of it passes the guard, so there is nothing that a capture could prove.
        unguarded = {"native": {"wire": {"?": ["{amount}"]}}}
        described = {**described, "orders": {k: unguarded if v == {"native": {}} else v for k, v in orders.items()}}
    table = read_table(mapping_table_path())
    layers = [
        *table.layers(DEFAULT, market_type),
        *layers_of(described, market_type, f"describe() of {exchange_id}"),
        *override_layers(exchange_id, market_type, table, overrides or {}, locate),
    ]
    return _merge_layers(layers, table, exchange_id, market_type, known=False)


def supports(
    kind: OrderKind | OrderFeature | str,
    exchange_id: str,
    market_type: MarketType,
    overrides: Mapping[str, Any] | None = None,
) -> OrderRule:
    """How an exchange stands to an order kind or feature: ``.support`` and ``.why``."""
    key = kind.value if isinstance(kind, (OrderKind, OrderFeature)) else kind
    if key not in ORDER_KEYS:
        raise ConfigError(f"unknown order kind {key!r}{nearest(key, ORDER_KEYS)}")
    return load_profile(exchange_id, market_type, overrides).orders[key]


def who_supports(
    kind: OrderKind | OrderFeature | str, market_type: MarketType | None = None
) -> tuple[tuple[str, MarketType], ...]:
    """Every (exchange, market type) of the table that does this natively."""
    return tuple(
        (name, market)
        for name in known_exchanges()
        for market in market_types(name)
        if market_type in (None, market) and supports(kind, name, market).is_native
    )


@lru_cache(maxsize=256)
def _cached(path: Path, exchange_id: str, market_type: MarketType) -> Profile:
    return _build(read_table(path), exchange_id, market_type, None, None)


# ------------------------------------------------------------------ merging and judging


def _build(
    table: Table,
    given: str,
    market_type: MarketType,
    overrides: Mapping[str, Any] | None,
    locate: Locate | None,
) -> Profile:
    exchange_id = table.current(given)
    known = exchange_id in table.exchanges
    _check_exchange(exchange_id, table)
    layers = list(table.layers(exchange_id, market_type))
    layers += override_layers(exchange_id, market_type, table, overrides or {}, locate)
    listed = set(map(MarketType, table.markets(exchange_id)) if known else _DEFAULT_MARKETS)
    if market_type not in listed:
        has = ", ".join(sorted(kind.value for kind in listed)) or "nothing"
        raise Unsupported(f"{exchange_id} has no {market_type.value} markets in the mapping table; it has {has}")
    return _merge_layers(layers, table, exchange_id, market_type, known=known)


def _merge_layers(
    layers: list[Layer], table: Table, exchange_id: str, market_type: MarketType, *, known: bool
) -> Profile:
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.content)
    twin = table.twin_of(exchange_id) if known else None
    merged |= {"exchange": exchange_id, "market_type": market_type, "known": known, "same_as": twin}
    if isinstance(orders := merged.get("orders"), dict):
        merged["orders"] = {key: _order_rule(raw, table) for key, raw in orders.items()}
    try:
        profile = Profile.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_explain(error, layers, exchange_id)) from None
    missing = sorted(ORDER_KEYS - set(profile.orders))
    if missing:
        raise ConfigError(f"{table.path.name}: {exchange_id}: orders lacks {', '.join(missing)}")
    if faults := [f"{_last_said(paths, layers)}: {exchange_id}: {what}" for paths, what in contradictions(profile)]:
        raise ConfigError("\n".join(faults))
    return profile


def _last_said(paths: Iterable[Sequence[str]], layers: list[Layer]) -> str:
    """Where the last word of a contradiction stands."""
    for layer in reversed(layers):
        for path in paths:
            depth, place = layer.place(path)
            if depth == len(path):
                return place
    return layers[-1].source


def _check_exchange(name: str, table: Table) -> None:
    if name not in table.exchanges and not in_ccxt(name):
        import ccxt

        hint = nearest(name, [*table.exchanges, *ccxt.exchanges])
        raise ConfigError(f"unknown exchange {name!r}{hint} {_UNLISTED}")


def _merge(old: Mapping[str, Any], new: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
    """A new mapping; what is below it is shared, never changed."""
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        # An order kind is one statement: merging a refusal into a native rule would make it both.
        if isinstance(before, dict) and isinstance(value, Mapping) and inside != "orders":
            result[key] = _merge(before, value, key)
        else:
            result[key] = value
    return result


def _order_rule(raw: Any, table: Table) -> Any:
    """The rule, made once for every statement of the table; a wrong one stays raw, for the profile to judge."""
    if not isinstance(raw, dict):
        return raw
    known = table.rules.get(id(raw))
    if known is not None and known[0] is raw:
        return known[1]
    try:
        rule = OrderRule.model_validate(raw)
    except ValidationError:
        return raw
    table.rules[id(raw)] = (raw, rule)
    return rule


def _explain(error: ValidationError, layers: list[Layer], exchange_id: str) -> str:
    lines = []
    for fault in error.errors():
        path = [part for part in fault["loc"] if part != "[key]"]
        cause = fault.get("ctx", {}).get("error")
        if fault["type"] == "extra_forbidden":
            reason = f"unknown key {path[-1]!r}{nearest(str(path[-1]), _keys_at(path[:-1]))}"
        elif isinstance(cause, UnknownKey):
            reason = f"{cause}{nearest(cause.key, cause.known)}"
            path.append(cause.key)
        else:
            reason = str(cause) if cause is not None else f"{fault['msg']}, got {fault['input']!r}"
        if not path and "unknown key" in reason:  # an order key: Profile's own check
            word = reason.rpartition("unknown key ")[2].strip("'")
            path, reason = ["orders", word], f"unknown key {word!r}{nearest(word, ORDER_KEYS)}"
        _, place = max((layer.place(path) for layer in reversed(layers)), key=lambda found: found[0])
        dotted = ".".join(TABLE_WORDS.get(str(part), str(part)) for part in path)
        lines.append(f"{place}: {exchange_id}: {dotted}: {reason}")
    return "\n".join(lines)


def _keys_at(path: list[Any]) -> list[str]:
    """Valid keys of the model that ``path`` leads to."""
    model: type[BaseModel] = Profile
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if _is_model(kind)]
        if inner:
            model = inner[0]
    return list(model.model_fields)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
