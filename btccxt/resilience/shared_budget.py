"""Rate budgets that several processes with the same key charge together.

``file:///path`` is a small SQLite database (its locking is the file lock: crash-safe and the same on every system), for
processes of one machine. ``redis://host:port/0`` is a Redis server, for several machines.
Both remember what was spent in hundredths of a window, rounded up: never too much is granted, at most 1 % too little.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from btccxt.errors import BtccxtError, ConfigError
from btccxt.resilience.files import private_file, private_folder

T = TypeVar("T")
_GRAINS = 100
_TOLERANCE = 1e-9


class BudgetTrouble(BtccxtError):
    """The shared budget did not answer; the local limits still hold."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What one call takes from one pool: ``weight`` units, if the pool stays at or below ``ceiling``."""

    pool: str
    weight: float
    ceiling: float
    window_ms: float


class SharedBudget(ABC):
    """Counts what all processes spent. Coroutines run in the session's loop and do not block it."""

    @abstractmethod
    async def take(self, charges: Sequence[Charge]) -> float:
        """Charge all pools or none: 0.0 if taken, else ms until it may work. Raises BudgetTrouble."""

    @abstractmethod
    async def stop(self, pool: str, for_ms: float) -> None:
        """Nobody may take from this pool for so long. Raises BudgetTrouble."""

    @abstractmethod
    async def close(self) -> None:
        """Idempotent; never raises."""


async def open_budget(url: str, scope: str) -> SharedBudget:
    """Open and try the budget at ``url``; ``scope`` (exchange and key) keeps different limits apart.

    Raises ConfigError with the reason if the URL is not understood or nobody answers there.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.strip("/"):
            raise ConfigError(f"rate_budget {url!r}: write file:///absolute/path")
        return await FileBudget.open(Path(url2pathname(unquote(parts.path))), scope)
    if parts.scheme in ("redis", "rediss"):
        return await RedisBudget.open(url, scope)
    raise ConfigError(f"rate_budget {_without_password(url)!r}: use file:///path or redis://host:port/0")


class FileBudget(SharedBudget):
    """A SQLite file, stamped with the wall clock: the one clock that processes share and that survives a reboot."""

    def __init__(self, path: Path, scope: str, now_ms: Callable[[], float]) -> None:
        self._path = path
        self._scope = scope
        self._now_ms = now_ms
        self._database: sqlite3.Connection | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="btccxt-budget")

    @classmethod
    async def open(
        cls, path: Path, scope: str, *, now_ms: Callable[[], float] = lambda: time.time() * 1000.0
    ) -> FileBudget:
        budget = cls(path, scope, now_ms)
        try:
            await budget._run(budget._open)
        except BudgetTrouble as trouble:
            await budget.close()
            raise ConfigError(
                f"rate_budget: the file {path} cannot be used ({trouble.__cause__ or trouble}); choose another path"
            ) from trouble
        return budget

    async def take(self, charges: Sequence[Charge]) -> float:
        return await self._run(lambda: self._take(charges))

    async def stop(self, pool: str, for_ms: float) -> None:
        await self._run(lambda: self._stop(pool, for_ms))

    async def close(self) -> None:
        with contextlib.suppress(BudgetTrouble):  # closed already
            await self._run(self._close)
        self._worker.shutdown()  # it has nothing left to do, so this does not wait

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except (sqlite3.Error, OSError, RuntimeError) as error:
            raise BudgetTrouble(f"shared rate budget {self._path}: {error}") from error

    def _open(self) -> None:
        private_folder(self._path.parent)
        private_file(self._path)
        # isolation_level None: transactions are begun by hand, so that reading and spending are one step.
        self._database = sqlite3.connect(self._path, timeout=1.0, isolation_level=None)
        self._database.execute("PRAGMA synchronous=OFF")  # after a power cut the counters are worthless anyway
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS spent (pool TEXT, at_ms REAL, weight REAL, PRIMARY KEY (pool, at_ms))"
        )
        self._database.execute("CREATE TABLE IF NOT EXISTS stopped (pool TEXT PRIMARY KEY, until_ms REAL)")

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _begin(self) -> sqlite3.Connection:
        if self._database is None:
            raise sqlite3.ProgrammingError("the budget is closed")
        self._database.execute("BEGIN IMMEDIATE")
        return self._database

    def _take(self, charges: Sequence[Charge]) -> float:
        database = self._begin()
        with database:
            now_ms = self._now_ms()
            wait_ms = max((self._wait_ms(database, charge, now_ms) for charge in charges), default=0.0)
            if wait_ms <= 0:
                for charge in charges:
                    database.execute(
                        "INSERT INTO spent VALUES (?, ?, ?)"
                        " ON CONFLICT DO UPDATE SET weight = weight + excluded.weight",
                        (self._key(charge.pool), _grain_end_ms(now_ms, charge.window_ms), charge.weight),
                    )
            return wait_ms

    def _wait_ms(self, database: sqlite3.Connection, charge: Charge, now_ms: float) -> float:
        pool = self._key(charge.pool)
        # Stamps from the future were written before the clock was set back; they would count for too long.
        database.execute(
            "DELETE FROM spent WHERE pool = ? AND (at_ms <= ? OR at_ms > ?)",
            (pool, now_ms - charge.window_ms, now_ms + 2 * charge.window_ms / _GRAINS),
        )
        rows = database.execute("SELECT at_ms, weight FROM spent WHERE pool = ? ORDER BY at_ms", (pool,)).fetchall()
        stopped = database.execute("SELECT until_ms FROM stopped WHERE pool = ?", (pool,)).fetchone()
        stop_ms = stopped[0] - now_ms if stopped else 0.0
        return max(0.0, stop_ms, _free_in_ms(rows, charge, now_ms))

    def _stop(self, pool: str, for_ms: float) -> None:
        with self._begin() as database:
            database.execute(
                "INSERT INTO stopped VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)",
                (self._key(pool), self._now_ms() + for_ms),
            )

    def _key(self, pool: str) -> str:
        return f"{self._scope}/{pool}"


# All or nothing over all pools, on the server's own clock: one round trip, no race between processes.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local wait = 0
for i, key in ipairs(KEYS) do
  local weight, ceiling, window = tonumber(ARGV[3*i-2]), tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i])
  local spent, used = {}, 0
  local flat = redis.call('HGETALL', key)
  for j = 1, #flat, 2 do
    if flat[j] == 'stopped' then
      wait = math.max(wait, tonumber(flat[j+1]) - now)
    else
      local at = tonumber(flat[j])
      if at + window <= now then
        redis.call('HDEL', key, flat[j])
      else
        used = used + tonumber(flat[j+1])
        table.insert(spent, {at, tonumber(flat[j+1])})
      end
    end
  end
  table.sort(spent, function(a, b) return a[1] < b[1] end)
  local limit = ceiling - weight + 1e-9
  for _, entry in ipairs(spent) do
    if used <= limit then break end
    used = used - entry[2]
    wait = math.max(wait, entry[1] + window - now)
  end
end
if wait <= 0 then
  for i, key in ipairs(KEYS) do
    local window = tonumber(ARGV[3*i])
    local grain = window / 100
    local at = math.ceil(now / grain) * grain
    redis.call('HINCRBYFLOAT', key, string.format('%.3f', at), ARGV[3*i-2])
    local life = math.ceil(window + grain)
    if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life) end
  end
end
return tostring(wait)
"""
_STOP = """
local time = redis.call('TIME')
local stop = time[1] * 1000 + time[2] / 1000 + tonumber(ARGV[1])
local before = tonumber(redis.call('HGET', KEYS[1], 'stopped') or '0')
if stop > before then redis.call('HSET', KEYS[1], 'stopped', string.format('%.3f', stop)) end
local life = math.ceil(tonumber(ARGV[1]))
if redis.call('PTTL', KEYS[1]) < life then redis.call('PEXPIRE', KEYS[1], life) end
"""


class RedisBudget(SharedBudget):
    """A Redis server (5 or later; extra ``btccxt[redis]``). Its clock is the one that counts."""

    def __init__(self, client: Any, scope: str, shown_url: str) -> None:
        self._client = client
        self._scope = scope
        self._shown_url = shown_url
        self._take_script = client.register_script(_TAKE)
        self._stop_script = client.register_script(_STOP)

    @classmethod
    async def open(cls, url: str, scope: str) -> RedisBudget:
        shown_url = _without_password(url)
        try:
            from redis import asyncio as redis_asyncio
        except ImportError as error:
            raise ConfigError(
                f"rate_budget {shown_url}: install the redis client: pip install 'btccxt[redis]'"
            ) from error
        try:
            client = redis_asyncio.Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=3.0)
        except ValueError as error:
            raise ConfigError(f"rate_budget {shown_url}: {error}") from error
        budget = cls(client, scope, shown_url)
        try:
            await budget._ask(client.ping())
        except BudgetTrouble as trouble:
            await budget.close()
            raise ConfigError(
                f"rate_budget: no Redis answers at {shown_url} ({trouble.__cause__ or trouble}); "
                "start it, correct the address, or leave rate_budget out"
            ) from trouble
        return budget

    async def take(self, charges: Sequence[Charge]) -> float:
        arguments = [number for each in charges for number in (each.weight, each.ceiling, each.window_ms)]
        keys = [self._key(charge.pool) for charge in charges]
        return float(await self._ask(self._take_script(keys=keys, args=arguments)))

    async def stop(self, pool: str, for_ms: float) -> None:
        await self._ask(self._stop_script(keys=[self._key(pool)], args=[for_ms]))

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, question: Awaitable[Any]) -> Any:
        from redis.exceptions import RedisError

        try:
            return await question
        except (RedisError, OSError) as error:
            raise BudgetTrouble(f"{self._shown_url}: {type(error).__name__}: {error}") from error

    def _key(self, pool: str) -> str:
        # The braces keep all pools of one scope on one node of a cluster, as the script needs.
        return f"btccxt:budget:{{{self._scope}}}:{pool}"


def _grain_end_ms(now_ms: float, window_ms: float) -> float:
    grain_ms = window_ms / _GRAINS
    return -(-now_ms // grain_ms) * grain_ms


def _free_in_ms(spent: Sequence[tuple[float, float]], charge: Charge, now_ms: float) -> float:
    """Ms until the charge fits; ``spent`` is (at_ms, weight), oldest first. A lone call may exceed its ceiling."""
    used = sum(weight for _, weight in spent)
    limit = charge.ceiling - charge.weight + _TOLERANCE
    wait_ms = 0.0
    for at_ms, weight in spent:
        if used <= limit:
            break
        used -= weight
        wait_ms = at_ms + charge.window_ms - now_ms
    return wait_ms


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))
