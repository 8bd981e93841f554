from collections.abc import Sequence
from typing import Any

from .analyzer import Analyzer
from .broker import BrokerBase
from .cerebro import Cerebro
from .feed import AbstractDataBase
from .order import Order
from .position import Position
from .trade import Trade

class Strategy:
    params: Any
    p: Any
    env: Cerebro
    cerebro: Cerebro
    broker: Any  # whichever the user set: backtrader's broker classes share no complete base
    datas: list[AbstractDataBase]
    data: AbstractDataBase
    analyzers: Any
    stats: Any
    _slave_analyzers: Sequence[Analyzer]
    _minperiods: list[int]
    _orders: Any  # a list, which it only extends
    _trades: dict[AbstractDataBase, dict[int, list[Trade]]]
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __len__(self) -> int: ...
    def _stop(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def next_open(self) -> None: ...
    def next(self) -> None: ...
    def notify_order(self, order: Order) -> None: ...
    def notify_trade(self, trade: Trade) -> None: ...
    def notify_cashvalue(self, cash: float, value: float) -> None: ...
    def getposition(self, data: AbstractDataBase | None = None, broker: BrokerBase | None = None) -> Position: ...
    def getdatabyname(self, name: str) -> AbstractDataBase: ...
    def buy(
        self,
        data: AbstractDataBase | None = None,
        size: float | None = None,
        price: float | None = None,
        plimit: float | None = None,
        exectype: int | None = None,
        valid: Any = None,
        tradeid: int = 0,
        oco: Order | None = None,
        trailamount: float | None = None,
        trailpercent: float | None = None,
        parent: Order | None = None,
        transmit: bool = True,
        **kwargs: Any,
    ) -> Any: ...
    def sell(
        self,
        data: AbstractDataBase | None = None,
        size: float | None = None,
        price: float | None = None,
        plimit: float | None = None,
        exectype: int | None = None,
        valid: Any = None,
        tradeid: int = 0,
        oco: Order | None = None,
        trailamount: float | None = None,
        trailpercent: float | None = None,
        parent: Order | None = None,
        transmit: bool = True,
        **kwargs: Any,
    ) -> Any: ...
    def close(self, data: AbstractDataBase | None = None, size: float | None = None, **kwargs: Any) -> Any: ...
    def cancel(self, order: Order) -> None: ...
    @property
    def position(self) -> Position: ...
