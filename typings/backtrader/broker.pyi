from collections.abc import Sequence
from typing import Any

from .comminfo import CommInfoBase
from .feed import AbstractDataBase
from .order import Order
from .position import Position
from .strategy import Strategy

class BrokerBase:
    params: Any
    p: Any
    comminfo: dict[str | None, CommInfoBase]
    def __init__(self, **kwargs: Any) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def getcommissioninfo(self, data: AbstractDataBase) -> CommInfoBase: ...
    def addcommissioninfo(self, comminfo: CommInfoBase, name: str | None = None) -> None: ...
    def getcash(self) -> float: ...
    def getvalue(self, datas: Sequence[AbstractDataBase] | None = None) -> float: ...
    def getposition(self, data: AbstractDataBase) -> Position: ...
    def cancel(self, order: Order) -> Any: ...
    def next(self) -> None: ...
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
        **kwargs: Any,
    ) -> Any: ...
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
        **kwargs: Any,
    ) -> Any: ...
