"""A model of exchange, contingent orders, emulator, slow news and kills, played at random: what must always hold.

Nothing is sold that was not bought; what is open is protected, guarded here or alarmed; both exits of a bracket never
fill unsaid; and once all has come to rest the strategy's orders are what the exchange has.
"""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from btccxt.model import ZERO, OrderKind, Side
from btccxt.orders.events import AlarmKind
from btccxt.orders.policy import TrackerPolicy
from tests.orders.contingent_world import PERP, SPOT, World

D = Decimal
EXITS = ("stop", "target")


class ContingentOrders(RuleBasedStateMachine):
    """One bracket or pair of exits on one market."""

    world: World

    @initialize(
        spot=st.booleans(), entry=st.sampled_from(["limit", "market", "pair"]), fee_in_base=st.booleans(),
        kind=st.sampled_from([OrderKind.STOP, OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TRAILING_AMOUNT]),
        emulated=st.booleans(), unprotected=st.sampled_from(["exit", "retry", "alarm"]),
        stop_first=st.booleans(), entered=st.booleans(), liquidity=st.sampled_from([None, "0.3"]),
    )  # fmt: skip
    def begin(self, spot, entry, fee_in_base, kind, emulated, unprotected, stop_first, entered, liquidity) -> None:
        self.world = world = World(SPOT if spot else PERP, instant=False, policy=TrackerPolicy())
        world.exchange.fee_in_base = spot and fee_in_base
        self.the_book_changes(liquidity)
        self.strategy_cancelled = False
        self.had_coins = D(0)
        self.by_pair = entry == "pair"
        emulated = emulated or kind is OrderKind.TRAILING_AMOUNT
        context = {"on_unprotected": unprotected, **({"watch": "the exchange has none"} if emulated else {})}
        fields = {"trailing_amount": "10"} if kind is OrderKind.TRAILING_AMOUNT else {"trigger_price": "90"}
        if kind is OrderKind.STOP_LIMIT:
            fields["price"] = "88"
        if self.by_pair:
            world.exchange.position = D(1)
            self.had_coins = D(1)
            reduces = {} if spot else {"reduce_only": True}

            def stop(**tied: str) -> None:
                world.give("stop", Side.SELL, kind, "1", {**context, **tied}, **fields, **reduces)

            def target(**tied: str) -> None:
                world.give("target", Side.SELL, OrderKind.LIMIT, "1", tied, price="110", **reduces)

            if stop_first:
                stop(), target(oco="stop")
            else:
                target(), stop(oco="target")
            return
        tied = {"parent": "entry", "oco": "stop"}
        reduces = {} if spot else {"reduce_only": True}
        world.give("stop", Side.SELL, kind, "1", {**tied, **context}, **fields, **reduces)
        world.give("target", Side.SELL, OrderKind.LIMIT, "1", tied, price="110", **reduces)
        if entry == "limit":
            world.give("entry", Side.BUY, OrderKind.LIMIT, "1", price="99")
        else:
            world.give("entry", Side.BUY, OrderKind.MARKET, "1")
        if entered:
            self.news_arrives(20)
            self.the_price_moves(98)
            self.news_arrives(20)

    # -------------------------------------------------------------- what may happen

    @rule(price=st.sampled_from([85, 88, 89, 91, 95, 98, 100, 105, 109, 110, 112]))
    def the_price_moves(self, price: int) -> None:
        self.world.move(D(price))

    @rule(price=st.sampled_from([89, 110, 111]))
    def one_trade_prints(self, price: int) -> None:
        if self.world.watched:
            self.world.prints(D(price))

    @rule(liquidity=st.sampled_from([None, "0.3", "0.05"]))
    def the_book_changes(self, liquidity: str | None) -> None:
        self.world.exchange.liquidity = None if liquidity is None else D(liquidity)

    @rule(times=st.sampled_from([1, 2, 3, 20]))
    def news_arrives(self, times: int) -> None:
        for _ in range(times):
            self.world.deliver()

    @rule(seconds=st.sampled_from([0.05, 0.3, 1, 6, 12]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(why=st.sampled_from(["too many stop orders", "filter"]))
    def the_exchange_refuses_the_next(self, why: str) -> None:
        self.world.exchange.refuse_next = [why]

    @rule(pick=st.integers(0, 9))
    def the_exchange_cancels_one(self, pick: int) -> None:
        names = [name for name, order in self.world.exchange.orders.items() if order.is_open]
        if names:
            self.world.exchange_cancels(names[pick % len(names)])

    @rule(name=st.sampled_from(["stop", "target", "entry"]))
    def the_strategy_cancels(self, name: str) -> None:
        order = self.world.strategy.get(name)
        if order is not None and not order.is_final:
            self.strategy_cancelled = self.strategy_cancelled or name != "entry"
            self.world.strategy_cancels(name)

    @rule()
    def the_program_is_killed(self) -> None:
        self.world.kill()

    @rule()
    def all_comes_to_rest(self) -> None:
        self._rest()
        self._check_rest()

    # -------------------------------------------------------------- what must hold

    def _rest(self) -> None:
        world = self.world
        world.exchange.refuse_next.clear()
        world.instant = True
        for _ in range(8):
            world.settle()
            world.wait(8)
        world.instant = False

    def _sold(self) -> Decimal:
        return sum((o.filled for o in self.world.exchange.orders.values() if o.request.side is Side.SELL), ZERO)

    def _bought(self) -> Decimal:
        return self.had_coins + sum(
            (o.filled for o in self.world.exchange.orders.values() if o.request.side is Side.BUY), ZERO
        )

    def _alarmed(self, *kinds: AlarmKind) -> bool:
        return any(alarm.kind in kinds for alarm in self.world.alarms)

    @invariant()
    def nothing_is_sold_that_was_not_bought(self) -> None:
        if hasattr(self, "world"):
            assert self._sold() <= self._bought(), (self._sold(), self._bought())

    def _check_rest(self) -> None:
        world = self.world
        legs = [world.strategy[name] for name in EXITS if name in world.strategy]
        groups = list(world.emulator._groups.values())
        open_ = self._bought() - self._sold()
        if world.exchange.fee_in_base:
            open_ -= D("0.002")
        for group in groups:
            lost = [leg for leg in group.legs.values() if leg.is_lost]
            if open_ < world.market.amount_step or self.strategy_cancelled:
                continue
            guarded = group.protected >= min(open_, group.exposure) - world.market.amount_step
            is_dust = not world.market.is_contract and group.exposure * 88 < 5
            said = self._alarmed(AlarmKind.UNPROTECTED, AlarmKind.PROTECTIVE_REJECTED)
            assert guarded or ((lost or is_dust) and said), (
                f"{open_} open, protected {group.protected}, {world.at_exchange()}"
            )
        if all(group.is_over for group in groups):
            left = {name for name in world.at_exchange() if name != "entry"}
            assert not left, f"all is over, and {left} are at the exchange"
            assert all(leg.is_final for leg in legs), world.states()
        filled = {leg.client_order_id: leg.filled for leg in legs}
        assert sum(filled.values()) == self._sold(), f"the strategy was told of {filled}, {self._sold()} was sold"

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self._rest()
            self._check_rest()


ContingentOrders.TestCase.settings = settings(
    max_examples=150, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
test_contingent_orders_hold_through_anything = ContingentOrders.TestCase
