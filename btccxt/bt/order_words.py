"""The keywords that btccxt adds to ``buy`` and ``sell``, and what to write instead of words that are none of them.

A word of the trade that nobody reads would make another order than the one that was meant (``stopLoss=`` a naked one),
so it is refused with the right word. What is no word of the trade (``mark=``, ``signal=``) is the strategy's own remark
and lands in ``order.info``, as in a backtest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, get_args

from btccxt.model import TimeInForce, decimal_of
from btccxt.orders.policy import Unprotected

POSITION_SIDE = "position_side"
"""Read before the others: it says which market an order is of (``bt/position_names.py``)."""
KEYWORDS = (POSITION_SIDE, "post_only", "reduce_only", "tif", "iceberg", "on_unprotected", "entry_pct", "params")
_BACKTRADERS = (
    "size", "price", "plimit", "exectype", "valid", "tradeid", "oco", "trailamount", "trailpercent", "parent",
    "transmit",
)  # fmt: skip
_OF_BACKTRADERS_OWN_BROKER = frozenset({"coc", "coo"})  # read there from ``order.info``
_EXITS = "buy_bracket(stopprice=, limitprice=)"
_IN_PARAMS = "params={…} for what only ccxt knows"
_HAS_ITS_ID = "nothing: btccxt gives each order its id"
_AT_THE_EXCHANGE = "nothing: it is set at the exchange, for the account, or with CCXTStore(leverage=, margin_mode=)"
_ONE_OF_TWO = "position_side='long' or 'short' in hedge mode, nothing in one-way mode"
# What a word that contains one of these means, the more telling ones first.
_MEANINGS: tuple[tuple[str, str], ...] = (
    ("stoploss", _EXITS), ("takeprofit", _EXITS), ("stopprofit", _EXITS), ("bracket", _EXITS), ("attach", _EXITS),
    ("stopprice", "exectype=bt.Order.Stop, price="), ("stoplimit", "exectype=bt.Order.StopLimit, price=, plimit="),
    ("trigger", "exectype=bt.Order.Stop, price="), ("activation", "exectype=bt.Order.StopTrail"),
    ("callback", "exectype=bt.Order.StopTrail, trailpercent="), ("trailingpercent", "trailpercent="),
    ("trailpct", "trailpercent="), ("trail", "trailamount= or trailpercent="),
    ("limitprice", "price= (plimit= for the limit of a StopLimit)"), ("lmtprice", "price="), ("pricelimit", "plimit="),
    ("leverage", _AT_THE_EXCHANGE), ("margin", _AT_THE_EXCHANGE), ("hedge", _ONE_OF_TWO),
    ("positionside", _ONE_OF_TWO), ("positionidx", _ONE_OF_TWO), ("posside", _ONE_OF_TWO),
    ("clientorderid", _HAS_ITS_ID), ("clordid", _HAS_ITS_ID),
    ("timeinforce", "tif="), ("goodtill", "valid="), ("goodtil", "valid="), ("expir", "valid="), ("gtd", "valid="),
    ("gtc", "tif='GTC'"), ("ioc", "tif='IOC'"), ("fok", "tif='FOK'"), ("fillorkill", "tif='FOK'"),
    ("immediateorcancel", "tif='IOC'"),
    ("postonly", "post_only=True"), ("maker", "post_only=True"), ("reduceonly", "reduce_only=True"),
    ("reduce", "reduce_only=True"), ("closeposition", "reduce_only=True"), ("closeonly", "reduce_only=True"),
    ("iceberg", "iceberg="), ("hidden", "iceberg="), ("display", "iceberg="), ("visible", "iceberg="),
    ("quantity", "size="), ("amount", "size="), ("qty", "size="), ("volume", "size="), ("notional", "size="),
    ("lots", "size="), ("contracts", "size="), ("quotecost", "size="),
    ("ordertype", "exectype="), ("exectype", "exectype="), ("execution", "exectype="),
    ("onecancels", "oco="), ("ocagroup", "oco="), ("workingtype", _IN_PARAMS),
    ("selftrade", _IN_PARAMS), ("stp", _IN_PARAMS),
    ("stop", "exectype=bt.Order.Stop, price="), ("profit", _EXITS), ("loss", _EXITS), ("target", _EXITS),
    ("slippage", "exectype=bt.Order.Limit, price="), ("limit", "price="), ("price", "price="),
)  # fmt: skip
_WHOLE_WORDS: Mapping[str, str] = {
    "sl": _EXITS, "tp": _EXITS, "slpct": _EXITS, "tppct": _EXITS, "stop": _EXITS, "side": "buy() or sell()",
    "cross": _AT_THE_EXCHANGE, "isolated": _AT_THE_EXCHANGE, "reason": "", "symbol": "data=", "ticker": "data=",
    "pair": "data=", "limit": "price=", "lmt": "price=", "type": "exectype=", "mkt": "exectype=", "market": "exectype=",
    "cost": "size=", "units": "size=", "stake": "size=", "percent": "trailpercent=", "pct": "trailpercent=",
    "close": "reduce_only=True", "until": "valid=", "ttl": "valid=", "gtt": "valid=", "day": "valid=",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keywords:
    """What btccxt adds to ``buy`` and ``sell``."""

    post_only: bool = False
    reduce_only: bool = False
    time_in_force: TimeInForce | None = None
    iceberg_amount: Decimal | None = None
    on_unprotected: str | None = None
    """When the stop of a bracket or pair cannot be placed: 'exit' at market, 'retry', or only 'alarm'."""
    entry_pct: Decimal | None = None
    """Of an exit: its price in per cent (signed) from the average price of its entry's fills."""
    params: Mapping[str, Any] | None = None

    @classmethod
    def take_from(cls, kwargs: dict[str, Any], reasons: list[str]) -> Keywords:
        """Remove our keywords from ``kwargs``; what is wrong with them is added to ``reasons``."""
        if not kwargs:
            return _NONE
        tif = kwargs.pop("tif", None)
        word = tif.value if isinstance(tif, TimeInForce) else None if tif is None else str(tif).upper()
        if word is not None and word not in TimeInForce.__members__:
            reasons.append(f"tif={tif!r} is not one of {', '.join(TimeInForce.__members__)}")
            word = None
        iceberg = kwargs.pop("iceberg", None)
        iceberg_amount = None if iceberg is None else positive(iceberg, "iceberg", reasons)
        params = kwargs.pop("params", None)
        if params is not None and not isinstance(params, Mapping):
            reasons.append(f"params must be a mapping that ccxt understands, not {type(params).__name__}")
            params = None
        post_only, reduce_only = (
            _flag(name, kwargs.pop(name, False), reasons) for name in ("post_only", "reduce_only")
        )
        unprotected = kwargs.pop("on_unprotected", None)
        if unprotected is not None and unprotected not in get_args(Unprotected):
            reasons.append(f"on_unprotected={unprotected!r} is not one of {', '.join(get_args(Unprotected))}")
            unprotected = None
        entry_pct = _signed(kwargs.pop("entry_pct", None), reasons)
        reasons += [f"{name}: write {meant}" for name in kwargs if (meant := _meant_by(name))]
        tif_asked = TimeInForce[word] if word else None
        return cls(post_only, reduce_only, tif_asked, iceberg_amount, unprotected, entry_pct, params)


_NONE = Keywords()


def _signed(value: Any, reasons: list[str]) -> Decimal | None:
    """A percentage below or above zero."""
    if value is None:
        return None
    try:
        number = decimal_of(value)
    except (InvalidOperation, TypeError, ValueError):
        number = Decimal("nan")
    if isinstance(value, bool) or not number.is_finite() or not number or number <= -100:
        reasons.append(f"entry_pct={value!r}: write per cent from the entry's price, as -2 or 4")
        return None
    return number


def _flag(name: str, value: Any, reasons: list[str]) -> bool:
    if value is None or isinstance(value, str) or value not in (True, False):
        if value is not None:
            reasons.append(f"{name}={value!r}: write True or False")
        return False
    return bool(value)


@lru_cache(maxsize=512)
def _meant_by(name: str) -> str:
    """What to write instead of a word of the trade that nobody reads; '' for a remark of the strategy's own."""
    if name in _OF_BACKTRADERS_OWN_BROKER:
        return ""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain in _WHOLE_WORDS:
        return _WHOLE_WORDS[plain]
    spellings = {word.replace("_", ""): word for word in (*KEYWORDS, *_BACKTRADERS)}
    near = difflib.get_close_matches(plain, spellings, n=1, cutoff=0.8)
    if near:
        return f"{spellings[near[0]]}="
    return next((meant for part, meant in _MEANINGS if part in plain), "")


def positive(value: Any, what: str, reasons: list[str]) -> Decimal | None:
    """A number above zero, exact; None (and a reason) for anything else."""
    try:
        number = decimal_of(value)
    except (InvalidOperation, TypeError, ValueError):
        reasons.append(f"{what} {value!r} is not a number")
        return None
    if not number.is_finite() or number <= 0:
        reasons.append(f"{what} must be a positive number, not {value!r}")
        return None
    return number


def make_plain(given: dict[str, Any]) -> list[str]:
    """Numbers of numpy, decimals and fractions become floats, as backtrader sums them. Returns what is no number."""
    reasons = []
    for name in _FIGURES:
        value = given[name]
        if type(value) in (float, int) or (value is None and name != "size"):
            continue
        try:
            if isinstance(value, (bool, str, bytes)):
                raise TypeError
            given[name] = float(value)
        except (TypeError, ValueError):
            reasons.append(f"{name} {value!r} is not a number")
            given[name] = _NAN if name == "size" else None
    return reasons


_FIGURES = ("size", "price", "pricelimit", "trailamount", "trailpercent")
_NAN = float("nan")
