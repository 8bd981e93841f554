"""The matching engine of the embedded exchange: pure, deterministic, exact.

No clock, no socket, no randomness: every call that may change something takes ``now_ms``. Money is Decimal.

Rules, where exchanges differ:

* A resting order that ambient depth crosses is filled at its own price, up to the ambient amount at crossing levels.
* A printed trade fills resting orders it went through, and, at exactly its price, those on the maker's side of it:
  best price first, together never more than the printed amount. Accounts stand at the front of the queue there, or
  (``queued``) behind what the market has shown before them.
* Triggers watch the last trade. They are looked at when the order that moved the price has been worked.
* An account may trade with itself.
* A market order (also a fired one) that finds too little liquidity expires with what it got.
* One leg of an OCO list filling, even partly, or firing makes the others expire; cancelling one cancels all.
* A list's pending orders go to work when its working order is filled whole, with what money there is then; when the
  working order ends otherwise, they end with it.
* Events are delivered when the call that caused them has finished its work, in order, before it returns. What a
  listener raises reaches the caller; the engine is consistent then, undelivered events come with the next call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

from btccxt.matching.brackets import Bracket, largest_value, maintenance_rate
from btccxt.matching.clearing import Account
from btccxt.matching.filters import plain
from btccxt.matching.positions import round_money
from btccxt.matching.records import (
    BalanceChanged,
    Deposited,
    EngineReject,
    Event,
    FundingCharged,
    FundingPaid,
    NewOrder,
    OrderChanged,
    PositionChanged,
    PublicTrade,
    RejectCode,
    SimFill,
    SimOrder,
    SimPosition,
    SimStatus,
)
from btccxt.matching.returning import Returning
from btccxt.matching.values import value_of
from btccxt.model import ZERO, Balance, Market, Side

__all__ = [
    "BalanceChanged",
    "Engine",
    "EngineReject",
    "Event",
    "FundingPaid",
    "NewOrder",
    "OrderChanged",
    "PositionChanged",
    "PublicTrade",
    "RejectCode",
    "SimFill",
    "SimOrder",
    "SimStatus",
]


class Engine(Returning):
    """All books, accounts and orders of one exchange. Not thread-safe: one thread or one loop calls it."""

    def __init__(
        self,
        markets: Iterable[Market],
        *,
        third_coin_fees: Mapping[str, Decimal] | None = None,
        brackets: Mapping[str, Sequence[Bracket]] | None = None,
        ended_kept: int | None = None,
        queued: bool = False,
    ) -> None:
        """``third_coin_fees``: coin -> discount on fees paid with it (``{'BNB': Decimal('0.25')}``: 25 % less).

        ``brackets``: of a contract, other than the usual ones. ``ended_kept``: how many ended orders, and how many
        fills, an account can ask for, the latest ones; None: all. ``queued``: resting orders stand behind what the
        market shows at their price (``book.py``), not before it.
        """
        super().__init__(markets, third_coin_fees or {}, brackets, ended_kept, queued)
        self._fundings: list[FundingPaid] = []
        self._deposits: list[Deposited] = []
        self._charged: list[FundingCharged] = []
        self.markets: Mapping[str, Market] = MappingProxyType(self._markets)

    # -------------------------------------------------------------- accounts

    def open_account(self, name: str, balances: Mapping[str, Decimal], fee_currency: str | None = None) -> None:
        """``fee_currency``: None (the coin received), ``'quote'``, or a coin of ``third_coin_fees``."""
        if name in self._accounts:
            raise EngineReject(RejectCode.BAD_REQUEST, f"account {name!r} exists already")
        account = self._accounts[name] = Account(name, fee_currency)
        self._orders[name], self._ended[name], self._fills[name] = {}, deque(), deque(maxlen=self._ended_kept)
        for coin, amount in balances.items():
            account.ledger.move(coin, amount)
        account.ledger.changed.clear()

    def deposit(self, account: str, coin: str, amount: Decimal, now_ms: int) -> None:
        """Money from (or, negative, to) outside."""
        self._begin(now_ms)
        ledger = self._account(account).ledger
        if ledger.free(coin) + amount < 0:
            raise EngineReject(RejectCode.INSUFFICIENT_FUNDS, f"only {plain(ledger.free(coin))} {coin} is free")
        ledger.move(coin, amount)
        self._deposits.append(Deposited(len(self._deposits) + 1, account, coin, amount, now_ms))
        self._end_of_call()

    def deposits(self, account: str) -> list[Deposited]:
        """Oldest first."""
        return [each for each in self._deposits if each.account == account]

    def set_leverage(self, account: str, symbol: str, leverage: Decimal, now_ms: int) -> None:
        self._begin(now_ms)
        owner, market = self._account(account), self._contract(symbol)
        brackets = self._brackets[symbol]
        if leverage < 1:
            raise EngineReject(RejectCode.BAD_REQUEST, f"leverage must be at least 1, not {plain(leverage)}")
        if leverage > brackets[0].max_leverage:
            most = plain(brackets[0].max_leverage)
            raise EngineReject(RejectCode.LEVERAGE, f"leverage is {most} at most, not {plain(leverage)}")
        held = [position for (held_symbol, _), position in owner.positions.items() if held_symbol == symbol]
        largest = max((abs(p.value(p.amount, self._mark(symbol))) for p in held if p.amount), default=ZERO)
        if largest > largest_value(brackets, leverage):
            raise EngineReject(RejectCode.POSITION_LIMIT, "the position is too large for this leverage")
        before = owner.leverage_of(symbol)
        owner.leverage[symbol] = leverage
        for position in held:
            self._clearing.hold_margin(owner, market, position)
        if leverage < before and owner.ledger.shortfall(market.settle or market.quote):
            owner.leverage[symbol] = before
            for position in held:
                self._clearing.hold_margin(owner, market, position)
            raise EngineReject(RejectCode.INSUFFICIENT_FUNDS, "not enough free margin for a lower leverage")
        self._end_of_call()

    def leverage(self, account: str, symbol: str) -> Decimal:
        return self._account(account).leverage_of(symbol)

    def set_isolated(self, account: str, symbol: str, isolated: bool) -> None:
        """Give the positions of a symbol a margin of their own, or let them share it. Refused while there is one."""
        owner, market = self._account(account), self._contract(symbol)
        if isolated == (symbol in owner.isolated):
            return
        held = any(p.amount for (held_symbol, _), p in owner.positions.items() if held_symbol == symbol)
        if held or any(order.request.symbol == market.symbol for order in owner.open_orders.values()):
            raise EngineReject(RejectCode.POSITION_OPEN, "close position and orders before changing the margin mode")
        (owner.isolated.add if isolated else owner.isolated.discard)(symbol)

    def is_isolated(self, account: str, symbol: str) -> bool:
        return symbol in self._account(account).isolated

    def set_hedge_mode(self, account: str, hedge_mode: bool) -> None:
        """Long and short positions side by side. Refused while there is a position or an open contract order."""
        owner = self._account(account)
        busy = any(p.amount for p in owner.positions.values()) or any(
            self._markets[order.request.symbol].is_contract for order in owner.open_orders.values()
        )
        if busy and hedge_mode != owner.hedge_mode:
            raise EngineReject(RejectCode.BAD_REQUEST, "close positions and contract orders before changing the mode")
        owner.hedge_mode = hedge_mode

    def is_hedged(self, account: str) -> bool:
        return self._account(account).hedge_mode

    def brackets(self, symbol: str) -> Sequence[Bracket]:
        """Of a contract, for small positions first."""
        return self._brackets[self._contract(symbol).symbol]

    def balances(self, account: str) -> Mapping[str, Balance]:
        return self._account(account).ledger.balances()

    def positions(self, account: str) -> list[SimPosition]:
        """Open positions; the mark price is the last trade."""
        owner, shown = self._account(account), []
        for state in owner.positions.values():
            mark = self.mark(state.symbol)
            if not state.amount or mark is None:
                continue
            market = self._markets[state.symbol]
            value = abs(state.value(state.amount, mark))
            wallet = state.margin if state.isolated else self._cross_wallet(owner, market.settle or market.quote)
            rate = maintenance_rate(self._brackets[state.symbol], value)
            shown.append(
                SimPosition(
                    symbol=state.symbol,
                    amount=state.amount,
                    entry_price=state.entry_price,
                    time_ms=state.updated_ms,
                    unrealised_pnl=state.unrealised_pnl(mark),
                    leverage=owner.leverage_of(state.symbol),
                    liquidation_price=state.liquidation_price(wallet, rate),
                    margin_mode="isolated" if state.isolated else "cross",
                    hedge_side=state.side,
                    mark=mark,
                    value=value,
                    margin=state.margin,
                    maintenance=self._maintenance(state),
                )
            )
        return shown

    @property
    def collected_fees(self) -> Mapping[str, Decimal]:
        return MappingProxyType(self._clearing.collected_fees)

    @property
    def street(self) -> Mapping[str, Decimal]:
        """Net coins of the anonymous market: accounts + fees + street is constant for each coin."""
        return MappingProxyType(self._clearing.street)

    # -------------------------------------------------------------- the market

    def set_depth(
        self,
        symbol: str,
        bids: Iterable[tuple[Decimal, Decimal]],
        asks: Iterable[tuple[Decimal, Decimal]],
        now_ms: int,
    ) -> None:
        """Replace the ambient liquidity: (price, amount) levels. Fills the resting orders that it crosses."""
        self._market(symbol)
        bids, asks = list(bids), list(asks)
        if bids and asks and max(bids)[0] >= min(asks)[0]:
            crossed = f"bid {plain(max(bids)[0])}, ask {plain(min(asks)[0])}"
            raise EngineReject(RejectCode.BAD_REQUEST, f"depth is crossed: {crossed}")
        self._begin(now_ms)
        book = self._books[symbol]
        book.bids.set_ambient(bids)
        book.asks.set_ambient(asks)
        self._cross_with_ambient(symbol, book)
        self._end_of_call()

    def print_trade(
        self,
        symbol: str,
        price: Decimal,
        amount: Decimal,
        taker_side: Side | None,
        now_ms: int,
        trade_id: str | None = None,
    ) -> None:
        """A trade of the anonymous market: moves the last price, fills resting orders at or through its price."""
        self._market(symbol)
        self._begin(now_ms)
        self._serve_print(self._books[symbol], price, amount, taker_side)
        if trade_id is None:
            self._last_trade_id += 1
        self._print(symbol, price, amount, taker_side, trade_id, printed=True)
        self._end_of_call()

    def tell_last(self, symbol: str, price: Decimal, now_ms: int) -> None:
        """The last price is told without its trade: triggers and liquidations follow it."""
        self._market(symbol)
        self._begin(now_ms)
        self._books[symbol].last = price
        self._prices.append((symbol, price))
        self._end_of_call()

    def apply_funding(self, symbol: str, rate: Decimal, now_ms: int) -> dict[str, Decimal]:
        """Longs pay ``rate`` of their position's value, shorts receive it. Returns what each account received."""
        market = self._contract(symbol)
        self._begin(now_ms)
        received: dict[str, Decimal] = {}
        mark = self.mark(symbol)
        self._charged.append(FundingCharged(symbol, rate, mark or ZERO, now_ms))
        for account in self._holders.get(symbol, {}).values():
            for position in account.positions.values():
                if position.symbol != symbol or not position.amount or mark is None:
                    continue
                paid = self._pay_funding(account, market, position.side, position.amount, rate, mark, now_ms)
                received[account.name] = received.get(account.name, ZERO) + paid.received
        self._end_of_call()
        return received

    def charge_funding(
        self,
        account: str,
        symbol: str,
        position_side: str | None,
        amount: Decimal,
        rate: Decimal,
        charged_ms: int,
        now_ms: int,
    ) -> None:
        """One account's part in a funding at ``charged_ms``, when it held ``amount``, at the mark price of now."""
        owner, market, mark = self._account(account), self._contract(symbol), self.mark(symbol)
        self._begin(now_ms)
        if mark is not None:
            self._pay_funding(owner, market, position_side, amount, rate, mark, charged_ms)
        self._end_of_call()

    def _pay_funding(
        self,
        account: Account,
        market: Market,
        position_side: str | None,
        amount: Decimal,
        rate: Decimal,
        mark: Decimal,
        charged_ms: int,
    ) -> FundingPaid:
        received = -round_money(value_of(market, amount, mark) * rate)
        self._clearing.pay(account, market.settle or market.quote, received)
        account.changed_positions[market.symbol] = None
        number = self._fundings[-1].number + 1 if self._fundings else 1
        paid = FundingPaid(number, account.name, market.symbol, position_side, rate, mark, amount, received, charged_ms)
        self._fundings.append(paid)
        self._emit(paid)
        return paid

    def funding_rate(self, symbol: str) -> Decimal:
        """The last one that was charged; zero before the first: the engine charges when it is told to."""
        return next((charged.rate for charged in reversed(self._charged) if charged.symbol == symbol), ZERO)

    def funding_history(self, symbol: str | None = None) -> list[FundingCharged]:
        """Oldest first."""
        return [charged for charged in self._charged if symbol in (None, charged.symbol)]

    def fundings(self, account: str | None = None, symbol: str | None = None) -> list[FundingPaid]:
        """What was paid and received, oldest first."""
        return [
            paid
            for paid in self._fundings
            if (account is None or paid.account == account) and (symbol is None or paid.symbol == symbol)
        ]

    def set_active(self, symbol: str, active: bool) -> None:
        """Open or close a market for new orders. Cancels stay possible."""
        self._markets[symbol] = replace(self._market(symbol), active=active)

    def expire_due(self, now_ms: int) -> None:
        """Expire good-till-date orders whose time has come (every other call does so, too)."""
        self._begin(now_ms)
        self._end_of_call()

    def best(self, symbol: str) -> tuple[Decimal | None, Decimal | None]:
        """Best bid and best ask."""
        self._market(symbol)
        book = self._books[symbol]
        return book.bids.best_price(), book.asks.best_price()

    def last(self, symbol: str) -> Decimal | None:
        self._market(symbol)
        return self._books[symbol].last

    def mark(self, symbol: str) -> Decimal | None:
        """Mark price of a contract: its last price."""
        return self.last(symbol)

    def depth(self, symbol: str, n: int) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """The ``n`` best bids and asks as (price, visible amount), best first."""
        self._market(symbol)
        book = self._books[symbol]
        return book.bids.levels(n), book.asks.levels(n)
