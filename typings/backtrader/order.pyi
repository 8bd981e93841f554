from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar

from typing_extensions import Self

from .comminfo import CommInfoBase
from .feed import AbstractDataBase
from .strategy import Strategy

class OrderExecutionBit:
    dt: float
    size: float
    price: float
    closed: float
    opened: float
    closedvalue: float
    openedvalue: float
    closedcomm: float
    openedcomm: float
    value: float
    comm: float
    pnl: float
    psize: float
    pprice: float

class OrderData:
    exbits: deque[OrderExecutionBit]
    dt: float | None
    size: float
    remsize: float
    price: float
    pricelimit: float
    pclose: float
    plimit: float
    value: float
    comm: float
    margin: float | None
    pnl: float
    psize: float
    pprice: float
    p1: int
    p2: int
    def iterpending(self) -> Iterator[OrderExecutionBit]: ...
    def markpending(self) -> None: ...

class OrderBase:
    Market: ClassVar[int]
    Close: ClassVar[int]
    Limit: ClassVar[int]
    Stop: ClassVar[int]
    StopLimit: ClassVar[int]
    StopTrail: ClassVar[int]
    StopTrailLimit: ClassVar[int]
    Historical: ClassVar[int]
    Created: ClassVar[int]
    Submitted: ClassVar[int]
    Accepted: ClassVar[int]
    Partial: ClassVar[int]
    Completed: ClassVar[int]
    Canceled: ClassVar[int]
    Expired: ClassVar[int]
    Margin: ClassVar[int]
    Rejected: ClassVar[int]
    ExecTypes: ClassVar[list[str]]
    refbasis: ClassVar[Iterator[int]]
    params: Any
    p: Any
    ref: int
    broker: Any
    owner: Strategy | None
    data: AbstractDataBase
    size: float
    price: float | None
    pricelimit: float | None
    exectype: int
    valid: float | None
    tradeid: int
    oco: Order | None
    parent: Order | None
    transmit: bool
    trailamount: float | None
    trailpercent: float | None
    info: Any
    comminfo: CommInfoBase
    status: int
    created: OrderData
    executed: OrderData
    plen: int
    dteos: float
    triggered: bool
    _limitoffset: float
    def __init__(self, **kwargs: Any) -> None: ...
    def clone(self) -> Self: ...
    def getstatusname(self, status: int | None = None) -> str: ...
    def getordername(self, exectype: int | None = None) -> str: ...
    def ordtypename(self, ordtype: int | None = None) -> str: ...
    def trailadjust(self, price: float) -> None: ...
    def alive(self) -> bool: ...
    def addcomminfo(self, comminfo: CommInfoBase) -> None: ...
    def addinfo(self, **kwargs: Any) -> None: ...
    def isbuy(self) -> bool: ...
    def issell(self) -> bool: ...
    def submit(self, broker: object = None) -> None: ...
    def accept(self, broker: object = None) -> None: ...
    def reject(self, broker: object = None) -> bool | None: ...
    def cancel(self) -> None: ...
    def margin(self) -> None: ...
    def completed(self) -> None: ...
    def partial(self) -> None: ...
    def expire(self) -> bool | None: ...
    def execute(
        self,
        dt: float,
        size: float,
        price: float,
        closed: float,
        closedvalue: float,
        closedcomm: float,
        opened: float,
        openedvalue: float,
        openedcomm: float,
        margin: float | None,
        pnl: float,
        psize: float,
        pprice: float,
    ) -> None: ...

class Order(OrderBase): ...
class BuyOrder(Order): ...
class SellOrder(Order): ...
