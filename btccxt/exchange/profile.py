"""Profiles: what btccxt knows of an exchange, read from the mapping table ``exchanges.yaml``.

Four layers, the later one wins: ``default`` -> the exchange -> its market type -> the user's own overrides. An entry
under ``orders`` is replaced as a whole, everything else is merged key by key. A wrong table is refused with file,
line and reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
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
    "OrderRule",
    "Pool",
    "Profile",
    "RateRule",
    "StatusRule",
    "StreamRule",
    "WebSocketRule",
    "known_exchanges",
    "load_profile",
    "mapping_table_path",
    "market_types",
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


# ------------------------------------------------------------------ reading with places


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source of profile keys: ``nodes`` knows the lines where the layer came from a file."""

    title: str
    content: Mapping[str, Any]
    source: str
    nodes: yaml.Node | None = None

    def place(self, path: Iterable[Any]) -> tuple[int, str]:
        """How deep ``path`` exists in this layer, and where its deepest existing key stands."""
        here: Any = self.content
        node, depth = self.nodes, 0
        line = node.start_mark.line + 1 if node is not None else 0
        for key in path:
            key = _TABLE_WORDS.get(str(key), key)
            while isinstance(here, Mapping) and key not in here and "native" in here:
                here, node, _ = _step(here, node, "native")
            if isinstance(here, Mapping) and key in here:
                here, node, line_here = _step(here, node, key)
            elif isinstance(here, list) and isinstance(key, int) and key < len(here):
                here = here[key]
                node = node.value[key] if isinstance(node, yaml.SequenceNode) else None
                line_here = node.start_mark.line + 1 if node is not None else 0
            else:
                break
            line, depth = line_here or line, depth + 1
        return depth, f"{self.source}:{line}" if self.nodes is not None else self.source


_TABLE_WORDS = {"ccxt_type": "type", "kinds": "with"}


def _step(here: Mapping[str, Any], node: yaml.Node | None, key: Any) -> tuple[Any, yaml.Node | None, int]:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == str(key):
                return here[key], value_node, key_node.start_mark.line + 1
    return here[key], None, 0


class _Table:
    """The mapping table as read: plain values, and the YAML nodes that know their lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            root = yaml.compose(path.read_text(encoding="utf-8"), Loader=loader)
        except OSError as error:
            raise ConfigError(f"cannot read the mapping table {path}: {error.strerror}") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from error
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(f"{path.name}:1: must be a mapping of exchange names")
        self._nodes = {key.value: value for key, value in root.value}
        self._lines = {key.value: key.start_mark.line + 1 for key, _ in root.value}
        if len(self._nodes) != len(root.value):
            self._construct(root)  # raises, naming the doubled key
        if _DEFAULT not in self._nodes:
            raise ConfigError(f"{path.name}:1: the entry {_DEFAULT!r} is missing")
        self._content: dict[str, Mapping[str, Any]] = {}

    @property
    def exchanges(self) -> tuple[str, ...]:
        return tuple(name for name in self._nodes if name != _DEFAULT)

    def entry(self, name: str) -> Mapping[str, Any]:
        """One exchange's entry, built when first asked for."""
        if name not in self._content:
            content = self._construct(self._nodes[name])
            if not isinstance(content, Mapping):
                raise ConfigError(f"{self.path.name}:{self._lines[name]}: {name} must be a mapping")
            self._content[name] = content
        return self._content[name]

    def layers(self, name: str, market_type: MarketType) -> Iterator[_Layer]:
        """The layers that the table has for one exchange and market type, weakest first."""
        for entry_name in (_DEFAULT, name) if name in self._nodes else (_DEFAULT,):
            entry, node = self.entry(entry_name), self._nodes[entry_name]
            yield _Layer(entry_name, {k: v for k, v in entry.items() if k != "markets"}, self.path.name, node)
            markets = entry.get("markets") or {}
            if market_type.value in markets:
                markets, node, _ = _step(entry, node, "markets")
                content, node, _ = _step(markets, node, market_type.value)
                yield _Layer(f"{entry_name}, {market_type.value}", content or {}, self.path.name, node)

    def _construct(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            result: dict[str, Any] = {}
            for key_node, value_node in node.value:
                if key_node.value in result:
                    line = key_node.start_mark.line + 1
                    raise ConfigError(f"{self.path.name}:{line}: {key_node.value!r} stands here a second time")
                result[key_node.value] = self._construct(value_node)
            return result
        if isinstance(node, yaml.SequenceNode):
            return [self._construct(item) for item in node.value]
        return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    text, kind = node.value, node.tag.rpartition(":")[2]
    if kind == "str":
        return text
    if kind == "int":
        return int(text.replace("_", ""))
    if kind == "float":
        return float(text.replace("_", ""))
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    return None if kind == "null" else text


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
    return tuple(MarketType(name) for name in table.entry(exchange_id).get("markets") or {})


def load_profile(
    exchange_id: str, market_type: MarketType, overrides: Mapping[str, Mapping[str, Any]] | None = None
) -> Profile:
    """The profile of an exchange's market type. ``overrides`` has the table's own shape: exchange -> keys.

    Raises ConfigError for an unknown exchange or a wrong table or override (every fault, each with its place), and
    Unsupported for a market type that the table does not list for this exchange.
    """
    if overrides:
        return _build(_read_table(mapping_table_path()), exchange_id, market_type, overrides)
    return _cached(mapping_table_path(), exchange_id, market_type)


def supports(
    kind: OrderKind | OrderFeature | str,
    exchange_id: str,
    market_type: MarketType,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> OrderRule:
    """How an exchange stands to an order kind or feature: ``.support`` and ``.why``."""
    key = kind.value if isinstance(kind, (OrderKind, OrderFeature)) else kind
    if key not in ORDER_KEYS:
        raise ConfigError(f"unknown order kind {key!r}{_nearest(key, ORDER_KEYS)}")
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


def _build(
    table: _Table, exchange_id: str, market_type: MarketType, overrides: Mapping[str, Mapping[str, Any]] | None
) -> Profile:
    known = exchange_id in table.exchanges
    for name in (exchange_id, *(overrides or ())):
        _check_exchange(name, table, "" if name == exchange_id else "overrides: ")
    layers = list(table.layers(exchange_id, market_type))
    if overrides and (own := overrides.get(exchange_id)) is not None:
        layers += _override_layers(exchange_id, market_type, own)
    listed = {MarketType(name) for name in _market_names(table, exchange_id)} if known else set(_DEFAULT_MARKETS)
    if market_type not in listed:
        has = ", ".join(sorted(kind.value for kind in listed)) or "nothing"
        raise Unsupported(f"{exchange_id} has no {market_type.value} markets in the mapping table; it has {has}")
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge(merged, layer.content)
    merged["exchange"], merged["market_type"], merged["known"] = exchange_id, market_type, known
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
    for name in table.entry(exchange_id).get("markets") or {}:
        if name not in valid:
            raise ConfigError(
                f"{table.path.name}: {exchange_id}.markets: unknown market type {name!r}{_nearest(name, valid)}"
            )
        yield name


def _override_layers(exchange_id: str, market_type: MarketType, own: Any) -> Iterator[_Layer]:
    source = f"overrides for {exchange_id}"
    if not isinstance(own, Mapping):
        raise ConfigError(f"{source}: must be a mapping of profile keys")
    yield _Layer("overrides", {key: value for key, value in own.items() if key != "markets"}, source)
    markets = own.get("markets") or {}
    valid = [kind.value for kind in MarketType]
    for name in markets:
        if name not in valid:
            raise ConfigError(f"{source}: markets: unknown market type {name!r}{_nearest(str(name), valid)}")
    if market_type.value in markets:
        yield _Layer("overrides", markets[market_type.value] or {}, source)


def _check_exchange(name: str, table: _Table, where: str) -> None:
    if name in table.exchanges:
        return
    import ccxt  # only for exchanges without an entry: importing ccxt costs a quarter of a second

    if name not in ccxt.exchanges:
        raise ConfigError(f"{where}unknown exchange {name!r}{_nearest(name, [*table.exchanges, *ccxt.exchanges])}")


def _merge(into: dict[str, Any], layer: Mapping[str, Any], inside: str = "") -> None:
    for key, value in layer.items():
        old = into.get(key)
        # An order kind is one statement: merging a refusal into a native rule would make it both.
        if isinstance(old, dict) and isinstance(value, Mapping) and inside != "orders":
            _merge(old, value, key)
        else:
            into[key] = _copy(value)


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return list(value) if isinstance(value, list) else value


def _explain(error: ValidationError, layers: list[_Layer], exchange_id: str) -> str:
    lines = []
    for fault in error.errors():
        path = [part for part in fault["loc"] if part != "[key]"]
        cause = fault.get("ctx", {}).get("error")
        if fault["type"] == "extra_forbidden":
            reason = f"unknown key {path[-1]!r}{_nearest(str(path[-1]), _keys_at(path[:-1]))}"
        elif isinstance(cause, UnknownKey):
            reason = f"{cause}{_nearest(cause.key, cause.known)}"
            path.append(cause.key)
        else:
            reason = str(cause) if cause is not None else f"{fault['msg']}, got {fault['input']!r}"
        if not path and "unknown key" in reason:  # an order key: Profile's own check
            word = reason.rpartition("unknown key ")[2].strip("'")
            path, reason = ["orders", word], f"unknown key {word!r}{_nearest(word, ORDER_KEYS)}"
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


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else f"; known: {', '.join(sorted(known)[:40])}"
