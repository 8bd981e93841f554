"""An exchange's public archive: which files cover a range, and what is in one. Pure; ``archive_files.py`` fetches."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

from btccxt.bars.segments import Range, Table, next_month_ms, pyarrow
from btccxt.bars.tables import bar_schema, times_of, trade_schema
from btccxt.exchange.profile.archive_rule import UNUSED, ArchiveRule, ArchivesRule
from btccxt.model import Market
from btccxt.timeframe import Timeframe

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_MOST_RUNS = 50
"""A file with more holes than that is believed: so many questions to the exchange would be slower than no archive."""


class BadArchive(Exception):
    """A file that is not what its address promises; its range is asked of the exchange instead."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One file that may be there. ``others``: smaller ones for the same range, where it is not."""

    rule: ArchiveRule
    of_bars: bool
    url: str
    range: Range
    others: tuple[ArchiveFile, ...] = ()


def files_for(
    rules: ArchivesRule, market: Market, timeframe: Timeframe | None, missing: Sequence[Range]
) -> list[ArchiveFile]:
    """The files that lie wholly in what is missing, months before days; ``timeframe`` None: of trades.

    What they do not cover is asked of the exchange.
    """
    rule = rules.bars if timeframe is not None else rules.trades
    if rule is None or (timeframe is not None and rule.only and timeframe.name not in rule.only):
        return []
    found: list[ArchiveFile] = []
    shift_ms = rule.utc_offset_h * _HOUR_MS
    for gap in missing:
        position, end = gap.from_ms + shift_ms, gap.to_ms + shift_ms  # by the archive's own clock
        while position < end:
            month_end = next_month_ms(position)
            span = Range(position, min(month_end, end))
            days = tuple(_days(rule, market, timeframe, span))
            if rule.month is not None and _is_month_start(position) and month_end <= end:
                found.append(_file(rule.month, rule, market, timeframe, span, days))
            else:
                found += days
            position = month_end
    return found


def _is_month_start(time_ms: int) -> bool:
    return next_month_ms(time_ms - 1) == time_ms


def _days(rule: ArchiveRule, market: Market, timeframe: Timeframe | None, span: Range) -> Iterator[ArchiveFile]:
    day_ms = -(-span.from_ms // _DAY_MS) * _DAY_MS
    while rule.day is not None and day_ms + _DAY_MS <= span.to_ms:
        yield _file(rule.day, rule, market, timeframe, Range(day_ms, day_ms + _DAY_MS))
        day_ms += _DAY_MS


def _file(
    url: str,
    rule: ArchiveRule,
    market: Market,
    timeframe: Timeframe | None,
    span: Range,
    others: tuple[ArchiveFile, ...] = (),
) -> ArchiveFile:
    """``span`` is by the archive's own clock."""
    shift_ms = rule.utc_offset_h * _HOUR_MS
    filled = _filled(url, rule, market, timeframe, span.from_ms)
    within = Range(span.from_ms - shift_ms, span.to_ms - shift_ms)
    return ArchiveFile(rule, timeframe is not None, filled, within, others)


def _filled(url: str, rule: ArchiveRule, market: Market, timeframe: Timeframe | None, time_ms: int) -> str:
    moment = _moment(time_ms)
    name = "" if timeframe is None else rule.timeframes.get(timeframe.name, timeframe.name)
    return url.format(
        base=market.base,
        quote=market.quote,
        settle=market.settle or "",
        timeframe=name,
        year=f"{moment.year:04d}",
        month=f"{moment.month:02d}",
        day=f"{moment.day:02d}",
    )


def _moment(time_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=time_ms)


def check(content: bytes, told: bytes) -> None:
    """Raises BadArchive where the SHA-256 that ``told`` begins with is not that of ``content``."""
    wanted = told.split()[0].decode("ascii", "replace").lower() if told.split() else ""
    if hashlib.sha256(content).hexdigest() != wanted:
        raise BadArchive("its checksum is not the one that stands beside it")


def rows_of(file: ArchiveFile, content: bytes) -> Table:
    """The rows of a file as a table of the lake, in order. Raises BadArchive."""
    arrow = pyarrow()
    from pyarrow import compute, csv

    rule = file.rule
    text = _unpacked(content)
    if not text.strip():
        return (bar_schema() if file.of_bars else trade_schema()).empty_table()
    if rule.header is not None and not text.startswith(rule.header.encode()):
        raise BadArchive(f"its first line is not {rule.header}")
    width = text[: text.find(b"\n")].count(b",") + 1
    names = [*rule.columns, *(UNUSED for _ in range(width - len(rule.columns)))][:width]
    names = [f"unused{n}" if name == UNUSED else name for n, name in enumerate(names)]
    kinds = {"id": arrow.string(), "side": arrow.string(), "buyer_is_maker": arrow.string(), "time": arrow.float64()}
    kinds |= {name: arrow.float64() for name in ("open", "high", "low", "close", "volume", "price", "amount")}
    header = not text[:1].isdigit() and text[:1] not in (b"-", b'"')
    used = [name for name in names if not name.startswith("unused")]
    try:
        rows = csv.read_csv(
            io.BytesIO(text),
            read_options=csv.ReadOptions(column_names=names, skip_rows=int(header), use_threads=False),
            convert_options=csv.ConvertOptions(
                column_types={name: kind for name, kind in kinds.items() if name in names and name != "time"}
                | {"time": arrow.string()},
                include_columns=used,
            ),
        )
        times = _milliseconds(rows.column("time"), arrow, compute)
        table = _bars(rows, times, arrow) if file.of_bars else _trades(rows, times, arrow, compute)
        if rule.numbered_daily:
            day = f"{_moment(file.range.from_ms + rule.utc_offset_h * _HOUR_MS):%Y%m%d}"
            place = table.schema.get_field_index("trade_id")
            ids = compute.binary_join_element_wise(day, table.column(place), "-")
            table = table.set_column(place, table.schema.field(place), ids)
    except (arrow.ArrowException, KeyError, ValueError) as error:
        raise BadArchive(f"it cannot be read: {str(error).splitlines()[0]}") from None
    return _checked(table, file, arrow)


def _unpacked(content: bytes) -> bytes:
    try:
        if content[:2] == b"\x1f\x8b":
            return gzip.decompress(content)
        if content[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return archive.read(archive.namelist()[0])
    except (OSError, EOFError, zipfile.BadZipFile, IndexError) as error:
        raise BadArchive(f"it cannot be unpacked: {error}") from None
    return content


def _milliseconds(column: Any, arrow: Any, compute: Any) -> Any:
    """Times in seconds, milli-, micro- or nanoseconds: their size tells (Binance changed in 2025)."""
    values = compute.cast(column, arrow.float64())
    largest = compute.max(values).as_py() or 0.0
    if largest < 1e11:
        milliseconds = compute.multiply(values, 1000.0)
    else:
        digits = 1.0 if largest < 1e14 else 1e3 if largest < 1e17 else 1e6
        milliseconds = compute.divide(values, digits)
    return compute.floor(compute.add(milliseconds, 1e-4)).cast(arrow.int64()).combine_chunks()


def _bars(rows: Table, times: Any, arrow: Any) -> Table:
    schema = bar_schema()
    prices = [rows.column(field.name) for field in list(schema)[1:]]
    return arrow.Table.from_arrays([arrow.chunked_array([times.view(schema.field(0).type)]), *prices], schema=schema)


def _trades(rows: Table, times: Any, arrow: Any, compute: Any) -> Table:
    schema = trade_schema()
    names = rows.column_names
    if "side" in names:
        side = compute.utf8_lower(rows.column("side"))
    elif "buyer_is_maker" in names:  # the taker sold then
        sold = compute.equal(compute.utf8_lower(rows.column("buyer_is_maker")), "true")
        side = compute.if_else(sold, "sell", "buy")
    else:
        side = arrow.nulls(rows.num_rows, arrow.string())
    stamps = arrow.chunked_array([times.view(schema.field(0).type)])
    columns = [stamps, rows.column("price"), rows.column("amount"), side, rows.column("id")]
    return arrow.Table.from_arrays(columns, schema=schema)


def _checked(table: Table, file: ArchiveFile, arrow: Any) -> Table:
    times = times_of(table)
    if len(times) and not (times[1:] >= times[:-1]).all():
        table = table.sort_by("time")
        times = times_of(table)
    if len(times) and not file.range.from_ms <= times[0] <= times[-1] < file.range.to_ms:
        raise BadArchive("it has rows of another time than its name says")
    if file.of_bars and not (times[1:] > times[:-1]).all():
        raise BadArchive("it has a bar twice")
    return table


def answers_of(file: ArchiveFile, table: Table, timeframe: Timeframe) -> list[tuple[Range, Table]]:
    """What a file of bars answers: every run of bars without a hole. Holes are asked of the exchange."""
    times = times_of(table)
    if timeframe.length_ms is None:
        return [(file.range, table)] if len(times) else []
    breaks = ((times[1:] - times[:-1]) != timeframe.length_ms).nonzero()[0] + 1
    if len(breaks) >= _MOST_RUNS:
        return [(file.range, table)]
    edges = [0, *breaks.tolist(), len(times)]
    return [
        (Range(int(times[first]), int(times[end - 1]) + timeframe.length_ms), table.slice(first, end - first))
        for first, end in pairwise(edges)
        if end > first
    ]
