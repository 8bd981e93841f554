"""What a store tells the outside: notifications for the strategy, alerts for people, metrics, the last errors.

Called from the session thread and the strategy's; never blocks, never raises.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone

from btccxt.config import StoreConfig
from btccxt.model import ConnectionState
from btccxt.notices import NoticeKind, StoreNotice
from btccxt.observe.alerts import Alert, AlertHub, AlertKind, AppriseSink, log_sink
from btccxt.observe.log import EventName, configure, get_logger
from btccxt.observe.metrics import MetricsServer, metrics, start_http_server
from btccxt.observe.redact import redact_text
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.resilience.supervised import TaskNews, TaskRecovered
from btccxt.session.streams import StreamChanged

__all__ = ["NoticeKind", "Notifier", "StoreNotice"]

log = get_logger(__name__)

_ERRORS_KEPT = 20
_ALERT_OF_ALARM = {
    AlarmKind.OVERFILL: AlertKind.OVERFILL,
    AlarmKind.OUTCOME_UNKNOWN: AlertKind.UNKNOWN_OUTCOME,
    AlarmKind.CANCEL_UNCONFIRMED: AlertKind.UNKNOWN_OUTCOME,
    AlarmKind.GHOST: AlertKind.ORDER_LOST,
    AlarmKind.FILLS_OVERDUE: AlertKind.DRIFT,
    AlarmKind.EXTERNAL_ORDER: AlertKind.DRIFT,
    AlarmKind.DRIFT: AlertKind.DRIFT,
    AlarmKind.JOURNAL: AlertKind.JOURNAL_TROUBLE,
    AlarmKind.MISMATCH: AlertKind.TRADING_STOPPED,
    AlarmKind.PROTECTIVE_REJECTED: AlertKind.PROTECTIVE_ORDER_REJECTED,
    AlarmKind.UNPROTECTED: AlertKind.POSITION_UNPROTECTED,
}


class Notifier:
    """One per store. ``notify`` hands a StoreNotice to the strategy's thread."""

    def __init__(self, settings: StoreConfig, notify: Callable[[StoreNotice], None]) -> None:
        self._exchange = settings.exchange
        self._settings = settings
        self._notify = notify
        self._errors: deque[dict[str, str]] = deque(maxlen=_ERRORS_KEPT)
        self._alerts: AlertHub | None = None
        self._server: MetricsServer | None = None

    # -------------------------------------------------------------- life

    def start(self) -> None:
        """Log, alerts and metrics as the settings ask. Raises ConfigError for what cannot be had."""
        settings = self._settings
        if settings.log is not None:
            configure(settings.log.level, json=settings.log.json_lines, file=settings.log.file)
        self._alerts = AlertHub([log_sink])
        if settings.alerts:
            self._alerts.add_sink(AppriseSink([url.get_secret_value() for url in settings.alerts]))
        if settings.metrics_port is not None:
            self._server = start_http_server(settings.metrics_port)

    def stop(self) -> None:
        """Bounded; alerts on their way get a few seconds."""
        alerts, self._alerts = self._alerts, None
        server, self._server = self._server, None
        if alerts is not None:
            alerts.close()
        if server is not None:
            server.close()

    # -------------------------------------------------------------- what happens

    def alarm(self, alarm: Alarm) -> None:
        """From the order core: for a person."""
        kind, text = _ALERT_OF_ALARM.get(alarm.kind, AlertKind.INTERNAL), alarm.text
        if alarm.raised_ms is not None:
            raised = datetime.fromtimestamp(alarm.raised_ms / 1000, timezone.utc).isoformat(timespec="seconds")
            text += f" (raised at {raised} by a program that ended before it was told)"
        self.alert(kind, text, alarm.client_order_id or "")
        self._notify(StoreNotice(NoticeKind.ALARM, f"ALARM {alarm.kind.value}: {text}", alarm))

    def alert(self, kind: AlertKind, text: str, key: str = "") -> None:
        if self._alerts is not None:
            self._alerts.raise_alert(Alert(kind, text, self._exchange, key))

    def stream_changed(self, change: StreamChanged) -> None:
        """Both turns are announced: away from the stream and back to it."""
        state = change.new
        log.info(
            EventName.STATE_CHANGED, stream=str(change.key), state=state.value, reason=change.reason,
            attempts=change.attempts,
        )  # fmt: skip
        if state is ConnectionState.RECONNECTING:
            metrics().reconnect(self._exchange, change.key.kind.value)
        if state is ConnectionState.DEGRADED and change.old is not None:
            self.alert(AlertKind.STREAM_DOWN, f"{change.key} is served by polling: {change.reason}", str(change.key))
        if change.old is not None and state is not ConnectionState.STOPPED:
            self._notify(StoreNotice(NoticeKind.STREAM, str(change), change))

    def trouble(self, what: str, error: BaseException) -> None:
        """Something went wrong and was survived."""
        text = redact_text(f"{what}: {type(error).__name__}: {error}")
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._errors.append({"at": now, "what": what, "error": redact_text(f"{type(error).__name__}: {error}")})
        log.warning(EventName.SESSION_ERROR, what=what, error=text)
        self._notify(StoreNotice(NoticeKind.TROUBLE, text, error))

    def task(self, news: TaskNews) -> None:
        """A loop that must not end failed once more, or works again. The first failure in a row is said."""
        kind = news.name.split(" ", 1)[0]
        if isinstance(news, TaskRecovered):
            log.info(EventName.TASK_RECOVERED, exchange=self._exchange, task=news.name, failures=news.failures)
            text = f"{news.name} works again, after {news.failures} failures in a row"
            if news.was_alarm:
                text += "; the alarm about it is over"
            self._notify(StoreNotice(NoticeKind.TROUBLE, text, news))
            return
        error = redact_text(f"{type(news.error).__name__}: {news.error}")
        log.warning(
            EventName.TASK_FAILED, exchange=self._exchange, task=news.name, failures=news.failures, error=error,
            again_in_s=None if news.again_in_s is None else round(news.again_in_s, 3),
        )  # fmt: skip
        metrics().task_failed(self._exchange, kind)
        if news.failures == 1 or news.again_in_s is None:
            self.trouble(news.name, news.error)
        if news.is_alarm:
            text = f"{news.name} has failed {news.failures} times in a row, and is tried again: {error}"
            self.alarm(Alarm(AlarmKind.FAULT, text))

    def say(self, text: str, kind: NoticeKind = NoticeKind.ACCOUNT) -> None:
        log.warning(EventName.NOTIFICATION, text=text)
        self._notify(StoreNotice(kind, text))

    def last_errors(self) -> list[dict[str, str]]:
        """The last things that went wrong, with their time (this machine's, UTC)."""
        return list(self._errors)
