"""How well a profile is proven, from data: reports of ``btccxt verify`` (``verified/``), captures (``proven/``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from btccxt.errors import ConfigError
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.record import load_proof

SCHEMA = 1
FOLDER = Path(__file__).with_name("verified")
_BEST_FIRST = ("live", "testnet", "demo", "sim")
"""Where a whole run without a failure counts; a run on public data alone proves no order."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One run of the acceptance suite, as its report tells."""

    exchange: str
    market_type: str
    environment: str
    day: str
    versions: Mapping[str, str]
    outcomes: Mapping[str, int]

    @property
    def text(self) -> str:
        told = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.items())
        return f"verified {self.day} with ccxt {self.versions.get('ccxt', '?')} ({self.environment}): {told}"


def file_name(exchange: str, market_type: str, environment: str) -> str:
    return f"{exchange}-{market_type}-{environment}.json"


@lru_cache(maxsize=4)
def _runs(folder: Path) -> tuple[Verified, ...]:
    return tuple(_read(path) for path in sorted(folder.glob("*.json")))


def _read(path: Path) -> Verified:
    found: Any = json.loads(path.read_bytes())
    if found.get("schema") != SCHEMA:
        raise ConfigError(f"{path.name}: schema {found.get('schema')}, this btccxt reads {SCHEMA}: verify it again")
    outcomes: dict[str, int] = {"proven": 0, "failed": 0, "not applicable": 0}
    for result in found["results"]:
        outcomes[result["outcome"]] += 1
    if not found["good"] or outcomes["failed"]:
        raise ConfigError(f"{path.name}: a run that failed is no proof")
    return Verified(
        found["exchange"],
        found["market_type"],
        found["environment"],
        found["started"][:10],
        found["versions"],
        outcomes,
    )


def runs_of(profile: Profile, folder: Path = FOLDER) -> tuple[Verified, ...]:
    """The recorded runs of this profile, the best first."""
    own = [each for each in _runs(folder) if (each.exchange, each.market_type) == _name(profile)]
    return tuple(sorted(own, key=lambda each: _BEST_FIRST.index(each.environment)))


def grade_of(profile: Profile, folder: Path = FOLDER) -> str:
    """``live``, ``testnet``, ``demo`` or ``sim`` after a recorded run; ``captured`` after the captures; ``assumed``."""
    runs = runs_of(profile, folder)
    if runs:
        return runs[0].environment
    proof = load_proof(profile.exchange)
    return "assumed" if proof is None or proof.of(profile.market_type) is None else "captured"


def _name(profile: Profile) -> tuple[str, str]:
    return profile.exchange, profile.market_type.value
