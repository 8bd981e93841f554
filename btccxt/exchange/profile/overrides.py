"""The user's own layers over the mapping table: profile keys, or exchange -> profile keys."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from btccxt.errors import ConfigError
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.profile.profile_table import Layer, Locate, Table, nearest
from btccxt.model import MarketType

_NOT_TO_BE_SAID = frozenset({"exchange", "market_type", "known", "same_as"})
_KEYS = frozenset(Profile.model_fields) - _NOT_TO_BE_SAID | {"markets"}


def override_layers(
    exchange_id: str, market_type: MarketType, table: Table, overrides: Mapping[str, Any], locate: Locate | None
) -> Iterator[Layer]:
    """What concerns this exchange: profile keys that stand alone, then those under the exchange's name.

    Raises ConfigError for a name that is neither, and for unknown keys under the name of another exchange as well.
    """
    if not isinstance(overrides, Mapping):
        raise ConfigError(f"overrides: must be a mapping of profile keys or exchanges, not {overrides!r}")
    for name, own in overrides.items():
        if name in _KEYS:
            continue
        if name != exchange_id and name not in table.exchanges and not in_ccxt(name):
            hint = nearest(str(name), [*_KEYS, *table.exchanges])
            place = _at(locate, (name,), "overrides")
            raise ConfigError(f"{place}: {name!r} is neither a key of a profile nor an exchange{hint}")
        if name != exchange_id:  # its own are judged with the whole profile, every fault at once
            _check_keys(own, _KEYS, f"overrides for {name}", (name,), locate)
    if alone := {key: value for key, value in overrides.items() if key in _KEYS}:
        yield from layers_of(alone, market_type, f"overrides for {exchange_id}", (), locate)
    if exchange_id in overrides:
        yield from layers_of(
            overrides[exchange_id], market_type, f"overrides for {exchange_id}", (exchange_id,), locate
        )


def layers_of(
    own: Any, market_type: MarketType, source: str, where: tuple[str, ...] = (), locate: Locate | None = None
) -> Iterator[Layer]:
    """One mapping of profile keys: what holds for all market types, then what holds for this one."""
    _check_keys(own, None, source, where, locate)
    yield Layer({key: value for key, value in own.items() if key != "markets"}, source, where, locate=locate)
    markets = own.get("markets") or {}
    if not isinstance(markets, Mapping):
        raise ConfigError(f"{_at(locate, (*where, 'markets'), source)}: markets must be a mapping of market types")
    valid = [kind.value for kind in MarketType]
    for name, content in markets.items():
        place = _at(locate, (*where, "markets", name), source)
        if name not in valid:
            raise ConfigError(f"{place}: markets: unknown market type {name!r}{nearest(str(name), valid)}")
        if content is not None and not isinstance(content, Mapping):
            raise ConfigError(f"{place}: markets.{name} must be a mapping of profile keys")
    if market_type.value in markets:
        yield Layer(markets[market_type.value] or {}, source, (*where, "markets", market_type.value), locate=locate)


def in_ccxt(name: str) -> bool:
    import ccxt  # only for names without an entry: importing ccxt costs a quarter of a second

    return name in ccxt.exchanges


def _check_keys(
    own: Any, known: Collection[str] | None, source: str, where: tuple[str, ...], locate: Locate | None
) -> None:
    if not isinstance(own, Mapping):
        raise ConfigError(f"{_at(locate, where, source)}: must be a mapping of profile keys")
    for key in own:
        if key in _NOT_TO_BE_SAID or (known is not None and key not in known):
            raise ConfigError(f"{_at(locate, (*where, key), source)}: unknown key {key!r}{nearest(str(key), _KEYS)}")


def _at(locate: Locate | None, path: tuple[Any, ...], source: str) -> str:
    return source if locate is None else f"{locate(path)}: {source}"
