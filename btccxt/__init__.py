"""btccxt: connect backtrader to any exchange that ccxt knows.

    store = CCXTStore("binance", mode="paper")          # sim | paper (default) | testnet | live
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes))
    cerebro.setbroker(store.getbroker())

The whole public surface is named here; each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from btccxt.bars.columns import Columns
    from btccxt.bars.lake import DataVenue, Lake, SeriesKey
    from btccxt.bars.offline import open_columns
    from btccxt.bt.backtest_broker import BacktestBroker
    from btccxt.bt.broker import CCXTBroker
    from btccxt.bt.commission import CryptoCommInfo
    from btccxt.bt.data import CCXTData
    from btccxt.bt.order_request import TakeProfit, TakeProfitLimit
    from btccxt.bt.persist import Persistent
    from btccxt.bt.routing import RoutingBroker
    from btccxt.bt.warmup_policy import Then, WarmUp
    from btccxt.config import Mode, OnStop, StoreConfig
    from btccxt.errors import (
        AuthenticationFailed,
        BtccxtError,
        ClockSkew,
        ConfigError,
        ConnectionLost,
        ExchangeUnavailable,
        Fatal,
        JournalError,
        LakeError,
        MissingBars,
        MissingKeys,
        NonceRefused,
        OrderNotFound,
        OrderOutcomeUnknown,
        RateLimited,
        Refused,
        Retryable,
        StateMismatch,
        Unreadable,
        Unsupported,
    )
    from btccxt.exchange.api import ExchangeAPI
    from btccxt.matching.paper_options import MatchAgainst, PaperOptions
    from btccxt.model import (
        Balance,
        Balances,
        Bar,
        ConnectionState,
        Fee,
        Fill,
        Market,
        MarketType,
        OrderBook,
        OrderFeature,
        OrderKind,
        OrderReference,
        OrderRequest,
        OrderStatus,
        OrderUpdate,
        Position,
        Side,
        Ticker,
        TimeInForce,
        Trade,
    )
    from btccxt.notices import CoinsUnvalued, MoneyMoved, NoticeKind, StoreNotice, StrategyLag, WarmUpEnded
    from btccxt.orders.events import Alarm, AlarmKind
    from btccxt.orders.policy import TrackerPolicy
    from btccxt.orders.risk import RiskLimits, TradingState
    from btccxt.resilience.backoff import Backoff
    from btccxt.resilience.breaker import BreakerPolicy
    from btccxt.session.stream_policy import StreamChanged, StreamPolicy, Verdict
    from btccxt.sim.faults import Fault, FaultKind, FaultPlan
    from btccxt.sim.options import SimOptions
    from btccxt.store.account_history import AccountHistory, HistoryProgress
    from btccxt.store.engine import LiveEngine, run, run_backtest
    from btccxt.store.money_history import MoneyEntry, MoneyKind
    from btccxt.store.run_record import record_run
    from btccxt.store.store import CCXTStore
    from btccxt.sweep.grid import Span
    from btccxt.sweep.records import StudyRun, StudyTrade
    from btccxt.sweep.result import StudyResult
    from btccxt.sweep.study import StudyProgress, study

__version__ = "0.1.0"
_HOMES = {
    "btccxt.bars.columns": ("Columns",),
    "btccxt.bars.lake": ("DataVenue", "Lake", "SeriesKey"),
    "btccxt.bars.offline": ("open_columns",),
    "btccxt.bt.backtest_broker": ("BacktestBroker",),
    "btccxt.bt.broker": ("CCXTBroker",),
    "btccxt.bt.routing": ("RoutingBroker",),
    "btccxt.bt.commission": ("CryptoCommInfo",),
    "btccxt.bt.data": ("CCXTData",),
    "btccxt.bt.order_request": (
        "TakeProfit",
        "TakeProfitLimit",
    ),
    "btccxt.bt.warmup_policy": (
        "Then",
        "WarmUp",
    ),
    "btccxt.bt.persist": ("Persistent",),
    "btccxt.config": (
        "Mode",
        "OnStop",
        "StoreConfig",
    ),
    "btccxt.errors": (
        "AuthenticationFailed",
        "BtccxtError",
        "ClockSkew",
        "ConfigError",
        "ConnectionLost",
        "ExchangeUnavailable",
        "Fatal",
        "JournalError",
        "LakeError",
        "MissingBars",
        "MissingKeys",
        "NonceRefused",
        "OrderNotFound",
        "OrderOutcomeUnknown",
        "RateLimited",
        "Refused",
        "Retryable",
        "StateMismatch",
        "Unreadable",
        "Unsupported",
    ),
    "btccxt.exchange.api": ("ExchangeAPI",),
    "btccxt.model": (
        "Balance",
        "Balances",
        "Bar",
        "ConnectionState",
        "Fee",
        "Fill",
        "Market",
        "MarketType",
        "OrderFeature",
        "OrderKind",
        "OrderReference",
        "OrderRequest",
        "OrderStatus",
        "OrderUpdate",
        "Position",
        "Side",
        "OrderBook",
        "Ticker",
        "TimeInForce",
        "Trade",
    ),
    "btccxt.notices": (
        "CoinsUnvalued",
        "MoneyMoved",
        "NoticeKind",
        "StoreNotice",
        "StrategyLag",
        "WarmUpEnded",
    ),
    "btccxt.orders.events": (
        "Alarm",
        "AlarmKind",
    ),
    "btccxt.orders.policy": ("TrackerPolicy",),
    "btccxt.orders.risk": (
        "RiskLimits",
        "TradingState",
    ),
    "btccxt.resilience.backoff": ("Backoff",),
    "btccxt.resilience.breaker": ("BreakerPolicy",),
    "btccxt.session.stream_policy": (
        "StreamChanged",
        "StreamPolicy",
        "Verdict",
    ),
    "btccxt.sim.faults": (
        "Fault",
        "FaultKind",
        "FaultPlan",
    ),
    "btccxt.matching.paper_options": ("MatchAgainst", "PaperOptions"),
    "btccxt.sim.options": ("SimOptions",),
    "btccxt.store.account_history": ("AccountHistory", "HistoryProgress"),
    "btccxt.store.money_history": ("MoneyEntry", "MoneyKind"),
    "btccxt.store.engine": ("LiveEngine", "run", "run_backtest"),
    "btccxt.store.run_record": ("record_run",),
    "btccxt.store.store": ("CCXTStore",),
    "btccxt.sweep.grid": ("Span",),
    "btccxt.sweep.records": ("StudyRun", "StudyTrade"),
    "btccxt.sweep.result": ("StudyResult",),
    "btccxt.sweep.study": ("StudyProgress", "study"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = [
    "AccountHistory",
    "Alarm",
    "AlarmKind",
    "AuthenticationFailed",
    "Backoff",
    "BacktestBroker",
    "Balance",
    "Balances",
    "Bar",
    "BreakerPolicy",
    "BtccxtError",
    "CCXTBroker",
    "CCXTData",
    "CCXTStore",
    "ClockSkew",
    "CoinsUnvalued",
    "Columns",
    "ConfigError",
    "ConnectionLost",
    "ConnectionState",
    "CryptoCommInfo",
    "DataVenue",
    "ExchangeAPI",
    "ExchangeUnavailable",
    "Fatal",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Fee",
    "Fill",
    "HistoryProgress",
    "JournalError",
    "Lake",
    "LakeError",
    "LiveEngine",
    "Market",
    "MarketType",
    "MatchAgainst",
    "MissingBars",
    "MissingKeys",
    "Mode",
    "MoneyEntry",
    "MoneyKind",
    "MoneyMoved",
    "NonceRefused",
    "NoticeKind",
    "OnStop",
    "OrderBook",
    "OrderFeature",
    "OrderKind",
    "OrderNotFound",
    "OrderOutcomeUnknown",
    "OrderReference",
    "OrderRequest",
    "OrderStatus",
    "OrderUpdate",
    "PaperOptions",
    "Persistent",
    "Position",
    "RateLimited",
    "Refused",
    "Retryable",
    "RiskLimits",
    "RoutingBroker",
    "SeriesKey",
    "Side",
    "SimOptions",
    "Span",
    "StateMismatch",
    "StoreConfig",
    "StoreNotice",
    "StrategyLag",
    "StreamChanged",
    "StreamPolicy",
    "StudyProgress",
    "StudyResult",
    "StudyRun",
    "StudyTrade",
    "TakeProfit",
    "TakeProfitLimit",
    "Then",
    "Ticker",
    "TimeInForce",
    "TrackerPolicy",
    "Trade",
    "TradingState",
    "Unreadable",
    "Unsupported",
    "Verdict",
    "WarmUp",
    "WarmUpEnded",
    "__version__",
    "open_columns",
    "record_run",
    "run",
    "run_backtest",
    "study",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'btccxt' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
