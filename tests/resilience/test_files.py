"""Where state is kept: for this user alone, and one process at a time."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from btccxt.orders.journal.file import default_journal_path
from btccxt.orders.journal.journal import Journal
from btccxt.resilience.files import FileLock, FileLocked, is_held, private_folder, state_directory
from btccxt.session.status_file import StatusFile

HOLDS = """
import sys, time
from pathlib import Path
from btccxt.resilience.files import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def careless_umask():
    before = os.umask(0o000)
    yield
    os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a user's folder apart by other means")
@pytest.mark.usefixtures("careless_umask")
def test_journal_and_status_files_are_for_their_user_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    state_directory().mkdir(parents=True, mode=0o777)  # as an older version may have left it
    journal = Journal.open(
        default_journal_path("binance", "live", "abc"), exchange="binance", mode="live", account="abc",
        lock_whole_account=True,
    )  # fmt: skip
    status = StatusFile("binance-spot-live")
    status.write({"a": 1})
    try:
        found = list(state_directory().rglob("*"))
        assert {path.suffix for path in found if path.is_file()} >= {".sqlite3", ".sqlite3-wal", ".lock", ".json"}
        for path in (state_directory(), *found):
            assert mode_of(path) == (0o700 if path.is_dir() else 0o600), path
    finally:
        status.remove()
        journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_folder_of_the_user_keeps_its_permissions(tmp_path):
    tmp_path.chmod(0o755)
    private_folder(tmp_path)
    assert mode_of(tmp_path) == 0o755
    assert mode_of(private_folder(tmp_path / "new")) == 0o700


def test_a_lock_names_its_holder_and_ends_with_its_process(tmp_path):
    path = tmp_path / "account.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline().strip() == "held"
            for _ in range(2):  # asking does not take the holder's name away
                with pytest.raises(FileLocked, match=f"process {process.pid}"):
                    FileLock(path)
            assert is_held(path)
        finally:
            process.kill()
    assert not is_held(path)
    lock = FileLock(path)
    with pytest.raises(FileLocked, match=str(os.getpid())):
        FileLock(path)
    lock.release()
    lock.release()
    assert not is_held(path)


def test_a_status_that_somebody_reads_just_then_is_written_the_next_time(tmp_path, monkeypatch):
    status = StatusFile("binance-spot-live", tmp_path)
    status.write({"state": "live"})
    replace = os.replace

    def held_open(new, old):
        raise PermissionError(13, "somebody reads it", str(old))  # as Windows does

    monkeypatch.setattr(os, "replace", held_open)
    status.write({"state": "connecting"})
    assert json.loads(status.path.read_text()) == {"state": "live"}
    monkeypatch.setattr(os, "replace", replace)
    status.write({"state": "degraded"})
    assert json.loads(status.path.read_text()) == {"state": "degraded"}
    status.remove()
    assert not list(tmp_path.glob("*.json")) and not list(tmp_path.glob("*.new"))
