"""Hyperliquid's ``/info``: everything that can be asked, public or of an address; nothing of it is signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from btccxt.matching.records import SimFill
from btccxt.model import Market
from btccxt.sim.dialects.base import DialectError
from btccxt.sim.dialects.hyperliquid import format as fmt
from btccxt.sim.dialects.hyperliquid.core import HyperliquidCore
from btccxt.sim.dialects.hyperliquid.errors import unreadable

Asked = Mapping[str, Any]
_MOST_CANDLES, _MOST_FILLS, _MOST_ORDERS = 5_000, 2_000, 2_000


def answer(dialect: HyperliquidCore, asked: Asked) -> Any:
    """Raises DialectError."""
    found = _ANSWERS.get(str(asked.get("type")))
    if found is None:
        raise unreadable(f"unknown variant {asked.get('type')}")
    return found(dialect, asked)


def weight(asked: Asked) -> int:
    return 2 if str(asked.get("type")) in _LIGHT else 20


# ------------------------------------------------------------------ markets


def _market(dialect: HyperliquidCore, coin: object) -> Market:
    market = dialect.market_at(coin)
    if market is None:
        raise DialectError(500, None)
    return market


def context(dialect: HyperliquidCore, market: Market) -> dict[str, Any]:
    mirror = dialect.venue.mirror(market.symbol)
    mirror.refresh()
    funding = dialect.venue.engine.funding_rate(market.symbol)
    return fmt.context(market, dialect.venue.day_bar(market.symbol), mirror.best_bid, mirror.best_ask, funding)


def _status(dialect: HyperliquidCore, asked: Asked) -> Any:
    return {"time": dialect.venue.server_time_ms(), "specialStatuses": None}


def _meta(dialect: HyperliquidCore, asked: Asked) -> Any:
    engine = dialect.venue.engine
    universe = [
        fmt.perpetual(engine.markets[market.symbol], engine.brackets(market.symbol)[0].max_leverage)
        for market in dialect.perpetuals
    ]
    return {"universe": universe, "marginTables": [], "collateralToken": 0}


def _meta_and_contexts(dialect: HyperliquidCore, asked: Asked) -> Any:
    return [_meta(dialect, asked), [context(dialect, market) for market in dialect.perpetuals]]


def _spot_meta(dialect: HyperliquidCore, asked: Asked) -> Any:
    sizes = {market.base: fmt.decimals(market.amount_step) for market in dialect.spots}
    tokens = [fmt.token(coin, number, sizes.get(coin, 8)) for coin, number in dialect.tokens.items()]
    universe = [
        {
            "tokens": [dialect.tokens[market.base], dialect.tokens[market.quote]],
            "name": dialect.ids[market.symbol],
            "index": number,
            "isCanonical": True,
        }
        for number, market in enumerate(dialect.spots)
    ]
    return {"universe": universe, "tokens": tokens}


def _spot_meta_and_contexts(dialect: HyperliquidCore, asked: Asked) -> Any:
    contexts = [{**context(dialect, market), "coin": dialect.ids[market.symbol]} for market in dialect.spots]
    return [_spot_meta(dialect, asked), contexts]


def all_mids(dialect: HyperliquidCore, asked: Asked) -> Any:
    return {dialect.ids[market.symbol]: context(dialect, market)["midPx"] for market in dialect.markets.values()}


def _candles(dialect: HyperliquidCore, asked: Asked) -> Any:
    """Oldest first, the latest 5,000 of those that open within [startTime, endTime]."""
    wanted: Any = asked.get("req") or {}
    market, interval = _market(dialect, wanted.get("coin")), str(wanted.get("interval"))
    if interval not in fmt.INTERVALS:
        raise unreadable(f"unknown variant {interval}")
    start, now_ms = int(wanted.get("startTime") or 0), dialect.venue.now_ms()
    until = min(int(wanted.get("endTime") or now_ms), now_ms)
    bars = dialect.venue.last_bars(market.symbol, interval, until, _MOST_CANDLES)
    return [fmt.candle(str(wanted["coin"]), interval, bar) for bar in bars if bar.open_ms >= start]


def book(dialect: HyperliquidCore, asked: Asked) -> Any:
    """Twenty levels a side."""
    market = _market(dialect, asked.get("coin"))
    mirror = dialect.venue.mirror(market.symbol)
    mirror.refresh()
    return fmt.book(str(asked["coin"]), mirror.bids[:20], mirror.asks[:20], dialect.venue.now_ms())


def _recent_trades(dialect: HyperliquidCore, asked: Asked) -> Any:
    market = _market(dialect, asked.get("coin"))
    return [fmt.trade(str(asked["coin"]), each) for each in reversed(dialect.venue.last_trades(market.symbol, 10))]


def _funding_history(dialect: HyperliquidCore, asked: Asked) -> Any:
    coin = str(asked.get("coin"))
    market, since, until = _market(dialect, coin), *_window(dialect, asked)
    return [
        {"coin": coin, "fundingRate": fmt.text(each.rate), "premium": "0.0", "time": each.time_ms}
        for each in dialect.venue.engine.funding_history(market.symbol)
        if since <= each.time_ms <= until
    ]


def _window(dialect: HyperliquidCore, asked: Asked) -> tuple[int, int]:
    return int(asked.get("startTime") or 0), int(asked.get("endTime") or dialect.venue.now_ms())


# ------------------------------------------------------------------ of an address


def _owner(dialect: HyperliquidCore, asked: Asked) -> str | None:
    """Whose address it is; None for one that has never been here."""
    account = dialect.account_at(asked.get("user"))
    return None if account is None else account.name


def _clearinghouse(dialect: HyperliquidCore, asked: Asked) -> Any:
    owner = _owner(dialect, asked)
    return (
        fmt.clearinghouse(None, [], [], dialect.venue.now_ms()) if owner is None else dialect.clearinghouse_state(owner)
    )


def _spot_clearinghouse(dialect: HyperliquidCore, asked: Asked) -> Any:
    owner = _owner(dialect, asked)
    return {"balances": []} if owner is None else dialect.spot_state(owner)


def _open_orders(dialect: HyperliquidCore, asked: Asked) -> Any:
    owner = _owner(dialect, asked)
    found = [] if owner is None else dialect.orders(owner, open_only=True)
    return [fmt.order(dialect.ids[order.symbol], order) for order in reversed(found)]


def _order_status(dialect: HyperliquidCore, asked: Asked) -> Any:
    owner = _owner(dialect, asked)
    found = None if owner is None else dialect.find(owner, asked.get("oid"))
    if found is None:
        return {"status": "unknownOid"}
    order, status = found
    row = {"order": fmt.order(dialect.ids[order.symbol], order), "status": status, "statusTimestamp": order.updated_ms}
    return {"status": "order", "order": row}


def _historical_orders(dialect: HyperliquidCore, asked: Asked) -> Any:
    owner = _owner(dialect, asked)
    found = [] if owner is None else dialect.history(owner)[:_MOST_ORDERS]
    return [
        {"order": fmt.order(dialect.ids[order.symbol], order), "status": status, "statusTimestamp": order.updated_ms}
        for order, status in found
    ]


def user_fills(dialect: HyperliquidCore, asked: Asked) -> Any:
    """The latest ones, newest first."""
    return [dialect.fill_row(fill) for fill in reversed(_fills(dialect, asked)[-_MOST_FILLS:])]


def _fills_by_time(dialect: HyperliquidCore, asked: Asked) -> Any:
    """The first ones of the window, oldest first."""
    since, until = _window(dialect, asked)
    chosen = [fill for fill in _fills(dialect, asked) if since <= fill.time_ms <= until]
    return [dialect.fill_row(fill) for fill in chosen[:_MOST_FILLS]]


def _fills(dialect: HyperliquidCore, asked: Asked) -> list[SimFill]:
    owner = _owner(dialect, asked)
    return [] if owner is None else dialect.fills(owner)


def _user_funding(dialect: HyperliquidCore, asked: Asked) -> Any:
    owner, (since, until) = _owner(dialect, asked), _window(dialect, asked)
    return [
        fmt.funding_paid(dialect.ids[paid.symbol], paid)
        for paid in (dialect.venue.engine.fundings(owner) if owner is not None else ())
        if paid.symbol in dialect.ids and since <= paid.time_ms <= until
    ]


def _user_fees(dialect: HyperliquidCore, asked: Asked) -> Any:
    def rates(markets: list[Market]) -> tuple[str, str]:
        makers, takers = [m.maker_rate for m in markets], [m.taker_rate for m in markets]
        return fmt.text(max(makers, default=0)), fmt.text(max(takers, default=0))

    (add, cross), (spot_add, spot_cross) = rates(dialect.perpetuals), rates(dialect.spots)
    return {
        "dailyUserVlm": [],
        "userCrossRate": cross,
        "userAddRate": add,
        "userSpotCrossRate": spot_cross,
        "userSpotAddRate": spot_add,
        "activeReferralDiscount": "0.0",
    }


def _abstraction(dialect: HyperliquidCore, asked: Asked) -> Any:
    return "default"


def _other_exchanges(dialect: HyperliquidCore, asked: Asked) -> Any:
    """Markets of third parties: none beside the first."""
    return [None]


def _builder_fee(dialect: HyperliquidCore, asked: Asked) -> Any:
    return 0


_ANSWERS: Mapping[str, Callable[[HyperliquidCore, Asked], Any]] = {
    "exchangeStatus": _status,
    "meta": _meta,
    "metaAndAssetCtxs": _meta_and_contexts,
    "spotMeta": _spot_meta,
    "spotMetaAndAssetCtxs": _spot_meta_and_contexts,
    "allMids": all_mids,
    "candleSnapshot": _candles,
    "l2Book": book,
    "recentTrades": _recent_trades,
    "fundingHistory": _funding_history,
    "clearinghouseState": _clearinghouse,
    "spotClearinghouseState": _spot_clearinghouse,
    "openOrders": _open_orders,
    "frontendOpenOrders": _open_orders,
    "orderStatus": _order_status,
    "historicalOrders": _historical_orders,
    "userFills": user_fills,
    "userFillsByTime": _fills_by_time,
    "userFunding": _user_funding,
    "userFees": _user_fees,
    "userAbstraction": _abstraction,
    "perpDexs": _other_exchanges,
    "maxBuilderFee": _builder_fee,
}
_LIGHT = frozenset(
    {"l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"}
)
