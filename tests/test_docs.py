"""The documents name only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROMISES = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("file", "name"), re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PROMISES))
def test_every_test_that_a_promise_names_exists(file, name):
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_every_link_between_pages_leads_to_a_file(page):
    for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_every_promise_names_a_proof():
    rows = re.findall(r"^\| (\d+) \|.*$", PROMISES, re.MULTILINE)
    numbers = [int(row) for row in rows]
    assert numbers == sorted(set(numbers))
    assert set(range(1, 11)) <= set(numbers) <= set(range(1, 16))
    assert all("::" in line for line in PROMISES.splitlines() if re.match(r"\| \d+ \|", line))
