"""Accounts of a kind that is not served are refused at the start: they would look empty, or fail with a number."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from btccxt.errors import BtccxtError, Unsupported
from btccxt.exchange.ccxt.statuses import field_of
from btccxt.exchange.profile.profile_schema import Profile


class AccountKind:
    """What the profile says of the exchange's accounts, applied to this one."""

    def __init__(self, profile: Profile) -> None:
        self._exchange = profile.exchange
        self._rule = profile.account
        self._is_served = self._rule.ask is None

    async def check(self, read: Callable[..., Awaitable[Any]]) -> None:
        """Ask once what kind of account this is. Raises Unsupported with what its owner can do."""
        if self._is_served or self._rule.ask is None:
            return
        kind = field_of(await read(self._rule.ask), self._rule.field)
        if str(kind) in self._rule.unserved:
            raise Unsupported(f"{self._exchange}: {self._rule.why} (the exchange calls it {kind})")
        self._is_served = True

    def explained(self, error: BtccxtError) -> BtccxtError:
        """The error, or what it means where it is the exchange's answer to an account that is not served."""
        if any(text in str(error) for text in self._rule.errors):
            return Unsupported(f"{self._exchange}: {self._rule.why} ({error})")
        return error
