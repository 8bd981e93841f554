"""What systemd wants to hear of a service: that it is ready, that it lives, that it stops (``sd_notify``).

Silent where ``NOTIFY_SOCKET`` is not set.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_MICROSECONDS = 1_000_000


class ServiceManager:
    """``beat`` belongs where a hang would be noticed: the strategy's loop. All methods are quick and never raise."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._address = environ.get("NOTIFY_SOCKET", "")
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        period_us = environ.get("WATCHDOG_USEC", "") if watched else ""
        self._period_s = int(period_us) / _MICROSECONDS / 3 if period_us.isdigit() else None
        self._next_s = 0.0

    @property
    def is_there(self) -> bool:
        return bool(self._address)

    def ready(self, status: str = "") -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def beat(self) -> None:
        """Three times within the time that systemd allows; a call costs nothing in between."""
        if self._period_s is None or not self._address:
            return
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._period_s
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.settimeout(1.0)
                channel.sendto(text.encode(), address)
        except OSError:
            self._address = ""  # nobody listens there
