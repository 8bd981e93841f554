"""Which part of the lake a store reads and writes: no market may ever be served another one's bars."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from btccxt.bars.lake import LIVE
from btccxt.config import Mode, StoreConfig
from btccxt.sim.options import SimOptions


def data_mode(settings: StoreConfig) -> str | None:
    """Whose market a store's bars are: the exchange's own (paper and live alike), its testnet's, another host's, or an
    embedded exchange's. None: nobody knows (yet): one elsewhere tells when it is connected, a source of the user's own
    never.
    """
    if settings.mode is Mode.SIM:
        return None if settings.sim_address is not None else _sim_mode(settings.sim)
    return real_mode(settings.mode, settings.config)


def real_mode(mode: Mode, config: Mapping[str, Any]) -> str:
    """The same for what lies on the exchange's side; ``config`` as ccxt gets it."""
    sandboxed = config.get("sandbox") or config.get("testnet")
    name = Mode.TESTNET.value if sandboxed else LIVE if mode in (Mode.PAPER, Mode.LIVE) else mode.value
    hosts = sorted({host for value in (config.get("urls"), config.get("hostname")) for host in _hosts(value)})
    if not hosts:
        return name
    shown = hosts[0] if len(hosts) == 1 else f"{hosts[0]}-{zlib.crc32(' '.join(hosts).encode()):08x}"
    return f"{name}@{shown}"


def _sim_mode(options: SimOptions) -> str | None:
    """Tells an embedded exchange's market from every other one; None for a source of the user's own."""
    if isinstance(options.market, str | Path):
        path = Path(options.market)
        told = path.stat() if path.exists() else None
        size = told and (told.st_size, told.st_mtime_ns)
        return f"sim-{path.name}-{_digest(path.resolve(), size, options.symbol, options.timeframe)}"
    if options.market is not None:
        return None
    start = options.start or datetime.now(timezone.utc)  # the day decides where prices begin
    return f"sim-seed{options.seed}-{_digest(start.date(), options.tick_ms, options.symbols)}"


def _digest(*facts: Any) -> str:
    return f"{zlib.crc32(repr(facts).encode()):08x}"


def _hosts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [host for each in value.values() for host in _hosts(each)]
    if isinstance(value, (list, tuple)):
        return [host for each in value for host in _hosts(each)]
    if not isinstance(value, str) or not value:
        return []
    return [urlsplit(value).netloc.rpartition("@")[2] if "://" in value else value]
