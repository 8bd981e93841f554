"""``btccxt sim``: the embedded exchange on its own, for stores with ``sim_address``."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from btccxt.sim.options import SimOptions


def command(
    exchange: Annotated[str, typer.Argument(help="whose dialect it speaks")] = "binance",
    port: Annotated[int, typer.Option(help="0 picks a free one", min=0, max=65535)] = 8443,
    speed: Annotated[float, typer.Option(help="exchange seconds per second", min=0.1, max=600.0)] = 1.0,
    seed: Annotated[int, typer.Option(help="another seed, another market")] = 1,
    market: Annotated[Path | None, typer.Option(help="recorded bars or trades (csv, csv.gz, parquet)")] = None,
    symbol: Annotated[str, typer.Option(help="what the recording holds")] = "BTC/USDT",
    timeframe: Annotated[str, typer.Option(help="of recorded bars; 'trades' for a tape")] = "1m",
    balance: Annotated[float, typer.Option(help="USDT on the account", min=0)] = 10_000.0,
) -> None:
    """Run the embedded exchange until Ctrl-C. Connect with CCXTStore(mode='sim', sim_address='127.0.0.1:PORT')."""
    from btccxt.sim.options import SimOptions

    options = SimOptions(
        speed=speed,
        seed=seed,
        market=market,
        symbol=symbol,
        timeframe=None if timeframe == "trades" else timeframe,
    )
    asyncio.run(_serve(exchange, options, balance, port))


async def _serve(exchange: str, options: SimOptions, balance: float, port: int) -> None:
    from rich.console import Console

    from btccxt.sim.dialects import dialect_class
    from btccxt.sim.dialects.base import SimAccount
    from btccxt.store.startup import start_balances
    from btccxt.store.venues import start_sim_exchange

    console = Console()
    dialect = dialect_class(exchange)
    keys, currency = dialect.client_keys(SimAccount()), options.currency(dialect.quote, dialect.quote)
    server, address, _ = await start_sim_exchange(exchange, start_balances(balance, currency), options, port=port)
    console.print(
        f"embedded exchange at [bold]{address}[/], {exchange}'s dialect, {options.speed:g}x\n"
        f"  CCXTStore({exchange!r}, mode='sim', sim_address='{address}')\n"
        f"  keys for other clients: {dict(keys)}; facts at https://{address}/sim/info\n"
        f"  symbols: {', '.join(list(server.engine.markets)[:8])}\n"
        "Ctrl-C ends it",
        highlight=False,
        soft_wrap=True,
    )
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers in loops; Ctrl-C raises there
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        await stopped.wait()
    finally:
        await server.stop()
