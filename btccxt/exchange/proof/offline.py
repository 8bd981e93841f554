"""A ccxt instance that reaches nothing: the clock stands still, what would be sent is written down."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from btccxt.exchange.ccxt import translate
from btccxt.exchange.ccxt.ccxt_instance import HttpSession, make_instance
from btccxt.exchange.guard import decode_request
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.differences import ANY
from btccxt.exchange.proof.seals import Seals
from btccxt.model import Market
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.supervised import Tasks

NOW_MS = 1_800_000_000_000

# What belongs to the signature or the moment and not to the order.
_VOLATILE = frozenset(
    [
        *("timestamp", "Timestamp", "nonce", "recvWindow", "signature", "Signature", "SignatureMethod", "sig", "sign"),
        *("SignatureVersion", "AccessKeyId", "tag", "startTime", "endTime", "endTs", "broker_id", "api_key"),
        *("start_date", "end_date"),
    ]
)
_OF_THE_BROKER = ("refer", "broker", "user-agent", "tag", "affiliate", "clientid")
_SEALS = frozenset(("sig", "s", "r", "v"))
_SHORT, _LONG = 8, 48
_TURNS = 30  # of the loop; ccxt's own tasks need a few


class Blocked(Exception):
    """ccxt waits for something that will not come."""


class _Sent(Exception):
    """Stops ccxt once the request is written down."""


class _StandingClock:
    """Local time that does not pass."""

    speed = 1.0

    def now_ms(self) -> float:
        return float(NOW_MS)


@dataclass(frozen=True)
class Captured:
    """One HTTP request as ccxt handed it over."""

    method: str
    path: str
    fields: Mapping[str, Any]
    host: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    scheme: str = "https"
    signed: bool = True
    """False: the signature is none, what it would sign is all that counts."""

    def text(self) -> str:
        """The order in one line: nested values flattened, what belongs to the moment or the signature left out."""
        volatile = _VOLATILE | self._own_number
        pairs = sorted((name, value) for name, value in flatten(self.fields) if not volatile & set(name.split(".")))
        return f"{self.method} {self.path} " + " ".join(f"{name}={value}" for name, value in pairs)

    def line(self) -> str:
        """All of it in one line, the signature and long values as a short hash."""
        hidden = self._own_number
        plain = [(name, value) for name, value in flatten(self.fields) if not hidden & set(name.split("."))]
        fields = sorted(f"{name}={_shown(name, value, signed=self.signed)}" for name, value in plain)
        headers = sorted(f"{name}={_shown(name, value, signed=self.signed)}" for name, value in self.headers.items())
        return " ".join((self.method, f"{self.scheme}://{self.host}{self.path}", *fields, "|", *headers)).rstrip(" |")

    @property
    def _own_number(self) -> frozenset[str]:
        return frozenset({"id"} if "method" in self.fields else ())  # JSON-RPC: the call's own number


def flatten(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings and lists, by dotted path."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from flatten(value, f"{name}.{key}" if name else str(key))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from flatten(value, f"{name}.{index}" if name else str(index))
    else:
        yield name, node


def _shown(name: str, value: Any, *, signed: bool = True) -> str:
    lowered = name.lower()
    in_signature = "sign" in lowered
    if any(word in lowered for word in _OF_THE_BROKER) or (in_signature and not signed):
        return ANY
    text = str(value).replace(" ", "_")
    seals = in_signature or name.split(".")[-1] in _SEALS
    if (seals and len(text) > _SHORT) or len(text) > _LONG:
        return "#" + hashlib.sha256(text.encode()).hexdigest()[:10]
    return text


def make_offline(
    profile: Profile, keys: Mapping[str, str], market: Mapping[str, Any], environment: str = "live",
    *, for_streams: bool = False, seals: Seals | None = None,
) -> tuple[Any, Market]:  # fmt: skip
    """An unmodified ccxt instance as the product makes it, with one market, for ``capture``."""
    instance = make_instance(
        profile,
        keys,
        HttpSession(None, False),  # type: ignore[arg-type]  # nothing is ever sent
        ExchangeClock(_StandingClock()),
        testnet=environment == "testnet",
        demo=environment == "demo",
        for_streams=for_streams,
    )
    instance.enableRateLimit = instance.own_session = False
    instance.__dict__.pop("nonce", None)  # ours rises, so that it would depend on what was asked before
    first = instance.nonce()
    instance.nonce = lambda: first
    instance.uuid = lambda: "01234567-89ab-4cde-8f01-23456789abcd"
    instance.uuid16 = lambda _length=16: "0123456789abcdef"
    instance.uuid22 = lambda _length=22: "0123456789abcdef012345"
    instance.uuid5 = lambda _namespace, _name: "01234567-89ab-5cde-8f01-23456789abcd"
    instance.set_markets([dict(market)])

    async def load_markets(*_: Any, **__: Any) -> Any:
        return instance.markets

    instance.load_markets = load_markets
    instance.seals = seals if seals is not None else Seals(sparing=False)
    instance.seals.watch(instance)
    instance.accounts = [{"id": "7", "type": "spot", "code": None}]
    instance.accountsById = {"7": instance.accounts[0]}
    listed = translate.market(instance.market(market["symbol"]), instance.precisionMode, market_id=profile.market_id)
    if listed is None:
        raise Blocked(f"ccxt does not take {market['symbol']} for a market")
    return instance, listed


def rewinder(instance: Any) -> Callable[[], None]:
    """Sets an instance back to how it is now, which is faster than making another one.

    Of what it holds, the options and what is still empty are copied; the rest is only read by ccxt.
    """
    attributes, options = dict(vars(instance)), copy.deepcopy(instance.options)
    empty = [name for name, value in attributes.items() if type(value) is dict and not value]

    def rewind() -> None:
        vars(instance).clear()
        vars(instance).update(attributes, options=copy.deepcopy(options), **{name: {} for name in empty})

    rewind()
    return rewind


async def drive(awaitable: Awaitable[Any]) -> Any:
    """Its result, if it has only itself to wait for; raises Blocked where it waits for something that does not come."""

    async def asked() -> Any:
        return await awaitable

    async with Tasks() as tasks:
        task = tasks.start(asked(), "captured call")
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if task.cancelled():
                raise Blocked("ccxt gave up waiting")
            if task.done():
                return task.result()
    raise Blocked("ccxt waits for something else than an answer")


async def capture(
    instance: Any, ask: Callable[[], Awaitable[Any]], is_wanted: Callable[[Captured], bool] | None = None
) -> Captured:
    """The first request that changes something (or that ``is_wanted`` picks); reads before it get ``{}``.

    Raises Blocked when none is sent, and what ccxt raises.
    """
    caught: list[Captured] = []
    others: list[str] = []

    async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        found = captured(instance, url, method, headers, body)
        others.append(f"{method} {found.path}")
        if is_wanted(found) if is_wanted is not None else method != "GET":
            caught.append(found)
            raise _Sent
        return {}

    instance.fetch = fetch
    with contextlib.suppress(_Sent):
        await drive(ask())
    if not caught:
        raise Blocked(f"ccxt sends {', '.join(others) or 'nothing'}")
    return caught[0]


def captured(instance: Any, url: str, method: str, headers: Mapping[str, Any] | None, body: Any) -> Captured:
    """What an instance of ``make_offline`` was about to send."""
    path, fields = decode_request(url, body)
    parts = urlsplit(url)
    sent = {**(instance.headers or {}), **(headers or {})}
    return Captured(method, path, fields, parts.netloc, sent, parts.scheme, instance.seals.latest_is_made)
