from typing import Any

SMA: Any  # an indicator's lines are made when its class is made
CrossOver: Any
