"""What a store opens, as settings and mapping table say: market type, order policy, journal, money; what is checked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from btccxt.config import Mode, StoreConfig
from btccxt.errors import ConfigError
from btccxt.exchange.api import DrivenExchange, ExchangeAPI
from btccxt.exchange.profile.profile import Profile, custom_profile, market_types
from btccxt.model import Market, MarketType, StreamKey, StreamKind, decimal_of
from btccxt.observe.log import EventName, get_logger
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.journal.journal import Journal, account_fingerprint, default_journal_path
from btccxt.orders.policy import TrackerPolicy, is_from_profile
from btccxt.session.dead_man import check_dead_mans_switch
from btccxt.session.metrics import MeteredJournal

log = get_logger(__name__)

_MEMORY = ":memory:"
DEFAULT_BALANCE = Decimal(10_000)
MONEY = {
    Mode.SIM: "simulated money on the embedded exchange",
    Mode.PAPER: "no money: orders are filled in this process against real prices",
    Mode.TESTNET: "play money on the exchange's testnet",
    Mode.DEMO: "play money in the exchange's demo trading",
    Mode.LIVE: "REAL MONEY",
}
"""What is traded with in each mode, for people."""


def market_type_of(exchange_id: str, given: str | MarketType | None) -> MarketType:
    """The one asked for, else the exchange's first. Raises ConfigError naming what it has."""
    offered = market_types(exchange_id)
    if given is None:
        return offered[0]
    try:
        kind = MarketType(given)
    except ValueError:
        names = ", ".join(repr(kind.value) for kind in offered)
        raise ConfigError(f"market_type={given!r}: {exchange_id} has {names}") from None
    if kind not in offered:
        raise ConfigError(f"{exchange_id} has no {kind.value} markets; it has {', '.join(o.value for o in offered)}")
    return kind


_POLLED = ("fetch_open_orders", "fetch_my_trades", "fetch_balance")
_POLLING_SHARE = 2.0  # while nothing else tells of the account, asking takes at most half of what is allowed


def tracker_policy_of(given: TrackerPolicy | None, profile: Profile) -> TrackerPolicy:
    """The user's numbers; what he left at its default and an exchange decides comes from the mapping table."""
    given = given or TrackerPolicy()
    of_exchange: dict[str, Any] = {
        "client_id_form": profile.client_id.form,
        "client_id_max_length": profile.client_id.max_length,
        "query_by_client_id": profile.client_id.lookup == "fetch_order",
        "infer_fills": not profile.streams.fills,
        "refuses_duplicates": profile.client_id.duplicate_refused == "always",
        "price_passed_texts": profile.statuses.price_passed_texts,
        "visibility_delay_s": profile.visibility_delay_ms / 1000,
        "open_orders_fast_s": max(given.open_orders_fast_s, _POLLING_SHARE * profile.rate.seconds_of(_POLLED)),
    }
    untouched = {name: value for name, value in of_exchange.items() if is_from_profile(getattr(given, name))}
    return replace(given, **untouched)


def account_lasts(settings: StoreConfig) -> bool:
    """A paper account lives in its journal; an embedded exchange of our own begins anew with the process."""
    if settings.mode is Mode.PAPER:
        return settings.journal not in (None, _MEMORY)
    return settings.mode.needs_keys or settings.sim_address is not None


def open_journal(settings: StoreConfig, keys: Mapping[str, str], alarm: Callable[[Alarm], None]) -> Journal:
    """The account's journal, locked for this process. Raises JournalError; ``alarm`` hears of what fails later."""
    exchange, mode = settings.exchange, settings.mode
    account = account_fingerprint(exchange, keys.get("apiKey") or keys.get("walletAddress"))
    path: str | Path | None = settings.journal
    lasting = mode.needs_keys
    if path is None:
        # A simulated account starts afresh with the process, so a journal of the last one would only confuse.
        path = default_journal_path(exchange, mode.value, account) if lasting else _MEMORY
    journal = MeteredJournal.open(
        path,
        exchange=exchange,
        mode=mode.value,
        account=account,
        lock_whole_account=lasting and account != account_fingerprint(exchange, None),
        on_trouble=lambda error: alarm(Alarm(AlarmKind.JOURNAL, str(error))),
    )
    log.info(EventName.JOURNAL_OPENED, exchange=exchange, mode=mode.value, path=str(path))
    return journal


def start_balances(balance: Any, currency: str) -> dict[str, Decimal]:
    """Start of a sim or paper account: one number in the account's currency, or one per coin (checked already)."""
    if balance is None:
        return {currency: DEFAULT_BALANCE}
    given = balance if isinstance(balance, Mapping) else {currency: balance}
    return {coin: decimal_of(amount) for coin, amount in given.items()}


def profile_of(exchange: ExchangeAPI, settings: StoreConfig) -> Profile:
    """What is known of an ExchangeAPI instance: its own profile, else the default and what it says of itself."""
    if isinstance(exchange, DrivenExchange):
        return exchange.profile
    here = settings.mode is Mode.PAPER  # the account then lives in this process, whatever the exchange streams
    private = {kind.value: here or exchange.can_stream(StreamKey(kind)) for kind in StreamKind if kind.is_private}
    if settings.market_type in (None, MarketType.SPOT):  # where there are no positions
        private[StreamKind.POSITIONS.value] = False
    kind = MarketType(settings.market_type or MarketType.SPOT)
    own = {"name": exchange.id, "about": "an ExchangeAPI of the user's own", "streams": private, "credentials": ()}
    # ``fetch_order`` of an ExchangeAPI takes a client order id by contract.
    own |= {"client_id": {"lookup": "fetch_order"}, **exchange.describe()}
    return custom_profile(exchange.id, kind, own, settings.overrides, settings.overrides_at)


def check_currency(exchange: str, currency: str, markets: Mapping[str, Market]) -> None:
    """Raises ConfigError with the nearest coin where the exchange trades nothing in this one."""
    known = {coin for market in markets.values() for coin in (market.base, market.quote, market.settle) if coin}
    if currency not in known:
        raise ConfigError(f"{exchange} trades nothing in {currency!r}{did_you_mean(currency, known)}")


def check_switch(settings: StoreConfig, profile: Profile, exchange: str | ExchangeAPI) -> None:
    """Raises ConfigError where a dead-man's switch is wanted and cannot be had."""
    timeout_s = settings.dead_mans_switch_s
    if timeout_s is None:
        return
    if settings.mode is Mode.PAPER:
        raise ConfigError(f"dead_mans_switch_s={timeout_s:g}: a paper account has no orders at the exchange")
    if isinstance(exchange, str):
        check_dead_mans_switch(timeout_s, profile)
    elif type(exchange).cancel_all_after is ExchangeAPI.cancel_all_after:
        raise ConfigError(f"dead_mans_switch_s={timeout_s:g}: {exchange.id} does not implement cancel_all_after()")


def ending(profile: Profile, mode: Mode, now_ms: int) -> str | None:
    """What the exchange has announced to switch off where this store goes, and when; None: nothing."""
    where: Mapping[Mode, Literal["live", "testnet", "demo"]]
    where = {Mode.TESTNET: "testnet", Mode.DEMO: "demo", Mode.LIVE: "live", Mode.PAPER: "live"}
    end = profile.ends.get(where[mode]) if mode in where else None
    if end is None:
        return None
    today = datetime.fromtimestamp(now_ms / 1000, tz=timezone.utc).date()
    when = f"in {(end.on - today).days} days" if end.on > today else "that is over"
    return f"{profile.exchange}: {end.what} on {end.on.isoformat()} ({when})"


def did_you_mean(word: str, known: Collection[str]) -> str:
    """The tail of a message about a word that none of many is."""
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
