"""What ``btccxt doctor`` does: one check after the other, each with what it saw."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from btccxt.config import Mode
from btccxt.errors import BtccxtError, ConfigError, MissingKeys
from btccxt.exchange.api import DrivenExchange, ExchangeAPI
from btccxt.exchange.proof.grades import grade_of
from btccxt.exchange.server_time import measure_clock
from btccxt.model import Balances, Market, MarketType, StreamEvent, StreamKey, StreamKind, StreamOpened
from btccxt.resilience.supervised import Tasks
from btccxt.store.engine import make_store
from btccxt.store.hints import CLOCK_OFF_MS
from btccxt.store.keys import DOTENV, find_keys
from btccxt.store.self_check import self_check, warning
from btccxt.store.startup import did_you_mean
from btccxt.store.store import CCXTStore
from btccxt.store.venues import ExchangeConnection, connect

_STREAM_S = 20.0
_GRADES = {
    "live": "proven on it with real money",
    "testnet": "proven on its testnet",
    "demo": "proven on its demo trading",
    "sim": "proven on the embedded exchange, never yet on the real one",
    "captured": "proven by the requests that would be sent, never yet on the exchange",
    "assumed": "assumed, not proven",
}
_SIGNS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[dim]–[/]"}


def run_doctor(
    exchange: str | None, mode: str | None, symbol: str | None, config: Path | None, profile: str | None
) -> bool:
    """True when nothing is wrong. Raises ConfigError for wrong arguments."""
    if exchange is None and config is None:
        if not Path("btccxt.yaml").exists():
            raise ConfigError("which exchange? btccxt doctor binance, or --config FILE")
        config = Path("btccxt.yaml")
    given: dict[str, Any] = {"mode": mode, "on_stop": "leave"}
    if symbol is not None and ":" in symbol:
        given["market_type"] = MarketType.LINEAR.value
    if exchange is not None and mode is None and config is None and find_keys(exchange).values:
        given["mode"] = Mode.LIVE.value  # they are for something
    try:
        store = make_store(exchange, config, profile, **{**given, "journal": ":memory:"})
    except MissingKeys as error:
        _Report().tell("keys", False, str(error))
        return False
    return asyncio.run(_Doctor(store, symbol).examine())


class _Report:
    def __init__(self) -> None:
        self._console = Console()
        self.good = True

    def tell(self, what: str, verdict: bool | None, evidence: str) -> None:
        """``verdict``: True, False, or None for what was not looked at."""
        self.good = self.good and verdict is not False
        self._console.print(f"{_SIGNS[verdict]} {what:<11} {escape(evidence)}", highlight=False, soft_wrap=True)


class _Doctor:
    def __init__(self, store: CCXTStore, symbol: str | None) -> None:
        self._store = store
        coin = store.profile.settle_currency or store.currency
        usual = f"BTC/{coin}" if store.profile.market_type is MarketType.SPOT else f"BTC/{coin}:{coin}"
        self._symbol = symbol or usual
        self._report = _Report()

    async def examine(self) -> bool:
        self._tell_of_store()
        await self._check_ccxt()
        venue = await asyncio.to_thread(self._connect)
        try:
            exchange = getattr(venue.exchange, "public", venue.exchange)
            markets = await self._step("connection", self._load(exchange))
            if markets is not None:
                await self._step("clock", self._clock(exchange, venue))
                await self._look(exchange, markets)
        finally:
            with contextlib.suppress(BtccxtError):
                await venue.exchange.close()
            await asyncio.to_thread(venue.stop)
        return self._report.good

    def _connect(self) -> ExchangeConnection:
        settings = self._store.settings
        return connect(
            self._store.mode, self._store.profile, {**settings.ccxt_settings(), **self._store.keys_for_ccxt()},
            balances={self._store.currency: Decimal(10_000)}, settings=settings, report=_ignore, sends_orders=False,
        )  # fmt: skip

    async def _look(self, exchange: ExchangeAPI, markets: Mapping[str, Market]) -> None:
        market = markets.get(self._symbol)
        if market is None:
            near = did_you_mean(self._symbol, markets)
            self._report.tell("symbol", False, f"{self._store.name} has no {self._symbol}{near}")
            return
        private = self._store.mode.needs_keys or self._store.mode is Mode.SIM
        balances = None
        if private:
            balances = await self._step("account", self._account(exchange))
        else:
            self._report.tell("account", None, "public data only: --mode live, testnet or demo looks at it, with keys")
        self._tell_of_market(market, balances)
        if isinstance(exchange, DrivenExchange):
            self._tell_of_limits(exchange)
        await self._step("prices", self._socket(exchange, StreamKey(StreamKind.TRADES, self._symbol), news=True))
        kinds = [StreamKind.ORDERS, StreamKind.BALANCE] if private else []
        for kind in kinds:
            if self._store.profile.streams.has(kind):
                await self._step(f"{kind.value} feed", self._socket(exchange, StreamKey(kind), news=False))

    async def _step(self, what: str, step: Awaitable[Any]) -> Any:
        """The step's result; None where it failed, which is told."""
        try:
            return await step
        except BtccxtError as error:
            self._report.tell(what, False, " ".join(str(error).split()))
        except (OSError, asyncio.TimeoutError) as error:
            self._report.tell(what, False, f"{type(error).__name__}: {error}")
        return None

    # -------------------------------------------------------------- the checks

    async def _check_ccxt(self) -> None:
        """An exchange that somebody wrote himself needs none."""
        store = self._store
        if isinstance(store._exchange_given, str):
            verdict, _ = await self_check(store.profile, store.mode, store.settings.changed_ccxt)
            told = warning(verdict, store.settings.changed_ccxt) or f"{verdict.ccxt}: {verdict.summary}"
            self._report.tell("ccxt", None if verdict.proven_with is None else verdict.good, told)

    def _tell_of_store(self) -> None:
        store = self._store
        profile = store.profile
        self._report.tell(
            "exchange", True,
            f"{store.name} {profile.market_type.value}, mode {store.mode.value}; "
            f"what it can do is {_GRADES[grade_of(profile)]}",
        )  # fmt: skip
        found = find_keys(store.name, store.settings, elsewhere=store.mode.needs_keys)
        if not found.values:
            self._report.tell("keys", None, "none: public data, and simulated money")
            return
        names = ", ".join(found.values)
        self._report.tell("keys", True, f"{names} from {found.source}, account {store.account}")
        if found.source.endswith(str(DOTENV)) and DOTENV.stat().st_mode & 0o077:
            self._report.tell("keys", False, f"{DOTENV.absolute()} can be read by other users: chmod 600 {DOTENV}")

    async def _load(self, exchange: ExchangeAPI) -> Mapping[str, Market]:
        began_s = asyncio.get_running_loop().time()
        await exchange.open()
        markets = await exchange.load_markets()
        took_s = asyncio.get_running_loop().time() - began_s
        self._report.tell("connection", True, f"{len(markets):,} markets in {took_s:.1f} s")
        return markets

    async def _clock(self, exchange: ExchangeAPI, venue: ExchangeConnection) -> None:
        await measure_clock(exchange, venue.clock)
        off_ms, uncertain_ms = venue.clock.offset_ms, venue.clock.uncertainty_ms
        if uncertain_ms is None:
            self._report.tell("clock", None, f"{self._store.name} does not tell its time: this machine's is taken")
            return
        good = self._store.mode is Mode.SIM or abs(off_ms) <= CLOCK_OFF_MS
        side = "behind" if off_ms > 0 else "ahead of"
        text = f"this machine's is {abs(off_ms):.0f} ms {side} the exchange's, known to ±{uncertain_ms:.0f} ms"
        self._report.tell("clock", good, text if good else f"{text}: let NTP set it")

    async def _account(self, exchange: ExchangeAPI) -> Balances:
        balances = await exchange.fetch_balance()
        held = {coin: each.total for coin, each in balances.by_currency.items() if each.total}
        positions = [each for each in await exchange.fetch_positions() if each.amount]
        orders = await exchange.fetch_open_orders(self._symbol)
        shown = ", ".join(f"{amount.normalize():f} {coin}" for coin, amount in list(held.items())[:8]) or "nothing"
        self._report.tell(
            "account", True,
            f"the keys may read it: {shown}; {len(positions)} positions, {len(orders)} open orders of {self._symbol}. "
            "Whether they may trade shows only with an order: btccxt verify --testnet, or a small first one",
        )  # fmt: skip
        return balances

    def _tell_of_market(self, market: Market, balances: Balances | None) -> None:
        coin = market.settle or market.quote
        smallest = [f"{market.min_amount.normalize():f} {market.base}"] if market.min_amount else []
        smallest += [f"{market.min_cost.normalize():f} {coin}"] if market.min_cost else []
        text = f"{market.symbol}, smallest order {' and '.join(smallest) or 'not told'}"
        text += f", fees {market.maker_rate * 100:f} % maker, {market.taker_rate * 100:f} % taker"
        enough: bool = market.active
        if not market.active:
            text += "; not active now"
        if balances is not None and market.min_cost:
            free = balances.by_currency[coin].free if coin in balances.by_currency else Decimal(0)
            enough = enough and free >= market.min_cost
            text += f"; {free.normalize():f} {coin} are free"
            text += "" if free >= market.min_cost else ": too little to buy"
        self._report.tell("symbol", enough, text)

    def _tell_of_limits(self, exchange: DrivenExchange) -> None:
        pools = self._store.profile.rate.pools
        used = exchange.limiter.usage()
        shown = [
            f"{name} {used[name].used:.0f} of {pool.capacity:g} per {pool.window_ms / 1000:g} s"
            for name, pool in pools.items()
            if name in used
        ]
        self._report.tell("limits", True, "used by this look: " + ", ".join(shown))

    async def _socket(self, exchange: ExchangeAPI, key: StreamKey, *, news: bool) -> None:
        """``news``: wait for some; else a subscription that stands is enough (nothing may happen on an account)."""
        if not exchange.can_stream(key):
            self._report.tell(_name(key), None, f"{self._store.name} has no such stream: it is asked for by REST")
            return
        came = asyncio.Event()
        began_s = asyncio.get_running_loop().time()

        def hear(_key: StreamKey, event: StreamEvent) -> None:
            if isinstance(event, StreamOpened) is not news:
                came.set()

        async with Tasks() as tasks:
            task = tasks.start(exchange.stream([key], hear), f"stream {key}")
            heard = tasks.start(came.wait(), "heard")
            done, _ = await asyncio.wait((task, heard), timeout=_STREAM_S, return_when=asyncio.FIRST_COMPLETED)
            if task in done:
                task.result()
            took_s = asyncio.get_running_loop().time() - began_s
            if came.is_set():
                self._report.tell(_name(key), True, f"{key} after {took_s:.1f} s over WebSocket")
            else:
                self._report.tell(_name(key), None if news else False, f"{key}: nothing came within {_STREAM_S:g} s")


def _name(key: StreamKey) -> str:
    return "prices" if key.kind is StreamKind.TRADES else f"{key.kind.value} feed"


def _ignore(what: str, error: BaseException) -> None:
    """What was repeated on the way is of no interest: the checks tell how it ended."""
