"""An error inside a user's strategy shows his lines, and not the thirty of backtrader's and ours around them."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import typer

import btccxt
from btccxt.bt.compat import bt
from btccxt.errors import BtccxtError

_OURS = (Path(btccxt.__file__).parent, Path(bt.__file__).parent)


@contextmanager
def explained(strategy: Path) -> Iterator[None]:
    """Around whatever runs the strategy of this file. Known errors go on; others are shown, and end the command."""
    try:
        yield
    except BtccxtError as error:
        lines = _lines_of(error.__traceback__, strategy)
        if lines:
            typer.echo("".join(lines), err=True, nl=False)
        raise
    except Exception as error:
        lines = _lines_of(error.__traceback__, strategy)
        if not lines and not isinstance(error, SyntaxError):
            raise  # ours: every line of it is wanted
        head = "" if not lines else "error in the strategy:\n"
        typer.echo(head + "".join(lines) + "".join(traceback.format_exception_only(error)), err=True, nl=False)
        sys.exit(1)


def _lines_of(trace: TracebackType | None, strategy: Path) -> list[str]:
    """The frames outside of backtrader, btccxt and Python itself, from the first one in the user's folder."""
    frames = traceback.extract_tb(trace)
    folder = strategy.resolve().parent
    own = [frame for frame in frames if _is_users(Path(frame.filename), folder)]
    return traceback.format_list(own)


def _is_users(file: Path, folder: Path) -> bool:
    file = file.resolve()
    return folder in file.parents and not any(part in file.parents for part in _OURS)
