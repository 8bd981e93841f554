"""The user's settings, each option once: keywords of ``CCXTStore``, config file, environment -> ``StoreConfig``.

    profiles:
      binance-testnet:
        exchange: binance
        mode: testnet
        keys: {apiKey: …, secret: …}      # or in the environment: BTCCXT_BINANCE_API_KEY, BTCCXT_BINANCE_SECRET
        journal: ~/bots/testnet.db

What is given in Python wins over the file, the file over the environment (``BTCCXT_JOURNAL``, and
``BTCCXT_TIMEOUTS__STOP_S`` for a part), the environment over the default.

Whatever is wrong is said at once and before anything is sent: file, line, key, nearest valid choice. Keys are held as
pydantic's SecretStr, so that neither ``repr`` nor an error shows them; ``StoreConfig.secrets()`` hands them to the
redaction of logs, ``store/keys.py`` to the exchange.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from decimal import InvalidOperation
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from btccxt.account.contract_terms import ContractWishes, leverages, margin_modes, position_mode_asked
from btccxt.bt.warmup_policy import Then, WarmUp
from btccxt.errors import ConfigError
from btccxt.matching.paper_options import PaperOptions
from btccxt.model import MarketType, decimal_of
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.risk import RiskLimits
from btccxt.resilience.breaker import BreakerPolicy
from btccxt.resilience.checks import policy_from
from btccxt.session.stream_policy import StreamPolicy
from btccxt.sim.options import SimOptions

_SHORTEST_TOKEN = 8
Place = tuple[str | int, ...]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]

# Names of ccxt's credentials and the endings of their environment variables.
CREDENTIALS: Mapping[str, str] = MappingProxyType(
    {
        "apiKey": "API_KEY",
        "secret": "SECRET",
        "password": "PASSWORD",
        "uid": "UID",
        "walletAddress": "WALLET_ADDRESS",
        "privateKey": "PRIVATE_KEY",
        "login": "LOGIN",
        "twofa": "TWOFA",
        "token": "TOKEN",
        "accountId": "ACCOUNT_ID",
    }
)


class ChangedCcxt(str, Enum):
    """What becomes of an order kind or stream that the installed ccxt does otherwise than it was proven."""

    REFUSE = "refuse"
    WARN = "warn"


class Mode(str, Enum):
    SIM = "sim"  # the embedded exchange, offline
    PAPER = "paper"  # live data, simulated fills
    TESTNET = "testnet"  # the exchange's own, or its demo where that is all it has
    DEMO = "demo"
    LIVE = "live"

    @property
    def needs_keys(self) -> bool:
        return self in (Mode.TESTNET, Mode.DEMO, Mode.LIVE)


ModeName = Literal["sim", "paper", "testnet", "demo", "live"]


class OnStop(str, Enum):
    """What becomes of open orders when the store stops."""

    LEAVE = "leave"
    CANCEL = "cancel"
    FLATTEN = "flatten"  # cancel, then close positions at market


_SIM, _SIMULATED = (Mode.SIM,), (Mode.SIM, Mode.PAPER)


def _text_of_path(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _freeze(item) for key, item in value.items()})
    return tuple(map(_freeze, value)) if isinstance(value, (list, tuple)) else value


def _thaw(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thaw(item) for key, item in value.items()}
    return [_thaw(item) for item in value] if isinstance(value, tuple) else deepcopy(value)


FrozenMapping = Annotated[Mapping[str, Any], AfterValidator(_freeze), PlainSerializer(_thaw)]


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True, validate_default=True
    )


class Keys(_Frozen):
    """Credentials by ccxt's names. They show in no ``repr``."""

    apiKey: SecretStr | None = None
    secret: SecretStr | None = None
    password: SecretStr | None = None
    uid: SecretStr | None = None
    walletAddress: SecretStr | None = None
    privateKey: SecretStr | None = None
    login: SecretStr | None = None
    twofa: SecretStr | None = None
    token: SecretStr | None = None
    accountId: SecretStr | None = None

    def for_ccxt(self) -> dict[str, str]:
        """The plain values that are set. Hand them to ccxt and to nobody else."""
        values = ((name, getattr(self, name)) for name in CREDENTIALS)
        return {name: value.get_secret_value() for name, value in values if value and value.get_secret_value()}


class LogConfig(_Frozen):
    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    json_lines: bool = Field(default=False, alias="json")  # one JSON object a line
    file: Path | None = None  # default: the console


class Timeouts(_Frozen):
    """In seconds of this machine's clock."""

    request_s: Positive = 10.0  # of one REST call
    heartbeat_s: Positive = 30.0  # between two pings of a WebSocket
    stop_s: Positive = 10.0  # that ending may take


# Our name -> ccxt's. One of each group may be set (ccxt/base/exchange.py: check_conflicting_proxies).
_REST_PROXIES = {"http": "httpProxy", "https": "httpsProxy", "socks": "socksProxy", "url": "proxyUrl"}
_WS_PROXIES = {"ws": "wsProxy", "wss": "wssProxy", "ws_socks": "wsSocksProxy"}
_REST_SPELLINGS = ("http_proxy", "https_proxy", "socks_proxy", "proxy_url", "proxy")  # ccxt knows these as well
_WS_SPELLINGS = ("ws_proxy", "wss_proxy", "ws_socks_proxy")


class Proxies(_Frozen):
    """At most one way for REST and one for WebSocket."""

    http: SecretStr | None = None  # of REST, as http://host:port
    https: SecretStr | None = None
    socks: SecretStr | None = None  # needs aiohttp_socks
    url: SecretStr | None = None  # prefix put before every REST address
    ws: SecretStr | None = None  # of WebSocket, as http://host:port
    wss: SecretStr | None = None
    ws_socks: SecretStr | None = None

    @model_validator(mode="after")
    def _addresses(self) -> Proxies:
        for name in (*_REST_PROXIES, *_WS_PROXIES):
            value = getattr(self, name)
            if value is not None and not _is_address(value.get_secret_value()):
                raise ValueError(f"{name}: write scheme://host:port")
        if (self.socks or self.ws_socks) and find_spec("aiohttp_socks") is None:
            raise ValueError("a socks proxy needs: pip install 'btccxt[socks]'")
        return self

    def for_ccxt(self) -> dict[str, str]:
        values = ((theirs, getattr(self, ours)) for ours, theirs in (_REST_PROXIES | _WS_PROXIES).items())
        return {name: value.get_secret_value() for name, value in values if value is not None}


def _made_by(make: Callable[[Any], Any]) -> Any:
    """A field whose value another room makes and checks: from an instance of its class, or a mapping."""

    def checked(value: Any) -> Any:
        try:
            return make(value)
        except ConfigError as error:
            raise ValueError(str(error)) from None

    return PlainValidator(checked)


def _policy(cls: type[Any]) -> Any:
    return _made_by(lambda value: policy_from(cls, value))


def _paper_options(value: Any) -> Any:
    """``paper=True`` is another store's word. Raises ConfigError."""
    if isinstance(value, bool):
        raise ConfigError("write mode='paper' (the default); paper={…} is how its orders are filled")
    return policy_from(PaperOptions, value)


def _balance(value: Any) -> Any:
    """Money to begin with, None for the usual. Raises ConfigError for what is no money."""
    if value is None:
        return None
    for coin, amount in (value if isinstance(value, Mapping) else {"": value}).items():
        where = f" of {coin}" if coin else ""
        try:
            number = decimal_of(amount)
        except (InvalidOperation, TypeError, ValueError):
            raise ConfigError(f"balance{where}: {amount!r} is not a number") from None
        if isinstance(amount, bool) or not number.is_finite() or number < 0:
            raise ConfigError(f"balance{where} must be a number, not negative, but is {amount!r}")
    return _freeze(value)


class StoreConfig(_Frozen):
    """Everything a store can be told, checked. Each is a keyword of ``CCXTStore`` and a key of the file."""

    exchange: str = Field(min_length=1)
    """A ccxt id."""
    mode: Mode = Mode.PAPER
    """'sim' (the embedded exchange, offline), 'paper' (real data, simulated fills), 'testnet', 'live'."""
    market_type: MarketType | None = None
    """'spot', 'linear' or 'inverse', where the exchange has several."""
    currency: str | None = None
    """What cash and value are counted in; default: the exchange's usual one."""
    leverage: Annotated[Any, _made_by(leverages)] = None
    """Of contracts: a number for all symbols, or one for each; default: as the account has it."""
    margin_mode: Annotated[Any, _made_by(margin_modes)] = None
    """Of contracts: 'cross' or 'isolated', for all symbols or for each; default: as the account has it."""
    position_mode: Annotated[Any, _made_by(position_mode_asked)] = None
    """'hedge' (a long and a short position a symbol) or 'one_way', switched to where the account is in the other one;
    default: one-way mode, and an account in hedge mode is refused."""
    balance: Annotated[Any, _made_by(_balance)] = None
    """Start of a new sim or paper account: a number in ``currency``, or one for each coin. Default 10,000."""
    sim: Annotated[Any, _policy(SimOptions)] = Field(default_factory=SimOptions)
    """The embedded exchange of mode 'sim': a ``SimOptions`` or a mapping of its fields."""
    paper: Annotated[Any, _made_by(_paper_options)] = Field(default_factory=PaperOptions)
    """How orders of mode 'paper' are filled: a ``PaperOptions`` or a mapping of its fields."""
    tracker: Annotated[Any, _policy(TrackerPolicy)] = Field(default_factory=TrackerPolicy)
    """Every number of the order core."""
    streams: Annotated[Any, _policy(StreamPolicy)] = Field(default_factory=StreamPolicy)
    """Every number of the stream supervisor."""
    breaker: Annotated[Any, _policy(BreakerPolicy)] = Field(default_factory=BreakerPolicy)
    """When failing calls pause."""
    start_timeout_s: Positive = 60.0
    """How long ``start()`` may take."""
    config: FrozenMapping = Field(default_factory=dict, repr=False)
    """For ccxt as it is, credentials taken out (they are in ``keys``)."""
    keys: Keys = Keys()
    """Credentials by ccxt's names; better in ``.env``, the environment or the system's keyring."""
    key_env: str | None = None
    """Beginning of the environment variables with the keys; default ``BTCCXT_<EXCHANGE>``."""
    journal: Annotated[str | None, BeforeValidator(_text_of_path)] = None
    """Path of the order journal, ':memory:' for none on disk; default: in the user's state folder, in modes 'sim' and
    'paper' none. A paper account lives in it."""
    lake: Path | None = None
    """Folder where history is kept, so that it is downloaded once; default: the one of ``btccxt download``, if there is
    one. ``history_cache`` is its older name."""
    on_stop: OnStop = OnStop.LEAVE
    """What becomes of open orders when the store stops: 'leave', 'cancel', or 'flatten' (positions are closed, too)."""
    warmup: WarmUp = WarmUp.REFUSE
    """Orders that an old bar asks for: 'refuse', 'shadow' (traded in a shadow book until the data are live), 'send'."""
    warmup_then: Then = Then.FLAT
    """After a shadow: live orders begin when it is 'flat', or at once and it is bought ('adopt')."""
    max_bar_age_s: Positive | None = None
    """From when on a bar is old, on the exchange's clock; default: one bar, and at least 10 s."""
    risk: Annotated[Any, _policy(RiskLimits)] = Field(default_factory=RiskLimits)
    """Limits that no order may go beyond; what each of them means is in ``RiskLimits``."""
    changed_ccxt: ChangedCcxt = ChangedCcxt.REFUSE
    """What the installed ccxt does otherwise than proven (``btccxt selfcheck``): 'refuse' that order kind or stream, or
    'warn' and use it."""
    trading_file: Path | None = None
    """File that sets the trading state (active, reducing, halted); default: beside the journal."""
    alerts: tuple[SecretStr, ...] = ()
    """Apprise addresses that alarms are sent to; needs the extra 'alerts'."""
    log: LogConfig | None = None
    """How much is logged, and where to; default: your program's own logging decides."""
    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Port of the Prometheus metrics on this machine; needs the extra 'metrics'."""
    overrides: FrozenMapping = Field(default_factory=dict)
    """What this user knows better than ``exchanges.yaml``."""
    rate_budget: SecretStr | None = None
    """Rate limits shared by several programs: 'file:///path' or 'redis://host:port/0'."""
    rate_share_pct: float = Field(default=100.0, gt=0, le=100)
    """Part of the exchange's rate limits that this store may use."""
    retry_attempts: int = Field(default=3, ge=1)
    """How often a question is asked at most; creating or changing an order is never repeated."""
    dead_mans_switch_s: Positive | None = None
    """The exchange cancels all orders if it has not heard from us for so long; where the profile has it."""
    proxies: Proxies = Proxies()
    """Ways to the exchange: at most one for REST and one for WebSocket."""
    timeouts: Timeouts = Timeouts()
    """In seconds of this machine's clock."""
    sim_address: str | None = None
    """Of an embedded exchange that was started elsewhere."""
    _overrides_at: Callable[[Sequence[Any]], str] | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _credentials_out_of_config(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        for name, value in values.items():
            if isinstance(value, bytes):  # pydantic would decode it
                raise ValueError(f"{name}: {value!r} is bytes; write text")
        if "history_cache" in values:
            values = {("lake" if name == "history_cache" else name): value for name, value in values.items()}
        if not isinstance(values.get("config"), Mapping):
            return values
        config = dict(values["config"])
        found = {name: config.pop(name) for name in CREDENTIALS if name in config}
        if any(found.values()):
            if values.get("keys"):
                raise ValueError("credentials stand both in 'keys' and in 'config'; keep one of them")
            values = {**values, "keys": {name: value for name, value in found.items() if value}}
        return {**values, "config": config}

    @model_validator(mode="after")
    def _plausible(self) -> StoreConfig:
        for group, spellings, what in (
            (_REST_PROXIES, _REST_SPELLINGS, "REST"),
            (_WS_PROXIES, _WS_SPELLINGS, "WebSocket"),
        ):
            used = [f"proxies.{ours}" for ours in group if getattr(self.proxies, ours) is not None]
            used += [f"config.{theirs}" for theirs in (*group.values(), *spellings) if self.config.get(theirs)]
            if len(used) > 1:
                raise ValueError(f"several proxies for {what}: {', '.join(used)}; keep one of them")
        for name in ("timeout", "rateLimit"):
            number = self.config.get(name)
            if number is not None and (not isinstance(number, (int, float)) or not 0 < number < float("inf")):
                raise ValueError(f"config.{name} must be a number above zero, not {number!r}")
        given = self.model_fields_set
        for name, modes in (("sim_address", _SIM), ("sim", _SIM), ("balance", _SIMULATED), ("paper", (Mode.PAPER,))):
            if name in given and getattr(self, name) is not None and self.mode not in modes:
                names = " and ".join(repr(mode.value) for mode in modes)
                raise ValueError(f"{name} is for mode {names}, not {self.mode.value!r}; leave one of the two out")
        if self.rate_budget is not None:
            scheme = urlsplit(self.rate_budget.get_secret_value()).scheme
            if scheme not in ("file", "redis", "rediss"):
                raise ValueError("rate_budget: use file:///path or redis://host:port/0")
        return self

    @property
    def contract_wishes(self) -> ContractWishes:
        return ContractWishes(self.leverage, self.margin_mode, self.position_mode)

    def ccxt_settings(self) -> dict[str, Any]:
        """``config``, proxies and request timeout as ccxt wants them: a fresh dict, without keys."""
        request_ms = int(self.timeouts.request_s * 1000)
        settings = {"timeout": request_ms, **_thaw(self.config), **self.proxies.for_ccxt()}
        if "heartbeat_s" in self.timeouts.model_fields_set:  # else the profile knows better
            settings["streaming"] = {
                "keepAlive": int(self.timeouts.heartbeat_s * 1000), **(settings.get("streaming") or {})
            }  # fmt: skip
        return settings

    @property
    def overrides_at(self) -> Callable[[Sequence[Any]], str] | None:
        """Tells ``file:line`` of a key of ``overrides``; None where no file was read."""
        return self._overrides_at

    def secrets(self) -> Iterator[str]:
        """Every value that must not be written anywhere, for ``observe.redact.register_secret``."""
        yield from self.keys.for_ccxt().values()
        for url in self.alerts:
            yield url.get_secret_value()
            yield from _tokens(url.get_secret_value())
        proxies = [value for name, value in self.config.items() if "roxy" in name and isinstance(value, str)]
        budget = [self.rate_budget.get_secret_value()] if self.rate_budget else []
        for address in (*self.proxies.for_ccxt().values(), *proxies, *budget):
            password = urlsplit(address).password
            if password:
                yield password


def _tokens(url: str) -> Iterator[str]:
    """What an alert's address consists of, where it may be a token: apprise logs addresses in spellings of its own."""
    for piece in re.split(r"[/:@?&=#]+", url.partition("://")[2]):
        if len(piece) >= _SHORTEST_TOKEN and "." not in piece and piece != "localhost":
            yield piece


def nearest(wrong: str, choices: Collection[str]) -> str:
    near = difflib.get_close_matches(wrong, choices, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(choices)}" if choices else ""


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.scheme and parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
