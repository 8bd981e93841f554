"""Every number and choice of the order core in one place, with its unit in its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from btccxt.resilience.checks import check_numbers, names_its_fields, waits_of

ClientIdForm = Literal["text", "integer", "hex", "uuid"]
ExternalOrders = Literal["ignore", "adopt", "alarm"]
OnNotFound = Literal["report", "resend"]
Unprotected = Literal["exit", "retry", "alarm"]


class _FromProfile:
    """Marks a default as one that the exchange's profile replaces; what a user gives never is."""


class _Text(_FromProfile, str):
    pass


class _Whole(_FromProfile, int):  # also for yes and no: bool cannot be subclassed
    pass


class _Texts(_FromProfile, tuple[str, ...]):
    pass


class _Float(_FromProfile, float):
    pass


def _from_profile(usual: Any) -> Any:
    kinds: dict[type, type] = {str: _Text, int: _Whole, bool: _Whole, float: _Float, tuple: _Texts}
    return kinds[type(usual)](usual)


def is_from_profile(value: Any) -> bool:
    """Whether nobody gave this value of a policy, so that the exchange's profile decides."""
    return isinstance(value, _FromProfile)


@names_its_fields
@dataclass(frozen=True, slots=True)
class TrackerPolicy:
    """Wall-clock seconds throughout; what differs per exchange comes from its profile."""

    # Client order ids (profile.client_id)
    client_id_form: ClientIdForm = _from_profile("text")
    client_id_max_length: int = _from_profile(36)
    query_by_client_id: bool = _from_profile(True)  # False: look through the lists of open and closed orders instead
    # What the exchange tells
    infer_fills: bool = _from_profile(False)  # True where the exchange names no trades
    visibility_delay_s: float = _from_profile(
        2.0
    )  # an order may be invisible to queries for this long after it was accepted
    price_passed_texts: tuple[str, ...] = _from_profile(
        ("trigger immediately", "immediately trigger")
    )  # by which a refused stop is one that was hit
    refuses_duplicates: bool = _from_profile(True)  # a client order id is taken once, whatever became of its order
    # Sending
    max_send_attempts: int = 4  # of one client order id, counting only definite "not placed" answers
    send_total_s: float = 30.0
    send_backoff_s: float = 0.25  # doubled per attempt, capped by max_backoff_s
    max_backoff_s: float = 5.0
    # Finding out what became of an order
    resolve_first_s: float = 0.2
    resolve_total_s: float = 120.0  # after this an alarm; the search goes on with every reconciliation
    not_found_answers: int = 3  # explicit answers that count as proof, after the visibility delay
    on_not_found: OnNotFound = "report"  # "resend" only where the exchange refuses duplicates
    stale_request_s: float = 1.0  # a request that has waited so long for its ticket is prepared anew
    unsent_after_restart: OnNotFound = "report"  # intents that the exchange never saw: tell, or send now
    # Cancelling
    cancel_push_wait_s: float = 0.25  # a push often confirms sooner than a query
    cancel_total_s: float = 60.0
    # Contingent orders
    bracket_unprotected: Unprotected = "exit"  # the stop of a bracket is refused: close its position at market
    pair_unprotected: Unprotected = "retry"  # of a pair without an entry: guard it here, and try again
    unprotected_alarm_s: float = 5.0  # a position may be without its stop for so long
    protect_retry_s: float = (
        0.5  # before a stop that has failed is placed again; doubled each time, up to half a minute
    )
    escalate_stop_s: float = 10.0  # a stop that was hit and rests unfilled goes at market after so long
    trailing_backstop: bool = True  # a trailing stop that is kept here has a plain stop behind it at the exchange
    backstop_move_s: float = 10.0  # which follows no oftener
    backstop_move_pct: float = 10.0  # … and only by so much of the trailing distance at least
    swap_back_s: float = 5.0  # a target that has taken its stop's place gives it back when it has not filled
    swap_back_turn_pct: float = 25.0  # … or when the price has gone so much of the way to the stop
    resize_wait_s: float = 0.25  # between two changes of an exit's size; doubled each time, up to two seconds
    market_entry_wait_s: float = 0.2  # exits of a market order wait so long for the rest of its fills
    # Fills
    fills_wait_s: float = 5.0  # for trades of an order that the exchange calls closed
    fills_first_wait_s: float = 0.1
    fills_page_size: int = 50  # a page with fewer trades is the last one; the smallest default of the exchanges
    fills_overlap_ms: int = 60_000  # asked again before the last known trade
    # Reconciliation
    in_flight_check_s: float = 2.0
    open_orders_fast_s: float = _from_profile(5.0)  # private stream silent; more where the exchange allows few calls
    open_orders_slow_s: float = 120.0  # private stream alive
    private_stream_silent_s: float = 60.0
    external_orders: ExternalOrders = "alarm"
    max_parallel_queries: int = 8
    # News of orders that are not known yet
    held_news_s: float = 30.0
    held_news_limit: int = 1_000
    ask_again_s: float = 1.0  # after news without a known status; doubled per repetition
    ask_again_most_s: float = 60.0
    start_total_s: float = 60.0  # for the first reconciliation
    # Memory and shutdown
    final_orders_kept: int = 10_000
    stop_wait_s: float = 5.0

    def __post_init__(self) -> None:
        rhythms = ("in_flight_check_s", "open_orders_fast_s", "open_orders_slow_s", "ask_again_s")  # zero: no pause
        check_numbers(
            self,
            at_least_one=(
                "client_id_max_length", "max_send_attempts", "not_found_answers", "max_parallel_queries",
                "fills_page_size", "held_news_limit", "final_orders_kept",
            ),
            above_zero=rhythms,
            not_negative={*waits_of(self), "fills_overlap_ms", "swap_back_turn_pct", "backstop_move_pct"} - {*rhythms},
        )  # fmt: skip
