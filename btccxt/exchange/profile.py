"""Profiles: what btccxt knows of an exchange, read from the mapping table ``exchanges.yaml``.

Four layers, the later one wins: ``default`` -> the exchange -> its market type -> the user's own overrides. An entry
under ``orders`` is replaced as a whole, everything else is merged key by key. A wrong table is refused with file,
line and reason.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from btccxt.errors import ConfigError, Unsupported
from btccxt.exchange.profile_schema import (
    ORDER_KEYS,
    BarRule,
    ClientIdRule,
    ConditionalRule,
    HistoryRule,
    MyTradesRule,
    NextPage,
    OrderRule,
    Pool,
    Profile,
    RateRule,
    StatusRule,
    StreamRule,
    UnknownKey,
    WebSocketRule,
)
from btccxt.model import MarketType, OrderFeature, OrderKind

__all__ = [
    "BarRule",
    "ClientIdRule",
    "ConditionalRule",
    "HistoryRule",
    "MyTradesRule",
    "NextPage",
    "OrderRule",
    "Pool",
    "Profile",
    "RateRule",
    "StatusRule",
    "StreamRule",
    "WebSocketRule",
    "custom_profile",
    "known_exchanges",
    "load_profile",
    "mapping_table_path",
    "market_types",
    "nearest",
    "supports",
    "who_supports",
]

_DEFAULT = "default"
_DEFAULT_MARKETS = (MarketType.SPOT, MarketType.LINEAR)


def mapping_table_path() -> Path:
    """Where the mapping table lies: in the package (wheel) or at the top of the repository (editable install)."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "exchanges.yaml"
    return shipped if shipped.exists() else package.parent / "exchanges.yaml"


# ------------------------------------------------------------------ reading the table

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
_NUMBER = re.compile(r"[-+]?\d[\d_]*(\.\d*)?([eE][-+]?\d+)?")


@lru_cache(maxsize=8192)
def _plain(text: str) -> Any:
    """Value of an unquoted scalar. Unlike YAML 1.1, ``no`` and ``on`` are words here."""
    if text in _WORDS:
        return _WORDS[text]
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    digits = text.replace("_", "")
    return float(digits) if number[1] or number[2] else int(digits)


class _Table:
    """The mapping table as plain values. Lines are looked up only when something is wrong: nodes cost time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot read the mapping table {path}: {error.strerror}") from error
        self._aliases: dict[str, Any] = {}
        try:
            self._events: Iterator[Any] = iter(yaml.parse(self._text, Loader=_LOADER))
            content = next((self._value(event) for event in self._events if isinstance(event, yaml.NodeEvent)), None)
        except yaml.YAMLError as error:
            raise ConfigError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from error
        if not isinstance(content, dict):
            raise ConfigError(f"{path.name}:1: must be a mapping of exchange names")
        for name, entry in content.items():
            if not isinstance(entry, dict):
                raise ConfigError(f"{path.name}: {name} must be a mapping")
        if _DEFAULT not in content:
            raise ConfigError(f"{path.name}:1: the entry {_DEFAULT!r} is missing")
        self.entries: dict[str, dict[str, Any]] = content
        self.rules: dict[int, tuple[Any, OrderRule]] = {}

    @property
    def exchanges(self) -> tuple[str, ...]:
        return tuple(name for name in self.entries if name != _DEFAULT)

    def layers(self, name: str, market_type: MarketType) -> Iterator[_Layer]:
        """The layers that the table has for one exchange and market type, weakest first."""
        for entry_name in (_DEFAULT, name) if name in self.entries else (_DEFAULT,):
            entry = self.entries[entry_name]
            yield _Layer({k: v for k, v in entry.items() if k != "markets"}, self.path.name, (entry_name,), self)
            markets = entry.get("markets") or {}
            if market_type.value in markets:
                where = (entry_name, "markets", market_type.value)
                yield _Layer(markets[market_type.value] or {}, self.path.name, where, self)

    @cached_property
    def root(self) -> yaml.Node | None:
        """The same table as nodes that know their lines."""
        return yaml.compose(self._text, Loader=_LOADER)

    def _value(self, event: Any) -> Any:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value = _plain(event.value) if event.implicit[0] else event.value
        elif kind is yaml.MappingStartEvent:
            value = self._mapping()
        elif kind is yaml.SequenceStartEvent:
            value = []
            while type(item := next(self._events)) is not yaml.SequenceEndEvent:
                value.append(self._value(item))
        else:
            return self._aliases[event.anchor]
        if event.anchor is not None:
            self._aliases[event.anchor] = value
        return value

    def _mapping(self) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while type(key := next(self._events)) is not yaml.MappingEndEvent:
            if key.value in result:
                line = key.start_mark.line + 1
                raise ConfigError(f"{self.path.name}:{line}: {key.value!r} stands here a second time")
            result[key.value] = self._value(next(self._events))
        return result


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source of profile keys; with a table, the place in it where the layer begins."""

    content: Mapping[str, Any]
    source: str
    where: tuple[str, ...] = ()
    table: _Table | None = None

    def place(self, path: Iterable[Any]) -> tuple[int, str]:
        """How deep ``path`` exists in this layer, and where its deepest existing key stands."""
        here: Any = self.content
        node = self.table.root if self.table is not None else None
        line = 0
        for key in self.where:
            node, line = _step(node, key, line)
        depth = 0
        for part in path:
            key = _TABLE_WORDS.get(str(part), part)
            while isinstance(here, Mapping) and key not in here and "native" in here:
                here = here["native"]
                node, line = _step(node, "native", line)
            is_there = key in here if isinstance(here, Mapping) else isinstance(here, list) and key in range(len(here))
            if not is_there:
                break
            here = here[key]
            node, line = _step(node, key, line)
            depth += 1
        return depth, f"{self.source}:{line}" if self.table is not None else self.source


_TABLE_WORDS = {"ccxt_type": "type", "kinds": "with", "buy_rule": "buy"}


def _step(node: yaml.Node | None, key: Any, line: int) -> tuple[yaml.Node | None, int]:
    """The node under ``key`` and its line; the old line where the node has no such key."""
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == str(key):
                return value_node, key_node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key].start_mark.line + 1
    return None, line


@lru_cache(maxsize=4)
def _read_table(path: Path) -> _Table:
    return _Table(path)


# ------------------------------------------------------------------ the public face


def known_exchanges() -> tuple[str, ...]:
    """Exchanges that have an entry of their own; every other ccxt exchange gets the conservative default."""
    return _read_table(mapping_table_path()).exchanges


def market_types(exchange_id: str) -> tuple[MarketType, ...]:
    """Market types that the table knows of this exchange."""
    table = _read_table(mapping_table_path())
    if exchange_id not in table.exchanges:
        return _DEFAULT_MARKETS
    return tuple(MarketType(name) for name in table.entries[exchange_id].get("markets") or {})


def load_profile(exchange_id: str, market_type: MarketType, overrides: Mapping[str, Any] | None = None) -> Profile:
    """The profile of an exchange's market type. ``overrides``: profile keys, or exchange -> profile keys.

    Raises ConfigError for an unknown exchange or a wrong table or override (every fault, each with its place), and
    Unsupported for a market type that the table does not list for this exchange.
    """
    if overrides:
        return _build(_read_table(mapping_table_path()), exchange_id, market_type, overrides)
    return _cached(mapping_table_path(), exchange_id, market_type)


def custom_profile(
    exchange_id: str,
    market_type: MarketType,
    described: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
) -> Profile:
    """The profile of an exchange that somebody wrote himself: default -> what it says of itself -> ``overrides``.

    Its name may be any, also one of the table: nothing is taken from there. Raises ConfigError for wrong keys.
    """
    orders = described.get("orders")
    if isinstance(orders, Mapping):
        # No HTTP request of it passes the guard, so there is nothing that a capture could prove.
        unguarded = {"native": {"wire": {"?": ["{amount}"]}}}
        described = {**described, "orders": {k: unguarded if v == {"native": {}} else v for k, v in orders.items()}}
    table = _read_table(mapping_table_path())
    layers = [
        *table.layers(_DEFAULT, market_type),
        *_override_layers(exchange_id, market_type, described, "describe() of"),
    ]
    for own in _own_overrides(exchange_id, table, overrides or {}):
        layers += _override_layers(exchange_id, market_type, own)
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
    return _build(_read_table(path), exchange_id, market_type, None)


# ------------------------------------------------------------------ merging and judging


def _build(table: _Table, exchange_id: str, market_type: MarketType, overrides: Mapping[str, Any] | None) -> Profile:
    known = exchange_id in table.exchanges
    _check_exchange(exchange_id, table)
    layers = list(table.layers(exchange_id, market_type))
    for own in _own_overrides(exchange_id, table, overrides or {}):
        layers += _override_layers(exchange_id, market_type, own)
    listed = {MarketType(name) for name in _market_names(table, exchange_id)} if known else set(_DEFAULT_MARKETS)
    if market_type not in listed:
        has = ", ".join(sorted(kind.value for kind in listed)) or "nothing"
        raise Unsupported(f"{exchange_id} has no {market_type.value} markets in the mapping table; it has {has}")
    return _merge_layers(layers, table, exchange_id, market_type, known=known)


def _merge_layers(
    layers: list[_Layer], table: _Table, exchange_id: str, market_type: MarketType, *, known: bool
) -> Profile:
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.content)
    merged |= {"exchange": exchange_id, "market_type": market_type, "known": known}
    if isinstance(orders := merged.get("orders"), dict):
        merged["orders"] = {key: _order_rule(raw, table) for key, raw in orders.items()}
    try:
        profile = Profile.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_explain(error, layers, exchange_id)) from None
    missing = sorted(ORDER_KEYS - set(profile.orders))
    if missing:
        raise ConfigError(f"{table.path.name}: {exchange_id}: orders lacks {', '.join(missing)}")
    return profile


def _market_names(table: _Table, exchange_id: str) -> Iterator[str]:
    valid = [kind.value for kind in MarketType]
    for name in table.entries[exchange_id].get("markets") or {}:
        if name not in valid:
            raise ConfigError(
                f"{table.path.name}: {exchange_id}.markets: unknown market type {name!r}{nearest(name, valid)}"
            )
        yield name


def _override_layers(
    exchange_id: str, market_type: MarketType, own: Any, source: str = "overrides for"
) -> Iterator[_Layer]:
    source = f"{source} {exchange_id}"
    if not isinstance(own, Mapping):
        raise ConfigError(f"{source}: must be a mapping of profile keys")
    yield _Layer({key: value for key, value in own.items() if key != "markets"}, source)
    markets = own.get("markets") or {}
    valid = [kind.value for kind in MarketType]
    for name in markets:
        if name not in valid:
            raise ConfigError(f"{source}: markets: unknown market type {name!r}{nearest(str(name), valid)}")
    if market_type.value in markets:
        yield _Layer(markets[market_type.value] or {}, source)


_OVERRIDE_KEYS = frozenset(Profile.model_fields) - {"exchange", "market_type", "known"} | {"markets"}


def _own_overrides(exchange_id: str, table: _Table, overrides: Mapping[str, Any]) -> Iterator[Any]:
    """What concerns this exchange: profile keys that stand alone, then those under the exchange's name."""
    for name in overrides:
        if name not in _OVERRIDE_KEYS and name != exchange_id and name not in table.exchanges and not _in_ccxt(name):
            hint = nearest(str(name), [*_OVERRIDE_KEYS, *table.exchanges])
            raise ConfigError(f"overrides: {name!r} is neither a key of a profile nor an exchange{hint}")
    if alone := {key: value for key, value in overrides.items() if key in _OVERRIDE_KEYS}:
        yield alone
    if exchange_id in overrides:
        yield overrides[exchange_id]


def _check_exchange(name: str, table: _Table) -> None:
    if name not in table.exchanges and not _in_ccxt(name):
        import ccxt

        raise ConfigError(f"unknown exchange {name!r}{nearest(name, [*table.exchanges, *ccxt.exchanges])}")


def _in_ccxt(name: str) -> bool:
    import ccxt  # only for names without an entry: importing ccxt costs a quarter of a second

    return name in ccxt.exchanges


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


def _order_rule(raw: Any, table: _Table) -> Any:
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


def _explain(error: ValidationError, layers: list[_Layer], exchange_id: str) -> str:
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
        dotted = ".".join(_TABLE_WORDS.get(str(part), str(part)) for part in path)
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


def nearest(word: str, known: Iterable[str]) -> str:
    """The tail of a message about a word that is not known: which one was meant, or which there are."""
    known = list(known)
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else f"; known: {', '.join(sorted(known)[:40])}"
