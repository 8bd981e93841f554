"""The user's settings: a YAML file with profiles, keyword arguments, the environment -> one frozen ``StoreConfig``.

    profiles:
      binance-testnet:
        exchange: binance
        mode: testnet
        keys: {apiKey: …, secret: …}      # or in the environment: BTCCXT_BINANCE_API_KEY, BTCCXT_BINANCE_SECRET
        journal: ~/bots/testnet.db

Whatever is wrong is said at once and before anything is sent: file, line, key, nearest valid choice. Keys are held as
pydantic's SecretStr, so that neither ``repr`` nor an error shows them; ``StoreConfig.secrets()`` hands them to the
redaction of logs, ``resolve_keys`` to the exchange.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

from btccxt.errors import ConfigError
from btccxt.model import MarketType

_SHORTEST_TOKEN = 8
Place = tuple[str | int, ...]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

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


class Mode(str, Enum):
    SIM = "sim"  # the embedded exchange, offline
    PAPER = "paper"  # live data, simulated fills
    TESTNET = "testnet"
    LIVE = "live"

    @property
    def needs_keys(self) -> bool:
        return self in (Mode.TESTNET, Mode.LIVE)


class OnStop(str, Enum):
    """What becomes of open orders when the store stops."""

    LEAVE = "leave"
    CANCEL = "cancel"
    FLATTEN = "flatten"  # cancel, then close positions at market


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
    json_lines: bool = Field(default=False, alias="json")
    file: Path | None = None


class Timeouts(_Frozen):
    """In seconds of this machine's clock."""

    request_s: Positive = 10.0
    heartbeat_s: Positive = 30.0
    stop_s: Positive = 10.0


# Our name -> ccxt's. One of each group may be set (ccxt/base/exchange.py: check_conflicting_proxies).
_REST_PROXIES = {"http": "httpProxy", "https": "httpsProxy", "socks": "socksProxy", "url": "proxyUrl"}
_WS_PROXIES = {"ws": "wsProxy", "wss": "wssProxy", "ws_socks": "wsSocksProxy"}
_REST_SPELLINGS = ("http_proxy", "https_proxy", "socks_proxy", "proxy_url", "proxy")  # ccxt knows these as well
_WS_SPELLINGS = ("ws_proxy", "wss_proxy", "ws_socks_proxy")


class Proxies(_Frozen):
    """At most one way for REST and one for WebSocket."""

    http: SecretStr | None = None
    https: SecretStr | None = None
    socks: SecretStr | None = None
    url: SecretStr | None = None  # prefix put before every REST address
    ws: SecretStr | None = None
    wss: SecretStr | None = None
    ws_socks: SecretStr | None = None

    @model_validator(mode="after")
    def _addresses(self) -> Proxies:
        for name in (*_REST_PROXIES, *_WS_PROXIES):
            value = getattr(self, name)
            if value is not None and not _is_address(value.get_secret_value()):
                raise ValueError(f"{name}: write scheme://host:port")
        if (self.socks or self.ws_socks) and find_spec("aiohttp_socks") is None:
            raise ValueError("a socks proxy needs: pip install aiohttp_socks")
        return self

    def for_ccxt(self) -> dict[str, str]:
        values = ((theirs, getattr(self, ours)) for ours, theirs in (_REST_PROXIES | _WS_PROXIES).items())
        return {name: value.get_secret_value() for name, value in values if value is not None}


class StoreConfig(_Frozen):
    """Everything a store can be told, checked. Make one with ``build_config`` or ``load_config``."""

    exchange: str = Field(min_length=1)
    mode: Mode = Mode.PAPER
    market_type: MarketType | None = None
    currency: str | None = None
    config: FrozenMapping = Field(default_factory=dict, repr=False)
    """For ccxt as it is, credentials taken out (they are in ``keys``)."""
    keys: Keys = Keys()
    key_env: str | None = None
    """Beginning of the environment variables with the keys; default ``BTCCXT_<EXCHANGE>``."""
    journal: str | None = None
    history_cache: Path | None = None
    """Folder where closed bars are kept, so that they are downloaded once."""
    on_stop: OnStop = OnStop.LEAVE
    alerts: tuple[SecretStr, ...] = ()
    log: LogConfig | None = None
    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    overrides: FrozenMapping = Field(default_factory=dict)
    """What this user knows better than ``exchanges.yaml``."""
    rate_budget: SecretStr | None = None
    rate_share_pct: float = Field(default=100.0, gt=0, le=100)
    """Part of the exchange's rate limits that this store may use."""
    retry_attempts: int = Field(default=3, ge=1)
    dead_mans_switch_s: Positive | None = None
    """The exchange cancels all orders if it has not heard from us for so long; where the profile has it."""
    proxies: Proxies = Proxies()
    timeouts: Timeouts = Timeouts()
    sim_address: str | None = None
    _read_from: tuple[_Lines, Place] | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _credentials_out_of_config(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("config"), Mapping):
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
        if self.sim_address is not None and self.mode is not Mode.SIM:
            raise ValueError(f"sim_address is for mode 'sim', not {self.mode.value!r}")
        if self.rate_budget is not None:
            scheme = urlsplit(self.rate_budget.get_secret_value()).scheme
            if scheme not in ("file", "redis", "rediss"):
                raise ValueError("rate_budget: use file:///path or redis://host:port/0")
        return self

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
        if self._read_from is None:
            return None
        lines, place = self._read_from
        return lambda path: lines.at((*place, "overrides", *path))

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


# ------------------------------------------------------------------ keys


def resolve_keys(
    exchange: str,
    mode: Mode | str,
    config: StoreConfig | Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    required: Collection[str] | None = None,
) -> dict[str, str]:
    """The keys to sign with, plain, by ccxt's names: those of the config if it has any, else the environment's.

    The two are never mixed. The result goes to ccxt and to nobody else.

    ``config`` is a StoreConfig or ccxt's own dict. The environment counts only in the modes that need keys.
    ``required`` names what the exchange wants (default: what ccxt says of it). Raises ConfigError naming what is
    missing and where it could stand.
    """
    if mode not in [each.value for each in Mode]:
        raise ConfigError(f"mode {mode!r} is not possible{_nearest(str(mode), [each.value for each in Mode])}")
    mode, prefix = Mode(mode), None
    if isinstance(config, StoreConfig):
        plain, prefix = config.keys.for_ccxt(), config.key_env
    else:
        plain = {name: str(value) for name, value in (config or {}).items() if name in CREDENTIALS and value}
    if not mode.needs_keys:
        return plain
    prefix = prefix or "BTCCXT_" + re.sub(r"\W", "_", exchange).upper()
    in_config = bool(plain)
    if not in_config:
        environ = os.environ if environ is None else environ
        found = {name: environ.get(f"{prefix}_{ending}", "").strip() for name, ending in CREDENTIALS.items()}
        plain = {name: value for name, value in found.items() if value}
    wanted = _required_credentials(exchange) if required is None else required
    missing = [name for name in CREDENTIALS if name in wanted and name not in plain]
    if missing:
        variables = ", ".join(f"{prefix}_{CREDENTIALS[name]}" for name in missing)
        hint = "" if not in_config else "; the environment is not asked, because the config has keys"
        raise ConfigError(
            f"{exchange} in mode {mode.value!r} needs keys: {', '.join(missing)} missing. "
            f"Put them under 'keys' in the config or set {variables}{hint}"
        )
    return plain


def _required_credentials(exchange: str) -> Collection[str]:
    import ccxt  # heavy, and needed only here

    known = getattr(ccxt, exchange, None) if exchange in ccxt.exchanges else None
    if known is None:
        return ("apiKey", "secret")
    return [name for name, wanted in known().requiredCredentials.items() if wanted]


# ------------------------------------------------------------------ building and loading


def build_config(values: Mapping[str, Any], place: Place = (), lines: _Lines | None = None) -> StoreConfig:
    """Check ``values`` (names as in the file). Raises one ConfigError with every fault."""
    try:
        config = StoreConfig.model_validate(dict(values))
        config._read_from = (lines, place) if lines is not None else None
        return config
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=True)
    # Raised out here, so that no traceback drags the rejected values along.
    raise ConfigError("\n".join(_explain(dict(fault), place, lines or _Lines("settings", None)) for fault in faults))


def load_config(path: str | Path, profile: str | None = None) -> StoreConfig:
    """Read one profile of a YAML file; the name may be left out if the file has only one.

    Raises ConfigError: file unreadable, not YAML, a key twice, a profile that is not there, or as ``build_config``.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path}: {getattr(error, 'strerror', None) or 'is not UTF-8 text'}") from None
    data, lines = _parse(path, text)
    for name in data:
        if name != "profiles" and not str(name).startswith("x-"):
            raise ConfigError(f"{lines.at((name,))}: unknown key {name!r}; the file begins with 'profiles:'")
    profiles = data.get("profiles")
    if not isinstance(profiles, dict) or not profiles:
        raise ConfigError(f"{path}: no profiles; the file begins with 'profiles:' and a name for each")
    names = [str(name) for name in profiles]
    if profile is None:
        if len(names) > 1:
            raise ConfigError(f"{path}: choose a profile: {', '.join(names)}")
        profile = names[0]
    if profile not in names:
        raise ConfigError(f"{path}: no profile {profile!r}{_nearest(profile, names)}")
    values = profiles[next(name for name in profiles if str(name) == profile)]
    place = ("profiles", profile)
    if not isinstance(values, dict):
        raise ConfigError(f"{lines.at(place)}: profile {profile!r} is empty or not a mapping")
    return build_config(values, place, lines)


class _Lines:
    """Where in the file a key stands."""

    def __init__(self, name: str, root: yaml.Node | None) -> None:
        self._name = name
        self._root = root

    def at(self, place: Place) -> str:
        """``file:line`` of the key at ``place``, or of the nearest one above it that the file really has."""
        node, line = self._root, None
        for step in place:
            if isinstance(node, yaml.MappingNode):
                entry = next(((key, value) for key, value in node.value if str(key.value) == str(step)), None)
                if entry is None:
                    break
                line, node = entry[0].start_mark.line + 1, entry[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
        return self._name if line is None else f"{self._name}:{line}"


def _parse(path: Path, text: str) -> tuple[dict[Any, Any], _Lines]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_twice(path, root)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        # What YAML quotes from the file could be part of a key.
        problem = re.sub(r"'[^']*'", "'…'", error.problem or "is not YAML")
        fault = f"{path}{line}: {problem}; texts with special characters need quotes"
    except yaml.YAMLError as error:
        fault = f"{path}: is not YAML ({type(error).__name__})"
    else:
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: is empty; the file begins with 'profiles:'")
        return data, _Lines(str(path), root)
    raise ConfigError(fault)


def _refuse_twice(path: Path, node: yaml.Node | None) -> None:
    """YAML lets the second of two equal keys win in silence: ``mode: paper`` could be ``live`` a screen below."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_twice(path, item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and key.value != "<<" and seen.setdefault(key.value, line) != line:
            raise ConfigError(f"{path}:{line}: {key.value!r} stands already in line {seen[key.value]}")
        _refuse_twice(path, value)


_PARTS: Mapping[Place, type[BaseModel]] = {
    (): StoreConfig,
    ("keys",): Keys,
    ("log",): LogConfig,
    ("proxies",): Proxies,
    ("timeouts",): Timeouts,
}


def _explain(fault: Mapping[str, Any], place: Place, lines: _Lines) -> str:
    inside: Place = tuple(fault["loc"])
    where = lines.at((*place, *inside))
    name = ".".join(str(step) for step in (*place, *inside))
    head = f"{where}: {name}: " if name else f"{where}: "
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        part = _PARTS.get(inside[:-1])
        known = [field.alias or own for own, field in part.model_fields.items()] if part else []
        return f"{head}unknown key{_nearest(str(inside[-1]), known)}"
    if kind in ("enum", "literal_error"):
        return f"{head}{fault['input']!r} is not possible{_nearest(str(fault['input']), _quoted(context['expected']))}"
    if kind == "missing":
        return f"{head}is missing"
    text = str(fault["msg"]).removeprefix("Value error, ")
    if kind == "string_type":
        text = "must be text; put it in quotes"
    elif kind.startswith(("greater_than", "less_than")):
        text = f"{text[:1].lower()}{text[1:]}, not {fault['input']!r}"
    return head + text


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']+)'", text)


def _nearest(wrong: str, choices: Collection[str]) -> str:
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
