"""What happens in one chaos scenario, as data: a seed makes it, and the same seed makes the same one."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from btccxt.sim.faults import Fault, FaultKind
from tests.chaos.wires import HEDGE, INVERSE, LINEAR, PRICE_STEP, SPOT, HttpSession

ActionKind = Literal["market", "limit", "stop", "trailing", "bracket", "pair", "cancel", "edit"]
MoveWhen = Literal["settled", "accepted", "cancelling"]


@dataclass(frozen=True, slots=True)
class Action:
    """What the strategy does in one bar. Distances are from the price of the step, ``pick`` chooses an open order."""

    kind: ActionKind
    is_buy: bool = True
    size: Decimal = Decimal("0.01")
    distance_pct: Decimal = Decimal(1)
    pick: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One bar: faults begin, the strategy acts, the price moves (``when``), and all must come to rest (or ``rush``).

    Faults end with the step; a wrong clock and silence when the price has moved.
    """

    actions: tuple[Action, ...]
    price: Decimal
    when: MoveWhen = "settled"
    faults: tuple[Fault, ...] = ()
    cut: bool = False  # the private streams break at the end of the step
    rush: bool = False  # the price moves, and the next step begins, without waiting for anything to come to rest


@dataclass(frozen=True, slots=True)
class Scenario:
    seed: int
    wire: HttpSession
    fee_currency: str | None
    start_price: Decimal
    steps: tuple[Step, ...]


START_PRICE = Decimal(60_000)
_ANSWERS = (
    FaultKind.DROP_REQUEST,
    FaultKind.IGNORE_REQUEST,
    FaultKind.LOSE_ANSWER,
    FaultKind.CUT_ANSWER,
    FaultKind.HANG,
    FaultKind.ERROR_BEFORE,
    FaultKind.ERROR_AFTER,
    FaultKind.HTML_ANSWER,
    FaultKind.EMPTY_ANSWER,
    FaultKind.TRUNCATED_ANSWER,
    FaultKind.RATE_LIMIT,
    FaultKind.DELAY_REQUEST,
    FaultKind.DELAY_ANSWER,
)
_FRAMES = (
    FaultKind.LOSE_FRAME,
    FaultKind.DUPLICATE,
    FaultKind.REORDER,
    FaultKind.MALFORMED,
    FaultKind.CUT,
    FaultKind.CLOSE,
    FaultKind.SILENCE,
)


def make_scenario(seed: int, steps: int = 8, kills: bool = False, wire: HttpSession | None = None) -> Scenario:
    """A random mix of orders, price moves and faults; the seed decides everything, the exchange included.

    ``kills``: for a strategy that is killed. It cancels nothing itself, so that a bracket without exits is a fault.
    """
    rng = random.Random(f"chaos {seed}")
    wire = wire or wire_of(seed)
    price = START_PRICE
    made = []
    for _ in range(steps):
        price = (price * Decimal(1 + rng.gauss(0, 0.006))).quantize(PRICE_STEP)
        made.append(
            Step(
                actions=_actions(rng, kills),
                price=price,
                when=rng.choice(("settled", "settled", "accepted", "cancelling")),
                faults=_apart(_faults(rng, wire), wire, made[-1].faults if made else ()),
                cut=rng.random() < 0.12,
                rush=rng.random() < 0.25,
            )
        )
    fee_currency = None if wire.is_contract else rng.choice((None, None, "BNB", "quote"))
    return Scenario(seed, wire, fee_currency, START_PRICE, tuple(made))


def wire_of(seed: int) -> HttpSession:
    """Two thirds spot; of the others half in one-way mode, a quarter in hedge mode, a quarter inverse."""
    if seed % 3:
        return SPOT
    return {0: HEDGE, 3: INVERSE}.get(seed // 3 % 4, LINEAR)


def _actions(rng: random.Random, kills: bool) -> tuple[Action, ...]:
    """One or two. A trailing stop comes alone: whether it hears the other's trades would be a race."""
    actions = [_action(rng, kills) for _ in range(rng.choice((1, 1, 1, 2)))]
    return tuple(next(([action] for action in actions if action.kind == "trailing"), actions))


def _action(rng: random.Random, kills: bool) -> Action:
    kinds: tuple[ActionKind, ...] = ("market", "limit", "stop", "trailing", "bracket", "pair", "cancel", "edit")
    return Action(
        kind=rng.choices(kinds, weights=(5, 4, 2, 1, 3, 2, 0 if kills else 3, 3))[0],
        is_buy=rng.random() < 0.6,
        size=Decimal(rng.randint(200, 12_000)).scaleb(-5),  # up to more than one level of the book
        distance_pct=Decimal(rng.randint(-10, 120)).scaleb(-2),
        pick=rng.randint(0, 9),
    )


def _faults(rng: random.Random, wire: HttpSession) -> tuple[Fault, ...]:
    """None to three; they strike the requests and frames that come next."""
    chosen = []
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        draw = rng.random()
        if draw < 0.45:
            chosen.append(_request_fault(rng, *wire.place))
        elif draw < 0.55:
            chosen.append(_request_fault(rng, *(wire.edit if wire.edit and draw < 0.5 else wire.cancel)))
        elif draw < 0.72:
            chosen.append(_request_fault(rng, "GET", rng.choice(wire.queries)))
        elif draw < 0.95:
            chosen.append(Fault(rng.choice(_FRAMES), stream="user", nth=rng.randint(1, 2), times=rng.randint(1, 2)))
        else:
            chosen.append(Fault(FaultKind.CLOCK_SKEW, skew_ms=rng.choice((-8_000, 8_000))))
    return tuple(chosen)


def _apart(faults: tuple[Fault, ...], wire: HttpSession, before: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """No other trouble for orders while the exchange's clock is wrong, or was until a moment ago.

    Whether an order is refused once for its stamp depends on when the clock was measured last; without other faults it
    is then sent again and nothing else changes.
    """
    if not any(fault.kind is FaultKind.CLOCK_SKEW for fault in (*faults, *before)):
        return faults
    return tuple(fault for fault in faults if (fault.method, fault.path) != wire.place)


def _request_fault(rng: random.Random, method: str, path: str) -> Fault:
    return Fault(
        rng.choice(_ANSWERS),
        method=method,
        path=path,
        nth=rng.choice((1, 1, 1, 2)),
        times=rng.choice((1, 1, 2)),
        status=rng.choice((500, 502, 503, 504)),
        delay_s=0.15,
    )
