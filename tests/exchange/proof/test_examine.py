"""Under the ccxt that the proofs were made with, everything is as it was proven; nothing of it reaches a network."""

from __future__ import annotations

import json

import ccxt
import pytest

from btccxt.exchange.profile.profile import known_exchanges, load_profile, market_types
from btccxt.exchange.proof.examine import examine
from btccxt.exchange.proof.intents import environments
from btccxt.exchange.proof.record import FOLDER, as_json, load_proof, proven_with
from btccxt.exchange.proof.verdict import under
from btccxt.model import MarketType
from tests.exchange.prove import prove


@pytest.mark.parametrize("name", known_exchanges())
async def test_the_ccxt_of_the_proofs_does_what_was_proven_everywhere(name: str) -> None:
    for market_type in market_types(name):
        profile = load_profile(name, market_type)
        for environment in environments(profile):
            verdict = await examine(profile, environment)
            assert verdict.checked > 30, verdict.where
            assert not verdict.differences, "\n".join(each.text for each in verdict.differences)


@pytest.mark.parametrize("name", ["kraken", "deribit", "bitstamp"])
async def test_a_proof_is_what_the_tool_writes(name: str) -> None:
    assert as_json(await prove(name)) == (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def test_all_proofs_are_of_one_ccxt_and_every_exchange_has_one() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(known_exchanges())
    assert {proven_with(name) for name in known_exchanges()} == {ccxt.__version__}


def test_every_profile_is_proven_with_answers_a_conversation_and_every_environment() -> None:
    lacking = []
    for name in known_exchanges():
        proof = load_proof(name)
        assert proof is not None
        for market_type in market_types(name):
            market = proof.markets[market_type.value]
            assert set(market.requests) == set(environments(load_profile(name, market_type)))
            if market.scripted is None:
                lacking.append(f"{name} {market_type.value}")
    assert not lacking


async def test_what_is_not_listed_is_not_proven() -> None:
    verdict = await examine(load_profile("coinmate", MarketType.SPOT))
    assert (verdict.good, verdict.proven_with, verdict.summary) == (False, None, "nothing is proven of coinmate spot")


def test_one_statement_stands_in_one_line() -> None:
    text = (FOLDER / "kraken.json").read_text(encoding="utf-8")
    assert json.loads(text)["schema"] == 1
    assert text.count("\n") > 100


@pytest.mark.parametrize(("exchange", "environment", "stream"), [("gate", "testnet", "bars"), ("gate", "live", None)])
async def test_a_stream_that_ccxt_has_not_in_this_place_is_not_used_there(
    exchange: str, environment: str, stream: str | None
) -> None:
    """Gate's testnet has sockets for contracts alone."""
    profile = load_profile(exchange, MarketType.SPOT)
    verdict = await examine(profile, environment)
    assert verdict.good
    assert (stream in verdict.lacking) is (stream is not None)
    left = under(profile, verdict, profile)
    assert left.bars.stream is (stream is None)
    assert left.orders == profile.orders
