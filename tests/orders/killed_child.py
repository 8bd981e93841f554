"""A program of its own, written out in a test, that ends by its own SIGKILL."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from pathlib import Path


async def run_until_killed(source: str, *arguments: object) -> None:
    """Run ``source`` with these arguments; it must have been killed, not have ended."""
    child = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
