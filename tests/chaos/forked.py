"""Bots in processes of their own that share the referee: whenever one runs, everybody else stands still.

So a kill finds it where its seed says: at rest, or at the very write at which it kills itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

from tests.chaos.referee import readable, referee


class Pipe:
    """Lines of JSON to and from another process."""

    def __init__(self, reader: int, writer: int) -> None:
        self.reader = reader
        self._writer = writer
        self._rest = b""

    def say(self, what: Any) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writer, json.dumps(what).encode() + b"\n")

    def hear(self) -> Any:
        """Waits for the next line. Raises EOFError."""
        while b"\n" not in self._rest:
            some = os.read(self.reader, 1 << 20)
            if not some:
                raise EOFError
            self._rest += some
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def has_line(self, timeout_s: float = 0.0) -> bool:
        """Whether ``hear`` would not wait, within this time."""
        return b"\n" in self._rest or readable(self.reader, timeout_s)

    def close(self) -> None:
        os.close(self.reader)
        os.close(self._writer)


def _pipes() -> tuple[Pipe, Pipe]:
    one, other = os.pipe(), os.pipe()
    return Pipe(one[0], other[1]), Pipe(other[0], one[1])


class ForkedBot:
    """One bot; forked while this process has a single thread, and asleep until ``begin``."""

    def __init__(self, live: Callable[[Pipe, dict[str, Any]], None], older: list[ForkedBot]) -> None:
        """``live(lead, plan)`` is the bot's life."""
        self.lead, lead = _pipes()
        self._turns, turns = _pipes()
        self.deadline_ns: int | None = None
        self.weight = 1.0
        self._has_cause = True
        self._status: int | None = None
        self.process = os.fork()
        if not self.process:
            for pipe in (self.lead, self._turns, *(pipe for bot in older for pipe in (bot.lead, bot._turns))):
                pipe.close()
            _live(live, lead, turns)
        lead.close()
        turns.close()

    def begin(self, plan: dict[str, Any]) -> None:
        self.lead.say(plan)
        referee.remotes.append(self)

    @property
    def is_dead(self) -> bool:
        return self._status is not None

    def kill(self) -> None:
        """It has no socket any more when this returns. Idempotent."""
        if not self.is_dead:
            os.kill(self.process, signal.SIGKILL)
            self._bury()

    @property
    def was_killed(self) -> bool:
        """And has not ended by itself."""
        return self._status is not None and os.WIFSIGNALED(self._status) and os.WTERMSIG(self._status) == signal.SIGKILL

    def _bury(self) -> None:
        self._status = os.waitpid(self.process, 0)[1]
        if self in referee.remotes:
            referee.remotes.remove(self)
            referee.wires.forget()

    # -------------------------------------------------------------- taking turns

    def may_go_on(self, now_ns: int) -> bool:
        return self._has_cause or (self.deadline_ns is not None and self.deadline_ns <= now_ns)

    def something_happened(self) -> None:
        self._has_cause = True

    def go_on(self, now_ns: int) -> int:
        self._has_cause = False
        self._turns.say(now_ns)
        try:
            then_ns, self.deadline_ns, ends = self._turns.hear()
        except EOFError:  # it has killed itself
            self._bury()
            return now_ns
        referee.wires.hear(ends)
        return int(then_ns)


def _live(live: Callable[[Pipe, dict[str, Any]], None], lead: Pipe, turns: Pipe) -> None:
    """The bot's process, from beginning to end."""

    def home(next_ns: int | None) -> int:
        turns.say((referee.now_ns, next_ns, referee.wires.tell(referee.selectors)))
        return _next_turn(turns)

    try:
        plan = lead.hear()
        now_ns = _next_turn(turns)
        referee.begin(plan["life"])
        referee.now_ns = now_ns
        referee.home = home
        live(lead, plan)
    except EOFError:  # nobody leads any more
        os._exit(3)
    except BaseException:  # noqa: BLE001 - the process must end here, whatever happened
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _next_turn(turns: Pipe) -> int:
    try:
        return int(turns.hear())
    except EOFError:
        os._exit(3)
