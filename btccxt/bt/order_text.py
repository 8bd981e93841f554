"""A backtrader order in words, for logs and screens; odd ones too, as they were asked for and refused."""

from __future__ import annotations

from btccxt.bt.compat import bt


def kind_name(order: bt.Order) -> str:
    """'Market', 'Limit' …; what was given where backtrader has no such kind."""
    names, kind = bt.Order.ExecTypes, order.exectype
    is_known = isinstance(kind, int) and 0 <= kind < len(names)
    return str(names[kind]) if is_known else str(kind)


def order_text(order: bt.Order) -> str:
    """``buy 0.05 BTC/USDT limit``"""
    size = order.size
    amount = f"{abs(size):g}" if isinstance(size, (int, float)) else str(size)
    return f"{'buy' if order.isbuy() else 'sell'} {amount} {order.data._dataname} {kind_name(order).lower()}"


def reasons_text(order: bt.Order) -> str:
    """Why it was refused or ended, '' where nothing is known; without its id: the same reasons read the same."""
    client_order_id = order.info.get("client_order_id")
    text = "; ".join(order.info.get("reasons", ()) or ())
    return text.replace(f" {client_order_id}", "") if client_order_id else text
