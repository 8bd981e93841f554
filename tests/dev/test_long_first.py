"""The order in which the suite is handed out: nothing is lost, files stay together, long ones begin."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.long_first import long_first


@dataclass(frozen=True)
class Named:
    nodeid: str
    is_slow: bool = False

    def get_closest_marker(self, name: str) -> object | None:
        return True if self.is_slow and name == "slow" else None


TESTS = [
    *(Named(f"a.py::{number}") for number in range(10)),
    *(Named(f"b.py::{number}", number == 2) for number in range(3)),
    *(Named(f"c.py::{number}") for number in range(6)),
    *(Named(f"d.py::{number}", True) for number in range(2)),
]


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 30])
def test_each_test_is_there_once_and_those_of_a_file_keep_their_order(workers):
    ordered = long_first(TESTS, workers)
    assert sorted(ordered, key=TESTS.index) == TESTS
    for file in "abcd":
        assert [each for each in ordered if each.nodeid[0] == file] == [
            each for each in TESTS if each.nodeid[0] == file
        ]


def test_each_workers_part_begins_with_a_file_that_has_a_slow_test():
    ordered = long_first(TESTS, 2)
    first, second = ordered[:10], ordered[10:]  # as worksteal divides 21 tests
    assert [each.nodeid for each in first[:4]] == ["b.py::0", "b.py::1", "b.py::2", "a.py::0"]
    assert [each.nodeid for each in second[:3]] == ["d.py::0", "d.py::1", "a.py::7"]
