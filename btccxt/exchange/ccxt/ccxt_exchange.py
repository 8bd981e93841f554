"""Any exchange that ccxt knows, as an ExchangeAPI: what is special about it comes from its profile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from btccxt.errors import (
    AuthenticationFailed,
    BtccxtError,
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
from btccxt.exchange.api import Deliver
from btccxt.exchange.ccxt.calls import BeforeRequest
from btccxt.exchange.ccxt.ccxt_instance import ccxt_class
from btccxt.exchange.ccxt.errors_map import CallFacts, describe, read_error
from btccxt.exchange.ccxt.push import PushStream
from btccxt.exchange.ccxt.reads import CCXTReads
from btccxt.exchange.ccxt.subscriptions import StreamChecks, can_stream, instance_groups, subscriptions_for
from btccxt.exchange.ccxt.translate import unknown_symbol
from btccxt.exchange.order_list import guard_list, list_request, rows_of
from btccxt.exchange.plausibility import Implausible, check_order
from btccxt.exchange.request import (
    build_call,
    build_edit,
    decode_request,
    guard,
    may_place,
    needs_reference_price,
    reference_params,
)
from btccxt.exchange.server_time import check_signing_clock
from btccxt.model import Market, OrderReference, OrderRequest, OrderUpdate, Origin, StreamKey
from btccxt.resilience.supervised import Tasks

T = TypeVar("T")


async def _at_once() -> None:
    """Nothing to wait for."""


class CCXTExchange(CCXTReads):
    """One ccxt exchange, one account: what ``CCXTReads`` reads, orders and streams. Arguments as ``CCXTClient``'s."""

    # -------------------------------------------------------------- orders

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        return await self._create(request, _at_once)

    async def create_order_when(self, request: OrderRequest, ready: Callable[[], Awaitable[None]]) -> OrderUpdate:
        """The request is built, signed and checked while ``ready`` is awaited, unless others may not overtake it."""
        sends_its_own_way = type(self).create_order is not CCXTExchange.create_order or "create_order" in vars(self)
        if sends_its_own_way or self.profile.signed_by != "time":
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

    async def create_order_list(
        self, stop: OrderRequest, target: OrderRequest, ready: Callable[[], Awaitable[None]]
    ) -> tuple[OrderUpdate, OrderUpdate]:
        profile = self.profile
        if profile.order_lists is None:
            return await super().create_order_list(stop, target, ready)
        market, _ = await self._prepare(stop)
        fields = list_request(stop, target, market, profile)
        if profile.signed_by != "time":
            await ready()
            ready = _at_once

        async def check(facts: CallFacts, method: str, url: str, body: Any) -> None:
            path, sent = decode_request(url, body)
            guard_list(stop, target, profile, method, path, sent, market=market)
            if not facts.sent:
                await ready()
                facts.sent = True

        if self._rest is None:
            raise ExchangeUnavailable(f"{self.id} create_order_list: the exchange is closed; nothing was sent")
        send = getattr(self._rest, profile.order_lists.call)
        answer = await self._calls.once(
            "create_order_list", lambda: send(fields), stop.client_order_id, check, profile.client_id.is_duplicate
        )
        listed = self._rest.market(stop.symbol)

        def understand(answer: Any) -> dict[str, Any]:
            rows = [self._rest.parse_order(row, listed) for row in rows_of(answer, profile)]
            return {str(row.get("clientOrderId")): row for row in rows if row.get("id") is not None}

        method = "create_order_list"
        placed = self._placed(method, answer, stop, understand)
        return (
            self._created(method, placed.get(stop.client_order_id), stop),
            self._created(method, placed.get(target.client_order_id), target),
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
        return self._created(method, row, request)

    def _created(self, method: str, row: Any, request: OrderRequest) -> OrderUpdate:
        """Raises OrderOutcomeUnknown for an answer that makes no sense: something has been sent."""

        def understand(row: Any) -> OrderUpdate:
            if not isinstance(row, Mapping) or row.get("id") is None:
                raise Implausible("it names no order")
            conditional = request.kind.value in self.profile.conditional.kinds
            reference = OrderReference(request.symbol, request.client_order_id, str(row["id"]), conditional)
            update = check_order(self._update(row, Origin.CREATE, reference), request.symbol)
            if update.side is not None and update.side is not request.side:
                raise Implausible(f"an order to {update.side.value}")
            return update

        return self._placed(method, row, request, understand)

    def _placed(self, method: str, answer: Any, request: OrderRequest, understand: Callable[[Any], T]) -> T:
        try:
            return self._reader.whole(method, answer, understand)
        except Unreadable as error:
            what = f"{error} (order {request.client_order_id} may have been placed)"
            raise OrderOutcomeUnknown(what, request.client_order_id) from None

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        await self._market(reference.symbol)
        order_id, params = reference_params(reference, self.profile, "cancel")

        def understand(row: Any) -> OrderUpdate:
            return self._update(row[0] if isinstance(row, list) and row else row, Origin.CANCEL, reference)

        update = await self._understood("cancel_order", order_id, reference.symbol, params, understand=understand)
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
        rule = self.profile.websocket
        push = PushStream(
            instance, deliver, self._report, frame_interval_s=interval_s, ends=rule.ends, renames=rule.renames
        )
        checks = StreamChecks(self._reader, self._market_checks.of, self._market_checks.trade)
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
