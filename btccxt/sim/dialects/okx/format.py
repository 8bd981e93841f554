"""OKX v5's JSON as pure functions: records in, dicts out. All values are strings; nothing is the empty string.

Shapes: www.okx.com/docs-v5 (public data, market data, trade, algo trading, trading account).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from btccxt.matching.brackets import Bracket
from btccxt.matching.filters import plain
from btccxt.matching.records import (
    LIQUIDATION,
    TRIGGER_KINDS,
    Deposited,
    FundingPaid,
    SimFill,
    SimOrder,
    SimPosition,
    SimStatus,
)
from btccxt.matching.values import average_price, is_inverse
from btccxt.model import ZERO, Balance, Bar, Market, OrderKind, TimeInForce, Trade, decimal_of
from btccxt.sim.dialects.attached_exits import Exits

BARS = {
    "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1H": "1h", "2H": "2h", "4H": "4h",
    "6Hutc": "6h", "12Hutc": "12h", "1Dutc": "1d", "1Wutc": "1w", "1Mutc": "1M", "3Mutc": "3M",
}  # fmt: skip
BAR_OF = {timeframe: bar for bar, timeframe in BARS.items()}
_SMALLEST = Decimal("0.00000001")
_FIRST_ORDER_ID, _FIRST_ALGO_ID = 2 * 10**18, 10**18  # algo orders and the orders they make have ids of their own
_ATTACHED_IDS = 10**16  # of exits that have not become algo orders
_FUNDING_BILLS = 3 * 10**18
_TRANSFER_BILLS = 4 * 10**18


def text(number: Decimal | float | None) -> str:
    return "" if number is None else plain(decimal_of(number))


def own_order_id(order_id: str) -> str:
    return str(_FIRST_ORDER_ID + int(order_id))


def own_algo_id(order_id: str) -> str:
    return str(_FIRST_ALGO_ID + int(order_id))


def client_id(order: SimOrder) -> str:
    return "" if order.client_order_id == f"sim-{order.order_id}" else order.client_order_id


def instrument_type(market: Market) -> str:
    return "SWAP" if market.is_contract else "SPOT"


# ------------------------------------------------------------------ markets


def instrument(own_id: str, market: Market, max_leverage: Decimal | None) -> dict[str, Any]:
    contract, inverse = market.is_contract, is_inverse(market)
    lot = market.amount_step or _SMALLEST
    most = text(market.max_amount or Decimal(1_000_000_000))
    return {
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": "" if contract else market.base,
        "category": "1",
        "ctMult": "1" if contract else "",
        "ctType": "inverse" if inverse else "linear" if contract else "",
        "ctVal": text(market.contract_size) if contract else "",
        "ctValCcy": market.quote if inverse else market.base if contract else "",
        "expTime": "",
        "instFamily": f"{market.base}-{market.quote}" if contract else "",
        "instId": own_id,
        "instType": instrument_type(market),
        "lever": text(max_leverage),
        "listTime": "1548133413000",
        "lotSz": text(lot),
        "maxIcebergSz": most,
        "maxLmtAmt": "1000000000",
        "maxLmtSz": most,
        "maxMktAmt": "" if contract else "1000000000",
        "maxMktSz": most,
        "maxStopSz": most,
        "maxTriggerSz": most,
        "maxTwapSz": most,
        "minSz": text(market.min_amount or lot),
        "optType": "",
        "quoteCcy": "" if contract else market.quote,
        "ruleType": "normal",
        "settleCcy": market.settle or "",
        "state": "live" if market.active else "suspend",
        "stk": "",
        "tickSz": text(market.price_step or _SMALLEST),
        "uly": f"{market.base}-{market.quote}" if contract else "",
    }


def currency(coin: str) -> dict[str, Any]:
    return {
        "ccy": coin,
        "name": coin,
        "chain": f"{coin}-Sim",
        "canDep": False,
        "canWd": False,
        "canInternal": False,
        "minWd": "0",
        "maxWd": "0",
        "wdTickSz": "8",
        "fee": "0",
    }


def tier(number: int, family: str, bracket: Bracket, floor: Decimal, contract_value: Decimal) -> dict[str, Any]:
    """A bracket in contracts. ``contract_value``: of one contract, in the settlement coin."""
    return {
        "uly": family,
        "instFamily": family,
        "instId": "",
        "tier": str(number),
        "minSz": text((floor / contract_value).to_integral_value()),
        "maxSz": text((bracket.cap / contract_value).to_integral_value()),
        "mmr": text(bracket.maintenance_rate),
        "imr": text((1 / bracket.max_leverage).quantize(_SMALLEST)),
        "maxLever": text(bracket.max_leverage),
        "optMgnFactor": "0",
        "quoteMaxLoan": "",
        "baseMaxLoan": "",
    }


def funding_bill(own_id: str, paid: FundingPaid, coin: str, balance: Decimal) -> dict[str, Any]:
    return {
        "bal": text(balance),
        "balChg": text(paid.received),
        "billId": str(_FUNDING_BILLS + paid.number),
        "ccy": coin,
        "execType": "",
        "fee": "0",
        "from": "",
        "instId": own_id,
        "instType": "SWAP",
        "mgnMode": "cross",
        "notes": "",
        "ordId": "",
        "pnl": text(paid.received),
        "posBal": "0",
        "posBalChg": "0",
        "subType": "173" if paid.received < 0 else "174",
        "sz": text(abs(paid.amount)),
        "to": "",
        "ts": str(paid.time_ms),
        "type": "8",
    }


def transfer_bill(moved: Deposited, balance: Decimal) -> dict[str, Any]:
    """Of money from (subtype 11) or to (12) the funding account."""
    came = moved.amount > 0
    return {
        "bal": text(balance), "balChg": text(moved.amount), "billId": str(_TRANSFER_BILLS + moved.number),
        "ccy": moved.coin, "execType": "", "fee": "0", "from": "6" if came else "18", "instId": "", "instType": "",
        "mgnMode": "", "notes": "", "ordId": "", "pnl": "0", "posBal": "0", "posBalChg": "0",
        "subType": "11" if came else "12", "sz": text(abs(moved.amount)), "to": "18" if came else "6",
        "ts": str(moved.time_ms), "type": "1",
    }  # fmt: skip


# ------------------------------------------------------------------ market data


def candle_row(bar: Bar, market: Market, closed: bool) -> list[str]:
    """Volumes: spot in base and quote; contracts in contracts, base and quote."""
    base = bar.volume * float(market.contract_size)
    quote = base * (bar.open + bar.close) / 2
    volumes = (bar.volume, base, quote) if market.is_contract else (bar.volume, quote, quote)
    numbers = (bar.open, bar.high, bar.low, bar.close, *volumes)
    return [str(bar.open_ms), *(text(number) for number in numbers), "1" if closed else "0"]


def trade(own_id: str, trade: Trade) -> dict[str, Any]:
    return {
        "instId": own_id,
        "tradeId": trade.trade_id,
        "px": text(trade.price),
        "sz": text(trade.amount),
        "side": trade.side.value if trade.side else "buy",
        "ts": str(trade.time_ms),
        "count": "1",
    }


Level = tuple[Decimal, Decimal]


def levels(rows: Iterable[Level]) -> list[list[str]]:
    """Price, amount, a field of no meaning any more, number of orders."""
    return [[text(price), text(amount), "0", "1" if amount else "0"] for price, amount in rows]


def ticker(own_id: str, market: Market, day: Bar, bid: Level | None, ask: Level | None, now_ms: int) -> dict[str, Any]:
    turnover = day.volume * (day.open + day.close) / 2
    return {
        "instType": instrument_type(market),
        "instId": own_id,
        "last": text(day.close),
        "lastSz": "0",
        "askPx": text(ask[0]) if ask else "",
        "askSz": text(ask[1]) if ask else "",
        "bidPx": text(bid[0]) if bid else "",
        "bidSz": text(bid[1]) if bid else "",
        "open24h": text(day.open),
        "high24h": text(day.high),
        "low24h": text(day.low),
        "volCcy24h": text(day.volume if market.is_contract else turnover),
        "vol24h": text(day.volume),
        "sodUtc0": text(day.open),
        "sodUtc8": text(day.open),
        "ts": str(now_ms),
    }


# ------------------------------------------------------------------ orders and fills


def order_state(order: SimOrder) -> str:
    if order.status is SimStatus.FILLED:
        return "filled"
    if not order.is_open:
        return "canceled"
    return "partially_filled" if order.filled else "live"


def order_type(order: SimOrder) -> str:
    request = order.request
    if request.price is None:
        return "market"
    if request.post_only:
        return "post_only"
    return {TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok"}.get(request.time_in_force, "limit")


def cancel_source(order: SimOrder, would_take: bool) -> tuple[str, str]:
    if would_take:
        return "31", "The post-only order would take liquidity in the market."
    if order.status is SimStatus.CANCELED:
        return "1", "Order canceled by user"
    if order.status is SimStatus.EXPIRED:
        if order.request.time_in_force is TimeInForce.FOK:
            return "13", "FOK order was canceled due to incompletely filled."
        return "14", "IOC order was partially canceled due to incompletely filled."
    return "", ""


def order(
    own_id: str,
    order: SimOrder,
    market: Market,
    *,
    fees: Mapping[str, Decimal],
    leverage: str,
    would_take: bool = False,
) -> dict[str, Any]:
    """A plain order, or the one that a fired algo order has made; the dialect adds how they are connected."""
    request, is_child = order.request, order.request.kind in TRIGGER_KINDS
    source, why = cancel_source(order, would_take)
    fee_coin, fee = next(iter(fees.items()), (market.settle or market.quote, ZERO))
    by_cost = request.amount is None
    return {
        "instType": instrument_type(market),
        "instId": own_id,
        "ccy": "",
        "ordId": own_order_id(order.order_id),
        "clOrdId": "" if is_child or request.label == LIQUIDATION else client_id(order),
        "algoId": "",
        "algoClOrdId": "",
        "attachAlgoClOrdId": "",
        "attachAlgoOrds": [],
        "linkedAlgoOrd": {"algoId": ""},
        "tag": "",
        "px": text(request.price),
        "sz": text(request.cost_quote if by_cost else request.amount),
        "tgtCcy": "" if market.is_contract or request.price else "quote_ccy" if by_cost else "base_ccy",
        "ordType": order_type(order),
        "side": order.side.value,
        "posSide": request.position_side or "net",
        "tdMode": "cross" if market.is_contract else "cash",
        "accFillSz": text(order.filled),
        "fillPx": "",
        "fillSz": "0",
        "fillTime": "",
        "tradeId": "",
        "avgPx": text(average(order, market)) if order.filled else "",
        "state": order_state(order),
        "lever": leverage if market.is_contract else "",
        "feeCcy": fee_coin,
        "fee": text(-fee),
        "rebateCcy": market.quote,
        "rebate": "0",
        "pnl": "0",
        "source": "6" if is_child else "",
        "category": "full_liquidation" if request.label == LIQUIDATION else "normal",
        "reduceOnly": str(request.reduce_only).lower(),
        "cancelSource": source,
        "cancelSourceReason": why,
        "quickMgnType": "",
        "stpId": "",
        "stpMode": "cancel_maker",
        "slTriggerPx": "",
        "slOrdPx": "",
        "tpTriggerPx": "",
        "tpOrdPx": "",
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
    }


def average(order: SimOrder, market: Market) -> Decimal:
    return average_price(market, order.filled, order.cost_quote).quantize(_SMALLEST)


def fill_fields(fill: SimFill) -> dict[str, Any]:
    """What a fill adds to the order's push. A fee that is paid is negative."""
    return {
        "fillPx": text(fill.price),
        "fillSz": text(fill.amount),
        "fillTime": str(fill.time_ms),
        "fillFee": text(-fill.fee.cost),
        "fillFeeCcy": fill.fee.currency,
        "fillPnl": text(fill.realized_pnl),
        "execType": "M" if fill.maker else "T",
        "tradeId": str(fill.trade_id),
    }


def my_fill(own_id: str, fill: SimFill, order: SimOrder, market: Market) -> dict[str, Any]:
    return {
        "instType": instrument_type(market),
        "instId": own_id,
        "tradeId": str(fill.trade_id),
        "ordId": own_order_id(fill.order_id),
        "clOrdId": "" if order.request.kind in TRIGGER_KINDS or order.request.label else client_id(order),
        "billId": str(fill.trade_id),
        "tag": "",
        "fillPx": text(fill.price),
        "fillSz": text(fill.amount),
        "fillPnl": text(fill.realized_pnl),
        "side": fill.side.value,
        "posSide": fill.position_side or "net",
        "execType": "M" if fill.maker else "T",
        "feeCcy": fill.fee.currency,
        "fee": text(-fill.fee.cost),
        "ts": str(fill.time_ms),
        "fillTime": str(fill.time_ms),
    }


# ------------------------------------------------------------------ algo orders


def attached(order_id: str, exits: Exits) -> dict[str, Any]:
    """How an order shows the exits that it came with; the algo order they become has an id of its own."""
    take_profit, stop_loss = exits.take_profit, exits.stop_loss
    at_limit = take_profit is not None and take_profit.at_limit
    return {
        "attachAlgoId": own_algo_id(str(_ATTACHED_IDS + int(order_id))),
        "attachAlgoClOrdId": exits.client_order_id or "",
        "tpOrdKind": "limit" if at_limit else "condition",
        "tpTriggerPx": text(take_profit.trigger) if take_profit and not at_limit else "",
        "tpTriggerPxType": "last" if take_profit else "",
        "tpOrdPx": (text(take_profit.price) or "-1") if take_profit else "",
        "slTriggerPx": text(stop_loss.trigger) if stop_loss else "",
        "slTriggerPxType": "last" if stop_loss else "",
        "slOrdPx": (text(stop_loss.price) or "-1") if stop_loss else "",
        "sz": "",
        "amendPxOnTriggerType": "0",
        "failCode": "",
        "failReason": "",
    }


def algo_state(legs: Sequence[SimOrder]) -> str:
    if any(leg.triggered for leg in legs):
        return "effective"
    return "live" if any(leg.is_open for leg in legs) else "canceled"


def algo_order(own_id: str, legs: Sequence[SimOrder], market: Market, algo_type: str, leverage: str) -> dict[str, Any]:
    """``legs``: two for an OCO pair; the row is named after the first."""
    first = legs[0]
    fired = next((leg for leg in legs if leg.triggered), None)
    request, is_trigger = first.request, algo_type == "trigger"
    child = own_order_id(fired.order_id) if fired is not None else ""
    row = {
        "instType": instrument_type(market),
        "instId": own_id,
        "ccy": "",
        "algoId": own_algo_id(first.order_id),
        "algoClOrdId": client_id(first),
        "clOrdId": "",
        "ordId": child,
        "ordIdList": [child] if child else [],
        "linkedOrd": {"ordId": own_order_id(request.parent_id) if request.parent_id is not None else ""},
        "sz": text(request.amount),
        "closeFraction": "",
        "ordType": algo_type,
        "side": first.side.value,
        "posSide": request.position_side or "net",
        "tdMode": "cross" if market.is_contract else "cash",
        "tgtCcy": "" if market.is_contract else "base_ccy",
        "state": algo_state(legs),
        "lever": leverage if market.is_contract else "",
        "triggerPx": _trigger_text(first) if is_trigger else "",
        "triggerPxType": "last" if is_trigger else "",
        "ordPx": _limit_text(first) if is_trigger else "",
        "slTriggerPx": "",
        "slTriggerPxType": "",
        "slOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "tpOrdPx": "",
        "callbackRatio": text(request.trailing_percent / 100) if request.trailing_percent is not None else "",
        "callbackSpread": text(request.trailing_amount),
        "activePx": text(request.trigger_price) if algo_type == "move_order_stop" else "",
        "moveTriggerPx": _trigger_text(first) if algo_type == "move_order_stop" else "",
        "actualSz": text(fired.filled) if fired is not None else "",
        "actualPx": text(average(fired, market)) if fired is not None and fired.filled else "",
        "actualSide": "",
        "triggerTime": str(fired.updated_ms) if fired is not None else "",
        "reduceOnly": str(request.reduce_only).lower(),
        "failCode": "0",
        "tag": "",
        "cTime": str(first.created_ms),
        "uTime": str(max(leg.updated_ms for leg in legs)),
    }
    if algo_type in ("conditional", "oco"):
        for leg in legs:
            prefix = _exit_prefix(leg)
            row[f"{prefix}TriggerPx"], row[f"{prefix}TriggerPxType"] = _trigger_text(leg), "last"
            row[f"{prefix}OrdPx"] = _limit_text(leg)
        row["actualSide"] = _exit_prefix(fired) if fired is not None else ""
    return row


def _exit_prefix(order: SimOrder) -> str:
    return "sl" if order.request.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT) else "tp"


def _trigger_text(order: SimOrder) -> str:
    return text(order.trigger_price or order.request.trigger_price)


def _limit_text(order: SimOrder) -> str:
    return text(order.request.price) or "-1"


# ------------------------------------------------------------------ account


def balance_detail(balance: Balance, pnl: Decimal, now_ms: int) -> dict[str, Any]:
    equity = balance.total + pnl
    return {
        "ccy": balance.currency,
        "cashBal": text(balance.total),
        "eq": text(equity),
        "availBal": text(balance.free),
        "availEq": text(equity - balance.used),
        "frozenBal": text(balance.used),
        "ordFrozen": text(balance.used),
        "upl": text(pnl),
        "disEq": "0",
        "eqUsd": "0",
        "isoEq": "0",
        "liab": "",
        "interest": "",
        "uTime": str(now_ms),
    }


def account(details: list[dict[str, Any]], now_ms: int) -> dict[str, Any]:
    return {
        "adjEq": "",
        "imr": "",
        "isoEq": "0",
        "mgnRatio": "",
        "mmr": "",
        "notionalUsd": "",
        "ordFroz": "",
        "totalEq": "",
        "upl": "",
        "uTime": str(now_ms),
        "details": details,
    }


def position(
    own_id: str,
    market: Market,
    position: SimPosition | None,
    mark: Decimal,
    leverage: Decimal,
    now_ms: int,
    side: str | None,
) -> dict[str, Any]:
    """No position: one row of size zero, as it is pushed when one was closed. ``side``: in hedge mode."""
    amount = ZERO if position is None else position.amount
    value = ZERO if position is None else position.value
    in_usd = abs(amount) * market.contract_size if is_inverse(market) else value
    isolated = position is not None and position.margin_mode == "isolated"
    entry = position.entry_price if position is not None else None
    liquidation = position.liquidation_price if position is not None else None
    return {
        "instType": "SWAP",
        "instId": own_id,
        "mgnMode": "isolated" if isolated else "cross",
        "posId": f"1{sum(own_id.encode())}",
        "posSide": side or "net",
        "pos": text(abs(amount) if side else amount),
        "availPos": text(abs(amount)),
        "posCcy": "",
        "ccy": market.settle,
        "avgPx": text(entry.quantize(_SMALLEST)) if entry is not None else "",
        "markPx": text(mark),
        "last": text(mark),
        "lever": text(leverage),
        "liqPx": text(liquidation.quantize(_SMALLEST)) if liquidation is not None else "",
        "imr": "" if isolated else text((value / leverage).quantize(_SMALLEST)),
        "mmr": text(position.maintenance.quantize(_SMALLEST)) if position is not None else "0",
        "margin": text(position.margin) if position is not None and isolated else "",
        "mgnRatio": "",
        "notionalUsd": text(in_usd.quantize(_SMALLEST)),
        "upl": text(position.unrealised_pnl) if position is not None else "0",
        "uplRatio": "0",
        "realizedPnl": "0",
        "adl": "1",
        "cTime": str(now_ms if position is None else position.time_ms),
        "uTime": str(now_ms if position is None else position.time_ms),
    }
