"""The account as a fund: money that comes and goes changes the number of shares, not what one is worth."""

from __future__ import annotations

from collections.abc import Iterable

from btccxt.bt.compat import bt


class Fund:
    """Backtrader's fund mode for an account that is not a backtest's: ``value`` is what one share is worth.

    It begins with one share for the whole account, so that the share's value is the account's until money moves.
    """

    def __init__(self) -> None:
        self.shares = 1.0
        self.start_value: float | None = None
        """What a share is worth at the start, where the user has said so."""

    def begin(self, value: float) -> None:
        self.shares = value / self.start_value if self.start_value and value > 0 else 1.0

    def value(self, account_value: float) -> float:
        return account_value / self.shares

    def move(self, amount: float, value_before: float) -> None:
        """``amount`` came (or, negative, went) when the account was worth ``value_before``.

        An account that was worth nothing, or of which nothing is left, goes on with the shares that it has.
        """
        if value_before > 0 and value_before + amount > 0:
            self.shares *= (value_before + amount) / value_before


def measure_shares(analyzers: Iterable[bt.Analyzer]) -> None:
    """Returns are of a share from now on, for the analyzers to which nobody said what they are of.

    Until money moved both were the same, so the measure changes without a step.
    """
    for analyzer in analyzers:
        if getattr(analyzer.p, "fund", False) is None and getattr(analyzer, "_fundmode", None) is False:
            vars(analyzer)["_fundmode"] = True
        measure_shares(getattr(analyzer, "_children", ()))
