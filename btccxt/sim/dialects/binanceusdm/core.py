"""Binance USD-M's accounts behind its endpoints: client ids, batches, funding."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from btccxt.sim.dialects.base import DialectError, Venue
from btccxt.sim.dialects.binance.errors import error
from btccxt.sim.dialects.binance.protocol import BinanceProtocol, Call
from btccxt.sim.dialects.binanceusdm.user_streams import UserStreams

_ID_LETTERS = string.ascii_letters + string.digits
_MOST_IN_BATCH = 5


class BinanceUsdMCore(BinanceProtocol):
    """State of the accounts, and what endpoints ask for."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.user_streams = UserStreams(venue, self.hub)
        self._random = random.Random(f"{venue.seed}:binanceusdm")

    def new_client_id(self) -> str:
        return "".join(self._random.choices(_ID_LETTERS, k=22))

    def each_of_batch(self, call: Call, perform: Callable[[Any, Call], Any]) -> list[Any]:
        """``batchOrders``: a JSON list of parameters; an answer or an error for each."""
        try:
            rows = json.loads(call.required("batchOrders"))
        except ValueError:
            rows = None
        if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST_IN_BATCH:
            raise error(-4082, "Invalid batch place order count.")
        answers: list[Any] = []
        for row in rows:
            params = {
                name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in row.items()
            }
            try:
                answers.append(perform(self, replace(call, params=params)))
            except DialectError as refusal:
                answers.append(refusal.body)
        return answers

    def fund(self, symbol: str, rate: Decimal) -> Mapping[str, Decimal]:
        """Charge funding now. Returns what each account received; negative: paid."""
        return self.venue.engine.apply_funding(symbol, rate, self.venue.now_ms())
