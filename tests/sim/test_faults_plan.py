"""The switchboard alone: plans are data, seeds replay, everything is logged, threads may switch."""

from __future__ import annotations

import threading

from btccxt.sim.faults import NO_FAULTS, AppliedFault, Fault, FaultKind, FaultPlan, Faults


def fates(faults: Faults, count: int) -> list[bool]:
    return [faults.on_request("h", "GET", "/a").fate is not None for _ in range(count)]


def test_the_same_seed_strikes_the_same_requests_and_another_seed_others() -> None:
    plan = FaultPlan((Fault(FaultKind.ERROR_AFTER, probability=0.3, times=None),), seed=7)
    first, second = Faults(plan), Faults(plan)
    struck = fates(first, 200)
    assert struck == fates(second, 200)
    assert first.log == second.log  # times of day aside
    assert 30 < sum(struck) < 90
    assert struck != fates(Faults(FaultPlan(plan.faults, seed=8)), 200)


def test_one_faults_luck_does_not_depend_on_another_fault() -> None:
    chance = Fault(FaultKind.ERROR_AFTER, path="/a", probability=0.5, times=None)
    alone = Faults(FaultPlan((chance,), seed=1))
    beside = Faults(FaultPlan((chance, Fault(FaultKind.ERROR_AFTER, path="/b", probability=0.5, times=None)), seed=1))
    struck = []
    for _ in range(50):
        beside.on_request("h", "GET", "/b")
        struck.append(beside.on_request("h", "GET", "/a").fate is not None)
    assert struck == fates(alone, 50)


def test_delays_add_up_and_go_with_one_fate() -> None:
    faults = Faults(
        [
            Fault(FaultKind.DELAY_REQUEST, delay_s=0.1),
            Fault(FaultKind.DELAY_REQUEST, delay_s=0.2),
            Fault(FaultKind.DELAY_ANSWER, delay_s=0.4),
            Fault(FaultKind.LOSE_ANSWER),
            Fault(FaultKind.HANG),
        ]
    )
    struck = faults.on_request("h", "GET", "/a")
    assert (round(struck.delay_before_s, 3), struck.delay_after_s) == (0.3, 0.4)
    assert struck.fate is not None and struck.fate.kind is FaultKind.LOSE_ANSWER
    after = faults.on_request("h", "GET", "/a")
    assert after.fate is not None and after.fate.kind is FaultKind.HANG
    assert faults.on_request("h", "GET", "/a") is NO_FAULTS


def test_hosts_methods_and_paths_are_patterns() -> None:
    faults = Faults([Fault(FaultKind.HANG, host="api*", method="P*", path="/x/*", times=None)])
    assert faults.on_request("api.a", "POST", "/x/1").fate
    assert faults.on_request("api.a", "PUT", "/x/2").fate
    assert faults.on_request("api.a", "GET", "/x/1") is NO_FAULTS
    assert faults.on_request("www.a", "POST", "/x/1") is NO_FAULTS
    assert faults.on_request("api.a", "POST", "/y/1") is NO_FAULTS


def test_a_frame_fault_leaves_answers_alone_and_a_request_fault_frames() -> None:
    faults = Faults([Fault(FaultKind.LOSE_FRAME, times=None), Fault(FaultKind.HANG, times=None)])
    assert faults.on_frame("h", "/ws", "", 1) is None
    lost = faults.on_frame("h", "/ws", "t", 1)
    assert lost is not None and lost.kind is FaultKind.LOSE_FRAME
    assert faults.on_request("h", "GET", "/a").fate == Fault(FaultKind.HANG, times=None)


def test_skews_add_up_while_they_stand() -> None:
    faults = Faults()
    early, late = Fault(FaultKind.CLOCK_SKEW, skew_ms=-500), Fault(FaultKind.CLOCK_SKEW, skew_ms=2_000)
    faults.add(early)
    number = faults.add(late)
    assert faults.skew_ms == 1_500
    faults.remove(number)
    assert (faults.skew_ms, faults.active) == (-500, (early,))
    faults.clear()
    assert faults.skew_ms == 0


def test_a_strike_says_what_it_hit_and_how_many_had_matched() -> None:
    fault = Fault(FaultKind.DUPLICATE, stream="a*", nth=2)
    faults = Faults([fault])
    for topic in ("ab", "b", "ac", "ad"):
        faults.on_frame("h", "/ws", topic, 1)
    assert faults.log == (AppliedFault(fault, "ac", 2),)
    assert faults.log[0].time_ns > 0


def test_a_standing_fault_may_begin_at_a_later_match() -> None:
    faults = Faults([Fault(FaultKind.SILENCE, stream="a", nth=3)])
    struck = [faults.on_frame("h", "/ws", "a", 1) is not None for _ in range(5)]
    assert struck == [False, False, True, True, True]
    assert faults.on_frame("h", "/ws", "a", 2) is None  # opened later
    assert faults.stands(FaultKind.SILENCE)


def test_threads_may_add_and_clear_while_requests_come_in() -> None:
    faults = Faults()
    stop = threading.Event()

    def switch() -> None:
        while not stop.is_set():
            faults.add(Fault(FaultKind.HANG, times=None))
            faults.add(Fault(FaultKind.LOSE_FRAME, times=None))
            faults.clear()

    switching = threading.Thread(target=switch)
    switching.start()
    struck = 0
    while struck < 50:
        struck += faults.on_request("h", "GET", "/a").fate is not None
        struck += faults.on_frame("h", "/ws", "t", 1) is not None
    stop.set()
    switching.join()
    assert len(faults.log) >= 50
