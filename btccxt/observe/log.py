"""Structured log: stable event names, fields instead of prose, no secrets.

Importing btccxt configures nothing. Events go to the standard loggers ``btccxt.*``, already redacted, so they reach
whatever logging the application has (if it has none, Python prints warnings to stderr). ``configure`` writes them, and
those of ccxt and aiohttp, to stderr or a file, as text or as JSON lines.
"""

from __future__ import annotations

import difflib
import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from datetime import datetime, timezone
from enum import Enum
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

from btccxt.errors import ConfigError
from btccxt.observe.redact import redact, redact_text, register_secret

__all__ = ["EventName", "LogFormatter", "configure", "get_logger", "register_secret", "reset"]

LEVELS = ("debug", "info", "warning", "error", "critical")
_FOREIGN = ("ccxt", "aiohttp", "asyncio", "apprise")
_FIELDS_ATTRIBUTE = "btccxt_fields"
_FILE_BYTES = 20_000_000
_FILES_KEPT = 5


class EventName(str, Enum):
    """Every event that btccxt logs. Names are part of the public interface: dashboards and alerts grep for them."""

    STORE_STARTED = "store_started"
    STORE_STOPPED = "store_stopped"
    SESSION_STARTED = "session_started"
    SESSION_ERROR = "session_error"
    STATE_CHANGED = "state_changed"

    STREAM_FAILED = "stream_failed"
    ANSWER_REJECTED = "answer_rejected"
    TASK_FAILED = "task_failed"
    TASK_RECOVERED = "task_recovered"

    GAP_REPAIRED = "gap_repaired"
    HOLE_REPORTED = "hole_reported"
    HISTORY_FAILED = "history_failed"
    CACHE_DAMAGED = "cache_damaged"
    BAR_AHEAD = "bar_ahead"
    BAR_LATE = "bar_late"
    BAR_REVISED = "bar_revised"

    ORDER_REFUSED = "order_refused"
    ORDER_STATE_CHANGED = "order_state_changed"
    RECONCILED = "reconciled"
    JOURNAL_OPENED = "journal_opened"
    JOURNAL_RESTORED = "journal_restored"

    REQUEST_RETRIED = "request_retried"
    BREAKER_CHANGED = "breaker_changed"
    CLOCK_STEPPED = "clock_stepped"
    CLOCK_OUTVOTED = "clock_outvoted"
    CLOCK_BEYOND_WINDOW = "clock_beyond_window"

    FUNDING = "funding"
    STRATEGY_SLOW = "strategy_slow"
    DEAD_MAN_SET = "dead_man_set"
    RUN_STOPPED = "run_stopped"
    CONTROL = "control"
    ON_STOP = "on_stop"
    TRADING_STATE = "trading_state"
    NOTIFICATION = "notification"
    ALERT_RAISED = "alert_raised"
    ALERT_FAILED = "alert_failed"

    __str__ = str.__str__


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger on top of the standard one of this name: ``log.info(EventName.STATE_CHANGED, stream=..., state=...)``.

    ``log.exception`` and ``exc_info=True`` add the traceback, redacted like everything else.
    """
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            _redact_fields,
            _hand_to_logging,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger


def configure(level: str = "info", *, json: bool = False, file: Path | str | None = None) -> None:
    """Write the log of btccxt, and warnings of ccxt and aiohttp, to stderr or to ``file`` (rotated at 20 MB).

    At level ``debug`` the requests of ccxt and aiohttp are written too. Calling it again replaces the former settings.
    Raises ConfigError for an unknown level or a file that cannot be written.
    """
    if level.lower() not in LEVELS:
        near = difflib.get_close_matches(level.lower(), LEVELS, 1)
        raise ConfigError(
            f"log level {level!r} is unknown; " + (f"did you mean {near[0]!r}?" if near else f"use one of {LEVELS}")
        )
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler()
    else:
        try:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            handler = RotatingFileHandler(file, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"log file {file} cannot be written: {error}") from error
    handler.setFormatter(LogFormatter(json=json, colors=file is None and sys.stderr.isatty()))
    reset()
    number = logging.getLevelName(level.upper())
    for name in ("btccxt", *_FOREIGN):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(number if name == "btccxt" or number == logging.DEBUG else max(number, logging.WARNING))
        logger.propagate = False  # else a handler of the root logger would write the line again, unredacted


def reset() -> None:
    """Undo ``configure``."""
    for name in ("btccxt", *_FOREIGN):
        logger = logging.getLogger(name)
        for handler in logger.handlers[:]:
            if isinstance(handler.formatter, LogFormatter):
                logger.removeHandler(handler)
                handler.close()
                logger.setLevel(logging.NOTSET)
                logger.propagate = True


def keep_clean(logger: logging.Logger) -> None:
    """From now on this logger of another library writes no secret, whatever handlers the application has."""
    if _CLEAN not in logger.filters:
        logger.addFilter(_CLEAN)


class _CleanRecords(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact_text(record.getMessage()), ()
        if record.exc_info and not isinstance(record.exc_info, bool):
            record.exc_text = redact_text(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


_CLEAN = _CleanRecords()


class LogFormatter(logging.Formatter):
    """One line per event, secrets hidden; for any handler, and for records of any library."""

    def __init__(self, *, json: bool = False, colors: bool = False) -> None:
        super().__init__()
        self._render = _render_json if json else structlog.dev.ConsoleRenderer(colors=colors)

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, Any] | None = getattr(record, _FIELDS_ATTRIBUTE, None)
        if fields is None:
            fields = {"event": redact_text(record.getMessage())}
            if record.exc_info:
                fields["exception"] = redact_text(self.formatException(record.exc_info))
            elif record.exc_text:
                fields["exception"] = redact_text(record.exc_text)
        moment = datetime.fromtimestamp(record.created, tz=timezone.utc).isoformat(timespec="milliseconds")
        head = {"timestamp": moment.replace("+00:00", "Z"), "level": record.levelname.lower(), "logger": record.name}
        line = self._render(None, record.levelname.lower(), {**head, **fields})
        return line if isinstance(line, str) else line.decode()


def _redact_fields(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    clean: Mapping[str, Any] = redact(event)
    return clean


def _hand_to_logging(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    """Readable text for whatever formatter the application has; the fields themselves for ours."""
    parts = [f"{name}={value}" for name, value in event.items() if name not in ("event", "exception")]
    text = " ".join([str(event.get("event", "")), *parts])
    if "exception" in event:
        text = f"{text}\n{event['exception']}"
    # exc_info False: the traceback is in the text already, and logging must not add it again, unredacted.
    return (text,), {"extra": {_FIELDS_ATTRIBUTE: dict(event)}, "exc_info": False}


def _render_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    return json.dumps(event, default=str, ensure_ascii=False)
