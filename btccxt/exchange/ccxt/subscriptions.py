"""Stream keys -> as few ccxt watch calls as possible, and what ccxt resolves -> records."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeVar

from btccxt.exchange.ccxt import translate
from btccxt.exchange.ccxt.frames import ClosedFlag, changed_rows
from btccxt.exchange.ccxt.push import Decode, News, Subscription
from btccxt.exchange.plausibility import (
    check_fill,
    check_order,
    check_order_book,
    check_position,
    check_ticker,
)
from btccxt.exchange.profile.profile import Profile
from btccxt.exchange.reading import Reader
from btccxt.model import Balance, Balances, Bar, BarUpdate, OrderUpdate, Origin, StreamKey, StreamKind, Ticker, Trade

T = TypeVar("T")
NowMs = Callable[[], int]


@dataclass(frozen=True, slots=True)
class StreamChecks:
    """Whether what a stream tells makes sense. ``bar_of``: a check of candles by timeframe; ``trade``: of a trade."""

    reader: Reader
    bar_of: Callable[[str], Callable[[Bar], Bar]]
    trade: Callable[[Trade], Trade]


_BOOK_LEVELS = 25

_HAS = {
    StreamKind.BARS: "watchOHLCV",
    StreamKind.TRADES: "watchTrades",
    StreamKind.TICKER: "watchTicker",
    StreamKind.ORDER_BOOK: "watchOrderBook",
    StreamKind.ORDERS: "watchOrders",
    StreamKind.FILLS: "watchMyTrades",
    StreamKind.BALANCE: "watchBalance",
    StreamKind.POSITIONS: "watchPositions",
}


def can_stream(kind: StreamKind, profile: Profile, has: Mapping[str, Any]) -> bool:
    """Whether both the profile and ccxt have this kind of stream. ``has`` is ccxt's own capability table."""
    listed = profile.bars.stream if kind is StreamKind.BARS else profile.streams.has(kind)
    return bool(listed and has.get(_HAS[kind]))


def instance_groups(keys: Sequence[StreamKey], profile: Profile) -> list[list[StreamKey]]:
    """Keys that may share one ccxt instance. Where its candle streams know no timeframe, a symbol may occur once."""
    if not profile.bars.one_timeframe_per_symbol:
        return [list(keys)]
    result: list[list[StreamKey]] = [[]]
    taken: list[set[str | None]] = [set()]
    for key in keys:
        if key.kind is not StreamKind.BARS:
            result[0].append(key)
            continue
        place = next((number for number, symbols in enumerate(taken) if key.symbol not in symbols), len(result))
        if place == len(result):
            result.append([])
            taken.append(set())
        result[place].append(key)
        taken[place].add(key.symbol)
    return [group for group in result if group]


def subscriptions_for(
    keys: Sequence[StreamKey], profile: Profile, has: Mapping[str, Any], now_ms: NowMs, checks: StreamChecks
) -> Iterator[Subscription]:
    """The watch calls that serve these keys."""
    per_call = profile.websocket.keys_per_frame
    for kind in dict.fromkeys(key.kind for key in keys):
        same = [key for key in keys if key.kind is kind]
        if kind is StreamKind.BARS:
            yield from _bars(same, profile, per_call, checks)
        elif kind is StreamKind.TRADES:
            batch = profile.websocket.batch.get(kind.value)
            yield from _by_symbol(same, batch, "watch_trades", per_call, partial(_trades, checks=checks))
        elif kind is StreamKind.TICKER:
            batch = profile.websocket.batch.get(kind.value) or ("watch_bids_asks" if has.get("watchBidsAsks") else None)
            calls = per_call if kind.value in profile.websocket.batch else 1
            yield from _by_symbol(
                same, batch, "watch_ticker", calls, lambda group: _tickers(group, now_ms, checks.reader)
            )
        elif kind is StreamKind.ORDER_BOOK:
            for key in same:
                yield Subscription(
                    (key,), _watch("watch_order_book", key.symbol), _order_book(key, now_ms, checks.reader)
                )
        else:
            for key in same:
                yield from _private(key, profile, now_ms, checks.reader)


def _bars(keys: Sequence[StreamKey], profile: Profile, per_call: int, checks: StreamChecks) -> Iterator[Subscription]:
    flag = ClosedFlag(profile.bars.closed_flag) if profile.bars.closed_flag else None
    batch = profile.websocket.batch.get(StreamKind.BARS.value)
    for group in _chunks(keys, per_call if batch else 1):
        pairs = [[key.symbol, key.timeframe] for key in group]
        start = _watch(batch, pairs) if batch else _watch("watch_ohlcv", *pairs[0])
        yield Subscription(tuple(group), start, _bar_news(group, flag, checks))


def _by_symbol(
    keys: Sequence[StreamKey],
    batch: str | None,
    single: str,
    per_call: int,
    decoder: Callable[[Sequence[StreamKey]], Decode],
) -> Iterator[Subscription]:
    for group in _chunks(keys, per_call if batch else 1):
        symbols = [key.symbol for key in group]
        start = _watch(batch, symbols) if batch else _watch(single, symbols[0])
        yield Subscription(tuple(group), start, decoder(group))


def _watch(method: str, *arguments: Any) -> Callable[[Any], Coroutine[Any, Any, object]]:
    """One of ccxt's watch methods, to be started on an instance that is made later."""
    return lambda ccxt: getattr(ccxt, method)(*arguments)


def _private(key: StreamKey, profile: Profile, now_ms: NowMs, reader: Reader) -> Iterator[Subscription]:
    keys = (key,)
    if key.kind is StreamKind.ORDERS:
        yield Subscription(keys, _watch("watch_orders", key.symbol), _orders(key, profile, None, reader))
        if (params := profile.conditional.stream_params) is not None:
            start = _watch("watch_orders", key.symbol, None, None, dict(params))
            yield Subscription(keys, start, _orders(key, profile, True, reader))
    elif key.kind is StreamKind.FILLS:
        yield Subscription(keys, _watch("watch_my_trades", key.symbol), _fills(key, profile, reader))
    elif key.kind is StreamKind.BALANCE:
        yield Subscription(
            keys, _watch("watch_balance", dict(profile.balances.stream_params)), _balance(key, now_ms, profile)
        )
    else:
        yield Subscription(keys, _watch("watch_positions"), _positions(key, profile, now_ms, reader))


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


# ------------------------------------------------------------------ decoders


def _bar_news(keys: Sequence[StreamKey], flag: ClosedFlag | None, checks: StreamChecks) -> Decode:
    check_of = {key: checks.bar_of(key.timeframe or "") for key in keys}
    reader = checks.reader
    by_pair = {(key.symbol, key.timeframe): key for key in keys}
    only = keys[0] if len(keys) == 1 else None
    make_bar = translate.bar

    def decode(result: Any, frame: Any) -> Iterable[News] | None:
        key = only
        if type(result) is list and len(result) == 3 and isinstance(result[0], str):
            key = by_pair.get((result[0], result[1]))
            result = result[2]
        rows = changed_rows(result)
        if rows is None or key is None:
            return None
        symbol, timeframe = key.symbol or "", key.timeframe or ""
        news: list[News] = []
        check = check_of[key]
        for row in rows:
            try:
                if row[4] is None:
                    continue
                bar = check(make_bar(row))
            except Exception as error:  # noqa: BLE001 - a bad candle costs itself; history is asked for the bar
                reader.reject("candles", row, error)
                continue
            closed = flag.read(frame, bar.open_ms) if flag is not None else None
            news.append((key, BarUpdate(symbol, timeframe, bar, closed)))
        return news

    return decode


def _trades(keys: Sequence[StreamKey], checks: StreamChecks) -> Decode:
    by_symbol = {key.symbol: key for key in keys}
    only = keys[0] if len(keys) == 1 else None

    def decode(result: Any, _frame: Any) -> Iterable[News] | None:
        rows = changed_rows(result)
        if rows is None:
            return None
        trades = checks.reader.rows("trades", rows, lambda row: checks.trade(translate.trade(row)))
        return [(key, trade) for trade in trades if (key := only or by_symbol.get(trade.symbol)) is not None]

    return decode


def _tickers(keys: Sequence[StreamKey], now_ms: NowMs, reader: Reader) -> Decode:
    by_symbol = {key.symbol: key for key in keys}

    def decode(result: Any, _frame: Any) -> Iterable[News] | None:
        if isinstance(result, dict):
            rows = [result] if "symbol" in result else [row for row in result.values() if isinstance(row, dict)]
        elif isinstance(result, list):
            rows = result
        else:
            return None
        now = now_ms()
        wanted = [row for row in rows if isinstance(row, dict) and row.get("symbol") in by_symbol]
        tickers = reader.rows("tickers", wanted, lambda row: check_ticker(translate.ticker(row, now)))
        news: list[tuple[StreamKey, Ticker]] = [(by_symbol[ticker.symbol], ticker) for ticker in tickers]
        return news or None

    return decode


def _order_book(key: StreamKey, now_ms: NowMs, reader: Reader) -> Decode:
    def decode(result: Any, _frame: Any) -> Iterable[News] | None:
        if not isinstance(result, dict) or "bids" not in result:
            return None
        book = reader.one(
            "order book", result, lambda row: check_order_book(translate.order_book(row, now_ms(), _BOOK_LEVELS))
        )
        return () if book is None else [(key, book)]

    return decode


def _orders(key: StreamKey, profile: Profile, conditional: bool | None, reader: Reader) -> Decode:
    def decode(result: Any, frame: Any) -> Iterable[News] | None:
        rows = _dicts(result)
        if rows is None:
            return None
        # ccxt collects all fills so far in the order's row; they come one by one in a stream of their own.
        bare = ({**row, "trades": None} for row in rows) if profile.streams.fills else rows

        def understand(row: Any) -> OrderUpdate:
            update = translate.order_update(row, profile, Origin.PUSH, conditional=conditional, frame=frame)
            return check_order(update)

        return [(key, update) for update in reader.rows("orders", bare, understand)]

    return decode


def _fills(key: StreamKey, profile: Profile, reader: Reader) -> Decode:
    def decode(result: Any, _frame: Any) -> Iterable[News] | None:
        rows = _dicts(result)
        if rows is None:
            return None
        return [
            (key, fill) for fill in reader.rows("fills", rows, lambda row: check_fill(translate.fill(row, profile)))
        ]

    return decode


def _positions(key: StreamKey, profile: Profile, now_ms: NowMs, reader: Reader) -> Decode:
    rule = profile.positions

    def decode(result: Any, _frame: Any) -> Iterable[News] | None:
        rows = _dicts(result)
        if rows is None:
            return None
        # A frame may tell a new mark price and no size: that is no flat position.
        told = [row for row in rows if row.get("symbol") and translate.contracts_of(row, rule) is not None]
        positions = reader.rows("positions", told, lambda row: check_position(translate.position(row, now_ms(), rule)))
        return [(key, position) for position in positions]

    return decode


def _balance(key: StreamKey, now_ms: NowMs, profile: Profile) -> Decode:
    """ccxt gives all coins it has ever seen with each push; only those that differ are news."""
    known: dict[str, Balance] = {}

    def decode(result: Any, frame: Any) -> Iterable[News] | None:
        if not isinstance(result, dict) or "free" not in result:
            return None
        now = translate.balances(result, now_ms(), complete=False, profile=profile, frame=frame)
        changed = {coin: balance for coin, balance in now.by_currency.items() if known.get(coin) != balance}
        known.update(changed)
        return [(key, Balances(now.time_ms, MappingProxyType(changed), complete=False))] if changed else []

    return decode


def _dicts(result: Any) -> list[Any] | None:
    """Rows of an account stream; None for answers to a login and the like."""
    if isinstance(result, dict):
        return [result] if "symbol" in result and "info" in result else None
    rows = changed_rows(result)
    return rows if rows is None or all(isinstance(row, dict) for row in rows) else None
