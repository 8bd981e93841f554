"""``btccxt data``: what is in the lake, what is missing and why, whether it is sound, and copies of it for others."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from btccxt.bars.gaps import gaps_of
from btccxt.bars.inspect import faults_of
from btccxt.bars.lake import Lake, SeriesKey
from btccxt.bars.offline import iso
from btccxt.bars.segments import Range, pyarrow
from btccxt.bars.series import BarSeries, Damage, GapCause, LakeGap, TradeSeries
from btccxt.bars.tables import bar_schema, trade_schema
from btccxt.cli.dates import time_ms
from btccxt.errors import ConfigError
from btccxt.timeframe import parse_timeframe

app = typer.Typer(help="Look into the lake and copy from it.", no_args_is_help=True)

_Patterns = Annotated[list[str] | None, typer.Argument(help="symbols or patterns like '*/USDT'; default: all")]
_Timeframe = Annotated[
    list[str] | None, typer.Option("--timeframe", "-t", help="may be given several times; 'trades' for trades")
]
_Exchange = Annotated[str | None, typer.Option("--exchange", "-e", help="ccxt id")]
_Mode = Annotated[str | None, typer.Option(help="as ls shows it; default: all")]
_Folder = Annotated[Path | None, typer.Option("--lake", help="its folder; default: $BTCCXT_LAKE, or your data folder")]
_Json = Annotated[bool, typer.Option("--json", help="machine-readable")]
_TRADES = "trades"
_LARGE_BYTES = 1_000_000
_WIDTH_WITHOUT_TERMINAL = 160


class Format(str, Enum):
    CSV = "csv"
    PARQUET = "parquet"
    PANDAS = "pandas"


@dataclass(frozen=True, slots=True)
class _Chosen:
    key: SeriesKey
    series: BarSeries | TradeSeries


def _choose(
    lake: Lake, patterns: Sequence[str] | None, timeframes: Sequence[str] | None, exchange: str | None, mode: str | None
) -> list[_Chosen]:
    """Raises ConfigError where nothing is meant by that."""
    keys = lake.series()
    found = [
        key
        for key in keys
        if (not patterns or any(fnmatch.fnmatchcase(key.symbol, pattern.upper()) for pattern in patterns))
        and (not timeframes or (key.timeframe or _TRADES) in timeframes)
        and (exchange is None or key.venue.exchange == exchange)
        and (mode is None or key.venue.mode == mode)
    ]
    if not found:
        shown = ", ".join(str(key) for key in keys[:10]) + (" ..." if len(keys) > 10 else "")
        raise ConfigError(f"the lake at {lake.path} has nothing like that; it has {shown or 'nothing at all'}")
    return [
        _Chosen(
            key,
            lake.trades(key.venue, key.symbol)
            if key.timeframe is None
            else lake.bars(key.venue, key.symbol, key.timeframe),
        )
        for key in found
    ]


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)


# ------------------------------------------------------------------ ls


@app.command()
def ls(
    symbols: _Patterns = None,
    timeframe: _Timeframe = None,
    exchange: _Exchange = None,
    mode: _Mode = None,
    lake: _Folder = None,
    as_json: _Json = False,
) -> None:
    """What is in the lake."""
    opened = Lake(lake, create=False)
    rows = [_listed(each) for each in _choose(opened, symbols, timeframe, exchange, mode)]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(header_style="bold", title=str(opened.path), title_justify="left")
    for name in (
        "exchange",
        "market",
        "mode",
        "symbol",
        "timeframe",
        "from",
        "to",
        "rows",
        "files",
        "MB",
        "not fetched",
    ):
        table.add_column(name, justify="right" if name in ("rows", "files", "MB", "not fetched") else "left")
    for row in rows:
        table.add_row(
            row["exchange"], row["market"], row["mode"], row["symbol"], row["timeframe"], iso(row["from_ms"]),
            iso(row["to_ms"]), f"{row['rows']:,}", str(row["files"]), f"{row['bytes'] / _LARGE_BYTES:.1f}",
            str(row["not_fetched"] or ""),
        )  # fmt: skip
    _console().print(table)


def _listed(chosen: _Chosen) -> dict[str, Any]:
    key, segments, covered = chosen.key, chosen.series.segments(), chosen.series.covered()
    return {
        "exchange": key.venue.exchange, "market": key.venue.market_type, "mode": key.venue.mode,
        "symbol": key.symbol, "timeframe": key.timeframe or _TRADES,
        "from_ms": covered[0].from_ms if covered else 0, "to_ms": covered[-1].to_ms if covered else 0,
        "rows": sum(segment.rows for segment in segments), "files": len(segments),
        "bytes": sum(segment.path.stat().st_size for segment in segments),
        "not_fetched": max(0, len(covered) - 1),
    }  # fmt: skip


# ------------------------------------------------------------------ gaps


@app.command()
def gaps(
    symbols: _Patterns = None,
    timeframe: _Timeframe = None,
    exchange: _Exchange = None,
    mode: _Mode = None,
    begin: Annotated[str | None, typer.Option("--from", help="date (UTC)")] = None,
    end: Annotated[str | None, typer.Option("--to", help="date (UTC), not included")] = None,
    no_trades: Annotated[bool, typer.Option(help="also where there was nothing but no trades")] = True,
    lake: _Folder = None,
    as_json: _Json = False,
) -> None:
    """Where there is no bar, and why: no trades, exchange down, history begins later, or not fetched."""
    opened = Lake(lake, create=False)
    from_ms, to_ms = time_ms("--from", begin), time_ms("--to", end)
    found = [
        (chosen.key, gap)
        for chosen in _choose(opened, symbols, timeframe, exchange, mode)
        for gap in _gaps(chosen, from_ms, to_ms)
        if no_trades or gap.cause is not GapCause.NO_TRADES
    ]
    if as_json:
        plain = [
            {"series": str(key), "from_ms": gap.from_ms, "to_ms": gap.to_ms, "cause": gap.cause.value}
            for key, gap in found
        ]
        typer.echo(json.dumps(plain, indent=2))
        return
    table = Table(header_style="bold", title="Gaps", title_justify="left")
    for name in ("series", "from", "to", "minutes", "cause"):
        table.add_column(name, justify="right" if name == "minutes" else "left")
    for key, gap in found:
        table.add_row(
            str(key), iso(gap.from_ms), iso(gap.to_ms), f"{(gap.to_ms - gap.from_ms) / 60_000:,.0f}", gap.cause.value
        )
    console = _console()
    if found:
        console.print(table)
    else:
        console.print("no gaps")


def _gaps(chosen: _Chosen, from_ms: int | None, to_ms: int | None) -> list[LakeGap]:
    covered = chosen.series.covered()
    if not covered:
        return []
    wanted = Range(covered[0].from_ms if from_ms is None else from_ms, covered[-1].to_ms if to_ms is None else to_ms)
    if wanted.from_ms >= wanted.to_ms:
        raise ConfigError("nothing lies between --from and --to")
    if chosen.key.timeframe is None:
        missing = chosen.series.missing(wanted.from_ms, wanted.to_ms)
        return [LakeGap(part.from_ms, part.to_ms, GapCause.NOT_FETCHED) for part in missing]
    pieces = chosen.series.pieces(wanted.from_ms, wanted.to_ms)
    return gaps_of(pieces, parse_timeframe(chosen.key.timeframe), wanted)


# ------------------------------------------------------------------ check


@app.command()
def check(
    symbols: _Patterns = None,
    timeframe: _Timeframe = None,
    exchange: _Exchange = None,
    mode: _Mode = None,
    lake: _Folder = None,
) -> None:
    """Read every file. Damaged ones are set aside, double ones are joined; exit code 1 if a bar cannot be right."""
    damaged: list[Damage] = []
    opened = Lake(lake, create=False, on_damage=damaged.append)
    console = _console()
    wrong = 0
    for chosen in _choose(opened, symbols, timeframe, exchange, mode):
        faults = list(_faults(chosen))
        chosen.series.tidy()
        wrong += len(faults)
        rows = sum(segment.rows for segment in chosen.series.segments())
        console.print(f"{chosen.key}: {rows:,} rows" + (f", {len(faults)} faults" if faults else ""), highlight=False)
        for fault in faults[:20]:
            console.print(f"  {fault}", highlight=False, soft_wrap=True)
    for damage in damaged:
        console.print(str(damage), highlight=False, soft_wrap=True)
    if damaged:
        console.print("fetch again what was damaged: btccxt download fills what is missing", highlight=False)
    if wrong or damaged:
        raise typer.Exit(1)
    console.print("sound")


def _faults(chosen: _Chosen) -> Iterator[str]:
    for part in chosen.series.covered():
        for piece in chosen.series.pieces(part.from_ms, part.to_ms):
            yield from faults_of(piece, chosen.key.timeframe)


# ------------------------------------------------------------------ export


@app.command()
def export(
    form: Annotated[Format, typer.Argument(metavar="csv|parquet|pandas", help="pandas: a pickled DataFrame")],
    symbol: Annotated[str, typer.Argument(help="BTC/USDT")],
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="'trades' for trades")] = "1m",
    exchange: _Exchange = None,
    mode: _Mode = None,
    begin: Annotated[str | None, typer.Option("--from", help="date (UTC)")] = None,
    end: Annotated[str | None, typer.Option("--to", help="date (UTC), not included")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="file; default: named after the series")] = None,
    lake: _Folder = None,
) -> None:
    """Copy one series into one file."""
    if form is Format.PANDAS and find_spec("pandas") is None:
        raise ConfigError("exporting for pandas needs: pip install 'btccxt[pandas]'")
    opened = Lake(lake, create=False)
    found = _choose(opened, [symbol], [timeframe], exchange, mode)
    if len(found) > 1:
        names = ", ".join(str(each.key) for each in found)
        raise ConfigError(f"several series are meant: {names}; add --exchange or --mode")
    (chosen,) = found
    covered = chosen.series.covered()
    from_ms, to_ms = time_ms("--from", begin), time_ms("--to", end)
    from_ms = covered[0].from_ms if from_ms is None else from_ms
    to_ms = covered[-1].to_ms if to_ms is None else to_ms
    if from_ms >= to_ms:
        raise ConfigError("nothing lies between --from and --to")
    ending = "pkl" if form is Format.PANDAS else form.value
    path = output or Path(
        f"{chosen.key.venue.exchange}-{symbol.replace('/', '-').replace(':', '-')}-{timeframe}.{ending}"
    )
    rows = _write(form, chosen, Range(from_ms, to_ms), path)
    console = _console()
    console.print(f"{path}: {rows:,} rows of {chosen.key}", highlight=False, soft_wrap=True)
    for part in chosen.series.missing(from_ms, to_ms):
        console.print(f"not fetched, so not in it: {iso(part.from_ms)} to {iso(part.to_ms)}", highlight=False)


def _write(form: Format, chosen: _Chosen, wanted: Range, path: Path) -> int:
    arrow = pyarrow()
    pieces = chosen.series.pieces(wanted.from_ms, wanted.to_ms)
    schema = trade_schema() if chosen.key.timeframe is None else bar_schema()
    rows: int = sum(piece.table.num_rows for piece in pieces)
    fresh = path.with_name(path.name + ".new")
    try:
        if form is Format.PANDAS:
            frame = arrow.concat_tables([schema.empty_table(), *(piece.table for piece in pieces)]).to_pandas()
            frame.set_index("time").to_pickle(fresh)
        else:
            with _writer(form, arrow, fresh, schema) as writer:
                for piece in pieces:
                    writer.write_table(piece.table)
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        fresh.unlink(missing_ok=True)
    return rows


def _writer(form: Format, arrow: Any, path: Path, schema: Any) -> Any:
    if form is Format.PARQUET:
        return arrow.parquet.ParquetWriter(path, schema, compression="zstd")
    from pyarrow import csv

    return csv.CSVWriter(path, schema)
