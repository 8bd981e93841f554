"""A ccxt that builds one kind of order otherwise: it is refused by name before anything is sent, the rest works."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.async_support
import pytest

from btccxt.bt.compat import bt
from btccxt.config import ChangedCcxt, Mode
from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.proof import standing as proof_standing
from btccxt.exchange.proof.examine import examine
from btccxt.exchange.proof.verdict import Verdict
from btccxt.model import MarketType
from btccxt.store.self_check import self_check, warning
from tests.e2e.stage import Player, Step, Venue, play

D = Decimal
_PRICE = D(60_000)


def _renamed_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    make = ccxt.async_support.binance.create_order_request

    def changed(self, *arguments, **named):
        request = make(self, *arguments, **named)
        return {("triggerPrice" if name == "stopPrice" else name): value for name, value in request.items()}

    monkeypatch.setattr(ccxt.async_support.binance, "create_order_request", changed)


def _acts(player: Player) -> None:
    player.made["limit"] = player.buy(size=0.01, exectype=bt.Order.Limit, price=59_000)
    player.made["stop"] = player.buy(size=0.01, exectype=bt.Order.Stop, price=61_000)


def test_the_changed_kind_is_refused_by_name_and_the_rest_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    _renamed_trigger(monkeypatch)
    with Venue() as venue:
        store = venue.store()
        resting = Step(_PRICE, _acts, until=lambda player: player.made["limit"].status == bt.Order.Accepted)
        player, _ = play(venue, store, [resting, Step(_PRICE, _look)])
    stop = player.made["stop"]
    assert stop.status == bt.Order.Rejected
    assert "stopPrice=110.25 is now triggerPrice=110.25" in str(stop.info)
    assert (store.profile.orders["stop"].support, store.profile.orders["limit"].support) == ("refused", "native")
    told = [str(each) for each in player.store_news]
    assert any("refused: " in each and "stop_limit" in each and "btccxt selfcheck binance" in each for each in told)
    assert not player.made["ccxt"]["good"]
    assert "stop" in player.made["ccxt"]["refused"]


async def test_whoever_only_wants_to_be_warned_is(monkeypatch: pytest.MonkeyPatch) -> None:
    _renamed_trigger(monkeypatch)
    profile = load_profile("binance", MarketType.SPOT)
    verdict, kept = await self_check(profile, Mode.LIVE, ChangedCcxt.WARN)
    assert kept is profile
    assert "used all the same (changed_ccxt: warn)" in str(warning(verdict, ChangedCcxt.WARN))


async def test_a_rule_of_the_users_own_stays_his_word(monkeypatch: pytest.MonkeyPatch) -> None:
    _renamed_trigger(monkeypatch)
    own = {"orders": {"stop": {"native": {"type": "market", "params": {"triggerPrice": "{trigger_price}"}, "wire": {"type": "STOP_LOSS"}}}}}  # fmt: skip  # noqa: E501
    profile = load_profile("binance", MarketType.SPOT, own)
    _, found = await self_check(profile, Mode.LIVE, ChangedCcxt.REFUSE)
    assert (found.orders["stop"].support, found.orders["stop_limit"].support) == ("native", "refused")


async def test_what_was_found_is_kept_until_ccxt_or_a_proof_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    profile = load_profile("bitstamp", MarketType.SPOT)
    asked = []

    async def counted(*arguments: Any, **named: Any) -> Verdict:
        asked.append(arguments)
        return await examine(*arguments, **named)

    monkeypatch.setattr(proof_standing, "examine", counted)
    first, again = [await proof_standing.standing(profile, "live", tmp_path) for _ in range(2)]
    assert (len(asked), first) == (1, again)
    monkeypatch.setattr(ccxt.async_support.bitstamp, "parse_order_status", lambda self, status: "open")
    changed = await proof_standing.standing(profile, "live", tmp_path)
    assert len(asked) == 2
    assert (first.good, await proof_standing.standing(profile, "live", tmp_path)) == (True, changed)
    _tear(tmp_path)
    assert (await proof_standing.standing(profile, "live", tmp_path)).checked == first.checked


def _look(player: Player) -> None:
    player.made["ccxt"] = player.p.play.store.health()["ccxt"]


def _tear(folder: Path) -> None:
    for kept in folder.glob("*.json"):
        kept.write_text("torn", encoding="utf-8")
