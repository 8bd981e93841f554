"""Real answers and frames of Binance, Bybit, OKX and Kraken: unmodified ccxt reads them, the profile judges them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from btccxt.exchange.ccxt.translate import order_update
from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.request import plain
from btccxt.model import MarketType, Origin
from tests.exchange.ccxt.replay import exchange_for, rows_of_frame
from tests.recorded import recorded_path

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
_URLS = {"binance": "wss://ws-api.binance.com:443/ws-api/v3"}

pytestmark = pytest.mark.recorded

# file, status word and filled amount of every row ('-': the message does not say)
_FRAMES = {
    "binance spot binance/spot/user_data_json": """
        execution_report_canceled canceled 0 | execution_report_expired expired 0 | execution_report_new open 0
        execution_report_stop_loss open 0 | execution_report_trade filled 1 | execution_report_wrapped open 0""",
    "binance spot binance/py_integration/ws_messages": """
        ws_spot_execution_report_binance_us filled 0.00042 | ws_spot_execution_report_calculated filled 0.01
        ws_spot_execution_report_canceled canceled 0.1 | ws_spot_execution_report_trade open 0.5
        ws_spot_execution_report_empty_client_id open 0.5 | ws_spot_execution_report_expired expired 0
        ws_spot_execution_report_pending_cancel open 0.1 | ws_spot_execution_report_rejected rejected 0
        ws_spot_execution_report_trade_l_zero filled 0.001 | ws_spot_execution_report_trade_l_zero_canceled canceled 0
        ws_spot_execution_report_trade_l_zero_expired expired 0 | ws_spot_execution_report_trade_l_zero_partial open 0.5
        ws_spot_execution_report_trade_prevention expired 0""",
    "binanceusdm linear binance/futures/user_data_json": """
        order_update_new open 0 | order_update_trade_partial open 0.001 | order_update_calculated filled 0.014
        order_update_delivery filled 1 | order_update_settlement filled 0.01
        algo_update_new open - | algo_update_canceled canceled -""",
    "binanceusdm linear binance/py_integration/ws_messages": """
        ws_futures_algo_update_triggering triggered - | ws_futures_algo_update_triggered triggered -
        ws_futures_algo_update_finished triggered - | ws_futures_algo_update_finished_canceled triggered -
        ws_futures_order_update_liquidation filled 0.1 | ws_futures_order_update_trade_reduce_only_qty filled 1""",
    "bybit linear bybit": """
        ws_account_order canceled 0 | ws_account_order_filled filled 0.1 | ws_account_order_stop_market open 0
        ws_account_order_take_profit open 0 | ws_account_order_limit_if_touched open 0
        ws_account_order_partially_filled_rejected canceled 50""",
    "okx linear okx": """
        ws_orders filled 0.03 | ws_orders_fok filled 0.05 | ws_orders_ioc open 0.02 | ws_orders_trigger filled 0.01
        ws_orders_liquidation filled 0.5
        ws_orders_algo triggered - canceled - open - triggered - open -""",
    "krakenfutures linear kraken": """
        ws_futures_open_orders_delta open 0 | ws_futures_open_orders_delta_full_fill filled 0.0001
        ws_futures_open_orders_snapshot open 0""",
}

_ANSWERS = {
    "binance spot binance/spot/http_json": """
        all_orders_response open 0 | cancel_order_response canceled 0 | new_order_full_response filled 10
        open_orders_response open 0 | order_response open 0
        cancel_open_orders_response canceled 0 canceled 0 canceled 0 canceled 0""",
    "binanceusdm linear binance/futures/http_json": "open_algo_orders open - | order_response open 0",
    "bybit linear bybit": """
        http_get_order_partially_filled_rejected canceled 0.005 | http_get_orders_history canceled 0
        http_get_orders_realtime open 0 open 0 | http_get_orders_realtime_tp_sl open 0 open 0""",
    "okx linear okx": """
        http_get_orders_history filled 0.03 | http_get_orders_pending open 0 | http_get_spread_orders open 5
        http_get_orders_algo_history triggered - | http_get_orders_algo_pending open -
        http_place_order_response unknown - | http_place_algo_order_response unknown -
        http_place_algo_order_rejected rejected - | http_cancel_algo_order_response unknown -""",
    "kraken spot kraken": "http_closed_orders filled 0.5 filled 1 | http_open_orders open 0 open 0",
    "krakenfutures linear kraken": "http_futures_open_orders open 0 open 0 open 2000",
}


def _cases(table: dict[str, str]) -> Iterator[Any]:
    for place, cases in table.items():
        exchange_id, market_type, folder = place.split()
        for case in (part for line in cases.splitlines() for part in line.split("|") if part.strip()):
            name, *words = case.split()
            expected = list(zip(words[::2], words[1::2], strict=True))
            yield pytest.param(exchange_id, MarketType(market_type), f"{folder}/{name}.json", expected, id=name)


def _check(
    exchange_id: str, market_type: MarketType, rows: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    profile = load_profile(exchange_id, market_type)
    updates = [order_update(row, profile, Origin.QUERY) for row in rows]
    found = [(update.status.value, "-" if update.filled is None else plain(update.filled)) for update in updates]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(("exchange_id", "market_type", "file", "expected"), list(_cases(_FRAMES)))
def test_a_recorded_frame_ends_in_the_right_status_and_amount(
    exchange_id: str, market_type: MarketType, file: str, expected: list[tuple[str, str]]
) -> None:
    frame = json.loads(recorded_path(f"payloads/recorded/{file}").read_text(encoding="utf-8"))
    exchange = exchange_for(exchange_id, market_type, _market_ids(frame))
    rows = rows_of_frame(exchange, frame, "order", _URLS.get(exchange_id, "wss://fstream.binance.com/private/ws"))
    _check(exchange_id, market_type, rows, expected)


@pytest.mark.parametrize(("exchange_id", "market_type", "file", "expected"), list(_cases(_ANSWERS)))
def test_a_recorded_answer_ends_in_the_right_status_and_amount(
    exchange_id: str, market_type: MarketType, file: str, expected: list[tuple[str, str]]
) -> None:
    answer = json.loads(recorded_path(f"payloads/recorded/{file}").read_text(encoding="utf-8"))
    exchange = exchange_for(exchange_id, market_type, _market_ids(answer))
    _check(exchange_id, market_type, [exchange.parse_order(raw) for raw in _orders(answer)], expected)


def _market_ids(node: Any) -> list[str]:
    if isinstance(node, dict):
        names = ("symbol", "s", "instId", "instrument", "pair")
        own = [value for key, value in node.items() if key in names and isinstance(value, str)]
        return own + [found for value in node.values() for found in _market_ids(value)]
    return [found for value in node for found in _market_ids(value)] if isinstance(node, list) else []


def _orders(answer: Any) -> list[dict[str, Any]]:
    """The order objects of an answer, wherever the exchange puts them."""
    if isinstance(answer, list):
        return [order for item in answer for order in _orders(item)]
    if not isinstance(answer, dict):
        return []
    words = ("status", "state", "orderStatus", "algoStatus", "sCode")
    if any(isinstance(answer.get(word), str) for word in words):
        return [answer]
    return [order for value in answer.values() for order in _orders(value)]
