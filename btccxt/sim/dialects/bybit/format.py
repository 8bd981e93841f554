"""Bybit v5's JSON for markets, market data and the account, as pure functions: records in, dicts out.

Numbers are strings, times are strings of milliseconds. Orders: ``order_format``.
Shapes: bybit-exchange.github.io/docs/v5 (market, position, account, websocket).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.brackets import Bracket
from btccxt.matching.filters import plain
from btccxt.matching.records import Deposited, SimPosition
from btccxt.matching.values import is_inverse
from btccxt.model import ZERO, Balance, Bar, Market, Side, Trade, decimal_of
from btccxt.timeframe import parse_timeframe

INTERVALS = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h", "360": "6h",
    "720": "12h", "D": "1d", "W": "1w", "M": "1M",
}  # fmt: skip
INTERVAL_OF = {timeframe: interval for interval, timeframe in INTERVALS.items()}
SMALLEST = Decimal("0.00000001")


def text(number: Decimal | float | None) -> str:
    return "" if number is None else plain(decimal_of(number))


def side_name(side: Side | None) -> str:
    return "Sell" if side is Side.SELL else "Buy"


def own_order_id(order_id: str, category: str) -> str:
    """Engine's id -> Bybit's: a number for spot, a UUID for contracts."""
    return order_id if category == "spot" else str(uuid.UUID(int=int(order_id)))


# ------------------------------------------------------------------ markets


def instrument(own_id: str, market: Market, max_leverage: Decimal | None) -> dict[str, Any]:
    step, lot = market.price_step or SMALLEST, market.amount_step or SMALLEST
    common = {
        "symbol": own_id,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "status": "Trading" if market.active else "Closed",
    }
    least, most = text(market.min_amount or lot), text(market.max_amount or Decimal(1_000_000))
    if not market.is_contract:
        lots = {
            "basePrecision": text(lot),
            "quotePrecision": text(SMALLEST),
            "minOrderQty": least,
            "maxOrderQty": most,
            "minOrderAmt": text(market.min_cost or Decimal(1)),
            "maxOrderAmt": text(market.max_cost or Decimal(1_000_000_000)),
        }
        return {
            **common,
            "innovation": "0",
            "marginTrading": "none",
            "lotSizeFilter": lots,
            "priceFilter": {"tickSize": text(step)},
        }
    return {
        **common,
        "contractType": "InversePerpetual" if is_inverse(market) else "LinearPerpetual",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -int(step.normalize().as_tuple().exponent))),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": text(max_leverage), "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": text(market.min_price or step),
            "maxPrice": text(market.max_price or Decimal(1_000_000)),
            "tickSize": text(step),
        },
        "lotSizeFilter": {
            "maxOrderQty": most,
            "minOrderQty": least,
            "qtyStep": text(lot),
            "postOnlyMaxOrderQty": most,
            "maxMktOrderQty": most,
            "minNotionalValue": text(market.min_cost or Decimal(5)),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": market.settle,
    }


def risk_limit(number: int, own_id: str, bracket: Bracket) -> dict[str, Any]:
    return {
        "id": number,
        "symbol": own_id,
        "riskLimitValue": text(bracket.cap),
        "maintenanceMargin": text(bracket.maintenance_rate),
        "initialMargin": text((1 / bracket.max_leverage).quantize(SMALLEST)),
        "isLowestRisk": int(number == 1),
        "maxLeverage": text(bracket.max_leverage),
        "mmDeduction": "",
    }


def coin_info(coin: str) -> dict[str, Any]:
    return {"name": coin, "coin": coin, "remainAmount": "0", "chains": []}


# ------------------------------------------------------------------ market data


def kline_row(bar: Bar) -> list[str]:
    turnover = bar.volume * (bar.open + bar.close) / 2
    numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume, turnover)
    return [str(bar.open_ms), *(text(number) for number in numbers)]


def kline_event(interval: str, bar: Bar, closed: bool, now_ms: int) -> dict[str, Any]:
    end_ms = parse_timeframe(INTERVALS[interval]).next_open(bar.open_ms) - 1
    return {
        "start": bar.open_ms,
        "end": end_ms,
        "interval": interval,
        "open": text(bar.open),
        "close": text(bar.close),
        "high": text(bar.high),
        "low": text(bar.low),
        "volume": text(bar.volume),
        "turnover": text(bar.volume * (bar.open + bar.close) / 2),
        "confirm": closed,
        "timestamp": now_ms,
    }


def public_trade(own_id: str, trade: Trade) -> dict[str, Any]:
    return {
        "execId": trade.trade_id,
        "symbol": own_id,
        "price": text(trade.price),
        "size": text(trade.amount),
        "side": side_name(trade.side),
        "time": str(trade.time_ms),
        "isBlockTrade": False,
        "isRPITrade": False,
    }


def trade_event(own_id: str, trade: Trade) -> dict[str, Any]:
    return {
        "i": trade.trade_id,
        "T": trade.time_ms,
        "p": text(trade.price),
        "v": text(trade.amount),
        "S": side_name(trade.side),
        "s": own_id,
        "BT": False,
        "RPI": False,
    }


Level = tuple[Decimal, Decimal]


def levels(rows: Iterable[Level]) -> list[list[str]]:
    return [[text(price), text(amount)] for price, amount in rows]


def ticker(
    own_id: str, market: Market, day: Bar, bid: Level | None, ask: Level | None, funding_rate: Decimal
) -> dict[str, Any]:
    """As REST gives it: with the best bid and ask on spot too."""
    change = (day.close - day.open) / day.open if day.open else 0.0
    shown = {
        "symbol": own_id,
        "bid1Price": text(bid[0]) if bid else "",
        "bid1Size": text(bid[1]) if bid else "",
        "ask1Price": text(ask[0]) if ask else "",
        "ask1Size": text(ask[1]) if ask else "",
        "lastPrice": text(day.close),
        "prevPrice24h": text(day.open),
        "price24hPcnt": f"{change:.6f}",
        "highPrice24h": text(day.high),
        "lowPrice24h": text(day.low),
        "volume24h": text(day.volume),
        "turnover24h": f"{day.volume * (day.open + day.close) / 2:.8f}",
    }
    if not market.is_contract:
        return {**shown, "usdIndexPrice": text(day.close)}
    return {
        **shown,
        "prevPrice1h": text(day.close),
        "markPrice": text(day.close),
        "indexPrice": text(day.close),
        "openInterest": "0",
        "openInterestValue": "0",
        "fundingRate": text(funding_rate),
        "nextFundingTime": "0",
    }


def ticker_event(row: Mapping[str, Any], market: Market) -> dict[str, Any]:
    """As the stream gives it: spot tickers carry no bid and ask."""
    if market.is_contract:
        return dict(row)
    return {name: value for name, value in row.items() if not name.startswith(("bid1", "ask1"))}


# ------------------------------------------------------------------ account


def coin_row(balance: Balance, order_margin: Decimal, locked: Decimal, pnl: Decimal) -> dict[str, Any]:
    """``locked``: in spot orders; ``order_margin``: in contract orders; what else is used is positions' margin."""
    position_margin = max(ZERO, balance.used - order_margin - locked)
    return {
        "coin": balance.currency,
        "equity": text(balance.total + pnl),
        "usdValue": "",
        "walletBalance": text(balance.total),
        "availableToWithdraw": "",
        "availableToBorrow": "",
        "borrowAmount": "0",
        "accruedInterest": "0",
        "totalOrderIM": text(order_margin),
        "totalPositionIM": text(position_margin),
        "totalPositionMM": "0",
        "unrealisedPnl": text(pnl),
        "cumRealisedPnl": "0",
        "bonus": "0",
        "locked": text(locked),
        "spotHedgingQty": "0",
        "collateralSwitch": True,
        "marginCollateral": True,
    }


def wallet(coins: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "accountType": "UNIFIED",
        "accountLTV": "0",
        "accountIMRate": "0",
        "accountMMRate": "0",
        "totalEquity": "",
        "totalWalletBalance": "",
        "totalMarginBalance": "",
        "totalAvailableBalance": "",
        "totalPerpUPL": "",
        "totalInitialMargin": "",
        "totalMaintenanceMargin": "",
        "coin": coins,
    }


def position(
    own_id: str,
    category: str,
    position: SimPosition | None,
    mark: Decimal,
    leverage: Decimal,
    now_ms: int,
    entry_name: str,
    index: int,
    exits: tuple[Decimal | None, Decimal | None, Decimal | None] = (None, None, None),
) -> dict[str, Any]:
    """``entry_name``: 'avgPrice' by REST, 'entryPrice' in the stream. No position: one row of size zero.

    ``exits``: take-profit, stop-loss, and the distance of the trailing stop.
    """
    amount = ZERO if position is None else position.amount
    value = ZERO if position is None else position.value.quantize(SMALLEST)
    is_isolated = position is not None and position.margin_mode == "isolated"
    return {
        "positionIdx": index,
        "tradeMode": int(is_isolated),
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": own_id,
        "side": "" if not amount else "Buy" if amount > 0 else "Sell",
        "size": text(abs(amount)),
        entry_name: text((position.entry_price or ZERO).quantize(SMALLEST)) if position is not None else "0",
        "leverage": text(leverage),
        "positionValue": text(value),
        "positionBalance": text(position.margin) if position is not None else "0",
        "markPrice": text(mark),
        "positionIM": text(position.margin) if position is not None else "0",
        "positionMM": text(position.maintenance.quantize(SMALLEST)) if position is not None else "0",
        "takeProfit": text(exits[0]),
        "stopLoss": text(exits[1]),
        "trailingStop": text(exits[2] or ZERO),
        "unrealisedPnl": text(position.unrealised_pnl) if position is not None else "0",
        "cumRealisedPnl": "0",
        "liqPrice": text(position.liquidation_price.quantize(SMALLEST))
        if position is not None and position.liquidation_price is not None
        else "",
        "bustPrice": "",
        "category": category,
        "positionStatus": "Normal",
        "adlRankIndicator": 0,
        "autoAddMargin": 0,
        "tpslMode": "Full",
        "createdTime": str(now_ms if position is None else position.time_ms),
        "updatedTime": str(now_ms if position is None else position.time_ms),
        "seq": now_ms,
    }


def transaction(moved: Deposited) -> dict[str, Any]:
    """One entry of the transaction log: a transfer in or out."""
    return {
        "id": f"sim{moved.number}", "symbol": "", "category": "", "side": "None",
        "transactionTime": str(moved.time_ms), "type": "TRANSFER_IN" if moved.amount > 0 else "TRANSFER_OUT",
        "qty": "0", "size": "0", "currency": moved.coin, "tradePrice": "0", "funding": "", "fee": "0",
        "cashFlow": text(moved.amount), "change": text(moved.amount), "cashBalance": "0", "feeRate": "0",
        "bonusChange": "0", "tradeId": "", "orderId": "", "orderLinkId": "",
    }  # fmt: skip
