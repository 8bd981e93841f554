"""Where recorded market data lies. It is not part of the repository; tests that need it skip, saying so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def recorded_path(relative: str) -> Path:
    """Path of one recorded file; skips the calling test where the recordings are absent."""
    root = Path(os.environ.get("BTCCXT_RECORDED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    path = root / relative
    if not path.exists():
        pytest.skip(f"recorded data not here: {relative} (set BTCCXT_RECORDED_DATA to the folder that has it)")
    return path
