"""Whether the installed ccxt does what was proven, asked before a store connects; what differs is not used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from btccxt.config import ChangedCcxt, Mode
from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.proof.verdict import Verdict, under

_TOLD = 6


def environment_of(mode: Mode) -> str:
    return mode.value if mode in (Mode.TESTNET, Mode.DEMO) else "live"


async def self_check(given: Profile, mode: Mode, changed: ChangedCcxt) -> tuple[Verdict, Profile]:
    """The verdict, and the profile without what it refuses; as it was given where the user only wants to be warned.

    Milliseconds where nothing has changed since the last start. Reaches no network.
    """
    from btccxt.exchange.proof.standing import standing  # imports ccxt: only when a store really starts

    listed = load_profile(given.exchange, given.market_type)
    verdict = await standing(listed, environment_of(mode))
    used = verdict if changed is ChangedCcxt.REFUSE else replace(verdict, differences=())
    return verdict, under(given, used, listed)


def warning(verdict: Verdict, changed: ChangedCcxt) -> str | None:
    """What a person has to know; None where all is as proven, or nothing is."""
    if verdict.good or verdict.proven_with is None:
        return None
    texts = [each.text for each in verdict.differences]
    more = f"; and {len(texts) - _TOLD} more" if len(texts) > _TOLD else ""
    if not verdict.refused:
        follows = "nothing that orders or streams depend on"
    elif changed is ChangedCcxt.WARN:
        follows = "used all the same (changed_ccxt: warn)"
    else:
        follows = f"refused: {', '.join(verdict.refused)}"
    return (
        f"{verdict.where}: {verdict.summary}: {'; '.join(texts[:_TOLD])}{more}. {follows}. "
        f"See btccxt selfcheck {verdict.exchange}"
    )


def facts(verdict: Verdict) -> dict[str, Any]:
    """For ``health()``."""
    return {
        "version": verdict.ccxt,
        "proven_with": verdict.proven_with,
        "good": verdict.good,
        "differences": [each.text for each in verdict.differences],
        "refused": list(verdict.refused),
    }
