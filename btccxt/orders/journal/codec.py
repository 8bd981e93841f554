"""Frozen records to JSON text and back, for the journal. Decimals stay exact: they travel as strings."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from btccxt.model import OrderRequest, OrderUpdate
from btccxt.orders import events

Record = TypeVar("Record")
_encoder = json.JSONEncoder(separators=(",", ":"), default=str)

EVENT_KINDS: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        events.Journaled,
        events.Released,
        events.NotPlaced,
        events.OutcomeUnknown,
        events.Rejection,
        events.NeverArrived,
        events.Gone,
        events.Withdrawn,
        events.NeverSent,
        events.CancelRequested,
        events.FillsOverdue,
        events.Amended,
        events.Noted,
        OrderUpdate,
    )
}
"""Events kept as text. ``Sent`` and ``Fill`` have tables of their own."""


def encode(record: Any) -> str:
    """JSON of a record; fields that hold their default are left out."""
    return _encoder.encode(_plain(record))


def decode(record_type: type[Record], text: str) -> Record:
    """The record again. Raises ValueError or KeyError if the text is not one."""
    reader: Callable[[Any], Record] = _reader(cast(Any, record_type))
    return reader(json.loads(text))


def encode_context(context: Mapping[str, str]) -> str:
    return json.dumps(dict(context), separators=(",", ":"))


def decode_request(text: str) -> OrderRequest:
    return decode(OrderRequest, text)


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind is str or kind is int or kind is bool:  # by far the most, so they come first
        return value
    if kind is Decimal:
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if hasattr(kind, "__dataclass_fields__"):
        out = {}
        for name, default in _defaults(cast(Any, kind)).items():
            item = getattr(value, name)
            if item is not default and (default is MISSING or item != default):
                out[name] = _plain(item)
        return out
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [_plain(item) for item in value]
    return value


@cache
def _defaults(record_type: Any) -> dict[str, Any]:
    return {
        item.name: item.default_factory() if item.default_factory is not MISSING else item.default
        for item in fields(record_type)
    }


@cache
def _reader(annotation: Any) -> Callable[[Any], Any]:
    """How to read a value of this type back from what ``json.loads`` gives."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        inner = next(part for part in get_args(annotation) if part is not type(None))
        read = _reader(inner)
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        read = _reader(get_args(annotation)[0])
        return lambda value: tuple(read(item) for item in value)
    if origin is None and hasattr(annotation, "__dataclass_fields__"):
        hints = get_type_hints(annotation)
        readers = {item.name: _reader(hints[item.name]) for item in fields(annotation)}
        return lambda value: annotation(**{name: readers[name](item) for name, item in value.items()})
    if origin is not None:  # before the classes: Python 3.10 takes Mapping[str, str] for one
        return types.MappingProxyType if issubclass(origin, Mapping) else _as_it_is
    if isinstance(annotation, type) and issubclass(annotation, Enum | Decimal):
        return annotation
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value
