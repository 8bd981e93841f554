"""Settings that cannot work are refused at start, in one error that names the setting, before anything is sent."""

from __future__ import annotations

import threading

import pytest

from btccxt import CCXTStore
from btccxt.errors import BtccxtError, ConfigError
from btccxt.model import StreamKind
from btccxt.orders.policy import TrackerPolicy
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.breaker import BreakerPolicy
from btccxt.resilience.limiter import PoolRule
from btccxt.resilience.retry import RetryPolicy
from btccxt.session.streams import StreamPolicy
from tests.heal.kit import exchange

NAN, FOREVER = float("nan"), float("inf")


@pytest.fixture(scope="module")
def venue():
    with exchange() as background:
        yield background


# What stands in the file under the profile -> words of the one error.
IN_THE_FILE = {
    "proxies: {http: 'http://a:1', https: 'http://a:1'}": ("several proxies for REST", "proxies.http, proxies.https"),
    "proxies: {http: 'http://a:1', url: 'http://b:1'}": ("several proxies for REST", "keep one"),
    "proxies: {ws: 'http://a:1', wss: 'http://b:1'}": ("several proxies for WebSocket", "keep one"),
    "proxies: {https: 'http://a:1'}\n    config: {httpProxy: 'http://b:1'}": ("proxies.https, config.httpProxy",),
    "config: {httpsProxy: 'http://a:1', http_proxy: 'http://b:1'}": ("config.httpsProxy, config.http_proxy",),
    "config: {wsProxy: 'http://a:1', wss_proxy: 'http://b:1'}": ("config.wsProxy, config.wss_proxy",),
    "proxies: {http: 'a:1'}": ("proxies", "http: write scheme://host:port"),
    "proxies: {htpp: 'http://a:1'}": ("proxies.htpp", "did you mean 'http'"),
    "rate_budget: 'redis://127.0.0.1:9/0'": ("rate_budget", "127.0.0.1:9", "leave rate_budget out"),
    "rate_budget: 'redis://127.0.0.1:nine/0'": ("rate_budget", "127.0.0.1:nine"),
    "rate_budget: 'postgres://127.0.0.1/0'": ("rate_budget", "redis://host:port/0"),
    "rate_budget: 'file:///proc/nowhere/budget'": ("rate_budget", "choose another path"),
    "rate_share_pct: 0": ("rate_share_pct", "greater than 0"),
    "rate_share_pct: 101": ("rate_share_pct", "less than or equal to 100"),
    "rate_share_pct: -5": ("rate_share_pct", "greater than 0"),
    "retry_attempts: 0": ("retry_attempts", "greater than or equal to 1"),
    "config: {rateLimit: 0}": ("config.rateLimit", "above zero"),
    "config: {timeout: -1}": ("config.timeout", "above zero"),
    "config: {timeout: .inf}": ("config.timeout", "above zero"),
    "config: {apikey: x}": ("config['apikey']", "did you mean 'apiKey'"),
    "config: {enablRateLimit: true}": ("enablRateLimit", "did you mean 'enableRateLimit'"),
    "overrides: {rate: {pools: {weight: {capacity: 0, window_ms: 60000}}}}": ("capacity", "greater than 0"),
    "overrides: {rate: {pools: {weight: {capacity: 9, window_ms: -1}}}}": ("window_ms", "greater than 0"),
    "overrides: {websocket: {keys_per_connection: 0}}": ("keys_per_connection", "greater than"),
    "timeouts: {request_s: -1}": ("timeouts.request_s", "greater than 0"),
    "timeouts: {request_s: 0}": ("timeouts.request_s", "greater than 0"),
    "timeouts: {request_s: .nan}": ("timeouts.request_s",),
    "timeouts: {request_s: .inf}": ("timeouts.request_s", "finite"),
    "timeouts: {heartbeat_s: -30}": ("timeouts.heartbeat_s", "greater than 0"),
    "timeouts: {stop_s: -1}": ("timeouts.stop_s", "greater than 0"),
    "timeouts: {connect_s: 5}": ("timeouts.connect_s", "unknown key"),
    "timeouts: {request: 5}": ("timeouts.request", "did you mean 'request_s'"),
    "dead_mans_switch_s: -1": ("dead_mans_switch_s", "greater than 0"),
    "metrics_port: 0": ("metrics_port", "greater than or equal to 1"),
    "metrics_prot: 9000": ("metrics_prot", "did you mean 'metrics_port'"),
    "log: {level: loud}": ("log.level", "not possible"),
    "log: {file: /proc/nowhere/btccxt.log}": ("log", "/proc/nowhere/btccxt.log"),
    "on_stop: panic": ("on_stop", "leave"),
    "alerts: ['nonsense']": ("alert", "apprise"),
    "journal: /proc/nowhere/journal.db": ("journal", "/proc/nowhere"),
}


@pytest.mark.parametrize("setting", IN_THE_FILE)
def test_a_setting_of_the_file_that_cannot_work_is_one_error_before_anything_is_sent(setting, venue, tmp_path):
    words = IN_THE_FILE[setting]
    file = tmp_path / "btccxt.yaml"
    file.write_text(
        f"profiles:\n  main:\n    exchange: binance\n    mode: sim\n    sim_address: '{venue.address}'\n    {setting}\n"
    )
    sent: list[str] = []
    venue.exchange.on_request(lambda seen: sent.append(seen.path))
    before = set(threading.enumerate())
    with pytest.raises(BtccxtError) as caught:
        _start(CCXTStore.from_config(file))
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path for path in sent if not path.startswith("/sim")] == []
    assert {each for each in threading.enumerate() if each.is_alive()} <= before


def _start(store: CCXTStore) -> None:
    store.getbroker()
    try:
        store.start()
    finally:
        store.stop()


AS_ARGUMENTS = [
    ({"start_timeout_s": -1}, "start_timeout_s"),
    ({"start_timeout_s": 0}, "start_timeout_s"),
    ({"start_timeout_s": NAN}, "start_timeout_s"),
    ({"start_timeout_s": "60"}, "start_timeout_s"),
    ({"dead_mans_switch_s": 0}, "dead_mans_switch_s"),
    ({"config": {"timeout": 0}}, "config.timeout"),
    ({"config": {"httpProxy": "http://a:1", "socksProxy": "http://b:1"}}, "config.httpProxy, config.socksProxy"),
    ({"overrides": {"rate": {"pools": {"weight": {"capacity": 0, "window_ms": 1000}}}}}, "capacity"),
    ({"sim": {"speed": -1}}, "speed"),
]


@pytest.mark.parametrize(("arguments", "words"), AS_ARGUMENTS)
def test_an_argument_of_the_store_that_cannot_work_is_one_error(arguments, words):
    with pytest.raises(ConfigError) as caught:
        CCXTStore("binance", mode="sim", **arguments)
    assert words in str(caught.value)


# Every time, interval and count of every policy a user can hand in.
POLICIES = {
    StreamPolicy: {
        "above zero": (
            "least_silence_s", "most_silence_s", "check_every_s", "open_within_s", "told_within_s",
        ),
        "zero or more": ("proven_after_s", "recover_after_s"),
        "at least 1": ("keys_per_connection", "degrade_after"),
    },
    Backoff: {"above zero": ("start_s", "max_s"), "zero or more": ("first_s", "jitter"), "at least 1": ("factor",)},
    BreakerPolicy: {"above zero": ("open_s", "max_open_s"), "at least 1": ("failures_to_open", "probes")},
    RetryPolicy: {
        "zero or more": ("first_delay_s", "max_delay_s", "max_retry_after_s", "jitter"),
        "at least 1": ("attempts", "factor"),
    },
    TrackerPolicy: {
        "above zero": ("in_flight_check_s", "open_orders_fast_s", "open_orders_slow_s", "ask_again_s"),
        "zero or more": (
            "visibility_delay_s", "send_total_s", "stale_request_s", "send_backoff_s", "max_backoff_s",
            "resolve_first_s", "resolve_total_s", "cancel_push_wait_s", "cancel_total_s", "fills_wait_s",
            "fills_first_wait_s", "fills_overlap_ms", "private_stream_silent_s", "held_news_s", "ask_again_most_s",
            "start_total_s", "stop_wait_s", "unprotected_alarm_s", "protect_retry_s", "escalate_stop_s", "swap_back_s",
            "swap_back_turn_pct", "resize_wait_s", "market_entry_wait_s", "backstop_move_s", "backstop_move_pct",
        ),
        "at least 1": (
            "client_id_max_length", "max_send_attempts", "not_found_answers", "fills_page_size",
            "max_parallel_queries", "held_news_limit", "final_orders_kept",
        ),
    },
}  # fmt: skip
WRONG = {"above zero": (0, -1, NAN, FOREVER, "5"), "zero or more": (-0.1, NAN, FOREVER), "at least 1": (0, -3, NAN)}
CASES = [
    (policy, name, value, words)
    for policy, kinds in POLICIES.items()
    for words, names in kinds.items()
    for name in names
    for value in WRONG[words]
]


@pytest.mark.parametrize(("policy", "name", "value", "words"), CASES)
def test_a_time_or_count_of_a_policy_that_cannot_work_is_refused_by_its_name(policy, name, value, words):
    with pytest.raises(ConfigError) as caught:
        policy(**{name: value})
    assert f"{policy.__name__}.{name} must be" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize("policy", POLICIES)
def test_no_number_of_a_policy_is_left_unchecked(policy):
    numbers = {
        name
        for name in policy.__dataclass_fields__
        if isinstance(getattr(policy(), name), (int, float)) and policy.__annotations__[name] != "bool"
    }
    assert numbers == {name for names in POLICIES[policy].values() for name in names}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"silence_ms": {StreamKind.BARS: 0}}, "silence_ms"),
        ({"silence_ms": {"bars": 60_000}}, "silence_ms"),
    ],
)
def test_silence_has_to_be_a_time_of_a_stream_kind(options, words):
    with pytest.raises(ConfigError, match=words):
        StreamPolicy(**options)


def test_a_rate_limit_of_zero_is_refused():
    for capacity, window_ms in ((0, 1000), (-1, 1000), (5, 0), (NAN, 1000), (5, FOREVER)):
        with pytest.raises(ConfigError, match="rate limit 'weight'"):
            PoolRule("weight", capacity, window_ms)
