"""Linear contract positions: signed amount, exact entry cost, realised profit and loss."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from btccxt.model import ZERO

COIN_STEP = Decimal("0.00000001")  # money is kept to eight decimals, as exchanges do
MAINTENANCE_RATE = Decimal("0.004")  # lowest tier of Binance USD-M's BTC/USDT brackets


def round_money(amount: Decimal) -> Decimal:
    return amount.quantize(COIN_STEP, ROUND_HALF_EVEN)


@dataclass(slots=True)
class PositionState:
    """``amount`` is signed contracts; ``cost`` the signed quote value they were entered at (exact, never averaged)."""

    symbol: str
    side: str | None  # 'long' / 'short' in hedge mode, None in one-way mode
    contract_size: Decimal
    amount: Decimal = ZERO
    cost: Decimal = ZERO
    margin: Decimal = ZERO
    updated_ms: int = 0

    @property
    def entry_price(self) -> Decimal | None:
        return None if not self.amount else self.cost / (self.amount * self.contract_size)

    def unrealised_pnl(self, mark: Decimal) -> Decimal:
        return self.amount * self.contract_size * mark - self.cost

    def apply(self, signed_amount: Decimal, price: Decimal) -> Decimal:
        """Add a fill; returns the profit or loss it realised."""
        value = signed_amount * self.contract_size * price
        if self.amount * signed_amount >= 0:
            self.amount += signed_amount
            self.cost += value
            return ZERO
        if abs(signed_amount) <= abs(self.amount):
            closed_cost = self.cost if self.amount == -signed_amount else self._cost_share(-signed_amount)
            self.amount += signed_amount
            self.cost -= closed_cost
            return -value - closed_cost
        opened = self.amount + signed_amount  # more than all of it: close, then open the other way
        realised = self.apply(-self.amount, price)
        self.amount, self.cost = opened, opened * self.contract_size * price
        return realised

    def _cost_share(self, part: Decimal) -> Decimal:
        return round_money(self.cost * part / self.amount)

    def liquidation_price(self, wallet: Decimal) -> Decimal | None:
        """Estimate (cross margin, this position alone): where wallet + pnl equals the maintenance margin."""
        if not self.amount:
            return None
        size = self.amount * self.contract_size
        price = (self.cost - wallet) / (size - abs(size) * MAINTENANCE_RATE)
        return price if price > 0 else None
