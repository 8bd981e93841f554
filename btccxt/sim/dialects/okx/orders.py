"""OKX v5's endpoints for plain orders and fills. Requests in, engine calls, answers out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from btccxt.matching.records import TRIGGER_KINDS, EngineReject, NewOrder, SimFill, SimOrder
from btccxt.model import Market, OrderKind, Side, TimeInForce
from btccxt.sim.dialects.attached_exits import Exit, Exits
from btccxt.sim.dialects.base import DialectError, Route
from btccxt.sim.dialects.okx import format as fmt
from btccxt.sim.dialects.okx import order_format as order_fmt
from btccxt.sim.dialects.okx.call import Call
from btccxt.sim.dialects.okx.core import OkxCore, coin_spent
from btccxt.sim.dialects.okx.errors import NOT_FOUND, OrderRefused, error, parameter_error, refused

_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TYPES = frozenset({"market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc"})
_VALIDITY = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}
_THREE_DAYS_MS = 3 * 86_400_000
T = TypeVar("T")


# ------------------------------------------------------------------ what orders and algo orders share


def one_by_one(dialect: OkxCore, call: Call, serve: Callable[[OkxCore, Call], dict[str, Any]]) -> Any:
    """Each order of a request is accepted or refused by itself; ``code`` says whether all, some or none failed."""
    rows, failures = [], 0
    for item in call.items():
        try:
            row = {**serve(dialect, item), "sCode": "0", "sMsg": ""}
        except (OrderRefused, DialectError) as refusal:
            code, message = _words(refusal)
            failures += 1
            names = ("ordId", "clOrdId", "algoId", "algoClOrdId")
            row = {**{name: item.text(name) or "" for name in names}, "tag": "", "sCode": code, "sMsg": message}
        rows.append(row)
    if failures == 0:
        return rows
    code, message = ("1", "All operations failed") if failures == len(rows) else ("2", "Bulk operation partially ok")
    raise DialectError(200, {"code": code, "msg": message, "data": rows})


def _words(refusal: OrderRefused | DialectError) -> tuple[str, str]:
    if isinstance(refusal, OrderRefused):
        return str(refusal.code), refusal.message
    return refusal.body["code"], refusal.body["msg"]


def side_and_mode(call: Call, market: Market) -> Side:
    side, mode = call.required("side"), call.required("tdMode")
    if side not in ("buy", "sell"):
        raise parameter_error("side")
    if mode not in (("cross", "isolated") if market.is_contract else ("cash",)):
        raise OrderRefused(51000, "Parameter tdMode error")
    return Side(side)


def checked_client_id(call: Call, name: str) -> str | None:
    value = call.text(name)
    if value is not None and not _CLIENT_ID.fullmatch(value):
        raise OrderRefused(51000, f"Parameter {name} error")
    return value


def paged(rows: Iterable[T], call: Call, id_of: Callable[[T], int]) -> list[T]:
    """``rows`` newest first; ``after`` and ``before`` are ids, exclusive."""
    after, before = call.integer("after"), call.integer("before")
    chosen = (row for row in rows if (after is None or id_of(row) < after) and (before is None or id_of(row) > before))
    return list(islice(chosen, call.limit(100, 100)))


# ------------------------------------------------------------------ placing


def place(dialect: OkxCore, call: Call) -> Any:
    return one_by_one(dialect, call, _place)


def _place(dialect: OkxCore, call: Call) -> dict[str, Any]:
    _, market = dialect.market_of(call)
    order = _read_order(call, market)
    exits = _attached(dialect, call, market, order)
    dialect.use_margin_mode(call.owner, market, call.text("tdMode") == "isolated")
    placed = dialect.submit(call.owner, order, call.now_ms, exits)
    return {
        "ordId": fmt.own_order_id(placed.order_id),
        "clOrdId": call.text("clOrdId") or "",
        "tag": call.text("tag") or "",
        "ts": str(call.now_ms),
    }


def _attached(dialect: OkxCore, call: Call, market: Market, order: NewOrder) -> Exits:
    """``attachAlgoOrds``: one take-profit, one stop-loss, or both, for all that the order gets."""
    rows: Any = call.params.get("attachAlgoOrds") or ()
    if not rows:
        return Exits()
    if len(rows) > 1 or not isinstance(rows[0], dict):
        raise OrderRefused(51000, "The embedded exchange takes one of attachAlgoOrds")
    item = call.of(rows[0])
    take_profit, stop_loss = read_exit(item, "tp"), read_exit(item, "sl")
    if take_profit is None and stop_loss is None:
        raise OrderRefused(51000, "Parameter attachAlgoOrds error")
    base = order.price or dialect.venue.engine.last(market.symbol)
    long = order.side is Side.BUY
    for leg, above, code, name in ((take_profit, True, 51250, "TP"), (stop_loss, False, 51251, "SL")):
        if leg is not None and base is not None and (leg.trigger <= base if above is long else leg.trigger >= base):
            relation = "higher" if above is long else "lower"
            raise OrderRefused(code, f"{name} trigger price should be {relation} than the order price")
    client_id = checked_client_id(item, "attachAlgoClOrdId")
    if client_id is not None and dialect.knows(call.owner, market.symbol, client_id):
        raise OrderRefused(51065, "algoClOrdId already exists.")
    return Exits(take_profit, stop_loss, client_id)


def read_exit(call: Call, prefix: str) -> Exit | None:
    """``tpTriggerPx`` and ``tpOrdPx`` ('-1' asks for a market order), or those of ``sl``."""
    trigger, price = call.decimal(f"{prefix}TriggerPx"), call.decimal(f"{prefix}OrdPx")
    at_limit = prefix == "tp" and call.text("tpOrdKind") == "limit"
    if trigger is None and not (at_limit and price is not None):
        return None
    if price is None:
        raise OrderRefused(51000, f"Parameter {prefix}OrdPx error")
    limit = None if price == -1 else price
    return Exit(trigger or price, limit, at_limit=at_limit and limit is not None)


def _read_order(call: Call, market: Market) -> NewOrder:
    side, kind = side_and_mode(call, market), call.required("ordType")
    if kind not in _TYPES:
        raise OrderRefused(51000, "Parameter ordType error")
    amount, price = call.decimal("sz"), call.decimal("px")
    if amount is None or amount <= 0:
        raise OrderRefused(51000, "Parameter sz error")
    is_market = kind in ("market", "optimal_limit_ioc")
    if not is_market and price is None:
        raise OrderRefused(51000, "Parameter px error")
    # A spot market buy counts in the quote currency unless it says otherwise.
    unit = call.text("tgtCcy") or ("quote_ccy" if side is Side.BUY else "base_ccy")
    by_cost = is_market and not market.is_contract and unit == "quote_ccy"
    position_side = call.text("posSide")
    return NewOrder(
        symbol=market.symbol,
        side=side,
        kind=OrderKind.MARKET if is_market else OrderKind.LIMIT,
        amount=None if by_cost else amount,
        cost_quote=amount if by_cost else None,
        price=None if is_market else price,
        time_in_force=_VALIDITY.get(kind, TimeInForce.GTC),
        post_only=kind == "post_only",
        reduce_only=market.is_contract and call.flag("reduceOnly"),
        position_side=None if position_side == "net" else position_side,
        client_order_id=checked_client_id(call, "clOrdId"),
    )


# ------------------------------------------------------------------ changing


def _find(dialect: OkxCore, call: Call, market: Market, missing: tuple[int, str]) -> SimOrder:
    own_id, link = call.text("ordId"), call.text("clOrdId")
    if own_id is None and link is None:
        raise OrderRefused(51000, "Parameter ordId error")
    for order in dialect.plain_orders(call.owner, market.symbol):
        is_child = order.request.kind in TRIGGER_KINDS
        if own_id == fmt.own_order_id(order.order_id) or (
            own_id is None and not is_child and link == order.client_order_id
        ):
            return order
    raise OrderRefused(*missing)


def cancel(dialect: OkxCore, call: Call) -> Any:
    return one_by_one(dialect, call, _cancel)


def _cancel(dialect: OkxCore, call: Call) -> dict[str, Any]:
    _, market = dialect.market_of(call)
    gone = (51400, "Order cancellation failed as the order has been filled, canceled or does not exist.")
    order = _find(dialect, call, market, gone)
    try:
        dialect.venue.engine.cancel(call.owner, symbol=market.symbol, order_id=order.order_id, now_ms=call.now_ms)
    except EngineReject:
        raise OrderRefused(*gone) from None
    return {
        "ordId": fmt.own_order_id(order.order_id),
        "clOrdId": call.text("clOrdId") or fmt.client_id(order),
        "ts": str(call.now_ms),
    }


def amend(dialect: OkxCore, call: Call) -> Any:
    return one_by_one(dialect, call, _amend)


def _amend(dialect: OkxCore, call: Call) -> dict[str, Any]:
    _, market = dialect.market_of(call)
    order = _find(dialect, call, market, (51503, "Order modification failed as the order does not exist."))
    price, amount = call.decimal("newPx"), call.decimal("newSz")
    if price is None and amount is None:
        raise OrderRefused(50014, "Parameter newSz or newPx can not be empty.")
    if not order.is_open:
        raise OrderRefused(51510, "Modification failed as the order has been completed or canceled.")
    try:
        dialect.venue.engine.amend(
            call.owner, symbol=market.symbol, order_id=order.order_id, price=price, amount=amount, now_ms=call.now_ms
        )
    except EngineReject as reject:
        raise refused(reject, coin_spent(market, order.side)) from None
    return {
        "ordId": fmt.own_order_id(order.order_id),
        "clOrdId": call.text("clOrdId") or fmt.client_id(order),
        "reqId": call.text("reqId") or "",
        "ts": str(call.now_ms),
    }


# ------------------------------------------------------------------ looking


def query(dialect: OkxCore, call: Call) -> Any:
    _, market = dialect.market_of(call)
    try:
        return [dialect.order_row(_find(dialect, call, market, NOT_FOUND))]
    except OrderRefused as refusal:
        raise error(refusal.code, refusal.message) from None


def pending(dialect: OkxCore, call: Call) -> Any:
    return paged(_rows(dialect, call, lambda order: order.is_open), call, _order_id)


def history(dialect: OkxCore, call: Call) -> Any:
    """Ended orders; of those cancelled without a fill only the last two hours', as on OKX."""
    call.required("instType")
    begin, end = call.integer("begin") or 0, call.integer("end") or call.now_ms
    recent_ms = call.now_ms - 2 * 3_600_000

    def wanted(order: SimOrder) -> bool:
        kept = order.filled or order.updated_ms >= recent_ms
        return not order.is_open and bool(kept) and begin <= order.created_ms <= end

    return paged(_rows(dialect, call, wanted), call, _order_id)


def _rows(dialect: OkxCore, call: Call, wanted: Callable[[SimOrder], bool]) -> Iterator[dict[str, Any]]:
    """Newest first, each made when it is looked at: of thousands of orders a page shows a hundred."""
    symbol = dialect.market_of(call)[1].symbol if call.text("instId") else None
    named = {name: call.text(name) for name in ("instType", "ordType", "state")}
    orders = sorted(dialect.plain_orders(call.owner, symbol), key=lambda order: int(order.order_id), reverse=True)
    rows = (dialect.order_row(order) for order in orders if wanted(order))
    return (row for row in rows if all(value in (None, row[name]) for name, value in named.items()))


def _order_id(row: dict[str, Any]) -> int:
    return int(row["ordId"])


def fills(dialect: OkxCore, call: Call) -> Any:
    """Newest first; three days without ``begin`` for ``fills``, three months for ``fills-history``."""
    return _fills(dialect, call, call.integer("begin") or 0)


def recent_fills(dialect: OkxCore, call: Call) -> Any:
    return _fills(dialect, call, max(call.integer("begin") or 0, call.now_ms - _THREE_DAYS_MS))


def _fills(dialect: OkxCore, call: Call, begin: int) -> list[dict[str, Any]]:
    symbol = dialect.market_of(call)[1].symbol if call.text("instId") else None
    own_id, kind, engine = call.text("ordId"), call.text("instType"), dialect.venue.engine
    end = call.integer("end") or call.now_ms
    kinds = {name: fmt.instrument_type(engine.markets[name]) for name in dialect.ids}

    def wanted(fill: SimFill) -> bool:
        return (
            begin <= fill.time_ms <= end
            and fill.symbol in kinds
            and kind in (None, kinds[fill.symbol])
            and own_id in (None, fmt.own_order_id(fill.order_id))
        )

    def row(fill: SimFill) -> dict[str, Any]:
        order = engine.order(call.owner, symbol=fill.symbol, order_id=fill.order_id)
        return order_fmt.my_fill(dialect.ids[fill.symbol], fill, order, engine.markets[fill.symbol])

    page = paged(filter(wanted, reversed(engine.fills(call.owner, symbol))), call, lambda fill: fill.trade_id)
    return list(map(row, page))


def cancel_all_after(dialect: OkxCore, call: Call) -> Any:
    """Dead man's switch: 10 to 120 seconds, 0 stops it."""
    timeout_s = call.integer("timeOut")
    if timeout_s is None or (timeout_s and not 10 <= timeout_s <= 120):
        raise parameter_error("timeOut")
    due_ms = dialect.switches.arm(call.owner, timeout_s, call.now_ms)
    return [{"triggerTime": str(due_ms if timeout_s else 0), "tag": "", "ts": str(call.now_ms)}]


ORDER_ROUTES: Mapping[str, Route] = {
    "POST /api/v5/trade/order": Route(place, signed=True, is_order=True),
    "POST /api/v5/trade/batch-orders": Route(place, signed=True, is_order=True),
    "POST /api/v5/trade/cancel-order": Route(cancel, signed=True, is_order=True),
    "POST /api/v5/trade/cancel-batch-orders": Route(cancel, signed=True, is_order=True),
    "POST /api/v5/trade/cancel-all-after": Route(cancel_all_after, signed=True),
    "POST /api/v5/trade/amend-order": Route(amend, signed=True, is_order=True),
    "POST /api/v5/trade/amend-batch-orders": Route(amend, signed=True, is_order=True),
    "GET /api/v5/trade/order": Route(query, signed=True, is_order=True),
    "GET /api/v5/trade/orders-pending": Route(pending, signed=True, is_order=True),
    "GET /api/v5/trade/orders-history": Route(history, signed=True),
    "GET /api/v5/trade/orders-history-archive": Route(history, signed=True),
    "GET /api/v5/trade/fills": Route(recent_fills, signed=True, is_order=True),
    "GET /api/v5/trade/fills-history": Route(fills, signed=True),
}
