"""Alerts: the few things a person should know at once. Raising one never blocks and never fails.

``AlertHub`` hands each alert to its sinks: the log, ``notify_store`` (a callback), and services such as mail or
Telegram through apprise (extra ``btccxt[alerts]``). The same trouble of the same thing is passed on once per interval;
the next one that passes says how many were held back.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from btccxt.errors import ConfigError
from btccxt.observe.log import EventName, get_logger
from btccxt.observe.metrics import metrics
from btccxt.observe.redact import redact, redact_text

_log = get_logger(__name__)
_QUEUED = 100
_REMEMBERED = 1_000


class AlertKind(str, Enum):
    UNKNOWN_OUTCOME = "unknown_outcome"  # an order may be placed, and nobody could find out in time
    PROTECTIVE_ORDER_REJECTED = "protective_order_rejected"  # the text says what is done about it
    POSITION_UNPROTECTED = "position_unprotected"  # a position is, or was, without its stop
    ORDER_LOST = "order_lost"  # the exchange does not know an order that was open
    DRIFT = "drift"  # position or cash differ from the exchange's
    OVERFILL = "overfill"
    JOURNAL_TROUBLE = "journal_trouble"
    CLOCK = "clock"  # the clock cannot be trusted, orders stop
    STREAM_DOWN = "stream_down"
    EXCHANGE_DOWN = "exchange_down"
    RATE_LIMITED = "rate_limited"  # banned for a while
    AUTHENTICATION = "authentication"
    STRATEGY_SLOW = "strategy_slow"
    TRADING_STOPPED = "trading_stopped"
    OPERATOR = "operator"  # a person told a bot something (btccxt ctl)
    CCXT_CHANGED = "ccxt_changed"  # the installed ccxt does something otherwise than proven: orders may be refused
    SHUTDOWN = "shutdown"  # could not be done as asked: orders left open, position not flat
    INTERNAL = "internal"  # a defect of ours


def _no_details() -> Mapping[str, object]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Alert:
    """``text`` says what happened and what to do. ``key`` is what it happened to: an order id, a stream, a coin."""

    kind: AlertKind
    text: str
    exchange: str = ""
    key: str = ""
    details: Mapping[str, object] = field(default_factory=_no_details)
    suppressed: int = 0
    """How many of the same kind and key were held back since the last one."""

    def __str__(self) -> str:
        where = " ".join(part for part in (self.exchange, self.key) if part)
        more = f" ({self.suppressed} more like this)" if self.suppressed else ""
        return f"{self.kind.value}{f' [{where}]' if where else ''}: {self.text}{more}"


Sink = Callable[[Alert], None]


def log_sink(alert: Alert) -> None:
    _log.error(
        EventName.ALERT_RAISED,
        kind=alert.kind.value,
        text=alert.text,
        exchange=alert.exchange,
        key=alert.key,
        suppressed=alert.suppressed,
        **({"details": alert.details} if alert.details else {}),
    )


class AlertHub:
    """Rate limit and distribution. Thread-safe; sinks run in the thread that raises, so they must be quick."""

    def __init__(
        self, sinks: Iterable[Sink] = (log_sink,), *, every_s: float = 60.0, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._sinks = list(sinks)
        self._every_s = every_s
        self._now_s = now_s
        self._passed_s: dict[tuple[AlertKind, str, str], float] = {}
        self._held_back: dict[tuple[AlertKind, str, str], int] = {}
        self._suppressed = 0
        self._lock = threading.Lock()

    @property
    def suppressed(self) -> int:
        """How many alerts were held back in total."""
        return self._suppressed

    def add_sink(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def raise_alert(self, alert: Alert) -> bool:
        """Pass it on, with secrets hidden, unless the same kind and key passed within the interval. Never raises."""
        suppressed = self._pass(alert)
        if suppressed is None:
            return False
        metrics().alert(alert.kind.value)
        clean = replace(
            alert, text=redact_text(alert.text), key=redact_text(alert.key), details=redact(alert.details),
            suppressed=suppressed,
        )  # fmt: skip
        for sink in tuple(self._sinks):
            try:
                sink(clean)
            except Exception:  # noqa: BLE001 - a user's sink may raise anything; the others must still hear of it
                _log.exception(EventName.ALERT_FAILED, kind=alert.kind.value, sink=repr(sink))
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Give sinks that work in the background this long, together, to finish."""
        until_s = time.monotonic() + timeout_s
        for sink in self._sinks:
            close = getattr(sink, "close", None)
            if callable(close):
                close(max(0.0, until_s - time.monotonic()))

    def _pass(self, alert: Alert) -> int | None:
        """How many were held back before this one; None if it is held back itself."""
        same = (alert.kind, alert.exchange, alert.key)
        with self._lock:
            now_s = self._now_s()
            passed_s = self._passed_s.get(same)
            if passed_s is not None and now_s - passed_s < self._every_s:
                self._held_back[same] = self._held_back.get(same, 0) + 1
                self._suppressed += 1
                return None
            if len(self._passed_s) >= _REMEMBERED:
                self._passed_s = {key: at_s for key, at_s in self._passed_s.items() if now_s - at_s < self._every_s}
                self._held_back = {key: count for key, count in self._held_back.items() if key in self._passed_s}
            self._passed_s[same] = now_s
            return self._held_back.pop(same, 0)


class AppriseSink:
    """Sends alerts to apprise URLs (``mailto://…``, ``tgram://…``, ``json://…``) from a thread of its own.

    At most 100 wait; beyond that the oldest are dropped and counted. Raises ConfigError without the extra and for a URL
    that apprise does not understand; the URL itself, which holds tokens, is not shown.
    """

    def __init__(self, urls: Sequence[str], title: str = "btccxt") -> None:
        try:
            import apprise
        except ImportError as error:
            raise ConfigError("alerts need: pip install 'btccxt[alerts]'") from error
        self._apprise = apprise.Apprise()
        for number, url in enumerate(urls, 1):
            if not self._apprise.add(url):
                scheme = url.partition("://")[0] if "://" in url else "no scheme"
                raise ConfigError(f"alert URL {number} ({scheme}) is not one that apprise understands")
        self._title = title
        self._waiting: deque[Alert] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self.dropped = 0
        self.failed = 0
        self._thread = threading.Thread(target=self._work, name="btccxt-alerts", daemon=True)
        self._thread.start()

    def __call__(self, alert: Alert) -> None:
        with self._changed:
            if self._closing:
                self.dropped += 1
                return
            if len(self._waiting) >= _QUEUED:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(alert)
            self._changed.notify()

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what waits, at most so long. The thread is a daemon: a service that hangs does not keep us alive."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if not self._waiting:
                    return
                alert = self._waiting.popleft()
            try:
                sent = self._apprise.notify(title=f"{self._title}: {alert.kind.value}", body=str(alert))
            except Exception:  # noqa: BLE001 - the thread must outlive whatever a service's plugin raises
                _log.exception(EventName.ALERT_FAILED, kind=alert.kind.value)
                sent = False
            if not sent:
                self.failed += 1
                _log.warning(EventName.ALERT_FAILED, kind=alert.kind.value, failed=self.failed)
