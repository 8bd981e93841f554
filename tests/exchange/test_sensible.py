"""Nonsense of an exchange that a user wrote is an attempt that failed, and no bar, fill or balance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from btccxt.config import Mode, StoreConfig
from btccxt.errors import ConfigError, OrderOutcomeUnknown, Unreadable
from btccxt.exchange.api import Deliver, ExchangeAPI, lists_orders
from btccxt.exchange.sensible import SensibleExchange
from btccxt.model import (
    Balance,
    Balances,
    Bar,
    BarUpdate,
    Fill,
    Market,
    OrderKind,
    OrderReference,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
    Position,
    Side,
    StreamEvent,
    StreamKey,
    StreamKind,
    StreamOpened,
    Ticker,
    Trade,
)
from btccxt.resilience.clock import ExchangeClock
from btccxt.store.paper import PaperExchange
from btccxt.store.venues import custom_venue
from tests.fakes import SYMBOL, FakeExchange, spot_market

NOW = 1_767_614_400_000
NAN = float("nan")
BAR = Bar(NOW - 60_000, 100.0, 101.0, 99.0, 100.5, 3.0)
TRADE = Trade("1", NOW, 100.0, 0.5, Side.BUY, SYMBOL)
TICKER = Ticker(SYMBOL, NOW, 99.0, 101.0, last=100.0)
ORDER = OrderUpdate(
    SYMBOL, OrderStatus.OPEN, Origin.QUERY, order_id="1", client_order_id="a", side=Side.BUY, amount=D(2), filled=D(1)
)
FILL = Fill("1", SYMBOL, Side.BUY, D(100), D(1), NOW)
POSITION = Position(SYMBOL, D(2), D(100), NOW)
BALANCES = Balances(NOW, {"USDT": Balance("USDT", D(5), D(0))})
REQUEST = OrderRequest("a", SYMBOL, Side.BUY, OrderKind.MARKET, D(2))
REFERENCE = OrderReference(SYMBOL, "a", "1")

NO_BARS = [
    None, {}, [], "candles", replace(BAR, close=NAN), replace(BAR, low=-1.0), replace(BAR, open=None),
    replace(BAR, high=90.0), replace(BAR, open_ms=NOW + 3_600_000), replace(BAR, open_ms=NOW - 30_000),
]  # fmt: skip
NO_TRADES = [None, {}, replace(TRADE, price=NAN), replace(TRADE, amount=-1.0), replace(TRADE, price=None)]
NO_TICKERS = [None, {}, replace(TICKER, bid=NAN), replace(TICKER, last=-1.0), replace(TICKER, symbol="ETH/USDT")]
NO_ORDERS = [
    None, {}, [], replace(ORDER, filled=D(3)), replace(ORDER, amount=D("NaN")), replace(ORDER, price=D(-1)),
    replace(ORDER, status=None), replace(ORDER, order_id=None, client_order_id=None), replace(ORDER, time_ms=5),
]  # fmt: skip
NO_FILLS = [None, {}, replace(FILL, price=D(0)), replace(FILL, amount=D("NaN")), replace(FILL, time_ms=1)]
NO_POSITIONS = [None, {}, replace(POSITION, amount=D("NaN")), replace(POSITION, amount=None)]
NO_BALANCES = [
    None, {}, Balances(NOW, {}), Balances(NOW, {"USDT": Balance("USDT", D("NaN"), D(0))}),
    Balances(NOW, {"USDT": Balance("USDT", None, D(0))}),  # type: ignore[arg-type]
]  # fmt: skip


class StillClock:
    """Local time that stands."""

    speed = 1.0

    def now_ms(self) -> float:
        return float(NOW)


class Scripted(FakeExchange):
    """Answers every question with ``answer``, and tells ``events`` by stream."""

    answer: Any = None
    events: Sequence[Any] = ()

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith(("fetch_", "create_", "cancel_order")):
            return super().__getattribute__(name)

        async def told(*_: Any) -> Any:
            return self.answer

        return told

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        for event in self.events:
            deliver(keys[0], event)


def asked(answer: Any, ask: Callable[[SensibleExchange], Coroutine[Any, Any, Any]]) -> Any:
    exchange = Scripted()
    exchange.answer = answer
    clock = ExchangeClock(StillClock())
    clock.add_sample(NOW, NOW, NOW)

    async def question() -> Any:
        checked = SensibleExchange(exchange, clock)
        try:
            return await ask(checked)
        finally:
            await checked.close()

    return asyncio.run(question())


ROWS: Mapping[str, tuple[Callable[[SensibleExchange], Coroutine[Any, Any, Any]], Any, list[Any]]] = {
    "candles": (lambda it: it.fetch_ohlcv(SYMBOL, "1m"), BAR, NO_BARS),
    "trades": (lambda it: it.fetch_trades(SYMBOL), TRADE, NO_TRADES),
    "fills": (lambda it: it.fetch_my_trades(SYMBOL), FILL, NO_FILLS),
    "open orders": (lambda it: it.fetch_open_orders(), ORDER, NO_ORDERS),
    "closed orders": (lambda it: it.fetch_closed_orders(), ORDER, NO_ORDERS),
}
WHOLE: Mapping[str, tuple[Callable[[SensibleExchange], Coroutine[Any, Any, Any]], Any, list[Any]]] = {
    "time": (lambda it: it.fetch_time(), NOW, [None, {}, NAN, -1, NOW // 1_000, True]),
    "ticker": (lambda it: it.fetch_ticker(SYMBOL), TICKER, NO_TICKERS),
    "balances": (lambda it: it.fetch_balance(), BALANCES, NO_BALANCES),
    "positions": (lambda it: it.fetch_positions(), [POSITION], [None, {}, *([POSITION, bad] for bad in NO_POSITIONS)]),
    "order": (
        lambda it: it.fetch_order(REFERENCE),
        ORDER,
        [*NO_ORDERS, replace(ORDER, symbol="ETH/USDT"), replace(ORDER, order_id="7", client_order_id="b")],
    ),
    "cancel": (lambda it: it.cancel_order(REFERENCE), ORDER, NO_ORDERS),
}


@pytest.mark.parametrize("what", ROWS)
def test_a_bad_row_of_a_list_costs_itself_and_a_list_of_bad_rows_is_no_answer(what: str) -> None:
    ask, good, nonsense = ROWS[what]
    assert asked([good], ask) == [good]
    for bad in nonsense:
        assert asked([bad, good], ask) == [good], bad
        with pytest.raises(Unreadable):
            asked([bad], ask)
    for no_list in (None, {}, "rows"):
        with pytest.raises(Unreadable):
            asked(no_list, ask)


@pytest.mark.parametrize("what", WHOLE)
def test_an_answer_of_nonsense_is_an_attempt_that_failed(what: str) -> None:
    ask, good, nonsense = WHOLE[what]
    assert asked(good, ask) == good
    for bad in nonsense:
        with pytest.raises(Unreadable):
            asked(bad, ask)


@pytest.mark.parametrize("bad", [*NO_ORDERS, replace(ORDER, side=Side.SELL), replace(ORDER, client_order_id="b")])
def test_after_an_order_was_sent_nonsense_leaves_its_outcome_open(bad: Any) -> None:
    async def ready() -> None: ...

    assert asked(ORDER, lambda it: it.create_order(REQUEST)) == ORDER
    assert asked((ORDER, ORDER), lambda it: it.create_order_list(REQUEST, REQUEST, ready)) == (ORDER, ORDER)
    for answer, ask in (
        (bad, lambda it: it.create_order(REQUEST)),
        (bad, lambda it: it.create_order_when(REQUEST, ready)),
        ((ORDER, bad), lambda it: it.create_order_list(REQUEST, REQUEST, ready)),
        (ORDER, lambda it: it.create_order_list(REQUEST, REQUEST, ready)),
    ):
        with pytest.raises(OrderOutcomeUnknown) as said:
            asked(answer, ask)
        assert said.value.client_order_id == "a"


@pytest.mark.parametrize(
    ("kind", "good", "nonsense"),
    [
        (StreamKind.BARS, BarUpdate(SYMBOL, "1m", BAR, True), [BarUpdate(SYMBOL, "1m", bad, True) for bad in NO_BARS]),
        (StreamKind.TRADES, TRADE, NO_TRADES),
        (StreamKind.TICKER, TICKER, NO_TICKERS[:-1]),
        (StreamKind.ORDERS, ORDER, NO_ORDERS),
        (StreamKind.FILLS, FILL, NO_FILLS),
        (StreamKind.POSITIONS, POSITION, NO_POSITIONS),
        (StreamKind.BALANCE, BALANCES, NO_BALANCES),
    ],
)
def test_what_makes_no_sense_is_not_delivered(kind: StreamKind, good: StreamEvent, nonsense: list[Any]) -> None:
    exchange = Scripted()
    exchange.events = [StreamOpened(), *nonsense, good]
    key = StreamKey(kind, SYMBOL, "1m" if kind is StreamKind.BARS else None)
    clock = ExchangeClock(StillClock())
    clock.add_sample(NOW, NOW, NOW)
    told: list[tuple[StreamKey, StreamEvent]] = []

    async def listen() -> None:
        checked = SensibleExchange(exchange, clock)
        await checked.stream([key], lambda key, event: told.append((key, event)))
        await checked.close()

    asyncio.run(listen())
    assert told == [(key, StreamOpened()), (key, good)]


def _settings(mode: Mode) -> StoreConfig:
    return StoreConfig(exchange="fake", mode=mode)


def test_an_exchange_of_ones_own_is_checked_in_every_mode_and_can_do_what_it_could() -> None:
    class Data(ExchangeAPI):
        id = "data"

        async def load_markets(self) -> Mapping[str, Market]:
            return {SYMBOL: spot_market()}

        async def fetch_ticker(self, symbol: str) -> Ticker:
            return TICKER

        async def fetch_ohlcv(self, *_: Any) -> list[Bar]:
            return [BAR]

    live = custom_venue(FakeExchange(), _settings(Mode.LIVE), {}, sends_orders=True).exchange
    assert isinstance(live, SensibleExchange)
    paper = custom_venue(FakeExchange(), _settings(Mode.PAPER), {}, sends_orders=True).exchange
    assert isinstance(paper, PaperExchange) and isinstance(paper.public, SensibleExchange)
    data = custom_venue(Data(), _settings(Mode.LIVE), {}, sends_orders=False).exchange
    assert not data.can_stream(StreamKey(StreamKind.BARS, SYMBOL, "1m")) and not lists_orders(data)
    with pytest.raises(ConfigError, match="Data has no fetch_balance"):
        custom_venue(Data(), _settings(Mode.LIVE), {}, sends_orders=True)
