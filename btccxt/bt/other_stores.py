"""Words of other stores for backtrader, and what is written here instead: people arrive with their old lines.

Sources: bt-ccxt-store (ccxtbt), backtrader-binance, backtrader's own IBStore and OandaStore.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

_BARS = "bars=500 or fromdate= says how much history"
_KEYS = "config={'apiKey': …, 'secret': …}, or a file .env"
_CURRENCY = "currency='USDT' of the store, and dataname='BTC/USDT' of getdata()"
_NO_SERVER = "nothing: the exchange is reached directly"
_ALWAYS_OPEN = "nothing: these markets never close"
_RECONNECTS = "nothing: it reconnects for as long as it runs; streams={…} has the numbers"
_TABLE = "nothing: kinds and statuses of each exchange are known; overrides={…} if you know better"
_CLOCK = "nothing: the exchange's clock is always measured"

OF_STORES: Mapping[str, str] = {
    "sandbox": "mode='testnet'",
    "testnet": "mode='testnet'",
    "practice": "mode='testnet'",
    "retries": "retry_attempts=5 (of questions; creating an order is never repeated)",
    "debug": "log={'level': 'debug'}",
    "_debug": "log={'level': 'debug'}",
    "notifyall": "nothing: notify_store is told",
    "api_key": _KEYS,
    "apikey": _KEYS,
    "api_secret": _KEYS,
    "secret": _KEYS,
    "token": _KEYS,
    "password": "config={'apiKey': …, 'secret': …, 'password': …}",
    "account": "nothing: the keys say which account",
    "coin_refer": _CURRENCY,
    "coin_target": _CURRENCY,
    "exchange_id": "exchange=, or the name alone in first place",
    "broker_mapping": _TABLE,
    "host": _NO_SERVER,
    "port": _NO_SERVER,
    "clientId": _NO_SERVER,
    "timeoffset": _CLOCK,
    "timerefresh": _CLOCK,
    "reconnect": _RECONNECTS,
    "timeout": "timeouts={…}",
    "indcash": "nothing: cash is never split among datas",
}
OF_DATAS: Mapping[str, str] = {
    "symbol": "dataname='BTC/USDT'",
    "ticker": "dataname='BTC/USDT'",
    "ohlcv_limit": f"nothing: {_BARS}",
    "limit": f"nothing: {_BARS}",
    "drop_newest": "nothing: only closed bars are delivered",
    "fetch_ohlcv_params": "nothing: history is paged as each exchange wants it",
    "debug": "log={'level': 'debug'} of the store",
    "timeframe_in_minutes": "timeframe=bt.TimeFrame.Minutes, compression=5",
    "start_date": "fromdate=",
    "end_date": "todate=",
    "LiveBars": "nothing, or historical=True for the past alone",
    "currency": "currency= of the store",
    "what": _ALWAYS_OPEN,
    "useRTH": _ALWAYS_OPEN,
    "outsideRth": _ALWAYS_OPEN,
    "sectype": "dataname='BTC/USDT', or 'BTC/USDT:USDT' for the perpetual",
    "rtbar": "timeframe=bt.TimeFrame.Seconds, compression=5 (and bars='trades' where there are no such candles)",
    "tradename": "nothing: two datas, and buy(data=…)",
    "bidask": "quotes=True for the lines bid, ask and spread",
    "useask": "quotes=True for the lines bid, ask and spread",
    "reconnections": _RECONNECTS,
    "reconntimeout": _RECONNECTS,
    "candles": "nothing, or bars='trades' for bars made of trades",
    "volume": "nothing: each bar has its volume",
}
OF_BROKERS: Mapping[str, str] = {
    "broker_mapping": _TABLE,
    "debug": "log={'level': 'debug'} of the store",
    "cash": "mode='paper' and balance={'USDT': 10_000} of the store",
    "commission": "nothing: fees are the exchange's; in a backtest store.backtest_broker() has them",
    "use_positions": "nothing: the positions of the account are always read",
}


def written_here(word: str, known: Mapping[str, str]) -> str:
    """What to write instead of a word of another store, as the end of a sentence; '' for any other word."""
    meant = {name.lower(): text for name, text in known.items()}.get(word.lower(), "")
    if meant.startswith("nothing"):
        return f"; leave it out{meant.removeprefix('nothing')}"
    return f"; write {meant}" if meant else ""


def no_such_argument(call: str, name: str, known: Collection[str], elsewhere: Mapping[str, str]) -> str:
    """The sentence that refuses ``name``: what is written here, else what is near, else all that there is."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
    return f"{call}() has no argument {name!r}{written_here(name, elsewhere) or hint}"
