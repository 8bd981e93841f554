"""What a run does, as it does it: one small record for each bar, order, fill, trade and notice.

The records are mappings of plain values; ``t`` says what each is:

========  =================================================================================================
``bar``   a bar of data ``s`` (its symbol; of the first twelve datas): ``at`` (close, ms UTC), ``o h l c v``; ``live``
          0 for history
``value`` the account after a bar of the first data: ``at``, ``value``, ``cash``, ``held`` (symbol: size)
``order`` an order at a notification: ``at``, ``ref``, ``id``, ``s``, ``side``, ``kind``, ``size``, ``price``,
          ``filled``, ``average``, ``fee``, ``status``, ``why``, ``signal`` (the close that it was decided on),
          ``parent`` and ``oco`` (refs), ``here`` (waits in this process)
``fill``  one execution: ``at``, ``ref``, ``s``, ``size`` (signed), ``price``, ``fee``
``trade`` a closed trade: ``at``, ``s``, ``gross``, ``net``, ``opened``, ``ref`` of the order that closed it
``told``  what ``notify_store`` brought, or the state of a data: ``at``, ``kind``, ``text``
========  =================================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from btccxt.bt.compat import bt
from btccxt.bt.order_text import kind_name, reasons_text
from btccxt.bt.time import ms_of_num
from btccxt.notices import StoreNotice
from btccxt.orders.lifecycle import LifecycleState

Record = Mapping[str, Any]
_SHOWN_DATAS = 12  # of a thousand nobody looks at charts, and each would cost a look per bar of each other


@dataclass(frozen=True, slots=True)
class Log:
    """Where records go; neither function may block for long or raise."""

    add: Callable[[Record], None]
    end: Callable[[], None]


class RunLog(bt.Analyzer):
    """Gives each record to the log that ``opened(strategy)`` returns, when the strategy has started."""

    params: Any = (("opened", None),)

    def start(self) -> None:
        self._log: Log = self.p.opened(self.strategy)
        self._sink = self._log.add
        self._shown = self.strategy.datas[:_SHOWN_DATAS]
        self._told_bars = [0] * len(self._shown)
        self._fills: dict[int, int] = {}
        self._open: dict[int, tuple[bt.Order, str]] = {}
        self._latest_ref = 0
        self._at_ms = 0
        self.strategy.env.addstorecb(self._tell_notice)
        self.strategy.env.adddatacb(self._tell_status)

    def stop(self) -> None:
        self._log.end()

    def prenext(self) -> None:
        self.next()

    def nextstart(self) -> None:
        self.next()

    def next(self) -> None:
        for number, data in enumerate(self._shown):
            if len(data) > self._told_bars[number]:
                self._told_bars[number] = len(data)
                self._bar(data, is_first=number == 0)

    def _bar(self, data: bt.AbstractDataBase, *, is_first: bool) -> None:
        at_ms = ms_of_num(data.datetime[0])
        live = getattr(data, "_laststatus", None) == data.LIVE
        self._sink({
            "t": "bar", "s": data._dataname, "at": at_ms, "o": _number(data.open[0]), "h": _number(data.high[0]),
            "l": _number(data.low[0]), "c": _number(data.close[0]), "v": _number(data.volume[0]), "live": int(live),
        })  # fmt: skip
        if is_first:
            self._at_ms = at_ms
            for order, told in tuple(self._open.values()):
                if _waits_here(order) != told:  # it was sent: the strategy is not told of that
                    self._order(order)
            broker = self.strategy.broker
            sizes = {each._dataname: broker.getposition(each).size for each in self.strategy.datas}
            held = {symbol: size for symbol, size in sizes.items() if size}
            value, cash = _number(broker.getvalue()), _number(broker.getcash())
            self._sink({"t": "value", "at": at_ms, "value": value, "cash": cash, "held": held, "live": int(live)})

    def notify_order(self, order: bt.Order) -> None:
        if order.exectype == bt.Order.Historical:
            return
        executed, symbol = order.executed, order.data._dataname
        self._latest_ref = order.ref
        seen = self._fills.get(order.ref, 0)
        for bit in list(executed.exbits)[seen:]:
            seen += 1
            self._at_ms = max(self._at_ms, ms_of_num(bit.dt))
            self._sink({
                "t": "fill", "at": ms_of_num(bit.dt), "ref": order.ref, "s": symbol, "size": _number(bit.size),
                "price": _number(bit.price), "fee": _number(bit.comm),
            })  # fmt: skip
        self._fills[order.ref] = seen
        if not order.alive():
            self._fills.pop(order.ref, None)
        self._order(order)

    def _order(self, order: bt.Order) -> None:
        here = _waits_here(order)
        if order.alive():
            self._open[order.ref] = order, here
        else:
            self._open.pop(order.ref, None)
        created, executed, info = order.created, order.executed, order.info
        self._sink({
            "t": "order", "at": ms_of_num(created.dt) if created.dt else self._at_ms, "ref": order.ref,
            "id": info.get("client_order_id"), "s": order.data._dataname, "side": "buy" if order.isbuy() else "sell",
            "kind": kind_name(order), "size": _number(created.size), "price": _number(created.price),
            "filled": _number(executed.size), "average": _number(executed.price), "fee": _number(executed.comm),
            "status": order.getstatusname(), "why": reasons_text(order),
            "signal": _number(created.pclose), "parent": getattr(order.parent, "ref", None),
            "oco": getattr(order.oco, "ref", None), "here": here,
        })  # fmt: skip

    def notify_trade(self, trade: bt.Trade) -> None:
        if trade.isclosed:
            self._sink({
                "t": "trade", "at": ms_of_num(trade.dtclose), "s": trade.data._dataname, "gross": _number(trade.pnl),
                "net": _number(trade.pnlcomm), "opened": ms_of_num(trade.dtopen), "ref": self._latest_ref,
            })  # fmt: skip

    # -------------------------------------------------------------- callbacks of cerebro

    def _tell_notice(self, message: Any, *args: Any, **kwargs: Any) -> None:
        kind = message.kind.value if isinstance(message, StoreNotice) else "notice"
        self._sink({"t": "told", "at": self._at_ms, "kind": kind, "text": str(message)})

    def _tell_status(self, data: bt.AbstractDataBase, status: int, *args: Any, **kwargs: Any) -> None:
        text = f"{data._dataname}: {data._getstatusname(status)}"
        self._sink({"t": "told", "at": self._at_ms, "kind": "data", "text": text})


def _waits_here(order: bt.Order) -> str:
    """Why it waits in this process; '' for an order that is at the exchange, or has ended."""
    waits = order.alive() and order.info.get("lifecycle") == LifecycleState.JOURNALED.name
    return str(order.info.get("emulated") or "") if waits else ""


def _number(value: Any) -> float:
    """Records are JSON: nothing that is no number gets there."""
    number = float(value or 0.0)
    return number if math.isfinite(number) else 0.0
