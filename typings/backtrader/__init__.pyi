"""What btccxt uses of backtrader, which has no types of its own: nothing more, and checked against the installed one.

``p`` and ``params`` are Any: backtrader makes their classes when a class is made.
"""

from . import analyzers as analyzers
from . import brokers as brokers
from . import feed as feed
from . import feeds as feeds
from . import indicators as indicators
from . import linebuffer as linebuffer
from . import order as order
from . import resamplerfilter as resamplerfilter
from . import utils as utils
from .analyzer import Analyzer as Analyzer
from .broker import BrokerBase as BrokerBase
from .cerebro import Cerebro as Cerebro
from .comminfo import CommInfoBase as CommInfoBase
from .dataseries import TimeFrame as TimeFrame
from .feed import AbstractDataBase as AbstractDataBase
from .feed import DataBase as DataBase
from .linebuffer import LineBuffer as LineBuffer
from .order import BuyOrder as BuyOrder
from .order import Order as Order
from .order import OrderBase as OrderBase
from .order import SellOrder as SellOrder
from .position import Position as Position
from .strategy import Strategy as Strategy
from .trade import Trade as Trade
from .utils import date2num as date2num
from .utils import num2date as num2date

ind = indicators
