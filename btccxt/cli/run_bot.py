"""What ``btccxt run`` does."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.pretty import Pretty

from btccxt.bt.compat import bt
from btccxt.cli.dashboard_run import page_beside
from btccxt.cli.dates import time_ms
from btccxt.cli.plan import print_plan
from btccxt.cli.run_tables import RunRecorder, print_figures, print_orders
from btccxt.cli.screen import RunScreen
from btccxt.cli.user_errors import explained
from btccxt.config import Mode, nearest
from btccxt.errors import ConfigError, MissingKeys
from btccxt.model import MarketType
from btccxt.runs.state import RunState
from btccxt.store.config_file import load_options, profile_of_mode
from btccxt.store.engine import LiveEngine, make_store, run_backtest
from btccxt.store.plan import order_plan
from btccxt.store.strategy_file import load_strategy, parse_params

BACKTEST = "backtest"
CONFIG_FILE = Path("btccxt.yaml")
_WIDTH = 118


class DailySharpe(bt.analyzers.SharpeRatio):
    """Of daily returns, per year: these markets never close."""

    params = (("timeframe", bt.TimeFrame.Days), ("annualize", True), ("factor", 365), ("riskfreerate", 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """What the command line asks for."""

    strategy: str
    exchange: str | None
    mode: str | None
    market_type: str | None
    symbols: tuple[str, ...]
    timeframe: str
    params: tuple[str, ...]
    config: Path | None
    profile: str | None
    duration: str | None
    bars: int | None
    speed: float | None
    seed: int | None
    balance: float | None
    history: int | None
    start: str | None
    end: str | None
    journal: Path | None
    plan: bool
    page: bool
    yes: bool


def run_bot(asked: RunOrder) -> None:
    """Raises ConfigError and other known errors; exits with 1 after an error of the user's strategy."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    _check(asked)
    with explained(Path(asked.strategy.partition(".py:")[0])):
        strategy = load_strategy(asked.strategy)
        params = parse_params(asked.params)
        if asked.mode == BACKTEST:
            _backtest(asked, strategy, params, console)
        else:
            _live(asked, strategy, params, console)


def _check(asked: RunOrder) -> None:
    """Raises ConfigError for options that do not belong together."""
    modes = [*(mode.value for mode in Mode), BACKTEST]
    if asked.mode is not None and asked.mode not in modes:
        raise ConfigError(f"--mode {asked.mode}: there is no such mode{nearest(asked.mode, modes)}")
    for name in ("start", "end"):
        if getattr(asked, name) is not None and asked.mode != BACKTEST:
            option = {"start": "--from", "end": "--to"}[name]
            raise ConfigError(f"{option} is for --mode backtest; how long a run takes is --for or --bars")
    if asked.mode == BACKTEST:
        for name in ("duration", "bars", "speed", "seed", "history"):
            if getattr(asked, name) is not None:
                option = {"duration": "--for"}.get(name, f"--{name}")
                raise ConfigError(f"{option} is not for --mode backtest; its range is --from and --to")


def _source(asked: RunOrder, console: Console) -> dict[str, Any]:
    """Where the store's options come from: the command line, over the config file."""
    config = asked.config
    if config is None and asked.exchange is None:
        if not CONFIG_FILE.exists():
            raise ConfigError("which exchange? Name it (--exchange binance), or write a config file with: btccxt init")
        config = CONFIG_FILE
    profile = asked.profile
    if config is not None and profile is None and asked.mode is not None:
        # what a backtest and paper need is the same: the real market, and no keys
        profile = profile_of_mode(config, Mode.PAPER.value if asked.mode == BACKTEST else asked.mode)
    if config is CONFIG_FILE:
        console.print(f"settings from {CONFIG_FILE}" + (f", profile {escape(profile)}" if profile else ""), style="dim")
    given: dict[str, Any] = {"config_file": config, "profile": profile, "exchange": asked.exchange}
    if asked.mode not in (None, BACKTEST):
        given["mode"] = asked.mode
    if asked.journal is not None:
        given["journal"] = asked.journal
    if asked.market_type is not None:
        given["market_type"] = asked.market_type
    elif any(":" in symbol for symbol in asked.symbols):
        given["market_type"] = MarketType.LINEAR.value  # BTC/USDT:USDT names a perpetual
    sim = {name: value for name in ("speed", "seed") if (value := getattr(asked, name)) is not None}
    if sim:
        given["sim"] = sim
    if asked.balance is not None and asked.mode != BACKTEST:
        given["balance"] = asked.balance
    return given


# ------------------------------------------------------------------ live


def _live(asked: RunOrder, strategy: type[bt.Strategy], params: dict[str, Any], console: Console) -> None:
    given = _source(asked, console)
    try:
        store = make_store(**given)
    except MissingKeys:
        if not asked.plan:
            raise
        _plan_without_keys(given, strategy, console)
        return
    engine = LiveEngine(
        strategy, store=store, symbol=asked.symbols or None, timeframe=asked.timeframe, params=params,
        data_options={} if asked.history is None else {"bars": asked.history},
    )  # fmt: skip
    if asked.plan or store.mode.needs_keys:
        print_plan(console, order_plan(store, strategy))
        if asked.plan:
            return
    if store.mode is Mode.LIVE and not asked.yes:
        _ask_for_consent(console, store.name, engine.symbols)
    run = RunState(bars_kept=1)  # its figures need no more, and a bot may run for years
    engine.every_record.append(run.apply)
    screen = RunScreen(engine, console, asked.bars)
    console.print(
        f"[bold]{escape(strategy.__name__)}[/] on {store.name} {store.profile.market_type.value}, mode "
        f"{store.mode.value}: {escape(', '.join(engine.symbols))}, {asked.timeframe}. Ctrl-C ends it.",
        highlight=False,
    )
    with contextlib.ExitStack() as beside:
        if asked.page:
            console.print(f"page: {beside.enter_context(page_beside(control=False))}", highlight=False, soft_wrap=True)
        beside.enter_context(screen.shown())
        ran = engine.run(duration=asked.duration, bars=asked.bars)
    if ran is None:
        console.print("interrupted before the first bar; nothing was sent", style="yellow")
        return
    print_orders(console, run, store.currency)
    print_figures(console, run, store.currency)
    for alarm in screen.alarms:
        console.print(f"[bold red]{escape(alarm)}[/]", highlight=False)
    journal = store.journal_path
    if journal is not None:
        console.print(f"journal: {journal}", highlight=False, soft_wrap=True, markup=False)
    if "run" in run.header:  # its record could be written
        console.print("btccxt report writes this run to an HTML file; btccxt dashboard shows all", style="dim")


def _plan_without_keys(given: dict[str, Any], strategy: type[bt.Strategy], console: Console) -> None:
    """What an exchange does is the same for every account."""
    mode = given.get("mode") or load_options(given["config_file"], given["profile"], {})["mode"]
    plan = order_plan(make_store(**{**given, "mode": Mode.PAPER.value}), strategy)
    print_plan(console, replace(plan, mode=mode, account="none, keys are missing"))


def _ask_for_consent(console: Console, exchange: str, symbols: tuple[str, ...]) -> None:
    """Typed, not clicked: nobody types that by accident. Raises ConfigError."""
    words = f"trade {symbols[0]} on {exchange} with real money"
    console.print(f"[bold red]This trades with REAL MONEY on {escape(exchange)}.[/]")
    typed = typer.prompt(f"Type  {words}  to go on", default="", show_default=False)
    if typed.strip() != words:
        raise ConfigError("no consent; nothing was sent (--yes goes on without asking)")


# ------------------------------------------------------------------ the past


def _backtest(asked: RunOrder, strategy: type[bt.Strategy], params: dict[str, Any], console: Console) -> None:
    given = _source(asked, console)
    exchange, config, profile = given.pop("exchange"), given.pop("config_file"), given.pop("profile")
    ran = run_backtest(
        strategy, exchange, config_file=config, profile=profile, start=_moment("--from", asked.start),
        end=_moment("--to", asked.end), symbol=asked.symbols or None, timeframe=asked.timeframe, params=params,
        cash=10_000.0 if asked.balance is None else asked.balance,
        analyzers=(RunRecorder, bt.analyzers.DrawDown, DailySharpe, bt.analyzers.SQN), **given,
    )  # fmt: skip
    recorder = next(each for each in ran.analyzers if isinstance(each, RunRecorder))
    symbol = ran.data._dataname
    currency = symbol.partition("/")[2].partition(":")[0]
    print_orders(console, recorder.run, currency)
    print_figures(console, recorder.run, currency)
    for analyzer in ran.analyzers:
        if analyzer is not recorder:
            console.print(f"[bold]{type(analyzer).__name__}[/]")
            console.print(Pretty(_plain(analyzer.get_analysis()), max_length=40))


def _plain(found: Any) -> Any:
    """Backtrader's ordered dicts print with their class names."""
    return {key: _plain(value) for key, value in found.items()} if isinstance(found, dict) else found


def _moment(option: str, text: str | None) -> datetime | None:
    """Naive UTC, as backtrader wants it."""
    found_ms = time_ms(option, text)
    return None if found_ms is None else datetime.fromtimestamp(found_ms / 1000, timezone.utc).replace(tzinfo=None)
