"""A native edit, as unmodified ccxt sends it: it points at the order by the exchange's id, and changes what it should.

ccxt reads the client order id in an edit in two ways: for most exchanges it names the order to change, for some it is
the one that the changed order gets. The id of an edit is new, so where it names the order no order is found.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from btccxt.exchange.request import build_edit
from btccxt.model import OrderKind, Side
from tests.exchange.capture import ORDER_ID, Captured, capture, make_exchange, plain_request, profiles

_EDITING = {
    f"{profile.exchange} {profile.market_type.value}": profile for profile in profiles() if profile.edit == "native"
}


def _changes_something(sent: Captured) -> bool:
    """Deribit edits by GET, Hyperliquid asks by POST."""
    return "/edit" in sent.path or (sent.method != "GET" and sent.path != "/info")


@pytest.mark.parametrize("name", _EDITING)
def test_an_edit_names_the_order_by_the_exchanges_id_and_carries_price_and_amount(name: str) -> None:
    profile = _EDITING[name]
    exchange, market = make_exchange(profile.exchange, profile.market_type)
    request = plain_request(profile, OrderKind.LIMIT, Side.BUY)
    call = build_edit(request, market, profile)

    async def edit() -> Any:
        await exchange.edit_order(ORDER_ID, call.symbol, call.type, call.side, call.amount, call.price, call.params)

    sent = capture(exchange, edit, is_wanted=_changes_something)
    text = f"{sent.path} {sent.text()}"
    assert ORDER_ID in text
    figures = {Decimal(part) for part in text.replace("=", " ").split() if part.replace(".", "", 1).isdigit()}
    assert {request.price, request.amount} <= figures, text
    assert (request.client_order_id in text) == (profile.edit_client_id is not None), text
