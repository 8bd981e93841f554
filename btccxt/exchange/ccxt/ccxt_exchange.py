"""Any exchange that ccxt knows, as an ExchangeAPI: what is special about it comes from its profile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from btccxt.errors import (
    AuthenticationFailed,
    BtccxtError,
    ClockSkew,
    ConfigError,
    ConnectionLost,
    ExchangeUnavailable,
    Fatal,
    OrderNotFound,
    OrderOutcomeUnknown,
    Refused,
    Retryable,
    Unreadable,
    Unsupported,
)
from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.exchange.ccxt import translate
from btccxt.exchange.ccxt.account_kind import AccountKind
from btccxt.exchange.ccxt.calls import BeforeRequest, Calls, limiter_for
from btccxt.exchange.ccxt.ccxt_instance import (
    ConnectorFactory,
    HttpSession,
    ccxt_class,
    check_config,
    make_http_session,
    make_instance,
    secrets_of,
)
from btccxt.exchange.ccxt.contract_calls import ContractCalls
from btccxt.exchange.ccxt.errors_map import CallFacts, describe, read_error
from btccxt.exchange.ccxt.leverage import AccountLeverage
from btccxt.exchange.ccxt.my_trades import in_order, trades_since
from btccxt.exchange.ccxt.order_lists import OrderLists
from btccxt.exchange.ccxt.push import FaultListener, PushStream
from btccxt.exchange.ccxt.reading import Reader
from btccxt.exchange.ccxt.subscriptions import StreamChecks, can_stream, instance_groups, subscriptions_for
from btccxt.exchange.ccxt.transfers import transfers_since
from btccxt.exchange.ccxt.translate import markets_of, unknown_symbol
from btccxt.exchange.checked import CheckedRequests
from btccxt.exchange.plausibility import (
    AheadOfUs,
    Implausible,
    check_balances,
    check_bar,
    check_fill,
    check_order,
    check_position,
    check_server_time,
    check_ticker,
    check_trade,
    says_nothing,
)
from btccxt.exchange.profile.profile import NextPage, Profile
from btccxt.exchange.request import (
    build_call,
    build_edit,
    decode_request,
    guard,
    may_place,
    needs_reference_price,
    reference_params,
    same_client_id,
)
from btccxt.exchange.server_time import check_signing_clock, measure_clock
from btccxt.model import (
    Balances,
    Bar,
    Fill,
    FundingPayment,
    Market,
    MarketType,
    OrderReference,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
    Position,
    StreamKey,
    Ticker,
    Trade,
    Transfer,
)
from btccxt.observe.log import EventName, get_logger
from btccxt.observe.metrics import metrics
from btccxt.observe.redact import register_secret
from btccxt.resilience.breaker import BreakerChange, BreakerPolicy, Breakers
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.resilience.limiter import AsyncLimiter
from btccxt.resilience.retry import RetryDetails, RetryPolicy
from btccxt.resilience.supervised import Tasks
from btccxt.timeframe import parse_timeframe

T = TypeVar("T")
log = get_logger(__name__)

_CLOSE_S = 2.0
_CLOCK_DOUBTED_S = 5.0  # between two measurements because a candle seemed to come from the future


async def _at_once() -> None:
    """Nothing to wait for."""


def _some_markets(answer: Any) -> Any:
    if not isinstance(answer, Mapping) or not answer:
        raise Implausible("an exchange without markets")
    return answer


def _row_with_time(row: Any) -> Any:
    if not isinstance(row, Mapping) or not isinstance(row.get("info"), Mapping):
        raise Implausible("no row of a trade")
    check_server_time(row.get("timestamp"))
    return row


class CCXTExchange(ContractCalls, ExchangeAPI):
    """One ccxt exchange, one account.

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
        markets_from: CCXTExchange | None = None,
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
        )
        self._reader = Reader(self.id)
        self._tasks = Tasks()
        self._doubted_at = float("-inf")
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
        await self._tasks.close(_CLOSE_S)
        await self.limiter.close()
        with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
            await asyncio.wait_for(rest.close(), _CLOSE_S)
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

    async def _trade_rows(self, method: str, *arguments: Any) -> list[Any]:
        """As ccxt gives them; those by which no further page can be asked for are left out."""
        return await self._rows(method, *arguments, understand=_row_with_time)

    async def _before_retry(self, details: RetryDetails) -> None:
        metrics().request_retried(self.id, details.kind.value)
        log.info(
            EventName.REQUEST_RETRIED, exchange=self.id, kind=details.kind.value, attempt=details.attempt,
            delay_s=round(details.delay_s, 3), error=f"{type(details.error).__name__}: {details.error}",
        )  # fmt: skip
        if isinstance(details.error, ClockSkew):
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

    # -------------------------------------------------------------- public reads

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

    async def fetch_time(self) -> int:
        if not self._rest.has.get("fetchTime"):
            raise Unsupported(f"{self.id} does not tell its time")
        return await self._understood("fetch_time", understand=check_server_time)

    async def fetch_ticker(self, symbol: str) -> Ticker:
        await self._market(symbol)
        return await self._understood(
            "fetch_ticker",
            symbol,
            understand=lambda answer: check_ticker(translate.ticker(answer, self.clock.now_ms()), symbol),
        )

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        await self._market(symbol)
        self._check_timeframe(timeframe)
        page = self.profile.history.page_size
        check = self._bar_check(timeframe)
        rows = await self._rows(
            "fetch_ohlcv",
            symbol,
            timeframe,
            since_ms,
            min(limit or page, page),
            understand=lambda row: None if row[4] is None else check(translate.bar(row)),
        )
        return sorted((bar for bar in rows if bar is not None), key=lambda bar: bar.open_ms)

    def _bar_check(self, timeframe: str) -> Callable[[Bar], Bar]:
        clock, parsed = self.clock, parse_timeframe(timeframe)

        def check(bar: Bar) -> Bar:
            uncertain_ms = clock.uncertainty_ms
            try:
                return check_bar(bar, parsed, clock.now_ms(), float("inf") if uncertain_ms is None else uncertain_ms)
            except AheadOfUs:
                self._doubt_clock()
                raise

        return check

    def _doubt_clock(self) -> None:
        """This machine may have slept, or the exchange's clock has stepped: measured before the next is judged."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._doubted_at >= _CLOCK_DOUBTED_S:
            self._doubted_at = now_s
            self._tasks.start(self.measure_clock(), "clock")

    def _check_timeframe(self, timeframe: str) -> None:
        known = self.profile.bars.timeframes or tuple(self._rest.timeframes or ())
        if known and timeframe not in known:
            raise ConfigError(f"{self.id} has no timeframe {timeframe!r}; it has {', '.join(known)}")

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        await self._market(symbol)
        trades = await self._rows(
            "fetch_trades", symbol, since_ms, limit, understand=lambda row: check_trade(translate.trade(row))
        )
        return translate.told_apart(trades)

    # -------------------------------------------------------------- private reads

    async def fetch_balance(self) -> Balances:
        await self.load_markets()
        await self._account_kind.check(self._read)
        try:
            return await self._understood(
                "fetch_balance", dict(self.profile.balances.query_params), understand=self._to_balances
            )
        except BtccxtError as error:
            raise self._account_kind.explained(error) from None

    def _to_balances(self, answer: Mapping[str, Any]) -> Balances:
        if says_nothing(answer.get("info")):  # ccxt reads an empty body as an account without a coin
            raise Implausible("the answer carries no balances")
        return check_balances(translate.balances(answer, self.clock.now_ms(), profile=self.profile))

    async def fetch_positions(self, symbols: Sequence[str] | None = None) -> list[Position]:
        if self.profile.market_type is MarketType.SPOT:
            return []
        await self.load_markets()
        positions = await self._understood(
            "fetch_positions", list(symbols) if symbols is not None else None, understand=self._to_positions
        )
        return [each for each in positions if each.amount]

    def _to_positions(self, rows: Sequence[Mapping[str, Any]]) -> list[Position]:
        """One bad row spoils all: a position that is left out would count as closed."""
        if not isinstance(rows, list):
            raise Implausible("positions are no list")
        return [check_position(translate.position(row, self.clock.now_ms())) for row in rows]

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        await self._market(reference.symbol)
        lookup = self.profile.client_id.lookup_for(reference.conditional)
        if self.profile.asks_for_one(by_id=reference.order_id is not None, conditional=reference.conditional):
            order_id, params = reference_params(reference, self.profile, "query")
            return await self._understood(
                "fetch_order", order_id, reference.symbol, params, understand=partial(self._asked_for, reference)
            )
        return await self._find_in_lists(reference, lookup)

    def _asked_for(self, reference: OrderReference, row: Any) -> OrderUpdate:
        """An answer that names no order does not speak of this one."""
        if not isinstance(row, Mapping) or (row.get("id") is None and row.get("clientOrderId") is None):
            raise Implausible("the answer names no order")
        return check_order(self._update(row, Origin.QUERY, reference), reference.symbol)

    def _listed(self, row: Any) -> OrderUpdate:
        update = check_order(self._update(row, Origin.QUERY))
        if update.symbol not in self._rest.markets:
            raise Implausible(f"an order on {update.symbol!r}, which is no market here")
        return update

    async def _list(self, method: str, *arguments: Any) -> list[Any]:
        """The rows of a list as they are."""
        return await self._rows(method, *arguments, understand=lambda row: row)

    async def _find_in_lists(self, reference: OrderReference, lookup: str) -> OrderUpdate:
        """For exchanges that cannot be asked for one order. It is missing only when both lists have answered."""
        params: dict[str, Any] = {}
        if lookup == "open_and_closed_orders" and reference.order_id is None:
            params = reference_params(reference, self.profile, "query")[1]
        async for row in self._order_lists().all_rows(reference.symbol, params, conditional=reference.conditional):
            update = self._reader.whole("orders", row, self._listed)
            if reference.order_id is not None:
                same = update.order_id == reference.order_id
            else:
                same = same_client_id(reference.client_order_id or "", update.client_order_id, self.profile)
            if same:
                return update
        raise OrderNotFound(f"{self.id}: no open or recent order {reference.client_order_id or reference.order_id}")

    def _order_lists(self) -> OrderLists:
        has = self._rest.has if self._rest is not None else {}
        return OrderLists(self.profile.conditional, has, self._list, self.profile.closed_lists)

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        await self.load_markets()
        rows = await self._order_lists().open_rows(symbol)
        return list({each.order_id: each for each in self._reader.rows("open orders", rows, self._listed)}.values())

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        await self.load_markets()
        rows = await self._order_lists().closed_rows(symbol, since_ms=since_ms, limit=limit)
        updates = {each.order_id: each for each in self._reader.rows("closed orders", rows, self._listed)}
        return [update for update in updates.values() if update.status is not OrderStatus.OPEN]

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        """Where the profile knows how the pages go on: all trades since ``since_ms``, ``limit`` the oldest of them."""
        await self.load_markets()
        rule = self.profile.my_trades

        def to_fill(row: Mapping[str, Any]) -> Fill | None:
            return self._reader.one("fetch_my_trades", row, lambda row: check_fill(translate.fill(row, self.profile)))

        if since_ms is not None and rule.next_page is not NextPage.UNKNOWN:
            fills = await trades_since(self._trade_rows, to_fill, rule, symbol, since_ms, self.clock.now_ms())
            return fills[:limit]
        rows = await self._list("fetch_my_trades", symbol, since_ms, limit)
        return in_order(fill for fill in map(to_fill, rows) if fill is not None)

    async def fetch_funding(self, symbol: str, since_ms: int) -> list[FundingPayment]:
        market = await self._market(symbol)
        if not self._rest.has.get("fetchFundingHistory"):
            return await super().fetch_funding(symbol, since_ms)
        ours = (symbol, market.id)  # ccxt does not always translate it
        known = {"symbol": symbol} if market.settle is None else {"symbol": symbol, "code": market.settle}
        payments = await self._rows(
            "fetch_funding_history",
            symbol,
            since_ms,
            understand=lambda row: (
                translate.funding({**row, **known}, self.profile) if row.get("symbol") in ours else None
            ),
        )
        return [each for each in payments if each is not None and each.time_ms >= since_ms]

    async def fetch_transfers(self, since_ms: int) -> list[Transfer]:
        await self.load_markets()
        return await transfers_since(self._read, self._rest.has, self.profile, since_ms)

    def _update(self, row: Any, origin: Origin, reference: OrderReference | None = None) -> OrderUpdate:
        """``reference``: what was asked for, where the answer may say less than that or nothing at all."""
        if not isinstance(row, Mapping):
            row = {}
        conditional = reference.conditional if reference is not None and reference.conditional else None
        if reference is not None:
            row = {
                **row,
                "symbol": row.get("symbol") or reference.symbol,
                "id": row.get("id") or reference.order_id,
                "clientOrderId": row.get("clientOrderId") or reference.client_order_id,
            }
        return translate.order_update(row, self.profile, origin, conditional=conditional)

    # -------------------------------------------------------------- orders

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        return await self._create(request, _at_once)

    async def create_order_when(self, request: OrderRequest, ready: Callable[[], Awaitable[None]]) -> OrderUpdate:
        """The request is built, signed and checked while ``ready`` is awaited, unless others may not overtake it."""
        sends_its_own_way = type(self).create_order is not CCXTExchange.create_order or "create_order" in vars(self)
        if sends_its_own_way or self.profile.signed_by == "counter":
            return await super().create_order_when(request, ready)
        return await self._create(request, ready)

    async def _create(self, request: OrderRequest, ready: Callable[[], Awaitable[None]]) -> OrderUpdate:
        checked = self.checked.take(request)
        market, reference_price = await self._prepare(request)
        request = self.in_margin_mode(self._leverage.in_request(request))
        checked = checked and reference_price is None
        call = build_call(request, market, self.profile, reference_price=reference_price, checked=checked)

        async def check(facts: CallFacts, method: str, url: str, body: Any) -> None:
            path, fields = decode_request(url, body)
            guard(request, self.profile, method, path, fields, reference_price=reference_price, market=market)
            if not facts.sent and may_place(self.profile, method, path):
                await ready()
                facts.sent = True

        return await self._send(
            "create_order",
            lambda: self._rest.create_order(call.symbol, call.type, call.side, call.amount, call.price, call.params),
            request,
            check,
        )

    async def edit_order(self, reference: OrderReference, request: OrderRequest) -> OrderUpdate:
        """Native where the profile says so. Raises what ``create_order`` raises; Unsupported elsewhere."""
        if self.profile.edit != "native" or reference.order_id is None:
            raise Unsupported(f"{self.id} cannot edit this order; cancel and place a new one")
        market, reference_price = await self._prepare(request)
        request = self.in_margin_mode(self._leverage.in_request(request))
        call = build_edit(request, market, self.profile, reference_price=reference_price)

        async def note(facts: CallFacts, method: str, _url: str, _body: Any) -> None:
            facts.sent = facts.sent or method != "GET"

        return await self._send(
            "edit_order",
            lambda: self._rest.edit_order(
                reference.order_id, call.symbol, call.type, call.side, call.amount, call.price, call.params
            ),
            request,
            note,
        )

    async def _prepare(self, request: OrderRequest) -> tuple[Market, Decimal | None]:
        """What must be known before sending. Whatever fails here, nothing has been sent."""
        if self._rest is not None and (window_ms := self._rest.options.get("recvWindow")):
            await check_signing_clock(self.id, self.clock, window_ms, self.measure_clock)
        try:
            market = await self._market(request.symbol)
            await self._leverage.learn(request, self._read)
            if not needs_reference_price(request, self.profile):
                return market, None
            ticker = await self.fetch_ticker(request.symbol)
        except Retryable as error:
            raise ExchangeUnavailable(f"{error} (the order was not sent)") from error
        except Fatal as error:
            raise Refused(str(error)) from error
        price = ticker.ask if request.side.sign > 0 else ticker.bid
        price = price or ticker.last
        return market, None if price is None else Decimal(repr(price))

    async def _send(
        self,
        method: str,
        ask: Callable[[], Awaitable[Any]],
        request: OrderRequest,
        before: BeforeRequest,
    ) -> OrderUpdate:
        if self._rest is None:
            raise ExchangeUnavailable(f"{self.id} {method}: the exchange is closed; nothing was sent")
        row = await self._calls.once(method, ask, request.client_order_id, before, self.profile.client_id.is_duplicate)
        if not isinstance(row, Mapping) or row.get("id") is None:
            raise OrderOutcomeUnknown(
                f"{self.id} {method} {request.client_order_id}: the answer names no order (it may have been placed)",
                request.client_order_id,
            )
        conditional = request.kind.value in self.profile.conditional.kinds
        reference = OrderReference(request.symbol, request.client_order_id, str(row["id"]), conditional)
        return self._update(row, Origin.CREATE, reference)

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        await self._market(reference.symbol)
        order_id, params = reference_params(reference, self.profile, "cancel")
        row = await self._read("cancel_order", order_id, reference.symbol, params)
        update = self._update(row[0] if isinstance(row, list) and row else row, Origin.CANCEL, reference)
        # The answer to a cancel may carry the cancel's own id where the order's belongs.
        return replace(update, client_order_id=reference.client_order_id or update.client_order_id)

    async def cancel_all_after(self, timeout_ms: int) -> None:
        if not self.profile.dead_mans_switch.available:
            raise Unsupported(f"{self.id} has no dead-man's switch")
        await self._read("cancel_all_orders_after", timeout_ms)

    # -------------------------------------------------------------- streams

    def can_stream(self, key: StreamKey) -> bool:
        if self._static_has is None:
            self._static_has = ccxt_class(self.id)().has
        return can_stream(key.kind, self.profile, self._static_has)

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        """One ccxt instance, so its own connections, for these keys; see ExchangeAPI.

        Raises Unsupported for a stream or symbol the exchange does not have, AuthenticationFailed for wrong keys,
        RateLimited or ExchangeUnavailable where the exchange asks for a pause, else ConnectionLost.
        """
        await self._check_keys(keys)
        async with Tasks() as tasks:
            running = [
                tasks.start(self._run_group(group, deliver), f"stream {group[0]}")
                for group in instance_groups(keys, self.profile)
            ]
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        error = next(task.exception() for task in done if not task.cancelled())
        raise await self._stream_error(error or ConnectionLost(f"{self.id}: the stream ended"), keys)

    async def _run_group(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        instance = self._instance(for_streams=True)
        instance.set_markets_from_exchange(self._rest)
        self._calls.attach(instance)
        interval_s = self.profile.websocket.frame_interval_ms / 1000.0
        ends = self.profile.websocket.ends
        push = PushStream(instance, deliver, self._report, frame_interval_s=interval_s, ends=ends)
        checks = StreamChecks(self._reader, self._bar_check)
        await push.run(list(subscriptions_for(keys, self.profile, instance.has, self.clock.now_ms, checks)))

    async def _check_keys(self, keys: Sequence[StreamKey]) -> None:
        markets = await self.load_markets()
        for key in keys:
            if not self.can_stream(key):
                raise Unsupported(f"{self.id} has no {key.kind.value} stream")
            if key.symbol is not None and key.symbol not in markets:
                raise Unsupported(unknown_symbol(self.profile, key.symbol, markets))
            if key.timeframe is not None:
                self._check_timeframe(key.timeframe)
        if any(key.kind.is_private for key in keys):
            try:
                self._rest.check_required_credentials()
            except Exception as error:  # noqa: BLE001 - ccxt's exception named in our tree
                raise AuthenticationFailed(f"{self.id}: {describe(error, self._secrets)}") from None

    async def _stream_error(self, error: BaseException, keys: Sequence[StreamKey]) -> BtccxtError:
        facts = CallFacts("stream")
        known = read_error(error, self.id, facts, self._secrets)
        if isinstance(known, (Retryable, Unsupported, Refused)) and not isinstance(known, Unreadable):
            return known
        if isinstance(known, (Fatal, OrderNotFound)) and not isinstance(known, AuthenticationFailed):
            return Refused(str(known))
        if any(key.kind.is_private for key in keys):
            # Wrong keys are a KeyError on some exchanges' streams, a proxy's page an AuthenticationError on others: a
            # signed read says what is really wrong.
            try:
                await self.fetch_balance()
            except AuthenticationFailed as refused:
                return refused
            except BtccxtError:
                pass
        return ConnectionLost(f"{self.id}: the stream ended: {describe(error, self._secrets)}")
