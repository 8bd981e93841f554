"""For every test: what a program keeps between its runs (journals, locks, lakes) stays out of the user's own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.patient_market import Program

# Set at import, before any other fixture, and inherited by the processes that tests start.
_state = tempfile.TemporaryDirectory(prefix="btccxt-tests-", ignore_cleanup_errors=True)
for _variable in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
    os.environ[_variable] = _state.name
os.environ.pop("BTCCXT_LAKE", None)

# A property is tried with the same examples on any machine. --hypothesis-profile=default: others.
settings.register_profile("suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
        from tests.long_first import long_first

        items[:] = long_first(items, workers)


@pytest.fixture(scope="session", autouse=True)
def _own_state_directory() -> Iterator[None]:
    yield
    _state.cleanup()


@pytest.fixture
def patient_market() -> Iterator[Program]:
    """See ``tests/patient_market.py``; for tests that count bars of a fast market."""
    from tests.patient_market import patient_market as waiting

    with waiting() as program:
        yield program
