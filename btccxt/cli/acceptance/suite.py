"""Runs the checks against one exchange, one after another: what one leaves behind never meets the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

from btccxt.cli.acceptance.private import PRIVATE, Check, kind_checks
from btccxt.cli.acceptance.public import PUBLIC
from btccxt.cli.acceptance.report import CheckResult, Outcome, Report, now_iso
from btccxt.cli.acceptance.subject import NotApplicable, NotProven, Subject
from btccxt.errors import BtccxtError
from btccxt.exchange.server_time import measure_clock


def promise_of(check: Check) -> str:
    """The check's name as a sentence."""
    return str(getattr(check, "__name__", check)).replace("_", " ")


async def verify(
    subject: Subject,
    against: str,
    *,
    environment: str,
    private: bool,
    tell: Callable[[CheckResult], None] = lambda result: None,
    only: Sequence[str] = (),
) -> Report:
    """Run the public checks, and with ``private`` those that place orders. ``only``: words that a promise must have.

    Ends with nothing open, or says in ``left_behind`` what may be. Raises btccxt errors when the exchange cannot even
    be opened, and NotProven when it lacks the market.
    """
    started, results, left = now_iso(), [], []
    try:
        await subject.open()
        await measure_clock(subject.exchange, subject.clock)
        scopes: list[tuple[Literal["public", "private"], Check]] = [("public", check) for check in PUBLIC]
        if private:
            scopes += [("private", check) for check in PRIVATE]
            scopes += [("private", check) for check in kind_checks(subject.profile)]
        for scope, check in scopes:
            promise = promise_of(check)
            if only and not any(word in promise for word in only):
                continue
            result = await _run(check, subject, promise, scope)
            results.append(result)
            left += await subject.clean_up()
            tell(result)
    finally:
        try:
            left += await subject.clean_up()
        finally:
            await subject.exchange.close()
    return Report(
        exchange=subject.exchange.id,
        market_type=subject.profile.market_type.value,
        symbol=subject.symbol,
        against=against,
        environment=environment,
        started=started,
        results=tuple(results),
        left_behind=tuple(left),
        max_notional=f"{subject.max_notional} {subject.market.quote}" if private else None,
    )


async def _run(check: Check, subject: Subject, promise: str, scope: Literal["public", "private"]) -> CheckResult:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    outcome: Outcome = "failed"
    try:
        evidence, outcome = await check(subject), "proven"
    except NotApplicable as reason:
        evidence, outcome = str(reason), "not applicable"
    except NotProven as reason:
        evidence = str(reason)
    except BtccxtError as error:
        evidence = f"{type(error).__name__}: {error}"
    return CheckResult(promise, scope, outcome, evidence, round((loop.time() - began_s) * 1000))
