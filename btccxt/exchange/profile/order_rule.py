"""What the mapping table may say of one order kind or feature: native, emulated or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from btccxt.model import OrderFeature, OrderKind, OrderRequest

ORDER_KEYS: frozenset[str] = frozenset(
    [*(kind.value for kind in OrderKind), *(feature.value for feature in OrderFeature)]
)
FEATURE_KEYS: frozenset[str] = frozenset(feature.value for feature in OrderFeature)
KIND_KEYS: frozenset[str] = frozenset(kind.value for kind in OrderKind)

PLACEHOLDERS: frozenset[str] = frozenset(
    {
        "amount",  # what the order is for, positive
        "signed_amount",  # the same, negative for a sale
        "price",  # limit price
        "trigger_price",
        "trailing_amount",
        "trailing_percent",
        "trailing_ratio",  # trailing_percent / 100
        "expires_ms",
        "expires_s",
        "expires_iso",  # 2033-05-18T03:33:19.000Z
        "expires_utc",  # 2033-05-18 03:33:19
        "iceberg_amount",
        "stop_loss_price",
        "take_profit_price",
        "cost_quote",
        "side",  # buy / sell
        "Side",  # Buy / Sell
        "SIDE",  # BUY / SELL
        "client_id",
        "market_id",  # what the exchange's own requests call the market
        "reference_price",  # what the market costs now, for exchanges that have no true market order
        "protected_price",  # reference price plus or minus ``market_slippage_pct``
    }
)
PLACEHOLDER = re.compile(r"\{(\w+)(?::(float|int))?\}")


class Part(BaseModel):
    """Base of every part of a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, arbitrary_types_allowed=True)


def check_placeholders(template: object) -> None:
    if isinstance(template, str):
        for name, _ in PLACEHOLDER.findall(template):
            if name not in PLACEHOLDERS:
                raise ValueError(f"unknown placeholder {{{name}}}; known: {', '.join(sorted(PLACEHOLDERS))}")
    elif isinstance(template, Mapping):
        if ("buy" in template or "sell" in template) and set(template) != {"buy", "sell"}:
            raise ValueError("a choice by side has exactly the keys buy and sell")
        for value in template.values():
            check_placeholders(value)
    elif isinstance(template, list):
        for value in template:
            check_placeholders(value)


class OrderRule(Part):
    """How one order kind or feature reaches the exchange.

    Written in the table as ``native: {...}``, ``emulated: why`` or ``refused: why``; exactly one of the three.
    """

    support: Literal["native", "emulated", "refused"]
    why: str | None = None
    ccxt_type: str | None = None
    params: Mapping[str, Any] = Field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    sides: tuple[Literal["buy", "sell"], ...] = ()
    amount: str | None = None
    price: str | None = None
    path: str | Mapping[str, str] | None = None
    needs_reference_price: bool = False
    buy_rule: OrderRule | None = None
    wire: Mapping[str, Any] = Field(default_factory=dict)
    within: Mapping[str, tuple[Decimal, Decimal]] = Field(default_factory=dict)
    """The figures that the exchange accepts, both ends included; what is outside is done on this machine."""
    min_ahead_s: int = Field(default=0, ge=0)
    """How far ahead an order's end has to be; a nearer one is kept on this machine."""
    note: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_of_three(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            raise ValueError("must be one of  native: {...}  |  emulated: why  |  refused: why")
        chosen = [word for word in ("native", "emulated", "refused") if word in value]
        if len(chosen) > 1:
            raise ValueError(f"says both {' and '.join(chosen)}; an order kind is exactly one of them")
        if not chosen:
            if "support" in value:
                return value
            raise ValueError("says neither native, emulated nor refused")
        word = chosen[0]
        extra = set(value) - {word}
        if extra:
            raise ValueError(f"unknown key {sorted(extra)[0]!r} beside {word!r}")
        body = value[word]
        if word != "native":
            if not isinstance(body, str) or not body.strip():
                raise ValueError(f"{word} needs a text that says why")
            return {"support": word, "why": body.strip()}
        if isinstance(body, Mapping):
            body = dict(body)
        if not isinstance(body, dict):
            raise ValueError("native needs a mapping (type, params, wire …)")
        if "type" in body:
            body["ccxt_type"] = body.pop("type")
        if "with" in body:
            body["kinds"] = body.pop("with")
        if "buy" in body:
            body["buy_rule"] = {"native": body.pop("buy")}
        known = {
            "ccxt_type",
            "params",
            "kinds",
            "sides",
            "amount",
            "price",
            "path",
            "wire",
            "note",
            "needs_reference_price",
            "buy_rule",
            "within",
            "min_ahead_s",
        }
        for key in body:
            if key not in known:
                raise UnknownKey(key, sorted(known - {"ccxt_type", "kinds", "buy_rule"} | {"type", "with", "buy"}))
        if not body.get("wire") and not body.get("path"):
            raise ValueError("native needs `wire`: the fields of the HTTP request that prove the intent is in it")
        return {"support": "native", **body}

    @field_validator("params", "wire")
    @classmethod
    def _known_placeholders(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        check_placeholders(value)
        return value

    @field_validator("within")
    @classmethod
    def _known_figures(cls, value: Mapping[str, tuple[Decimal, Decimal]]) -> Mapping[str, tuple[Decimal, Decimal]]:
        for name, (least, most) in value.items():
            if name not in PLACEHOLDERS:
                raise UnknownKey(name, sorted(PLACEHOLDERS))
            if least > most:
                raise ValueError(f"within: {name} cannot be from {least} to {most}")
        return value

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for kind in value:
            if kind not in KIND_KEYS:
                raise UnknownKey(kind, sorted(KIND_KEYS))
        return value

    @property
    def is_native(self) -> bool:
        return self.support == "native"

    @property
    def other_side_emulated(self) -> bool:
        """An order kind that the exchange has for one side only; a feature of one side stays refused for the other."""
        return bool(self.sides) and not self.kinds

    def why_emulated(self, side: str) -> str | None:
        """Why an order of this kind and side is done on this machine; None where it is not."""
        if self.support == "emulated":
            return self.why
        if self.other_side_emulated and side not in self.sides:
            return self.note or f"this exchange has it for {self.sides[0]} orders only"
        return None

    def out_of_range(self, request: OrderRequest) -> str | None:
        """Which figure of the request the exchange does not accept; None where it accepts all."""
        for name, (least, most) in self.within.items():
            figure = getattr(request, name, None)
            if figure is not None and not least <= figure <= most:
                return f"this exchange accepts {name} from {least} to {most}, not {figure}"
        return None


class UnknownKey(ValueError):
    """A key the schema does not know; the loader names the nearest one that exists."""

    def __init__(self, key: str, known: list[str]) -> None:
        super().__init__(f"unknown key {key!r}")
        self.key = key
        self.known = known
