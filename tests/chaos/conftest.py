from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.chaos.stage import Stage


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    if not hasattr(os, "fork"):
        pytest.skip("scenarios are played in forks of a prepared process; this system has no fork")
    with Stage() as stage:
        yield stage
