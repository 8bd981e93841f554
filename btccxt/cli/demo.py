"""``btccxt demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    bars: Annotated[int, typer.Option(help="live bars before it ends", min=5)] = 120,
    speed: Annotated[float, typer.Option(help="exchange seconds per second", min=1.0, max=600.0)] = 180.0,
    seed: Annotated[int, typer.Option(help="another seed, another market")] = 52,
    output: Annotated[Path, typer.Option(help="folder of the page and the picture")] = Path("demo-output"),
) -> None:
    """A moving-average strategy on the embedded exchange, about a minute; no network, no keys."""
    from btccxt.cli.demo_run import run_demo

    if not run_demo(live_bars=bars, speed=speed, seed=seed, output=output):
        raise typer.Exit(1)
