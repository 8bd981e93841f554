"""A run as one HTML file that needs nothing beside it, and as a PNG."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

from btccxt.errors import ConfigError
from btccxt.runs.page_server import asset
from btccxt.runs.picture import draw
from btccxt.runs.records import FoundRun, Tail
from btccxt.runs.snapshot import snapshot
from btccxt.runs.state import RunState
from btccxt.runs.statistics import statistics_rows

_BARS_KEPT = 50_000


def read_run(run: FoundRun) -> RunState:
    """All that its record tells. Blocks for the disk."""
    state = RunState(bars_kept=_BARS_KEPT)
    state.apply_all(Tail(run.path).read())
    return state


def write_report(state: RunState, path: Path) -> list[Path]:
    """``path`` (HTML), and beside it a PNG where matplotlib is installed. Returns the files. Raises ConfigError."""
    written = [path]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html(state), encoding="utf-8")
        if find_spec("matplotlib") is not None and state.bars:
            header = state.header
            title = f"{header.get('strategy')} on {header.get('exchange')} {header.get('mode')}: {state.symbol}"
            written.append(draw(state, path.with_suffix(".png"), title, str(header.get("currency", ""))))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None
    return written


def html(state: RunState) -> str:
    """The page with this run in it: no request leaves it."""
    shown = snapshot(state)
    course = state.course
    shown["figures"] += statistics_rows([course.first_value, *course.days.values()])
    data = json.dumps(shown, separators=(",", ":"), default=str).replace("<", "\\u003c")  # "<!--<script>" is a text too
    page = asset("index.html")
    page = _replaced(
        page, r'<link rel="stylesheet"[^>]*>', f"<style>{asset('page.css')}.live {{ display: none; }}</style>"
    )
    scripts = {name: f"<script>{asset(name)}</script>" for name in ("lightweight-charts.js", "page.js")}
    scripts["page.js"] = f'<script id="data" type="application/json">{data}</script>{scripts["page.js"]}'
    for name, script in scripts.items():
        page = _replaced(page, rf'<script src="/page/{re.escape(name)}"></script>', script)
    return page


def _replaced(page: str, pattern: str, text: str) -> str:
    page, times = re.subn(pattern, lambda _: text, page)
    assert times == 1, f"the page has {times} places for {pattern}"
    return page
