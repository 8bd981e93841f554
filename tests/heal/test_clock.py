"""The clock: a jump of the exchange's clock heals by itself; an uncertain clock stops orders before they are sent."""

from __future__ import annotations

from btccxt.bt.compat import bt
from btccxt.sim.faults import Fault, FaultKind
from tests.heal.kit import Run, check_fills, exchange, store_on


def minutes(store):
    return store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes)


def test_orders_go_on_when_the_exchanges_clock_jumps_away():
    with exchange(speed=120) as background:
        store = store_on(background)
        with store.kept_open():
            run = Run(store, minutes(store), trade_every=1)
            run.until_live(2)
            background.faults.add(Fault(FaultKind.CLOCK_SKEW, skew_ms=-3_600_000))
            filled = run.diary.ends.count("Completed")
            run.until(lambda: run.diary.ends.count("Completed") >= filled + 2, "orders with the new clock")
            assert store.health()["clock"]["steps"] >= 1
            background.faults.clear()
            diary = run.finish()
            check_fills(background, store)
    assert set(diary.ends) == {"Completed"}


def test_a_clock_that_is_not_known_well_enough_for_a_signature_stops_orders_with_a_clear_word():
    with exchange() as background:
        sent: list[str] = []
        background.exchange.on_request(lambda seen: sent.append(f"{seen.method} {seen.path}"))
        store = store_on(background)
        with store.kept_open():
            run = Run(store, minutes(store), trade_every=0)
            run.until_live(1)
            # Reads are not signed so finely; only what would move money has to be sure.
            store._venue.exchange._rest.options["recvWindow"] = 0.001
            order = run.diary.buy(size=0.01)
            run.until(lambda: not order.alive(), "rejection")
            run.finish()
    assert order.getstatusname() == "Rejected"
    assert "its time is known to" in " ".join(order.info.reasons)
    assert "recvWindow" in " ".join(order.info.reasons)
    assert not [line for line in sent if line.startswith("POST") and line.endswith("/order")]
