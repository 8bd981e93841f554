from __future__ import annotations

from collections.abc import Iterator

import pytest

from btccxt.observe import log, redact

PLANTED = "pL4nted-K3y/with+specials=="


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> str:
    """A secret that is registered for this test only."""
    redactor = redact.Redactor()
    redactor.register(PLANTED)
    monkeypatch.setattr(redact, "_default", redactor)
    return PLANTED


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    yield
    log.reset()
