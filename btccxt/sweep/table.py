"""Runs as rows: of the files that a study appends to, and of the table that is its result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from btccxt.bars.segments import Table, pyarrow
from btccxt.sweep.grid import Value, as_text, params_of
from btccxt.sweep.records import StudyRun, StudyTrade, TradeList
from btccxt.sweep.windows import Part, Window

PARAM = "param_"
_AT_ONCE = 500
_LARGEST = 2**63


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


def _trade_rows(trades: Iterable[StudyTrade]) -> list[dict[str, Any]]:
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
            TradeList.of(
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


def result_tables(runs: Sequence[StudyRun], windows: Sequence[Window]) -> Iterator[Table]:
    """One row a run: window, part, its range, ``param_…``, figures, error, trades. Some hundred runs at a time."""
    arrow = pyarrow()
    moment = arrow.timestamp("ms", tz="UTC")
    params = {name: _kind([run.params.get(name) for run in runs]) for name in _names(run.params for run in runs)}
    figures = _names(run.figures for run in runs)
    schema = arrow.schema(
        [
            ("window", arrow.int32()), ("part", arrow.string()), ("from", moment), ("to", moment),
            *((PARAM + name, kind) for name, kind in params.items()),
            *((name, arrow.float64()) for name in figures),
            ("error", arrow.string()), ("trade_list", _trades(arrow)),
        ]
    )  # fmt: skip
    for first in range(0, max(1, len(runs)), _AT_ONCE):
        some = runs[first : first + _AT_ONCE]
        ranges = [windows[run.window].range(run.part) for run in some]
        columns: list[list[Any]] = [
            [run.window for run in some],
            [run.part.value for run in some],
            [each.from_ms for each in ranges],
            [each.to_ms for each in ranges],
            *([_alike(run.params.get(name), kind) for run in some] for name, kind in params.items()),
            *([run.figures.get(name) for run in some] for name in figures),
            [run.error for run in some],
            [_trade_rows(run.trades) for run in some],
        ]
        arrays = [arrow.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
        yield arrow.Table.from_arrays(arrays, schema=schema)


def _names(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """In the order in which they are met first."""
    return list(dict.fromkeys(name for record in records for name in record))


def _kind(values: Sequence[Value]) -> Any:
    """A column's type: of one kind, numbers together, and text for what is mixed."""
    arrow = pyarrow()
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return arrow.bool_()
    if kinds == {int} and all(abs(value) < _LARGEST for value in values if isinstance(value, int)):
        return arrow.int64()
    return arrow.float64() if kinds and kinds <= {int, float} else arrow.string()


def _alike(value: Value, kind: Any) -> Value:
    if value is None or isinstance(value, str):
        return value
    arrow = pyarrow()
    return str(value) if kind == arrow.string() else float(value) if kind == arrow.float64() else value
