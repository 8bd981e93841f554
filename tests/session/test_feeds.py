"""What the desk makes of a request: the profile's knowledge reaches the feed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType, StreamKind
from btccxt.session.bar_feed import BarFeed
from btccxt.session.events import FeedRequest
from btccxt.session.feeds import FeedDesk
from tests.fakes import FakeClock, FakeExchange


def feed_of(exchange: str, market: MarketType = MarketType.SPOT, **request: Any) -> BarFeed:
    anything: Any = None
    supervisor: Any = SimpleNamespace(suspect=lambda keys, reason: None)
    desk = FeedDesk(
        anything, FakeExchange(), FakeClock(0), load_profile(exchange, market), supervisor, anything, anything  # type: ignore[arg-type]
    )  # fmt: skip
    feed = desk._make(FeedRequest("BTC/USDT", "1m", **request), print, 0)
    assert isinstance(feed, BarFeed)
    return feed


@pytest.mark.parametrize(
    ("exchange", "sends"), [("binance", True), ("okx", True), ("kraken", False), ("kucoin", False)]
)
def test_a_feed_knows_whether_bars_without_trades_exist(exchange: str, sends: bool) -> None:
    assert feed_of(exchange)._seam._sends_empty_bars is sends


def test_bars_of_an_exchange_without_a_candle_stream_are_built_from_its_trades() -> None:
    assert feed_of("coinbase").stream_key.kind is StreamKind.TRADES
    assert feed_of("kraken").stream_key.kind is StreamKind.BARS
    assert feed_of("kraken", bars="trades").stream_key.kind is StreamKind.TRADES
