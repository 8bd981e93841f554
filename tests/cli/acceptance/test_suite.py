"""The acceptance suite proves what the embedded exchange keeps, and each check fails when its promise is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from btccxt.cli.acceptance.private import PRIVATE, KindCheck, kind_checks
from btccxt.cli.acceptance.public import PUBLIC
from btccxt.cli.acceptance.suite import promise_of
from btccxt.errors import OrderNotFound, Refused
from btccxt.model import Balances, BarUpdate, OrderFeature, OrderKind, OrderStatus, OrderUpdate, Ticker, Trade
from btccxt.sim.faults import Fault, FaultKind
from tests.cli.acceptance.kit import Lie, outcome, run_suite
from tests.exchange.ccxt.sim_kit import SPOT


async def test_an_honest_exchange_passes_every_check_and_nothing_is_left_open() -> None:
    heard: list[str] = []
    report, sim = await run_suite(tell=lambda result: heard.append(result.promise))
    assert report.good, [result for result in report.results if result.outcome == "failed"]
    expected = [promise_of(check) for check in (*PUBLIC, *PRIVATE, *kind_checks(SPOT))]
    assert heard == expected
    skipped = [result.promise for result in report.results if result.outcome == "not applicable"]
    assert skipped == ["a market by cost order is accepted found and ended"]
    assert sim.engine.orders("main", open_only=True) == []


async def test_without_keys_only_public_checks_run_and_nothing_is_placed() -> None:
    report, sim = await run_suite(private=False, only=["ticker", "rests", "stop"])
    assert {result.scope for result in report.results} == {"public"}
    assert sim.engine.orders("main") == []


# ------------------------------------------------------------------ every check is seen failing


@dataclass(frozen=True)
class Broken:
    """How a promise is broken: lies in answers, in events, or a fault of the embedded exchange."""

    lies: dict[str, Lie] | None = None
    event_lie: Lie | None = None
    fault: Fault | None = None


def _raise_not_found(_: Any) -> Any:
    raise OrderNotFound("who?")


def _rows(change: Callable[[Any], Any]) -> Lie:
    return lambda rows: [change(row) for row in rows]


def _frozen_time() -> Lie:
    return lambda _: 1_767_225_600_000


def _unless(kind: type, change: Callable[[Any], Any] = lambda event: None) -> Lie:
    return lambda event: change(event) if isinstance(event, kind) else event


def _status(status: OrderStatus) -> Lie:
    return lambda order: replace(order, status=status)


def _without_cancels(event: Any) -> Any:
    return None if isinstance(event, OrderUpdate) and event.status is OrderStatus.CANCELED else event


def _wrong_close(event: Any) -> Any:
    if isinstance(event, BarUpdate):
        return replace(event, bar=replace(event.bar, volume=event.bar.volume + 1))
    return event


def _negative(balances: Balances) -> Balances:
    held = balances.by_currency["USDT"]
    return replace(balances, by_currency={"USDT": replace(held, free=Decimal(-1))})


def _missing_bar() -> Lie:
    """History that has lost one of its minutes for good."""
    return lambda bars: [bar for bar in bars if bar.open_ms // 60_000 % 7]


_BROKEN: dict[str, Broken] = {
    "the_exchanges_time_is_told_and_runs_with_our_clock": Broken({"fetch_time": _frozen_time()}),
    "the_market_is_listed_with_its_steps": Broken(
        {"load_markets": lambda markets: {name: replace(each, price_step=None) for name, each in markets.items()}}
    ),
    "the_ticker_has_a_bid_below_its_ask": Broken({"fetch_ticker": lambda told: replace(told, bid=told.ask * 2)}),
    "public_trades_are_told_in_order_and_fresh": Broken({"fetch_trades": lambda trades: trades[::-1]}),
    "every_timeframe_of_the_profile_is_served_on_its_grid": Broken(
        {"fetch_ohlcv": _rows(lambda bar: replace(bar, open_ms=bar.open_ms + 500))}
    ),
    "history_pages_join_without_hole_or_repetition": Broken({"fetch_ohlcv": _missing_bar()}),
    "trades_come_by_stream": Broken(event_lie=_unless(Trade, lambda trade: replace(trade, price=0.0))),
    "tickers_come_by_stream": Broken(event_lie=_unless(Ticker, lambda told: replace(told, bid=told.ask * 2))),
    "closed_bars_come_by_stream_and_equal_history": Broken(event_lie=_wrong_close),
    "history_and_live_bars_meet_without_a_hole": Broken({"fetch_ohlcv": _missing_bar()}),
    "balances_are_told_and_not_negative": Broken({"fetch_balance": _negative}),
    "an_unknown_order_is_said_to_be_unknown": Broken(
        fault=Fault(FaultKind.ERROR_BEFORE, method="GET", path="*/order", status=500, times=None)
    ),
    "a_limit_order_far_from_the_market_rests": Broken({"fetch_order": _status(OrderStatus.EXPIRED)}),
    "an_order_is_found_by_its_client_id_alone": Broken({"fetch_order": _raise_not_found}),
    "a_resting_order_is_among_the_open_orders_until_cancelled": Broken({"fetch_open_orders": lambda orders: []}),
    "a_cancel_ends_an_order_unfilled": Broken({"fetch_order": _status(OrderStatus.FILLED)}),
    "the_private_stream_tells_of_an_order_and_its_cancel": Broken(event_lie=_without_cancels),
    "a_market_order_fills_and_its_fills_add_up": Broken({"fetch_my_trades": lambda fills: fills[:-1]}),
}


@pytest.mark.parametrize("name", [check.__name__ for check in (*PUBLIC, *PRIVATE)])
async def test_a_check_fails_when_its_promise_is_broken(name: str) -> None:
    broken, promise = _BROKEN[name], name.replace("_", " ")

    def prepare(sim: Any, exchange: Any) -> None:
        if broken.fault is not None:
            sim.faults.add(broken.fault)

    report, _ = await run_suite(
        [promise], lies=broken.lies, event_lie=broken.event_lie, prepare=prepare, patience_s=0.5
    )
    found = outcome(report, promise)
    assert found.outcome == "failed", found
    assert found.evidence and not report.good


_PLACED_KINDS = [check.key for check in kind_checks(SPOT) if check.key is not OrderFeature.MARKET_BY_COST]


@pytest.mark.parametrize("key", _PLACED_KINDS, ids=lambda key: key.value)
async def test_a_kind_that_the_exchange_turns_into_something_else_is_found_out(
    key: OrderKind | OrderFeature,
) -> None:
    ended = key in (OrderFeature.IOC, OrderFeature.FOK)
    lie = _status(OrderStatus.OPEN if ended else OrderStatus.EXPIRED)
    report, _ = await run_suite([promise_of(KindCheck(key))], lies={"fetch_order": lie}, patience_s=0.5)
    assert outcome(report, promise_of(KindCheck(key))).outcome == "failed"


# ------------------------------------------------------------------ money


async def test_no_order_costs_more_than_allowed() -> None:
    report, sim = await run_suite(["rests", "fills", "stop"], max_notional=1)
    private = [result for result in report.results if result.scope == "private"]
    assert private and {result.outcome for result in private} == {"not applicable"}
    assert all("more than the 1 allowed" in result.evidence for result in private)
    assert sim.engine.orders("main") == []


async def test_what_a_failed_check_leaves_is_cancelled_at_once() -> None:
    def shy(orders: Any) -> Any:
        return []

    report, sim = await run_suite(["among the open orders"], lies={"fetch_open_orders": shy}, patience_s=0.5)
    assert not report.good and report.left_behind == ()
    placed = sim.engine.orders("main")
    assert placed and not any(order.is_open for order in placed)


async def test_an_order_that_cannot_be_confirmed_as_ended_is_named_in_the_report() -> None:
    report, _ = await run_suite(["rests"], lies={"fetch_order": _status(OrderStatus.OPEN)}, patience_s=0.3)
    assert not report.good
    assert len(report.left_behind) == 1 and "may still be open" in report.left_behind[0]
    assert report.left_behind[0] in report.as_markdown()


async def test_coins_that_were_bought_and_not_sold_again_are_named_in_the_report() -> None:
    report, _ = await run_suite(["its fills add up"], lies={"fetch_balance": _stuck()}, patience_s=0.3)
    assert not report.good
    assert "bought by" in report.left_behind[0] and "not sold again" in report.left_behind[0]


def _stuck() -> Lie:
    first: list[Any] = []

    def same(balances: Any) -> Any:
        first.append(balances)
        return first[0]

    return same


async def test_an_answer_that_was_lost_is_asked_after_and_not_sent_again() -> None:
    def lose(sim: Any, exchange: Any) -> None:
        sim.faults.add(Fault(FaultKind.LOSE_ANSWER, method="POST", path="*/order"))

    report, sim = await run_suite(["rests"], prepare=lose)
    assert report.good, report.results
    assert len(sim.engine.orders("main")) == 1


# ------------------------------------------------------------------ the report


async def test_the_report_says_what_was_proven_when_and_with_which_versions(tmp_path: Any) -> None:
    report, _ = await run_suite(["bid below"])
    page, data = report.write(tmp_path)
    told = json.loads(data.read_text())
    assert told["results"][0]["promise"] == "the ticker has a bid below its ask"
    assert told["results"][0]["outcome"] == "proven" and told["good"] is True
    assert set(told["versions"]) == {"btccxt", "ccxt", "python"}
    assert told["started"].endswith("+00:00") and told["against"] == "the embedded exchange"
    text = page.read_text()
    assert "1 proven, 0 failed" in text and told["versions"]["ccxt"] in text and told["started"] in text
    assert "sim-secret" not in text + data.read_text()


def _refusing(_placed: Any) -> Any:
    raise Refused("could not immediately match")


async def test_an_ioc_order_may_end_unfilled_by_a_refusal_if_the_exchange_then_knows_it_so() -> None:
    ioc = promise_of(KindCheck(OrderFeature.IOC))
    report, _ = await run_suite([ioc], lies={"create_order": _refusing})
    assert outcome(report, ioc).outcome == "proven"
    resting = {"create_order": _refusing, "fetch_order": _status(OrderStatus.OPEN)}
    report, _ = await run_suite([ioc], lies=resting, patience_s=0.3)
    assert outcome(report, ioc).outcome == "failed"
    limit = promise_of(KindCheck(OrderKind.LIMIT))
    report, _ = await run_suite([limit], lies={"create_order": _refusing}, patience_s=0.3)
    assert outcome(report, limit).outcome == "failed"
