"""What follows when the installed ccxt does something otherwise than proven: which orders and streams are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from btccxt.exchange.profile.order_rule import FEATURE_KEYS, KIND_KEYS, OrderRule
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.differences import Difference
from btccxt.exchange.proof.intents import ORDER_LIST
from btccxt.model import StreamKind

_STREAM = "stream "
_TRIGGERS = "?triggers"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One profile in one environment, under the ccxt that is installed."""

    exchange: str
    market_type: str
    environment: str
    ccxt: str
    proven_with: str | None
    checked: int
    differences: tuple[Difference, ...]
    lacking: tuple[str, ...] = ()
    """Kinds of streams that the profile lists and ccxt cannot serve in this environment, as was known already."""

    @property
    def good(self) -> bool:
        return self.proven_with is not None and not self.differences

    @property
    def where(self) -> str:
        return f"{self.exchange} {self.market_type} {self.environment}"

    @property
    def summary(self) -> str:
        if self.proven_with is None:
            return f"nothing is proven of {self.exchange} {self.market_type}"
        with_what = f"proven with ccxt {self.proven_with}"
        if self.good:
            return with_what if self.ccxt == self.proven_with else f"{with_what}, and ccxt {self.ccxt} does the same"
        return f"{with_what}; ccxt {self.ccxt} differs in {len(self.differences)} of {self.checked}"

    def refused_orders(self) -> Mapping[str, str]:
        """Order kind or feature, or ``feature kind``, -> why. What cannot be asked for or cancelled is not sent."""
        found: dict[str, str] = {}
        for each in self.differences:
            for key in _orders_of(each):
                found.setdefault(key, self._why(each))
        return found

    def refused_streams(self) -> Mapping[str, str]:
        """Kind of stream -> why; ``*`` is all of them."""
        found: dict[str, str] = {}
        for each in self.differences:
            if each.about == "push":
                found.setdefault("*", self._why(each))
            elif each.about == "stream" and each.proven is not None:
                found.setdefault(_stream_of(each.title), self._why(each))
        return found

    @property
    def refused(self) -> tuple[str, ...]:
        """What is refused, in words."""
        orders, streams = self.refused_orders(), sorted(self.refused_streams())
        of_kinds = sorted(key for key in orders if " " not in key or key.rpartition(" ")[2] not in orders)
        named = ["all orders"] if "*" in orders else [{_TRIGGERS: "trigger orders"}.get(key, key) for key in of_kinds]
        return (*named, *(["all streams"] if "*" in streams else [f"stream {kind}" for kind in streams]))

    def _why(self, difference: Difference) -> str:
        return (
            f"ccxt {self.ccxt} does it otherwise than ccxt {self.proven_with}, with which it was proven "
            f"({difference.text}); see btccxt selfcheck {self.exchange}"
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "exchange": self.exchange, "market_type": self.market_type, "environment": self.environment,
            "ccxt": self.ccxt, "proven_with": self.proven_with, "checked": self.checked, "good": self.good,
            "differences": [each.as_dict() for each in self.differences],
            "refused": list(self.refused), "lacking_streams": list(self.lacking),
        }  # fmt: skip


def _orders_of(difference: Difference) -> tuple[str, ...]:
    match difference.about:
        case "order" if difference.title.startswith(ORDER_LIST):
            return (ORDER_LIST,)
        case "order":
            words = difference.title.split(" ")
            return (words[0],) if words[0] in KIND_KEYS else (" ".join(words[:2]),)
        case "triggers":
            return (_TRIGGERS,)
        case "book" | "account" | "calls":
            return ("*",)
        case _:
            return ()


def _stream_of(title: str) -> str:
    return title.removeprefix(_STREAM).partition(" ")[0].rstrip(",:")


def under(profile: Profile, verdict: Verdict, proven: Profile) -> Profile:
    """The profile without what the verdict refuses. ``proven``: that of the table; what the user says otherwise than
    it was never proven here, and stays his own word."""
    orders = dict(profile.orders)
    for key, rule in profile.orders.items():
        if rule.is_native and rule == proven.orders.get(key):
            orders[key] = _under(key, rule, verdict.refused_orders(), profile)
    streams, refused = verdict.refused_streams(), verdict.refused_orders()
    lists = None if ORDER_LIST in refused or "*" in refused else profile.order_lists
    kinds = [kind for kind in StreamKind if "*" in streams or kind.value in streams or kind.value in verdict.lacking]
    if not kinds and orders == profile.orders and lists == profile.order_lists:
        return profile
    gone = {kind.value: False for kind in kinds if kind is not StreamKind.BARS}
    return profile.model_copy(
        update={
            "orders": orders,
            "order_lists": lists,
            "streams": profile.streams.model_copy(update=gone),
            "bars": profile.bars.model_copy(update={"stream": profile.bars.stream and StreamKind.BARS not in kinds}),
        }
    )


def _under(key: str, rule: OrderRule, refused: Mapping[str, str], profile: Profile) -> OrderRule:
    why = refused.get("*") or refused.get(key)
    if why is None and key in profile.conditional.kinds:
        why = refused.get(_TRIGGERS)
    if why is not None:
        return OrderRule(support="refused", why=why)
    if key not in FEATURE_KEYS:
        return rule
    left = tuple(kind for kind in rule.kinds if f"{key} {kind}" not in refused)
    if left == rule.kinds:
        return rule
    if not left:
        return OrderRule(support="refused", why=next(refused[f"{key} {kind}"] for kind in rule.kinds))
    return rule.model_copy(update={"kinds": left})
