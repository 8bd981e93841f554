"""Every benchmark by name, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks import bars_cpu, bars_latency, fills_back, orders_out
from benchmarks.report import Report
from benchmarks.sizes import Size

_MODULES = (bars_cpu, bars_latency, orders_out, fills_back)
BENCHMARKS: Mapping[str, Callable[[Size], Report]] = {module.NAME: module.run for module in _MODULES}
