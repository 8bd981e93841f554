"""Recorded answers and frames through unmodified ccxt parsing: what ccxt makes of them, before any profile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from btccxt.model import MarketType
from tests.exchange.capture import make_exchange


class FakeClient:
    """Stands in for ccxt's WebSocket client: keeps what ``handle_message`` resolves."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.subscriptions: dict[str, Any] = {}
        self.futures: dict[str, Any] = {}
        self.resolved: list[tuple[str, Any]] = []

    def resolve(self, result: Any, message_hash: str) -> Any:
        self.resolved.append((message_hash, result))
        return result

    def reject(self, error: Any, message_hash: str | None = None) -> None:
        raise error if isinstance(error, Exception) else AssertionError(f"{message_hash}: {error}")


def exchange_for(exchange_id: str, market_type: MarketType, market_ids: Iterable[str] = ()) -> Any:
    """A fresh instance whose markets answer to these ids of the exchange."""
    exchange, _ = make_exchange.__wrapped__(exchange_id, market_type)
    template = next(iter(exchange.markets.values()))
    markets = [template]
    for number, market_id in enumerate(dict.fromkeys(market_ids)):
        if market_id == template["id"]:
            continue
        market = {**deepcopy(template), "id": market_id, "lowercaseId": market_id.lower(), "base": f"X{number}"}
        suffix = "" if market_type is MarketType.SPOT else f":{market['quote']}"
        market["symbol"] = f"X{number}/{market['quote']}{suffix}"
        market["info"] = {**market["info"], "wsname": market_id}
        markets.append(market)
    exchange.set_markets(markets)
    return exchange


def rows_of_frame(
    exchange: Any, frame: Mapping[str, Any], topic: str, url: str = "wss://test/ws"
) -> list[dict[str, Any]]:
    """Rows that ``handle_message`` put under ``orders`` or ``myTrades`` for this frame, newest state."""
    client = FakeClient(url)
    exchange.handle_message(client, deepcopy(frame))
    rows: dict[Any, dict[str, Any]] = {}
    for message_hash, result in client.resolved:
        is_trades = "myTrades" in str(message_hash)  # OKX: orders::myTrades
        if topic in str(message_hash) and is_trades == (topic == "myTrades") and isinstance(result, list):
            for row in result:
                rows[id(row)] = dict(row)
    return list(rows.values())
