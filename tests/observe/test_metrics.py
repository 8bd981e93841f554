from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from btccxt.errors import ConfigError
from btccxt.observe import metrics as module
from btccxt.observe.metrics import Metrics, PrometheusMetrics, disable, enable, metrics, start_http_server


@pytest.fixture(autouse=True)
def off_afterwards() -> Iterator[None]:
    disable()
    yield
    disable()


def call_everything(target: Metrics) -> None:
    examples: dict[str, object] = {"exchange": "binance", "seconds": 0.2, "items": 3, "count": 4, "used_share": 0.5}
    examples |= {"offset_ms": 12.0, "uncertainty_ms": 3.0, "state": "open", "amount": 0.5}
    for name, method in inspect.getmembers(target, inspect.ismethod):
        if not name.startswith("_"):
            method(**{each: examples.get(each, each) for each in inspect.signature(method).parameters})


def test_off_every_number_is_accepted_and_forgotten() -> None:
    assert type(metrics()) is Metrics
    call_everything(metrics())


def test_each_number_that_can_be_counted_appears_in_the_registry() -> None:
    counted = enable()
    call_everything(metrics())
    samples = {sample.name: sample for family in counted.registry.collect() for sample in family.samples}
    for name in (
        "request_seconds_count",
        "request_retries_total",
        "limiter_wait_seconds_count",
        "limiter_used_ratio",
        "breaker_open",
        "reconnects_total",
        "stream_age_seconds",
        "streams",
        "frames_malformed_total",
        "gap_items_repaired_total",
        "gaps_repaired_total",
        "bars_total",
        "bar_lag_seconds_count",
        "order_outcomes_total",
        "order_refusals_total",
        "order_seconds_count",
        "unprotected_amount",
        "unprotected_seconds",
        "clock_offset_milliseconds",
        "clock_uncertainty_milliseconds",
        "alerts_total",
        "strategy_lag_seconds_count",
    ):
        assert samples[f"btccxt_{name}"].value > 0, name
    assert samples["btccxt_gap_items_repaired_total"].value == 3
    assert samples["btccxt_clock_offset_milliseconds"].value == 12


def test_the_prometheus_version_overrides_every_method() -> None:
    for name, _ in inspect.getmembers(Metrics, inspect.isfunction):
        assert name in vars(PrometheusMetrics), name


def test_they_stay_out_of_the_registry_that_everybody_shares() -> None:
    from prometheus_client import REGISTRY

    enable().order_outcome("binance", "filled")
    assert not any(family.name.startswith("btccxt") for family in REGISTRY.collect())


def test_turning_them_on_twice_keeps_what_was_counted() -> None:
    first = enable()
    assert enable() is first
    assert metrics() is first


def test_the_server_serves_what_was_counted_and_ends() -> None:
    server = start_http_server(0)
    try:
        metrics().order_outcome("binance", "filled")
        with urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=100) as answer:
            text = answer.read().decode()
        assert 'btccxt_order_outcomes_total{exchange="binance",outcome="filled"} 1.0' in text
        with pytest.raises(ConfigError, match=f"metrics_port {server.port}"):
            start_http_server(server.port)
    finally:
        threads = threading.active_count()
        server.close()
    assert threading.active_count() < threads


def test_without_the_extra_turning_them_on_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"pip install 'btccxt\[metrics\]'"):
        start_http_server(0)
    assert type(module.metrics()) is Metrics
