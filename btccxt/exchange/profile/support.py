"""The answer to "can this exchange do that?", before an order is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from btccxt.errors import ConfigError
from btccxt.exchange.profile.order_rule import ORDER_KEYS, OrderRule
from btccxt.exchange.profile.profile import Profile, nearest, who_supports
from btccxt.model import MarketType, OrderFeature, OrderKind


@dataclass(frozen=True, slots=True)
class Support:
    """How an exchange does an order kind or feature. True in a condition unless it is refused; ``str`` says it all."""

    kind: str
    exchange: str
    market_type: MarketType
    rule: OrderRule
    elsewhere: tuple[str, ...] = ()
    """Exchanges of the mapping table that do it natively on this market type; named where this one does not."""

    @property
    def support(self) -> Literal["native", "emulated", "refused"]:
        return self.rule.support

    @property
    def why(self) -> str | None:
        return self.rule.why

    def __bool__(self) -> bool:
        return self.support != "refused"

    def __str__(self) -> str:
        text = f"{self.kind} on {self.exchange} {self.market_type.value}: {self.support}"
        if self.why:
            text += f" ({self.why})"
        if self.rule.kinds:
            text += f", with {_list(self.rule.kinds)} orders"
        if self.rule.sides:
            text += f", {_list(self.rule.sides)} only"
            if self.rule.other_side_emulated:
                text += "; the other side is emulated" + (f" ({self.rule.note})" if self.rule.note else "")
        if self.rule.is_native:
            return text
        return text + (f"; native on {_list(self.elsewhere)}" if self.elsewhere else "; native on none in the table")


def support_of(kind: OrderKind | OrderFeature | str, profile: Profile) -> Support:
    """No network. Raises ConfigError naming the nearest for a kind that does not exist."""
    key = kind.value if isinstance(kind, (OrderKind, OrderFeature)) else kind
    if key not in ORDER_KEYS:
        raise ConfigError(f"unknown order kind {key!r}{nearest(str(key), ORDER_KEYS)}")
    rule = profile.rule(key)
    elsewhere: tuple[str, ...] = ()
    if not rule.is_native:
        elsewhere = tuple(name for name, _ in who_supports(key, profile.market_type) if name != profile.exchange)
    return Support(key, profile.exchange, profile.market_type, rule, elsewhere)


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)
