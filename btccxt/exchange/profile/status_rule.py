"""What a profile says of an exchange's orders and fills: its words for their states, and where the raw facts stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate as glob_to_regex
from typing import Any

from pydantic import Field, PrivateAttr

from btccxt.exchange.profile.order_rule import Part
from btccxt.model import OrderStatus, Side


class StatusCase(Part):
    """Status decided by several raw fields at once: all of ``when`` must match."""

    when: Mapping[str, Any]
    status: OrderStatus


class FilledSum(Part):
    """Filled amount as the sum over a list of executions."""

    rows: str
    amount: str
    when: Mapping[str, Any] = Field(default_factory=dict)


class SideCase(Part):
    """The side of a fill decided by several raw fields at once: all of ``when`` must match."""

    when: Mapping[str, Any]
    side: Side


class PushedTradeRule(Part):
    """Where a pushed order names the trade that it is pushed for; ``fee``: of that trade, in the quote coin."""

    id: str
    price: str
    amount: str
    time: str
    fee: str


class OrderTradesRule(Part):
    """The trades in an order's own answer, and where each has what; ``whole_fee``: of the order, in the quote coin."""

    rows: str
    id: str
    price: str
    amount: str
    time: str
    whole_fee: str
    pushed: PushedTradeRule | None = None


class StatusRule(Part):
    """Raw and unified words -> OrderStatus, and where the raw facts stand in ccxt's ``info``.

    A field is a path such as ``status``, ``order.status`` or ``0.x``; of several, the first that has a value counts.
    Of an amount's field and its sums the largest does: a field may say the trade's where a sum says the order's.
    """

    raw_fields: tuple[str, ...] = ("status",)
    cases: tuple[StatusCase, ...] = ()
    raw: Mapping[str, OrderStatus] = Field(default_factory=dict)
    conditional_raw: Mapping[str, OrderStatus] = Field(default_factory=dict)
    unified: Mapping[str, OrderStatus] = Field(default_factory=dict)
    after_create: OrderStatus = OrderStatus.UNKNOWN
    conditional_marks: tuple[str, ...] = ()
    plain_marks: tuple[str, ...] = ()
    filled_fields: tuple[str, ...] = ()
    filled_differences: tuple[tuple[str, str], ...] = ()
    filled_sum: FilledSum | None = None
    filled_unknown_when: tuple[Mapping[str, Any], ...] = ()
    by_cost_when: tuple[Mapping[str, Any], ...] = ()
    full_means_filled: bool = False
    amount_fields: tuple[str, ...] = ()
    conditional_amount_fields: tuple[str, ...] = ()
    amount_sums: tuple[tuple[str, str], ...] = ()
    average_fields: tuple[str, ...] = ()
    average_quotients: tuple[tuple[str, str], ...] = ()
    order_id_fields: tuple[str, ...] = ()
    conditional_order_id_fields: tuple[str, ...] = ()
    child_id_fields: tuple[str, ...] = ()
    client_id_fields: tuple[str, ...] = ()
    conditional_client_id_fields: tuple[str, ...] = ()
    ccxt_client_id: bool = True
    trigger_price_fields: tuple[str, ...] = ()
    reason_fields: tuple[str, ...] = ()
    reason_words: tuple[str, ...] = ()
    reason_texts: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    price_passed_texts: tuple[str, ...] = ()
    no_reasons: tuple[str, ...] = ()
    time_fields: tuple[str, ...] = ()
    frame_time_fields: tuple[str, ...] = ()
    side_fields: tuple[str, ...] = ()
    sides: Mapping[str, Side] = Field(default_factory=dict)
    all_trades_listed: bool = False
    """An order's own answer lists all of its trades; what is filled may be told by nothing else."""
    fill_side_fields: tuple[str, ...] = ()
    fill_side_cases: tuple[SideCase, ...] = ()
    fill_price_fields: tuple[str, ...] = ()
    fill_amount_fields: tuple[str, ...] = ()
    fill_time_fields: tuple[str, ...] = ()
    fill_own_fee_fields: tuple[str, ...] = ()
    """The fee that was paid, where ccxt reads none; with ``fill_fee_currency_fields``."""
    fill_client_id_fields: tuple[str, ...] = ()
    fill_negative_fee_fields: tuple[str, ...] = ()
    order_trades: OrderTradesRule | None = None
    fill_fee_fields: tuple[str, ...] = ()
    fill_fee_currency_fields: tuple[str, ...] = ()
    fill_whole_fee_fields: tuple[str, ...] = ()
    fill_whole_fee_when: Mapping[str, Any] = Field(default_factory=dict)
    fill_id_fields: tuple[str, ...] = ()
    _globs: tuple[tuple[re.Pattern[str], OrderStatus], ...] = PrivateAttr(default=())

    def model_post_init(self, context: object, /) -> None:
        self._globs = tuple(
            (re.compile(glob_to_regex(word)), status) for word, status in self.raw.items() if "*" in word
        )

    def of_raw(self, word: str, conditional: bool) -> OrderStatus | None:
        """Status of a raw word, exact entries before patterns; None for a word nobody listed."""
        if conditional and (known := self.conditional_raw.get(word)) is not None:
            return known
        if (known := self.raw.get(word)) is not None:
            return known
        for pattern, status in self._globs:
            if pattern.fullmatch(word):
                return status
        return None
