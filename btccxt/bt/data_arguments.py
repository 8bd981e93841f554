"""What may be given to ``getdata()``: one clear error for what is wrong, before anything is sent."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from btccxt.bt.compat import bt
from btccxt.bt.other_stores import OF_DATAS, no_such_argument
from btccxt.bt.time import check_date, check_timeframe
from btccxt.errors import ConfigError
from btccxt.exchange.position_side import POSITION_SIDES

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "bars": ("candles", "trades"),
    "gaps": ("report", "fill", "raise"),
    "stamp": ("close", "open"),
}


def check_arguments(parameters: Any, unknown: Mapping[str, Any]) -> None:
    """``parameters``: backtrader's; ``unknown``: arguments that are none of them. Raises ConfigError."""
    for name in unknown:  # backtrader's metaclass has taken the params
        raise ConfigError(no_such_argument("getdata", name, parameters._getkeys(), OF_DATAS))
    if not isinstance(parameters.dataname, str) or not parameters.dataname:
        raise ConfigError(f"dataname={parameters.dataname!r}: write the symbol, as in dataname='BTC/USDT'")
    check_timeframe(parameters.timeframe, parameters.compression)
    for name in ("fromdate", "todate"):
        check_date(name, getattr(parameters, name))
    _check_last_bars(parameters)
    for name, choices in _CHOICES.items():
        if not (name == "bars" and is_number(parameters.bars)):
            _check_choice(name, getattr(parameters, name), choices)
    if parameters.position_side is not None:
        _check_choice("position_side", parameters.position_side, POSITION_SIDES)


def is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check_alike(label: str, what: str, one: Any, other: Any) -> None:
    """Bars of both make one data. Raises ConfigError where their lengths or stamps differ."""
    if (one._timeframe, one._compression) != (other._timeframe, other._compression):
        raise ConfigError(f"{label}: {what} has bars of another length: {other.label}; take the same, or resample it")
    if one.stamps_begin != other.stamps_begin:
        raise ConfigError(f"{label}: {what} is stamped otherwise: give both the same stamp=")


def check_place(data: Any, *, runs: bool) -> None:
    """Cerebro, or another data that it knows, starts this one, and only once. Raises ConfigError."""
    if data._env is None:
        raise ConfigError(
            f"{data.label}: bt.filters' DataFilter and DataFiller do not pass cerebro on to what is inside them: give "
            "this data to cerebro.adddata(), and filter it with data.addfilter()"
        )
    if runs:
        raise _in_two_places(data)


def check_earlier(data: Any, other: Any) -> None:
    """``other``, one of ours, can go before ``data``. Raises ConfigError."""
    if other.islive():
        raise ConfigError(f"{data.label}: backfill_from must end: getdata(..., historical=True)")
    if any(other is each for each in data._env.datas):
        raise _in_two_places(other)
    check_alike(data.label, "backfill_from", data, other)


def _in_two_places(data: Any) -> ConfigError:
    return ConfigError(
        f"{data.label}: this data is in two places, and each takes bars from the other: make two, with getdata() each"
    )


def _check_last_bars(parameters: Any) -> None:
    count = parameters.bars
    if not is_number(count):
        return
    if count < 1:
        raise ConfigError(f"bars={count}: give the number of bars to begin with, as in bars=500")
    if parameters.fromdate is not None:
        raise ConfigError(f"bars={count} and fromdate={parameters.fromdate} both say where to begin: give one of them")
    if parameters.timeframe == bt.TimeFrame.Ticks:
        raise ConfigError(f"bars={count}: trades are no bars; give fromdate")


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.0)
        raise ConfigError(f"{name}={value!r}: must be one of {', '.join(choices)}; did you mean {near[0]!r}?")
