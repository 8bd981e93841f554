"""Deposits, withdrawals and transfers as ccxt lists them, in one form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from btccxt.errors import Unsupported
from btccxt.exchange.ccxt.statuses import number_of
from btccxt.exchange.ccxt.times import time_of
from btccxt.exchange.plausibility import check_money
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.model import ZERO, Transfer, TransferKind

Rows = Callable[..., Awaitable[list[Transfer | None]]]
"""(ccxt method, *arguments, understand=) -> what that makes of each row."""

_LISTS = (
    ("fetchDeposits", "fetch_deposits", TransferKind.DEPOSIT),
    ("fetchWithdrawals", "fetch_withdrawals", TransferKind.WITHDRAWAL),
)
_OF_TRADING = frozenset({"trade", "fee", "commission", "settlement", "margin"})
_KINDS = {
    "deposit": TransferKind.DEPOSIT, "withdrawal": TransferKind.WITHDRAWAL, "transfer": TransferKind.TRANSFER,
    "transaction": TransferKind.TRANSFER,
}  # fmt: skip


async def transfers_since(rows: Rows, has: Mapping[str, Any], profile: Profile, since_ms: int) -> list[Transfer]:
    """What has arrived and left, oldest first. Raises Unsupported where nothing lists it."""
    if profile.transfers == "ledger":
        found = await rows("fetch_ledger", None, since_ms, understand=_of_ledger)
    else:
        lists = [(method, kind) for feature, method, kind in _LISTS if has.get(feature)]
        if not lists:
            raise Unsupported(f"{profile.exchange} lists no deposits and withdrawals")
        found = []
        for method, kind in lists:
            found += await rows(method, None, since_ms, understand=partial(_of_list, kind=kind))
    known = (each for each in found if each is not None and each.time_ms >= since_ms)
    return sorted(known, key=lambda each: each.time_ms)


def _of_list(row: Mapping[str, Any], kind: TransferKind) -> Transfer | None:
    amount, currency = number_of(row.get("amount")), row.get("currency")
    if amount is None or currency is None or row.get("status") not in ("ok", None):
        return None
    fee = row.get("fee") or {}
    cost = (number_of(fee.get("cost")) or ZERO) if fee.get("currency") in (currency, None) else ZERO
    signed = amount if kind is TransferKind.DEPOSIT else -amount - cost
    check_money(amount)
    return Transfer(str(currency), signed, time_of(row.get("timestamp")) or 0, kind, f"{kind.value} {row.get('id')}")


def _of_ledger(row: Mapping[str, Any]) -> Transfer | None:
    amount, currency, word = number_of(row.get("amount")), row.get("currency"), row.get("type")
    if not amount or currency is None or word in _OF_TRADING:
        return None
    signed = -abs(amount) if row.get("direction") == "out" else abs(amount)
    kind = _KINDS.get(str(word), TransferKind.OTHER)
    check_money(amount)
    return Transfer(str(currency), signed, time_of(row.get("timestamp")) or 0, kind, f"ledger {row.get('id')}")
