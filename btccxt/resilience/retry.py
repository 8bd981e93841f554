"""Which call may be made again after which error, and when. Pure, apart from the short runner at the end.

Only errors named in the table are ever retried; an exception that nobody knows is never.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TypeVar

from btccxt.errors import BtccxtError, ClockSkew, ConfigError, ExchangeUnavailable, RateLimited, Retryable
from btccxt.resilience.checks import check_numbers, names_its_fields, waits_of

T = TypeVar("T")


class CallKind(str, Enum):
    """What a call does to the exchange, hence what repeating it does."""

    PUBLIC_READ = "public_read"
    PRIVATE_READ = "private_read"
    CREATE = "create"
    EDIT = "edit"
    CANCEL = "cancel"
    SUBSCRIBE = "subscribe"


# Reads change nothing; a second cancel finds nothing to cancel; a second subscription is the same subscription.
# A second order is a second order: repeated only after an answer which proves that the first was not taken, and never
# after ExchangeUnavailable, because a 5xx can follow acceptance.
RETRYABLE: Mapping[CallKind, tuple[type[BtccxtError], ...]] = MappingProxyType(
    {
        CallKind.PUBLIC_READ: (Retryable,),
        CallKind.PRIVATE_READ: (Retryable,),
        CallKind.CREATE: (RateLimited, ClockSkew),
        CallKind.EDIT: (RateLimited, ClockSkew),
        CallKind.CANCEL: (Retryable,),
        CallKind.SUBSCRIBE: (Retryable,),
    }
)


@names_its_fields
@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Three attempts, waiting 0.25 s and 0.5 s in between, each shortened at random by up to half."""

    attempts: int = 3
    first_delay_s: float = 0.25
    factor: float = 2.0
    max_delay_s: float = 10.0
    jitter: float = 0.5
    max_retry_after_s: float = 60.0
    """If the exchange wants a longer pause than this, the caller gets the error instead of a call that hangs."""

    def __post_init__(self) -> None:
        check_numbers(self, at_least_one=("attempts", "factor"), not_negative=(*waits_of(self), "jitter"))
        if self.jitter > 1:
            raise ConfigError(f"RetryPolicy.jitter must be between 0 and 1, not {self.jitter}")

    def delay_s(self, kind: CallKind, attempt: int, error: BaseException, rng: random.Random) -> float | None:
        """Seconds to wait before the next attempt, or None: give up and raise ``error``.

        ``attempt`` counts from 1 and is the one that just failed. The exchange's own Retry-After is a lower bound.
        """
        if attempt >= self.attempts or not isinstance(error, RETRYABLE[kind]):
            return None
        full_s = min(self.max_delay_s, self.first_delay_s * self.factor ** (attempt - 1))
        delay_s = full_s * (1.0 - self.jitter * rng.random())
        asked_s = error.retry_after_s if isinstance(error, (RateLimited, ExchangeUnavailable)) else None
        if asked_s is None:
            return delay_s
        return None if asked_s > self.max_retry_after_s else asked_s + delay_s


@dataclass(frozen=True, slots=True)
class RetryDetails:
    """One failed attempt that will be repeated, for logs, metrics and for re-measuring the clock."""

    kind: CallKind
    attempt: int
    delay_s: float
    error: BtccxtError


async def call(
    fn: Callable[[], Awaitable[T]],
    kind: CallKind,
    policy: RetryPolicy | None = None,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    on_retry: Callable[[RetryDetails], Awaitable[None]] | None = None,
    rng: random.Random | None = None,
) -> T:
    """Await ``fn()`` until it succeeds or the policy gives up; then its last error is raised unchanged.

    ``on_retry`` is awaited before each wait: after a ClockSkew the caller re-measures the exchange's clock there.
    """
    policy = policy or _DEFAULT_POLICY
    attempt = 1
    while True:
        try:
            return await fn()
        except BtccxtError as error:
            delay_s = policy.delay_s(kind, attempt, error, rng or _RANDOM)
            if delay_s is None:
                raise
            details = RetryDetails(kind, attempt, delay_s, error)
        if on_retry is not None:
            await on_retry(details)
        await sleep(details.delay_s)
        attempt += 1


_DEFAULT_POLICY = RetryPolicy()
_RANDOM = random.Random()
