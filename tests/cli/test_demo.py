"""``btccxt demo``, what ``make demo`` runs: it trades, says what happens, compares the books and draws a picture."""

from __future__ import annotations

import re
import warnings
from decimal import Decimal as D

import pytest
from typer.testing import CliRunner

from btccxt.cli import app, demo_run
from btccxt.cli.demo_run import MovingAverageDemo
from btccxt.errors import ConfigError
from btccxt.runs import report
from btccxt.store.store import CCXTStore

pytestmark = pytest.mark.usefixtures("patient_market")


def demo(folder, *options: str):
    return CliRunner().invoke(app, ["demo", "--speed", "360", "--seed", "3", "--output", str(folder), *options])


def test_the_demo_trades_tells_all_of_it_and_draws_it(tmp_path):
    matplotlib_image = pytest.importorskip("matplotlib.image")
    answer = demo(tmp_path, "--bars", "45")
    shown = answer.output
    assert answer.exit_code == 0, shown
    assert re.search(r"BTC/USDT: LIVE", shown)
    assert re.search(r"BTC/USDT [\d,.]+ +bar \d+/45 +position [\d.]+ +equity [\d,.]+ USDT", shown)
    head = next(line for line in shown.splitlines() if "┃ time" in line)
    assert [cell.strip() for cell in head.split("┃")[1:-1]] == [
        "time", "side", "kind", "size", "at", "filled", "average", "fills", "fee", "net profit", "status",
    ]  # fmt: skip
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    orders, books = [row for row in rows if len(row) == 11], [row for row in rows if len(row) == 4]
    result = {row[0]: row[1] for row in rows if len(row) == 2}
    assert result["orders, fills"] == f"{len(orders)}, {sum(int(row[7]) for row in orders)}" and orders
    fees = D(result["fees"].removesuffix(" USDT").replace(",", ""))
    assert fees == pytest.approx(sum(D(row[8]) for row in orders), abs=D("0.01"))
    assert result["equity"].startswith("10,000.00 -> ")
    assert "win rate" in result["closed trades"] and result["holding BTC/USDT"].endswith("%")
    profits = [D(row[9].replace(",", "")) for row in orders if row[9] != "-"]
    assert int(result["closed trades"].split(",")[0]) == len(profits) > 0
    first, last = (D(each.replace(",", "")) for each in result["equity"].removesuffix(" USDT").split(" -> "))
    assert last - first == pytest.approx(sum(profits), abs=D("0.1"))  # it ends flat: what is gained is in the trades
    assert {row[2] for row in orders} == {"Limit", "Market"}  # a busy machine may see a limit order given up
    assert "Completed" in {row[10] for row in orders} <= {"Completed", "Canceled"}
    assert [row[0] for row in books] == ["BTC", "USDT"]
    assert all(ours == theirs and word == "equal" for _, ours, theirs, word in books)
    assert re.search(r"picture: \S+demo\.png", shown) and re.search(r"page: \S+demo\.html", shown)
    assert "MovingAverageDemo" in (tmp_path / "demo.html").read_text(encoding="utf-8")
    picture = matplotlib_image.imread(tmp_path / "demo.png")
    height, width, _ = picture.shape
    assert width > 1_000 and height > 700 and picture.std() > 0.05  # not an empty sheet


def test_without_matplotlib_it_says_so_and_ends_well(tmp_path, monkeypatch):
    found = demo_run.find_spec
    for module in (demo_run, report):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == "matplotlib" else found(name))
    answer = demo(tmp_path, "--bars", "5")
    assert answer.exit_code == 0, answer.output
    told = " ".join(answer.output.split())
    assert "no picture: it needs pip install 'btccxt[plot]'" in told
    assert told.index("no picture") < told.index("equity")  # before the run, not after it
    assert not (tmp_path / "demo.png").exists()


def test_without_an_order_it_ends_as_well_and_without_a_warning(tmp_path, monkeypatch):
    # The averages may cross within five bars; which bars these are depends on when the feed has become live.
    monkeypatch.setattr(MovingAverageDemo, "buy", lambda strategy, **order: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        answer = demo(tmp_path, "--bars", "5")
    assert answer.exit_code == 0, answer.output
    assert re.search(r"orders, fills +│ +0, 0 ", answer.output) and (tmp_path / "demo.png").exists()


def test_books_that_differ_are_shown_and_are_the_exit_code(tmp_path, monkeypatch):
    monkeypatch.setattr(CCXTStore, "books_check", lambda store: [("BTC", D("1.5"), D("1.4"))])
    answer = demo(tmp_path, "--bars", "5")
    assert answer.exit_code == 1
    assert re.search(r"BTC │ +1\.5 │ +1\.4 │ (?!equal)", answer.output)


def test_where_its_page_has_no_place_it_says_so_before_it_trades(tmp_path):
    (tmp_path / "file").write_text("")
    answer = demo(tmp_path / "file" / "demo", "--bars", "5")
    assert isinstance(answer.exception, ConfigError) and "cannot be written" in str(answer.exception)
    assert "BTC/USDT" not in answer.output
