"""What differs between how something was proven and how it is now, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from btccxt.exchange.proof.intents import About

Concerns: TypeAlias = About | Literal["push", "calls", "fact"]
"""Also: the hooks on streams, those on REST calls, and what ccxt says of an exchange."""
ANY = "?"
"""In place of what differs from run to run, and of a signature that is not made: a value has to be there."""
_LONGEST = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was proven. Neither line: it was never proven, or is no longer there."""

    title: str
    about: Concerns
    proven: str | None
    now: str | None

    @property
    def text(self) -> str:
        return f"{self.title}: {what_differs(self.proven, self.now)}"

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "text": self.text}


def same(proven: str, now: str) -> bool:
    """Equal, except for what differs from run to run, and for signatures that are not made."""
    if proven == now:
        return True
    before, after = proven.split(" "), now.split(" ")
    return len(before) == len(after) and all(_fits(a, b) for a, b in zip(before, after, strict=True))


def _fits(proven: str, now: str) -> bool:
    name, equals, value = proven.partition("=")
    return proven == now or (bool(equals) and now.startswith(f"{name}=") and ANY in (value, now[len(name) + 1 :]))


def what_differs(proven: str | None, now: str | None) -> str:
    """A phrase: ``quantity=2 is now qty=2``."""
    if proven is None:
        return "nobody has proven it"
    if now is None:
        return "ccxt no longer has it"
    if now.startswith("!!"):
        return f"ccxt fails: {now[3:]}"
    if proven.startswith("!!"):
        return f"ccxt failed ({proven[3:]}), and does not now"
    before, after = proven.split(" "), now.split(" ")
    gone = [each for each in before if not any(_fits(each, other) for other in after)]
    new = [each for each in after if not any(_fits(other, each) for other in before)]
    if not gone and not new:
        return "in another order"
    # A signature differs with what it signs.
    plain_gone, plain_new = ([each for each in words if "=#" not in each] for words in (gone, new))
    if not plain_gone and not plain_new:
        was, now_is = ([each.partition("=")[0] for each in words] for words in (gone, new))
        return f"{_some(now_is)} is made otherwise" if was == now_is else f"{_some(was)} is now {_some(now_is)}"
    gone, new = plain_gone, plain_new
    if not new:
        return f"{_some(gone)} is missing"
    return f"{_some(gone)} is now {_some(new)}" if gone else f"{_some(new)} is new"


def _some(words: Iterable[str]) -> str:
    found = list(words)
    more = f" and {len(found) - _LONGEST} more" if len(found) > _LONGEST else ""
    return " ".join(each[:160] for each in found[:_LONGEST]) + more


def of_mappings(title: str, about: Concerns, proven: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """An entry of ``proven`` that is gone or has another value; what is new in ``now`` changes nothing for us."""
    found = []
    for name, value in proven.items():
        if now.get(name) != value:
            after = None if name not in now else f"{now[name]}".replace(" ", "_")
            found.append(Difference(f"{title} {name}", about, f"{value}".replace(" ", "_"), after))
    return found
