"""One ccxt instance of one account: how it is opened, asked and closed, and its markets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from btccxt.errors import BtccxtError, ClockSkew, ConfigError, ConnectionLost, NonceRefused, Retryable
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.ccxt.account_kind import AccountKind
from btccxt.exchange.ccxt.calls import Calls, limiter_for
from btccxt.exchange.ccxt.ccxt_instance import (
    ConnectorFactory,
    HttpSession,
    RisingNonce,
    ccxt_class,
    check_config,
    make_http_session,
    make_instance,
    secrets_of,
)
from btccxt.exchange.ccxt.contract_calls import ContractCalls
from btccxt.exchange.ccxt.leverage import AccountLeverage
from btccxt.exchange.ccxt.push import FaultListener
from btccxt.exchange.ccxt.translate import markets_of, unknown_symbol
from btccxt.exchange.ccxt.turns import Turns
from btccxt.exchange.checked import CheckedRequests
from btccxt.exchange.market_checks import MarketChecks
from btccxt.exchange.plausibility import Implausible
from btccxt.exchange.profile.profile import Profile
from btccxt.exchange.reading import Reader
from btccxt.exchange.server_time import measure_clock
from btccxt.model import Market
from btccxt.observe.log import EventName, get_logger
from btccxt.observe.metrics import metrics
from btccxt.observe.redact import register_secret
from btccxt.resilience.breaker import BreakerChange, BreakerPolicy, Breakers
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.resilience.limiter import AsyncLimiter
from btccxt.resilience.retry import RetryDetails, RetryPolicy
from btccxt.resilience.supervised import Tasks

T = TypeVar("T")
log = get_logger(__name__)

_CLOSE_S = 2.0


def _some_markets(answer: Any) -> Any:
    if not isinstance(answer, Mapping) or not answer:
        raise Implausible("an exchange without markets")
    return answer


class CCXTClient(ContractCalls, ExchangeAPI):
    """What ``CCXTExchange`` asks through.

    ``config`` goes to ccxt as it is, over the profile's options. ``connector`` makes the aiohttp connector (own
    resolver and CA; else the system's). ``limiter`` may be shared by several exchanges with the same key.
    ``markets_from`` takes the market list of another instance of the same exchange instead of asking again.
    ``report(what, error)`` hears of faults that are survived: malformed frames, consumers that raise.
    Raises ConfigError for an id that ccxt does not know, a config that cannot work, a testnet that does not exist.
    """

    def __init__(
        self,
        profile: Profile,
        config: Mapping[str, Any] | None = None,
        *,
        clock: ExchangeClock | None = None,
        testnet: bool = False,
        demo: bool = False,
        connector: ConnectorFactory | None = None,
        limiter: AsyncLimiter | None = None,
        retry: RetryPolicy | None = None,
        breaker: BreakerPolicy | None = None,
        markets_from: CCXTClient | None = None,
        report: FaultListener | None = None,
        on_breaker: Callable[[BreakerChange], None] | None = None,
        on_call: Callable[[str, BtccxtError | None], None] | None = None,
    ) -> None:
        self.checked = CheckedRequests()
        """What has been checked before it came here."""
        super().__init__()
        self.id = profile.exchange
        self.profile = profile
        self.clock = clock or ExchangeClock(WallTime())
        ccxt_class(profile.exchange)
        self._config = check_config(profile.exchange, config)
        self._secrets = secrets_of(self._config)
        for secret in self._secrets:
            register_secret(secret)
        if testnet or demo:
            profile.switch_to("testnet" if testnet else "demo")
        self._testnet, self._demo = testnet, demo
        self._connector = connector
        self._markets_from = markets_from
        self._report = report or (lambda _what, _error: None)
        self.limiter = limiter or limiter_for(profile.rate)
        self._on_breaker = on_breaker
        self.breakers = Breakers(self.id, breaker, on_change=self._breaker_changed)
        self._calls = Calls(
            self.id,
            profile.rate,
            self.limiter,
            self.breakers,
            retry or RetryPolicy(),
            self._secrets,
            self._before_retry,
            on_call,
            Turns() if profile.signed_by == "counter" else None,
            profile.envelope,
            profile.not_found_texts,
        )
        self._nonce = RisingNonce()
        self._coins_told: set[str] = set()
        self._held: set[str] = set()
        self._reader = Reader(self.id)
        self._tasks = Tasks()
        self._market_checks = MarketChecks(self.clock, self.measure_clock, self._tasks)
        self._http_session: HttpSession | None = None
        self._rest: Any = None
        self._static_has: Mapping[str, Any] | None = None
        self._markets: Mapping[str, Market] | None = None
        self._markets_lock = asyncio.Lock()
        self._account_kind = AccountKind(profile)
        self._leverage = AccountLeverage(profile, self.clock.now_ms)

    @property
    def data_mode(self) -> str | None:
        if self._connector is not None or self._config.get("urls") or self._config.get("hostname"):
            return None  # whatever answers there
        sandboxed = self._testnet or self._config.get("sandbox") or self._config.get("testnet")
        return "testnet" if sandboxed else "demo" if self._demo else "live"

    # -------------------------------------------------------------- life

    async def open(self) -> None:
        if self._rest is not None:
            return
        self._http_session = make_http_session(self._connector, self._config)
        self._rest = self._instance()
        self._calls.attach(self._rest)

    async def close(self) -> None:
        rest, http_session, self._rest, self._http_session = self._rest, self._http_session, None, None
        if rest is None or http_session is None:
            return
        try:
            await self._tasks.close(_CLOSE_S)
            await self.limiter.close()
            with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(rest.close(), _CLOSE_S)
        finally:  # also where whoever closes waits no longer: no connection is left open
            with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(http_session.close(), _CLOSE_S)

    def _instance(self, *, for_streams: bool = False) -> Any:
        if self._http_session is None:
            raise ConfigError(f"{self.id} has not been opened, or is closed")
        return make_instance(
            self.profile,
            self._config,
            self._http_session,
            self.clock,
            nonce=self._nonce,
            testnet=self._testnet,
            demo=self._demo,
            for_streams=for_streams,
        )

    async def _read(self, method: str, *arguments: Any) -> Any:
        return await self._understood(method, *arguments, understand=lambda answer: answer)

    async def _change(self, method: str, *arguments: Any) -> None:
        await self._calls.change(method, lambda: getattr(self._rest, method)(*arguments))

    async def _understood(self, method: str, *arguments: Any, understand: Callable[[Any], T]) -> T:
        """What ``understand`` makes of the answer; one that it raises for is a failed attempt, and asked for again."""
        if self._rest is None:
            raise ConnectionLost(f"{self.id} {method}: the exchange has not been opened, or is closed")

        async def ask() -> T:
            answer = await getattr(self._rest, method)(*arguments)
            return self._reader.whole(method, answer, understand)

        return await self._calls.read(method, ask)

    async def _rows(self, method: str, *arguments: Any, understand: Callable[[Any], T]) -> list[T]:
        """The rows of a list that make sense."""
        return await self._understood(
            method, *arguments, understand=lambda answer: self._reader.rows(method, answer, understand)
        )

    async def _before_retry(self, details: RetryDetails) -> None:
        metrics().request_retried(self.id, details.kind.value)
        log.info(
            EventName.REQUEST_RETRIED, exchange=self.id, kind=details.kind.value, attempt=details.attempt,
            delay_s=round(details.delay_s, 3), error=f"{type(details.error).__name__}: {details.error}",
        )  # fmt: skip
        if isinstance(details.error, ClockSkew) and not isinstance(details.error, NonceRefused):
            await self.measure_clock()

    def _breaker_changed(self, change: BreakerChange) -> None:
        log.warning(
            EventName.BREAKER_CHANGED, exchange=self.id, group=change.group.value, state=change.after.value,
            reason=change.reason,
        )  # fmt: skip
        metrics().breaker(self.id, change.group.value, change.after.value)
        if self._on_breaker is not None:
            self._on_breaker(change)

    async def measure_clock(self) -> None:
        """Ask for the server's time a few times; does nothing where the exchange does not tell it, or not now."""
        with contextlib.suppress(Retryable):
            await measure_clock(self, self.clock)

    # -------------------------------------------------------------- markets

    async def load_markets(self) -> Mapping[str, Market]:
        """Markets of the profile's type by unified symbol; asked for once, then kept. Raises Unsupported if none."""
        if self._markets is not None:
            return self._markets
        async with self._markets_lock:
            if self._markets is None:
                source = self._markets_from
                if source is not None and source.id == self.id and source._rest is not None and source._rest.markets:
                    self._rest.set_markets_from_exchange(source._rest)
                else:
                    await self._understood("load_markets", True, understand=_some_markets)
                self._markets = markets_of(self.profile, self._rest.markets, self._rest.precisionMode)
        return self._markets

    async def _market(self, symbol: str) -> Market:
        markets = await self.load_markets()
        if (market := markets.get(symbol)) is None:
            raise ConfigError(unknown_symbol(self.profile, symbol, markets))
        return market
