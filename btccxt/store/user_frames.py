"""Which lines of a traceback are the user's, and not the thirty of backtrader's and ours around them."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType

from btccxt.bt.compat import bt

_NOT_HIS = (Path(__file__).parents[1], Path(bt.__file__).parent)


def user_frames(trace: TracebackType | None, strategy: Path) -> list[traceback.FrameSummary]:
    """The frames from the folder of the strategy's file, outside of backtrader and btccxt, outermost first."""
    folder = strategy.resolve().parent
    return [frame for frame in traceback.extract_tb(trace) if _is_users(frame.filename, folder)]


def _is_users(name: str, folder: Path) -> bool:
    file = Path(name).resolve()  # what Python itself is made of has no file: <frozen importlib._bootstrap>
    return (
        not name.startswith("<frozen ")
        and folder in file.parents
        and not any(part in file.parents for part in _NOT_HIS)
    )
