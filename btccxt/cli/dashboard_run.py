"""What ``btccxt dashboard`` does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from btccxt.errors import ConfigError
from btccxt.runs.page_server import PageServer

_LOOK_S = 1.0
_END_S = 3.0


def serve(port: int, *, control: bool, browser: bool, until_input_ends: bool) -> None:
    """Until Ctrl-C, or until the standard input ends, as it does with the bot that holds it.

    Raises ConfigError if the port is taken.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(port, control, browser, until_input_ends))


async def _serve(port: int, control: bool, browser: bool, until_input_ends: bool) -> None:
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
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C is a KeyboardInterrupt there
            loop.add_signal_handler(signal.SIGTERM, ended.set)
        if until_input_ends:
            threading.Thread(target=_wait_for_end, args=(loop, ended.set), daemon=True).start()
        while not ended.is_set():  # in steps: Windows hears Ctrl-C only between them
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ended.wait(), _LOOK_S)
    finally:
        await server.stop()


def _wait_for_end(loop: asyncio.AbstractEventLoop, then: Callable[[], None]) -> None:
    """Blocks: a pipe ends with whoever holds its other side, however that one died and whatever the system."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    with contextlib.suppress(RuntimeError):  # the page has ended by itself
        loop.call_soon_threadsafe(then)


@contextmanager
def page_beside(control: bool) -> Iterator[str]:
    """A dashboard in a process of its own while inside; its address."""
    command = [sys.executable, "-m", "btccxt", "dashboard", "--port", "0", "--until-input-ends"]
    with subprocess.Popen(
        [*command, *(["--control"] if control else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True,  # Ctrl-C is the bot's; the page ends with it
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line.startswith("page: "):
                raise ConfigError("the page did not start; try btccxt dashboard on its own")
            yield line.removeprefix("page: ").strip()
        finally:
            process.stdin.close()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.terminate()
