"""Every REST call passes here: breaker, rate limit, retry where repeating is harmless, errors translated.

The facts of a running call (was it sent, what did HTTP answer) are kept in a context variable, because ccxt's own
``last_response_headers`` belongs to whichever call answered last.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ccxt.base.errors import BaseError

from btccxt.errors import BtccxtError, RateLimited, Refused, Unreadable
from btccxt.exchange.ccxt.errors_map import CallFacts, create_error, read_error
from btccxt.exchange.ccxt.turns import Turns
from btccxt.exchange.plausibility import check_answer
from btccxt.exchange.profile.profile import RateRule
from btccxt.observe.metrics import metrics
from btccxt.resilience.breaker import Breakers, CallGroup
from btccxt.resilience.limiter import AsyncLimiter, Limiter, PoolRule, Priority
from btccxt.resilience.retry import CallKind, RetryDetails, RetryPolicy
from btccxt.resilience.retry import call as call_with_retry

T = TypeVar("T")

BeforeRequest = Callable[[CallFacts, str, str, Any], Awaitable[None]]
"""(facts, HTTP method, url, body), just before a request leaves, which waits for it; raises to stop it."""


@dataclass(frozen=True, slots=True)
class _Class:
    group: CallGroup
    priority: Priority
    kind: CallKind


_PUBLIC = _Class(CallGroup.MARKET_DATA, Priority.ACCOUNT, CallKind.PUBLIC_READ)
_HISTORY = _Class(CallGroup.HISTORY, Priority.HISTORY, CallKind.PUBLIC_READ)
_ACCOUNT = _Class(CallGroup.ACCOUNT, Priority.ACCOUNT, CallKind.PRIVATE_READ)
_RECONCILE = _Class(CallGroup.RECONCILE, Priority.RECONCILE, CallKind.PRIVATE_READ)
_CLASSES: Mapping[str, _Class] = {
    "fetch_ohlcv": _HISTORY,
    "fetch_trades": _HISTORY,
    "fetch_balance": _ACCOUNT,
    "fetch_positions": _ACCOUNT,
    "fetch_order": _RECONCILE,
    "fetch_orders": _RECONCILE,
    "fetch_open_orders": _RECONCILE,
    "fetch_closed_orders": _RECONCILE,
    "fetch_canceled_orders": _RECONCILE,
    "fetch_canceled_and_closed_orders": _RECONCILE,
    "fetch_my_trades": _RECONCILE,
    "create_order": _Class(CallGroup.ORDERS, Priority.ORDER, CallKind.CREATE),
    "create_order_list": _Class(CallGroup.ORDERS, Priority.ORDER, CallKind.CREATE),
    "edit_order": _Class(CallGroup.ORDERS, Priority.ORDER, CallKind.EDIT),
    "cancel_order": _Class(CallGroup.CANCEL, Priority.ORDER, CallKind.CANCEL),
    "cancel_all_orders_after": _Class(CallGroup.CANCEL, Priority.ORDER, CallKind.CANCEL),
}


@dataclass(slots=True)
class _Running:
    facts: CallFacts
    priority: Priority
    is_read: bool
    before: BeforeRequest | None = None
    began_s: float = field(default_factory=time.monotonic)


_running: ContextVar[_Running | None] = ContextVar("running call", default=None)


@dataclass(slots=True)
class Calls:
    """The way out to one exchange under one set of keys. Belongs to one loop."""

    exchange: str
    rate: RateRule
    limiter: AsyncLimiter
    breakers: Breakers
    retry: RetryPolicy
    secrets: tuple[str, ...] = ()
    on_retry: Callable[[RetryDetails], Awaitable[None]] | None = None
    on_call: Callable[[str, BtccxtError | None], None] | None = None
    """Told of every attempt: method and error (None: it went well)."""
    turns: Turns | None = None
    """Where signatures count upwards: no signed request overtakes another."""
    envelope: Mapping[str, str] = field(default_factory=dict)
    """Fields of every answer, and their kinds."""
    not_found_texts: tuple[str, ...] = ()
    _headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._headers = {pool.header.lower(): name for name, pool in self.rate.pools.items() if pool.header}

    async def read(self, method: str, ask: Callable[[], Awaitable[T]]) -> T:
        """A call that may be repeated: a read, or a cancel. Raises btccxt errors only."""
        kind = _CLASSES.get(method, _PUBLIC).kind
        return await call_with_retry(
            lambda: self._attempt(method, ask, read_error_of=self._as_read), kind, self.retry, on_retry=self.on_retry
        )

    async def once(
        self,
        method: str,
        ask: Callable[[], Awaitable[T]],
        client_order_id: str,
        before: BeforeRequest,
        is_duplicate: Callable[[BaseException], bool],
    ) -> T:
        """A call that places or changes an order: exactly one attempt."""

        def as_create(error: BaseException, facts: CallFacts) -> BtccxtError:
            return create_error(
                error,
                self.exchange,
                facts,
                client_order_id,
                duplicate=is_duplicate(error),
                secrets=self.secrets,
            )

        return await self._attempt(method, ask, read_error_of=as_create, before=before)

    async def change(self, method: str, ask: Callable[[], Awaitable[T]]) -> T:
        """A call that sets something of the account: one attempt. Raises Refused with the exchange's own reason."""

        def as_change(error: BaseException, facts: CallFacts) -> BtccxtError:
            known = self._as_read(error, facts)
            return Refused(str(known)) if isinstance(known, Unreadable) and isinstance(error, BaseError) else known

        return await self._attempt(method, ask, read_error_of=as_change)

    async def _attempt(
        self,
        method: str,
        ask: Callable[[], Awaitable[T]],
        *,
        read_error_of: Callable[[BaseException, CallFacts], BtccxtError],
        before: BeforeRequest | None = None,
    ) -> T:
        call_class = _CLASSES.get(method, _PUBLIC)
        weight = self.rate.weight(method)
        facts = CallFacts(method, counted=self.turns is not None, not_found_texts=self.not_found_texts)
        failure: BtccxtError | None = None
        with self.breakers.passing(call_class.group) as passage:
            await self.limiter.acquire(weight, call_class.priority)
            running = _Running(facts, call_class.priority, method.startswith("fetch_"), before)
            token = _running.set(running)
            try:
                return await ask()
            except Exception as error:  # noqa: BLE001 - ccxt raises anything; the map names what it is
                facts.foreign = self._is_foreign(facts)
                failure = read_error_of(error, facts)
                # ccxt's text carries the signed URL, so it is not chained; an unknown exception is a bug to be seen.
                cause = error if isinstance(failure, Unreadable) and not isinstance(error, BaseError) else None
                if isinstance(failure, RateLimited):
                    await self.limiter.rate_limited(weight, failure.retry_after_s)
                passage.proves_nothing = before is not None and isinstance(failure, Refused) and not facts.sent
                raise failure from cause
            finally:
                _running.reset(token)
                outcome = "ok" if failure is None else type(failure).__name__
                metrics().request(self.exchange, method, time.monotonic() - running.began_s, outcome)
                if self.on_call is not None:
                    self.on_call(method, failure)

    def _as_read(self, error: BaseException, facts: CallFacts) -> BtccxtError:
        return read_error(error, self.exchange, facts, self.secrets)

    # -------------------------------------------------------------- hooks on a ccxt instance

    def attach(self, instance: Any) -> None:
        """Watch this instance's HTTP requests and answers."""
        fetch, on_rest_response = instance.fetch, instance.on_rest_response
        if self.turns is not None:
            _take_turns(instance, self.turns)

        async def watched_fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            running = _running.get()
            if running is not None:
                running.facts.status, running.facts.headers, running.facts.text = None, {}, ""
                if running.before is not None:
                    await running.before(running.facts, method, url, body)
                    running.began_s = time.monotonic()  # what it waited for is not the exchange's time
            answer = await fetch(url, method, headers, body)
            if running is not None and running.is_read:
                check_answer(answer, self.envelope)
            return answer

        def watched_response(
            code: int, reason: str, url: str, method: str, response_headers: Mapping[str, str], *rest: Any
        ) -> Any:
            running = _running.get()
            if running is not None:
                facts = running.facts
                facts.status, facts.headers, facts.text = code, response_headers, str(rest[0]) if rest else ""
            self._observe_used(response_headers)
            return on_rest_response(code, reason, url, method, response_headers, *rest)

        async def throttle(_cost: float | None = None) -> None:
            """Requests that ccxt makes on its own account, for streams: listen keys, tokens, snapshots."""
            await self.limiter.acquire(self.rate.weight("other"), Priority.ACCOUNT)

        instance.fetch, instance.on_rest_response, instance.throttle = watched_fetch, watched_response, throttle

    def _is_foreign(self, facts: CallFacts) -> bool:
        """Of answers that claim to have gone well; what ccxt takes for an error may be ``{}``."""
        if not self.envelope or facts.status is None or facts.status >= 400:
            return False
        try:
            check_answer(json.loads(facts.text), self.envelope)
        except (ValueError, RecursionError):
            return True
        return False

    def _observe_used(self, headers: Mapping[str, str]) -> None:
        if not self._headers:
            return
        for name, value in headers.items():
            pool = self._headers.get(name.lower())
            if pool is not None and value.replace(".", "", 1).isdigit():
                self.limiter.observe_used(pool, float(value))


def _take_turns(instance: Any, turns: Turns) -> None:
    """A request is signed when its turn has come, because its signature carries the count."""
    fetch2 = instance.fetch2

    async def in_turn(path: str, api: Any = "public", *rest: Any, **named: Any) -> Any:
        if "private" not in api:
            return await fetch2(path, api, *rest, **named)
        running = _running.get()
        async with turns.next(Priority.ACCOUNT if running is None else running.priority):
            return await fetch2(path, api, *rest, **named)

    instance.fetch2 = in_turn


def limiter_for(rate: RateRule, pools: Iterable[str] | None = None) -> AsyncLimiter:
    """A limiter of this process alone, with the pools of the profile."""
    names = set(pools) if pools is not None else set(rate.pools)
    return AsyncLimiter(
        Limiter(
            PoolRule(name, pool.capacity, pool.window_ms, leaks=pool.leaks)
            for name, pool in rate.pools.items()
            if name in names
        )
    )
