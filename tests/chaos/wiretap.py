"""Counts what goes through TCP sockets: whether all that was sent has arrived is known, not guessed by waiting."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Pair = tuple[Any, Any]  # own address, the other's


@dataclass(slots=True)
class End:
    """One end of a connection."""

    pair: Pair
    sent: int = 0
    got: int = 0
    is_closed: bool = False
    is_deaf: bool = False  # it has read the end, or an error
    is_reading: bool = False  # known of ends in other processes only


class Wiretap:
    def __init__(self) -> None:
        self._ends: dict[int, End] = {}  # by file descriptor
        self._by_pair: dict[Pair, End] = {}
        self._elsewhere: dict[Pair, End] = {}

    # -------------------------------------------------------------- listening

    def listen(self, kind: type[socket.socket]) -> None:
        """To all sockets of this process."""
        send, sendmsg, recv, recv_into = kind.send, kind.sendmsg, kind.recv, kind.recv_into
        accept, close, detach = kind.accept, kind._real_close, kind.detach  # type: ignore[attr-defined]

        def tapped_send(sock: socket.socket, *arguments: Any) -> int:
            return self._sent(sock, send(sock, *arguments))

        def tapped_sendmsg(sock: socket.socket, *arguments: Any) -> int:
            return self._sent(sock, sendmsg(sock, *arguments))

        def tapped_recv(sock: socket.socket, *arguments: Any) -> bytes:
            try:
                data = recv(sock, *arguments)
            except OSError as error:
                self._failed(sock, error)
                raise
            self._got(sock, len(data))
            return data

        def tapped_recv_into(sock: socket.socket, *arguments: Any) -> int:
            try:
                count = recv_into(sock, *arguments)
            except OSError as error:
                self._failed(sock, error)
                raise
            self._got(sock, count)
            return count

        def tapped_accept(sock: socket.socket) -> Any:
            accepted = accept(sock)
            self._end(accepted[0])
            return accepted

        def tapped_close(sock: socket.socket, *arguments: Any) -> None:
            self._close(sock)
            close(sock, *arguments)

        def tapped_detach(sock: socket.socket) -> int:
            self._close(sock)
            return detach(sock)

        for name, method in (
            ("send", tapped_send), ("sendmsg", tapped_sendmsg), ("recv", tapped_recv), ("recv_into", tapped_recv_into),
            ("accept", tapped_accept), ("_real_close", tapped_close), ("detach", tapped_detach),
        ):  # fmt: skip
            setattr(kind, name, method)

    def _end(self, sock: socket.socket) -> End | None:
        number = sock.fileno()
        end = self._ends.get(number)
        if end is None and number >= 0 and sock.family in (socket.AF_INET, socket.AF_INET6):
            with suppress(OSError):
                pair = (sock.getsockname(), sock.getpeername())
                end = self._ends[number] = self._by_pair[pair] = End(pair)
        return end

    def _sent(self, sock: socket.socket, count: int) -> int:
        if (end := self._end(sock)) is not None:
            end.sent += count
        return count

    def _got(self, sock: socket.socket, count: int) -> None:
        if (end := self._end(sock)) is not None:
            end.got += count
            end.is_deaf = end.is_deaf or not count

    def _failed(self, sock: socket.socket, error: OSError) -> None:
        if not isinstance(error, BlockingIOError) and (end := self._end(sock)) is not None:
            end.is_deaf = True

    def _close(self, sock: socket.socket) -> None:
        if (end := self._ends.pop(sock.fileno(), None)) is not None:
            end.is_closed = True

    # -------------------------------------------------------------- what is under way

    def under_way(self, selecting: Iterable[selectors.BaseSelector]) -> bool:
        """Bytes, an end or a connection that somebody waits for, and that has not reached him."""
        for selector in selecting:
            for key in selector.get_map().values():
                end = self._ends.get(key.fd)
                if end is None:
                    if key.events & selectors.EVENT_WRITE and _is_connecting(key.fd):
                        return True
                elif key.events & selectors.EVENT_READ and self._awaits(end):
                    return True
        return any(end.is_reading and self._awaits(end) for end in self._elsewhere.values())

    def _awaits(self, end: End) -> bool:
        if end.is_deaf:
            return False
        pair = end.pair[::-1]
        other = self._by_pair.get(pair) or self._elsewhere.get(pair)
        if other is None:
            return end.sent > 0  # it has not been accepted yet
        return other.sent > end.got or other.is_closed

    # -------------------------------------------------------------- other processes

    def tell(self, selecting: Iterable[selectors.BaseSelector]) -> list[Any]:
        """Of every end in this process, for ``hear`` in another."""
        reading = {
            key.fd for selector in selecting for key in selector.get_map().values() if key.events & selectors.EVENT_READ
        }
        numbers = {id(end): number for number, end in self._ends.items()}
        return [
            (*end.pair, end.sent, end.got, end.is_closed, end.is_deaf, numbers.get(id(end)) in reading)
            for end in self._by_pair.values()
        ]

    def hear(self, ends: Iterable[Any]) -> None:
        for own, other, *rest in ends:
            pair = (tuple(own), tuple(other))
            self._elsewhere[pair] = End(pair, *rest)

    def forget(self) -> None:
        """The other process is dead; its sockets are closed."""
        for end in self._elsewhere.values():
            end.is_closed, end.is_reading = True, False


def _is_connecting(number: int) -> bool:
    try:
        with socket.socket(fileno=number) as sock:
            try:
                sock.getpeername()
            except OSError:
                return True
            finally:
                sock.detach()
    except OSError:
        return False
    return False
