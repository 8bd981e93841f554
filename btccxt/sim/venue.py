"""The exchange behind its dialects: engine, market, clock and accounts, put together. No sockets here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from btccxt.errors import ConfigError
from btccxt.matching.brackets import Bracket
from btccxt.matching.engine import Engine
from btccxt.matching.records import Event
from btccxt.model import Bar, Trade, decimal_of
from btccxt.sim.clock import MarketClock, SimClock, SteppedClock
from btccxt.sim.connection import Connection
from btccxt.sim.dialects.base import Dialect, SimAccount
from btccxt.sim.faults import Fault, Faults
from btccxt.sim.market import CHUNK_MS, CandleEvent, MarketRunner, MarketSource
from btccxt.sim.mirror import BookMirror

_TICK_S = 0.1
_DAY_BAR_AGE_S = 1.0
_START_BALANCE = Decimal(100_000)
_CASH = ("USDT", "USD", "USDC", "EUR")
_THIRD_COIN_FEES = MappingProxyType({"BNB": Decimal("0.25")})

CallHandler = Callable[[Connection, str, Mapping[str, Any], Callable[[], bytes], Callable[[Fault], bytes]], None]


class SimVenue:
    """What dialects see of the exchange; implements ``dialects.base.Venue``."""

    def __init__(
        self,
        source: MarketSource,
        *,
        clock: MarketClock | None,
        speed: float,
        start_ms: int | None,
        seed: int,
        accounts: Iterable[SimAccount] | None,
        balances: Mapping[str, Decimal | int | float | str] | None,
        limits: Mapping[str, Mapping[str, int]],
        faults: Faults,
        call: CallHandler,
        fee_currency: str | None = None,
        forming_every_ms: int | None = None,
        brackets: Mapping[str, Sequence[Bracket]] | None = None,
    ) -> None:
        self.clock: MarketClock = clock or SimClock(source.start_ms if start_ms is None else start_ms, speed)
        self.seed = seed
        self.call = call
        self.engine = Engine(source.symbols.values(), third_coin_fees=_THIRD_COIN_FEES, brackets=brackets)
        if forming_every_ms is None:
            forming_every_ms = int(max(500, 100 * self.clock.speed))  # at most ten updates a wall second
        self.market = MarketRunner(self.engine, source, self.clock, forming_every_ms=forming_every_ms)
        self.accounts = _open_accounts(self.engine, accounts, balances, fee_currency)
        self._by_key = {account.api_key: account for account in self.accounts.values()}
        self._limits = limits
        self._faults = faults
        self._dialects: tuple[Dialect, ...] = ()
        self._mirrors: dict[str, BookMirror] = {}
        self._day_bars: dict[str, tuple[float, Bar]] = {}

    def attach(self, dialects: Iterable[Dialect]) -> None:
        """Tell these dialects whatever happens."""
        self._dialects = tuple(dialects)
        unknown = self._limits.keys() - {dialect.name for dialect in self._dialects}
        if unknown:
            raise ConfigError(f"limits name dialects that are not in use: {', '.join(sorted(unknown))}")
        self.engine.listen(self._on_event)
        self.market.on_candle(self._on_candle)
        self.market.on_step(lambda _: self._tick())

    # -------------------------------------------------------------- time

    @property
    def speed(self) -> float:
        return self.clock.speed

    def now_ms(self) -> int:
        return self.market.now_ms

    def server_time_ms(self) -> int:
        return self.clock.now_ms() + self._faults.skew_ms

    def wall_s(self) -> float:
        return time.monotonic()

    def checks_time(self) -> bool:
        return not isinstance(self.clock, SteppedClock)

    def catch_up(self) -> None:
        """Bring the market to the clock's time before a call is judged; a long way is left to ``run``."""
        now_ms = self.clock.now_ms()
        if now_ms - self.market.now_ms <= CHUNK_MS:
            self.market.step(now_ms)

    async def caught_up(self) -> None:
        """Return when the market is at least where the clock stands now, however far that is.

        An answer must not be older than its question: a client that has read our clock would take the last candle of
        a market that lags behind for a closed one. The target stands still, so that a market too slow for its clock
        gives late answers, but gives them; and other tasks get their turns.
        """
        target_ms = self.clock.now_ms()
        while target_ms - self.market.now_ms > CHUNK_MS:
            self.market.step(self.market.now_ms + CHUNK_MS)
            await asyncio.sleep(0)
        self.market.step(max(target_ms, min(self.clock.now_ms(), self.market.now_ms + CHUNK_MS)))

    def advance(self, ms: int) -> None:
        if not isinstance(self.clock, SteppedClock):
            raise TypeError("this clock runs by itself; give the exchange a SteppedClock to advance it by hand")
        self.market.step(self.clock.advance(ms))

    async def run(self) -> None:
        """Let the market live until cancelled."""
        ticks = asyncio.get_running_loop().create_task(self._tick_forever(), name="sim-ticks")
        try:
            await self.market.run()
            await ticks  # a recording has ended: orders and their books live on
        finally:
            ticks.cancel()

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._tick()

    # -------------------------------------------------------------- news to dialects

    def _on_event(self, event: Event) -> None:
        for dialect in self._dialects:
            dialect.on_event(event)

    def _on_candle(self, event: CandleEvent) -> None:
        for dialect in self._dialects:
            dialect.on_candle(event.symbol, event.timeframe, event.bar, event.closed)

    def _tick(self) -> None:
        for dialect in self._dialects:
            dialect.on_tick()

    # -------------------------------------------------------------- what dialects ask

    def account_by_key(self, api_key: str) -> SimAccount | None:
        return self._by_key.get(api_key)

    def limits_of(self, dialect: str) -> Mapping[str, int]:
        return self._limits.get(dialect, {})

    def watch_candle(self, symbol: str, timeframe: str) -> None:
        self.market.watch(symbol, timeframe)

    def history(self, symbol: str, timeframe: str, since_ms: int, until_ms: int, limit: int) -> list[Bar]:
        return self.market.history(symbol, timeframe, since_ms, until_ms, limit)

    def last_bars(self, symbol: str, timeframe: str, until_ms: int, limit: int) -> list[Bar]:
        return self.market.last_bars(symbol, timeframe, until_ms, limit)

    def trades(self, symbol: str, since_ms: int, until_ms: int, limit: int) -> list[Trade]:
        return self.market.trades(symbol, since_ms, until_ms, limit)

    def last_trades(self, symbol: str, limit: int) -> list[Trade]:
        return self.market.last_trades(symbol, limit)

    def mirror(self, symbol: str) -> BookMirror:
        if symbol not in self._mirrors:
            self._mirrors[symbol] = BookMirror(self.engine, symbol)
        return self._mirrors[symbol]

    def day_bar(self, symbol: str) -> Bar | None:
        now_s = self.wall_s()
        age_s, bar = self._day_bars.get(symbol, (float("-inf"), None))
        if bar is None or now_s - age_s > _DAY_BAR_AGE_S:
            bar = self._sum_up_day(symbol)
            if bar is None:
                return None
            self._day_bars[symbol] = now_s, bar
        last = self.engine.last(symbol)
        if last is None:
            return bar
        close = float(last)
        return Bar(bar.open_ms, bar.open, max(bar.high, close), min(bar.low, close), close, bar.volume)

    def _sum_up_day(self, symbol: str) -> Bar | None:
        try:
            bars = self.last_bars(symbol, "1h", self.now_ms(), 24)
        except ValueError:  # recorded bars longer than an hour
            bars = self.last_bars(symbol, "1d", self.now_ms(), 1)
        if not bars:
            return None
        return Bar(
            bars[0].open_ms,
            bars[0].open,
            max(bar.high for bar in bars),
            min(bar.low for bar in bars),
            bars[-1].close,
            sum(bar.volume for bar in bars),
        )


def _open_accounts(
    engine: Engine,
    accounts: Iterable[SimAccount] | None,
    balances: Mapping[str, Decimal | int | float | str] | None,
    fee_currency: str | None,
) -> Mapping[str, SimAccount]:
    """``fee_currency``: of accounts that name none."""
    if accounts is None:
        start = {coin: decimal_of(amount) for coin, amount in balances.items()} if balances is not None else None
        accounts = (SimAccount(balances=_start_balances(engine) if start is None else start),)
    elif balances is not None:
        raise ConfigError("give balances to each SimAccount, or give no accounts")
    opened: dict[str, SimAccount] = {}
    for account in accounts:
        if account.name in opened or account.api_key in {known.api_key for known in opened.values()}:
            raise ConfigError(f"two accounts are called {account.name!r} or share the key {account.api_key!r}")
        engine.open_account(account.name, account.balances, account.fee_currency or fee_currency)
        opened[account.name] = account
    return MappingProxyType(opened)


def _start_balances(engine: Engine) -> dict[str, Decimal]:
    """100,000 of each currency that prices are in; of the first quote coin where there is no such currency."""
    quotes = list(dict.fromkeys(market.settle or market.quote for market in engine.markets.values()))
    cash = [coin for coin in quotes if coin in _CASH] or quotes[:1]
    return dict.fromkeys(cash, _START_BALANCE)
