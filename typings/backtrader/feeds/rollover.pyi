from datetime import datetime as datetime_

from ..feed import AbstractDataBase, DataBase

class RollOver(DataBase):
    _rolls: tuple[AbstractDataBase, ...]
    _ds: list[AbstractDataBase]
    _d: AbstractDataBase | None
    _dexp: AbstractDataBase | None
    _dts: list[datetime_]
    def _checkdate(self, dt: datetime_, d: AbstractDataBase) -> bool: ...
    def _checkcondition(self, d0: AbstractDataBase, d1: AbstractDataBase) -> bool: ...
