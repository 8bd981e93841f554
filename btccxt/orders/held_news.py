"""News of orders that nobody knows yet: a push can overtake the answer to ``create_order``. Kept a while, bounded."""

from __future__ import annotations

from collections import OrderedDict

from btccxt.model import Fill, OrderUpdate

News = OrderUpdate | Fill


class HeldNews:
    """By (symbol, exchange order id). Time is passed in, in any unit that ``keep_for`` shares."""

    def __init__(self, keep_for: float, limit: int) -> None:
        self._keep_for = keep_for
        self._limit = limit
        self._held: OrderedDict[tuple[str, str], tuple[float, list[News]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def hold(self, news: News, now: float) -> list[News]:
        """Keep it until its order is known. Returns what had to make room (oldest first), or cannot be held at all."""
        if news.order_id is None:
            return [news]
        _, items = self._held.setdefault((news.symbol, news.order_id), (now, []))
        if news not in items:
            items.append(news)
            self._count += 1
        evicted: list[News] = []
        while self._count > self._limit:
            evicted += self._drop_oldest()
        return evicted

    def take(self, symbol: str, order_id: str | None) -> list[News]:
        """All news of this order, in order of arrival; forgotten here."""
        if order_id is None:
            return []
        _, items = self._held.pop((symbol, order_id), (0.0, []))
        self._count -= len(items)
        return items

    def expired(self, now: float) -> list[News]:
        """What has been held for too long; forgotten here."""
        out: list[News] = []
        while self._held and now - next(iter(self._held.values()))[0] >= self._keep_for:
            out += self._drop_oldest()
        return out

    def _drop_oldest(self) -> list[News]:
        _, (_, items) = self._held.popitem(last=False)
        self._count -= len(items)
        return items
