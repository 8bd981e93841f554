"""What an exchange may say, through the ccxt that is installed and then the profile: what it means."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from btccxt.exchange.ccxt import translate
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.offline import Blocked
from btccxt.exchange.proof.record import Answer
from btccxt.model import Market, Origin


class _Listener:
    """Stands in for ccxt's WebSocket client: keeps what ``handle_message`` resolves."""

    def __init__(self) -> None:
        self.url = "wss://test.invalid/ws"
        self.subscriptions: dict[str, Any] = {}
        self.futures: dict[str, Any] = {}
        self.resolved: list[tuple[str, Any]] = []

    def resolve(self, result: Any, message_hash: str) -> Any:
        self.resolved.append((str(message_hash), result))
        return result

    def reject(self, error: Any, message_hash: str | None = None) -> None:
        raise error if isinstance(error, BaseException) else Blocked(f"{message_hash}: {error}")


def meaning_of_answer(answer: Answer, exchange: Any, market: Market, profile: Profile) -> str:
    """The record, in words. Raises what ccxt and the translation raise."""
    said = deepcopy(answer.said)
    listed = exchange.market(market.symbol)
    match answer.way:
        case "order":
            return words(translate.order_update(exchange.parse_order(said), profile, Origin.QUERY))
        case "fill":
            return words(translate.fill(exchange.parse_trade(said, listed), profile))
        case "order frames" | "decoded order frames":
            handle = exchange.handle_message
            if answer.way.startswith("decoded"):  # what is binary on the wire
                handle = exchange.handle_protobuf_message
            row = rows_of_frames(exchange, handle, said, answer.topic)[-1]
            return words(translate.order_update(row, profile, Origin.PUSH))
        case "fill frames":
            return words(
                translate.fill(rows_of_frames(exchange, exchange.handle_message, said, answer.topic)[-1], profile)
            )
        case _:
            raise Blocked(f"an answer by {answer.way}")


def rows_of_frames(exchange: Any, handle: Callable[[Any, Any], Any], frames: list[Any], topic: str) -> list[Any]:
    """The rows that ccxt resolves under a topic for the last of these frames, its caches empty before them."""
    for cache in ("orders", "triggerOrders", "myTrades", "triggers"):
        if hasattr(exchange, cache):
            setattr(exchange, cache, None)
    found: list[Any] = []
    for frame in frames:
        client = _Listener()
        handle(client, frame)
        named = [result for name, result in client.resolved if topic.lower() in name.lower()]
        found = next((list(each) for each in named if isinstance(each, list) and each), found)
    if not found:
        raise Blocked("ccxt makes nothing of the frame")
    return found


def words(record: Any) -> str:
    """Every field that is told, as one JSON object."""
    return json.dumps(_plain(record), sort_keys=True)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        told = {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.name != "raw"}
        return {name: each for name, each in told.items() if each not in (None, "", [], {}, ())}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return value
