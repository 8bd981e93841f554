"""What systemd is told, on a socket like its own."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from btccxt.observe.systemd import ServiceManager

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="systemd is of Linux")


@pytest.fixture
def manager():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.bind(str(path))
            channel.setblocking(False)

            def heard() -> list[str]:
                found = []
                while True:
                    try:
                        found.append(channel.recv(1000).decode())
                    except BlockingIOError:
                        return found

            yield str(path), heard


def test_ready_stopping_and_a_heartbeat_three_times_per_period(manager, monkeypatch):
    path, heard = manager
    service = ServiceManager({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    now = [100.0]
    monkeypatch.setattr("btccxt.observe.systemd.time.monotonic", lambda: now[0])
    assert service.is_there
    service.ready("binance runs")
    for _ in range(31):
        service.beat()
        now[0] += 1.0
    service.stopping()
    assert heard() == ["READY=1\nSTATUS=binance runs", *["WATCHDOG=1"] * 4, "STOPPING=1"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_without_systemd_nothing_happens(environ):
    service = ServiceManager({**environ, "WATCHDOG_USEC": "1000000"})
    service.ready()
    service.beat()
    service.stopping()
    assert not service.is_there


def test_a_watchdog_of_another_process_is_not_fed(manager):
    path, heard = manager
    service = ServiceManager({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"})
    service.beat()
    assert heard() == []
