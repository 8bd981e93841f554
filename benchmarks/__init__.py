"""Speed of btccxt beside named peers, measured in the same run: ``python -m benchmarks`` (or ``make bench``).

Every path is a module with ``run(size) -> Report``. The embedded exchange runs in a process of its own; whatever is
compared connects to the same one, takes its turn in short rounds, and the median of the rounds counts.
"""
