from typing import ClassVar

from .linebuffer import LineBuffer
from .lineseries import Lines, LineSeries

class TimeFrame:
    Ticks: ClassVar[int]
    MicroSeconds: ClassVar[int]
    Seconds: ClassVar[int]
    Minutes: ClassVar[int]
    Days: ClassVar[int]
    Weeks: ClassVar[int]
    Months: ClassVar[int]
    Years: ClassVar[int]
    NoTimeFrame: ClassVar[int]
    Names: ClassVar[list[str]]

class _DataLines(Lines):  # made by backtrader when the class is made
    datetime: LineBuffer
    open: LineBuffer
    high: LineBuffer
    low: LineBuffer
    close: LineBuffer
    volume: LineBuffer
    openinterest: LineBuffer

class OHLCDateTime(LineSeries):
    lines: _DataLines
    datetime: LineBuffer
    open: LineBuffer
    high: LineBuffer
    low: LineBuffer
    close: LineBuffer
    volume: LineBuffer
    openinterest: LineBuffer
