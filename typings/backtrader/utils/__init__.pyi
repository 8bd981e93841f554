from . import date as date
from .date import date2num as date2num
from .date import num2date as num2date
