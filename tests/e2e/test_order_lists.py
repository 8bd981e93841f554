"""A stop and a target as one order list at Binance, through real sockets: both rest, also while no program runs."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from btccxt.bt.compat import bt
from btccxt.model import OrderKind
from btccxt.sim.faults import Fault, FaultKind
from tests.e2e.stage import Player, Step
from tests.e2e.test_contingent_orders import (
    PRICE,
    alarms,
    buys,
    cancels_by_hand,
    once,
    prints,
    resting,
    run,
    statuses,
    venue,
)

NET = D("0.0999")  # what 0.1 less the fee in the coin leaves
BOTH = [("sell", "limit", NET), ("sell", "stop", NET)]
OCO = "/api/v3/orderList/oco"


def enters(place: Any, **terms: Any) -> Step:
    return Step(PRICE, lambda p: buys(p, exectype=bt.Order.Market, **terms), once(lambda p: resting(place) == BOTH))


def tells(player: Player) -> bool:
    return any("MAX_NUM_ORDER_LISTS" in str(news) for news in player.store_news)


def sent_orders(place: Any) -> int:
    return place.call(lambda exchange: len(exchange.engine.orders("main")))


def test_both_rest_and_the_stop_is_hit() -> None:
    with venue() as place:
        player = run(place, enters(place), Step(D(62_900)), Step(D(58_000)), Step(D(45_000)))
        assert statuses(player) == "entry Completed stop Completed target Canceled"
        assert (player.position.size, resting(place), alarms(player), sent_orders(place)) == (0, [], [], 3)
        assert player.made["stop"].info.exchange_order_id
        assert not player.made["target"].info.get("emulated")


def test_the_money_of_a_pair_is_bound_once() -> None:
    free: list[float] = []
    with venue() as place:
        run(place, enters(place), Step(PRICE, lambda p: free.append(p.broker.getfree("BTC"))))
        assert free == [0.0]


def test_a_wick_at_the_target_fills_a_part_and_what_is_left_is_a_list_again() -> None:
    rest = NET - D("0.001")
    with venue() as place:
        player = run(
            place,
            enters(place),
            Step(
                PRICE,
                lambda p: prints(place, D(63_000)),
                once(lambda p: p.made["target"].executed.size == -0.001),
            ),
            Step(PRICE, until=once(lambda p: resting(place) == [("sell", "limit", rest), ("sell", "stop", rest)])),
            Step(D(58_000)),
            Step(D(45_000)),
        )
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])
        assert statuses(player) == "entry Completed stop Completed target Canceled"


def test_a_target_that_fills_in_part_and_then_the_price_falls() -> None:
    with venue() as place:

        def shallow(player: Player) -> None:
            def go(each: Any) -> None:
                now_ms = int(each.clock.now_ms())
                each.engine.set_depth(place.symbol, [(D(63_000), D("0.04"))], [(D(63_100), D(1))], now_ms)

            place.call(go)

        rest = NET - D("0.04")
        player = run(
            place,
            enters(place),
            Step(PRICE, shallow, once(lambda p: p.made["target"].executed.size == -0.04)),
            Step(D(61_500), until=once(lambda p: resting(place) == [("sell", "limit", rest), ("sell", "stop", rest)])),
            Step(D(58_000)),
            Step(D(45_000)),
        )
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])
        sizes = {name: order.executed.size for name, order in player.made.items()}
        assert (sizes["target"], sizes["stop"]) == (-0.04, pytest.approx(-float(rest)))


def test_a_gap_through_the_stop() -> None:
    with venue() as place:
        player = run(place, enters(place), Step(D(50_000)), Step(D(50_000)))
        assert statuses(player) == "entry Completed stop Completed target Canceled"
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])


def test_a_refused_list_leaves_the_stop_at_the_exchange_and_the_target_here() -> None:
    body = '{"code":-1013,"msg":"Filter failure: MAX_NUM_ORDER_LISTS"}'
    with venue() as place:
        place.faults.add(Fault(FaultKind.ERROR_BEFORE, path=OCO, status=400, body=body, times=None))
        player = run(
            place,
            Step(
                PRICE,
                lambda p: buys(p, exectype=bt.Order.Market),
                once(lambda p: resting(place) == [("sell", "stop", NET)] and tells(p)),
            ),
            Step(PRICE),
            Step(D(63_500), until=once(lambda p: not any(order.alive() for order in p.made.values()))),
            Step(D(63_500)),
        )
        assert statuses(player) == "entry Completed stop Canceled target Completed"
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])


@pytest.mark.parametrize("kind", [OrderKind.STOP, OrderKind.LIMIT])
def test_a_leg_cancelled_by_hand_takes_the_list_which_comes_back(kind: OrderKind) -> None:
    with venue() as place:
        player = run(
            place,
            enters(place),
            Step(
                PRICE,
                lambda p: cancels_by_hand(place, kind),
                once(lambda p: sent_orders(place) == 5 and resting(place) == BOTH),
            ),
            Step(PRICE),
            Step(D(58_000)),
            Step(D(58_000)),
        )
        assert statuses(player) == "entry Completed stop Completed target Canceled"
        assert (player.position.size, alarms(player)) == (0, ["unprotected"])


@pytest.mark.parametrize("price", [D(63_500), D(58_000)], ids=["target", "stop"])
def test_what_happens_while_no_program_runs_is_found_by_the_next(tmp_path: Any, price: D) -> None:
    journal = tmp_path / "journal.sqlite3"
    with venue() as place:
        run(place, enters(place), Step(PRICE), store=place.store(journal))
        assert resting(place) == BOTH
        place.move(price)
        assert resting(place) == []
        player = run(place, Step(price), Step(price), store=place.store(journal))
        assert (place.balances()["BTC"], resting(place), alarms(player)) == (0, [], [])
        ends = {order.ordtypename() + order.getordername(): order.getstatusname() for order in player.order_news}
        done, gone = ("SellLimit", "SellStop") if price > PRICE else ("SellStop", "SellLimit")
        assert (ends[done], ends[gone]) == ("Completed", "Canceled")


def test_a_restart_finds_the_list_as_it_stands(tmp_path: Any) -> None:
    journal = tmp_path / "journal.sqlite3"
    with venue() as place:
        run(place, enters(place), Step(PRICE), store=place.store(journal))
        player = run(place, Step(PRICE), Step(D(58_000)), Step(D(58_000)), store=place.store(journal))
        assert (place.balances()["BTC"], resting(place), alarms(player), sent_orders(place)) == (0, [], [], 3)


def test_a_list_whose_answer_is_lost_is_found() -> None:
    with venue() as place:
        place.faults.add(Fault(FaultKind.LOSE_ANSWER, path=OCO))
        player = run(place, enters(place), Step(PRICE), Step(D(58_000)), Step(D(58_000)))
        assert statuses(player) == "entry Completed stop Completed target Canceled"
        assert (resting(place), alarms(player), sent_orders(place)) == ([], [], 3)


def test_a_tied_order_is_not_edited_here_and_that_is_said() -> None:
    with venue() as place:
        player = run(
            place,
            enters(place),
            Step(PRICE, lambda p: p.broker.edit(p.made["stop"], price=58_500)),
            Step(PRICE),
        )
        assert resting(place) == BOTH
        assert any("cancel them and place them anew" in note for note in player.made["stop"].info.notes)


@pytest.mark.parametrize("limit_first", [True, False])
def test_a_pair_that_a_strategy_makes_is_one_list_whichever_was_given_first(limit_first: bool) -> None:
    def act(player: Player) -> None:
        limit, stop = (
            {"size": 0.1, "exectype": bt.Order.Limit, "price": 63_000},
            {"size": 0.1, "exectype": bt.Order.Stop, "price": 59_000},
        )
        first = player.sell(**(limit if limit_first else stop))
        player.made = {"first": first, "second": player.sell(**(stop if limit_first else limit), oco=first)}

    with venue(balances={"USDT": D(50_000), "BTC": D("0.1")}) as place:
        player = run(
            place,
            Step(PRICE, act, once(lambda p: [kind for _, kind, _ in resting(place)] == ["limit", "stop"])),
            Step(PRICE),
            Step(D(63_500)),
            Step(D(63_500)),
        )
        assert (player.position.size, resting(place), alarms(player)) == (0, [], [])
        assert sorted(order.getstatusname() for order in player.made.values()) == ["Canceled", "Completed"]
