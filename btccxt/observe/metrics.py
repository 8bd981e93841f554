"""Numbers for Prometheus (extra ``btccxt[metrics]``). Off, every call is an empty method.

    from btccxt.observe.metrics import metrics
    metrics().order_outcome("binance", "filled")

``enable()`` turns them on for the whole process, ``start_http_server(port)`` also serves them. They live in a registry
of their own, or in one that the application passes to ``enable``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from btccxt.errors import ConfigError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """What can be counted. This class is the null implementation: it forgets everything. Callable from any thread."""

    is_on = False

    def request(self, exchange: str, call: str, seconds: float, outcome: str = "ok") -> None:
        """One REST call: ``call`` such as ``fetch_ohlcv``; ``outcome`` is ``ok`` or the name of the error class."""

    def request_retried(self, exchange: str, kind: str) -> None:
        """``kind``: the CallKind that is tried again."""

    def limiter_wait(self, exchange: str, priority: str, seconds: float) -> None: ...

    def limiter_use(self, exchange: str, pool: str, used_share: float) -> None:
        """0.0 empty … 1.0 full."""

    def breaker(self, exchange: str, group: str, state: str) -> None: ...

    def reconnect(self, exchange: str, stream: str) -> None:
        """``stream``: its StreamKind; symbols would make too many series."""

    def stream_age(self, exchange: str, stream: str, seconds: float) -> None:
        """Age of the newest data of the oldest stream of this kind."""

    def streams(self, exchange: str, state: str, count: int) -> None:
        """How many streams are in this ConnectionState."""

    def frame_malformed(self, exchange: str) -> None: ...

    def answer_rejected(self, exchange: str, call: str) -> None:
        """An answer, or a row of one, that makes no sense; ``call``: the method or the stream's kind."""

    def task_failed(self, exchange: str, task: str) -> None:
        """One failed attempt of a supervised task; ``task``: the first word of its name."""

    def gap_repaired(self, exchange: str, kind: str, items: int) -> None:
        """``kind``: bars, trades, fills; ``items``: how many were missing."""

    def bars(self, exchange: str, source: str, count: int = 1) -> None:
        """Closed bars delivered; ``source``: ``websocket`` or ``rest``. Their ratio is the REST share."""

    def bar_lag(self, exchange: str, timeframe: str, seconds: float) -> None:
        """From the bar's close (exchange time) to its delivery."""

    def order_outcome(self, exchange: str, outcome: str) -> None:
        """Final state of an order that was sent, or ``unknown`` (it ends in another one later)."""

    def order_refused(self, exchange: str, reason: str) -> None:
        """An order that was not sent, by our own word. ``reason``: ``rules`` (what the exchange takes), ``funds``,
        ``bracket`` (another order of it was refused), ``not sent`` (trading is halted, or the journal not writable).
        """

    def order_latency(self, exchange: str, stage: str, seconds: float) -> None:
        """``stage``: ``journaled``, ``sent``, ``acknowledged``; seconds since the intent."""

    def unprotected(self, exchange: str, symbol: str, amount: float, seconds: float) -> None:
        """Of a position whose strategy asked for a stop: what has none now, and all seconds in which less had one."""

    def clock(self, exchange: str, offset_ms: float, uncertainty_ms: float) -> None: ...

    def alert(self, kind: str) -> None: ...

    def strategy_lag(self, seconds: float) -> None:
        """From an event's arrival to its reading by the strategy's thread."""


class PrometheusMetrics(Metrics):
    """The same numbers in Prometheus' terms. Raises ImportError without ``prometheus_client``."""

    is_on = True

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = registry if registry is not None else CollectorRegistry()

        def counter(name: str, text: str, labels: Iterable[str]) -> Counter:
            return Counter(f"btccxt_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, labels: Iterable[str]) -> Gauge:
            return Gauge(f"btccxt_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, labels: Iterable[str]) -> Histogram:
            return Histogram(f"btccxt_{name}", text, labels, registry=self.registry, buckets=_SECONDS)

        ex = "exchange"
        self._request = histogram("request_seconds", "Duration of REST calls", [ex, "call", "outcome"])
        self._retries = counter("request_retries", "REST calls tried again", [ex, "kind"])
        self._limiter_wait = histogram("limiter_wait_seconds", "Wait for the rate limit", [ex, "priority"])
        self._limiter_use = gauge("limiter_used_ratio", "Share of a rate limit that is used", [ex, "pool"])
        self._breaker = gauge("breaker_open", "1 open, 0.5 half open, 0 closed", [ex, "group"])
        self._reconnects = counter("reconnects", "Streams that had to connect again", [ex, "stream"])
        self._stream_age = gauge("stream_age_seconds", "Age of the newest data", [ex, "stream"])
        self._streams = gauge("streams", "Streams by state", [ex, "state"])
        self._malformed = counter("frames_malformed", "Frames nobody could read", [ex])
        self._rejected = counter("answers_rejected", "Answers and rows that make no sense", [ex, "call"])
        self._tasks = counter("task_failures", "Failed attempts of supervised tasks", [ex, "task"])
        self._repaired = counter("gap_items_repaired", "Missing items fetched by REST", [ex, "kind"])
        self._gaps = counter("gaps_repaired", "Interruptions repaired", [ex, "kind"])
        self._bars = counter("bars", "Closed bars delivered", [ex, "source"])
        self._bar_lag = histogram("bar_lag_seconds", "From a bar's close to its delivery", [ex, "timeframe"])
        self._outcomes = counter("order_outcomes", "Orders by outcome", [ex, "outcome"])
        self._refusals = counter("order_refusals", "Orders that were not sent, by reason", [ex, "reason"])
        self._order_latency = histogram("order_seconds", "From the intent to each stage", [ex, "stage"])
        self._unprotected = gauge("unprotected_amount", "Part of a position that is without its stop", [ex, "symbol"])
        self._unprotected_s = gauge("unprotected_seconds", "Seconds in which a part was without it", [ex, "symbol"])
        self._offset = gauge("clock_offset_milliseconds", "Exchange time minus local time", [ex])
        self._uncertainty = gauge("clock_uncertainty_milliseconds", "Bound of the clock's error", [ex])
        self._alerts = counter("alerts", "Alerts raised", ["kind"])
        self._strategy_lag = histogram("strategy_lag_seconds", "From arrival to the strategy's thread", [])

    def request(self, exchange: str, call: str, seconds: float, outcome: str = "ok") -> None:
        self._request.labels(exchange, call, outcome).observe(seconds)

    def request_retried(self, exchange: str, kind: str) -> None:
        self._retries.labels(exchange, kind).inc()

    def limiter_wait(self, exchange: str, priority: str, seconds: float) -> None:
        self._limiter_wait.labels(exchange, priority).observe(seconds)

    def limiter_use(self, exchange: str, pool: str, used_share: float) -> None:
        self._limiter_use.labels(exchange, pool).set(used_share)

    def breaker(self, exchange: str, group: str, state: str) -> None:
        self._breaker.labels(exchange, group).set({"open": 1.0, "half_open": 0.5}.get(state, 0.0))

    def reconnect(self, exchange: str, stream: str) -> None:
        self._reconnects.labels(exchange, stream).inc()

    def stream_age(self, exchange: str, stream: str, seconds: float) -> None:
        self._stream_age.labels(exchange, stream).set(seconds)

    def streams(self, exchange: str, state: str, count: int) -> None:
        self._streams.labels(exchange, state).set(count)

    def frame_malformed(self, exchange: str) -> None:
        self._malformed.labels(exchange).inc()

    def answer_rejected(self, exchange: str, call: str) -> None:
        self._rejected.labels(exchange, call).inc()

    def task_failed(self, exchange: str, task: str) -> None:
        self._tasks.labels(exchange, task).inc()

    def gap_repaired(self, exchange: str, kind: str, items: int) -> None:
        self._gaps.labels(exchange, kind).inc()
        self._repaired.labels(exchange, kind).inc(items)

    def bars(self, exchange: str, source: str, count: int = 1) -> None:
        self._bars.labels(exchange, source).inc(count)

    def bar_lag(self, exchange: str, timeframe: str, seconds: float) -> None:
        self._bar_lag.labels(exchange, timeframe).observe(seconds)

    def order_outcome(self, exchange: str, outcome: str) -> None:
        self._outcomes.labels(exchange, outcome).inc()

    def order_refused(self, exchange: str, reason: str) -> None:
        self._outcomes.labels(exchange, "refused").inc()
        self._refusals.labels(exchange, reason).inc()

    def order_latency(self, exchange: str, stage: str, seconds: float) -> None:
        self._order_latency.labels(exchange, stage).observe(seconds)

    def unprotected(self, exchange: str, symbol: str, amount: float, seconds: float) -> None:
        self._unprotected.labels(exchange, symbol).set(amount)
        self._unprotected_s.labels(exchange, symbol).set(seconds)

    def clock(self, exchange: str, offset_ms: float, uncertainty_ms: float) -> None:
        self._offset.labels(exchange).set(offset_ms)
        self._uncertainty.labels(exchange).set(uncertainty_ms)

    def alert(self, kind: str) -> None:
        self._alerts.labels(kind).inc()

    def strategy_lag(self, seconds: float) -> None:
        self._strategy_lag.observe(seconds)


_active = Metrics()


def metrics() -> Metrics:
    """Where this process counts now. Do not keep it: ``enable`` replaces it."""
    return _active


def enable(registry: CollectorRegistry | None = None) -> PrometheusMetrics:
    """Count from now on; in a registry of its own unless one is given. A second call keeps the first.

    Raises ConfigError without the extra.
    """
    global _active
    if isinstance(_active, PrometheusMetrics):
        return _active
    try:
        _active = PrometheusMetrics(registry)
    except ImportError as error:
        raise ConfigError("metrics need: pip install 'btccxt[metrics]'") from error
    return _active


def disable() -> None:
    """Count no more."""
    global _active
    _active = Metrics()


class MetricsServer:
    """Serves ``/metrics`` from a thread of its own until ``close()``."""

    def __init__(self, server: Any, thread: Any) -> None:
        self._server = server
        self._thread = thread

    @property
    def port(self) -> int:
        port: int = self._server.server_port
        return port

    def close(self) -> None:
        """Idempotent; waits for the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


def start_http_server(port: int, address: str = "127.0.0.1") -> MetricsServer:
    """Turn metrics on and serve them; port 0 takes a free one. Raises ConfigError: no extra, port taken."""
    active = enable()
    from prometheus_client import start_http_server as serve

    try:
        server, thread = serve(port, addr=address, registry=active.registry)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"metrics_port {port}: {error}") from error
    return MetricsServer(server, thread)
