"""Fetching files of an exchange's public archive: several at a time, checked, and what is missing is no error."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence

import aiohttp

from btccxt.bars.archives import ArchiveFile, BadArchive, check, rows_of
from btccxt.bars.segments import Table
from btccxt.resilience.supervised import Tasks

_AT_ONCE = 6
_TRIES = 3
_FIRST_PAUSE_S = 1.0
_TIMEOUT = aiohttp.ClientTimeout(total=600, connect=15, sock_read=60)
_NOT_THERE = frozenset({403, 404})  # S3 answers 403 for what does not exist in a bucket that cannot be listed


class ArchiveUnreachable(Exception):
    """The archive's server does not answer; everything is asked of the exchange."""


async def fetch_archive(
    files: Sequence[ArchiveFile], bad: list[str]
) -> AsyncGenerator[tuple[ArchiveFile, Table], None]:
    """The files that exist, in order; ``bad`` collects what is wrong with others. Raises ArchiveUnreachable.

    For a file that is not there its smaller ones are tried.
    """
    waiting = deque(files)
    running: deque[tuple[ArchiveFile, asyncio.Task[Table | None]]] = deque()
    async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session, Tasks() as tasks:
        while waiting or running:
            while waiting and len(running) < _AT_ONCE:
                file = waiting.popleft()
                running.append((file, tasks.start(_rows(session, file), "archive")))
            file, task = running[0]
            try:
                table = await task
            except BadArchive as error:
                bad.append(f"{file.url}: {error}")
                table = None
            running.popleft()
            if table is not None:
                yield file, table
            else:
                waiting.extendleft(reversed(file.others))


async def _rows(session: aiohttp.ClientSession, file: ArchiveFile) -> Table | None:
    content = await _content(session, file.url)
    if content is None:
        return None
    if file.rule.checksum is not None:
        told = await _content(session, file.url + file.rule.checksum)
        if told is None:
            raise BadArchive("its checksum is not there")
        check(content, told)
    return await asyncio.to_thread(rows_of, file, content)


async def _content(session: aiohttp.ClientSession, url: str) -> bytes | None:
    """None: there is no such file."""
    why = ""
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1))
        try:
            async with session.get(url) as response:
                if response.status in _NOT_THERE:
                    return None
                if response.status == 200:
                    return await response.read()
                why = f"it answers {response.status}"
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            why = str(error) or type(error).__name__
    raise ArchiveUnreachable(f"{url}: {why}")
