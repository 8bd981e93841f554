"""CommissionInfo for exchanges: sizes in the market's own steps, so that 0.4 BTC is not rounded to 0."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from btccxt.bt.compat import bt
from btccxt.model import Market, round_amount


class CryptoCommInfo(bt.CommInfoBase):
    """Percentage commission; spot is stock-like, contracts need ``price * contract size / leverage`` as margin.

    ``commission`` is a fraction (0.001 is 0.1 %). Backtrader's own class returns ``int()`` sizes
    (backtrader/comminfo.py:192-197); this one floors to the market's amount step.
    """

    params = (("percabs", True), ("stocklike", True), ("market", None))

    def __init__(self, **_params: Any) -> None:  # backtrader's metaclass has taken them
        super().__init__()
        self._commtype = self.COMM_PERC
        self._stocklike = self.p.stocklike

    @classmethod
    def for_market(cls, market: Market, leverage: float = 1.0) -> CryptoCommInfo:
        """The taker's rate, the contract's size and leverage of one market."""
        return cls(
            commission=float(market.taker_rate),
            mult=float(market.contract_size),
            leverage=leverage,
            stocklike=not market.is_contract,
            market=market,
        )

    def get_margin(self, price: float) -> float:
        """Money that one unit binds: the whole price on spot, its leveraged part on contracts."""
        return price * self.p.mult / self.p.leverage

    def getsize(self, price: float, cash: float) -> float:
        """Largest size that ``cash`` pays for at ``price``, floored to the amount step."""
        size = cash * self.p.leverage / (price * self.p.mult)
        if self.p.market is None:
            return size
        return float(round_amount(self.p.market, Decimal(repr(size))))

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        return abs(size) * price * self.p.mult * self.p.commission
