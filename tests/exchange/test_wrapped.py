"""What wraps an exchange passes on every call, also those that ``ExchangeAPI`` gets next."""

from __future__ import annotations

import inspect
from decimal import Decimal as D
from typing import Any
from unittest.mock import create_autospec, sentinel

import pytest

from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.hedged import HedgedExchange
from btccxt.exchange.sensible import SensibleExchange
from btccxt.exchange.wrapped import WrappedExchange
from btccxt.model import OrderKind, OrderReference, OrderRequest, Side, StreamKey, StreamKind

OF_ITS_OWN_READS = {"trade_pages", "order_pages"}
CALLS = {
    name: [each for each in inspect.signature(call).parameters if each != "self"]
    for name, call in vars(ExchangeAPI).items()
    if inspect.isfunction(call) and not name.startswith("_")
}
PERP, LONG = "BTC/USDT:USDT", "BTC/USDT:USDT long"
REQUEST = OrderRequest("b1", LONG, Side.SELL, OrderKind.MARKET, D(1), reduce_only=True)


async def answer(found: Any) -> Any:
    return await found if inspect.isawaitable(found) else found


@pytest.mark.parametrize("name", sorted(set(CALLS) - OF_ITS_OWN_READS))
async def test_a_call_reaches_the_exchange_as_it_is(name: str) -> None:
    wrapped = create_autospec(ExchangeAPI, instance=True, id="x")
    asked = [getattr(sentinel, each) for each in CALLS[name]]
    found = await answer(getattr(WrappedExchange(wrapped), name)(*asked))
    called = getattr(wrapped, name)
    called.assert_called_once_with(*asked)
    if not name.startswith(("open", "close", "set_", "cancel_all", "stream")):
        assert found is called.return_value


@pytest.mark.parametrize("wrapper", [SensibleExchange, HedgedExchange])
def test_what_checks_or_renames_passes_on_all_else(wrapper: type[ExchangeAPI]) -> None:
    assert issubclass(wrapper, WrappedExchange)


class ReachedError(Exception):
    pass


GIVEN: dict[str, Any] = {
    "symbol": LONG, "symbols": [LONG], "reference": OrderReference(LONG, "7", "b1"),
    "request": REQUEST, "stop": REQUEST, "target": REQUEST,
    "key": StreamKey(StreamKind.TICKER, LONG), "keys": [StreamKey(StreamKind.TICKER, LONG)],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(name for name, words in CALLS.items() if set(words) & set(GIVEN)))
async def test_an_exchange_in_hedge_mode_is_never_asked_by_the_name_of_a_position(name: str) -> None:
    wrapped = create_autospec(ExchangeAPI, instance=True, id="x")
    called = getattr(wrapped, name)
    called.side_effect = ReachedError
    with pytest.raises(ReachedError):
        await answer(getattr(HedgedExchange(wrapped), name)(*[GIVEN.get(each, 1) for each in CALLS[name]]))
    assert PERP in str(called.call_args) and LONG not in str(called.call_args)
