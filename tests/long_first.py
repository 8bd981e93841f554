"""In which order the workers of xdist get the tests: the files with long ones first, or the last would run alone.

``--dist worksteal`` gives each worker one part of the list, as it lies, and takes from the ends of the parts later.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol, TypeVar


class Test(Protocol):
    @property
    def nodeid(self) -> str: ...

    def get_closest_marker(self, name: str) -> object | None: ...


T = TypeVar("T", bound=Test)


def long_first(tests: Sequence[T], workers: int) -> list[T]:
    """File by file, as they were; at the beginning of each worker's part, some of the files with a slow test."""
    files = [list(group) for _, group in groupby(tests, key=lambda test: test.nodeid.partition("::")[0])]
    slow = [file for file in files if any(test.get_closest_marker("slow") for test in file)]
    quick = iter([test for file in files if file not in slow for test in file])
    ordered: list[T] = []
    for worker in range(workers):
        end = len(ordered) + (len(tests) - len(ordered)) // (workers - worker)
        for file in slow[worker::workers]:
            ordered += file
        ordered += [test for _, test in zip(range(end - len(ordered)), quick, strict=False)]
    return [*ordered, *quick]
