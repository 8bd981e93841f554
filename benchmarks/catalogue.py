"""Every benchmark by name, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks import (
    account_history,
    account_reads,
    bars_cpu,
    bars_latency,
    crossings,
    download,
    exits_follow,
    fills_applied,
    fills_back,
    guard_cost,
    history_load,
    journal_ticket,
    lake,
    limiter_priority,
    many_symbols,
    orders_out,
    page,
    recovery,
    self_check,
    sense_checks,
    startup,
    study,
    two_months,
)
from benchmarks.report import Report
from benchmarks.sizes import Size

_MODULES = (
    bars_cpu,
    bars_latency,
    orders_out,
    fills_back,
    history_load,
    startup,
    journal_ticket,
    recovery,
    self_check,
    sense_checks,
    fills_applied,
    guard_cost,
    limiter_priority,
    many_symbols,
    lake,
    download,
    study,
    exits_follow,
    account_history,
    account_reads,
    two_months,
    crossings,
    page,
)
BENCHMARKS: Mapping[str, Callable[[Size], Report]] = {module.NAME: module.run for module in _MODULES}
