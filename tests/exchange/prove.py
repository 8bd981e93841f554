"""What is proven of every exchange, made with the ccxt that is installed.

    python -m tests.exchange.prove [EXCHANGE ...]              # what differs from what is written down
    python -m tests.exchange.prove --write [EXCHANGE ...]      # into btccxt/exchange/proof/proven; read the diff

Nothing here touches a network: markets are synthetic, and ``fetch`` never reaches a socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import ccxt

from btccxt.exchange.profile.profile import Profile, known_exchanges, load_profile, market_types
from btccxt.exchange.proof.answers import meaning_of_answer
from btccxt.exchange.proof.differences import ANY
from btccxt.exchange.proof.intents import environments
from btccxt.exchange.proof.offline import make_offline
from btccxt.exchange.proof.record import FOLDER, Answer, MarketProof, Proof, Scripted, as_json, load_proof
from btccxt.exchange.proof.replay import errors_of, facts_of, replay
from btccxt.exchange.proof.tap import converse
from btccxt.model import MarketType
from tests.exchange.capture import keys_of, synthetic_market
from tests.exchange.ccxt import test_facts_documented, test_fills_documented, test_more_documented
from tests.exchange.ccxt.documented_basics import basic_answers
from tests.exchange.ccxt.documented_frames import frames
from tests.exchange.ccxt.documented_orders import rest_orders
from tests.exchange.scripted_streams import trade_frames


async def prove(exchange_id: str) -> Proof:
    """All that is proven of an exchange."""
    markets, errors = {}, {}
    for market_type in market_types(exchange_id):
        profile = load_profile(exchange_id, market_type)
        proof = MarketProof(synthetic_market(exchange_id, market_type), {}, {})
        exchange, _ = make_offline(profile, keys_of(exchange_id), proof.market)
        errors = errors_of(exchange)
        requests = {place: await _requests(profile, proof, place) for place in environments(profile)}
        markets[market_type.value] = replace(
            proof,
            facts=facts_of(exchange, profile),
            requests=requests,
            answers=tuple(_answers(profile, proof)),
            scripted=await _scripted(profile, proof),
        )
    return Proof(exchange_id, ccxt.__version__, keys_of(exchange_id), errors, markets, "")


async def _requests(profile: Profile, proof: MarketProof, place: str) -> dict[str, str]:
    """Made twice, at another time: what differs then is no part of what is proven."""
    found = []
    for later_s in (0.0, 100_000_000.0):
        with _real_time_moved(later_s):
            replayed = replay(profile, keys_of(profile.exchange), proof, place)
            found.append({each.title: each.line async for each in replayed})
    first, second = found
    return {title: _common(line, second[title]) for title, line in first.items()}


def _common(line: str, other: str) -> str:
    mine, theirs = line.split(" "), other.split(" ")
    assert len(mine) == len(theirs), f"{line}\n{other}"
    return " ".join(a if a == b else f"{a.partition('=')[0]}={ANY}" for a, b in zip(mine, theirs, strict=True))


@contextmanager
def _real_time_moved(by_s: float) -> Iterator[None]:
    real = time.time
    time.time = lambda: real() + by_s
    try:
        yield
    finally:
        time.time = real


# ------------------------------------------------------------------ answers and frames


def _answers(profile: Profile, proof: MarketProof) -> Iterator[Answer]:
    for title, way, topic, said in _documented(profile, proof.market["id"]):
        exchange, market = make_offline(profile, keys_of(profile.exchange), proof.market, for_streams=True)
        answer = Answer(title, way, topic, json.loads(json.dumps(said, default=str)), "")
        yield replace(answer, means=meaning_of_answer(answer, exchange, market, profile))


def _documented(profile: Profile, market_id: str) -> Iterator[tuple[str, str, str, Any]]:
    source, kind = profile.same_as or profile.exchange, profile.market_type
    # A twin's payloads are its original's, where the market is called the same.
    ours = source, kind
    for number, (way, topic, said) in enumerate(basic_answers(source, kind.value, market_id), 1):
        yield f"{way} {number}", way, topic, said
    for exchange, market, what, raw, _ in rest_orders():
        if (exchange, market) == ours:
            yield f"order, {what}", "order", "", raw
    for exchange, market, topic, what, sent, _ in frames():
        if (exchange, market) == ours:
            way = "decoded order frames" if any("privateOrders" in each for each in sent) else "order frames"
            yield f"order pushed, {what}", way, topic, list(deepcopy(sent))
    for number, (exchange, market, frame, row, *_) in enumerate(test_fills_documented._FILLS, 1):
        if (exchange, market) == ours:
            yield f"fill {number}", "fill", "", row
            yield f"fill pushed {number}", "fill frames", "trade", [frame]
    for number, (exchange, market, what, raw, _) in enumerate(test_facts_documented._ORDERS, 1):
        if (exchange, market) == ours:
            yield f"order {number}, {what}", "order", "", raw
    for number, (exchange, market, raw, *_) in enumerate(test_more_documented._ORDERS, 1):
        if (exchange, market) == ours:
            yield f"order {number}", "order", "", raw


async def _scripted(profile: Profile, proof: MarketProof) -> Scripted | None:
    contract = profile.market_type is not MarketType.SPOT
    sent = trade_frames(profile.same_as or profile.exchange, proof.market["id"], contract=contract)
    if not sent or not profile.streams.trades:
        print(f"{profile.exchange} {profile.market_type.value}: no frames of a trade", file=sys.stderr)
        return None
    scripted = Scripted("trades", sent, ())
    try:
        news = await converse(profile, keys_of(profile.exchange), proof, scripted)
    except Exception as error:  # noqa: BLE001 - the tool shows every fault
        print(f"{profile.exchange} {profile.market_type.value}: {type(error).__name__}: {error}", file=sys.stderr)
        return None
    if not news:
        print(f"{profile.exchange} {profile.market_type.value}: the frames bring no news", file=sys.stderr)
        return None
    return replace(scripted, news=news)


def main(arguments: list[str]) -> int:
    names = [word for word in arguments if not word.startswith("-")] or list(known_exchanges())
    changed = 0
    for name in names:
        text = as_json(asyncio.run(prove(name)))
        path = FOLDER / f"{name}.json"
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if text != before:
            changed += 1
            print(f"{name}: differs")
        if "--write" in arguments:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            load_proof.cache_clear()
    return 0 if "--write" in arguments or not changed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
