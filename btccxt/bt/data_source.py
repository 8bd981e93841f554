"""Of which store a data is, and why a broker cannot trade it."""

from __future__ import annotations

from typing import Any

from btccxt.bt.compat import bt


def source_of(data: bt.AbstractDataBase) -> Any:
    """The store that a data, or the data whose bars it resamples, is of; None for those of others."""
    while not hasattr(data, "source") and hasattr(data, "data"):
        data = data.data
    return getattr(data, "source", None)


def why_elsewhere(data: bt.AbstractDataBase) -> str:
    source = source_of(data)
    of = f" of {source.name}" if source is not None else ""
    name = data._name or getattr(data, "label", type(data).__name__)
    return f"{name} is data{of}: it can be watched, but is not of a market that this broker trades"
