"""A model of exchange, contingent orders, emulator, slow news and kills, played at random: what must always hold.

Nothing is sold that was not bought; what is open is protected, guarded here or alarmed; both exits of a bracket never
fill unsaid; and once all has come to rest the strategy's orders are what the exchange has.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from btccxt.model import ZERO, Fill, OrderKind, Side
from btccxt.orders.events import AlarmKind
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.trigger import PROTECTIVE_KINDS
from tests.orders.contingent_world import PERP, SPOT, World

D = Decimal
EXITS = ("stop", "target")
KINDS = (OrderKind.STOP, OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TRAILING_AMOUNT)
PRICES = (85, 88, 89, 91, 95, 98, 100, 105, 109, 110, 112)


class ContingentOrders(RuleBasedStateMachine):
    """One bracket or pair of exits on one market."""

    world: World

    @initialize(
        spot=st.booleans(), entry=st.sampled_from(["limit", "market", "pair", "never"]), fee_in_base=st.booleans(),
        kind=st.sampled_from(KINDS),
        emulated=st.booleans(), unprotected=st.sampled_from(["exit", "retry", "alarm"]),
        stop_first=st.booleans(), entered=st.booleans(), liquidity=st.sampled_from([None, "0.3"]),
        others=st.booleans(), short=st.booleans(), percent=st.booleans(), lists=st.booleans(),
        expiry_first=st.booleans(), backstop=st.booleans(),
    )  # fmt: skip
    def begin(
        self, spot, entry, fee_in_base, kind, emulated, unprotected, stop_first, entered, liquidity, others, short,
        percent=False, lists=False, expiry_first=False, backstop=False,
    ) -> None:  # fmt: skip
        self.world = world = World(SPOT if spot else PERP, instant=False, policy=TrackerPolicy(), lists=lists)
        world.exchange.expiry_first = expiry_first
        world.exchange.fee_in_base = spot and fee_in_base
        self.the_book_changes(liquidity)
        self.strategy_cancelled = False
        self.short = short and not spot
        self.entering, self.leaving = (Side.SELL, Side.BUY) if self.short else (Side.BUY, Side.SELL)
        self.late: list[Any] = []
        self.kind, self.emulated, self.unprotected, self.entry = kind, emulated, unprotected, entry
        self.by_pair, self.percent = entry == "pair", False
        self.had_coins = D(self.by_pair)
        if others:  # reduce-only does not keep btccxt from closing what is not its own
            world.exchange.position = D(-5 if self.short else 5)
        emulated = emulated or kind is OrderKind.TRAILING_AMOUNT
        context = {"on_unprotected": unprotected, **({"watch": "the exchange has none"} if emulated else {})}
        if kind is OrderKind.TRAILING_AMOUNT and backstop:
            context["backstop"] = "plain" if spot else "reduce_only"
        fields = {"trailing_amount": "10"} if kind is OrderKind.TRAILING_AMOUNT else {"trigger_price": self.at(90)}
        if kind is OrderKind.STOP_LIMIT:
            fields["price"] = self.at(88)
        if self.by_pair:
            world.exchange.position += self.entering.sign
            reduces = {} if spot else {"reduce_only": True}

            def stop(**tied: str) -> None:
                world.give("stop", self.leaving, kind, "1", {**context, **tied}, **fields, **reduces)

            def target(**tied: str) -> None:
                world.give("target", self.leaving, OrderKind.LIMIT, "1", tied, price=self.at(110), **reduces)

            if stop_first:
                stop(), target(oco="stop")
            else:
                target(), stop(oco="target")
            return
        tied = {"parent": "entry", "oco": "stop"}
        self.percent = percent = percent and kind is OrderKind.STOP
        if percent:  # at 99 to 100 the same prices, nearly
            tied["entry_pct"] = "10" if self.short else "-10"
        reduces = {} if spot else {"reduce_only": True}
        world.give("stop", self.leaving, kind, "1", {**tied, **context}, **fields, **reduces)
        if percent:
            tied["entry_pct"] = "-10" if self.short else "10"
        world.give("target", self.leaving, OrderKind.LIMIT, "1", tied, price=self.at(110), **reduces)
        if entry == "never":
            return
        if entry == "limit":
            world.give("entry", self.entering, OrderKind.LIMIT, "1", price=self.at(99))
        else:
            world.give("entry", self.entering, OrderKind.MARKET, "1")
        if entered:
            self.news_arrives(20)
            self.the_price_moves(98)
            self.news_arrives(20)

    def at(self, price: int | Decimal) -> str:
        """Prices are told as for a long position; a short one sees them mirrored."""
        return str(200 - price if self.short else price)

    # -------------------------------------------------------------- what may happen

    @rule(price=st.sampled_from(PRICES))
    def the_price_moves(self, price: int) -> None:
        self.world.move(D(self.at(price)))

    @rule(price=st.sampled_from([89, 110, 111]))
    def one_trade_prints(self, price: int) -> None:
        if self.world.watched:
            self.world.prints(D(self.at(price)))

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

    @rule(name=st.sampled_from(["stop", "target", "entry", "close"]))
    def the_strategy_cancels(self, name: str) -> None:
        order = self.world.strategy.get(name)
        if order is not None and not order.is_final:
            self.strategy_cancelled = self.strategy_cancelled or name in EXITS
            self.world.strategy_cancels(name)

    @rule(share=st.sampled_from(["0.4", "1"]), later=st.booleans())
    def the_strategy_closes(self, share: str, later: bool) -> None:
        """Beside its exits: at market or, on spot, at a price to come."""
        world = self.world
        groups = [each for each in world.emulator._groups.by_name.values() if each.are_exits and not each.cancelled]
        if self.entry == "never" or not groups or "close" in world.orders or groups[0].exposure < D("0.1"):
            return
        amount = (groups[0].exposure * D(share)).quantize(D("0.001"))
        is_spot = not world.market.is_contract
        kind, price = (OrderKind.LIMIT, {"price": "104"}) if later and is_spot else (OrderKind.MARKET, {})
        reduces = {} if is_spot else {"reduce_only": True}
        context = {"closes": f"{groups[0].name}:{amount}"}
        world.give("close", self.leaving, kind, str(amount), context, **price, **reduces)

    @rule()
    def the_entry_fills_and_only_its_end_is_heard(self) -> None:
        """The trade comes later: after the cancel that named no amount, perhaps after a restart."""
        world = self.world
        entry = world.exchange.orders.get("entry")
        if entry is None or not entry.is_open or entry.filled or self.late:
            return
        before = len(world.messages)
        world.exchange.fill(entry, D("0.5"))
        news = [world.messages.pop() for _ in range(len(world.messages) - before)]
        self.late = [each for each in news if isinstance(each[1], Fill)]
        entry.filled = D(0)
        world.exchange_cancels("entry")
        entry.filled = D("0.5")

    @rule()
    def late_trades_arrive(self) -> None:
        self.world.messages.extend(self.late)
        self.late = []

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
        world.exchange.liquidity = None
        self.late_trades_arrive()
        world.instant = True
        world.move(world.exchange.price)
        for _ in range(8):
            world.settle()
            world.wait(8)
        world.instant = False

    def _sold(self) -> Decimal:
        return sum((o.filled for o in self.world.exchange.orders.values() if o.request.side is self.leaving), ZERO)

    def _bought(self) -> Decimal:
        return self.had_coins + sum(
            (o.filled for o in self.world.exchange.orders.values() if o.request.side is self.entering), ZERO
        )

    def _alarmed(self, *kinds: AlarmKind) -> bool:
        return any(alarm.kind in kinds for alarm in self.world.alarms)

    @property
    def open(self) -> Decimal:
        """What the exchange says this bracket or pair has open, whatever the account holds besides."""
        if self.world.market.is_contract:
            return self._bought() - self._sold()
        return self.world.exchange.coins - 50 + self.had_coins

    @invariant()
    def nothing_is_sold_that_was_not_bought(self) -> None:
        """On contracts both exits rest: the second may be quicker than its cancel, and then it is said."""
        if hasattr(self, "world") and not self.world.market.is_contract:
            assert self.open >= 0, f"{-self.open} more was sold than bought"

    def _check_rest(self) -> None:
        world = self.world
        step = world.market.amount_step
        legs = [world.strategy[name] for name in EXITS if name in world.strategy]
        groups = list(world.emulator._groups.by_name.values())
        resting = {name: order for name, order in world.exchange.orders.items() if order.is_open and name != "entry"}
        assert self.open >= 0 or self._alarmed(AlarmKind.OVERFILL), f"{-self.open} more was closed than opened, unsaid"
        wanted = not self.strategy_cancelled and not any(leg.is_lost for group in groups for leg in group.legs.values())
        is_dust = not world.market.is_contract and self.open * 88 < 5
        guarded = sum(group.protected for group in groups)
        if self.open >= step and wanted and not is_dust:
            assert guarded >= self.open - step, f"{self.open} open, protected {guarded}, {world.at_exchange()}"
            at_stop = self.kind is OrderKind.STOP and D(self.at(world.exchange.price)) <= (79 if self.percent else 89)
            assert not at_stop, f"{self.open} is open at {world.exchange.price}: {world.at_exchange()}"
        elif self.open >= step:
            alarmed = self._alarmed(AlarmKind.UNPROTECTED, AlarmKind.PROTECTIVE_REJECTED)
            said = alarmed or self.strategy_cancelled or guarded >= self.open - step
            assert said, f"{self.open} is open, unsaid"
        protecting = sum((o.remaining for o in resting.values() if o.request.kind in PROTECTIVE_KINDS), ZERO)
        assert protecting <= max(self.open, ZERO) + step, f"{protecting} is protected, {self.open} open"
        entry = world.exchange.orders.get("entry")
        is_entered = self.by_pair or entry is None or not entry.is_open
        if self.open < step and is_entered and (self.entry != "never" or world.clock.now_s > 1_070):
            assert not resting, f"nothing is open, and {world.at_exchange()} rests"
            assert all(leg.is_final for leg in legs), world.states()
        filled = {leg.client_order_id: leg.filled for leg in legs}
        follow = {name: leg.filled for name, leg in world.strategy.items() if leg.request.side is self.leaving}
        assert sum(follow.values()) == self._sold(), f"the strategy was told of {filled}, {self._sold()} was sold"

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self._rest()
            self._check_rest()


def play(seed: int, steps: int = 20) -> None:
    """One random play without hypothesis: nothing is shrunk, and every corner is as likely as another."""
    rng = random.Random(seed)
    machine = ContingentOrders()
    machine.begin(
        spot=rng.random() < 0.5, entry=rng.choice(["limit"] * 4 + ["market", "market", "pair", "pair", "never"]),
        fee_in_base=rng.random() < 0.5,
        kind=rng.choice(KINDS), emulated=rng.random() < 0.3, unprotected=rng.choice(["exit", "retry", "alarm"]),
        stop_first=rng.random() < 0.5, entered=rng.random() < 0.8, liquidity=rng.choice([None, "0.3"]),
        others=rng.random() < 0.5, short=rng.random() < 0.5, percent=rng.random() < 0.3, lists=rng.random() < 0.5,
        expiry_first=rng.random() < 0.5, backstop=rng.random() < 0.6,
    )  # fmt: skip
    for _ in range(rng.randint(1, steps)):
        rng.choices(
            (
                lambda: machine.the_price_moves(rng.choice(PRICES)),
                lambda: machine.one_trade_prints(rng.choice([89, 110, 111])),
                lambda: machine.the_book_changes(rng.choice([None, "0.3", "0.05"])),
                lambda: machine.news_arrives(rng.choice([1, 2, 3, 20])),
                lambda: machine.time_passes(rng.choice([0.05, 0.3, 1, 6, 12])),
                lambda: machine.the_exchange_refuses_the_next("filter"),
                lambda: machine.the_exchange_cancels_one(rng.randrange(10)),
                lambda: machine.the_strategy_cancels(rng.choice(["stop", "target", "entry", "close"])),
                lambda: machine.the_strategy_closes(rng.choice(["0.4", "1"]), rng.random() < 0.4),
                machine.the_entry_fills_and_only_its_end_is_heard,
                machine.late_trades_arrive,
                machine.the_program_is_killed,
                machine.all_comes_to_rest,
            ),
            weights=(6, 3, 2, 8, 3, 1, 1, 1, 2, 1, 1, 1, 2),
        )[0]()
        machine.nothing_is_sold_that_was_not_bought()
    machine.teardown()


def test_nor_in_random_plays() -> None:
    for seed in range(400):
        play(seed)


def test_contingent_orders_hold_through_anything() -> None:
    quick = settings(max_examples=100, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(ContingentOrders, settings=quick)
