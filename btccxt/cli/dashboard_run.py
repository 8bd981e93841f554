"""What ``btccxt dashboard`` does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from btccxt.errors import ConfigError
from btccxt.runs.page_server import PageServer

_LOOK_S = 1.0
_END_S = 3.0


def serve(port: int, *, control: bool, browser: bool, with_process: int | None) -> None:
    """Until Ctrl-C, or until the process ``with_process`` has ended. Raises ConfigError if the port is taken."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(port, control, browser, with_process))


async def _serve(port: int, control: bool, browser: bool, with_process: int | None) -> None:
    server = PageServer(port, control=control)
    try:
        await server.start()
    except OSError as error:
        raise ConfigError(f"port {port} cannot be used ({error.strerror or error}); try --port 0") from None
    try:
        typer.echo(f"page: {server.address}")
        typer.echo("read-only; --control adds buttons" if not control else "its buttons steer your bots")
        sys.stdout.flush()
        if browser:
            webbrowser.open(server.address)
        ended = asyncio.Event()
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C is a KeyboardInterrupt there
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        while not ended.is_set() and (with_process is None or os.getppid() == with_process):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ended.wait(), _LOOK_S)
    finally:
        await server.stop()


@contextmanager
def page_beside(control: bool) -> Iterator[str]:
    """A dashboard in a process of its own while inside; its address."""
    command = [sys.executable, "-m", "btccxt", "dashboard", "--port", "0", "--with-process", str(os.getpid())]
    process = subprocess.Popen(
        [*command, *(["--control"] if control else [])], stdout=subprocess.PIPE, text=True,
        start_new_session=True,  # Ctrl-C is the bot's; the page ends with it
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("page: "):
            raise ConfigError("the page did not start; try btccxt dashboard on its own")
        yield line.removeprefix("page: ").strip()
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
