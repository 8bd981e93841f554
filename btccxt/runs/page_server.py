"""The page: a server on this machine's loopback that shows runs from their records, for whoever has the token.

It runs in a process of its own and only reads files, so that nothing a browser does reaches a bot. With ``control`` the
page's buttons send what ``btccxt ctl`` sends. A browser that does not read is cut off, and connects again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any

from aiohttp import WSMsgType, web

from btccxt.errors import BtccxtError, ConfigError
from btccxt.resilience.supervised import Tasks
from btccxt.runs.records import FoundRun, Tail, find_runs
from btccxt.runs.snapshot import changing, snapshot
from btccxt.runs.state import RunState
from btccxt.store.control import Command, bots

_POLL_S = 0.5
_HEALTH_EVERY = 10  # polls: a store writes its own every five seconds
_BARS_KEPT = 5_000
_WAITING = 2_000
_SHOWN_RUNS = 40
_ASSETS = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "lightweight-charts.js": "text/javascript",
    "LICENSE-lightweight-charts.txt": "text/plain",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def asset(name: str) -> str:
    """A file of the page, as text."""
    return (files("btccxt.runs") / "page" / name).read_text(encoding="utf-8")


class PageServer:
    """``start`` in a running loop, then ``address``; ``stop``. Raises OSError if the port is taken."""

    def __init__(self, port: int = 0, *, control: bool = False, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self._port, self._control = port, control
        self._channels: dict[str, _Channel] = {}
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """To open in a browser; it holds the token."""
        return f"http://127.0.0.1:{self._port}/?token={self.token}"

    @property
    def _cookie(self) -> str:
        """A browser sends the cookies of one port to all ports: two pages need two names."""
        return f"btccxt-{self._port}"

    async def start(self) -> None:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._index)
        app.router.add_get("/page/{name}", self._asset)
        app.router.add_get("/runs", self._runs)
        app.router.add_get("/runs/{run}", self._stream)
        app.router.add_post("/runs/{run}/control", self._steer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        for channel in self._channels.values():
            await channel.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    # -------------------------------------------------------------- who may look

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """This machine's own address, the token, and for whatever changes something this page's own origin."""
        here = {f"127.0.0.1:{self._port}", f"localhost:{self._port}"}
        if request.host not in here:  # a name that somebody else lets point to this machine
            return web.Response(status=403, text="this page is for this machine only")
        if request.path == "/" and self._is_token(request.query.get("token")):
            answer = web.Response(status=303, headers={"Location": "/", **_HEADERS})
            answer.set_cookie(self._cookie, self.token, httponly=True, samesite="Strict")
            return answer
        if not self._is_token(request.cookies.get(self._cookie)):
            return web.Response(status=403, text="open the address that `btccxt dashboard` printed: it holds the token")
        origin = request.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in here:
            return web.Response(status=403, text="asked for by another page")
        return await handler(request)

    def _is_token(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())

    # -------------------------------------------------------------- what there is

    async def _index(self, request: web.Request) -> web.Response:
        return web.Response(text=asset("index.html"), content_type="text/html", headers=_HEADERS)

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _ASSETS:
            return web.Response(status=404, text="no such file")
        return web.Response(text=asset(name), content_type=_ASSETS[name], headers=_HEADERS)

    async def _runs(self, request: web.Request) -> web.Response:
        found = await asyncio.to_thread(_list_runs)
        return web.json_response({"control": self._control, "runs": found}, headers=_HEADERS)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        run = await asyncio.to_thread(_run_of, request.match_info["run"])
        if run is None:
            return web.Response(status=404, text="no such run")
        channel = self._channels.get(run.run_id)
        if channel is None:
            channel = self._channels[run.run_id] = _Channel(run)
            channel.start()
        socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=10_000)
        await socket.prepare(request)
        await channel.serve(socket)
        return socket

    async def _steer(self, request: web.Request) -> web.Response:
        if not self._control:
            return web.json_response({"done": False, "text": "read-only: start it with --control"}, status=403)
        run = await asyncio.to_thread(_run_of, request.match_info["run"])
        try:
            words = (await request.json())["command"]
            if run is None or not isinstance(words, list) or not words:
                raise ConfigError("which run, and which command?")
            done, text = await asyncio.to_thread(_tell, run, [str(word) for word in words])
        except (BtccxtError, ValueError, KeyError, TypeError) as error:
            done, text = False, str(error)
        return web.json_response({"done": done, "text": text}, headers=_HEADERS)


class _Channel:
    """One run's record, read once for all browsers that look at it, and by nobody while none does."""

    def __init__(self, run: FoundRun) -> None:
        self._run = run
        self._tail = Tail(run.path)
        self._state = RunState(bars_kept=_BARS_KEPT)
        self._health: Mapping[str, Any] | None = None
        self._browsers: set[asyncio.Queue[str | None]] = set()
        self._polls = 0
        self._reading = asyncio.Lock()
        self._tasks = Tasks()

    def start(self) -> None:
        self._tasks.every(_POLL_S, self._poll, f"page {self._run.run_id}")

    async def stop(self) -> None:
        await self._tasks.close()

    async def _poll(self) -> None:
        if self._browsers:
            async with self._reading:
                await self._read()

    async def _read(self) -> None:
        records = await asyncio.to_thread(lambda: list(self._tail.read()))
        if records and records[0].get("t") == "start" and self._state.header:
            self._state = RunState(bars_kept=_BARS_KEPT)  # the file was replaced: from the beginning
            self._state.apply_all(records)
            self._tell(snapshot(self._state, self._health))
        else:
            self._state.apply_all(records)
            for record in records:
                self._tell(record)
        looks_at_health = self._polls % _HEALTH_EVERY == 0
        self._polls += 1
        if looks_at_health:
            self._health = await asyncio.to_thread(self._run.health)
        if looks_at_health or records:
            self._tell({"t": "changing", **changing(self._state, self._health)})

    def _tell(self, record: Mapping[str, Any]) -> None:
        if not self._browsers:
            return
        text = json.dumps(record, separators=(",", ":"), default=str)
        for browser in tuple(self._browsers):
            if browser.full():  # it does not read: cut off, rather than kept waiting for
                self._browsers.discard(browser)
                browser.get_nowait()
                browser.put_nowait(None)
            else:
                browser.put_nowait(text)

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Until the browser goes, or does not keep up."""
        waiting: asyncio.Queue[str | None] = asyncio.Queue(_WAITING)
        async with self._reading:
            await self._read()
            waiting.put_nowait(json.dumps(snapshot(self._state, self._health), separators=(",", ":"), default=str))
            self._browsers.add(waiting)
        tasks = Tasks()
        tasks.start(self._until_closed(socket, waiting), "page reader")
        try:
            while (text := await waiting.get()) is not None:
                await socket.send_str(text)
        except (ConnectionError, RuntimeError):
            pass  # it went away while it was written to
        finally:
            self._browsers.discard(waiting)
            await tasks.close()
            with contextlib.suppress(ConnectionError):
                await socket.close()

    async def _until_closed(self, socket: web.WebSocketResponse, waiting: asyncio.Queue[str | None]) -> None:
        async for message in socket:
            if message.type in (WSMsgType.CLOSE, WSMsgType.ERROR):
                break
        if not waiting.full():
            waiting.put_nowait(None)


def _list_runs() -> list[dict[str, Any]]:
    return [
        {
            "run": run.run_id, "running": run.health() is not None, "strategy": run.header.get("strategy"),
            "store": run.header.get("store"), "mode": run.header.get("mode"), "symbols": run.header.get("symbols"),
            "wall_ms": run.header.get("wall_ms"),
        }
        for run in find_runs()[:_SHOWN_RUNS]
    ]  # fmt: skip


def _run_of(run_id: str) -> FoundRun | None:
    return next((run for run in find_runs() if run.run_id == run_id), None)


def _tell(run: FoundRun, words: list[str]) -> tuple[bool, str]:
    """Raises BtccxtError."""
    process, name = run.header.get("process"), run.header.get("store")
    bot = next((each for each in bots() if each.process == process and each.name == name), None)
    if bot is None:
        raise BtccxtError("this run has ended")
    answer = bot.tell(Command(words[0], tuple(words[1:])))
    return answer.good, answer.text
