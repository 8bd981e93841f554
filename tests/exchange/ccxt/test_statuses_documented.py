"""Orders as the exchanges document them, through unmodified ccxt and then the profile: status, filled size, average."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

import pytest

from btccxt.exchange.ccxt.translate import order_update
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType, OrderUpdate, Origin
from tests.exchange.ccxt.documented_frames import Frames, frames
from tests.exchange.ccxt.documented_orders import Expected, rest_orders
from tests.exchange.ccxt.replay import exchange_for, rows_of_frame


@lru_cache(maxsize=64)
def _exchange(exchange_id: str, market_type: MarketType) -> Any:
    return exchange_for(exchange_id, market_type)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@pytest.mark.parametrize(
    ("exchange_id", "market_type", "raw", "expected"),
    [pytest.param(*row[:2], *row[3:], id=f"{row[0]}-{row[1].value}-{row[2]}") for row in rest_orders()],
)
def test_a_documented_order_means_what_the_exchange_says(
    exchange_id: str, market_type: MarketType, raw: Any, expected: Expected
) -> None:
    order = _exchange(exchange_id, market_type).parse_order(raw)
    update = order_update(order, load_profile(exchange_id, market_type), Origin.QUERY)
    _check(update, expected)


@pytest.mark.parametrize(
    ("exchange_id", "market_type", "topic", "sent", "expected"),
    [pytest.param(*row[:3], *row[4:], id=f"{row[0]}-{row[1].value}-{row[3]}") for row in frames()],
)
def test_a_documented_frame_means_what_the_exchange_says(
    exchange_id: str, market_type: MarketType, topic: str, sent: Frames, expected: Expected
) -> None:
    exchange, rows = exchange_for(exchange_id, market_type), []
    for frame in sent:
        if "privateOrders" in frame:  # MEXC's spot frames are binary; this is one decoded
            exchange.handle_message = exchange.handle_protobuf_message
        rows = rows_of_frame(exchange, frame, topic)
    assert rows, "ccxt made nothing of it"
    update = order_update(rows[-1], load_profile(exchange_id, market_type), Origin.PUSH)
    _check(update, expected)
    assert update.order_id, update
    assert not update.fills or all(fill.amount <= 2 for fill in update.fills), update.fills


def _check(update: OrderUpdate, expected: Expected) -> None:
    status, filled, average = expected
    assert (update.status, update.filled) == (status, _decimal(filled)), update
    assert average is None or update.average == _decimal(average), update
    if not filled or filled == "0":
        assert update.average is None, update
