"""What the mapping table says of an exchange's public archive: files of past bars or trades, beside its API."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field, field_validator, model_validator

from btccxt.exchange.profile.order_rule import Part

ARCHIVE_FIELDS: frozenset[str] = frozenset({"base", "quote", "settle", "timeframe", "year", "month", "day"})
"""What an address may contain in braces."""
_BARS = frozenset({"time", "open", "high", "low", "close", "volume"})
_TRADES = frozenset({"time", "price", "amount", "id"})
_SIDES = frozenset({"side", "buyer_is_maker"})
UNUSED = "-"


class ArchiveRule(Part):
    """Files of bars, or of trades.

    ``month``, ``day``: addresses of the files of one month or day. ``columns``: ours in the order of theirs, ``'-'``
    for one that is not used. ``timeframes``: the archive's names where they are not ccxt's; ``only``: the timeframes
    that it has, if not all. ``checksum``: what is added to the address for the file that begins with the SHA-256.
    ``utc_offset_h``: its days and months begin so many hours before those of UTC. ``numbered_daily``: ids begin anew
    in each file, so that the day belongs to them. ``header``: what the first line begins with; an archive that has
    changed its columns is not read.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    month: str | None = None
    day: str | None = None
    timeframes: Mapping[str, str] = Field(default_factory=dict)
    only: tuple[str, ...] = ()
    utc_offset_h: int = Field(default=0, gt=-24, lt=24)
    numbered_daily: bool = False
    header: str | None = None
    checksum: str | None = None

    @field_validator("month", "day")
    @classmethod
    def _known_fields(cls, url: str | None) -> str | None:
        unknown = set(re.findall(r"{(\w*)}", url or "")) - ARCHIVE_FIELDS
        if unknown:
            raise ValueError(f"unknown {{{sorted(unknown)[0]}}}; there are {', '.join(sorted(ARCHIVE_FIELDS))}")
        return url


class ArchivesRule(Part):
    """The public archive of one market type."""

    bars: ArchiveRule | None = None
    trades: ArchiveRule | None = None

    @model_validator(mode="after")
    def _whole_rows(self) -> ArchivesRule:
        nothing: frozenset[str] = frozenset()
        for what, rule, needed, more in (("bars", self.bars, _BARS, nothing), ("trades", self.trades, _TRADES, _SIDES)):
            if rule is None:
                continue
            names = set(rule.columns) - {UNUSED}
            if names - needed - more or needed - names:
                wrong = sorted(names - needed - more) or sorted(needed - names)
                raise ValueError(f"{what}: columns need {', '.join(sorted(needed))}; {wrong[0]!r} is wrong or missing")
        return self
