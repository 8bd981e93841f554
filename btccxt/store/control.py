"""Hands on a running bot: commands of the same user, over a local socket (a named pipe on Windows).

Each store with a broker listens while it runs. The socket and the file that names it (with the secret that a client has
to know) lie in the user's own state folder, closed to everybody else. What reads or switches is answered at once, also
while a strategy hangs; what changes orders or parameters is done in the strategy's thread. Every command is logged and
noted in the journal.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, Protocol

from btccxt.bt.broker import CCXTBroker
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.order_text import order_text, reasons_text
from btccxt.bt.position_names import held_positions
from btccxt.config import nearest
from btccxt.errors import BtccxtError, ConfigError
from btccxt.observe.log import EventName, get_logger
from btccxt.resilience.files import private_file, private_folder
from btccxt.session.status_file import status_directory
from btccxt.store.strategy_file import param_value

log = get_logger(__name__)

COMMANDS: Mapping[str, str] = {
    "status": "how it is: connections, orders, positions, parameters",
    "pause": "send no order that opens or enlarges anything, nor any other new one",
    "reduce": "send only what reduces exposure",
    "resume": "trade again",
    "cancel": "cancel ORDER (its number, client order id or exchange id), or all",
    "flatten": "only reduce from now on; cancel all orders, then close all positions at market",
    "stop": "end the run in order",
    "set": "set NAME=VALUE: a parameter of the strategy",
}
ENDING = ".control"
_LONGEST_PATH = 100  # of a Unix socket; the system allows 104 to 108 bytes
_ANSWER_S = 15.0
_READ_S = 10.0
_TURNED_AWAY_S = 0.1
_CANCELS_S = 30.0
_ACCOUNT_S = 2.0
_STATES = {"pause": "halted", "reduce": "reducing", "resume": "active"}


class ControlledStore(Protocol):
    """What the commands need of a store."""

    cerebro_loop: CerebroLoop | None

    def health(self) -> dict[str, Any]: ...
    def getbroker(self) -> CCXTBroker: ...
    def set_trading_state(self, state: str, why: str = "") -> None: ...
    def note(self, text: str) -> None:
        """A line in the journal. Any thread."""

    def tell_operators(self, text: str) -> None:
        """To where alerts go: another person may be watching there. Any thread."""


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.name, *self.arguments))


@dataclass(frozen=True, slots=True)
class Answer:
    """``facts``: of ``status``."""

    good: bool
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


# ------------------------------------------------------------------ the bot's side


class ControlServer:
    """Made when a store has started; ``stop`` before it ends. Raises OSError if no socket can be made."""

    def __init__(self, store: ControlledStore, name: str) -> None:
        self._store = store
        self.arrivals: deque[tuple[Command, Future[Answer]]] = deque()
        self._flattening: _Flattening | None = None
        self._ended = threading.Event()
        self._key = secrets.token_bytes(32)
        folder = private_folder(status_directory())
        self._file = folder / f"{name}-{os.getpid()}-{secrets.token_hex(2)}{ENDING}"
        self._own_folder: Path | None = None
        self._address = self._choose_address()
        self._listener = Listener(self._address, authkey=self._key)
        if sys.platform != "win32":
            os.chmod(self._address, 0o600)
        private_file(self._file).write_text(
            json.dumps({"address": self._address, "key": self._key.hex(), "process": os.getpid(), "name": name}),
            encoding="utf-8",
        )
        self._loop = store.cerebro_loop
        if self._loop is not None:
            self._loop.every_loop.append(self._work)
        self._thread = threading.Thread(target=self._serve, name="btccxt-control", daemon=True)
        self._thread.start()

    def _choose_address(self) -> str:
        if sys.platform == "win32":
            return rf"\\.\pipe\{self._file.stem}"
        path = self._file.with_suffix(".sock")
        if len(os.fsencode(path)) > _LONGEST_PATH:
            self._own_folder = Path(tempfile.mkdtemp(prefix="btccxt-"))  # 0700
            path = self._own_folder / "control.sock"
        return str(path)

    def stop(self) -> None:
        """Idempotent; waits for a command that is under way, a moment at most."""
        if self._ended.is_set():
            return
        self._ended.set()
        if self._loop is not None:
            self._loop.every_loop.remove(self._work)
        with contextlib.suppress(OSError, EOFError):
            Client(self._address).close()  # accept() does not end by itself; without a key nobody waits for an answer
        self._thread.join(2.0)
        self._listener.close()
        self._file.unlink(missing_ok=True)
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)
        while self.arrivals:
            _, answer = self.arrivals.popleft()
            answer.set_result(Answer(False, "the store has stopped"))

    # -------------------------------------------------------------- in the control thread

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                connection = self._listener.accept()
            except (OSError, EOFError, AuthenticationError) as error:  # a client that went away: the next one is served
                if not self._ended.wait(_TURNED_AWAY_S):
                    log.warning(EventName.CONTROL, command="-", answer=f"a client was turned away: {error!r}")
                continue
            with connection:
                if not self._ended.is_set():
                    self._serve_one(connection)

    def _serve_one(self, connection: Connection) -> None:
        try:
            if not connection.poll(_READ_S):
                return
            words = json.loads(connection.recv_bytes(10_000))
            answer = self.execute(Command(str(words[0]), tuple(map(str, words[1:]))))
            connection.send_bytes(json.dumps([answer.good, answer.text, answer.facts], default=str).encode())
        except (OSError, EOFError, ValueError, IndexError, TypeError, KeyError) as error:
            log.warning(EventName.CONTROL, command="-", answer=f"unreadable: {error!r}")

    def execute(self, command: Command) -> Answer:
        """Any thread but the strategy's. Waits for that one where it is needed."""
        try:
            check(command)
            answer = self._at_once(command) or self._in_strategy(command)
        except (BtccxtError, OSError) as error:
            answer = Answer(False, str(error))
        if command.name != "status":
            log.warning(EventName.CONTROL, command=str(command), user=_user(), answer=answer.text, done=answer.good)
            self._store.note(f"ctl {command} by {_user()}: {answer.text}")
            self._store.tell_operators(f"{_user()} told it to {command}: {answer.text}")
        return answer

    def _at_once(self, command: Command) -> Answer | None:
        """What needs no strategy; None where it does."""
        if command.name == "status":
            return self._status()
        if command.name in _STATES:
            state = _STATES[command.name]
            self._store.set_trading_state(state, f"ctl {command.name} by {_user()}")
            return Answer(True, f"trading is {state.upper()}")
        if command.name == "stop":
            loop = self._store.cerebro_loop
            if loop is None or (cerebro := loop.cerebro) is None:
                return Answer(False, "nothing runs")
            cerebro.runstop()
            return Answer(True, "the run ends in order")
        return None

    def _status(self) -> Answer:
        facts = self._store.health()
        loop = self._store.cerebro_loop
        cerebro = loop.cerebro if loop is not None else None
        strategies = [] if cerebro is None else list(cerebro.runningstrats)
        facts["strategies"] = [{"name": type(each).__name__, "params": _params(each)} for each in strategies]
        account = self._in_strategy(Command("account"), patience_s=_ACCOUNT_S)
        facts["account"] = account.facts if account.good else "the strategy's thread does not answer now"
        return Answer(True, str(facts.get("state")), facts)

    def _in_strategy(self, command: Command, patience_s: float | None = None) -> Answer:
        patience_s = _ANSWER_S if patience_s is None else patience_s
        loop = self._store.cerebro_loop
        if loop is None or self._loop is None:
            return Answer(False, "no cerebro runs with this store")
        done: Future[Answer] = Future()
        loop.inbox.put(self, (command, done))
        try:
            return done.result(patience_s)
        except FutureTimeout:
            done.cancel()
            return Answer(
                False,
                f"the strategy's thread did not take it within {patience_s:g} s: its next() may be waiting, or the run "
                "has ended; it was not done",
            )

    # -------------------------------------------------------------- in the strategy's thread

    def _work(self) -> None:
        while self.arrivals:
            command, done = self.arrivals.popleft()
            if done.set_running_or_notify_cancel():
                try:
                    done.set_result(self._change(command))
                except BtccxtError as error:
                    done.set_result(Answer(False, str(error)))
        if self._flattening is not None and self._flattening.go_on():
            self._store.note(f"ctl flatten: {self._flattening.said}")
            self._flattening = None

    def _change(self, command: Command) -> Answer:
        if command.name == "account":
            return Answer(True, "", _account(self._store.getbroker()))
        if command.name == "cancel":
            return self._cancel(command.arguments[0])
        if command.name == "set":
            return self._set(command.arguments[0])
        self._store.set_trading_state(_STATES["reduce"], f"ctl flatten by {_user()}")
        self._flattening = _Flattening(self._store.getbroker())
        return Answer(True, f"trading is REDUCING; {self._flattening.said}")

    def _cancel(self, which: str) -> Answer:
        broker = self._store.getbroker()
        live = {order.ref: order for order in broker.get_orders_open()}
        if which == "all":
            for order in live.values():
                broker.cancel(order)
            return Answer(True, f"{len(live)} orders are being cancelled")
        names = {name: order for order in live.values() for name in _names(order)}
        if which not in names:
            there = nearest(which, list(names)) if names else "; none is open"
            raise ConfigError(f"no open order {which!r}{there}")
        broker.cancel(names[which])
        return Answer(True, f"order {which} is being cancelled; it may still fill until the exchange has confirmed")

    def _set(self, assignment: str) -> Answer:
        name, _, text = assignment.partition("=")
        assert self._loop is not None
        cerebro = self._loop.cerebro
        strategies = [] if cerebro is None else list(cerebro.runningstrats)
        known = {key: each for each in strategies for key in _params(each)}
        if name not in known:
            raise ConfigError(f"no strategy here has a parameter {name!r}{nearest(name, list(known))}")
        strategy, value = known[name], param_value(text)
        before = getattr(strategy.params, name)
        fits = before is None or isinstance(value, type(before)) or (isinstance(before, float) and type(value) is int)
        if not fits or (isinstance(before, bool) is not isinstance(value, bool) and before is not None):
            raise ConfigError(f"{name} is {before!r}; {text!r} is of another kind")
        setattr(strategy.params, name, type(before)(value) if isinstance(before, float) else value)
        return Answer(True, f"{name}: {before!r} -> {getattr(strategy.params, name)!r}")


class _Flattening:
    """Cancels, and when all orders have ended closes what is held. Strategy's thread."""

    def __init__(self, broker: CCXTBroker) -> None:
        self._broker = broker
        self._until_s = time.monotonic() + _CANCELS_S
        orders = broker.get_orders_open()
        for order in orders:
            broker.cancel(order)
        held = [f"{each.name} {each.size:g}" for each in held_positions(broker)]
        self.said = f"{len(orders)} orders are being cancelled, then closed: {', '.join(held) or 'nothing is held'}"

    def go_on(self) -> bool:
        """Whether it is done."""
        broker = self._broker
        if broker.get_orders_open() and time.monotonic() < self._until_s:
            return False
        closed = []
        for held in list(held_positions(broker)):
            order = held.close(broker)
            reasons = reasons_text(order)
            closed.append(f"{held.name} {held.size:g} {f'NOT closed: {reasons}' if reasons else 'is being closed'}")
        left = [order.info.get("client_order_id") for order in broker.get_orders_open()] if not closed else []
        self.said = ", ".join(closed) or (f"still open: {left}" if left else "nothing is held")
        log.warning(EventName.CONTROL, command="flatten", answer=self.said)
        return True


def check(command: Command) -> None:
    """Raises ConfigError for a command that does not exist, or that lacks what it needs."""
    if command.name not in COMMANDS:
        raise ConfigError(f"no command {command.name!r}{nearest(command.name, list(COMMANDS))}")
    needs = {"cancel": "cancel ORDER, or cancel all", "set": "set NAME=VALUE"}.get(command.name)
    if needs is not None and (
        len(command.arguments) != 1 or (command.name == "set" and not command.arguments[0].partition("=")[1])
    ):
        raise ConfigError(f"write it as: {needs}")
    if needs is None and command.arguments:
        raise ConfigError(f"{command.name} takes no argument: {' '.join(command.arguments)!r}")


def _names(order: bt.Order) -> list[str]:
    info = order.info
    return [str(order.ref), *(str(info[key]) for key in ("client_order_id", "exchange_order_id") if info.get(key))]


def _params(strategy: bt.Strategy) -> dict[str, Any]:
    return {name: getattr(strategy.params, name) for name in strategy.params._getkeys() if not name.startswith("_")}


def _account(broker: CCXTBroker) -> dict[str, Any]:
    """Strategy's thread."""
    positions = {held.name: held.size for held in held_positions(broker)}
    return {
        "cash": broker.getcash(),
        "value": broker.getvalue(),
        "positions": positions,
        "open_orders": [
            {
                "ref": order.ref,
                "id": order.info.get("client_order_id"),
                "order": order_text(order),
                "price": order.created.price,
                "filled": abs(order.executed.size),
                "state": order.getstatusname(),
            }
            for order in broker.get_orders_open()
        ],
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return str(os.getuid()) if hasattr(os, "getuid") else "?"


# ------------------------------------------------------------------ the other side


@dataclass(frozen=True, slots=True)
class Bot:
    """A running store that can be told something."""

    name: str
    process: int
    address: str
    key: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return f"{self.name}-{self.process}"

    def tell(self, command: Command) -> Answer:
        """Raises ConfigError for a wrong command, BtccxtError if the bot does not answer."""
        check(command)
        try:
            with Client(self.address, authkey=self.key) as connection:
                connection.send_bytes(json.dumps([command.name, *command.arguments]).encode())
                if not connection.poll(_ANSWER_S + _READ_S):
                    raise BtccxtError(f"{self.id} did not answer")
                good, text, facts = json.loads(connection.recv_bytes())
        except (OSError, EOFError) as error:
            raise BtccxtError(f"{self.id} does not answer ({error!r}); has it ended?") from None
        return Answer(good, text, facts)


def bots() -> Iterator[Bot]:
    """Those of this user on this machine that have a control file; a killed one may have left it behind."""
    folder = status_directory()
    for path in sorted(folder.glob(f"*{ENDING}")) if folder.exists() else ():
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            yield Bot(told["name"], told["process"], told["address"], bytes.fromhex(told["key"]))
        except (OSError, ValueError, KeyError):
            continue  # just being written, or just gone


def find_bot(which: str) -> Bot:
    """By its name as ``btccxt status`` shows it, the beginning of it, or its process. Raises ConfigError."""
    known, which = list(bots()), which.replace(" ", "-")
    found = [bot for bot in known if which in (bot.id, bot.name, str(bot.process))]
    found = found or [bot for bot in known if bot.id.startswith(which)]
    if len(found) == 1:
        return found[0]
    names = [bot.id for bot in known]
    if found:
        raise ConfigError(f"{which!r} may be {' or '.join(bot.id for bot in found)}")
    raise ConfigError(f"no bot {which!r} runs here{nearest(which, names)}" if names else "no bot runs here")
