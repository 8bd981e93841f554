"""Studies: one strategy with many sets of parameters over the lake, on all cores or on a Ray cluster.

``grid``, ``windows``, ``records`` and ``search`` are pure; ``backtest`` is one run; ``runners`` and ``ray_runner`` make
many of them; ``folder`` and ``table`` are what stays on disk; ``study`` is the whole.
"""
