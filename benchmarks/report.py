"""What a benchmark found: rows, targets, notes; printed as one table and written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

OURS = "btccxt"


@dataclass(frozen=True, slots=True)
class Column:
    name: str  # with its unit: 'CPU µs/frame'
    digits: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One contender in one case. Rows of btccxt's own begin with 'btccxt'; the others are its peers."""

    case: str
    who: str
    values: Mapping[str, float]

    @property
    def is_ours(self) -> bool:
        return self.who.startswith(OURS)


@dataclass(frozen=True, slots=True)
class Target:
    text: str
    measured: float
    limit: float
    at_least: bool = False
    digits: int = 2

    @property
    def reached(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        verdict = "reached" if self.reached else "NOT REACHED"
        return f"{verdict}: {self.text}: {self.measured:,.{self.digits}f} (target {sign} {self.limit:g})"


@dataclass(frozen=True, slots=True)
class Report:
    """``compared`` names the column whose ratio (btccxt : peer) the table shows."""

    name: str
    title: str
    columns: tuple[Column, ...]
    compared: str
    rows: tuple[Row, ...]
    targets: tuple[Target, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def peers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.who for row in self.rows if not row.is_ours))

    def ratio(self, row: Row, peer: str) -> float | None:
        """Of btccxt's figure to the peer's, in the same case; None where that peer did not take part."""
        other = next((each for each in self.rows if each.case == row.case and each.who == peer), None)
        if not row.is_ours or other is None or not other.values.get(self.compared):
            return None
        ours = row.values.get(self.compared)
        return None if ours is None else ours / other.values[self.compared]

    def to_json(self) -> dict[str, Any]:
        rows = [
            {
                "case": row.case,
                "who": row.who,
                **row.values,
                "ratios": {peer: ratio for peer in self.peers() if (ratio := self.ratio(row, peer)) is not None},
            }
            for row in self.rows
        ]
        targets = [{**asdict(target), "reached": target.reached} for target in self.targets]
        return {
            "name": self.name, "title": self.title, "compared": self.compared, "rows": rows, "targets": targets,
            "notes": list(self.notes),
        }  # fmt: skip


def as_text(report: Report) -> str:
    """The table, as monospaced text that is Markdown as well."""
    peers = report.peers()
    head = ["case", "who", *(column.name for column in report.columns), *(f": {peer}" for peer in peers)]
    lines = [head]
    for row in report.rows:
        cells = [row.case, row.who]
        for column in report.columns:
            value = row.values.get(column.name)
            cells.append("" if value is None else f"{value:,.{column.digits}f}")
        for peer in peers:
            ratio = report.ratio(row, peer)
            cells.append("" if ratio is None else f"{ratio:.2f}")
        lines.append(cells)
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    text = [f"{report.name}: {report.title}", ""]
    for number, line in enumerate(lines):
        padded = [cell.ljust(width) if place < 2 else cell.rjust(width)
                  for place, (cell, width) in enumerate(zip(line, widths, strict=True))]  # fmt: skip
        text.append("| " + " | ".join(padded) + " |")
        if number == 0:
            text.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    text.append("")
    if peers:
        text.append(f"': peer' is btccxt's {report.compared} divided by the peer's.")
    text += [str(target) for target in report.targets]
    text += report.notes
    return "\n".join(text)
