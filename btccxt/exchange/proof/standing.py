"""The verdict on a profile, kept from start to start while nothing that it rests on has changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

from btccxt.exchange.ccxt.ccxt_instance import ccxt_class
from btccxt.exchange.profile.profile import mapping_table_path
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.profile.profile_table import read_table
from btccxt.exchange.proof.differences import Difference
from btccxt.exchange.proof.examine import ccxt_version, examine
from btccxt.exchange.proof.fingerprint import fingerprint
from btccxt.exchange.proof.record import load_proof
from btccxt.exchange.proof.verdict import Verdict
from btccxt.observe.log import get_logger
from btccxt.resilience.files import private_folder, state_directory

log = get_logger(__name__)
_KEPT = 200


async def standing(profile: Profile, environment: str, folder: Path | None = None) -> Verdict:
    """The verdict on the table's ``profile``: kept in ``folder`` (default: the user's state folder), else made now.

    What is kept holds for exactly this code of ccxt and btccxt, table and proof; a changed method makes it anew.
    """
    folder = folder if folder is not None else state_directory() / "selfcheck"
    path = folder / f"{_key(profile, environment)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return _read(path, profile, environment)
    verdict = await examine(profile, environment, every_signature=False)
    try:
        _keep(path, verdict)
    except OSError as error:
        log.debug("self-check not kept", path=str(path), error=str(error))
    return verdict


def _key(profile: Profile, environment: str) -> str:
    proof = load_proof(profile.exchange)
    parts = (
        fingerprint(ccxt_class(profile.exchange)), read_table(mapping_table_path()).digest,
        proof.digest if proof is not None else "", profile.exchange, profile.market_type.value, environment,
        ccxt_version(), platform.python_version(),
    )  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _read(path: Path, profile: Profile, environment: str) -> Verdict:
    found: Any = json.loads(path.read_bytes())
    differences = tuple(Difference(**each) for each in found["differences"])
    return Verdict(
        profile.exchange, profile.market_type.value, environment, found["ccxt"], found["proven_with"],
        int(found["checked"]), differences, tuple(found["lacking"]),
    )  # fmt: skip


def _keep(path: Path, verdict: Verdict) -> None:
    folder = private_folder(path.parent)
    plain = [
        {"title": each.title, "about": each.about, "proven": each.proven, "now": each.now}
        for each in verdict.differences
    ]
    text = json.dumps({
        "ccxt": verdict.ccxt, "proven_with": verdict.proven_with, "checked": verdict.checked, "differences": plain,
        "lacking": verdict.lacking,
    })  # fmt: skip
    new = path.with_suffix(f".{os.getpid()}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
    kept = sorted(folder.glob("*.json"), key=lambda each: each.stat().st_mtime)
    for old in kept[:-_KEPT]:
        old.unlink(missing_ok=True)
