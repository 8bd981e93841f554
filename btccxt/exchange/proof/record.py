"""What was proven of an exchange, with which ccxt: ``proven/<exchange>.json``, shipped with the package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from btccxt.errors import ConfigError
from btccxt.model import MarketType

SCHEMA = 1
FOLDER = Path(__file__).with_name("proven")


@dataclass(frozen=True, slots=True)
class Answer:
    """Something that the exchange may say, and what it means."""

    title: str
    way: str  # 'order' and 'fill' by REST; 'order frames', 'decoded order frames' and 'fill frames' by stream
    topic: str  # under which ccxt resolves a frame
    said: Any
    means: str


@dataclass(frozen=True, slots=True)
class Scripted:
    """A conversation on a socket: frames that answer a subscription, and the news that has to come of them."""

    stream: str
    frames: tuple[str, ...]
    news: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MarketProof:
    """What was proven of one market type."""

    market: Mapping[str, Any]  # ccxt's record of the one market that stands for all
    facts: Mapping[str, Any]
    requests: Mapping[str, Mapping[str, str]]  # environment -> title -> line
    answers: tuple[Answer, ...] = ()
    scripted: Scripted | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven of one exchange."""

    exchange: str
    ccxt: str
    keys: Mapping[str, str]
    errors: Mapping[str, str]  # the exchange's code or words -> what they mean
    markets: Mapping[str, MarketProof]
    digest: str

    def of(self, market_type: MarketType) -> MarketProof | None:
        return self.markets.get(market_type.value)


@lru_cache(maxsize=64)
def load_proof(exchange: str, folder: Path = FOLDER) -> Proof | None:
    """None where nothing has been proven. Raises ConfigError for a file of another schema."""
    path = folder / f"{exchange}.json"
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    found = json.loads(text)
    if found["schema"] != SCHEMA:
        raise ConfigError(f"{path.name}: schema {found['schema']}, this btccxt reads {SCHEMA}: prove it again")
    return Proof(
        found["exchange"],
        found["ccxt"],
        found["keys"],
        {word: meaning for meaning, words in found["errors"].items() for word in words},
        {name: _market(each) for name, each in found["markets"].items()},
        hashlib.sha256(text).hexdigest(),
    )


def _market(found: Mapping[str, Any]) -> MarketProof:
    scripted = found.get("scripted")
    return MarketProof(
        found["market"],
        found["facts"],
        found["requests"],
        tuple(Answer(**each) for each in found["answers"]),
        None if scripted is None else Scripted(scripted["stream"], tuple(scripted["frames"]), tuple(scripted["news"])),
    )


def proven_with(exchange: str) -> str | None:
    """The version of ccxt that an exchange was proven with."""
    proof = load_proof(exchange)
    return None if proof is None else proof.ccxt


def as_json(proof: Proof) -> str:
    """One statement a line, so that a difference reads as one."""
    markets = {
        name: {
            "market": each.market,
            "facts": each.facts,
            "requests": each.requests,
            "answers": [
                {"title": a.title, "way": a.way, "topic": a.topic, "said": a.said, "means": a.means}
                for a in each.answers
            ],
            "scripted": None
            if each.scripted is None
            else {
                "stream": each.scripted.stream,
                "frames": list(each.scripted.frames),
                "news": list(each.scripted.news),
            },
        }
        for name, each in proof.markets.items()
    }
    errors: dict[str, list[str]] = {}
    for word, meaning in proof.errors.items():
        errors.setdefault(meaning, []).append(word)
    content = {
        "schema": SCHEMA, "exchange": proof.exchange, "ccxt": proof.ccxt, "keys": proof.keys, "errors": errors,
        "markets": markets,
    }  # fmt: skip
    return _lines(content, 0) + "\n"


_INLINE = ("market", "keys", "timeframes", "has", "caches", "status")


def _lines(node: Any, depth: int, key: str = "") -> str:
    is_nested = isinstance(node, (dict, list)) and node and key not in _INLINE
    if not is_nested or "way" in node:
        return json.dumps(node, ensure_ascii=False)
    pad = " " * (depth + 1)
    if isinstance(node, dict):
        inner = [f"{pad}{json.dumps(name)}: {_lines(each, depth + 1, name)}" for name, each in node.items()]
        return "{\n" + ",\n".join(inner) + "\n" + " " * depth + "}"
    inner = [pad + _lines(each, depth + 1) for each in node]
    return "[\n" + ",\n".join(inner) + "\n" + " " * depth + "]"
