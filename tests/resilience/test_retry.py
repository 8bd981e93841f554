from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt import errors
from btccxt.resilience.retry import RETRYABLE, CallKind, RetryDetails, RetryPolicy, call

READS = [CallKind.PUBLIC_READ, CallKind.PRIVATE_READ, CallKind.SUBSCRIBE, CallKind.CANCEL]
ORDERS = [CallKind.CREATE, CallKind.EDIT]
EVERY_ERROR = [
    errors.ConnectionLost("cut"),
    errors.RateLimited("slow down"),
    errors.ClockSkew("timestamp"),
    errors.ExchangeUnavailable("503"),
    errors.ConfigError("bad"),
    errors.AuthenticationFailed("key"),
    errors.Unsupported("no"),
    errors.JournalError("disk"),
    errors.StateMismatch("odd"),
    errors.Refused(["too small"]),
    errors.OrderNotFound("gone"),
    errors.OrderOutcomeUnknown("who knows"),
    ValueError("a bug"),
    KeyError("spot"),
    TimeoutError(),
    OSError("disk"),
]


class Flaky:
    """Fails with the given errors in turn, then answers 'done'."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


class Sleeps(list[float]):
    async def __call__(self, delay_s: float) -> None:
        self.append(delay_s)


def test_every_kind_of_call_has_its_row() -> None:
    assert set(RETRYABLE) == set(CallKind)


@pytest.mark.parametrize("kind", READS)
async def test_a_read_that_fails_twice_is_answered_by_the_third_attempt(kind: CallKind) -> None:
    sleeps = Sleeps()
    flaky = Flaky(errors.ConnectionLost("cut"), errors.ExchangeUnavailable("503"))
    assert await call(flaky, kind, sleep=sleeps) == "done"
    assert flaky.calls == 3
    assert len(sleeps) == 2


async def test_the_third_failure_is_raised_as_it_is() -> None:
    last = errors.ConnectionLost("third")
    flaky = Flaky(errors.ConnectionLost("first"), errors.ConnectionLost("second"), last)
    with pytest.raises(errors.ConnectionLost) as caught:
        await call(flaky, CallKind.PUBLIC_READ, sleep=Sleeps())
    assert caught.value is last
    assert flaky.calls == 3


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
async def test_an_order_is_sent_again_only_after_proof_that_it_was_not_placed(kind: CallKind, error: Exception) -> None:
    flaky = Flaky(error)
    if isinstance(error, (errors.RateLimited, errors.ClockSkew)):
        assert await call(flaky, kind, sleep=Sleeps()) == "done"
    else:
        with pytest.raises(type(error)):
            await call(flaky, kind, sleep=Sleeps())
        assert flaky.calls == 1


@pytest.mark.parametrize("kind", list(CallKind))
@pytest.mark.parametrize(
    "error", [each for each in EVERY_ERROR if not isinstance(each, errors.Retryable)], ids=lambda e: type(e).__name__
)
async def test_what_is_not_retryable_is_never_retried(kind: CallKind, error: Exception) -> None:
    flaky = Flaky(error)
    with pytest.raises(type(error)):
        await call(flaky, kind, sleep=Sleeps())
    assert flaky.calls == 1


@given(attempt=st.integers(1, 8), seed=st.integers())
def test_delays_grow_are_bounded_and_shortened_by_at_most_the_jitter(attempt: int, seed: int) -> None:
    policy = RetryPolicy(attempts=20, first_delay_s=0.25, factor=2.0, max_delay_s=5.0, jitter=0.5)
    delay_s = policy.delay_s(CallKind.PUBLIC_READ, attempt, errors.ConnectionLost(""), random.Random(seed))
    assert delay_s is not None
    nominal_s = min(5.0, 0.25 * 2 ** (attempt - 1))
    assert nominal_s / 2 <= delay_s <= nominal_s


@pytest.mark.parametrize("error_type", [errors.RateLimited, errors.ExchangeUnavailable])
def test_the_exchanges_own_retry_after_is_waited_out(error_type: type[errors.RateLimited]) -> None:
    delay_s = RetryPolicy().delay_s(CallKind.PUBLIC_READ, 1, error_type("wait", retry_after_s=7.0), random.Random(0))
    assert delay_s is not None
    assert 7.0 < delay_s <= 7.25


def test_a_retry_after_longer_than_the_bound_is_handed_to_the_caller() -> None:
    policy = RetryPolicy(max_retry_after_s=60)
    banned = errors.RateLimited("banned", retry_after_s=7_200)
    assert policy.delay_s(CallKind.PUBLIC_READ, 1, banned, random.Random(0)) is None


async def test_the_hook_runs_before_the_wait_and_knows_the_error() -> None:
    order: list[object] = []

    async def on_retry(details: RetryDetails) -> None:
        order.append(details)

    async def sleep(delay_s: float) -> None:
        order.append(delay_s)

    skew = errors.ClockSkew("timestamp")
    await call(Flaky(skew), CallKind.CREATE, sleep=sleep, on_retry=on_retry)
    details, slept_s = order
    assert isinstance(details, RetryDetails)
    assert (details.kind, details.attempt, details.error) == (CallKind.CREATE, 1, skew)
    assert slept_s == details.delay_s


async def test_a_cancelled_call_is_not_retried() -> None:
    flaky = Flaky(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await call(flaky, CallKind.PUBLIC_READ, sleep=Sleeps())
    assert flaky.calls == 1


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"first_delay_s": -1}, {"max_delay_s": -1}, {"factor": 0.5}, {"jitter": 1.5}]
)
def test_an_impossible_policy_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(errors.ConfigError, match="must"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
