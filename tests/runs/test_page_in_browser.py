"""The page in a real Chromium: what it shows, live and as a report; light, dark and as narrow as a phone."""

from __future__ import annotations

import io
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Page, async_playwright, expect

from btccxt.runs import page_server
from btccxt.runs.page_server import PageServer
from btccxt.runs.records import find_runs
from btccxt.runs.report import read_run, write_report
from btccxt.store import run_record
from btccxt.store.run_record import RunRecord
from tests.runs.test_page_server import HEADER, bar
from tests.runs.test_state import order, value

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
AT_MS = bar(39)["at"]
WAIT_MS = 60_000


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunRecord]:
    monkeypatch.setattr(run_record, "state_directory", lambda: tmp_path)
    monkeypatch.setattr(run_record, "_WRITE_EVERY_S", 0.01)
    monkeypatch.setattr(page_server, "_POLL_S", 0.02)
    made = RunRecord("run-1", HEADER, lambda what, error: None)
    for number in range(40):
        made.add(bar(number))
        made.add(
            {"t": "value", "at": bar(number)["at"], "value": 1_000.0 + number, "cash": 500.0, "held": {"BTC/USDT": 0.5}}
        )
    made.add(order(1, at=AT_MS, size=0.5, filled=0.5, average=139.0, signal=138.0, fee=0.07, status="Completed"))
    made.add({"t": "fill", "at": AT_MS, "ref": 1, "s": "BTC/USDT", "size": 0.5, "price": 139.0, "fee": 0.07})
    stop = {"at": AT_MS, "side": "sell", "kind": "Stop", "size": -0.5, "price": 120.0, "parent": 1}
    made.add(order(2, **stop, status="Accepted"))
    made.add({"t": "trade", "at": AT_MS, "opened": AT_MS, "s": "BTC/USDT", "gross": 3.0, "net": -2.5, "ref": 1})
    made.add({"t": "told", "at": AT_MS, "kind": "alarm", "text": "the alarm <b>text</b>"})
    yield made
    made.end()


@pytest_asyncio.fixture
async def chromium() -> AsyncIterator[Any]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


async def opened(chromium: Any, address: str, width: int, scheme: str) -> tuple[Page, list[str]]:
    context = await chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page: Page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("requestfailed", lambda request: faults.append(request.url))
    await page.goto(address)
    await expect(page.locator("#figures td").first).to_have_text("bars", timeout=WAIT_MS)
    return page, faults


async def colours_of(page: Page) -> int:
    picture = Image.open(io.BytesIO(await page.locator("#chart").screenshot()))
    return len(picture.convert("RGB").resize((300, 200)).getcolors(300 * 200) or [])


async def is_right(page: Page) -> None:
    text = " ".join((await page.inner_text("body")).split())
    for told in (
        "Averages binance spot sim BTC/USDT 139 equity 1,039.00 USDT +3.90 %", "net profit +39.00 USDT (+3.90%)",
        "slippage of market orders +72.5 basis points", "sell Stop 0.5 120", "the alarm <b>text</b>", "-2.50",
    ):  # fmt: skip
        assert told in text, text
    assert await colours_of(page) > 20
    assert "fee status why" in text
    net, view = await page.locator("#trades").get_by_text("-2.50").bounding_box(), page.viewport_size
    assert net is not None and view is not None and net["x"] + net["width"] <= view["width"]  # on a phone as well
    overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow == 0


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
async def test_a_report_shows_the_run_and_asks_nobody(
    record: RunRecord, chromium: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    record.end()
    (run,) = find_runs()
    write_report(read_run(run), tmp_path / "report.html")
    page, faults = await opened(chromium, f"file://{tmp_path / 'report.html'}", width, scheme)
    await is_right(page)
    background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")
    assert await page.locator("button:visible").count() == 0
    assert faults == []


async def test_the_page_follows_a_run_and_says_when_it_ends(record: RunRecord, chromium: Any) -> None:
    server = PageServer()
    await server.start()
    try:
        page, faults = await opened(chromium, server.address, 390, "dark")
        await expect(page.locator("#told .alarm")).to_have_count(1, timeout=WAIT_MS)
        await is_right(page)
        record.add(bar(40))
        record.add(value(bar(40)["at"], 900.0))
        record.add(order(2, at=AT_MS, side="sell", kind="Stop", size=-0.5, price=120.0, parent=1, status="Canceled"))
        await expect(page.locator("#open")).to_have_text("none", timeout=WAIT_MS)
        await expect(page.locator("#positions")).to_have_text("nothing is held", timeout=WAIT_MS)
        await expect(page.locator("#head")).to_contain_text("BTC/USDT 140", timeout=WAIT_MS)
        await expect(page.locator("#head")).to_contain_text("-10.00 %", timeout=WAIT_MS)
        record.end()
        await expect(page.locator("#head")).to_contain_text("ended", timeout=WAIT_MS)
        assert await page.locator("button:visible").count() == 0  # read-only
        assert faults == []
    finally:
        await server.stop()
