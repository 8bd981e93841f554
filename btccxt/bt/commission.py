"""CommissionInfo for exchanges: sizes in the market's own steps, so that 0.4 BTC is not rounded to 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btccxt.bt.compat import bt
from btccxt.model import Market, MarketType, decimal_of, round_amount


class CryptoCommInfo(bt.CommInfoBase):
    """Percentage commission; spot is stock-like, contracts need ``price * contract size / leverage`` as margin.

    ``commission`` is a fraction (0.001 is 0.1 %). Backtrader's own class returns ``int()`` sizes
    (backtrader/comminfo.py:192-197); this one floors to the market's amount step.
    """

    params = (("percabs", True), ("stocklike", True), ("market", None), ("inverse", False))

    def __init__(self, **_params: Any) -> None:  # backtrader's metaclass has taken them
        super().__init__()
        self._commtype = self.COMM_PERC
        self._stocklike = self.p.stocklike

    @classmethod
    def for_market(
        cls, market: Market, leverage: float = 1.0, terms: Mapping[str, Any] | None = None
    ) -> CryptoCommInfo:
        """The taker's rate and the contract's size of one market; ``terms``: what the user says instead.

        The account's leverage is no part of it: a target is an exposure, the same before and after it was changed.
        """
        own = {
            "commission": float(market.taker_rate),
            "mult": float(market.contract_size),
            "leverage": leverage,
            "stocklike": not market.is_contract,
            "inverse": market.type is MarketType.INVERSE,
        }
        return cls(**(own | dict(terms or {})), market=market)

    def get_margin(self, price: float) -> float:
        """Money that one unit binds: the whole price on spot, its leveraged part on contracts."""
        return self._worth(price) / float(self.p.leverage)

    def _worth(self, price: float) -> float:
        """Of one unit, in the money that settles it; of an inverse contract it falls as the price rises."""
        if self.p.inverse:
            return float(self.p.mult / price) if price else 0.0
        return float(price * self.p.mult)

    def profitandloss(self, size: float, price: float, newprice: float) -> float:
        """Of a position from one price to another, in the money that settles it."""
        if not self.p.inverse:
            return super().profitandloss(size, price, newprice)
        return size * (self._worth(price) - self._worth(newprice))

    def cashadjust(self, size: float, price: float, newprice: float) -> float:
        """What backtrader's own broker moves to the cash with each bar."""
        return (
            self.profitandloss(size, price, newprice) if self.p.inverse else super().cashadjust(size, price, newprice)
        )

    def getsize(self, price: float, cash: float) -> float:
        """Largest size that ``cash`` pays for at ``price``, floored to the amount step."""
        size = float(cash) * float(self.p.leverage) / self._worth(float(price))
        if self.p.market is None:
            return size
        return float(round_amount(self.p.market, decimal_of(size)))

    def getvalue(self, position: bt.Position, price: float) -> float:
        """What a position binds, negative for a short one: ``getsize`` of the difference to a target leads there."""
        return float(position.size * self.get_margin(price))

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        return abs(size) * self._worth(price) * float(self.p.commission)
