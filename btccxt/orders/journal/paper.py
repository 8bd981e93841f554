"""The account of mode 'paper' in the journal: its matching engine's records, changed in the same file and order as what
the order core keeps of them, so that after a kill neither side knows of a fill that the other has lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from btccxt.matching.kept import KeptAccount, KeptOrder, KeptPast
from btccxt.matching.records import FundingPaid, SimFill
from btccxt.orders.journal.codec import decode, encode

_PUT = "INSERT OR REPLACE INTO paper (kind, number, part, ended, payload) VALUES (?,?,?,?,?)"
Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class PaperChange:
    """What one call of the engine changed."""

    account: KeptAccount | None
    orders: Sequence[KeptOrder] = ()
    fills: Sequence[SimFill] = ()
    fundings: Sequence[FundingPaid] = ()

    def statements(self) -> list[Statement]:
        rows: list[tuple[str, int, str, bool, Any]] = []
        rows += [("order", int(each.order_id), "", each.status.is_final, each) for each in self.orders]
        rows += [("fill", each.trade_id, each.order_id, True, each) for each in self.fills]
        rows += [("funding", each.number, "", True, each) for each in self.fundings]
        if self.account is not None:
            rows.append(("account", 0, "", False, self.account))
        return [(_PUT, (kind, number, part, int(ended), encode(each))) for kind, number, part, ended, each in rows]


@dataclass(frozen=True, slots=True)
class StoredPaper:
    account: KeptAccount
    past: KeptPast


def load_paper(connection: sqlite3.Connection) -> StoredPaper | None:
    """None where no paper account has begun in this journal."""
    row = connection.execute("SELECT payload FROM paper WHERE kind = 'account'").fetchone()
    if row is None:
        return None
    orders = [decode(KeptOrder, text) for text in _rows(connection, "order")]
    fills = [decode(SimFill, text) for text in _rows(connection, "fill")]
    fundings = [decode(FundingPaid, text) for text in _rows(connection, "funding")]
    return StoredPaper(decode(KeptAccount, row[0]), KeptPast(orders, fills, fundings))


def prune_paper(connection: sqlite3.Connection, most: int) -> None:
    """Of ended orders, fills and fundings keep the newest so many each."""
    for kind in ("order", "fill", "funding"):
        connection.execute(
            "DELETE FROM paper WHERE kind = ? AND ended = 1 AND number <= (SELECT number FROM paper WHERE kind = ? "
            "AND ended = 1 ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (kind, kind, most),
        )


def _rows(connection: sqlite3.Connection, kind: str) -> list[str]:
    found = connection.execute("SELECT payload FROM paper WHERE kind = ? ORDER BY number, part", (kind,))
    return [row[0] for row in found]
