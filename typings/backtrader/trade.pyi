from typing import Any

from .feed import AbstractDataBase

class Trade:
    ref: int
    data: AbstractDataBase
    tradeid: int
    size: float
    price: float
    value: float
    commission: float
    pnl: float
    pnlcomm: float
    isopen: bool
    isclosed: bool
    dtopen: float
    dtclose: float
    barlen: int
    long: bool
    def getdataname(self) -> str: ...
    def open_datetime(self, tz: Any = None, naive: bool = True) -> Any: ...
    def close_datetime(self, tz: Any = None, naive: bool = True) -> Any: ...
