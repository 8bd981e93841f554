from datetime import datetime as datetime_

from ..feed import AbstractDataBase, DataBase

class Chainer(DataBase):
    _args: tuple[AbstractDataBase, ...]
    _ds: list[AbstractDataBase]
    _d: AbstractDataBase | None
    _lastdt: datetime_
