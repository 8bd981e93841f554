"""What each mode connects to: the embedded exchange, real data with simulated fills, a testnet, or real money.

Imported when a store starts: it brings ccxt and the embedded exchange along.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from btccxt.config import Mode, StoreConfig
from btccxt.errors import ConfigError
from btccxt.exchange.api import ExchangeAPI, lacks_for_orders
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import Profile
from btccxt.exchange.sensible import SensibleExchange
from btccxt.observe.metrics import metrics
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.resilience.limiter import AsyncLimiter, Limiter, PoolRule
from btccxt.resilience.retry import RetryPolicy
from btccxt.resilience.shared_budget import SharedBudget
from btccxt.resilience.supervised import TaskListener
from btccxt.session.loop_thread import Session
from btccxt.sim.clock import MarketClock, SimClock
from btccxt.sim.dialects import check_market_type, dialect_class
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.markets import Listing, default_listings, known_listings
from btccxt.sim.options import SimOptions
from btccxt.sim.recorded import RecordedBars, RecordedTrades
from btccxt.sim.server import SimExchange
from btccxt.sim.source import MarketSource
from btccxt.sim.synthetic import SyntheticSource
from btccxt.sim.tls import SimAddress, connector_for, fetch_info
from btccxt.store.paper import PaperExchange

_START_TIMEOUT_S = 15.0
_ORDER_RESERVE_PCT = 20.0

OnTrouble = Callable[[str, BaseException], None]


class ExchangeConnection:
    """The exchange behind a store, its clock, and what has to be ended with it."""

    def __init__(self, exchange: ExchangeAPI, clock: ExchangeClock, stop: Callable[[], None] | None = None) -> None:
        self.exchange = exchange
        self.clock = clock
        self.sim: SimExchange | None = None
        self.data_mode: str | None = None
        """Whose market its bars are of, for the lake, where only the embedded exchange itself knows."""
        self._stop = stop

    def stop(self) -> None:
        """End what runs beside the session (an embedded exchange). Bounded, idempotent."""
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()


def connect(
    mode: Mode,
    profile: Profile,
    config: Mapping[str, Any],
    *,
    balances: Mapping[str, Decimal],
    settings: StoreConfig,
    budget: SharedBudget | None = None,
    report: OnTrouble,
    sends_orders: bool = True,
    on_task: TaskListener | None = None,
) -> ExchangeConnection:
    """Build the exchange of a mode. Blocks for a moment in ``sim`` mode, which starts a server; sends nothing yet.

    ``sends_orders`` False: nothing of the rate limits is kept free for orders.
    """
    if mode is Mode.SIM:
        return _sim_venue(profile, config, balances, settings, budget, report, sends_orders)
    clock = ExchangeClock(WallTime())
    exchange: ExchangeAPI = CCXTExchange(
        profile,
        config,
        clock=clock,
        testnet=mode is Mode.TESTNET,
        demo=mode is Mode.DEMO,
        limiter=_limiter(profile, settings, budget, report, sends_orders),
        retry=RetryPolicy(attempts=settings.retry_attempts),
        breaker=settings.breaker,
        report=report,
    )
    if mode is Mode.PAPER:
        exchange = PaperExchange(exchange, balances, clock.now_ms, on_task, settings.paper)
    return ExchangeConnection(exchange, clock)


def _limiter(
    profile: Profile,
    settings: StoreConfig,
    budget: SharedBudget | None,
    report: OnTrouble,
    sends_orders: bool,
    speed: float = 1.0,
) -> AsyncLimiter:
    """The profile's limits and the user's share of them; a clock that runs faster allows as much more per second.

    Real limits would starve a feed whose minutes last a fifth of a second.
    """
    share, reserve_pct = settings.rate_share_pct / 100, _ORDER_RESERVE_PCT * sends_orders
    pools = [
        PoolRule(name, pool.capacity * share, pool.window_ms / speed, reserve_pct, 50.0 / speed, pool.leaks)
        for name, pool in profile.rate.pools.items()
    ]
    return AsyncLimiter(
        Limiter(pools),
        shared=budget,
        on_wait=lambda priority, waited_s: metrics().limiter_wait(profile.exchange, priority.name.lower(), waited_s),
        on_trouble=lambda trouble: report("shared rate budget", trouble),
    )


def custom_venue(
    exchange: ExchangeAPI,
    settings: StoreConfig,
    balances: Mapping[str, Decimal],
    on_task: TaskListener | None = None,
    *,
    sends_orders: bool,
) -> ExchangeConnection:
    """An ExchangeAPI that the user made: traded directly in ``live`` mode, its data only in ``paper`` mode.

    Raises ConfigError for a mode that it cannot have: ``live`` with orders (``sends_orders``), if it takes none.
    """
    mode, maker, missing = settings.mode, type(exchange).__name__, lacks_for_orders(exchange)
    if isinstance(exchange, CCXTExchange):
        clock = exchange.clock
    else:
        clock = ExchangeClock(WallTime())
        exchange = SensibleExchange(exchange, clock)
    if mode is Mode.PAPER:
        return ExchangeConnection(PaperExchange(exchange, balances, clock.now_ms, on_task, settings.paper), clock)
    if mode is Mode.LIVE:
        if sends_orders and missing:
            raise ConfigError(
                f"{exchange.id} cannot take orders: {maker} has no {', '.join(missing)}. Implement "
                "them, or trade simulated money on its prices with mode='paper', or leave the broker out"
            )
        return ExchangeConnection(exchange, clock)
    raise ConfigError(f"an ExchangeAPI instance runs in mode 'paper' or 'live', not {mode.value!r}")


def _sim_venue(
    profile: Profile,
    config: Mapping[str, Any],
    balances: Mapping[str, Decimal],
    settings: StoreConfig,
    budget: SharedBudget | None,
    report: OnTrouble,
    sends_orders: bool,
) -> ExchangeConnection:
    check_market_type(profile.exchange, profile.market_type)
    sim_address = settings.sim_address
    server: SimExchange | None = None
    thread: Session | None = None
    found_mode: str | None = None
    if sim_address is None:
        thread = Session("embedded exchange", on_error=report).start()
        try:
            server, address, local = thread.call(
                start_sim_exchange(profile.exchange, balances, settings.sim), timeout=_START_TIMEOUT_S
            )
        except BaseException:
            thread.stop()
            raise
    else:
        thread = Session("embedded exchange info", on_error=report).start()
        try:
            info = thread.call(fetch_info(sim_address), timeout=_START_TIMEOUT_S)
        finally:
            thread.stop()
        if profile.exchange not in info.dialects:
            raise ConfigError(
                f"the embedded exchange at {sim_address} speaks {', '.join(info.dialects)}, not {profile.exchange}"
            )
        thread, address, local = None, info.address, SimClock(info.now_ms, info.speed)
        found_mode = f"sim-{info.market}"

    def stop() -> None:
        if thread is not None and server is not None:
            if thread.is_running:
                thread.call(server.stop(), timeout=_START_TIMEOUT_S)
            thread.stop()

    clock = ExchangeClock(local)
    try:
        exchange = CCXTExchange(
            profile,
            {**dialect_class(profile.exchange).client_keys(SimAccount()), **config},
            clock=clock,
            connector=lambda: connector_for(address),
            limiter=_limiter(profile, settings, budget, report, sends_orders, local.speed),
            retry=RetryPolicy(attempts=settings.retry_attempts),
            breaker=settings.breaker,
            report=report,
        )
    except BaseException:  # a setting that cannot be, or Ctrl-C while ccxt is being imported
        stop()
        raise
    venue = ExchangeConnection(exchange, clock, stop)
    venue.sim, venue.data_mode = server, found_mode
    return venue


async def start_sim_exchange(
    dialect: str, balances: Mapping[str, Decimal], options: SimOptions, port: int = 0
) -> tuple[SimExchange, SimAddress, MarketClock]:
    """Start the embedded exchange in the running loop. Raises ConfigError for a dialect, market or port that fails."""
    source = _market_source(options, dialect_class(dialect).quote)
    start_ms = source.start_ms if options.start is None else int(options.start.timestamp() * 1000)
    server = SimExchange(
        source,
        (dialect,),
        speed=options.speed,
        start_ms=start_ms,
        seed=options.seed,
        faults=options.faults,
        balances=balances,
        port=port,
    )
    return server, await server.start(), server.clock


def _market_source(options: SimOptions, quote: str) -> MarketSource:
    if options.market is None:
        start_ms = int((options.start or datetime.now(timezone.utc)).timestamp() * 1000)
        listings = default_listings(quote) if options.symbols is None else _listings(options.symbols)
        return SyntheticSource(listings, options.seed, start_ms, options.tick_ms)
    if not isinstance(options.market, str | Path):
        return options.market
    path = Path(options.market)
    played_from_ms = None if options.start is None else int(options.start.timestamp() * 1000)
    if not path.exists():
        raise ConfigError(f"sim: there is no recorded market at {path}")
    try:
        if options.timeframe is None:
            return RecordedTrades(path, options.symbol, start_ms=played_from_ms)
        return RecordedBars(path, options.symbol, options.timeframe, start_ms=played_from_ms)
    except ValueError as error:
        raise ConfigError(f"sim: {error}") from None


def _listings(symbols: Sequence[str]) -> list[Listing]:
    known = {listing.market.symbol: listing for listing in known_listings()}
    for symbol in symbols:
        if symbol not in known:
            near = difflib.get_close_matches(symbol, known, n=1) or sorted(known)
            raise ConfigError(f"sim: the synthetic market has no {symbol!r}; it has {', '.join(near)}")
    return [known[symbol] for symbol in symbols]
