"""What a running strategy shows: one line that changes, and a line for each fill, refusal, notice and alarm."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from time import monotonic
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.order_text import order_text, reasons_text
from btccxt.notices import NoticeKind, StoreNotice
from btccxt.store.engine import LiveEngine

_REFRESH_S = 0.25
_PLAIN_EVERY_BARS = 10
_COLOURS: Mapping[str, str] = {"buy": "green", "sell": "red"}
_QUIET = {bt.Order.Created, bt.Order.Submitted}
_BAD = {bt.Order.Rejected, bt.Order.Margin}


class _Events(bt.Analyzer):
    """Hears what strategies hear of orders and trades."""

    params = (("screen", None),)

    def notify_order(self, order: bt.Order) -> None:
        if order.exectype != bt.Order.Historical:
            self.p.screen.order(order)

    def notify_trade(self, trade: bt.Trade) -> None:
        if trade.isclosed:
            self.p.screen.tell(f"trade closed: {trade.pnlcomm:+,.2f} after fees", "bold")


class RunScreen:
    """Shows an engine's run on a console; made before it, used around it: ``with screen.shown(): engine.run()``."""

    def __init__(self, engine: LiveEngine, console: Console, bars: int | None = None) -> None:
        self.alarms: list[str] = []
        self.refusals = 0
        self._why_refused = ""
        self._refused_alike = 0
        self._engine = engine
        self._console = console
        self._bars = bars
        self._live: Live | None = None
        self._drawn_s = 0.0
        self._filled: dict[int, float] = {}
        self._fills = 0
        self._told_bars = 0
        cerebro = engine.cerebro
        cerebro.addanalyzer(_Events, _name="btccxt_screen", screen=self)
        cerebro.addstorecb(self._notice)
        cerebro.adddatacb(self._status)
        CerebroLoop.of(cerebro).every_loop.append(self._draw)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The changing line is there while inside. What goes to the screen is not logged to it again."""
        silence = logging.NullHandler()  # else Python prints btccxt's warnings, which stand here already
        logging.getLogger("btccxt").addHandler(silence)
        try:
            if not self._console.is_terminal:
                yield
                return
            with Live(Text("connecting …"), console=self._console, refresh_per_second=4, transient=True) as live:
                self._live = live
                yield
        finally:
            self._live = None
            logging.getLogger("btccxt").removeHandler(silence)

    def tell(self, text: str, style: str = "") -> None:
        """A line that stays."""
        if self._refused_alike:
            alike, self._refused_alike = self._refused_alike, 0
            self.tell(f"and {alike} more, refused for the same reason", "red")
        self._console.print(Text(f"{self._now()}  {text}", style), soft_wrap=True)

    # -------------------------------------------------------------- what happens

    def order(self, order: bt.Order) -> None:
        """An order's news."""
        executed = order.executed.size
        new = executed - self._filled.get(order.ref, 0.0)
        if new:
            self._filled[order.ref] = executed
            self._fills += 1
        if order.status in _QUIET:
            return
        side = "buy" if order.isbuy() else "sell"
        head = order_text(order)
        if order.exectype != bt.Order.Market and order.created.price:
            head += f" at {order.created.price:,.10g}"
        if order.status in _BAD:
            self.refusals += 1
            why = reasons_text(order) or order.getstatusname().lower()
            if why == self._why_refused:
                self._refused_alike += 1
            else:
                self.tell(f"{head} REFUSED: {why}", "red")
                self._why_refused = why
            return
        if new:
            self.tell(
                f"{head}: filled {abs(executed):g} at {order.executed.price:,.10g}, fee {order.executed.comm:,.4g}",
                _COLOURS[side],
            )
        elif order.status == bt.Order.Accepted:
            waits = order.info.get("emulated")
            self.tell(f"{head}: waits here ({waits})" if waits else f"{head}: accepted", "dim")
        elif order.status not in (bt.Order.Partial, bt.Order.Completed):
            reasons = reasons_text(order)
            self.tell(f"{head}: {order.getstatusname().lower()}{f' ({reasons})' if reasons else ''}", "yellow")

    def _notice(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        kind = msg.kind if isinstance(msg, StoreNotice) else None
        if kind is NoticeKind.ALARM:
            self.alarms.append(str(msg))
        self.tell(str(msg), "bold red" if kind is NoticeKind.ALARM else "yellow")

    def _status(self, data: bt.AbstractDataBase, status: int, *args: Any, **kwargs: Any) -> None:
        self.tell(f"{data._dataname}: {data._getstatusname(status)}", "dim")

    # -------------------------------------------------------------- the changing line

    def _draw(self) -> None:
        """Once per loop of the strategy's thread."""
        now_s = monotonic()
        if now_s - self._drawn_s < _REFRESH_S:
            return
        self._drawn_s = now_s
        if self._live is not None:
            self._live.update(Text(self._line()))  # a narrow terminal shows it in two lines
        elif self._engine.live_bars >= self._told_bars + _PLAIN_EVERY_BARS:
            self._told_bars = self._engine.live_bars
            self._console.print(Text(self._line()), soft_wrap=True)

    def _line(self) -> str:
        engine, strategy = self._engine, self._engine.strategy
        if strategy is None or not len(strategy.data):
            return f"{self._now()}  {engine.store.name} {engine.store.mode.value}: loading history"
        data, broker = strategy.data, strategy.broker
        bars = f"bar {engine.live_bars}" + (f"/{self._bars}" if self._bars else "")
        value = broker.getvalue()
        change = value / broker.startingvalue - 1 if broker.startingvalue else 0.0
        open_orders = len(broker.get_orders_open())
        return "   ".join(
            (
                f"{self._now()} {engine.store.state.value}",
                f"{data._dataname} {data.close[0]:,.10g}",
                bars,
                f"position {broker.getposition(data).size:.8g}",
                f"equity {value:,.2f} {engine.store.currency} ({change:+.2%})",
                f"{self._fills} {'fill' if self._fills == 1 else 'fills'}, {open_orders} open"
                + (f", {self.refusals} refused" if self.refusals else ""),
            )
        )

    def _now(self) -> str:
        """Of the exchange, UTC."""
        store = self._engine.store
        if not store.is_started:
            return f"{datetime.now(timezone.utc):%H:%M:%S}"
        return f"{datetime.fromtimestamp(store.now_ms() / 1000, timezone.utc):%H:%M:%S}"
