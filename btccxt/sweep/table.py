"""Runs as rows: of the files that a study appends to, and of the table that is its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from btccxt.bars.segments import Range, Table, pyarrow
from btccxt.sweep.grid import Value, as_text, params_of
from btccxt.sweep.records import StudyRun, StudyTrade
from btccxt.sweep.windows import Part, Window

PARAM = "param_"


def kept_schema() -> Any:
    """What is appended batch by batch: the same columns in every study."""
    arrow = pyarrow()
    return arrow.schema(
        [
            ("window", arrow.int32()),
            ("part", arrow.string()),
            ("params", arrow.string()),
            ("error", arrow.string()),
            ("figures", arrow.map_(arrow.string(), arrow.float64())),
            ("trades", _trades(arrow)),
        ]
    )


def _trades(arrow: Any) -> Any:
    moment = arrow.timestamp("ms", tz="UTC")
    fields = [
        ("symbol", arrow.string()), ("opened", moment), ("closed", moment), ("size", arrow.float64()),
        ("price", arrow.float64()), ("profit", arrow.float64()), ("fees", arrow.float64()), ("bars", arrow.int64()),
    ]  # fmt: skip
    return arrow.list_(arrow.struct(fields))


def _trade_rows(trades: Sequence[StudyTrade]) -> list[dict[str, Any]]:
    return [
        {
            "symbol": trade.symbol, "opened": trade.opened_ms, "closed": trade.closed_ms, "size": trade.size,
            "price": trade.price, "profit": trade.profit, "fees": trade.fees, "bars": trade.bars,
        }
        for trade in trades
    ]  # fmt: skip


def table_of_runs(runs: Sequence[StudyRun]) -> Table:
    """As they are kept."""
    columns = {
        "window": [run.window for run in runs],
        "part": [run.part.value for run in runs],
        "params": [as_text(run.params) for run in runs],
        "error": [run.error for run in runs],
        "figures": [list(run.figures.items()) for run in runs],
        "trades": [_trade_rows(run.trades) for run in runs],
    }
    return pyarrow().Table.from_pydict(columns, schema=kept_schema())


def runs_of_table(table: Table) -> Iterable[StudyRun]:
    """The same runs, to the last bit. Raises KeyError or ValueError for another's table."""
    arrow = pyarrow()
    plain = arrow.list_(arrow.struct([(f.name, _plain_type(arrow, f.type)) for f in table["trades"].type.value_type]))
    trades = table["trades"].cast(plain).to_pylist()
    columns = [table[name].to_pylist() for name in ("window", "part", "params", "error", "figures")]
    rows = zip(*columns, trades, strict=True)
    for window, part, params, error, figures, made in rows:
        yield StudyRun(
            window, Part(part), params_of(params), dict(figures),
            tuple(
                StudyTrade(
                    each["symbol"], each["opened"], each["closed"], each["size"], each["price"], each["profit"],
                    each["fees"], each["bars"],
                )
                for each in made
            ),
            error,
        )  # fmt: skip


def _plain_type(arrow: Any, kind: Any) -> Any:
    """Moments as milliseconds."""
    return arrow.int64() if arrow.types.is_timestamp(kind) else kind


def result_table(runs: Sequence[StudyRun], windows: Sequence[Window], symbols: Sequence[str] = ()) -> Table:
    """One row a run: window, part, its range, ``param_…``, figures, error, trades."""
    arrow = pyarrow()
    moment = arrow.timestamp("ms", tz="UTC")
    ranges = [windows[run.window].range(run.part) for run in runs]
    columns: dict[str, Any] = {
        "window": arrow.array([run.window for run in runs], arrow.int32()),
        "part": arrow.array([run.part.value for run in runs], arrow.string()),
        "from": _moments(ranges, "from_ms", moment),
        "to": _moments(ranges, "to_ms", moment),
    }
    for name in _names(run.params for run in runs):
        columns[PARAM + name] = arrow.array(_alike([run.params.get(name) for run in runs]))
    for name in _names(run.figures for run in runs):
        columns[name] = arrow.array([run.figures.get(name) for run in runs], arrow.float64())
    columns["error"] = arrow.array([run.error for run in runs], arrow.string())
    columns["trade_list"] = arrow.array([_trade_rows(run.trades) for run in runs], _trades(arrow))
    return arrow.table(columns)


def _moments(ranges: Sequence[Range], name: str, moment: Any) -> Any:
    return pyarrow().array([getattr(each, name) for each in ranges], moment)


def _names(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """In the order in which they are met first."""
    return list(dict.fromkeys(name for record in records for name in record))


def _alike(values: list[Value]) -> list[Any]:
    """Of one kind, as a column wants it: numbers as they are, and as text what is mixed."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return [float(value) if value is not None else None for value in values] if kinds == {int, float} else values
    return values if len(kinds) <= 1 else [None if value is None else str(value) for value in values]
