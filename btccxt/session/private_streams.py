"""What the private streams tell of the account: orders and fills to the tracker, balances and positions to memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from btccxt.model import Balance, Balances, Fill, OrderUpdate, Position, StreamEvent, StreamKey
from btccxt.orders.tracker import OrderTracker
from btccxt.session.known_positions import with_former
from btccxt.session.private_monitor import PrivateStreamMonitor


class AccountStream:
    """Consumer of the private streams; lives in the session's loop. ``on_up`` is called when one of them comes up."""

    def __init__(
        self,
        monitor: PrivateStreamMonitor,
        now_ms: Callable[[], int],
        on_up: Callable[[], None],
        on_money: Callable[[], None],
    ) -> None:
        self.tracker: OrderTracker | None = None
        """Set when the account is open; until then orders and fills are nobody's business."""
        self.balances: dict[str, Balance] = {}
        self.positions: dict[tuple[str, str | None], Position] = {}
        self.up_ms = 0
        """When a private stream came up last, by the exchange's clock."""
        self.speaking = False
        """A private stream is being heard right now: what follows from it is no news from elsewhere."""
        self._monitor = monitor
        self._now_ms = now_ms
        self._on_up = on_up
        self._on_money = on_money

    def on_event(self, key: StreamKey, event: StreamEvent) -> None:
        self._monitor.heard(key)
        self.speaking = True
        try:
            self._take(event)
        finally:
            self.speaking = False

    def _take(self, event: StreamEvent) -> None:
        tracker = self.tracker
        if isinstance(event, OrderUpdate):
            if tracker is not None:
                tracker.on_update(event)
        elif isinstance(event, Fill):
            if tracker is not None:
                tracker.on_fill(event)
        elif isinstance(event, Balances):
            before = self.balances
            self.take_balances(event)
            if any(coin not in before or before[coin].total != now.total for coin, now in event.by_currency.items()):
                self._on_money()
        elif isinstance(event, Position):
            key = event.symbol, event.hedge_side
            self.positions[key] = with_former(event, self.positions.get(key))

    def take_balances(self, balances: Balances) -> None:
        if balances.complete:
            self.balances = dict(balances.by_currency)
        else:
            self.balances = {**self.balances, **balances.by_currency}

    def take_positions(self, positions: Sequence[Position]) -> None:
        told = {(position.symbol, position.hedge_side): position for position in positions}
        self.positions = {key: with_former(position, self.positions.get(key)) for key, position in told.items()}

    def on_up(self, key: StreamKey) -> None:
        self._monitor.up(key)
        self.up_ms = self._now_ms()
        self._on_up()

    def on_down(self, key: StreamKey, reason: str) -> None:
        self._monitor.down(key)
