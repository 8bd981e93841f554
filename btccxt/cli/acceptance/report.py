"""What was proven, when, and with which versions: as records, as JSON and as a page."""

from __future__ import annotations

import json
import platform
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from btccxt.exchange.proof.grades import SCHEMA, file_name
from btccxt.observe.redact import redact_text

Outcome = Literal["proven", "failed", "not applicable"]
_SIGNS = {"proven": "✓", "failed": "✗", "not applicable": "–"}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One promise and what became of it. ``evidence`` is what was seen, or the reason."""

    promise: str
    scope: Literal["public", "private"]
    outcome: Outcome
    evidence: str
    took_ms: int


@dataclass(frozen=True, slots=True)
class Report:
    """One run of the suite against one market of one exchange."""

    exchange: str
    market_type: str
    symbol: str
    against: str  # 'the embedded exchange', 'testnet', 'live', 'live, public data only'
    environment: str  # 'sim', 'testnet', 'demo', 'live'; 'public' where no order was placed
    started: str  # ISO 8601, UTC, of this machine
    results: tuple[CheckResult, ...]
    left_behind: tuple[str, ...] = ()
    max_notional: str | None = None
    versions: dict[str, str] = field(default_factory=lambda: versions())
    schema: int = SCHEMA

    @property
    def good(self) -> bool:
        """Nothing failed and nothing was left behind."""
        return not self.left_behind and all(result.outcome != "failed" for result in self.results)

    def count(self, outcome: Outcome) -> int:
        return Counter(result.outcome for result in self.results)[outcome]

    @property
    def summary(self) -> str:
        return (
            f"{self.count('proven')} proven, {self.count('failed')} failed, "
            f"{self.count('not applicable')} not applicable"
        )

    def as_json(self) -> str:
        return redact_text(json.dumps({**asdict(self), "good": self.good}, indent=2, ensure_ascii=False)) + "\n"

    def as_markdown(self) -> str:
        lines = [
            f"# {self.exchange} {self.market_type}, verified against {self.against}",
            "",
            f"{self.summary}. Market {self.symbol}, begun {self.started}.",
            *([f"Orders of at most {self.max_notional} each."] if self.max_notional else []),
            "Versions: " + ", ".join(f"{name} {version}" for name, version in self.versions.items()) + ".",
            "",
        ]
        if self.left_behind:
            lines += ["**Look at the exchange yourself. These orders could not be confirmed as ended:**", ""]
            lines += [*(f"* {each}" for each in self.left_behind), ""]
        lines += ["| | promise | evidence, or what happened instead | s |", "|---|---|---|--:|"]
        for result in self.results:
            evidence = " ".join(result.evidence.replace("|", r"\|").split())
            lines.append(f"| {_SIGNS[result.outcome]} | {result.promise} | {evidence} | {result.took_ms / 1000:.1f} |")
        lines += ["", " ".join(f"{sign} {outcome}." for outcome, sign in _SIGNS.items())]
        return redact_text("\n".join(lines)) + "\n"

    def record(self, folder: Path) -> Path:
        """As the data that grades come from: one file for each exchange, market type and environment."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / file_name(self.exchange, self.market_type, self.environment)
        path.write_text(self.as_json(), encoding="utf-8")
        return path

    def write(self, folder: Path) -> tuple[Path, Path]:
        """The page and the JSON beside it; both say in their names what and when."""
        folder.mkdir(parents=True, exist_ok=True)
        where = self.against.replace(",", "").replace(" ", "-")
        stem = f"verify-{self.exchange}-{self.market_type}-{where}-{self.started[:19].replace(':', '')}Z"
        page, data = folder / f"{stem}.md", folder / f"{stem}.json"
        page.write_text(self.as_markdown(), encoding="utf-8")
        data.write_text(self.as_json(), encoding="utf-8")
        return page, data


def now_iso() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in ("btccxt", "ccxt")}}
