"""Public archives: which files a range needs, what is in them, and what is wrong with them."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from btccxt.bars import archive_files
from btccxt.bars.archive_files import ArchiveUnreachable, fetch_archive
from btccxt.bars.archives import ArchiveFile, BadArchive, answers_of, files_for, rows_of
from btccxt.bars.segments import Range
from btccxt.bars.tables import columns_of, trades_of
from btccxt.exchange.profile.archive_rule import ArchiveRule, ArchivesRule
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import Market, MarketType, Side, Trade
from btccxt.timeframe import parse_timeframe
from tests.fakes import spot_market

MINUTE, DAY = 60_000, 86_400_000
JANUARY, MARCH = 1_767_225_600_000, 1_772_323_200_000  # 2026
M1 = parse_timeframe("1m")
BAR_COLUMNS = ("time", "open", "high", "low", "close", "volume")


def rules(base: str = "https://files.example", checksum: str | None = None) -> ArchivesRule:
    bars = ArchiveRule(
        columns=BAR_COLUMNS, month=base + "/{base}{quote}-{timeframe}-{year}-{month}.zip",
        day=base + "/{base}{quote}-{timeframe}-{year}-{month}-{day}.zip", timeframes={"1M": "1mo"}, checksum=checksum,
    )  # fmt: skip
    trades = ArchiveRule(
        columns=("id", "price", "amount", "-", "-", "time", "buyer_is_maker"),
        day=base + "/{base}{quote}-trades-{year}-{month}-{day}.csv.gz",
    )
    return ArchivesRule(bars=bars, trades=trades)


def zipped(text: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("bars.csv", text)
    return sink.getvalue()


def a_day(rule: ArchiveRule | None = None, of_bars: bool = True) -> ArchiveFile:
    rule = rule or rules().bars
    assert rule is not None
    return ArchiveFile(rule, of_bars, "x", Range(MARCH, MARCH + DAY))


# ------------------------------------------------------------------ which files


def test_months_then_days_and_the_rest_is_left_to_the_api() -> None:
    wanted = Range(JANUARY - 5 * MINUTE - 2 * DAY, MARCH + DAY + 5 * MINUTE)
    names = [file.url.rpartition("/")[2] for file in files_for(rules(), spot_market(), M1, [wanted])]
    assert names == [
        "BTCUSDT-1m-2025-12-30.zip",
        "BTCUSDT-1m-2025-12-31.zip",
        "BTCUSDT-1m-2026-01.zip",
        "BTCUSDT-1m-2026-02.zip",
        "BTCUSDT-1m-2026-03-01.zip",
    ]


def test_a_month_knows_the_days_that_stand_in_for_it() -> None:
    (file,) = files_for(rules(), spot_market(), M1, [Range(MARCH - 28 * DAY, MARCH)])
    assert file.url.endswith("BTCUSDT-1m-2026-02.zip")
    assert [other.range.from_ms for other in file.others] == [MARCH - n * DAY for n in range(28, 0, -1)]


def test_trades_and_names_of_the_archives_own() -> None:
    (trades,) = files_for(rules(), spot_market(), None, [Range(MARCH, MARCH + DAY)])
    assert trades.url.endswith("BTCUSDT-trades-2026-03-01.csv.gz")
    (months,) = files_for(rules(), spot_market(), parse_timeframe("1M"), [Range(JANUARY, JANUARY + 31 * DAY)])
    assert "-1mo-" in months.url
    assert files_for(ArchivesRule(), spot_market(), M1, [Range(JANUARY, MARCH)]) == []


@pytest.mark.parametrize("kind", [MarketType.SPOT, MarketType.LINEAR])
def test_the_tables_addresses_are_those_of_binances_archive(kind: MarketType) -> None:
    market = Market("x", "BTC", "USDT", None, kind, True, None, None, taker_rate=Decimal(0))
    archives = load_profile("binance", kind).archives
    (file,) = files_for(archives, market, M1, [Range(JANUARY, JANUARY + 31 * DAY)])
    part = "spot" if kind is MarketType.SPOT else "futures/um"
    beginning = f"https://data.binance.vision/data/{part}"
    assert file.url == f"{beginning}/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2026-01.zip"
    assert file.others[0].url == f"{beginning}/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2026-01-01.zip"
    day = files_for(archives, market, None, [Range(JANUARY, JANUARY + DAY)])[0]
    assert day.url == f"{beginning}/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-01-01.zip"


def test_trades_of_bybits_contracts_are_read_from_its_files() -> None:
    market = Market("x", "BTC", "USDT", "USDT", MarketType.LINEAR, True, None, None, taker_rate=Decimal(0))
    archives = load_profile("bybit", MarketType.LINEAR).archives
    (file,) = files_for(archives, market, None, [Range(JANUARY, JANUARY + DAY)])
    assert file.url == "https://public.bybit.com/trading/BTCUSDT/BTCUSDT2026-01-01.csv.gz"
    head = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional\n"
    rows = [
        f"{JANUARY // 1000 + 5}.1385,BTCUSDT,Sell,0.007,60000.5,ZeroMinusTick,d9cd8295-40dc,4.2e+10,0.007,420.0035",
        f"{JANUARY // 1000 + 6},BTCUSDT,Buy,1.5,60001.0,PlusTick,42882580-5dce,9.0e+12,1.5,90001.5",
    ]
    table = rows_of(file, gzip.compress((head + "\n".join(rows) + "\n").encode()))
    assert trades_of(table, "BTC/USDT:USDT") == [
        Trade("d9cd8295-40dc", JANUARY + 5_138, 60_000.5, 0.007, Side.SELL, "BTC/USDT:USDT"),
        Trade("42882580-5dce", JANUARY + 6_000, 60_001.0, 1.5, Side.BUY, "BTC/USDT:USDT"),
    ]


def test_trades_of_bybits_spot_are_numbered_by_day() -> None:
    market = Market("x", "BTC", "USDT", None, MarketType.SPOT, True, None, None, taker_rate=Decimal(0))
    (file,) = files_for(load_profile("bybit", MarketType.SPOT).archives, market, None, [Range(JANUARY, JANUARY + DAY)])
    assert file.url == "https://public.bybit.com/spot/BTCUSDT/BTCUSDT_2026-01-01.csv.gz"
    rows = (
        f"id,timestamp,price,volume,side,rpi\n1,{JANUARY + 7},60000.5,0.003718,sell,0\n2,{JANUARY + 7},60001,2,buy,1\n"
    )
    assert trades_of(rows_of(file, gzip.compress(rows.encode())), "BTC/USDT") == [
        Trade("20260101-1", JANUARY + 7, 60_000.5, 0.003718, Side.SELL, "BTC/USDT"),
        Trade("20260101-2", JANUARY + 7, 60_001.0, 2.0, Side.BUY, "BTC/USDT"),
    ]


OKX = "https://static.okx.com/cdn/okex/traderecords"
BEIJING = 8 * 60 * MINUTE


@pytest.mark.parametrize(
    ("kind", "name", "volume"), [(MarketType.SPOT, "BTC-USDT", 3.0), (MarketType.LINEAR, "BTC-USDT-SWAP", 4.0)]
)
def test_okx_files_have_days_and_months_of_beijing(kind: MarketType, name: str, volume: float) -> None:
    market = Market("x", "BTC", "USDT", "USDT", kind, True, None, None, taker_rate=Decimal(0))
    archives = load_profile("okx", kind).archives
    begin = JANUARY - BEIJING
    month, day = files_for(archives, market, M1, [Range(begin, begin + 32 * DAY + MINUTE)])
    assert month.url == f"{OKX}/candlesticks/monthly/202601/{name}-candlesticks-2026-01.zip"
    assert month.range == Range(begin, begin + 31 * DAY)
    assert day.url == f"{OKX}/candlesticks/daily/20260201/{name}-candlesticks-2026-02-01.zip"
    assert files_for(archives, market, parse_timeframe("5m"), [Range(begin, begin + DAY)]) == []
    head = "instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm"
    rows = f"{head}\n{name},1,2,0.5,1.5,3,4,5,{begin},1\n"
    assert columns_of(rows_of(month, zipped(rows))).volume.tolist() == [volume]

    (file,) = files_for(archives, market, None, [Range(JANUARY - DAY, JANUARY + DAY)])
    assert file.url == f"{OKX}/trades/daily/20260101/{name}-trades-2026-01-01.zip"
    assert file.range == Range(begin, begin + DAY)
    head = "instrument_name,trade_id,side,price,size,created_time,source"
    rows = f"{head}\n{name},4033860455,sell,1604.96,2.08,{begin + 12},0\n"
    assert trades_of(rows_of(file, zipped(rows)), "x") == [
        Trade("4033860455", begin + 12, 1604.96, 2.08, Side.SELL, "x")
    ]


def test_columns_in_another_order_than_the_table_says_are_not_read() -> None:
    market = Market("x", "BTC", "USDT", None, MarketType.SPOT, True, None, None, taker_rate=Decimal(0))
    begin = JANUARY - BEIJING
    (file,) = files_for(load_profile("okx", MarketType.SPOT).archives, market, None, [Range(begin, begin + DAY)])
    older = f"instrument_name,trade_id,side,size,price,created_time\nBTC-USDT,1,buy,2.08,1604.96,{begin}\n"
    with pytest.raises(BadArchive, match="its first line"):
        rows_of(file, zipped(older))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"columns": BAR_COLUMNS, "day": "https://x/{symbol}"}, "unknown {symbol}"),
        ({"columns": ("time", "open")}, "columns need"),
        ({"columns": (*BAR_COLUMNS, "price")}, "'price' is wrong"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ArchivesRule(bars=ArchiveRule.model_validate(values))


# ------------------------------------------------------------------ what is in them


@pytest.mark.parametrize("factor", [1e-3, 1, 1_000, 1_000_000], ids=["s", "ms", "us", "ns"])
@pytest.mark.parametrize("header", ["", "open_time,open,high,low,close,volume,close_time\n"])
@pytest.mark.parametrize("pack", [zipped, lambda text: gzip.compress(text.encode()), str.encode])
def test_bars_whatever_the_unit_of_time_the_header_and_the_packing(factor: float, header: str, pack: object) -> None:
    text = header + "".join(f"{int((MARCH + n * MINUTE) * factor)},1.5,2.25,1,{n}.125,7,99\n" for n in range(3))
    columns = columns_of(rows_of(a_day(), pack(text)))  # type: ignore[operator]
    assert columns.open_ms.tolist() == [MARCH, MARCH + MINUTE, MARCH + 2 * MINUTE]
    assert columns.close.tolist() == [0.125, 1.125, 2.125]
    assert columns.volume.tolist() == [7, 7, 7]


def test_trades_with_either_way_of_telling_the_side() -> None:
    rule = rules().trades
    text = f"17,100.5,0.25,1,2,{MARCH + 5},True,True\n18,101,0.5,3,3,{MARCH + 5},False,True\n"
    table = rows_of(a_day(rule, of_bars=False), gzip.compress(text.encode()))
    assert trades_of(table, "BTC/USDT") == [
        Trade("17", MARCH + 5, 100.5, 0.25, Side.SELL, "BTC/USDT"),
        Trade("18", MARCH + 5, 101.0, 0.5, Side.BUY, "BTC/USDT"),
    ]
    other = ArchiveRule(columns=("time", "-", "side", "amount", "price", "-", "id"), day="x")
    text = "timestamp,symbol,side,size,price,tick,trdMatchID\n"
    text += f"{(MARCH + 9) / 1000},BTCUSDT,Buy,0.5,101,PlusTick,uuid-2\n"
    text += f"{(MARCH + 5) / 1000},BTCUSDT,Sell,0.25,100,ZeroPlusTick,uuid-1\n"
    trades = trades_of(rows_of(a_day(other, of_bars=False), text.encode()), "BTC/USDT")
    assert [(trade.trade_id, trade.time_ms, trade.side) for trade in trades] == [
        ("uuid-1", MARCH + 5, Side.SELL),
        ("uuid-2", MARCH + 9, Side.BUY),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04 torn", "unpacked"),
        (b"\x1f\x8b torn", "unpacked"),
        (b"<html>busy</html>", "read"),
        (f"{MARCH},1,2,x,4,5\n".encode(), "read"),
        (f"{MARCH + DAY},1,2,1,2,5\n".encode(), "another time"),
        (f"{MARCH},1,2,1,2,5\n{MARCH},1,2,1,2,5\n".encode(), "twice"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_never_believed(content: bytes, words: str) -> None:
    with pytest.raises(BadArchive, match=words):
        rows_of(a_day(), content)


def test_what_lies_between_runs_of_bars_is_asked_of_the_exchange() -> None:
    text = "".join(f"{MARCH + n * MINUTE},1,2,1,2,5\n" for n in (0, 1, 2, 5, 6, 9))
    found = answers_of(a_day(), rows_of(a_day(), text.encode()), M1)
    assert [((part.from_ms - MARCH) // MINUTE, (part.to_ms - MARCH) // MINUTE) for part, _ in found] == [
        (0, 3), (5, 7), (9, 10),
    ]  # fmt: skip
    assert answers_of(a_day(), rows_of(a_day(), b""), M1) == []
    sparse = "".join(f"{MARCH + n * MINUTE},1,2,1,2,5\n" for n in range(0, 200, 2))
    assert [part for part, _ in answers_of(a_day(), rows_of(a_day(), sparse.encode()), M1)] == [a_day().range]


# ------------------------------------------------------------------ fetching


class Shelf:
    """A server with files; what was asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.fails = 0

    async def answer(self, request: web.Request) -> web.Response:
        name = request.path.strip("/")
        self.asked.append(name)
        if self.fails:
            self.fails -= 1
            return web.Response(status=503)
        content = self.files.get(name)
        return web.Response(status=404) if content is None else web.Response(body=content)


@pytest.fixture
async def shelf(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Shelf, str]]:
    monkeypatch.setattr(archive_files, "_FIRST_PAUSE_S", 0.001)
    kept = Shelf()
    app = web.Application()
    app.router.add_get("/{name:.*}", kept.answer)
    server = TestServer(app)
    await server.start_server()
    yield kept, str(server.make_url("")).rstrip("/")
    await server.close()


def minutes(from_ms: int, count: int) -> bytes:
    return zipped("".join(f"{from_ms + n * MINUTE},1,2,1,2,5\n" for n in range(count)))


async def fetched(base: str, wanted: Range, bad: list[str], checksum: str | None = None) -> list[tuple[str, int]]:
    files = files_for(rules(base, checksum), spot_market(), M1, [wanted])
    return [(file.url.rpartition("/")[2], table.num_rows) async for file, table in fetch_archive(files, bad)]


async def test_a_month_that_is_not_there_is_tried_by_its_days(shelf: tuple[Shelf, str]) -> None:
    kept, base = shelf
    kept.files["BTCUSDT-1m-2026-02-02.zip"] = minutes(MARCH - 27 * DAY, 10)
    kept.files["BTCUSDT-1m-2026-03-01.zip"] = minutes(MARCH, 20)
    bad: list[str] = []
    got = await fetched(base, Range(MARCH - 28 * DAY, MARCH + DAY), bad)
    assert sorted(got) == [("BTCUSDT-1m-2026-02-02.zip", 10), ("BTCUSDT-1m-2026-03-01.zip", 20)]
    assert bad == []


async def test_a_checksum_that_differs_is_told_and_its_file_not_used(shelf: tuple[Shelf, str]) -> None:
    kept, base = shelf
    for day, told in (("01", None), ("02", b"0" * 64 + b"  name"), ("03", b"")):
        content = kept.files[f"BTCUSDT-1m-2026-03-{day}.zip"] = minutes(MARCH + (int(day) - 1) * DAY, 5)
        right = hashlib.sha256(content).hexdigest().encode() + b"  a name\n"
        kept.files[f"BTCUSDT-1m-2026-03-{day}.zip.CHECKSUM"] = right if told is None else told
    bad: list[str] = []
    assert await fetched(base, Range(MARCH, MARCH + 3 * DAY), bad, ".CHECKSUM") == [("BTCUSDT-1m-2026-03-01.zip", 5)]
    assert len(bad) == 2
    assert all("checksum" in each for each in bad)


async def test_a_server_that_is_busy_is_asked_again_and_one_that_stays_so_is_given_up(shelf: tuple[Shelf, str]) -> None:
    kept, base = shelf
    kept.files["BTCUSDT-1m-2026-03-01.zip"] = minutes(MARCH, 5)
    kept.fails = 2
    assert len(await fetched(base, Range(MARCH, MARCH + DAY), [])) == 1
    kept.fails = 99
    with pytest.raises(ArchiveUnreachable, match="503"):
        await fetched(base, Range(MARCH, MARCH + DAY), [])
