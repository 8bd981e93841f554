"""What an extra brings: one clear error when it is missing, at the start, before anything is asked of an exchange."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from btccxt import CCXTStore
from btccxt.errors import ConfigError
from btccxt.observe import metrics
from tests.fakes import FakeExchange

TOP = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("extra", "modules", "options"),
    [
        ("metrics", ("prometheus_client",), {"metrics_port": 9917}),
        ("alerts", ("apprise",), {"alerts": ["json://localhost"]}),
        ("history", ("pyarrow", "pyarrow.parquet"), {"lake": "here"}),
        ("redis", ("redis", "redis.asyncio"), {"rate_budget": "redis://localhost:1/0"}),
    ],
)
def test_a_missing_extra_is_named_at_the_start(
    extra: str, modules: tuple[str, ...], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metrics, "_active", metrics.Metrics())
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    exchange: Any = FakeExchange() if extra != "redis" else "binance"  # limits are those of exchanges that ccxt knows
    with pytest.raises(ConfigError, match=rf"pip install 'btccxt\[{extra}\]'"):
        CCXTStore(exchange, mode="paper", journal=":memory:", currency="USDT", **options).start()
    assert extra == "redis" or not exchange.opened


def test_every_extra_that_is_named_anywhere_is_there() -> None:
    texts = [
        *(TOP / "btccxt").rglob("*.py"),
        *(TOP / "docs").rglob("*.md"),
        *(TOP / "examples").glob("*.*"),
        TOP / "README.md",
    ]
    named = {name for path in texts for name in re.findall(r"pip install '?btccxt\[(\w+)\]", path.read_text("utf-8"))}
    declared = set(re.findall(r"^(\w+) = \[", _section("project.optional-dependencies"), re.MULTILINE))
    assert named >= {"metrics", "alerts", "history", "redis", "plot", "pandas", "socks"}
    assert named <= declared
    (everything,) = re.findall(r'^all = \["btccxt\[(.*)\]"\]', _section("project.optional-dependencies"), re.MULTILINE)
    assert set(everything.split(",")) == declared - {"all", "dev", "docs", "test"}


def _section(name: str) -> str:
    text = (TOP / "pyproject.toml").read_text("utf-8")
    return text.partition(f"[{name}]\n")[2].partition("\n[")[0]
