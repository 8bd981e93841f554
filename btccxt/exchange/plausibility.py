"""Does what an exchange says make sense? Pure checks between the translation of an answer and its use.

What fails is not believed: the attempt counts as failed and is made again; a bad row of a list is left out. The bounds
are wide: they tell a figure from rubbish, not a good price from a bad one.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from btccxt.model import ZERO, Balances, Bar, Fill, OrderBook, OrderUpdate, Position, Ticker, Trade
from btccxt.timeframe import Timeframe

_MOST_PRICE = 1e15
_MOST_AMOUNT = 1e24  # coins of which a trillionth of a cent buys a million
_MOST = Decimal("1e24")
_EARLIEST_MS = 1_230_768_000_000  # 2009: nothing was traded before
_LATEST_MS = 4_102_444_800_000  # 2100: seconds or microseconds, taken for milliseconds, lie outside
_MOST_AHEAD_MS = 60_000
_EXACT_LENGTH_MS = 4 * 3_600_000  # some exchanges open longer candles at midnight of their own zone
_ROUNDING = Decimal("1.000001")
_MOST_LEVERAGE = Decimal(1_000)
_MOST_TEXT = 300
_KINDS: Mapping[str, type] = {"text": str, "number": int, "list": list}


class Implausible(ValueError):
    """What was said cannot be true; the text says why."""


class AheadOfUs(Implausible):
    """It has a time to come: rubbish, or our idea of the exchange's time is wrong."""


def check_bar(bar: Bar, timeframe: Timeframe, now_ms: float, slack_ms: float = 0.0) -> Bar:
    """``slack_ms``: by how much our idea of the exchange's time may be wrong. Raises Implausible; so do all here."""
    open_ms, low, high = bar.open_ms, bar.low, bar.high
    # One chain of comparisons: NaN and infinities fail it as well.
    if not (0.0 < low <= bar.open <= high < _MOST_PRICE and low <= bar.close <= high):
        raise Implausible(f"prices of a candle: {bar}")
    if not 0.0 <= bar.volume < _MOST_AMOUNT:
        raise Implausible(f"volume of a candle: {bar}")
    if not _EARLIEST_MS < open_ms < _LATEST_MS:
        raise Implausible(f"time of a candle: {bar}")
    if open_ms > now_ms + slack_ms + _MOST_AHEAD_MS:
        raise AheadOfUs(f"a candle of the future: {bar}")
    length_ms = timeframe.length_ms
    if length_ms is not None and length_ms <= _EXACT_LENGTH_MS and open_ms % length_ms:
        raise Implausible(f"a candle that opens between two of {timeframe.name}: {bar}")
    return bar


def check_trade(trade: Trade, now_ms: float, slack_ms: float = 0.0) -> Trade:
    """``slack_ms``: as ``check_bar``."""
    if not (0.0 < trade.price < _MOST_PRICE and 0.0 <= trade.amount < _MOST_AMOUNT):
        raise Implausible(f"price or amount of a trade: {trade}")
    if check_time(trade.time_ms) > now_ms + slack_ms + _MOST_AHEAD_MS:
        raise AheadOfUs(f"a trade of the future: {trade}")
    return trade


def check_ticker(ticker: Ticker, symbol: str | None = None) -> Ticker:
    """Zero and None mean that there is none. ``symbol``: the one that was asked for."""
    if symbol is not None and ticker.symbol != symbol:
        raise Implausible(f"a ticker of {ticker.symbol}, not of {symbol}")
    for price in (ticker.bid, ticker.ask, ticker.last):
        if price is not None and not 0.0 <= price < _MOST_PRICE:
            raise Implausible(f"price of a ticker: {ticker}")
    for amount in (ticker.bid_amount, ticker.ask_amount):
        if amount is not None and not 0.0 <= amount < _MOST_AMOUNT:
            raise Implausible(f"amount of a ticker: {ticker}")
    if not (ticker.bid or ticker.ask or ticker.last):
        raise Implausible(f"a ticker without a price: {ticker}")
    return ticker


def check_order(update: OrderUpdate, symbol: str | None = None) -> OrderUpdate:
    """``symbol``: of the order that was asked for. Frames of some exchanges name none."""
    if symbol is not None and update.symbol != symbol:
        raise Implausible(f"an order on {update.symbol}, not on {symbol}")
    if update.order_id is None and update.client_order_id is None:
        raise Implausible("an order without an id")
    amount, filled = update.amount, update.filled
    for figure in (amount, filled, update.price, update.average, update.trigger_price):
        if figure is not None and not ZERO <= figure < _MOST:
            raise Implausible(f"order {_name(update)}: {figure}")
    if filled is not None and amount and filled > amount * _ROUNDING:
        raise Implausible(f"order {_name(update)}: {filled} filled of {amount}")
    if update.time_ms is not None:
        check_time(update.time_ms)
    for fill in update.fills:
        check_fill(fill)
    return update


def check_asked(update: OrderUpdate, order_id: str | None, client_order_id: str | None) -> OrderUpdate:
    """``update`` answers the question after an order with these ids: it must bear one of them."""
    pairs = ((order_id, update.order_id), (order_id, update.child_order_id), (client_order_id, update.client_order_id))
    known = [(asked, told) for asked, told in pairs if asked is not None and told is not None]
    if known and all(asked != told for asked, told in known):
        raise Implausible(f"asked for {client_order_id or order_id}, told of {_name(update)} ({update.order_id})")
    return update


def check_fill(fill: Fill) -> Fill:
    if not (ZERO < fill.price < _MOST and ZERO < fill.amount < _MOST):
        raise Implausible(f"trade {fill.trade_id}: {fill.amount} at {fill.price}")
    if fill.fee is not None and not fill.fee.cost.is_finite():
        raise Implausible(f"trade {fill.trade_id}: fee {fill.fee.cost}")
    check_time(fill.time_ms)
    return fill


def check_balances(balances: Balances) -> Balances:
    """A complete answer that names no coin is none; one bad coin spoils it, because a missing coin means zero."""
    if balances.complete and not balances.by_currency:
        raise Implausible("an account without a single coin")
    for coin, balance in balances.by_currency.items():
        if not (abs(balance.free) < _MOST and abs(balance.used) < _MOST):  # a NaN raises, or fails
            raise Implausible(f"balance of {coin}: {balance}")
    return balances


def says_nothing(answer: object) -> bool:
    """No figure and no word in it, however it is nested: ``{}``, ``[]``, ``[{}]``, nulls."""
    if isinstance(answer, dict):
        return all(says_nothing(each) for each in answer.values())
    if isinstance(answer, list | tuple):
        return all(says_nothing(each) for each in answer)
    return answer is None or answer == ""


def check_answer(answer: object, envelope: Mapping[str, str]) -> object:
    """``envelope``: fields of every answer. A page, an empty body, ``{}`` is nobody's answer to a question."""
    if envelope:
        known = isinstance(answer, dict) and all(
            isinstance(answer.get(name), _KINDS[kind]) for name, kind in envelope.items()
        )
    else:
        known = answer == [] or (isinstance(answer, list) and not says_nothing(answer))
        known = known or (isinstance(answer, dict) and any(each is not None for each in answer.values()))
    if not known:
        without = f" (it has no {' or '.join(envelope)})" if envelope else ""
        raise Implausible(f"no answer of the exchange{without}: {answer!r}"[:_MOST_TEXT])
    return answer


def check_leverage(leverage: Decimal) -> Decimal:
    if not ZERO < leverage <= _MOST_LEVERAGE:
        raise Implausible(f"a leverage of {leverage}")
    return leverage


def check_money(amount: Decimal) -> Decimal:
    """Of a payment or a transfer, in either direction."""
    if not abs(amount) < _MOST:
        raise Implausible(f"an amount of {amount}")
    return amount


def check_position(position: Position) -> Position:
    if not position.symbol or position.symbol == "None":
        raise Implausible("a position on no market")
    if not abs(position.amount) < _MOST:
        raise Implausible(f"position in {position.symbol}: {position.amount}")
    if position.entry_price is not None and not ZERO <= position.entry_price < _MOST:
        raise Implausible(f"entry price of {position.symbol}: {position.entry_price}")
    return position


def check_server_time(time_ms: object) -> int:
    if isinstance(time_ms, bool) or not isinstance(time_ms, (int, float, str)):
        raise Implausible(f"the exchange's time: {time_ms!r}")
    return check_time(int(time_ms))


def check_order_book(book: OrderBook) -> OrderBook:
    """Prices fall among the bids and rise among the asks, and no bid reaches the best ask."""
    for side, worse in ((book.bids, -1.0), (book.asks, 1.0)):
        prices = [price * worse for price, _ in side]
        if any(not 0.0 < price < _MOST_PRICE or not 0.0 <= amount < _MOST_AMOUNT for price, amount in side):
            raise Implausible(f"a level of an order book: {book}")
        if prices != sorted(prices):
            raise Implausible(f"levels of an order book are not in order: {book}")
    if book.bids and book.asks and book.bids[0][0] >= book.asks[0][0]:
        raise Implausible(f"an order book that is crossed: {book}")
    return book


def check_time(time_ms: int) -> int:
    """Some milliseconds of the age in which exchanges exist."""
    if not _EARLIEST_MS < time_ms < _LATEST_MS:
        raise Implausible(f"{time_ms} is no time in milliseconds")
    return time_ms


def _name(update: OrderUpdate) -> str:
    return update.client_order_id or update.order_id or ""
