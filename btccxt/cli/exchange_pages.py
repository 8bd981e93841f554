"""What a profile says, in words; and ``docs/exchanges/``: a page for each exchange, made from the mapping table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from btccxt.exchange.profile.order_rule import OrderRule
from btccxt.exchange.profile.profile import known_exchanges, load_profile, market_types
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.grades import grade_of, runs_of
from btccxt.exchange.proof.record import proven_with
from btccxt.model import MarketType, OrderFeature, OrderKind

ORDER_WORDS = [*(kind.value for kind in OrderKind), *(feature.value for feature in OrderFeature)]
GRADES = {
    "live": "every check of btccxt verify passed with real money",
    "testnet": "every check of btccxt verify passed on the exchange's testnet",
    "demo": "every check of btccxt verify passed in the exchange's demo",
    "sim": "runs end to end on the embedded exchange",
    "captured": "every native order kind proven by an offline capture of its HTTP request",
    "assumed": "not proven",
}
REGENERATE = "btccxt exchanges --docs docs/exchanges"
_SIGNS = {"native": "●", "emulated": "○", "refused": "·"}
_STREAMS = ("trades", "ticker", "orders", "fills", "balance", "positions")


def facts(profile: Profile) -> dict[str, str]:
    """Everything the profile knows beside the orders, one line each."""
    ids, bars, socket, trigger = profile.client_id, profile.bars, profile.websocket, profile.conditional
    history = profile.history
    depth = f", at most {history.max_candles_back} candles back" if history.max_candles_back else ""
    source = "streamed" if bars.stream else f"no stream: by {bars.without_stream}"
    quirks = [
        f"closed flag at {bars.closed_flag}" if bars.closed_flag else "no closed flag",
        *(["one timeframe per symbol and connection"] if bars.one_timeframe_per_symbol else []),
        *(["ccxt keeps the last candle only"] if bars.keeps_last_candle_only else []),
        *(["begins with history"] if bars.starts_with_history else []),
    ]
    streams = [name for name in _STREAMS if getattr(profile.streams, name)]
    switch = profile.dead_mans_switch
    told: dict[str, str | None] = {
        "proof": f"{grade_of(profile)}: {GRADES[grade_of(profile)]}" + _with(proven_with(profile.exchange)),
        "acceptance": "; ".join(run.text for run in runs_of(profile)),
        "the same as": profile.same_as,
        "testnet": profile.testnet + (f": {profile.no_testnet}" if profile.no_testnet else ""),
        "demo": profile.demo if profile.demo != "none" else None,
        "announced": "; ".join(f"{where}: {end.what} on {end.on}" for where, end in profile.ends.items()),
        "not served": profile.account.why,
        "cash counted in": profile.quote_currency,
        "settled in": profile.settle_currency,
        "amounts in": profile.amounts_in if profile.market_type is not MarketType.SPOT else None,
        "keys": ", ".join(profile.credentials),
        "client order id": f"{ids.describe()}; sent as {ids.create}; a duplicate is refused: {ids.duplicate_refused}"
        + (f" ({', '.join((*ids.duplicate_errors, *ids.duplicate_texts))})" if ids.duplicate_errors else ""),
        "asked by it": f"{ids.lookup}{_named(ids.query)}; cancelled{_named(ids.cancel) or ' by the exchange id'}",
        "trigger orders": f"{'a book of their own' if trigger.separate_book else 'with the other orders'}, "
        f"{trigger.id_after_trigger} id after the trigger, default price: {trigger.default_trigger_price}"
        + (f", asked with{_named(trigger.query_params)}" if trigger.query_params else ""),
        "status words": _statuses(profile.statuses.raw),
        "status fields": "; ".join(
            f"{_named(case.when).strip()} → {case.status.value}" for case in profile.statuses.cases
        ),
        "of triggers": _statuses(profile.statuses.conditional_raw),
        "after create": f"no status means {profile.statuses.after_create.value}",
        "candles": f"{source}, {', '.join(quirks)}; {' '.join(bars.timeframes) or 'timeframes as ccxt lists them'}",
        "history": f"{history.page_size} per page{depth}, "
        + ("the forming candle included" if history.forming_included else "closed candles only"),
        "market trades": _trades(profile),
        "other streams": ", ".join(streams) or "none",
        "WebSocket": f"{socket.keys_per_connection} subscriptions per connection, {socket.keys_per_frame} per frame, "
        f"a frame every {socket.frame_interval_ms} ms, keep-alive {socket.keep_alive_ms / 1000:g} s",
        "rate limits": "; ".join(
            f"{name}: {pool.capacity:g} per {pool.window_ms / 1000:g} s" for name, pool in profile.rate.pools.items()
        ),
        "order lists": _lists(profile),
        "editing orders": "native" if profile.edit == "native" else "cancel and place anew",
        "dead man's switch": "yes" if switch.available else "no",
        "ccxt options set": _named(profile.options).strip(),
    }
    return {what: value for what, value in told.items() if value}


def _trades(profile: Profile) -> str:
    if not profile.trades_listed:
        return "by stream only"
    return {
        "common": "one id by REST and stream",
        "different": "no id in common between REST and stream; known by time, price, amount and side",
        "learned": "whether REST and stream share ids is learned",
    }[profile.trade_ids]


def _lists(profile: Profile) -> str | None:
    rule = profile.order_lists
    if rule is None:
        return None
    stops, targets = (" or ".join(kinds).replace("_", " ") for kinds in (rule.stop, rule.target))
    return f"a {stops} with a {targets} of the same size: {rule.request}"


def _with(version: str | None) -> str:
    return "" if version is None else f"; proven with ccxt {version}"


def how(rule: OrderRule) -> str:
    """How an order kind reaches the exchange, or why it does not."""
    sent = {"type": rule.ccxt_type, **rule.params}
    text = rule.why or " ".join(f"{name}={_plain(value)}" for name, value in sent.items() if value is not None)
    if rule.kinds:
        text += f"; with {', '.join(rule.kinds)}"
    if rule.sides:
        text += f"; {', '.join(rule.sides)} only"
        if rule.other_side_emulated:
            text += ", the other side is emulated"
    return (text + (f" ({rule.note})" if rule.note else "")).lstrip("; ")


def _statuses(words: Mapping[str, Any]) -> str:
    return ", ".join(f"{word} → {status.value}" for word, status in words.items())


def _named(params: Mapping[str, Any] | None) -> str:
    return "".join(f" {name}={_plain(value)}" for name, value in (params or {}).items())


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


# ------------------------------------------------------------------ pages


def pages() -> dict[str, str]:
    """File name -> text, of the index and of one page for each exchange of the mapping table."""
    made = {f"{name}.md": _page(name) for name in known_exchanges()}
    return {"README.md": _index(), **made}


def write_pages(folder: Path) -> None:
    """Write all pages; those of exchanges that are no longer in the table are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


def _index() -> str:
    words = [word.replace("_", " ") for word in ORDER_WORDS]
    lines = [
        "# Exchanges",
        "",
        f"Made from `exchanges.yaml` by `{REGENERATE}`: correct the table, not these pages.",
        "",
        f"{_SIGNS['native']} native: sent to the exchange. {_SIGNS['emulated']} emulated: done on your machine, while "
        f"the program runs. {_SIGNS['refused']} refused before anything is sent.",
        "",
        *(f"* **{grade}**: {meaning}." for grade, meaning in GRADES.items()),
        "",
        f"| exchange | market | {' | '.join(words)} | testnet | proof |",
        f"|---|---|{':-:|' * len(words)}---|---|",
    ]
    for name in known_exchanges():
        for market in market_types(name):
            profile = load_profile(name, market)
            signs = " | ".join(_SIGNS[profile.orders[word].support] for word in ORDER_WORDS)
            lines.append(
                f"| [{name}]({name}.md) | {market.value} | {signs} | {profile.testnet} | {grade_of(profile)} |"
            )
    lines += ["", "Every other exchange that ccxt knows: market and limit orders, all else refused until it is proven."]
    return "\n".join(lines) + "\n"


def _page(name: str) -> str:
    profiles = [load_profile(name, market) for market in market_types(name)]
    lines = [f"# {profiles[0].name or name}", "", f"Made from `exchanges.yaml` by `{REGENERATE}`.", ""]
    for profile in profiles:
        lines += [f"## {profile.exchange}, {profile.market_type.value}", ""]
        if profile.about:
            lines += [profile.about, ""]
        lines += ["| | |", "|---|---|"]
        lines += [f"| {what} | {_cell(value)} |" for what, value in facts(profile).items()]
        if profile.notes:
            lines += ["", *(f"* {note}" for note in profile.notes)]
        lines += ["", "| order | | how, or why not |", "|---|---|---|"]
        for word in ORDER_WORDS:
            rule = profile.orders[word]
            lines.append(f"| {word.replace('_', ' ')} | {rule.support} | {_cell(how(rule))} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    """Braces and stars are meant as they stand; a bar would end the cell."""
    return " ".join(text.replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*").split())
