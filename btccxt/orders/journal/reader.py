"""Reading a journal while another process may be writing it: what the command line shows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from btccxt.errors import JournalError
from btccxt.model import Fill, OrderRequest, OrderUpdate
from btccxt.orders.context import FOLLOWS, PRIMARY
from btccxt.orders.journal import schema as schema
from btccxt.orders.journal.alarms import load_alarms
from btccxt.orders.journal.codec import EVENT_KINDS, decode, decode_request
from btccxt.orders.journal.file import check_account, open_read_only, trouble_with
from btccxt.orders.journal.fills import FillSum, StoredFill, booked_fills, load_fills
from btccxt.orders.journal.holdings import StoredHoldings, load_holdings
from btccxt.orders.journal.paper import StoredPaper, load_paper
from btccxt.orders.journal.prune import PRUNED_UNTIL
from btccxt.orders.journal.rows import JournaledOrder, load_order_names
from btccxt.orders.live_order import LifecycleState

TIES = ("parent", "replaces", PRIMARY, FOLLOWS, "oco")
"""Keys of an order's context that name another order."""


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """One line of a list of orders."""

    request: OrderRequest
    state: LifecycleState
    order_id: str | None
    filled: Decimal
    created_ms: int
    updated_ms: int
    pending_release: bool
    external: bool


@dataclass(frozen=True, slots=True)
class StoryLine:
    """One thing that happened to an order. ``what`` is the event's name, ``details`` its words."""

    at_ms: int
    what: str
    details: str


@dataclass(frozen=True, slots=True)
class OrderStory:
    """An order's whole life, oldest first."""

    order: OrderSummary
    context: Mapping[str, str]
    lines: tuple[StoryLine, ...]


class JournalReader:
    """Read-only view of a journal file. Raises JournalError if the file is not a journal; changes nothing.

    Usable as a context manager. Reads block for milliseconds; meant for the command line, not for the session.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(Path(path).expanduser().absolute())
        if not Path(self.path).exists():
            raise JournalError(f"there is no order journal at {self.path}")
        self._connection = open_read_only(self.path)
        try:
            schema.check_readable(self._connection, self.path)
            self.meta: Mapping[str, str] = dict(self._connection.execute("SELECT key, value FROM meta"))
        except sqlite3.Error as error:
            self.close()
            raise trouble_with(self.path, error) from error
        except JournalError:
            self.close()
            raise

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def check_account(self, exchange: str, mode: str, account: str) -> None:
        """Raises JournalError if the journal is another account's."""
        check_account(self.path, self.meta, exchange, mode, account)

    def orders(self, *, limit: int = 100, only_open: bool = False) -> list[OrderSummary]:
        """Newest first."""
        condition = "WHERE final = 0" if only_open else ""
        return self._summaries(f"{condition} ORDER BY rowid DESC LIMIT ?", limit)

    def order_names(self) -> list[JournaledOrder]:
        """Which orders of the exchange are ours, oldest first."""
        return load_order_names(self._connection)

    def fills(self) -> list[Fill]:
        """Every trade that the exchange named, each once."""
        fills = [stored.fill for stored in load_fills(self._connection, "1 = 1") if not stored.inferred]
        return list({fill.key: fill for fill in fills}.values())

    def paper(self) -> StoredPaper | None:
        """The paper account that lives here; None where none does."""
        if schema.schema_version(self._connection) < schema.WITH_PAPER:
            return None
        return load_paper(self._connection)

    def booked_fills(self) -> list[Fill]:
        """What was counted: trades, and where the exchange named none, the rise of its cumulative amounts.

        The amounts of an order's fills add up to what it filled.
        """
        return booked_fills(self._connection)

    @property
    def fills_pruned_until_ms(self) -> int:
        """Trades up to then may be missing; 0 where none were taken out."""
        return int(self.meta.get(PRUNED_UNTIL, 0))

    def holdings(self) -> StoredHoldings | None:
        """What the account should have; None before the first start of a program."""
        return load_holdings(self._connection)

    def story(self, order: str) -> OrderStory | None:
        """The life of one order, found by its client order id or the exchange's id."""
        found = self._summaries("WHERE client_order_id = ? OR order_id = ? LIMIT 1", order, order)
        if not found:
            return None
        summary = found[0]
        client_order_id = summary.request.client_order_id
        execute = self._connection.execute
        (context,) = execute("SELECT context FROM tickets WHERE client_order_id = ?", (client_order_id,)).fetchone()
        lines = [StoryLine(summary.created_ms, "Intent", _describe_request(summary.request))]
        lines += [
            StoryLine(at_ms, "Sent", f"attempt {attempt}")
            for attempt, at_ms in execute(
                "SELECT attempt, sent_ms FROM attempts WHERE client_order_id = ?", (client_order_id,)
            )
        ]
        lines += [
            StoryLine(at_ms, kind, _describe(kind, payload))
            for at_ms, kind, payload in execute(
                "SELECT at_ms, kind, payload FROM updates WHERE client_order_id = ? ORDER BY id", (client_order_id,)
            )
        ]
        lines += _fill_lines(load_fills(self._connection, "client_order_id = ?", client_order_id))
        lines += [
            StoryLine(at_ms, "Note", text)
            for at_ms, text in execute("SELECT at_ms, text FROM notes WHERE client_order_id = ?", (client_order_id,))
        ]
        lines += self._alarm_lines(client_order_id)
        lines.sort(key=lambda line: line.at_ms)
        return OrderStory(summary, json.loads(context), tuple(lines))

    def family(self, client_order_id: str) -> list[tuple[OrderSummary, Mapping[str, str]]]:
        """An order and all tied to it (exits, pairs, what follows an edit), with their contexts, oldest first."""
        found: dict[str, Mapping[str, str]] = {}
        waiting = [client_order_id]
        while waiting:
            name = waiting.pop()
            row = self._connection.execute("SELECT context FROM tickets WHERE client_order_id = ?", (name,)).fetchone()
            if row is None or name in found:
                continue
            found[name] = context = json.loads(row[0])
            waiting += [other for tie in TIES if (other := context.get(tie)) is not None]
            waiting += [
                other
                for (other,) in self._connection.execute(
                    "SELECT client_order_id FROM tickets WHERE instr(context, ?)", (json.dumps(name),)
                )
            ]
        marks = ", ".join("?" * len(found))
        summaries = self._summaries(f"WHERE client_order_id IN ({marks}) ORDER BY rowid", *found)
        return [(each, found[each.request.client_order_id]) for each in summaries]

    def _alarm_lines(self, client_order_id: str) -> list[StoryLine]:
        if schema.schema_version(self._connection) < schema.WITH_ALARMS:  # not opened by this version's programs yet
            return []
        return [
            StoryLine(each.at_ms, "Alarm", each.alarm.text + ("" if each.told else " (nobody was told yet)"))
            for each in load_alarms(self._connection)
            if each.alarm.client_order_id == client_order_id
        ]

    def _summaries(self, condition: str, *values: object) -> list[OrderSummary]:
        rows = self._connection.execute(
            "SELECT request, state, order_id, filled, created_ms, updated_ms, held, external FROM tickets " + condition,
            values,
        )
        return [
            OrderSummary(
                request=decode_request(request),
                state=LifecycleState(state),
                order_id=order_id,
                filled=Decimal(filled),
                created_ms=created_ms,
                updated_ms=updated_ms,
                pending_release=bool(held),
                external=bool(external),
            )
            for request, state, order_id, filled, created_ms, updated_ms, held, external in rows
        ]


def _describe_request(request: OrderRequest) -> str:
    words = [request.side.value, str(request.amount), request.symbol, request.kind.value]
    words += [f"price {request.price}"] if request.price is not None else []
    words += [f"trigger {request.trigger_price}"] if request.trigger_price is not None else []
    return " ".join(words)


def _describe(kind: str, payload: str) -> str:
    event: object = decode(EVENT_KINDS[kind], payload)
    if isinstance(event, OrderUpdate):
        parts = [event.origin.value, event.status.value]
        parts += [f"({event.raw_status})"] if event.raw_status else []
        parts += [f"filled {event.filled.normalize():f}"] if event.filled is not None else []
        parts += [f"id {event.order_id}"] if event.order_id else []
        parts += [event.reject_reason] if event.reject_reason else []
        return " ".join(parts)
    words = json.loads(payload)
    return "; ".join(
        str(value) if not isinstance(value, list) else "; ".join(map(str, value)) for value in words.values()
    )


def _fill_lines(rows: Sequence[StoredFill]) -> list[StoryLine]:
    total = FillSum()
    lines = []
    for row in rows:
        again = row.key in total.gains
        lines.append(StoryLine(row.at_ms, "Fill", _describe_fill(row, total.add(row), again)))
    return lines


def _describe_fill(stored: StoredFill, gained: Decimal, again: bool) -> str:
    fill = stored.fill
    fee = f", fee {fill.fee.cost} {fill.fee.currency}" if fill.fee else ""
    whence = f"trade {fill.trade_id or 'without id'}"
    if stored.inferred:
        whence = "inferred: the exchange named no trade"
    elif again:
        whence += ", counted before: its fee is learned"
    elif gained != fill.amount:
        whence += f", {gained:f} of it new: the rest was inferred before"
    return f"{fill.side.value} {fill.amount} at {fill.price}{fee}, {whence}"
