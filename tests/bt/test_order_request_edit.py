"""``broker.edit``: the order that counts from now on comes back, and what cannot be done is said on the order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import backtrader as bt
import pytest

from btccxt.model import OrderKind, OrderStatus
from btccxt.orders.events import Amended, Journaled, Noted, Released
from tests.bt.fake_ports import FakeBackend, run


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


def resting(strategy):
    return strategy.buy(size=0.4, exectype=bt.Order.Limit, price=49_000, valid=None)


def amend(backend: FakeBackend) -> None:
    """The exchange has confirmed the edit of the first order."""
    _, request = backend.edited[-1]
    kept = replace(request, client_order_id=backend.sent[0].client_order_id)
    backend._tell(0, Amended(kept, None, "edited natively"))


def test_a_native_edit_keeps_the_order_whose_figures_change_when_it_is_confirmed(backend):
    seen = []

    def edit(strategy):
        order = strategy.orders[0]
        seen.append(strategy.broker.edit(order, size=0.6, price=48_000.004) is order)
        seen.append((order.size, order.created.price))

    script = run(
        backend, resting, lambda s: backend.accept(), lambda s: backend.fill("0.1", "49000"), edit,
        lambda s: amend(backend), lambda s: backend.fill("0.5", "48000"),
    )  # fmt: skip
    assert seen == [True, (0.4, 49_000.0)]
    ((name, request),) = backend.edited
    assert name == backend.sent[0].client_order_id != request.client_order_id
    assert (request.amount, request.price) == (D("0.6"), D("48000.00"))
    order = script.orders[0]
    assert (order.size, order.created.price, order.status) == (0.6, 48_000.0, bt.Order.Completed)
    assert order.executed.size == pytest.approx(0.6) and order.executed.remsize == 0
    assert [heard[0] for heard in script.heard] == ["Submitted", "Accepted", "Partial", "Partial", "Completed"]
    assert script.heard[3][3] == pytest.approx(0.5)  # left after the edit
    assert "edited natively" in order.info.notes


def test_where_the_exchange_cannot_change_orders_a_new_one_follows_for_the_rest(backend):
    backend.edits_natively = False
    made = []

    def edit(strategy):
        made.append(strategy.broker.edit(strategy.orders[0], price=48_000))
        made.append(strategy.broker.getfree())

    def cancelled_and_sent(_):
        _, request = backend.edited[0]
        backend.follow(request)
        backend.end(OrderStatus.CANCELED, index=0)
        backend._tell(-1, Released(replace(request, amount=D("0.3"))))
        backend.accept()

    script = run(
        backend, resting, lambda s: backend.accept(), lambda s: backend.fill("0.1", "49000"), edit, cancelled_and_sent,
        lambda s: backend.fill("0.3", "48000"),
    )  # fmt: skip
    first, follower = script.orders[0], made[0]
    assert follower is not first and follower.owner is script
    assert made[1] == pytest.approx(100_000 - 0.1 * 49_000 - 0.3 * 49_000)  # bound once, by the one at the exchange
    assert (first.status, first.executed.size) == (bt.Order.Canceled, 0.1)
    assert (follower.status, follower.size, follower.executed.price) == (bt.Order.Completed, 0.3, 48_000.0)
    assert (first.info.followed_by, follower.info.follows) == (follower.ref, first.ref)
    assert script.position.size == pytest.approx(0.4)


def test_while_an_order_is_being_followed_it_is_not_edited_again(backend):
    backend.edits_natively = False
    made = []
    script = run(
        backend, resting, lambda s: backend.accept(),
        lambda s: made.extend(s.broker.edit(s.orders[0], price=price) for price in (48_000, 47_000)),
    )  # fmt: skip
    order = script.orders[0]
    assert (len(backend.edited), made[1] is order) == (1, True)
    assert f"order {made[0].ref} is to follow it already" in order.info.notes[-1]


def test_an_edit_that_was_not_done_is_notified_with_the_reason(backend):
    run_ = run(
        backend, resting, lambda s: backend.accept(), lambda s: s.broker.edit(s.orders[0], price=48_000),
        lambda s: backend._tell(0, Noted("edit refused, the order stands as it was: too close")),
    )  # fmt: skip
    order = run_.orders[0]
    assert [heard[0] for heard in run_.heard] == ["Submitted", "Accepted", "Accepted"]
    assert (order.created.price, order.alive()) == (49_000, True)
    assert "too close" in order.info.notes[-1]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda s: s.broker.edit(s.orders[0]), "give size, price or plimit"),
        (lambda s: s.broker.edit(s.orders[0], size=0.1), "0.1 are filled already"),
        (lambda s: s.broker.edit(s.orders[0], price=-1), "price must be a positive number"),
        (lambda s: s.broker.edit(s.orders[0], plimit=5), "plimit is the limit of stop-limit orders"),
        (lambda s: s.broker.edit(s.orders[0], size=float("nan"), price="x"), "'x' is not a number"),
    ],
)
@pytest.mark.parametrize("natively", [True, False])
def test_what_cannot_be_done_leaves_the_order_and_says_why_before_anything_is_sent(backend, edit, words, natively):
    backend.edits_natively = natively
    answers = []
    script = run(
        backend, resting, lambda s: backend.accept(), lambda s: backend.fill("0.1", "49000"),
        lambda s: answers.append(edit(s)),
    )  # fmt: skip
    assert answers[0] is script.orders[0] and script.orders[0].alive()
    assert backend.edited == []
    assert words in script.orders[0].info.notes[-1]
    assert script.heard[-1][0] == "Partial"  # it is notified, too


def test_the_exchanges_own_rules_refuse_an_edit_as_well(backend):
    def edit(strategy):
        backend.refusals = ("price is not a multiple of 0.01",)
        strategy.broker.edit(strategy.orders[0], price=48_000)

    script = run(backend, resting, lambda s: backend.accept(), edit)
    assert backend.edited == [] and "not a multiple" in script.orders[0].info.notes[-1]


def test_what_waits_here_has_ended_or_is_not_known_at_the_exchange_is_not_edited(backend):
    backend.emulated = {OrderKind.STOP}
    script = run(
        backend,
        lambda s: s.buy(size=0.4, exectype=bt.Order.Stop, price=60_000),
        lambda s: s.broker.edit(s.orders[0], price=61_000),
        lambda s: backend._tell(0, Journaled()),
    )
    assert "not at the exchange" in script.orders[0].info.notes[-1]
    second = FakeBackend()
    script = run(
        second, resting, lambda s: s.broker.edit(s.orders[0], price=48_000), lambda s: second.accept(),
        lambda s: second.end(OrderStatus.CANCELED), lambda s: s.broker.edit(s.orders[0], price=48_000),
    )  # fmt: skip
    assert ["not at the exchange" in note or "has ended" in note for note in script.orders[0].info.notes] == [
        True,
        True,
    ]
    assert backend.edited == second.edited == []


def test_the_tie_of_a_pair_is_not_lost_by_an_edit(backend):
    """Another size, or another order, would leave the other one of the pair alone."""
    backend.balances = {"USDT": "0", "BTC": "1"}

    def pair(strategy):
        first = strategy.sell(size=0.4, exectype=bt.Order.Limit, price=51_000)
        strategy.sell(size=0.4, exectype=bt.Order.Stop, price=49_000, oco=first)
        return first

    def edit(strategy):
        strategy.broker.edit(strategy.orders[0], size=0.5)
        strategy.broker.edit(strategy.orders[0], price=52_000)
        backend.edits_natively = False
        strategy.broker.edit(strategy.orders[0], price=53_000)

    script = run(backend, pair, lambda s: backend.accept(0), edit)
    assert [request.price for _, request in backend.edited] == [D(52_000)]
    assert sum("tied to others" in note for note in script.orders[0].info.notes) == 2
