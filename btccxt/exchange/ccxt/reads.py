"""What ccxt says of an exchange and an account, read into our records: each answer checked before it is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from btccxt.errors import BtccxtError, ConfigError, OrderNotFound, Unsupported
from btccxt.exchange.ccxt import translate
from btccxt.exchange.ccxt.client import CCXTClient
from btccxt.exchange.ccxt.my_trades import in_order, trades_since
from btccxt.exchange.ccxt.order_lists import OrderLists
from btccxt.exchange.ccxt.rates import fee_rates, funding_rate
from btccxt.exchange.ccxt.transfers import transfers_since
from btccxt.exchange.history_pages import HistoryList, HistoryPages
from btccxt.exchange.paging import Pager, PageRequest
from btccxt.exchange.plausibility import (
    Implausible,
    check_asked,
    check_balances,
    check_fill,
    check_money,
    check_order,
    check_order_book,
    check_position,
    check_server_time,
    check_ticker,
    says_nothing,
)
from btccxt.exchange.profile.profile import NextPage
from btccxt.exchange.request import reference_params, same_client_id
from btccxt.model import (
    Balances,
    Bar,
    Fill,
    FundingPayment,
    MarketType,
    OrderReference,
    OrderStatus,
    OrderUpdate,
    Origin,
    Position,
    Ticker,
    Trade,
    Transfer,
)


def _row_with_time(row: Any) -> Any:
    if not isinstance(row, Mapping) or not isinstance(row.get("info"), Mapping):
        raise Implausible("no row of a trade")
    check_server_time(row.get("timestamp"))
    return row


def _payment(payment: FundingPayment) -> FundingPayment:
    check_money(payment.amount)
    return payment


class CCXTReads(CCXTClient):
    """The part of ``CCXTExchange`` that reads by REST, public and private."""

    # -------------------------------------------------------------- public reads

    async def fetch_time(self) -> int:
        if not self._rest.has.get("fetchTime"):
            raise Unsupported(f"{self.id} does not tell its time")
        return await self._understood("fetch_time", understand=check_server_time)

    async def fetch_ticker(self, symbol: str) -> Ticker:
        await self._market(symbol)
        if self.profile.ticker_from == "order_book":
            return await self._understood("fetch_order_book", symbol, understand=partial(self._best_of_book, symbol))
        return await self._understood(
            "fetch_ticker",
            symbol,
            understand=lambda answer: check_ticker(translate.ticker(answer, self.clock.now_ms()), symbol),
        )

    def _best_of_book(self, symbol: str, answer: Any) -> Ticker:
        book = check_order_book(translate.order_book({**answer, "symbol": symbol}, self.clock.now_ms(), 1))
        (bid, bid_amount), (ask, ask_amount) = (side[0] if side else (None, None) for side in (book.bids, book.asks))
        return check_ticker(Ticker(symbol, book.time_ms, bid, ask, bid_amount, ask_amount))

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        await self._market(symbol)
        self._check_timeframe(timeframe)
        page = self.profile.history.page_size
        check = self._market_checks.of(timeframe)
        rows = await self._rows(
            "fetch_ohlcv",
            symbol,
            timeframe,
            since_ms,
            min(limit or page, page),
            understand=lambda row: None if row[4] is None else check(translate.bar(row)),
        )
        return sorted((bar for bar in rows if bar is not None), key=lambda bar: bar.open_ms)

    def _check_timeframe(self, timeframe: str) -> None:
        known = self.profile.bars.timeframes or tuple(self._rest.timeframes or ())
        if known and timeframe not in known:
            raise ConfigError(f"{self.id} has no timeframe {timeframe!r}; it has {', '.join(known)}")

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        await self._market(symbol)
        if not self.profile.trades_listed:
            raise Unsupported(f"{self.id} lists no trades of a market through ccxt: they come by stream only")
        # A second on top: what has just been traded belongs to it, and seconds are all that is asked for.
        params: tuple[dict[str, int], ...] = ()
        if since_ms is not None and self.profile.trades_until:
            params = ({"until": self.clock.now_ms() + 1_000},)
        check = self._market_checks.trade
        trades = await self._rows(
            "fetch_trades", symbol, since_ms, limit, *params, understand=lambda row: check(translate.trade(row))
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
        found = check_balances(translate.balances(answer, self.clock.now_ms(), profile=self.profile))
        # Some list coins without a figure that nobody ever held; one that had a figure would count as gone.
        if silent := self._coins_told.difference(found.by_currency).intersection(answer):
            raise Implausible(f"a balance without a figure: {', '.join(sorted(silent))}")
        self._coins_told.update(found.by_currency)
        return found

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
        rule = self.profile.positions
        positions = [check_position(translate.position(row, self.clock.now_ms(), rule)) for row in rows]
        # Some list markets without a figure where nothing is held; one that had a figure would count as closed.
        silent = {str(row.get("symbol")) for row in rows if translate.contracts_of(row, rule) is None} & self._held
        if silent:
            raise Implausible(f"a position without a size: {', '.join(sorted(silent))}")
        self._held = {each.symbol for each in positions if each.amount}
        return positions

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        await self._market(reference.symbol)
        lookup = self.profile.client_id.lookup_for(reference.conditional)
        if self.profile.asks_for_one(by_id=reference.order_id is not None, conditional=reference.conditional):
            order_id, params = reference_params(reference, self.profile, "query")
            try:
                return await self._understood(
                    "fetch_order", order_id, reference.symbol, params, understand=partial(self._asked_for, reference)
                )
            except OrderNotFound:
                # The id may come from a frame that was wrong; ours is the one that was sent.
                if reference.order_id is None or reference.client_order_id is None or reference.conditional:
                    raise
            return await self.fetch_order(replace(reference, order_id=None))
        return await self._find_in_lists(reference, lookup)

    def _asked_for(self, reference: OrderReference, row: Any) -> OrderUpdate:
        """An answer that names no order does not speak of this one."""
        if not isinstance(row, Mapping) or (row.get("id") is None and row.get("clientOrderId") is None):
            raise Implausible("the answer names no order")
        update = check_order(self._update(row, Origin.QUERY, reference), reference.symbol)
        client_order_id = reference.client_order_id
        if client_order_id and same_client_id(client_order_id, update.client_order_id, self.profile):
            return update
        return check_asked(update, reference.order_id, client_order_id)

    def _listed(self, row: Any) -> OrderUpdate:
        update = check_order(self._update(row, Origin.QUERY))
        if update.symbol not in self._rest.markets:
            raise Implausible(f"an order on {update.symbol!r}, which is no market here")
        return update

    async def _timed_rows(self, method: str, *arguments: Any) -> list[Any]:
        """As ccxt gives them; those by which no further page can be asked for are left out."""
        return await self._rows(method, *arguments, understand=_row_with_time)

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

        if since_ms is not None and rule.next_page is not NextPage.UNKNOWN:
            fills = await trades_since(self._timed_rows, self._fill, rule, symbol, since_ms, self.clock.now_ms())
            return fills[:limit]
        rows = await self._list("fetch_my_trades", symbol, since_ms, limit)
        return in_order(fill for fill in map(self._fill, rows) if fill is not None)

    def _fill(self, row: Mapping[str, Any]) -> Fill | None:
        return self._reader.one("fetch_my_trades", row, lambda row: check_fill(translate.fill(row, self.profile)))

    def trade_pages(self, symbol: str | None, since_ms: int, until_ms: int | None = None) -> HistoryPages[Fill]:
        pager = Pager(self.profile.my_trades, symbol, since_ms, self.clock.now_ms(), until_ms)
        return HistoryPages([HistoryList(pager, partial(self._page, "fetch_my_trades"), self._fill)], symbol)

    def order_pages(self, symbol: str | None, since_ms: int, until_ms: int | None = None) -> HistoryPages[OrderUpdate]:
        now_ms, rule = self.clock.now_ms(), self.profile.closed_orders
        understand = partial(self._reader.one, "closed orders", understand=self._listed)
        lists = []
        for method, params, conditional in self._order_lists().closed():
            pager = Pager(rule, symbol, since_ms, now_ms, until_ms, params=params, conditional=conditional, sparse=True)
            lists.append(HistoryList(pager, partial(self._page, method), understand))
        return HistoryPages(lists, symbol)

    async def _page(self, method: str, page: PageRequest) -> list[Any]:
        await self.load_markets()
        return await self._timed_rows(method, page.symbol, page.since_ms, page.limit, dict(page.params))

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
                _payment(translate.funding({**row, **known}, self.profile)) if row.get("symbol") in ours else None
            ),
        )
        return [each for each in payments if each is not None and each.time_ms >= since_ms]

    async def fetch_funding_rates(self, symbol: str, since_ms: int) -> Mapping[int, Decimal]:
        await self._market(symbol)
        if not self._rest.has.get("fetchFundingRateHistory"):
            return await super().fetch_funding_rates(symbol, since_ms)
        rows = await self._rows("fetch_funding_rate_history", symbol, since_ms, understand=funding_rate)
        return {time_ms: rate for time_ms, rate in rows if time_ms >= since_ms}

    async def fetch_fee_rates(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        await self.load_markets()
        if not self._rest.has.get("fetchTradingFees"):
            return await super().fetch_fee_rates()
        return await self._understood("fetch_trading_fees", understand=fee_rates)

    async def fetch_transfers(self, since_ms: int) -> list[Transfer]:
        await self.load_markets()
        return await transfers_since(self._rows, self._rest.has, self.profile, since_ms)

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
