"""A stream that stays away: REST serves with the same guarantees, and both turns are announced everywhere."""

from __future__ import annotations

import pytest

from btccxt._bt import bt
from btccxt.model import ConnectionState
from btccxt.notices import NoticeKind
from btccxt.observe import metrics as observe_metrics
from btccxt.sim.faults import Fault, FaultKind
from tests.heal.kit import SYMBOLS, Run, check_bars, check_fills, exchange, store_on


@pytest.fixture
def counted():
    registry = pytest.importorskip("prometheus_client").CollectorRegistry()
    observe_metrics.disable()
    yield observe_metrics.enable(registry).registry
    observe_metrics.disable()


def _too_small(strategy) -> None:
    if strategy.live_bars == 1:
        strategy.buy(size=0.00002, exectype=bt.Order.Limit, price=50_000)


def value(registry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"btccxt_{name}", {"exchange": "binance", **labels}) or 0.0


def test_without_streams_bars_and_fills_come_by_rest_and_both_turns_are_announced(counted):
    with exchange() as background:
        store = store_on(background)
        with store.kept_open():
            run = Run(store, *(store.getdata(dataname=each, timeframe=bt.TimeFrame.Minutes) for each in SYMBOLS))
            run.until_live(3)
            refusal = background.faults.add(Fault(FaultKind.REFUSE_CONNECTION))
            background.call(lambda sim: sim.cut_connections())
            run.until(lambda: store.state is ConnectionState.DEGRADED, "degraded")
            fills = background.call(lambda sim: len(sim.engine.fills("main")))
            seen = len(run.diary.rows[1])
            run.until(lambda: len(run.diary.rows[1]) >= seen + 12, "bars by REST")
            run.until(lambda: value(counted, "bars_total", source="rest") >= 12, "bars counted")
            background.faults.remove(refusal)
            run.until(run.healthy, "back to the streams")
            run.more_bars(4)
            diary = run.finish()
            check_bars(background, diary)
            assert check_fills(background, store) >= fills
    turns = [status for name, status in diary.data_news if name == "BTC/USDT"]
    assert turns[-1] == "LIVE"
    assert "DELAYED" in turns[turns.index("LIVE") :]
    told = [note.about.new for note in diary.store_news if getattr(note, "kind", None) is NoticeKind.STREAM]
    assert ConnectionState.DEGRADED in told
    assert told[-1] is ConnectionState.LIVE
    assert value(counted, "reconnects_total", stream="bars") >= len(SYMBOLS)
    assert value(counted, "bars_total", source="websocket") > 0
    assert counted.get_sample_value("btccxt_alerts_total", {"kind": "stream_down"})


def test_every_number_of_the_page_on_metrics_is_fed_while_a_store_runs(counted):
    """What docs/operations.md lists; those that need trouble get some."""
    with exchange() as background:
        store = store_on(background)
        with store.kept_open():
            datas = [store.getdata(dataname=each, timeframe=bt.TimeFrame.Minutes) for each in SYMBOLS]
            run = Run(store, *datas, each_bar=_too_small)
            run.until_live(3)
            background.faults.add(Fault(FaultKind.MALFORMED, stream="*@kline*"))
            run.until(lambda: value(counted, "frames_malformed_total"), "malformed frame counted")
            background.faults.add(Fault(FaultKind.ERROR_BEFORE, method="GET", host="api.*", times=30, status=502))
            background.faults.add(Fault(FaultKind.REFUSE_CONNECTION, duration_s=1.0))  # four bars
            background.call(lambda sim: sim.cut_connections())
            run.until(lambda: value(counted, "gaps_repaired_total", kind="bars"), "gap counted")
            run.until(lambda: value(counted, "order_outcomes_total", outcome="filled"), "order counted")
            run.finish()
    samples = [sample for family in counted.collect() for sample in family.samples]
    may_be_zero = ("btccxt_breaker_open", "btccxt_limiter_used_ratio")  # closed again, idle: their presence counts
    fed = {sample.name for sample in samples if sample.value or sample.name in may_be_zero}
    wanted = {
        "request_seconds_count", "request_retries_total", "limiter_wait_seconds_count", "breaker_open",
        "reconnects_total", "stream_age_seconds", "streams", "frames_malformed_total", "gap_items_repaired_total",
        "gaps_repaired_total", "bars_total", "bar_lag_seconds_count", "order_outcomes_total", "order_seconds_count",
        "clock_offset_milliseconds", "clock_uncertainty_milliseconds", "strategy_lag_seconds_count",
        "limiter_used_ratio",
    }  # fmt: skip
    assert {name for name in wanted if f"btccxt_{name}" not in fed} == set()
    assert value(counted, "order_outcomes_total", outcome="refused"), "1 USDT is below the exchange's minimum"
