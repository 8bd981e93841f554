"""Statistics of a run's daily returns, by empyrical (``btccxt[report]``): Sharpe, Sortino, return per year …"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from btccxt.runs.figures import percent

_LEAST_DAYS = 7
_DAYS_A_YEAR = 365
"""These markets never close."""
MISSING = "without Sharpe ratio, yearly return and the like: they need pip install 'btccxt[report]'"


def is_installed() -> bool:
    return find_spec("empyrical") is not None


def statistics_rows(values: Sequence[float]) -> list[tuple[str, str]]:
    """Name, value; of the account's ``values`` at the end of each UTC day. Empty without empyrical.

    A risk-free rate of nothing. Fewer than a week of days say nothing about a year, and are told as such.
    """
    if not is_installed():
        return []
    days = len(values) - 1
    if days < _LEAST_DAYS or min(values) <= 0:
        return [("Sharpe ratio and the like", f"need {_LEAST_DAYS} days, so far {max(days, 0)}")]
    import empyrical
    import numpy

    worth = numpy.asarray(values)
    returns = worth[1:] / worth[:-1] - 1
    a_year = {"annualization": _DAYS_A_YEAR}
    return [
        (f"return per year, of {days} days", percent(float(empyrical.cagr(returns, **a_year)), signed=True)),
        ("volatility per year", percent(float(empyrical.annual_volatility(returns, **a_year)))),
        ("Sharpe ratio", _ratio(empyrical.sharpe_ratio(returns, **a_year))),
        ("Sortino ratio", _ratio(empyrical.sortino_ratio(returns, **a_year))),
        ("Calmar ratio", _ratio(empyrical.calmar_ratio(returns, **a_year))),
        ("deepest fall, by days", percent(-float(empyrical.max_drawdown(returns)))),
        ("worst day in twenty", percent(float(empyrical.value_at_risk(returns)), signed=True)),
        ("good days", percent(float((returns > 0).mean()))),
    ]


def _ratio(found: float) -> str:
    """'-' where nothing moved, or nothing fell."""
    return f"{found:.2f}" if abs(found) < 1e6 else "-"
