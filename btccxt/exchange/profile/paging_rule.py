"""How an exchange divides the account's history into pages."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from pydantic import Field, model_validator

from btccxt.exchange.profile.order_rule import Part


class NextPage(str, Enum):
    """What the account's history is continued with when a page is not the last."""

    UNKNOWN = "unknown"  # one page, as the exchange gives it
    BY_START_TIME = "by_start_time"  # oldest first: from the newest on
    BY_OFFSET = "by_offset"
    BY_NUMBER = "by_number"
    BY_CURSOR = "by_cursor"
    BY_OLDEST_ID = "by_oldest_id"
    BY_OLDEST_TIME = "by_oldest_time"  # ISO 8601


class PagingRule(Part):
    """The account's trades or ended orders by REST: most exchanges answer with the newest page of what was asked for.

    ``param`` names the parameter that continues, ``field`` where its value stands in the raw row (``conditional_field``
    in that of a trigger order). A full page has ``page_size`` rows; that many are asked for. ``window_ms``: the longest
    span of one request. ``all_symbols``: the exchange does not choose by symbol, ccxt does so after the page is cut.
    ``symbol_needed``: it lists one symbol at a time. ``since_exclusive``: in whole seconds, and the first is left out.
    ``archive``: parameters of a second list, which has what is older than ``archive_after_ms``.
    """

    next_page: NextPage = NextPage.UNKNOWN
    page_size: int = Field(default=100, ge=2)
    param: str = ""
    field: str = ""
    conditional_field: str = ""
    window_ms: int | None = Field(default=None, ge=3_600_000)
    all_symbols: bool = False
    symbol_needed: bool = False
    since_exclusive: bool = False
    params: Mapping[str, Any] = Field(default_factory=dict)
    archive: Mapping[str, Any] = Field(default_factory=dict)
    archive_after_ms: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> PagingRule:
        how = self.next_page
        if bool(self.param) is (how in (NextPage.UNKNOWN, NextPage.BY_START_TIME)):
            raise ValueError(f"paging: {how.value} and param {self.param!r} do not go together")
        if bool(self.field) is not (how in (NextPage.BY_CURSOR, NextPage.BY_OLDEST_ID)):
            raise ValueError(f"paging: {how.value} and field {self.field!r} do not go together")
        if self.conditional_field and not self.field:
            raise ValueError("paging: conditional_field goes with field")
        if bool(self.archive) is (self.archive_after_ms is None):
            raise ValueError("paging: archive and archive_after_ms go together")
        return self
