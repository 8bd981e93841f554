"""What ``btccxt verify`` does: an exchange's acceptance suite, with a report of what was proven."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from btccxt.cli.acceptance.report import CheckResult, Report
from btccxt.cli.acceptance.subject import NotProven, Subject
from btccxt.cli.acceptance.suite import verify as run_suite
from btccxt.config import Mode
from btccxt.errors import BtccxtError, ConfigError, ConnectionLost
from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.proof.grades import FOLDER
from btccxt.model import MarketType
from btccxt.observe.redact import register_secret
from btccxt.sim.dialects import quote_of
from btccxt.sim.options import SimOptions
from btccxt.store.build_config import build_config
from btccxt.store.keys import resolve_keys
from btccxt.store.startup import market_type_of, start_balances
from btccxt.store.venues import connect

_SIGNS = {"proven": "[green]✓[/]", "failed": "[red]✗[/]", "not applicable": "[dim]–[/]"}
_PLAY_MONEY = 1_000.0
_SIM_SPEED = 60.0


def run_verify(
    exchange: str, *, market_type: str | None, symbol: str | None, timeframe: str, testnet: bool, live: bool,
    max_notional: float | None, sim: bool, only: Sequence[str], output: Path, record: bool = False,
) -> bool:  # fmt: skip
    """Run the suite, print and write its report; True when nothing failed. Raises ConfigError, ConnectionLost."""
    mode = _mode(testnet, live, sim)
    kind = market_type_of(exchange, market_type)
    profile = load_profile(exchange, kind)
    coin = profile.settle_currency or profile.quote_currency
    if sim:
        coin = quote_of(exchange)  # what the synthetic market trades in, whatever is usual on the exchange
    usual = {MarketType.LINEAR: f"BTC/{coin}:{coin}", MarketType.INVERSE: "BTC/USD:BTC"}
    symbol = symbol or usual.get(kind, f"BTC/{coin}")
    if mode is Mode.LIVE:
        if not max_notional:
            raise ConfigError(
                "--live needs --max-notional: the most that any one order may cost, in the quote currency"
            )
        _ask_for_consent(exchange, symbol, max_notional)
    inverse = kind is MarketType.INVERSE  # not among what the embedded exchange lists of itself; settled in coins
    listed = SimOptions(speed=_SIM_SPEED, symbols=(symbol,) if inverse else None)
    own = {"sim": listed} if mode is Mode.SIM else {}
    settings = build_config({"exchange": exchange, "mode": mode.value, "market_type": kind.value, **own})
    keys = resolve_keys(exchange, mode, settings, required=profile.credentials)
    for secret in keys.values():
        register_secret(secret)
    console = Console()
    venue = connect(
        mode, profile, {**settings.ccxt_settings(), **keys},
        balances=start_balances(10.0, "BTC") if inverse else start_balances(100_000.0, coin),
        settings=settings,
        report=lambda what, error: console.print(f"[dim]{escape(what)}: {escape(str(error))}[/]"),
    )  # fmt: skip
    # Paper's own matching would only prove itself: without keys there is public data and nothing else.
    public = getattr(venue.exchange, "public", venue.exchange)
    subject = Subject(public, venue.clock, profile, symbol, timeframe, Decimal(str(max_notional or _PLAY_MONEY)))
    against = {
        Mode.SIM: "the embedded exchange", Mode.TESTNET: "testnet", Mode.LIVE: "live",
        Mode.PAPER: "live, public data only",
    }[mode]  # fmt: skip
    try:
        report = asyncio.run(
            run_suite(
                subject,
                against,
                environment="public" if mode is Mode.PAPER else mode.value,
                private=mode is not Mode.PAPER,
                only=only,
                tell=lambda each: _print(console, each),
            )
        )
    except NotProven as reason:
        raise ConfigError(str(reason)) from None
    except BtccxtError as error:
        raise ConnectionLost(f"{exchange} could not be opened: {error}") from error
    finally:
        venue.stop()
    _print_end(console, report, output)
    if record:
        _record(console, report, only)
    return report.good


def _record(console: Console, report: Report, only: Sequence[str]) -> None:
    """What grades come from is a whole run with orders, without a failure."""
    if only or not report.good or report.environment == "public":
        raise ConfigError("not recorded: only a whole run with orders and without a failure is a proof")
    console.print(f"recorded: {report.record(FOLDER)}", highlight=False, soft_wrap=True)


def _mode(testnet: bool, live: bool, sim: bool) -> Mode:
    if testnet + live + sim > 1:
        raise ConfigError("--testnet, --live and --sim exclude each other: give one of them, or none for public data")
    return Mode.TESTNET if testnet else Mode.LIVE if live else Mode.SIM if sim else Mode.PAPER


def _ask_for_consent(exchange: str, symbol: str, max_notional: float) -> None:
    """Typed, not clicked, and naming the amount: nobody types that by accident. Raises ConfigError."""
    words = f"real orders on {exchange} up to {max_notional:g}"
    typer.echo(
        f"This places REAL orders on {exchange} {symbol} and buys and sells once, at most {max_notional:g} each."
    )
    typed = typer.prompt(f"Type  {words}  to go on", default="", show_default=False)
    if typed.strip() != words:
        raise ConfigError("no consent; nothing was sent")


def _print(console: Console, result: CheckResult) -> None:
    evidence = escape(" ".join(result.evidence.split()))
    console.print(f"{_SIGNS[result.outcome]} {result.promise}  [dim]{evidence}[/]", highlight=False)


def _print_end(console: Console, report: Report, output: Path) -> None:
    page, data = report.write(output)
    console.print(f"[bold]{report.summary}[/]; report: {page} and {data}", highlight=False, soft_wrap=True)
    for left in report.left_behind:
        console.print(f"[red]may still be open:[/] {escape(left)}", highlight=False)
