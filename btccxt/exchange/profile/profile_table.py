"""Reading the mapping table ``exchanges.yaml``: plain values, layers of one exchange, and the line of every key."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from btccxt.errors import ConfigError
from btccxt.exchange.profile.order_rule import OrderRule
from btccxt.model import MarketType

DEFAULT = "default"
_LIKE = "like"
_MOST_NAMED = 20
_OF_THE_ENTRY = frozenset({"markets", "same_as", "formerly"})
"""Keys of an entry that are no keys of a profile."""
Locate = Callable[[Sequence[Any]], str]
"""Keys from the beginning of the overrides -> ``file:line``."""

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


class Table:
    """The mapping table as plain values. Lines are looked up only when something is wrong: nodes cost time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot read the mapping table {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path.name}: is not UTF-8 text: {error.reason} at byte {error.start}") from error
        self._aliases: dict[str, Any] = {}
        try:
            self._events: Iterator[Any] = iter(yaml.parse(self._text, Loader=_LOADER))
            content = next((self._value(event) for event in self._events if isinstance(event, yaml.NodeEvent)), None)
            more = next((event for event in self._events if isinstance(event, yaml.NodeEvent)), None)
        except yaml.YAMLError as error:
            raise ConfigError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from error
        if not isinstance(content, dict):
            raise ConfigError(f"{path.name}:1: must be a mapping of exchange names")
        if more is not None:
            raise ConfigError(f"{path.name}:{_line_of(more)}: a second document; the table is one")
        for name, entry in content.items():
            self._check_entry(name, entry)
        if DEFAULT not in content:
            raise ConfigError(f"{path.name}:1: the entry {DEFAULT!r} is missing")
        self.entries: dict[str, dict[str, Any]] = content
        for name, entry in content.items():
            self._check_twin(name, entry)
        self._current: dict[str, str] = {
            old: name for name, entry in content.items() for old in entry.get("formerly") or ()
        }
        self.rules: dict[int, tuple[Any, OrderRule]] = {}

    def _check_entry(self, name: str, entry: Any) -> None:
        """The frame of an entry; what is in it is judged when its profile is built."""
        if not isinstance(entry, dict):
            raise ConfigError(f"{self._place(name)}: {name} must be a mapping")
        markets = entry.get("markets") or {}
        if not isinstance(markets, dict):
            raise ConfigError(f"{self._place(name, 'markets')}: {name}.markets must be a mapping of market types")
        valid = [kind.value for kind in MarketType]
        for market, content in markets.items():
            if market not in valid:
                what = f"{name}.markets: unknown market type {market!r}{nearest(market, valid)}"
            elif content is not None and not isinstance(content, dict):
                what = f"{name}.markets.{market} must be a mapping"
            elif (other := (content or {}).get(_LIKE)) is not None and (
                other not in markets or _LIKE in (markets[other] or {})
            ):
                what = f"{name}.markets.{market}.like: {other!r} is no market type that is written out here"
            else:
                continue
            raise ConfigError(f"{self._place(name, 'markets', market)}: {what}")

    def _check_twin(self, name: str, entry: dict[str, Any]) -> None:
        other = entry.get("same_as")
        if other is None:
            return
        if other not in self.entries or other in (DEFAULT, name):
            what = f"there is no exchange {other!r}{nearest(str(other), self.exchanges)}"
        elif "same_as" in self.entries[other]:
            what = f"{other} is a twin itself: name {self.entries[other]['same_as']!r}"
        else:
            return
        raise ConfigError(f"{self._place(name, 'same_as')}: {name}.same_as: {what}")

    def _place(self, *path: str) -> str:
        node, line = self.root, 0
        for key in path:
            node, line = _step(node, key, line)
        return f"{self.path.name}:{line}"

    @cached_property
    def digest(self) -> str:
        """Of the whole text: another table has another."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    @property
    def exchanges(self) -> tuple[str, ...]:
        return tuple(name for name in self.entries if name != DEFAULT)

    def current(self, name: str) -> str:
        """The name of an exchange today."""
        return self._current.get(name, name)

    def twin_of(self, name: str) -> str | None:
        """The exchange of which this one is a regional twin, so that only the differences are written."""
        return self.entries.get(name, {}).get("same_as")

    def markets(self, name: str) -> tuple[str, ...]:
        """The market types of a listed exchange: its own, else those of the one it is a twin of."""
        own, twin = self.entries[name].get("markets"), self.twin_of(name)
        return tuple(own or (self.entries[twin].get("markets") if twin is not None else None) or ())

    def layers(self, name: str, market_type: MarketType) -> Iterator[Layer]:
        """The layers that the table has for one exchange and market type, weakest first."""
        twin = self.twin_of(name)
        for entry_name in (DEFAULT, twin, name) if name in self.entries else (DEFAULT,):
            if entry_name is None:
                continue
            entry = self.entries[entry_name]
            own = {key: value for key, value in entry.items() if key not in _OF_THE_ENTRY}
            yield Layer(own, self.path.name, (entry_name,), self)
            markets = entry.get("markets") or {}
            own_markets = markets.get(market_type.value) or {}
            for kind in (str(own_markets.get(_LIKE)), market_type.value):
                if kind in markets:
                    said = {key: value for key, value in (markets[kind] or {}).items() if key != _LIKE}
                    yield Layer(said, self.path.name, (entry_name, "markets", kind), self)

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
        elif event.anchor in self._aliases:
            return self._aliases[event.anchor]
        else:
            raise ConfigError(f"{self.path.name}:{_line_of(event)}: nothing above is named {event.anchor!r}")
        if event.anchor is not None:
            self._aliases[event.anchor] = value
        return value

    def _mapping(self) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while type(key := next(self._events)) is not yaml.MappingEndEvent:
            if type(key) is not yaml.ScalarEvent:
                raise ConfigError(f"{self.path.name}:{_line_of(key)}: a key must be a word")
            if key.value in result:
                raise ConfigError(f"{self.path.name}:{_line_of(key)}: {key.value!r} stands here a second time")
            result[key.value] = self._value(next(self._events))
        return result


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of profile keys, and where it begins: in the table, or in what ``locate`` knows the places of."""

    content: Mapping[str, Any]
    source: str
    where: tuple[str, ...] = ()
    table: Table | None = None
    locate: Locate | None = None

    def place(self, path: Iterable[Any]) -> tuple[int, str]:
        """How deep ``path`` exists in this layer, and where its deepest existing key stands."""
        here: Any = self.content
        node = self.table.root if self.table is not None else None
        line = 0
        for key in self.where:
            node, line = _step(node, key, line)
        depth = 0
        found: list[Any] = []
        for part in path:
            key = TABLE_WORDS.get(str(part), part)
            while isinstance(here, Mapping) and key not in here and "native" in here:
                here = here["native"]
                found.append("native")
                node, line = _step(node, "native", line)
            is_there = key in here if isinstance(here, Mapping) else isinstance(here, list) and key in range(len(here))
            if not is_there:
                break
            here = here[key]
            found.append(key)
            node, line = _step(node, key, line)
            depth += 1
        if self.table is not None:
            return depth, f"{self.source}:{line}"
        if self.locate is not None:
            return depth, f"{self.locate((*self.where, *found))}: {self.source}"
        return depth, self.source


TABLE_WORDS = {"ccxt_type": "type", "kinds": "with", "buy_rule": "buy"}


def _line_of(event: Any) -> int:
    return int(event.start_mark.line) + 1


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
def read_table(path: Path) -> Table:
    return Table(path)


def nearest(word: str, known: Iterable[str]) -> str:
    """The tail of a message about a word that is not known: which one was meant, or which there are."""
    known = sorted(set(known))
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return f"; did you mean {found[0]!r}?" if found else f"; known: {', '.join(known[:_MOST_NAMED])}{more}"
