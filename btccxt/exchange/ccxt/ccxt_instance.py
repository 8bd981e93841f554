"""Making ccxt instances: the class for an id, the config merged, ccxt's own habits switched off.

What is switched off and why: ccxt's throttle (an order waits behind reads), its clock (raw wall time), aiohttp's silent
resend of idempotent methods (some exchanges create orders by GET), retries of any kind.
"""

from __future__ import annotations

import difflib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import certifi

from btccxt.errors import ConfigError
from btccxt.exchange.profile.profile_schema import Profile, Switch
from btccxt.model import MarketType
from btccxt.observe.log import keep_clean
from btccxt.observe.redact import redact_text
from btccxt.resilience.clock import ExchangeClock

ConnectorFactory = Callable[[], aiohttp.BaseConnector]

SECRET_KEYS = ("apiKey", "secret", "password", "uid", "login", "privateKey", "walletAddress", "token", "twofa")
_READ_HERE = ("verify", "cafile", "aiohttp_trust_env", *SECRET_KEYS)
_REST_PROXIES = ("proxyUrl", "httpProxy", "httpsProxy", "socksProxy")
_STREAM_PROXIES = ("wsProxy", "wssProxy", "wsSocksProxy")


def ccxt_class(exchange_id: str) -> Any:
    """ccxt.pro's class for an id, else ccxt's async class. Raises ConfigError naming the nearest ids."""
    import ccxt.pro as pro  # half a second: only when an exchange is really made

    if exchange_id in pro.exchanges:
        return getattr(pro, exchange_id)
    import ccxt.async_support as rest

    if exchange_id in rest.exchanges:
        return getattr(rest, exchange_id)
    near = difflib.get_close_matches(exchange_id.lower(), rest.exchanges, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"ccxt knows {len(rest.exchanges)} exchanges"
    raise ConfigError(f"ccxt has no exchange {exchange_id!r}; {hint}")


def check_config(exchange_id: str, config: object) -> dict[str, Any]:
    """The user's ccxt config, copied. Raises ConfigError for what could only fail later and less clearly."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ConfigError(f"{exchange_id}: config must be a mapping of ccxt settings, not {type(config).__name__}")
    checked = dict(config)
    _check_names(exchange_id, checked)
    for key in SECRET_KEYS:
        if key in checked and not isinstance(checked[key], str):
            raise ConfigError(f"{exchange_id}: config[{key!r}] must be a text, not {type(checked[key]).__name__}")
    for names in (_REST_PROXIES, _STREAM_PROXIES):
        given = [name for name in names if checked.get(name)]
        if len(given) > 1:
            raise ConfigError(f"{exchange_id}: config sets {' and '.join(given)}, which exclude each other: keep one")
    if not any(checked.get(name) for name in _STREAM_PROXIES):
        # A proxy is set to hide or to reach: streams that go around it do neither.
        if proxy := checked.get("httpsProxy") or checked.get("httpProxy"):
            checked["wssProxy"] = proxy
        elif proxy := checked.get("socksProxy"):
            checked["wsSocksProxy"] = proxy
    return checked


def _check_names(exchange_id: str, config: Mapping[str, Any]) -> None:
    """ccxt takes any name and forgets it: ``apikey`` would be an account without a key."""
    known = [name for name in dir(ccxt_class(exchange_id)) if not name.startswith("_")]
    for name in config:
        if name not in known and name not in _READ_HERE:
            near = difflib.get_close_matches(str(name), [*known, *_READ_HERE], 1)
            hint = f"; did you mean {near[0]!r}?" if near else "; see the settings of exchanges in ccxt's manual"
            raise ConfigError(f"config[{name!r}]: ccxt's {exchange_id} has no such setting{hint}")


def secrets_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Values that must never appear in a text."""
    return tuple(config[key] for key in SECRET_KEYS if config.get(key))


# What ccxt asks for where no symbol says it: its own default is another market type on several exchanges.
_ASKS_FOR: Mapping[MarketType, Mapping[str, str]] = {
    MarketType.SPOT: {"defaultType": "spot"},
    MarketType.LINEAR: {"defaultType": "swap", "defaultSubType": "linear"},
    MarketType.INVERSE: {"defaultType": "swap", "defaultSubType": "inverse"},
    MarketType.OPTION: {"defaultType": "option"},
}

# The first watch call would answer with a snapshot by REST and subscribe to nothing; ours is made once, to subscribe.
_NO_SNAPSHOTS: Mapping[str, Mapping[str, bool]] = {
    "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
    "watchBalance": {"fetchBalanceSnapshot": False, "awaitBalanceSnapshot": False},
}


@dataclass(frozen=True, slots=True)
class HttpSession:
    """The one HTTP session that REST and all streams of an exchange share."""

    session: aiohttp.ClientSession
    ssl_context: ssl.SSLContext | bool
    """What ccxt needs for a SOCKS proxy; elsewhere the session's own connector verifies."""

    async def close(self) -> None:
        await self.session.close()


def make_http_session(connector: ConnectorFactory | None, config: Mapping[str, Any]) -> HttpSession:
    """Called in the loop that will own it. ``connector`` replaces the default one (own resolver, own CA)."""
    verify = config.get("verify", True)
    context: ssl.SSLContext | bool = False
    if verify:
        context = ssl.create_default_context(cafile=config.get("cafile", certifi.where()))
    made = connector() if connector is not None else aiohttp.TCPConnector(ssl=context, limit=0)
    session = aiohttp.ClientSession(connector=made, trust_env=bool(config.get("aiohttp_trust_env", False)))
    # aiohttp repeats GET, PUT and DELETE once on a dropped connection; some exchanges place orders by GET.
    session._retry_connection = False
    return HttpSession(session, context)


def make_instance(
    profile: Profile,
    config: Mapping[str, Any],
    http_session: HttpSession,
    clock: ExchangeClock,
    *,
    nonce: RisingNonce | None = None,
    testnet: bool = False,
    demo: bool = False,
    for_streams: bool = False,
) -> Any:
    """A ccxt instance in btccxt's hands: shared session, exchange's clock, profile's options under the user's own."""
    cls = ccxt_class(profile.exchange)
    settings: dict[str, Any] = {
        **config,
        "session": http_session.session,
        "options": _merged(
            {**_ASKS_FOR[profile.market_type], **_NO_SNAPSHOTS, **profile.options}, config.get("options") or {}
        ),
        # Streams go through Calls.attach()'s throttle; REST calls are counted by method before they reach ccxt.
        "enableRateLimit": for_streams,
        "enableLastHttpResponse": False,
        "enableLastJsonResponse": False,
    }
    streaming = config.get("streaming") or {}
    settings["streaming"] = {**cls.streaming, "keepAlive": profile.websocket.keep_alive_ms, **streaming}
    instance = cls(settings)
    instance.timeframes = {**(instance.timeframes or {}), **profile.bars.names}
    instance.timeout_on_exit = 0
    instance.ssl_context = http_session.ssl_context  # ccxt would load the certificates anew for each instance
    _set_clock(instance, clock, nonce or RisingNonce())
    keep_clean(instance.logger)  # at level debug it writes requests with their keys
    instance.log = _print_clean  # what ``verbose`` prints
    if testnet or demo:
        lead_to(instance, profile.switch_to("testnet" if testnet else "demo"))
    return instance


def _print_clean(*words: object) -> None:
    print(*(redact_text(str(word)) for word in words))  # noqa: T201 - the user asked for it


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for source in (below, above):
        for key, value in source.items():
            old = merged.get(key)
            merged[key] = _merged(old if isinstance(old, dict) else {}, value) if isinstance(value, Mapping) else value
    return merged


def _set_clock(instance: Any, clock: ExchangeClock, rising: RisingNonce) -> None:
    instance.milliseconds = clock.now_ms
    instance.seconds = lambda: clock.now_ms() // 1000
    instance.microseconds = lambda: clock.now_ms() * 1000
    if instance.options.get("recvWindow") is not None:
        return  # judged by a window: need not be unique, and must follow the exchange's clock back as well
    nonce = instance.nonce
    instance.nonce = lambda: rising.next(int(nonce()))


class RisingNonce:
    """Two requests in one millisecond need two nonces, where the nonce is a counter of that fineness.

    One for all instances of a key: each counts by the same clock.
    """

    def __init__(self) -> None:
        self._last = 0

    def next(self, now: int) -> int:
        if now < 10**12:  # seconds: a stamp, not a counter
            return now
        self._last = max(self._last + 1, now)
        return self._last


def lead_to(instance: Any, switch: Switch) -> None:
    """Point a ccxt instance at play money."""
    if switch == "demo":
        instance.enable_demo_trading(True)
    else:
        instance.set_sandbox_mode(True)
