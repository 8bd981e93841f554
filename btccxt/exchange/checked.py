"""Intents whose rules were checked where they were made: the session's thread need not check them again."""

from __future__ import annotations

from btccxt.model import OrderRequest

_MOST = 256


class CheckedRequests:
    """By identity: a request that was changed on the way is another one. Any thread; each is taken once."""

    def __init__(self) -> None:
        self._fit: dict[str, OrderRequest] = {}

    def keep(self, request: OrderRequest) -> None:
        """Nothing speaks against it. Old ones that were never sent are forgotten."""
        while len(self._fit) >= _MOST:
            self._fit.pop(next(iter(self._fit)), None)
        self._fit[request.client_order_id] = request

    def take(self, request: OrderRequest) -> bool:
        """Whether this very request has been checked."""
        return self._fit.pop(request.client_order_id, None) is request
