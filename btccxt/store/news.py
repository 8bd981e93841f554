"""What a store has to tell: to ``notify_store``, and to its broker."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from btccxt.account.ledger import AccountSnapshot, RunBegins
from btccxt.notices import StoreNotice
from btccxt.orders.events import Alarm
from btccxt.orders.tracker import OrderEvent
from btccxt.store.queries import StoreQueries


class StoreNews(StoreQueries):
    """The part of ``CCXTStore`` that tells the strategy's thread what the session's thread has heard."""

    def _prepare_news(self) -> None:
        self._notifications: deque[tuple[Any, tuple[Any, ...], dict[str, Any]]] = deque()

    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """For ``notify_store``. Any thread."""
        self._notifications.append((msg, args, kwargs))

    @property
    def has_news(self) -> bool:
        """Whether something waits for ``notify_store``."""
        return bool(self._notifications)

    def get_notifications(self) -> Iterator[tuple[Any, tuple[Any, ...], dict[str, Any]]]:
        """Asked by cerebro once per loop: the place where the strategy's thread waits for news."""
        if self.cerebro_loop is not None:
            self.cerebro_loop.poll(self)
        return self._tell_news()

    def _tell_news(self) -> Iterator[tuple[Any, tuple[Any, ...], dict[str, Any]]]:
        """Cerebro asks for the next one when every strategy has heard of the one before."""
        for _ in range(len(self._notifications)):  # what is put in meanwhile comes with the next loop
            news = self._notifications.popleft()
            yield news
            if (
                isinstance(news[0], StoreNotice)
                and isinstance(news[0].about, Alarm)
                and self._account_session is not None
            ):
                self._account_session.alarm_told(news[0].about)

    def _notify(self, notice: StoreNotice) -> None:
        self.put_notification(notice)
        cerebro_loop = self.cerebro_loop
        if cerebro_loop is not None:
            cerebro_loop.wake()

    def _tell_broker(self, event: OrderEvent | AccountSnapshot | RunBegins) -> None:
        cerebro_loop = self.cerebro_loop
        if cerebro_loop is not None and self._broker is not None:
            cerebro_loop.inbox.put_urgent(self._broker, event)
