"""Bad input: one clear error that names the nearest valid choice, before anything is sent; nothing hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.config import Mode
from btccxt.errors import AuthenticationFailed, BtccxtError, ConfigError
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.ccxt.ccxt_instance import HttpSession, make_instance
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.sim.tls import connector_for
from btccxt.store.build_config import build_config
from btccxt.store.startup import MONEY
from btccxt.store.venues import connect
from tests.e2e.kit import run
from tests.e2e.stage import Venue
from tests.sim_keys import SIM_KEYS

SIM = {"speed": 300.0}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"exchange": "binanse"}, "binance"),
        ({"exchange": "binance", "mode": "papper"}, "paper"),
        ({"exchange": "binance", "market_type": "spott"}, "spot"),
        ({"exchange": "binance", "currency": 5}, "currency"),
        ({"exchange": "binance", "config": "apiKey"}, "config"),
        ({"exchange": "binance", "balance": "lots", "mode": "sim"}, "not a number"),
        ({"exchange": "binance", "balance": -1, "mode": "sim"}, "negative"),
        ({"exchange": "binance", "mode": "sim", "sim": {"sped": 2}}, "speed"),
        ({"exchange": "binance", "mode": "sim", "sim": {"speed": 0}}, "above 0"),
        ({"exchange": "binance", "mode": "sim", "market_type": "linear"}, "no linear ones; 'binanceusdm' or 'bybit'"),
        ({"exchange": "gate", "mode": "sim"}, "does not speak 'gate'; It speaks: binance, "),
        ({"exchange": "binance", "overrides": {"binanse": {}}}, "binance"),
        ({"exchange": "binance", "overrides": {"binance": {"ordres": {}}}}, "orders"),
        ({"exchange": "binance", "mode": "sim", "sim": {"symbols": ("BTC/USDD",)}}, "BTC/USDT"),
        ({"exchange": "binance", "mode": "sim", "sim": {"market": "nowhere.csv.gz"}}, "nowhere.csv.gz"),
    ],
)
def test_wrong_arguments_are_named_with_the_nearest_choice(arguments, words):
    with pytest.raises(ConfigError, match=words):
        store = CCXTStore(**arguments)
        try:
            store.start()
        finally:
            store.stop()


@pytest.mark.parametrize("mode", ["testnet", "live"])
def test_modes_that_move_money_ask_for_keys_and_say_where_they_could_stand(mode, monkeypatch):
    for name in ("API_KEY", "SECRET"):
        monkeypatch.delenv(f"BTCCXT_BINANCE_{name}", raising=False)
    with pytest.raises(ConfigError, match="BTCCXT_BINANCE_API_KEY"):
        CCXTStore("binance", mode=mode)


def test_a_store_that_moves_money_says_which_when_it_starts(caplog):
    with Venue() as venue:
        own = CCXTExchange(
            load_profile("binance", MarketType.SPOT), SIM_KEYS, clock=ExchangeClock(WallTime()),
            connector=lambda: connector_for(venue.address),
        )  # fmt: skip
        store = CCXTStore(own, mode="live", journal=":memory:")
        store.getbroker()
        store.start()
        said = [str(message) for message, *_ in store.get_notifications()]
        store.stop()
    assert any("binance, mode 'live': orders move REAL MONEY" in text for text in said)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("REAL MONEY" in text for text in warnings)  # seen without any setting of the log


@pytest.mark.parametrize(("mode", "word"), [("testnet", "play money"), ("live", "REAL MONEY")])
def test_testnet_and_live_lead_to_their_own_addresses(mode, word):
    profile = load_profile("binance", MarketType.SPOT)
    settings = build_config({"exchange": "binance", "mode": mode})
    venue = connect(Mode(mode), profile, SIM_KEYS, balances={}, settings=settings, report=lambda what, error: None)
    instance = make_instance(
        profile, {}, HttpSession(None, False), venue.clock, testnet=venue.exchange._testnet
    )  # as it does when it opens
    assert ("testnet" in instance.urls["api"]["private"]) is (mode == "testnet")
    assert word in MONEY[Mode(mode)]


@pytest.mark.parametrize(
    ("dataname", "options", "words"),
    [
        ("BTC/USDTT", {"timeframe": bt.TimeFrame.Minutes}, "did you mean BTC/USDT"),
        ("btc/usdt", {"timeframe": bt.TimeFrame.Minutes}, "did you mean BTC/USDT"),
        ("BTC/USDT:USDT", {"timeframe": bt.TimeFrame.Minutes}, "market_type='linear'"),
        ("BTC/USDT", {"timeframe": bt.TimeFrame.Minutes, "compression": 7}, "5m"),
        ("BTC/USDT", {"timeframe": bt.TimeFrame.Minutes, "gaps": "ignore"}, "report"),
    ],
)
@pytest.mark.parametrize("broker", [False, True])
def test_wrong_datas_are_named_with_the_nearest_choice(dataname, options, words, broker):
    store = CCXTStore("binance", mode="sim", sim=SIM, journal=":memory:")
    with pytest.raises(ConfigError, match=words):
        run(store, store.getdata(dataname=dataname, **options), live_bars=1, broker=broker)
    assert store._session is None


@pytest.mark.parametrize("maxcpus", [1, None])
@pytest.mark.parametrize("broker", [False, True])
def test_an_optimisation_of_live_data_is_one_error_that_says_what_would_work(maxcpus, broker):
    store = CCXTStore("binance", mode="sim", sim=SIM, journal=":memory:")
    cerebro = bt.Cerebro(stdstats=False, maxcpus=maxcpus)
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes))
    if broker:
        cerebro.setbroker(store.getbroker())
    cerebro.optstrategy(bt.strategies.SMA_CrossOver, fast=[3, 4])
    with pytest.raises(ConfigError, match=r"optstrategy needs data that end|maxcpus=1.*historical=True"):
        cerebro.run()
    assert store._session is None


def test_an_unknown_currency_is_refused_at_the_start():
    store = CCXTStore("binance", mode="sim", sim=SIM, currency="USDTT")
    with pytest.raises(ConfigError, match="did you mean USDT"):
        store.start()


def test_wrong_keys_are_one_error_and_everything_is_closed_again():
    before = set(threading.enumerate())
    store = CCXTStore("binance", mode="sim", sim=SIM, config={"apiKey": "wrong", "secret": "also wrong"})
    data = store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes)
    store.getbroker()
    with pytest.raises(AuthenticationFailed) as caught:
        run(store, data, broker=True, live_bars=1)
    assert "also wrong" not in str(caught.value)
    assert set(threading.enumerate()) == before


def test_no_network_is_one_error_and_not_a_hang():
    refused = CCXTExchange(
        load_profile("binance", MarketType.SPOT), {"httpsProxy": "http://127.0.0.1:9", "timeout": 2000}
    )
    store = CCXTStore(refused, mode="paper", start_timeout_s=20)
    with pytest.raises(BtccxtError, match="binance"):
        run(store, store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes), live_bars=1)


@pytest.mark.parametrize("interrupted", ["making the client", "loading the markets"])
def test_ctrl_c_while_a_store_starts_leaves_no_thread(interrupted, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    where = {
        "making the client": "btccxt.store.venues.CCXTExchange",
        "loading the markets": "btccxt.store.store.AccountSession",
    }[interrupted]
    store = CCXTStore("binance", mode="sim", sim=SIM, journal=":memory:")
    monkeypatch.setattr(where, interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.start()
    assert set(threading.enumerate()) == before
    assert store._session is None
    monkeypatch.undo()
    store.start()
    store.stop()


PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
import backtrader as bt
from btccxt import CCXTStore
class Quiet(bt.Strategy):
    def notify_data(self, data, status, *args, **kwargs):
        if status == data.LIVE:
            print("live", flush=True)
    def stop(self):
        print("stopped", flush=True)
store = CCXTStore("binance", mode="sim", sim={"speed": 60})
cerebro = bt.Cerebro()
cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes))
cerebro.setbroker(store.getbroker())
cerebro.addstrategy(Quiet)
cerebro.run()
import threading
print("threads", threading.active_count(), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_cleanly(number):
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-W", "ignore::SyntaxWarning", "-c", PROGRAM],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "live"
        process.send_signal(number)
        output, errors = process.communicate(timeout=100)
    finally:
        process.kill()
    assert output.split() == ["stopped", "threads", "1"]
    assert process.returncode == 0
    noise = [line for line in errors.splitlines() if "nclosed" in line or "never" in line or "Traceback" in line]
    assert noise == []
