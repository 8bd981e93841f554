"""``btccxt download`` and ``btccxt data`` against the embedded exchange."""

from __future__ import annotations

import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from btccxt.bars.lake import Lake
from btccxt.cli import app
from btccxt.errors import BtccxtError

CONFIG = """
profiles:
  seed5: {exchange: binance, mode: sim, sim: {seed: 5, start: 2026-03-01T00:00:00Z}}
  one_second: {exchange: kraken, mode: sim, sim: {seed: 5, start: 2026-03-01T00:00:00Z}}
"""


class Commands:
    """Runs commands on one lake."""

    def __init__(self, folder: Path) -> None:
        self.lake = folder / "lake"
        self.config = folder / "btccxt.yaml"
        self.config.write_text(CONFIG)

    def download(self, *arguments: str) -> Result:
        own = ["--config", str(self.config), "--profile", "seed5", "--no-archive", "--lake", str(self.lake)]
        return CliRunner().invoke(app, ["download", *arguments, *own])

    def data(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["data", *arguments, "--lake", str(self.lake)])

    def series(self) -> list[str]:
        return [f"{key.symbol} {key.timeframe or 'trades'}" for key in Lake(self.lake).series()]


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


@pytest.fixture
def filled(commands: Commands) -> Commands:
    result = commands.download("BTC/USDT", "ETH/USDT", "-t", "1m", "-t", "1h", "--from", "2026-02-28T20:00")
    assert result.exit_code == 0, result.output
    return commands


def refused(result: Result) -> str:
    assert result.exit_code != 0
    assert isinstance(result.exception, BtccxtError), result.output
    return str(result.exception)


def test_several_symbols_and_timeframes_arrive_and_again_there_is_nothing_to_do(filled: Commands) -> None:
    assert filled.series() == ["BTC/USDT 1m", "BTC/USDT 1h", "ETH/USDT 1m", "ETH/USDT 1h"]
    again = filled.download("BTC/USDT", "-t", "1m")
    assert again.exit_code == 0
    assert "has all of it already" in again.output


def test_prepend_fetches_what_lies_before(filled: Commands) -> None:
    before = {path: path.read_bytes() for path in filled.lake.rglob("*.parquet")}
    result = filled.download("BTC/USDT", "-t", "1m", "--from", "2026-01-30", "--to", "2026-02-01", "--prepend")
    assert result.exit_code == 0, result.output
    assert "2,880" in result.output
    assert before.items() <= {path: path.read_bytes() for path in filled.lake.rglob("*.parquet")}.items()


def test_files_of_the_archive_are_taken_from_where_the_config_says(commands: Commands) -> None:
    """A mirror of one's own is a line of ``overrides``."""
    asked: list[str] = []
    january = 1_767_225_600_000
    rows = "".join(f"{january + n * 60_000},7,8,6,7,1,0\n" for n in range(31 * 1_440))

    class Mirror(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            known = self.path == "/BTCUSDT-1m-2026-01.csv"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(rows.encode() if known else b"")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}/{{base}}{{quote}}-{{timeframe}}-{{year}}-{{month}}"
        urls = f"month: '{base}.csv', day: '{base}-{{day}}.csv', checksum: null"
        own = f"overrides: {{archives: {{bars: {{{urls}}}}}}}, "
        commands.config.write_text(CONFIG.replace("seed5: {", "seed5: {" + own))
        arguments = ["BTC/USDT", "-t", "1m", "--from", "2026-01-01", "--to", "2026-02-02", "--lake", str(commands.lake)]
        arguments += ["--config", str(commands.config), "--profile", "seed5"]
        result = CliRunner().invoke(app, ["download", *arguments])
        server.shutdown()
    assert result.exit_code == 0, result.output
    assert "44,640" in result.output  # of these from the archive
    assert sorted(asked) == ["/BTCUSDT-1m-2026-01.csv", "/BTCUSDT-1m-2026-02-01.csv"]
    (key,) = Lake(commands.lake).series()
    bars = Lake(commands.lake).bars(key.venue, key.symbol, "1m").columns(january, january + 32 * 86_400_000)
    assert len(bars) == 32 * 1_440
    assert set(bars.close[:44_640].tolist()) == {7.0}
    assert 7.0 not in bars.close[44_640:].tolist()


def test_patterns_and_trades(commands: Commands) -> None:
    result = commands.download("*/usdt", "--trades", "--from", "2026-02-28T23:55")
    assert result.exit_code == 0, result.output
    series = commands.series()
    assert len(series) > 3
    assert all(name.endswith("/USDT trades") for name in series)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["BTX/USDT"], "did you mean BTC/USDT"),
        (["*/NIX"], "no spot market like '*/NIX'"),
        (["BTC/USDT", "-t", "7m"], "no 7m candles; it has 1s, 1m"),
        (["BTC/USDT", "--from", "soon"], "write it like 2026-01-31"),
        (["BTC/USDT", "--from", "1990-01-01"], "before 2009"),
        (["BTC/USDT", "--from", "2026-02-02", "--to", "2026-02-01"], "nothing lies between"),
        (["BTC/USDT", "--from", "2027-01-01"], "nothing lies between"),
        (["BTC/USDT", "--prepend"], "how far back"),
        (["BTC/USDT", "--fill-from", "binance"], "the exchange itself"),
    ],
)
def test_what_cannot_be_downloaded_is_one_clear_error(commands: Commands, arguments: list[str], words: str) -> None:
    assert words in refused(commands.download(*arguments))
    assert commands.lake.exists() is False or commands.series() == []


def test_without_an_exchange_the_command_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BTCCXT_EXCHANGE", raising=False)
    assert "which exchange?" in refused(CliRunner().invoke(app, ["download", "BTC/USDT"]))


def test_ls_gaps_and_check_tell_what_is_there_and_what_is_wrong(filled: Commands) -> None:
    rows = json.loads(filled.data("ls", "BTC/*", "-t", "1m", "--json").output)
    assert [(row["symbol"], row["timeframe"], row["rows"]) for row in rows] == [("BTC/USDT", "1m", 239)]
    assert "no gaps" in filled.data("gaps").output
    assert "sound" in filled.data("check").output
    filled.download("BTC/USDT", "-t", "1m", "--from", "2026-02-28T10:00", "--to", "2026-02-28T11:00")
    (gap,) = json.loads(filled.data("gaps", "BTC/USDT", "--json").output)
    assert gap["cause"] == "not fetched"
    assert gap["to_ms"] - gap["from_ms"] == 9 * 3_600_000
    assert "540" in filled.data("gaps", "BTC/USDT").output

    path = next(filled.lake.rglob("symbol=ETH*/timeframe=1h/**/*.parquet"))
    path.write_bytes(path.read_bytes()[:-3])
    result = filled.data("check")
    assert result.exit_code == 1
    assert "set aside" in result.output
    assert filled.data("check").exit_code == 0


def test_export_writes_one_file_that_others_read(filled: Commands, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    for form, ending in (("csv", "csv"), ("parquet", "parquet"), ("pandas", "pkl")):
        path = tmp_path / f"bars.{ending}"
        result = filled.data("export", form, "BTC/USDT", "-t", "1m", "--to", "2026-02-28T21:00", "-o", str(path))
        assert result.exit_code == 0, result.output
    with (tmp_path / "bars.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert rows[0]["time"] == "2026-02-28 20:00:00.000Z"
    pickled, parquet = pandas.read_pickle(tmp_path / "bars.pkl"), pandas.read_parquet(tmp_path / "bars.parquet")
    assert pickled["close"].tolist() == parquet["close"].tolist() == [float(row["close"]) for row in rows]
    assert not list(tmp_path.glob("*.new"))


def test_what_is_not_in_the_lake_is_told_with_what_is(filled: Commands, tmp_path: Path) -> None:
    assert "it has binance spot" in refused(filled.data("ls", "XRP/USDT"))
    assert "nothing lies between" in refused(filled.data("gaps", "--from", "2026-03-02", "--to", "2026-03-01"))
    assert "btccxt download" in refused(CliRunner().invoke(app, ["data", "ls", "--lake", str(tmp_path / "none")]))
    nowhere = str(tmp_path / "no" / "folder.csv")
    assert "cannot be written" in refused(filled.data("export", "csv", "BTC/USDT", "-o", nowhere))
