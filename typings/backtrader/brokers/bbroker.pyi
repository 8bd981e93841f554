from collections import deque
from collections.abc import Sequence
from typing import Any

from ..broker import BrokerBase
from ..cerebro import Cerebro
from ..feed import AbstractDataBase
from ..order import Order
from ..position import Position
from ..strategy import Strategy

class BackBroker(BrokerBase):
    cerebro: Cerebro
    positions: dict[AbstractDataBase, Position]
    notifs: deque[Order | None]
    submitted: deque[Order | None]
    pending: deque[Order | None]
    _pchildren: dict[int, deque[Order]]
    def setcash(self, cash: float) -> None: ...
    def _ococheck(self, order: Order) -> None: ...
    def _bracketize(self, order: Order, cancel: bool = False) -> None: ...
    def submit(self, order: Order, check: bool = True) -> Order: ...
    def getvalue(
        self, datas: Sequence[AbstractDataBase] | None = None, mkt: bool = False, lever: bool = False
    ) -> float: ...
    def get_notification(self) -> Order | None: ...
    def notify(self, order: Order) -> None: ...
    def cancel(self, order: Order, bracket: bool = False) -> bool: ...
    def buy(
        self,
        owner: Strategy | None,
        data: AbstractDataBase,
        size: float,
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
        histnotify: bool = False,
        _checksubmit: bool = True,
        **kwargs: Any,
    ) -> Order: ...
    def sell(
        self,
        owner: Strategy | None,
        data: AbstractDataBase,
        size: float,
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
        histnotify: bool = False,
        _checksubmit: bool = True,
        **kwargs: Any,
    ) -> Order: ...
    def _execute(
        self,
        order: Order,
        ago: int | None = None,
        price: float | None = None,
        cash: float | None = None,
        position: Position | None = None,
        dtcoc: float | None = None,
    ) -> float | None: ...
