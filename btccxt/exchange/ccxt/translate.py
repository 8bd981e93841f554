"""ccxt's dicts -> the frozen records of ``btccxt.model``. All is copied: ccxt goes on changing its own objects."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from btccxt.errors import Unsupported
from btccxt.exchange.ccxt.balances import balances as balances
from btccxt.exchange.ccxt.order_trades import fills_in_order
from btccxt.exchange.ccxt.statuses import Judgement, field_of, first_of, judge, matches, number_of
from btccxt.exchange.ccxt.times import latest_time, raw_time, time_of
from btccxt.exchange.profile.profile_schema import HedgeRule, PositionRule, Profile
from btccxt.exchange.profile.status_rule import StatusRule
from btccxt.model import (
    ZERO,
    Bar,
    Fee,
    Fill,
    FundingPayment,
    Market,
    MarketType,
    OrderBook,
    OrderKind,
    OrderStatus,
    OrderUpdate,
    Origin,
    Position,
    Side,
    Ticker,
    Trade,
    made_up_trade_id,
)

_DECIMAL_PLACES, _SIGNIFICANT_DIGITS = 2, 3  # ccxt's precision modes; the third is the tick size itself
_SHOWN_SYMBOLS = 3
_LONGEST_ID = 200
_AS_CCXT_READS = PositionRule()
_ENDED_SHORT = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})
_HEALTHY = frozenset({OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.TRIGGERED})


# ------------------------------------------------------------------ orders and fills


def order_update(
    order: Mapping[str, Any],
    profile: Profile,
    origin: Origin,
    *,
    conditional: bool | None = None,
    frame: Any = None,
) -> OrderUpdate:
    """One ccxt order -> OrderUpdate. ``filled`` is the exchange's own figure or None, never ccxt's inference.

    ``frame``: the raw message that brought it, which may be all that has the time of its end.
    """
    rule, info = profile.statuses, order.get("info")
    facts = judge(order, profile, origin, conditional=conditional)
    symbol = _text(order.get("symbol")) or ""
    average = None if facts.filled == 0 else _average(info, rule)
    if facts.conditional and profile.conditional.separate_book:
        average = None  # its child's
    elif not average and facts.filled:
        average = number_of(order.get("average"))
    id_fields, client_id_fields = rule.order_id_fields, rule.client_id_fields
    if facts.conditional:
        id_fields = rule.conditional_order_id_fields or id_fields
        client_id_fields = rule.conditional_client_id_fields or client_id_fields
    client_id = _client_id(first_of(info, client_id_fields))
    if client_id is None and rule.ccxt_client_id:
        client_id = _client_id(order.get("clientOrderId"))
    prefix = profile.client_id.wire_prefix
    if client_id and prefix and client_id.startswith(prefix):
        client_id = client_id[len(prefix) :]
    order_id = _id(first_of(info, id_fields)) or _id(order.get("id"))
    child_id = _id(first_of(info, rule.child_id_fields)) if facts.conditional else None
    time_ms = latest_time(order, info, rule.time_fields)
    if facts.status is not OrderStatus.OPEN and rule.frame_time_fields:
        time_ms = max((each for each in (time_ms, raw_time(frame, rule.frame_time_fields)) if each), default=None)
    side = _own_side(info, rule.side_fields, rule) or _side(order.get("side"))
    hedge = profile.hedge
    position_side = None if hedge is None else hedge.position_side(first_of(info, hedge.order_fields))
    listed = tuple(
        fill(
            trade,
            profile,
            order_id=order_id,
            client_order_id=client_id,
            symbol=symbol,
            time_ms=time_ms,
            side=side,
            position_side=position_side,
        )
        for trade in order.get("trades") or ()
        if trade.get("id") is not None and trade.get("amount") is not None
        # Without a side it is left out: the same fill comes again, whole, with the account's trades.
        if side is not None or _side(trade.get("side")) is not None
    )
    fills = listed
    if rule.order_trades is not None:
        fills = fills_in_order(
            info, rule.order_trades, symbol=symbol, side=side, order_id=order_id, client_order_id=client_id,
            time_ms=time_ms,
        )  # fmt: skip
    filled = facts.filled
    if filled is None and rule.all_trades_listed and fills:
        filled = sum((each.amount for each in fills), ZERO)
        average = sum((each.amount * each.price for each in fills), ZERO) / filled
    return OrderUpdate(
        symbol=symbol,
        status=facts.status,
        origin=origin,
        order_id=order_id,
        client_order_id=client_id,
        side=side,
        kind=_kind(order),
        price=_positive(order.get("price")),
        trigger_price=_positive(first_of(info, rule.trigger_price_fields)) or _positive(order.get("triggerPrice")),
        amount=facts.amount if facts.amount is not None else _told_amount(order, facts),
        filled=filled,
        average=average or None,
        time_ms=time_ms,
        raw_status=facts.raw_status,
        reject_reason=None if facts.status in _HEALTHY else _reason(info, rule, facts.raw_status),
        child_order_id=child_id if child_id != "0" else None,
        conditional=facts.conditional,
        fills=fills,
        position_side=position_side,
    )


def fill(
    trade: Mapping[str, Any],
    profile: Profile,
    *,
    order_id: str | None = None,
    client_order_id: str | None = None,
    symbol: str = "",
    time_ms: int | None = None,
    side: Side | None = None,
    position_side: str | None = None,
) -> Fill:
    """One trade of the account -> Fill. Keyword arguments fill in what the trade itself does not carry.

    Where the exchange gives no trade id, one is made from what cannot change, so that the same fill has the same id.
    Raises ValueError for a trade of which nobody knows whether it bought or sold.
    """
    found_order_id = _id(trade.get("order")) or order_id
    price, amount = number_of(trade.get("price")) or ZERO, abs(number_of(trade.get("amount")) or ZERO)
    info, rule = trade.get("info"), profile.statuses
    price = number_of(first_of(info, rule.fill_price_fields)) or price
    amount = abs(number_of(first_of(info, rule.fill_amount_fields)) or amount)
    time_ms = time_of(trade.get("timestamp")) or raw_time(info, rule.fill_time_fields) or time_ms or 0
    case = next((each.side for each in rule.fill_side_cases if matches(info, each.when)), None)
    side = case or _own_side(info, rule.fill_side_fields, rule) or _side(trade.get("side")) or side
    if side is None:
        raise ValueError(f"trade {trade.get('id')} of order {found_order_id} says neither buy nor sell")
    client_id = client_order_id or _client_id(trade.get("clientOrderId"))
    client_id = client_id or _client_id(first_of(info, rule.fill_client_id_fields))
    prefix = profile.client_id.wire_prefix
    if client_id and prefix and client_id.startswith(prefix):
        client_id = client_id[len(prefix) :]
    maker_or_taker = trade.get("takerOrMaker")
    return Fill(
        trade_id=_own_fill_id(info, rule)
        or _id(trade.get("id"))
        or f"{found_order_id}:{time_ms}:{side.value}:{price}:{amount}",
        symbol=_text(trade.get("symbol")) or symbol,
        side=side,
        price=price,
        amount=amount,
        time_ms=time_ms,
        order_id=found_order_id,
        client_order_id=client_id,
        fee=_fee(trade, profile),
        maker=None if maker_or_taker is None else maker_or_taker == "maker",
        position_side=_position_side(info, side, profile.hedge) or position_side,
    )


def _position_side(info: Any, side: Side, hedge: HedgeRule | None) -> str | None:
    """Of a fill, in an account in hedge mode or not: where it does not say, what it closed tells it."""
    if hedge is None:
        return None
    if (said := hedge.position_side(first_of(info, hedge.fill_fields))) is not None or not hedge.closed_fields:
        return said
    closed = number_of(first_of(info, hedge.closed_fields))
    if closed is None:
        return None
    return "long" if (side is Side.BUY) is not bool(closed) else "short"


def _told_amount(order: Mapping[str, Any], facts: Judgement) -> Decimal | None:
    """ccxt's amount. Of an order that ended short it cannot be what is filled: ccxt writes that where it finds none."""
    amount = number_of(order.get("amount"))
    return None if facts.status in _ENDED_SHORT and amount == facts.filled else amount


def _own_fill_id(info: Any, rule: StatusRule) -> str | None:
    """The id of a fill by what stream and REST share of it, where their own ids are not the same."""
    parts = [field_of(info, path) for path in rule.fill_id_fields]
    if not parts or None in parts:
        return None
    return "-".join(str(part) if (figure := number_of(part)) is None else f"{figure.normalize():f}" for part in parts)


def _fee(trade: Mapping[str, Any], profile: Profile) -> Fee | None:
    rule = profile.statuses
    if rule.fill_fee_fields and first_of(trade.get("info"), rule.fill_fee_fields) is None:
        return None  # the exchange tells none here: ccxt has multiplied by a rate of its own
    whole = None  # where ccxt adds a part of it once more, or turns its sign
    if rule.fill_whole_fee_fields and matches(trade.get("info"), rule.fill_whole_fee_when):
        whole = number_of(first_of(trade.get("info"), rule.fill_whole_fee_fields))
    # Where the exchange writes a paid fee as a negative number, ccxt does not always turn the sign.
    negated = number_of(first_of(trade.get("info"), rule.fill_negative_fee_fields))
    named = first_of(trade.get("info"), rule.fill_fee_currency_fields)  # where ccxt writes one coin whatever was paid
    first: Fee | None = None
    for fee in (trade.get("fee"), *(trade.get("fees") or ())):
        if fee and fee.get("currency") is not None and (cost := number_of(fee.get("cost"))) is not None:
            paid = -negated if negated is not None else cost if whole is None else whole
            told = Fee(str(fee["currency"] if named is None else named), paid)
            if told.cost:
                return told
            first = first or told  # where a third coin pays, some exchanges name the usual one first, with zero
    if first is None and named is not None:
        own = number_of(first_of(trade.get("info"), rule.fill_own_fee_fields))
        return None if own is None else Fee(str(named).upper(), own)
    return first


def _kind(order: Mapping[str, Any]) -> OrderKind | None:
    """Kind where ccxt's answer leaves no doubt; a trigger price may be a stop's, a take-profit's or an exit's."""
    if any(order.get(name) is not None for name in ("triggerPrice", "stopLossPrice", "takeProfitPrice")):
        return None  # ccxt writes the prices of attached exits there as well
    return {"limit": OrderKind.LIMIT, "market": OrderKind.MARKET}.get(str(order.get("type")))


# ------------------------------------------------------------------ account


def position(entry: Mapping[str, Any], now_ms: int, rule: PositionRule = _AS_CCXT_READS) -> Position:
    """ccxt's position -> Position with a signed amount in contracts; flat is zero.

    Raises ValueError for one that was opened at some price, and nobody says how large it is.
    """
    info, side, contracts = entry.get("info"), entry.get("side"), contracts_of(entry, rule)
    entry_price = _positive(first_of(info, rule.entry_fields)) or _entry_price(info, rule)
    entry_price = entry_price or _positive(entry.get("entryPrice"))
    if contracts is None and entry_price is not None:
        raise ValueError(f"a position in {entry.get('symbol')} without an amount")
    contracts = contracts or ZERO
    if side in ("long", "short"):
        contracts = abs(contracts)
    return Position(
        symbol=str(entry.get("symbol")),
        amount=-contracts if side == "short" else contracts,
        entry_price=entry_price,
        time_ms=latest_time(entry, info, rule.time_fields) or now_ms,
        unrealised_pnl=number_of(entry.get("unrealizedPnl")),
        leverage=number_of(entry.get("leverage")),
        liquidation_price=_positive(entry.get("liquidationPrice")),
        margin_mode=_text(entry.get("marginMode")),
        hedge_side=side if entry.get("hedged") is True and side in ("long", "short") else None,  # "both" is none
        mark_price=_positive(entry.get("markPrice")),
        margin=_positive(entry.get("initialMargin")) or _positive(entry.get("collateral")),
    )


def contracts_of(entry: Mapping[str, Any], rule: PositionRule) -> Decimal | None:
    """The figure of a position's amount, signed where the exchange signs it; None: there is none."""
    own = number_of(first_of(entry.get("info"), rule.signed_amount_fields))
    return own if own is not None else number_of(entry.get("contracts"))


def _entry_price(info: Any, rule: PositionRule) -> Decimal | None:
    for cost_field, amount_field in rule.entry_quotients:
        cost, amount = number_of(field_of(info, cost_field)), number_of(field_of(info, amount_field))
        if cost and amount:
            return abs(cost / amount)
    return None


def funding(row: Mapping[str, Any], profile: Profile) -> FundingPayment:
    """ccxt's funding payment -> FundingPayment: exchanges differ in what the sign of its amount means."""
    amount = number_of(row.get("amount")) or ZERO
    return FundingPayment(
        symbol=str(row.get("symbol")),
        currency=str(row.get("code")),
        amount=-amount if profile.funding_amounts == "paid" else amount,
        time_ms=time_of(row.get("timestamp")) or 0,
        payment_id=_text(row.get("id")) or "",
    )


# ------------------------------------------------------------------ markets


def market(
    entry: Mapping[str, Any], precision_mode: int, *, amounts_in_base: bool = False, market_id: str = "{id}"
) -> Market | None:
    """ccxt's market -> Market; None for what is neither spot nor contract. ``precision_mode`` is the exchange's own.

    ``amounts_in_base``: its contracts are ordered and held in base units, whatever a contract's size. ``market_id``:
    how what orders call it is made of ccxt's record.
    """
    kind = _market_type(entry)
    if kind is None:
        return None
    limits, precision = entry.get("limits") or {}, entry.get("precision") or {}
    amount, price, cost = (limits.get(key) or {} for key in ("amount", "price", "cost"))
    return Market(
        symbol=str(entry["symbol"]),
        base=str(entry.get("base")),
        quote=str(entry.get("quote")),
        settle=_text(entry.get("settle")),
        type=kind,
        active=entry.get("active") is not False,
        price_step=_step(precision.get("price"), precision_mode),
        amount_step=_step(precision.get("amount"), precision_mode, is_amount=True),
        min_amount=_positive(amount.get("min")),
        max_amount=_positive(amount.get("max")),
        min_price=_positive(price.get("min")),
        max_price=_positive(price.get("max")),
        min_cost=_positive(cost.get("min")),
        max_cost=_positive(cost.get("max")),
        contract_size=(None if amounts_in_base else _positive(entry.get("contractSize"))) or Decimal(1),
        maker_rate=number_of(entry.get("maker")) or ZERO,
        taker_rate=number_of(entry.get("taker")) or ZERO,
        id=market_id.format_map(defaultdict(str, entry)),
    )


def _market_type(entry: Mapping[str, Any]) -> MarketType | None:
    if entry.get("option"):
        return MarketType.OPTION
    if entry.get("contract") or entry.get("swap") or entry.get("future"):
        return MarketType.INVERSE if entry.get("inverse") else MarketType.LINEAR
    return MarketType.SPOT if entry.get("spot") else None


def _step(precision: Any, mode: int, *, is_amount: bool = False) -> Decimal | None:
    """Step size of a ccxt precision. Significant digits are no step for prices; for amounts they are decimal places."""
    value = number_of(precision)
    if value is None:
        return None
    if mode == _DECIMAL_PLACES or (mode == _SIGNIFICANT_DIGITS and is_amount):
        return Decimal(1).scaleb(-int(value))
    if mode == _SIGNIFICANT_DIGITS or value <= 0:
        return None
    return value


# ------------------------------------------------------------------ market data


def bar(row: Sequence[Any]) -> Bar:
    """ccxt's candle row ``[ms, open, high, low, close, volume]`` -> Bar."""
    return Bar(int(row[0]), float(row[1]), float(row[2]), float(row[3]), float(row[4]), float(row[5] or 0.0))


def trade(entry: Mapping[str, Any]) -> Trade:
    """ccxt's public trade -> Trade."""
    time_ms = int(entry["timestamp"])
    price, amount = float(entry["price"]), float(entry["amount"])
    trade_id = entry.get("id")
    return Trade(
        trade_id=str(trade_id) if trade_id is not None else made_up_trade_id(time_ms, price, amount),
        time_ms=time_ms,
        price=price,
        amount=amount,
        side=_side(entry.get("side")),
        symbol=str(entry.get("symbol") or ""),
    )


def told_apart(trades: Iterable[Trade]) -> list[Trade]:
    """One answer of public trades, oldest first. Equal trades without ids of their own are told apart by a number."""
    found = sorted(trades, key=lambda each: each.time_ms)
    met: Counter[str] = Counter()
    for place, each in enumerate(found):
        if not each.has_own_id:
            met[each.trade_id] += 1
            if (count := met[each.trade_id]) > 1:
                found[place] = replace(each, trade_id=f"{each.trade_id}#{count}")
    return found


def ticker(entry: Mapping[str, Any], now_ms: int) -> Ticker:
    """ccxt's ticker -> Ticker. ``now_ms`` stands in where the exchange gives no time."""
    return Ticker(
        symbol=str(entry["symbol"]),
        time_ms=time_of(entry.get("timestamp")) or now_ms,
        bid=_float(entry.get("bid")),
        ask=_float(entry.get("ask")),
        bid_amount=_float(entry.get("bidVolume")),
        ask_amount=_float(entry.get("askVolume")),
        last=_float(entry.get("last")),
    )


def order_book(entry: Mapping[str, Any], now_ms: int, levels: int) -> OrderBook:
    """The best ``levels`` of each side of ccxt's order book, which goes on changing: a copy."""
    return OrderBook(
        symbol=str(entry["symbol"]),
        time_ms=time_of(entry.get("timestamp")) or now_ms,
        bids=tuple((float(row[0]), float(row[1])) for row in entry["bids"][:levels]),
        asks=tuple((float(row[0]), float(row[1])) for row in entry["asks"][:levels]),
    )


# ------------------------------------------------------------------ small parts


def _side(word: Any) -> Side | None:
    return Side(word) if word in ("buy", "sell") else None


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _id(value: Any) -> str | None:
    """Raises ValueError for what can be none: an order is asked for by it as long as it lives."""
    if value is None or value == "":
        return None
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, str | int) or len(text) > _LONGEST_ID or not text.isprintable():
        raise ValueError(f"an id of {text[:_LONGEST_ID]!r}")
    return text


def _positive(value: Any) -> Decimal | None:
    number = number_of(value)
    return number if number is not None and number > 0 else None


def _average(info: Any, rule: StatusRule) -> Decimal | None:
    if average := number_of(first_of(info, rule.average_fields)):
        return average
    for cost_field, amount_field in rule.average_quotients:
        cost, amount = number_of(field_of(info, cost_field)), number_of(field_of(info, amount_field))
        if cost and amount:
            return cost / amount
    return None


def _own_side(info: Any, fields: Iterable[str], rule: StatusRule) -> Side | None:
    """The side in the exchange's own words, where ccxt misreads them."""
    if (said := first_of(info, fields)) is None:
        return None
    word = str(said)
    return rule.sides.get(word) or next((side for form, side in rule.sides.items() if fnmatchcase(word, form)), None)


def _reason(info: Any, rule: StatusRule, word: str | None) -> str | None:
    """Why an order ended: the first field that says more than that there is nothing to say, else a telling status."""
    for path in rule.reason_fields:
        if (said := _text(field_of(info, path))) is not None and said not in rule.no_reasons:
            return rule.reason_texts.get(path, {}).get(said, said)
    if word is not None and word not in rule.no_reasons and any(fnmatchcase(word, form) for form in rule.reason_words):
        return word
    return None


def _client_id(value: Any) -> str | None:
    """A client order id; nothing but zeros is how some exchanges write that there is none."""
    said = _id(value)
    return None if said is None or not said.strip("0-") else said


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def markets_of(profile: Profile, raw: Mapping[str, Any], precision_mode: int) -> Mapping[str, Market]:
    """Markets of the profile's type by unified symbol. Raises Unsupported if there are none."""
    in_base, market_id = profile.amounts_in == "base", profile.market_id
    found = {
        symbol: listed
        for symbol, entry in raw.items()
        if (listed := market(entry, precision_mode, amounts_in_base=in_base, market_id=market_id)) is not None
        and listed.type is profile.market_type
    }
    if not found:
        raise Unsupported(f"{profile.exchange} lists no {profile.market_type.value} markets")
    return found


def unknown_symbol(profile: Profile, symbol: str, markets: Mapping[str, Market]) -> str:
    """What is wrong, and which symbols may be meant."""
    near = difflib.get_close_matches(symbol.upper(), markets, n=_SHOWN_SYMBOLS, cutoff=0.6)
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; it has {len(markets)} others"
    return f"{profile.exchange} has no {profile.market_type.value} market {symbol!r}{hint}"
