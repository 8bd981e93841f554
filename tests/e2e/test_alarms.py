"""What a person must know reaches the log, notify_store and the service of the alerts: once, and not in a flood."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal as D
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.matching.records import EngineReject, RejectCode
from btccxt.model import OrderKind
from btccxt.orders.events import AlarmKind
from btccxt.sim.faults import Fault, FaultKind
from tests.e2e.stage import Player, Step, Venue, play, quick_policy

PRICE = D(60_000)


class Service:
    """Somewhere that alerts are sent to, and what it was sent."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, str]] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def store_with(venue: Venue, service: Service, folder, **policy) -> CCXTStore:
    """A store whose config file names the service."""
    config = folder / "btccxt.yaml"
    profile = {
        "exchange": venue.exchange_id, "mode": "sim", "sim_address": str(venue.address), "journal": str(folder / "j"),
        "alerts": [service.url],
    }  # fmt: skip
    config.write_text(json.dumps({"profiles": {"test": profile}}))
    return CCXTStore.from_config(config, profile="test", tracker=quick_policy(venue.exchange_id, **policy))


def told(player: Player, kind: AlarmKind) -> list[str]:
    alarms = [news.about for news in player.store_news if getattr(news, "kind", None) == "alarm"]
    return [alarm.text for alarm in alarms if alarm.kind is kind]


def heard(kind: AlarmKind, times: int = 1):
    return lambda player: len(told(player, kind)) >= times


def logged(caplog, kind: str) -> int:
    return sum(
        "alert_raised" in record.getMessage() and f"kind={kind}" in record.getMessage() for record in caplog.records
    )


# ------------------------------------------------------------------ what goes wrong


def drift(venue: Venue, store: CCXTStore) -> list[Step]:
    deposit = lambda player: venue.slip("USDT", "5")  # noqa: E731
    return [Step(PRICE), Step(PRICE, deposit, until=heard(AlarmKind.DRIFT)), Step(PRICE)]


def overfill(venue: Venue, store: CCXTStore) -> list[Step]:
    """The exchange's list of trades has one more than the order asked for."""

    def one_more(player: Player) -> None:
        def go(exchange) -> None:
            trades = exchange.engine._fills["main"]
            trades.append(replace(trades[-1], trade_id=trades[-1].trade_id + 1_000))

        venue.call(go)

    def rest(player: Player) -> None:  # so that trades are asked for
        player.buy(size=0.01)
        player.buy(size=0.01, exectype=bt.Order.Limit, price=50_000.0)

    return [Step(PRICE, rest), Step(PRICE, one_more, until=heard(AlarmKind.OVERFILL)), Step(PRICE)]


def unknown_outcome(venue: Venue, store: CCXTStore) -> list[Step]:
    """The answer is lost, and nobody answers what became of it."""

    def buy(player: Player) -> None:
        for fault in (
            Fault(FaultKind.LOSE_ANSWER, method="POST", path="*/order"),
            Fault(FaultKind.ERROR_BEFORE, method="GET", path="*/order", times=None),
            Fault(FaultKind.ERROR_BEFORE, method="GET", path="*Orders", times=None),
            Fault(FaultKind.LOSE_FRAME, stream="user", times=None),
        ):
            venue.faults.add(fault)
        player.buy(size=0.01, exectype=bt.Order.Limit, price=50_000.0)

    def found(player: Player) -> bool:
        if told(player, AlarmKind.OUTCOME_UNKNOWN):
            venue.faults.clear()
        return bool(told(player, AlarmKind.OUTCOME_UNKNOWN)) and not any(
            order.state.is_in_flight for order in store._tracker.open_orders()
        )

    return [Step(PRICE, buy, until=found), Step(PRICE)]


def bracket(player: Player) -> None:
    player.buy_bracket(size=0.05, price=59_900.0, stopprice=59_800.0, limitprice=61_000.0)


def protective_rejected(venue: Venue, store: CCXTStore) -> list[Step]:
    """The exchange takes no more stops."""

    def refuse_stops(exchange: Any) -> None:
        submit = exchange.engine.submit

        def refusing_lists(account: str, orders: Any, *rest: Any, **more: Any) -> Any:
            raise EngineReject(RejectCode.MARKET_CLOSED, "no stops just now")

        def refusing(account: str, order: Any, *rest: Any, **more: Any) -> Any:
            if order.kind is OrderKind.STOP:
                raise EngineReject(RejectCode.MARKET_CLOSED, "no stops just now")
            return submit(account, order, *rest, **more)

        exchange.engine.submit, exchange.engine.submit_list = refusing, refusing_lists

    venue.call(refuse_stops)
    fall = Step(D(59_850), until=heard(AlarmKind.PROTECTIVE_REJECTED))
    return [Step(PRICE, bracket), fall, Step(D(59_850))]


def journal_trouble(venue: Venue, store: CCXTStore) -> list[Step]:
    """The disk is full: the order is not sent, and its strategy hears why."""

    def fill_disk(player: Player) -> None:
        journal = store._journal
        pages = journal._read(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0]).result()
        journal._read(lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchone()).result()
        journal.note("x" * 100_000, 0)

    def make_room(player: Player) -> None:
        assert player.made["refused"].getstatusname() == "Rejected"
        store._journal._read(lambda connection: connection.execute("PRAGMA max_page_count=1000000").fetchone()).result()

    def buy(player: Player) -> None:
        player.made["refused"] = player.buy(
            size=0.01, exectype=bt.Order.Limit, price=50_000.0, params={"x": "y" * 9_000}
        )

    return [
        Step(PRICE, fill_disk, until=heard(AlarmKind.JOURNAL)),
        Step(PRICE, buy, until=lambda player: not player.made["refused"].alive()),
        Step(PRICE, make_room),
        Step(PRICE),
    ]


CASES = [
    (drift, AlarmKind.DRIFT, "drift", "USDT"),
    (overfill, AlarmKind.OVERFILL, "overfill", "filled 0.02, asked for 0.01"),
    (unknown_outcome, AlarmKind.OUTCOME_UNKNOWN, "unknown_outcome", "BTC/USDT"),
    (
        protective_rejected,
        AlarmKind.PROTECTIVE_REJECTED,
        "protective_order_rejected",
        "its position is closed at market",
    ),
    (journal_trouble, AlarmKind.JOURNAL, "journal_trouble", "full"),
]


@pytest.mark.parametrize(("happen", "kind", "alert", "says"), CASES, ids=[case[2] for case in CASES])
def test_each_reaches_the_log_the_strategy_and_the_service_once(tmp_path, service, caplog, happen, kind, alert, says):
    caplog.set_level(logging.ERROR)
    with Venue() as venue:
        store = store_with(venue, service, tmp_path, resolve_total_s=0.5)
        ran, _ = play(venue, store, happen(venue, store))
    (text,) = told(ran, kind)
    assert says in text
    assert logged(caplog, alert) == 1
    sent = [body for body in service.bodies if body["title"] == f"btccxt: {alert}"]
    assert len(sent) == 1
    assert text in sent[0]["message"]


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm", "bybit", "okx"])
def test_a_price_that_falls_through_entry_and_stop_at_once_is_told_and_no_alarm(exchange):
    """The stop would trigger when it is placed, so it is refused: the position is closed, as by a stop that is hit."""

    def closed(player: Player) -> bool:
        return not player.position.size and not any(order.alive() for order in player.broker.orders)

    with Venue(exchange) as venue:
        steps = [Step(PRICE, bracket), Step(D(59_700), until=closed), Step(D(59_700))]
        ran, _ = play(venue, venue.store(escalate_stop_s=1.0), steps)
        ends = [order.getstatusname() for order in ran.broker.orders]
        assert ends[:2] == ["Completed", "Completed"]
        assert ends[2] in ("Canceled", "Expired")  # Expired where the exchange ends it with the position
        assert venue.position() == 0
    kinds = [getattr(news, "kind", None) for news in ran.store_news]
    assert "alarm" not in kinds
    if "order" in kinds:  # where a trigger that has passed is refused, not executed at once
        assert "had passed stop" in str(ran.store_news[kinds.index("order")])
    else:
        assert exchange in ("bybit", "okx")


def test_a_flood_of_the_same_trouble_is_sent_once_and_counted(tmp_path, service, caplog):
    """The strategy hears of each; a person is not woken three times within a minute."""
    caplog.set_level(logging.ERROR)

    def deposit(player: Player) -> None:
        venue.slip("USDT", "5")

    with Venue() as venue:
        store = store_with(venue, service, tmp_path)
        steps = [Step(PRICE, deposit, until=heard(AlarmKind.DRIFT, number)) for number in (1, 2, 3)]
        with store.kept_open():
            ran, _ = play(venue, store, [Step(PRICE), *steps, Step(PRICE)])
            suppressed = store._notifier._alerts.suppressed
    assert len(told(ran, AlarmKind.DRIFT)) == 3
    assert logged(caplog, "drift") == 1
    assert [body["title"] for body in service.bodies] == ["btccxt: drift"]
    assert suppressed == 2
