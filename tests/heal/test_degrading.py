"""A stream that stays away: REST serves with the same guarantees, and both turns are announced everywhere."""

from __future__ import annotations

import pytest

from btccxt.bt.compat import bt
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
            fills = fill_count(background)
            seen = len(run.diary.rows[1])
            run.until(lambda: len(run.diary.rows[1]) >= seen + 12, "bars by REST")
            run.until(lambda: value(counted, "bars_total", source="rest") >= 12, "bars counted")
            run.until(lambda: fill_count(background) >= fills + 2, "orders filled meanwhile")
            background.faults.remove(refusal)
            run.until(run.healthy, "back to the streams")
            run.until(
                lambda: turns(run.diary)[-1] == "LIVE" and told(run.diary)[-1] is ConnectionState.LIVE, "announced"
            )
            by_stream = value(counted, "bars_total", source="websocket")
            run.until(lambda: value(counted, "bars_total", source="websocket") >= by_stream + 12, "bars by the streams")
            diary = run.finish()
            check_bars(background, diary)
            assert check_fills(background, store) >= fills + 2
    assert "DELAYED" in turns(diary)[turns(diary).index("LIVE") :]
    assert ConnectionState.DEGRADED in told(diary)
    assert value(counted, "reconnects_total", stream="bars") >= len(SYMBOLS)
    assert counted.get_sample_value("btccxt_alerts_total", {"kind": "stream_down"})


def turns(diary) -> list[str]:
    """What ``notify_data`` heard of the first symbol."""
    return [status for name, status in list(diary.data_news) if name == "BTC/USDT"]


def told(diary) -> list[ConnectionState]:
    """What ``notify_store`` heard of streams."""
    return [note.about.new for note in list(diary.store_news) if getattr(note, "kind", None) is NoticeKind.STREAM]


def fill_count(background) -> int:
    return background.call(lambda sim: len(sim.engine.fills("main")))
