"""The suite against an embedded Binance, and an exchange that lies in one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from btccxt.cli.acceptance.report import CheckResult, Report
from btccxt.cli.acceptance.subject import Subject
from btccxt.cli.acceptance.suite import verify
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import Profile
from btccxt.model import StreamKey
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.retry import RetryPolicy
from btccxt.sim.market import default_universe
from btccxt.sim.server import SimExchange
from tests.exchange.ccxt.sim_kit import KEYS, SPOT

SPEED = 240.0  # a one-minute bar every quarter of a second
Lie = Callable[[Any], Any]


class Liar:
    """An exchange whose answers to some calls are changed: method name -> what becomes of the answer."""

    def __init__(self, honest: CCXTExchange, lies: dict[str, Lie], event_lie: Lie | None = None) -> None:
        self._honest, self._lies, self._event_lie = honest, lies, event_lie

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._honest, name)
        if name not in self._lies:
            return method

        async def lying(*args: Any, **kwargs: Any) -> Any:
            return self._lies[name](await method(*args, **kwargs))

        return lying

    async def stream(self, keys: Any, deliver: Any) -> None:
        def told(key: StreamKey, event: Any) -> None:
            if self._event_lie is not None and (event := self._event_lie(event)) is None:
                return
            deliver(key, event)

        await self._honest.stream(keys, told)


async def run_suite(
    only: Iterable[str] = (),
    *,
    lies: dict[str, Lie] | None = None,
    event_lie: Lie | None = None,
    private: bool = True,
    patience_s: float = 60.0,
    max_notional: float = 1_000,
    profile: Profile = SPOT,
    prepare: Callable[[SimExchange, CCXTExchange], None] | None = None,
    tell: Callable[[CheckResult], None] = lambda result: None,
) -> tuple[Report, SimExchange]:
    sim = SimExchange(
        default_universe(1, 1_767_225_600_000, 15_000), ("binance",), speed=SPEED, balances={"USDT": 100_000}
    )
    await sim.start()
    try:
        clock = ExchangeClock(sim.clock)
        honest = CCXTExchange(profile, KEYS, clock=clock, connector=sim.connector, retry=RetryPolicy(attempts=1))
        if prepare is not None:
            prepare(sim, honest)
        exchange: Any = Liar(honest, lies or {}, event_lie) if lies or event_lie else honest
        subject = Subject(
            exchange, clock, profile, "BTC/USDT", max_notional=Decimal(max_notional), patience_s=patience_s
        )
        return await verify(
            subject, "the embedded exchange", environment="sim", private=private, only=tuple(only), tell=tell
        ), sim
    finally:
        await sim.stop()


def outcome(report: Report, promise: str) -> CheckResult:
    found = [result for result in report.results if result.promise == promise]
    assert len(found) == 1, f"{promise!r} is not among {[result.promise for result in report.results]}"
    return found[0]
