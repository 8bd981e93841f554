"""When the frame of a fill came out of this process's socket, the same way for btccxt and for its peers."""

from __future__ import annotations

import re
import time
from typing import Any

_FILL = re.compile(rb'"x":"TRADE"')
_CLIENT_ORDER_ID = re.compile(rb'"c":"([^"]+)"')


class FillFrames:
    """From now on notes every fill's frame as ccxt's client is handed it, before anything of it is parsed."""

    def __init__(self) -> None:
        from ccxt.async_support.base.ws.client import Client

        self.received_ns: dict[str, int] = {}
        handle_message = Client.handle_message

        def timed(client: Any, message: Any) -> Any:
            now_ns = time.time_ns()
            data = message.data.encode() if isinstance(message.data, str) else message.data
            if isinstance(data, bytes) and _FILL.search(data) and (found := _CLIENT_ORDER_ID.search(data)):
                self.received_ns.setdefault(found[1].decode(), now_ns)
            return handle_message(client, message)

        Client.handle_message = timed

    def take(self) -> dict[str, int]:
        """Client order id -> when (``time.time_ns``); forgets them."""
        found, self.received_ns = self.received_ns, {}
        return found
