"""What the mapping table may say of order lists: a stop and a target that an exchange takes as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import field_validator

from btccxt.exchange.profile.order_rule import KIND_KEYS, Part, UnknownKey, check_placeholders


class OrderListRule(Part):
    """A stop and a target of one side and amount, as one request.

    Named only where all of this holds: both are placed or none; each has a client order id of its own and is reported,
    asked for and cancelled under it; together they bind the coins of one; when one begins to fill, or its trigger
    fires, the other one expires; a cancel of one cancels both.
    """

    call: str
    """ccxt's method for it."""
    request: str
    """HTTP method and path of the request."""
    both: Mapping[str, Any]
    """Fields of the request that are of both; placeholders as in ``orders``."""
    target: Mapping[str, Mapping[str, Any]]
    """By order kind: the fields of the target. The guard looks for them all in the request that is about to leave."""
    stop: Mapping[str, Mapping[str, Any]]
    orders: str
    """Where the answer has the two orders, each as the exchange describes one."""

    @field_validator("both", "target", "stop")
    @classmethod
    def _known_placeholders(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        check_placeholders(value)
        return value

    @field_validator("target", "stop")
    @classmethod
    def _known_kinds(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for kind in value:
            if kind not in KIND_KEYS:
                raise UnknownKey(kind, sorted(KIND_KEYS))
        return value
