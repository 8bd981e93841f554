"""What orders and trades do to money: reservations, fees, spot settlement, contract positions and their margin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal

from btccxt.matching.book import WorkingOrder
from btccxt.matching.ledger import Ledger
from btccxt.matching.positions import COIN_STEP, PositionState, round_money
from btccxt.matching.records import NewOrder
from btccxt.matching.values import is_inverse, value_of
from btccxt.model import ZERO, Fee, Market, Side

ONE = Decimal(1)
DEFAULT_LEVERAGE = Decimal(20)  # what Binance USD-M gives a new account

LastPrice = Callable[[str], Decimal | None]


class Account:
    """One customer: ledger, positions, settings.

    ``fee_currency``: None takes fees from what is received (base for buys, quote for sells), ``'quote'`` always from
    the quote currency, any other coin pays with that coin while it lasts.
    """

    def __init__(self, name: str, fee_currency: str | None) -> None:
        self.name = name
        self.fee_currency = fee_currency
        self.ledger = Ledger()
        self.hedge_mode = False
        self.leverage: dict[str, Decimal] = {}
        self.isolated: set[str] = set()  # symbols whose positions have a margin of their own
        self.positions: dict[tuple[str, str | None], PositionState] = {}
        self.open_orders: dict[str, WorkingOrder] = {}
        self.changed_positions: dict[str, None] = {}

    def position(self, market: Market, side: str | None) -> PositionState:
        key = (market.symbol, side)
        if key not in self.positions:
            self.positions[key] = PositionState(market.symbol, side, market.contract_size, is_inverse(market))
        return self.positions[key]

    def leverage_of(self, symbol: str) -> Decimal:
        return self.leverage.get(symbol, DEFAULT_LEVERAGE)

    def reducible(self, request: NewOrder) -> Decimal:
        """How much of the position an order of this side could close."""
        position = self.positions.get((request.symbol, request.position_side if self.hedge_mode else None))
        if position is None or position.amount * request.side.sign >= 0:
            return ZERO
        return abs(position.amount)

    def only_reduces(self, request: NewOrder) -> bool:
        """Reduce-only by flag, or because it closes a side in hedge mode."""
        if self.hedge_mode and request.position_side is not None:
            return (request.side is Side.BUY) == (request.position_side == "short")
        return request.reduce_only or request.closes_position


class Clearing:
    """Pays, reserves and charges. What leaves the accounts goes to ``collected_fees`` or to ``street``.

    ``street`` is the anonymous market's own purse (it may go negative): accounts + fees + street is constant per coin.
    """

    def __init__(self, markets: Mapping[str, Market], last: LastPrice, third_coin_fees: Mapping[str, Decimal]) -> None:
        self._markets = markets
        self._last = last
        self._discounts = third_coin_fees
        self._pairs = {(m.base, m.quote): m.symbol for m in markets.values() if not m.is_contract}
        self.collected_fees: dict[str, Decimal] = {}
        self.street: dict[str, Decimal] = {}

    # -------------------------------------------------------------- reservations

    def coin_of(self, market: Market, side: Side) -> str:
        """The coin in which an order reserves."""
        if market.is_contract:
            return market.settle or market.quote
        return market.quote if side is Side.BUY else market.base

    def need(self, account: Account, order: WorkingOrder, cost: Decimal, amount: Decimal) -> Decimal:
        """What an order over ``amount`` has to reserve. ``cost``: all of its value, in the coin that it reserves."""
        market, request = self._markets[order.request.symbol], order.request
        if not market.is_contract:
            if request.side is Side.SELL:
                return amount
            return self._with_fee(account, market, cost)
        if account.only_reduces(request) or not amount:
            return ZERO
        opening_value = cost * self.opening(account, order, amount) / amount
        return round_money(opening_value * (ONE / account.leverage_of(request.symbol) + market.taker_rate))

    def opening(self, account: Account, order: WorkingOrder, amount: Decimal) -> Decimal:
        """How much of a contract order would open or enlarge a position."""
        closing = max(ZERO, account.reducible(order.request) - self._already_closing(account, order))
        return max(ZERO, amount - closing)

    @staticmethod
    def _with_fee(account: Account, market: Market, cost: Decimal) -> Decimal:
        return round_money(cost * (ONE + market.taker_rate)) if account.fee_currency == "quote" else cost

    @staticmethod
    def _already_closing(account: Account, order: WorkingOrder) -> Decimal:
        """Amount of the account's other resting orders on the same side."""
        request, amount = order.request, ZERO
        for other in account.open_orders.values():
            alike = other.request.symbol == request.symbol and other.request.position_side == request.position_side
            if alike and other is not order and other.is_resting and other.request.side is request.side:
                amount += other.remaining
        return amount

    def hold(self, account: Account, order: WorkingOrder, amount: Decimal) -> None:
        order.reserve_coin = self.coin_of(self._markets[order.request.symbol], order.request.side)
        order.reserved = amount
        account.ledger.reserve(order.reserve_coin, amount)

    def release(self, account: Account, order: WorkingOrder, amount: Decimal | None = None) -> None:
        """Give back a part of an order's reservation, or all that is left of it."""
        part = order.reserved if amount is None else min(order.reserved, amount)
        order.reserved -= part
        account.ledger.release(order.reserve_coin, part)

    # -------------------------------------------------------------- settlement

    def settle(
        self, account: Account, order: WorkingOrder, price: Decimal, amount: Decimal, maker: bool, now_ms: int
    ) -> tuple[Fee, Decimal]:
        """Book one fill (``order.filled`` still excludes it). Returns its fee and the profit or loss it realised."""
        market = self._markets[order.request.symbol]
        rate = market.maker_rate if maker else market.taker_rate
        if market.is_contract:
            return self._settle_contract(account, market, order, price, amount, rate, now_ms)
        return self._settle_spot(account, market, order, price, amount, rate), ZERO

    def _settle_spot(
        self, account: Account, market: Market, order: WorkingOrder, price: Decimal, amount: Decimal, rate: Decimal
    ) -> Fee:
        side, ledger, cost = order.request.side, account.ledger, price * amount
        if side is Side.SELL:
            self.release(account, order, amount)
            paid, paid_amount, received, received_amount = market.base, amount, market.quote, cost
        else:
            self.release(account, order, self._with_fee(account, market, (order.price or price) * amount))
            paid, paid_amount, received, received_amount = market.quote, cost, market.base, amount
        ledger.move(paid, -paid_amount)
        ledger.move(received, received_amount)
        self._flow(self.street, paid, paid_amount)
        self._flow(self.street, received, -received_amount)
        fee = self._spot_fee(account, market, received, received_amount, cost, rate)
        self._charge(account, fee)
        return fee

    def _spot_fee(
        self, account: Account, market: Market, received: str, received_amount: Decimal, cost: Decimal, rate: Decimal
    ) -> Fee:
        if account.fee_currency == "quote":
            return Fee(market.quote, self._fee_amount(cost * rate))
        third = account.fee_currency
        if third is not None and third in self._discounts:
            price = self.price_in(third, market.quote)
            if price:
                in_third = self._fee_amount(cost * rate * (ONE - self._discounts[third]) / price)
                if account.ledger.free(third) >= in_third:
                    return Fee(third, in_third)
        return Fee(received, self._fee_amount(received_amount * rate))

    def price_in(self, coin: str, currency: str) -> Decimal | None:
        """Last price of a coin in another, directly, inverted or over one coin between; None if nothing has traded."""
        direct = self._one_step(coin, currency)
        if direct is not None:
            return direct
        for base, quote in self._pairs:
            if base == coin:
                first, second = self._one_step(coin, quote), self._one_step(quote, currency)
                if first is not None and second is not None:
                    return first * second
        return None

    def _one_step(self, coin: str, currency: str) -> Decimal | None:
        if coin == currency:
            return ONE
        symbol = self._pairs.get((coin, currency))
        if symbol is not None:
            return self._last(symbol)
        inverse = self._pairs.get((currency, coin))
        price = self._last(inverse) if inverse is not None else None
        return ONE / price if price else None

    def _settle_contract(
        self,
        account: Account,
        market: Market,
        order: WorkingOrder,
        price: Decimal,
        amount: Decimal,
        rate: Decimal,
        now_ms: int,
    ) -> tuple[Fee, Decimal]:
        remaining = order.remaining
        self.release(account, order, round_money(order.reserved * amount / remaining) if remaining > amount else None)
        position = account.position(market, order.request.position_side if account.hedge_mode else None)
        realised = self.move_position(account, market, position, order.request.side.sign * amount, price, now_ms)
        fee = Fee(market.settle or market.quote, self._fee_amount(value_of(market, amount, price) * rate))
        self._charge(account, fee)
        return fee, realised

    def move_position(
        self, account: Account, market: Market, position: PositionState, signed: Decimal, price: Decimal, now_ms: int
    ) -> Decimal:
        """Change a position at a price: realise profit or loss, hold its new margin."""
        coin = market.settle or market.quote
        realised = position.apply(signed, price)
        account.ledger.move(coin, realised)
        self._flow(self.street, coin, -realised)
        self.hold_margin(account, market, position)
        position.updated_ms = now_ms
        account.changed_positions[market.symbol] = None
        return realised

    def hold_margin(self, account: Account, market: Market, position: PositionState) -> None:
        """Reserve a position's initial margin anew (it changed, or its leverage did)."""
        coin = market.settle or market.quote
        account.ledger.release(coin, position.margin)
        position.isolated = market.symbol in account.isolated
        position.margin = round_money(abs(position.cost) / account.leverage_of(market.symbol))
        account.ledger.reserve(coin, position.margin)

    def pay(self, account: Account, coin: str, amount: Decimal) -> None:
        """Money between the street and an account: funding (either sign), or the insurance of a bankrupt account."""
        account.ledger.move(coin, amount)
        self._flow(self.street, coin, -amount)

    def _charge(self, account: Account, fee: Fee) -> None:
        account.ledger.move(fee.currency, -fee.cost)
        self._flow(self.collected_fees, fee.currency, fee.cost)

    @staticmethod
    def _fee_amount(fee: Decimal) -> Decimal:
        return fee.quantize(COIN_STEP, ROUND_DOWN)

    @staticmethod
    def _flow(purse: dict[str, Decimal], coin: str, amount: Decimal) -> None:
        purse[coin] = purse.get(coin, ZERO) + amount
