"""The self-check of one profile: internals, facts, requests, subscriptions, answers and a conversation, offline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.answers import meaning_of_answer
from btccxt.exchange.proof.differences import Concerns, Difference, of_mappings, same
from btccxt.exchange.proof.internals import internals
from btccxt.exchange.proof.offline import Blocked, make_offline
from btccxt.exchange.proof.record import MarketProof, Proof, load_proof
from btccxt.exchange.proof.replay import errors_of, facts_of, failure, replay
from btccxt.exchange.proof.seals import Seals
from btccxt.exchange.proof.tap import converse
from btccxt.exchange.proof.verdict import Verdict

_INTERNALS = 5
# What makes every figure wrong, unlike what ccxt merely says of an exchange.
_OF_FIGURES = ("precision mode", "padding mode")


def ccxt_version() -> str:
    import ccxt

    return str(ccxt.__version__)


async def examine(profile: Profile, environment: str = "live", *, every_signature: bool = True) -> Verdict:
    """Everything that was proven of the table's ``profile`` in this environment, done again. Reaches no network.

    ``every_signature``: False where time matters; of signatures that take milliseconds one of each kind is made then.
    """
    seals = Seals(sparing=not every_signature)
    proof = load_proof(profile.exchange)
    market = None if proof is None else proof.of(profile.market_type)
    if proof is None or market is None or environment not in market.requests:
        return Verdict(profile.exchange, profile.market_type.value, environment, ccxt_version(), None, 0, ())
    try:
        checked, found = await _examine(profile, proof, market, environment, seals)
    except Exception as error:  # noqa: BLE001 - an instance cannot even be made: everything differs
        checked, found = 1, [Difference("ccxt's instance of the exchange", "calls", "made", failure(error))]
        found.append(Difference("ccxt's instance for streams", "push", "made", failure(error)))
    return Verdict(
        profile.exchange, profile.market_type.value, environment, ccxt_version(), proof.ccxt, checked, tuple(found),
        _lacking(market.requests[environment]),
    )  # fmt: skip


def _lacking(requests: Mapping[str, str]) -> tuple[str, ...]:
    """What a play-money place has no streams for fails in ccxt, and is proven to fail."""
    streams = (title.partition("stream ")[2] for title, line in requests.items() if line.startswith("!!"))
    return tuple(kind for kind in streams if kind)


async def _examine(
    profile: Profile, proof: Proof, market: MarketProof, environment: str, seals: Seals
) -> tuple[int, list[Difference]]:
    streaming, listed = make_offline(profile, proof.keys, market.market, for_streams=True)
    found = list(internals(streaming))
    facts = facts_of(streaming, profile)
    for name, value in market.facts.items():
        about: Concerns = "calls" if name in _OF_FIGURES else "fact"
        if isinstance(value, Mapping):
            found += of_mappings(name, about, value, facts.get(name) or {})
        elif isinstance(value, list):
            lost = [each for each in value if each not in (facts.get(name) or ())]
            found += [Difference(f"{name} {each}", about, "yes", "no") for each in lost]
        else:
            found += of_mappings("ccxt's", about, {name: value}, facts)
    errors = errors_of(streaming)
    found += of_mappings("error", "fact", proof.errors, errors)
    checked = _INTERNALS + len(market.facts) + len(proof.errors)
    count, others = await _replayed(profile, proof, market, environment, seals)
    found += others
    for answer in market.answers:
        exact = _tried(lambda each=answer: meaning_of_answer(each, streaming, listed, profile))
        if not same(answer.means, exact):
            frames = answer.way.endswith("frames")
            title = (
                f"stream {'fills' if 'fill' in answer.way else 'orders'}, {answer.title}" if frames else answer.title
            )
            found.append(Difference(title, "stream" if frames else "account", answer.means, exact))
    if market.scripted is not None:
        found += await _conversation(profile, proof, market)
    return checked + count + len(market.answers) + (market.scripted is not None), found


async def _replayed(
    profile: Profile, proof: Proof, market: MarketProof, environment: str, seals: Seals
) -> tuple[int, list[Difference]]:
    proven, found, seen = market.requests[environment], [], set()
    async for each in replay(profile, proof.keys, market, environment, seals):
        seen.add(each.title)
        before = proven.get(each.title)
        if before is None or not same(before, each.line):
            found.append(Difference(each.title, each.about, before, each.line))
    found += [Difference(title, "fact", proven[title], None) for title in proven if title not in seen]
    return len(proven), found


async def _conversation(profile: Profile, proof: Proof, market: MarketProof) -> list[Difference]:
    scripted = market.scripted
    assert scripted is not None
    proven = " ; ".join(scripted.news)
    title = f"stream {scripted.stream}, a frame through the hooks"
    try:
        now = " ; ".join(await converse(profile, proof.keys, market, scripted))
    except Exception as error:  # noqa: BLE001 - whatever it raises is what is told
        # Where nobody reads at all it is the hooks; else this stream alone.
        return [Difference(title, "push" if isinstance(error, Blocked) else "stream", proven, failure(error))]
    if not now:
        return [Difference(title, "stream", proven, "!! the frame brings no news")]
    return [] if same(proven, now) else [Difference(title, "stream", proven, now)]


def _tried(ask: Any) -> str:
    try:
        return str(ask())
    except Exception as error:  # noqa: BLE001 - whatever ccxt raises is what is told
        return failure(error)
