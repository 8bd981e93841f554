"""Contract positions: signed amount, entry cost, realised profit and loss; linear and inverse."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from btccxt.model import ZERO

COIN_STEP = Decimal("0.00000001")  # money is kept to eight decimals, as exchanges do


def round_money(amount: Decimal) -> Decimal:
    return amount.quantize(COIN_STEP, ROUND_HALF_EVEN)


@dataclass(slots=True)
class PositionState:
    """``amount`` is signed contracts; ``cost`` the signed value they were entered at, in the settlement coin.

    The value of an inverse contract is counted as minus its size over the price: it rises with the price too, so that
    profit is always value now less cost.
    """

    symbol: str
    side: str | None  # 'long' / 'short' in hedge mode, None in one-way mode
    contract_size: Decimal
    inverse: bool = False
    amount: Decimal = ZERO
    cost: Decimal = ZERO
    margin: Decimal = ZERO
    isolated: bool = False
    updated_ms: int = 0

    def value(self, amount: Decimal, price: Decimal) -> Decimal:
        size = amount * self.contract_size
        return -size / price if self.inverse else size * price

    @property
    def entry_price(self) -> Decimal | None:
        if not self.amount:
            return None
        size = self.amount * self.contract_size
        return -size / self.cost if self.inverse else self.cost / size

    def unrealised_pnl(self, mark: Decimal) -> Decimal:
        pnl = self.value(self.amount, mark) - self.cost
        return round_money(pnl) if self.inverse else pnl

    def apply(self, signed_amount: Decimal, price: Decimal) -> Decimal:
        """Add a fill; returns the profit or loss it realised."""
        value = self.value(signed_amount, price)
        if self.amount * signed_amount >= 0:
            self.amount += signed_amount
            self.cost += value
            return ZERO
        if abs(signed_amount) <= abs(self.amount):
            closed_cost = self.cost if self.amount == -signed_amount else self._cost_share(-signed_amount)
            self.amount += signed_amount
            self.cost -= closed_cost
            return round_money(-value - closed_cost) if self.inverse else -value - closed_cost
        opened = self.amount + signed_amount  # more than all of it: close, then open the other way
        realised = self.apply(-self.amount, price)
        self.amount, self.cost = opened, self.value(opened, price)
        return realised

    def _cost_share(self, part: Decimal) -> Decimal:
        share = self.cost * part / self.amount
        return share if self.inverse else round_money(share)

    def liquidation_price(self, wallet: Decimal, rate: Decimal) -> Decimal | None:
        """Where ``wallet`` and profit equal a maintenance margin of ``rate`` (this position alone)."""
        if not self.amount:
            return None
        size = self.amount * self.contract_size
        if self.inverse:
            owed = wallet - self.cost
            price = (size + abs(size) * rate) / owed if owed else ZERO
        else:
            price = (self.cost - wallet) / (size - abs(size) * rate)
        return price if price > 0 else None
