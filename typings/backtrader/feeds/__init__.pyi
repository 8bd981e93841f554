from .chainer import Chainer as Chainer
from .rollover import RollOver as RollOver
