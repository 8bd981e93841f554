"""Before money: how each order kind is done on this exchange, and what becomes of it if the process dies. Pure."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass

from btccxt.bt.compat import bt
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.model import OrderFeature, OrderKind
from btccxt.store.store import CCXTStore

_AT_EXCHANGE = "stays at the exchange and fills there"
_HERE = "waits in this process: does not trigger while it is away; waits again after a restart"
_NOT_SENT = "never sent"
_EMULATED: Mapping[str, str] = {
    "post_only": "checked here before it is sent",
    "reduce_only": "checked here before it is sent",
    "gtd": "ends here when its time is over; while the process is away it stays open",
    "iceberg": "the next slice is placed from here",
    "attached_exits": "placed here when the entry fills: one that fills while the process is away has none",
    "oco": "both rest at the exchange; while the process is away a fill of one does not cancel the other",
}

# What a strategy's source says where it uses a kind, beside its plain buy() and sell().
_WORDS: Mapping[str, str] = {
    "limit": r"Order\.Limit\b|plimit=|(buy|sell)_bracket\(",
    "stop": r"Order\.Stop\b|(buy|sell)_bracket\(",
    "stop_limit": r"Order\.StopLimit\b",
    "take_profit": r"\bTakeProfit\b",
    "take_profit_limit": r"\bTakeProfitLimit\b",
    "trailing_amount": r"trailamount",
    "trailing_percent": r"trailpercent",
    "post_only": r"post_only",
    "reduce_only": r"reduce_only",
    "ioc": r"\bIOC\b|['\"]ioc['\"]",
    "fok": r"\bFOK\b|['\"]fok['\"]",
    "gtd": r"\bvalid\s*=",
    "iceberg": r"iceberg",
    "attached_exits": r"(buy|sell)_bracket\(|\bparent\s*=",
    "oco": r"\boco\s*=",
}
_PLAIN = r"\b(buy|sell|close|order_target_\w+)\("


@dataclass(frozen=True, slots=True)
class PlannedKind:
    """One order kind or feature. ``used``: the strategy's source mentions it."""

    name: str
    support: str
    """native, emulated or refused"""
    if_process_dies: str
    used: bool


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """What stands on the page before money."""

    strategy: str
    exchange: str
    market: str
    mode: str
    account: str
    on_stop: str
    dead_mans_switch_s: float | None
    kinds: tuple[PlannedKind, ...]


def order_plan(store: CCXTStore, strategy: type[bt.Strategy]) -> OrderPlan:
    """By the profile and the store's settings; nothing is connected."""
    settings = store.settings
    return OrderPlan(
        strategy.__name__,
        store.name,
        store.profile.market_type.value,
        store.mode.value,
        store.account,
        settings.on_stop.value,
        settings.dead_mans_switch_s,
        planned_kinds(store.profile, _source_of(strategy)),
    )


def planned_kinds(profile: Profile, source: str) -> tuple[PlannedKind, ...]:
    """Every kind and feature of the profile, those that the source mentions first."""
    kinds = [
        PlannedKind(name, support, _if_dies(name, support), _is_used(name, source))
        for name in (*(kind.value for kind in OrderKind), *(feature.value for feature in OrderFeature))
        for support in (profile.orders[name].support,)
    ]
    return tuple(sorted(kinds, key=lambda kind: not kind.used))


def _if_dies(name: str, support: str) -> str:
    if support == "refused":
        return _NOT_SENT
    if name == OrderKind.MARKET.value:
        return "fills at once; found again at the next start"
    if support == "native":
        return _AT_EXCHANGE
    return _EMULATED.get(name, _HERE)


def _is_used(name: str, source: str) -> bool:
    pattern = _PLAIN if name == OrderKind.MARKET.value else _WORDS.get(name)
    return pattern is not None and re.search(pattern, source) is not None


def _source_of(strategy: type[bt.Strategy]) -> str:
    """Of the class and its parents that are the user's; '' where there is none (typed into a console)."""
    parts = []
    for each in strategy.__mro__:
        if each.__module__.partition(".")[0] in ("builtins", "backtrader"):
            continue
        try:
            parts.append(inspect.getsource(each))
        except (OSError, TypeError):
            continue
    return "\n".join(parts)
