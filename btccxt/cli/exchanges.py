"""``btccxt exchanges``: what the mapping table knows, as a table, for one exchange, or as JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from btccxt.exchange.profile import known_exchanges, load_profile, market_types
from btccxt.exchange.profile_schema import Profile
from btccxt.model import OrderFeature, OrderKind

_KEYS = [*(kind.value for kind in OrderKind), *(feature.value for feature in OrderFeature)]
_SHORT = {
    "market": "mkt", "limit": "lmt", "stop": "stop", "stop_limit": "stop lmt", "take_profit": "tp",
    "take_profit_limit": "tp lmt", "trailing_amount": "trail amt", "trailing_percent": "trail %",
    "post_only": "post", "reduce_only": "reduce", "ioc": "IOC", "fok": "FOK", "gtd": "GTD", "iceberg": "iceb",
    "attached_exits": "SL/TP", "oco": "OCO", "market_by_cost": "by cost",
}  # fmt: skip
_SIGNS = {"native": "[green]●[/]", "emulated": "[yellow]○[/]", "refused": "[dim]·[/]"}
_GRADES = {
    "sim": "runs end to end on the embedded exchange",
    "captured": "every native order kind proven by an offline capture of its HTTP request",
    "assumed": "not proven",
}


def exchanges(
    name: Annotated[str | None, typer.Argument(help="everything about this one")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
) -> None:
    """What each exchange can do: native, emulated or refused, and how well that is proven."""
    if name is None:
        profiles = [load_profile(each, market) for each in known_exchanges() for market in market_types(each)]
        if as_json:
            typer.echo(json.dumps([_row(profile) for profile in profiles], indent=2))
        else:
            _print_all(profiles)
        return
    profiles = [load_profile(name, market) for market in market_types(name)]
    if as_json:
        typer.echo(json.dumps([profile.model_dump(mode="json") for profile in profiles], indent=2, default=str))
        return
    for profile in profiles:
        _print_one(profile)


def _row(profile: Profile) -> dict[str, Any]:
    return {
        "exchange": profile.exchange, "market_type": profile.market_type.value, "verified": profile.verified,
        "testnet": profile.testnet, "orders": {key: profile.orders[key].support for key in _KEYS},
    }  # fmt: skip


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=170)


def _print_all(profiles: list[Profile]) -> None:
    console = _console()
    table = Table(header_style="bold", title="Exchanges in the mapping table", title_justify="left")
    for heading in ("exchange", "market"):
        table.add_column(heading, no_wrap=True)
    for key in _KEYS:
        table.add_column(_SHORT[key], justify="center")
    for heading in ("testnet", "proof"):
        table.add_column(heading)
    for profile in profiles:
        signs = [_SIGNS[profile.orders[key].support] for key in _KEYS]
        table.add_row(profile.exchange, profile.market_type.value, *signs, profile.testnet, profile.verified)
    console.print(table)
    console.print(f"{_SIGNS['native']} native   {_SIGNS['emulated']} emulated   {_SIGNS['refused']} refused")
    for grade, meaning in _GRADES.items():
        console.print(f"  {grade}: {meaning}", highlight=False)
    console.print("any other ccxt exchange: market and limit orders only. One of them in full: btccxt exchanges NAME")


def _print_one(profile: Profile) -> None:
    console = _console()
    console.rule(f"[bold]{profile.exchange}[/] {profile.market_type.value}: {profile.name}", align="left")
    if profile.about:
        console.print(profile.about, highlight=False)
    facts = {
        "proof": f"{profile.verified}: {_GRADES[profile.verified]}",
        "testnet": profile.testnet,
        "cash counted in": profile.quote_currency,
        "keys": ", ".join(profile.credentials),
        "client order id": f"{profile.client_id.describe()}; found by {profile.client_id.lookup}",
        "candles": _candles(profile),
        "streams": ", ".join(kind for kind in ("trades", "ticker", "orders", "fills", "balance", "positions")
                             if getattr(profile.streams, kind)) or "none",
        "trigger orders": _triggers(profile),
        "rate limits": "; ".join(f"{name}: {pool.capacity:g} per {pool.window_ms / 1000:g} s"
                                 for name, pool in profile.rate.pools.items()),
    }  # fmt: skip
    for what, value in facts.items():
        console.print(f"  [bold]{what:<16}[/] {value}", highlight=False)
    for note in profile.notes:
        console.print(f"  [bold]{'note':<16}[/] {note}", highlight=False)
    table = Table(header_style="bold")
    for heading in ("order", "", "how, or why not"):
        table.add_column(heading)
    for key in _KEYS:
        rule = profile.orders[key]
        how = rule.why or " ".join(f"{name}={value}" for name, value in {"type": rule.ccxt_type, **rule.params}.items()
                                   if value is not None)  # fmt: skip
        table.add_row(key, f"{_SIGNS[rule.support]} {rule.support}", how + (f" ({rule.note})" if rule.note else ""))
    console.print(table)


def _candles(profile: Profile) -> str:
    bars = profile.bars
    source = "streamed" if bars.stream else f"no stream: by {bars.without_stream}"
    flag = "with a closed flag" if bars.closed_flag else "without a closed flag"
    return f"{source}, {flag}; {profile.history.page_size} per page of history; {' '.join(bars.timeframes)}"


def _triggers(profile: Profile) -> str:
    rule = profile.conditional
    book = "a book of their own" if rule.separate_book else "with the other orders"
    return f"{book}, {rule.id_after_trigger} id after the trigger, watched price: {rule.default_trigger_price}"
