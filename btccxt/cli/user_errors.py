"""An error inside a user's strategy shows his lines, and not the thirty of backtrader's and ours around them."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import typer

from btccxt.errors import BtccxtError
from btccxt.store.user_frames import user_frames


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
    return traceback.format_list(user_frames(trace, strategy))
