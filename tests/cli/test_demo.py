"""``btccxt demo``, what ``make demo`` runs: it trades, says what happens, compares the books and draws a picture."""

from __future__ import annotations

import re
import warnings
from decimal import Decimal as D

import pytest
from typer.testing import CliRunner

from btccxt.cli import app
from btccxt.cli.demo_run import MovingAverageDemo
from btccxt.store.store import CCXTStore

matplotlib_image = pytest.importorskip("matplotlib.image")


def demo(folder, *options: str):
    return CliRunner().invoke(app, ["demo", "--speed", "360", "--seed", "3", "--output", str(folder), *options])


def test_the_demo_trades_tells_all_of_it_and_draws_it(tmp_path):
    answer = demo(tmp_path, "--bars", "45")
    shown = answer.output
    assert answer.exit_code == 0, shown
    assert re.search(r"BTC/USDT: LIVE", shown)
    assert re.search(r"\d\d:\d\d BTC/USDT +[\d,.]+ +bar +1/45 +orders +0 +fills +0 +position 0\.00000", shown)
    head = next(line for line in shown.splitlines() if "┃ time" in line)
    assert [cell.strip() for cell in head.split("┃")[1:-1]] == [
        "time", "side", "kind", "size", "at", "filled", "average", "fills", "fee", "profit", "status",
    ]  # fmt: skip
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    orders, books = [row for row in rows if len(row) == 11], [row for row in rows if len(row) == 4]
    said = re.search(r"(\d+) orders, (\d+) fills, fees ([\d,.]+) USDT, (\d+) closed trades", shown)
    assert said is not None and int(said[1]) == len(orders) > 0
    assert int(said[2]) == sum(int(row[7]) for row in orders) > 0
    assert D(said[3].replace(",", "")) == pytest.approx(sum(D(row[8]) for row in orders), abs=D("0.01"))
    assert {row[2] for row in orders} == {"Limit", "Market"}  # a busy machine may see a limit order given up
    assert "Completed" in {row[10] for row in orders} <= {"Completed", "Canceled"}
    assert [row[0] for row in books] == ["BTC", "USDT"]
    assert all(ours == theirs and word == "equal" for _, ours, theirs, word in books)
    assert re.search(r"picture: \S+demo\.png", shown)
    picture = matplotlib_image.imread(tmp_path / "demo.png")
    height, width, _ = picture.shape
    assert width > 1_000 and height > 700 and picture.std() > 0.05  # not an empty sheet


def test_without_an_order_it_ends_as_well_and_without_a_warning(tmp_path, monkeypatch):
    # The averages may cross within five bars; which bars these are depends on when the feed has become live.
    monkeypatch.setattr(MovingAverageDemo, "buy", lambda strategy, **order: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        answer = demo(tmp_path, "--bars", "5")
    assert answer.exit_code == 0, answer.output
    assert "0 orders, 0 fills" in answer.output and (tmp_path / "demo.png").exists()


def test_books_that_differ_are_shown_and_are_the_exit_code(tmp_path, monkeypatch):
    monkeypatch.setattr(CCXTStore, "books_check", lambda store: [("BTC", D("1.5"), D("1.4"))])
    answer = demo(tmp_path, "--bars", "5")
    assert answer.exit_code == 1
    assert re.search(r"BTC │ +1\.5 │ +1\.4 │ (?!equal)", answer.output)
