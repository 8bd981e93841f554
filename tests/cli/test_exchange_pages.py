"""docs/exchanges/ says what the mapping table says."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from btccxt.cli import app
from btccxt.cli.exchange_pages import ORDER_WORDS, REGENERATE, pages
from btccxt.exchange.profile.profile import known_exchanges, load_profile, market_types

COMMITTED = Path(__file__).parents[2] / "docs" / "exchanges"


def test_the_committed_pages_are_what_the_mapping_table_generates() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in COMMITTED.glob("*.md")}
    made = pages()
    assert committed.keys() == made.keys(), f"run: {REGENERATE}"
    differing = [name for name, text in made.items() if committed[name] != text]
    assert not differing, f"{', '.join(differing)} differ from exchanges.yaml; run: {REGENERATE}"


def test_every_exchange_has_a_page_with_every_order_kind_of_every_market_type() -> None:
    made = pages()
    for name in known_exchanges():
        rows = [line for line in made[f"{name}.md"].splitlines() if line.startswith("| ")]
        for word in ORDER_WORDS:
            found = [row for row in rows if row.startswith(f"| {word.replace('_', ' ')} | ")]
            supports = [row.split(" | ")[1] for row in found]
            assert supports == [load_profile(name, kind).orders[word].support for kind in market_types(name)]


def test_the_command_writes_the_pages_and_removes_those_of_exchanges_that_left(tmp_path: Path) -> None:
    (tmp_path / "mtgox.md").write_text("gone")
    answer = CliRunner().invoke(app, ["exchanges", "--docs", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    assert {path.name for path in tmp_path.iterdir()} == pages().keys()


def test_one_exchange_is_shown_with_its_status_words_and_why_orders_are_refused() -> None:
    answer = CliRunner().invoke(app, ["exchanges", "krakenfutures"])
    profile = load_profile("krakenfutures", market_types("krakenfutures")[0])
    shown = " ".join(answer.output.split())
    assert answer.exit_code == 0
    for word in ("status words", "WebSocket", "rate limits", "client order id"):
        assert word in shown
    assert any(rule.why and rule.why[:30] in shown for rule in profile.orders.values())


def test_json_has_every_key_of_the_profile() -> None:
    answer = CliRunner().invoke(app, ["exchanges", "okx", "--json"])
    told = json.loads(answer.output)
    assert [entry["market_type"] for entry in told] == [kind.value for kind in market_types("okx")]
    assert told[0]["statuses"]["raw"] and told[0]["orders"]["stop"]["support"]
