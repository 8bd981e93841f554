"""The two kinds of rows of the lake as Arrow tables: bars and public trades. ``time`` is UTC, in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from btccxt.bars.columns import PRICES, Columns
from btccxt.bars.segments import Table, pyarrow
from btccxt.model import Side, Trade

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Number = TypeVar("Number", bound="np.generic")


def bar_schema() -> Any:
    arrow = pyarrow()
    prices = [arrow.field(name, arrow.float64(), nullable=False) for name in PRICES]
    return arrow.schema([arrow.field("time", arrow.timestamp("ms", tz="UTC"), nullable=False), *prices])


def trade_schema() -> Any:
    arrow = pyarrow()
    return arrow.schema(
        [
            arrow.field("time", arrow.timestamp("ms", tz="UTC"), nullable=False),
            arrow.field("price", arrow.float64(), nullable=False),
            arrow.field("amount", arrow.float64(), nullable=False),
            arrow.field("side", arrow.string()),
            arrow.field("trade_id", arrow.string(), nullable=False),
        ]
    )


def times_of(table: Table) -> NDArray[np.int64]:
    """Column ``time`` in milliseconds."""
    import numpy as np

    return _numbers(table.column("time"), np.int64)


def _numbers(column: Any, kind: type[Number]) -> NDArray[Number]:
    """A column without nulls as an array, without a copy where it is one piece.

    Arrow's own ``to_numpy`` does the same and imports pandas, where that is installed.
    """
    import numpy as np

    size = np.dtype(kind).itemsize
    parts = [
        np.frombuffer(chunk.buffers()[1], kind, len(chunk), chunk.offset * size)
        for chunk in column.chunks
        if len(chunk)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0, kind)


def between(table: Table, from_ms: int, to_ms: int) -> Table:
    """Rows with ``from_ms <= time < to_ms``; no copy."""
    first, end = times_of(table).searchsorted((from_ms, to_ms)).tolist()
    return table if first == 0 and end == table.num_rows else table.slice(first, end - first)


def table_of_bars(columns: Columns) -> Table:
    arrow = pyarrow()
    schema = bar_schema()
    times = arrow.array(columns.open_ms, arrow.int64()).view(schema.field(0).type)
    prices = [arrow.array(getattr(columns, name), arrow.float64()) for name in PRICES]
    return arrow.Table.from_arrays([times, *prices], schema=schema)


def columns_of(table: Table) -> Columns:
    import numpy as np

    return Columns(times_of(table), *(_numbers(table.column(name), np.float64) for name in PRICES))


def table_of_trades(trades: Sequence[Trade]) -> Table:
    rows = {
        "time": [trade.time_ms for trade in trades],
        "price": [trade.price for trade in trades],
        "amount": [trade.amount for trade in trades],
        "side": [trade.side.value if trade.side is not None else None for trade in trades],
        "trade_id": [trade.trade_id for trade in trades],
    }
    return pyarrow().Table.from_pydict(rows, schema=trade_schema())


def trades_of(table: Table, symbol: str) -> list[Trade]:
    columns = (times_of(table).tolist(), *(table.column(name).to_pylist() for name in ("price", "amount")))
    sides = [Side(side) if side is not None else None for side in table.column("side").to_pylist()]
    ids = table.column("trade_id").to_pylist()
    return [
        Trade(trade_id, time_ms, price, amount, side, symbol)
        for time_ms, price, amount, side, trade_id in zip(*columns, sides, ids, strict=True)
    ]
