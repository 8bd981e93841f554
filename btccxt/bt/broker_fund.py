"""An account seen as a fund: what backtrader asks of shares and their worth."""

from __future__ import annotations

from btccxt.bt.compat import bt
from btccxt.bt.fund import Fund
from btccxt.errors import ConfigError


class FundCalls(bt.BrokerBase):
    """What backtrader asks of a broker in shares."""

    def __init__(self) -> None:
        super().__init__()
        self._fund = Fund()
        self._fundmode = False

    def get_fundvalue(self) -> float:
        """What one share of the account is worth: money that comes or goes changes the shares, not this."""
        return self._fund.value(self.getvalue())

    fundvalue = property(get_fundvalue)

    def get_fundshares(self) -> float:
        return self._fund.shares

    fundshares = property(get_fundshares)

    def get_fundmode(self) -> bool:
        return self._fundmode

    def set_fundmode(self, fundmode: bool, fundstartval: float | None = None) -> None:
        """Backtrader's: analyzers and observers measure shares. ``fundstartval``: what one is worth at the start."""
        self._fundmode = bool(fundmode)
        if fundstartval is not None:
            self.set_fundstartval(fundstartval)

    fundmode = property(get_fundmode, set_fundmode)

    def set_fundstartval(self, fundstartval: float) -> None:
        if not fundstartval > 0:
            raise ConfigError(f"fundstartval={fundstartval!r}: a share must be worth more than nothing")
        self._fund.start_value = float(fundstartval)
