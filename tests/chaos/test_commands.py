"""The commands that belong to orders that are never lost: rehearse a strategy, and see both sides of an account."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path

import pytest
from typer.testing import CliRunner

from btccxt.cli import app
from btccxt.cli.comparison import compare_fills, compare_orders
from btccxt.cli.rehearsal import fault_mix
from btccxt.errors import ConfigError, JournalError
from btccxt.model import Fill, OrderKind, OrderRequest, OrderStatus, OrderUpdate, Origin, Side
from btccxt.orders.journal.journal import Journal
from btccxt.orders.journal.reader import OrderSummary
from btccxt.orders.lifecycle import LifecycleState
from btccxt.store.strategy_file import load_strategy

STRATEGY = """
import backtrader as bt

class Swing(bt.Strategy):
    params = (("size", 0.01),)

    def next(self):
        if self.data._laststatus == self.data.LIVE and len(self) % 3 == 0:
            self.close() if self.position else self.buy(size=self.p.size)
"""


def test_rehearse_runs_a_users_file_with_faults_and_checks_the_books(tmp_path: Path):
    path = tmp_path / "swing_for_rehearsal.py"
    path.write_text(STRATEGY)
    result = CliRunner().invoke(
        app,
        ["rehearse", str(path), "--faults", "lost-answers,streams", "--bars", "14", "--speed", "200", "--history", "20",
         "--param", "size=0.02", "--seed", "5"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Faults that struck" in result.output
    assert "Completed" in result.output
    assert "DIFFERENT" not in result.output


@pytest.mark.parametrize(
    ("names", "says"), [("lost-answer", "did you mean 'lost-answers'"), ("xyz", "there are none, lost-answers")]
)
def test_an_unknown_fault_mix_names_the_nearest(names: str, says: str):
    with pytest.raises(ConfigError, match=says):
        fault_mix(names)


def test_a_file_without_one_strategy_is_refused(tmp_path: Path):
    path = tmp_path / "two_strategies.py"
    path.write_text(STRATEGY + STRATEGY.replace("Swing", "Other"))
    with pytest.raises(ConfigError, match="several strategies"):
        load_strategy(path)
    assert load_strategy(path, "Other").__name__ == "Other"
    with pytest.raises(ConfigError, match="there is no file"):
        load_strategy(tmp_path / "absent.py")


REQUEST = OrderRequest("b1", "BTC/USDT", Side.BUY, OrderKind.LIMIT, D(1), D(100))
OURS = OrderSummary(REQUEST, LifecycleState.OPEN, "7", D(0), 1, 1, False, False)
THEIRS = OrderUpdate("BTC/USDT", OrderStatus.OPEN, Origin.QUERY, order_id="7", client_order_id="b1", filled=D(0))


@pytest.mark.parametrize(
    ("ours", "theirs", "why"),
    [
        (OURS, THEIRS, ""),
        (OURS, None, "open here, not among the exchange's open orders"),
        (replace(OURS, pending_release=True), None, ""),
        (replace(OURS, state=LifecycleState.CANCELED), THEIRS, "ended here, open at the exchange"),
        (replace(OURS, filled=D("0.5")), THEIRS, "filled by different amounts"),
        (None, THEIRS, "the journal does not know it"),
    ],
)
def test_reconcile_names_what_the_two_sides_differ_in(ours, theirs, why):
    (row,) = compare_orders([ours] if ours else [], [theirs] if theirs else [])
    assert row.why == why


def test_reconcile_names_trades_that_one_side_has_alone():
    fill = Fill("t1", "BTC/USDT", Side.BUY, D(100), D(1), 1)
    assert compare_fills([fill], [fill]) == []
    assert [row.why for row in compare_fills([fill], [])] == ["a trade that the exchange does not list"]
    assert [row.why for row in compare_fills([], [fill])] == ["a trade that the journal does not know"]


def test_reconcile_names_the_side_that_is_missing_of_a_trade_of_the_account_with_itself():
    bought = Fill("t1", "BTC/USDT", Side.BUY, D(100), D(1), 1)
    sold = replace(bought, side=Side.SELL)
    assert compare_fills([bought, sold], [sold, bought]) == []
    assert [row.theirs for row in compare_fills([bought, sold], [bought])] == [None]
    assert [row.ours for row in compare_fills([sold], [bought, sold])] == [None]


def test_two_journals_of_one_account_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    account = {"exchange": "binance", "mode": "live", "account": "abc", "lock_whole_account": True}
    first = Journal.open(tmp_path / "one.sqlite3", **account)
    try:
        with pytest.raises(JournalError, match=r"traded by process .* with another journal"):
            Journal.open(tmp_path / "two.sqlite3", **account)
        Journal.open(tmp_path / "three.sqlite3", **{**account, "account": "other"}).close()
    finally:
        first.close()
    Journal.open(tmp_path / "two.sqlite3", **account).close()
